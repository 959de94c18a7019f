"""Runs the built command. PITH_BUILD names the build folder (default: build)."""

import json
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("PITH_BUILD", ROOT / "build")).resolve()
PITH = BUILD / "pith"

DOCUMENT = (
    "The code of the shed is HERON-4471. Berit signs for the fuel. The key hangs in the clock. "
    "The ferry leaves at 17:40.\n"
)


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self):
        """The one line that says what is wrong."""
        lines = [line for line in self.err.splitlines() if line.startswith("pith: ")]
        assert len(lines) == 1, self.err
        assert self.err.splitlines()[-1] == lines[0], self.err
        return lines[0]


def limit_memory(gibibytes):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (gibibytes << 30, gibibytes << 30))


def limit_files(size):
    """No file may grow beyond it: what a full disk does, without one."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture(scope="session")
def pith():
    assert PITH.exists(), f"{PITH} is missing: run make first"

    def run(*arguments, input=None, env=None, memory_gib=None, timeout=300, cwd=None):
        done = subprocess.run(
            [PITH, *map(str, arguments)],
            input=input.encode() if isinstance(input, str) else input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=timeout,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            preexec_fn=limit_memory(memory_gib) if memory_gib else None,
        )
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    return run


@pytest.fixture(scope="session")
def fails(pith):
    """Runs, and expects a clear failure that mentions all `words`."""

    def run(*arguments, words=(), code=1, **options):
        result = pith(*arguments, **options)
        assert result.code == code, (result.code, result.err)
        for word in words:
            assert word in result.error, result.error
        return result

    return run


@pytest.fixture(scope="session")
def make_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")

    def make(name="tiny", architecture="qwen2", seed=1, context=512):
        path = folder / f"{name}.gguf"
        subprocess.run([BUILD / "make_tiny_model", path, architecture, str(seed), str(context)], check=True)
        return path

    return make


@pytest.fixture(scope="session")
def tiny(make_model):
    return make_model()


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "document.txt"
    path.write_text(DOCUMENT)
    return path


def find_model(name):
    if "PITH_MODELS" in os.environ:
        folder = Path(os.environ["PITH_MODELS"])
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pith/models"
    return folder / f"{name}.gguf"


@pytest.fixture(scope="session")
def real_model():
    def find(name):
        path = find_model(name)
        if not path.exists():
            pytest.skip(f"{name} is not here: pith pull {name}")
        return path

    return find


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not here: scripts/setup.sh --test")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("chromium is not here: scripts/setup.sh --test")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a page, and checks at the end that nothing was requested and nothing went wrong."""
    requests, errors, contexts = [], [], []

    def open(path, hash="", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None)
        page.goto(f"file://{path}{hash}")
        requests.pop(0)  # the page itself
        return page

    yield open
    for context in contexts:
        context.close()
    assert requests == []
    assert errors == []
