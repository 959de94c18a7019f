"""What `cmake --install` puts where, and programs that need nothing but that. PITH_BUILD names the build folder (default: build)."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("PITH_BUILD", ROOT / "build")).resolve()
EXAMPLES = ROOT / "examples/cpp"
HEADERS = sorted(path.name for path in (ROOT / "include/pith").glob("*.h"))

DOCUMENT = "The code of the shed is HERON-4471. Berit signs for the fuel. The key hangs in the clock.\n" * 4


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    run("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def library(prefix):
    return next(prefix.glob("lib*/**/libpith.so"))


@pytest.fixture(scope="module")
def examples(prefix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    warnings = "-Wall -Wextra -Wpedantic -Wshadow -Werror"
    run("cmake", "-S", EXAMPLES, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_FLAGS={warnings}")
    run("cmake", "--build", folder, "--parallel", "2")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    run(BUILD / "make_tiny_model", path, "qwen2", "1", "2048")
    return path


def test_installs_these_files_and_no_others(prefix, library):
    lib = library.parent.relative_to(prefix).as_posix()
    found = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if not path.is_dir()}
    versioned = {name for name in found if re.fullmatch(rf"{lib}/libpith\.so(\.\d+)+", name)}
    targets = {name for name in found if re.fullmatch(rf"{lib}/cmake/pith/pithTargets(-\w+)?\.cmake", name)}
    package = {f"{lib}/cmake/pith/pithConfig.cmake", f"{lib}/cmake/pith/pithConfigVersion.cmake"}
    assert f"{lib}/libpith.so.0" in versioned and len(targets) == 2
    assert found - versioned - targets - package == {
        "bin/pith",
        f"{lib}/libpith.so",
        *(f"include/pith/{name}" for name in HEADERS),
    }


def test_the_library_shows_its_own_namespace_only(library):
    symbols = [line.split() for line in run("nm", "-D", "--defined-only", library).splitlines()]
    names = {fields[-1].split("@")[0] for fields in symbols}
    assert "_ZN6pithkv6Engine4loadERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEERKNS_13EngineOptionsE" in names
    demangled = run("c++filt", *sorted(names)).splitlines()
    shown = r"(typeinfo (name )?for |vtable for )?pithkv::(Engine|Context|Conversation|Error|to_string|canonical_recipe|version)\b"
    assert [name for name in demangled if not re.match(shown, name)] == []
    assert not any("Shared" in name or "State" in name for name in demangled)


def test_its_soname_is_that_of_the_interface(library):
    assert "libpith.so.0]" in run("readelf", "-d", library)


def test_the_command_is_installed(prefix, tiny):
    assert run(prefix / "bin/pith", "tokenize", "-m", tiny, "--count", "hello").strip() == "1"


@pytest.mark.parametrize("standard", ["c++17", "c++20"])
@pytest.mark.parametrize("header", HEADERS)
def test_every_header_stands_alone(prefix, header, standard):
    command = ["g++", f"-std={standard}", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-x", "c++", "-"]
    run(*command, f"-I{prefix}/include", input=f"#include <pith/{header}>\n")


def test_the_first_program_asks_a_document(examples, tiny, tmp_path):
    document = tmp_path / "document.txt"
    document.write_text(DOCUMENT)
    lines = run(examples / "ask", tiny, document, "Who signs?", "Where is the key?").splitlines()
    before, after = map(int, re.search(r"(\d+) bytes before, (\d+) after kvzip_plus \+ global \+ int4 @ 4x", lines[0]).groups())
    assert 0 < after < before
    assert [line for line in lines if line.startswith("> ")] == ["> Who signs?", "> Where is the key?"]
    assert len(re.findall(r"\[\d+ tokens, (?:max_tokens|end_of_text)\]", "\n".join(lines))) == 2


def test_errors_cross_the_border_of_the_library(examples, tmp_path):
    done = subprocess.run([examples / "ask", "nowhere.gguf", "document.txt", "Who?"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "ask: not_found: there is no file nowhere.gguf\n"


def test_the_second_program_talks_and_goes_on(examples, tiny, tmp_path):
    talk = tmp_path / "talk.pith"
    for turns in ("hello the and in\nand then?\n", "the end?\n"):
        out = run(examples / "chat", tiny, talk, input=turns)
        said = re.search(r"(\d+) turns, (\d+) compressed: \d+ bytes, the full cache has \d+", out)
        assert said and int(said[1]) == turns.count("\n"), out
    assert talk.stat().st_size > 0


def test_the_page_shows_the_program_as_it_is():
    page = (ROOT / "docs/cpp.md").read_text(encoding="utf-8")
    for name in ("ask.cpp", "CMakeLists.txt"):
        source = (EXAMPLES / name).read_text(encoding="utf-8")
        assert f"\n{source}```\n" in page, name
