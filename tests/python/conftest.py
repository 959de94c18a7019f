"""The package as it is built (cmake -DPITH_PYTHON=ON); without it these tests are skipped by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("PITH_BUILD", ROOT / "build")).resolve()
PACKAGE = BUILD / "python"
sys.path.insert(0, str(PACKAGE))


@pytest.fixture(scope="session")
def pithkv():
    return pytest.importorskip("pithkv", reason="the Python package is not built: cmake -DPITH_PYTHON=ON")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    subprocess.run([BUILD / "make_tiny_model", path, "qwen2", "1", "2048"], check=True)
    return str(path)
