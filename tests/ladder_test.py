"""The ladder of src/: a layer includes only layers above it, and intrinsics stay in src/kernels."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
PUBLIC = ROOT / "include/pith"
# As in docs/architecture.md. `cache` and `recipe` stand below `model` but must not know it, which CMakeLists.txt says.
LADDER = ["base", "kernels", "gguf", "text", "hub", "model", "cache", "recipe", "engine", "api", "probe", "eval", "serve", "cli"]
PURE = {"cache", "recipe"}


def linked_layers():
    """layer -> the layers that it links, directly or not, as CMakeLists.txt says."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    direct = {name: re.findall(r"pith_(\w+)", uses) for name, uses in re.findall(r"pith_layer\((\w+)\s+USES([^)]*)\)", text)}

    def closure(layer):
        return set(direct[layer]).union(*(closure(other) for other in direct[layer]))

    return {layer: closure(layer) for layer in direct}


ABOVE = linked_layers()
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)
INTRINSICS = re.compile(r"(\w*intrin|arm_neon|arm_sve|cpuid)\.h$")
# The pause of a spinning thread is the one intrinsic that is no arithmetic.
MAY_USE_INTRINSICS = {"base/thread_pool.cpp"}


def source_files(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in {".h", ".cpp", ".inc"})


def includes(path):
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def test_every_folder_is_a_layer():
    folders = {p.name for p in SOURCE.iterdir() if p.is_dir() and source_files(p)}
    assert folders <= set(ABOVE)
    assert set(ABOVE) <= set(LADDER)


def test_layers_link_only_what_stands_above():
    for layer, linked in ABOVE.items():
        assert linked <= set(LADDER[: LADDER.index(layer)]), layer
    for layer in PURE:
        assert not ABOVE[layer] & {"model", "engine", "text", "gguf"}, layer


@pytest.mark.parametrize("layer", ABOVE)
def test_includes_only_layers_above(layer):
    allowed = {layer, *ABOVE[layer]}
    wrong = []
    for path in source_files(SOURCE / layer):
        for name in includes(path):
            target = name.split("/")[0]
            if "/" in name and target in ABOVE and target not in allowed:
                wrong.append(f"{path.relative_to(SOURCE)} includes {name}")
    assert wrong == []


def test_intrinsics_only_in_kernels():
    wrong = []
    for path in source_files(SOURCE):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith("kernels/") or name in MAY_USE_INTRINSICS:
            continue
        wrong += [f"{name} includes {header}" for header in includes(path) if INTRINSICS.search(header)]
    assert wrong == []


def test_headers_begin_with_what_they_are():
    wrong = []
    for path in [*SOURCE.rglob("*.h"), *PUBLIC.glob("*.h")]:
        head = path.read_text(encoding="utf-8").split("#pragma once")[0].strip()
        if not head.startswith("//"):
            wrong.append(path.relative_to(ROOT).as_posix())
    assert wrong == []


def test_public_headers_include_the_standard_library_and_each_other():
    names = {f"pith/{path.name}" for path in PUBLIC.glob("*.h")}
    assert len(names) >= 6
    for path in PUBLIC.glob("*.h"):
        assert [name for name in includes(path) if name not in names and not re.fullmatch(r"[a-z_]+", name)] == [], path.name
    assert names - set(includes(PUBLIC / "pith.h")) == {"pith/pith.h"}
