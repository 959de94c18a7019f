"""Gets and builds the peers, outside the repository. It measures nothing.

llama.cpp comes with the source distribution of the Python package llama-cpp-python (its vendor/llama.cpp); ik_llama.cpp is
built from a source tree that the caller has, and is never downloaded. Only llama-bench and llama-simple are built.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"
SHA256 = {"0.3.36": "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"}

COMMON = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_SERVER=OFF",
          "-DLLAMA_CURL=OFF"]
AVX2_ONLY = ["-DGGML_NATIVE=OFF", "-DGGML_AVX=ON", "-DGGML_AVX2=ON", "-DGGML_FMA=ON", "-DGGML_F16C=ON", "-DGGML_BMI2=ON",
             "-DGGML_AVX512=OFF", "-DGGML_AVX512_VBMI=OFF", "-DGGML_AVX512_VNNI=OFF", "-DGGML_AVX512_BF16=OFF"]
ISA_FLAGS = {"native": ["-DGGML_NATIVE=ON"], "avx2": AVX2_ONLY}
PEER_FLAGS = {
    "llama.cpp": ["-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_APP=OFF"],
    # Kernels for every mixture of quantised caches take minutes to compile and are not used with an f16 cache.
    "ik_llama.cpp": ["-DGGML_IQK_FA_ALL_QUANTS=OFF"],
}
TARGETS = ["llama-bench", "llama-simple"]


class Unavailable(Exception):
    """A peer that cannot be had here; the message says why and what to do."""


def run_logged(argv, log, what):
    """Runs a step of the set-up; its output goes to a file that an error names."""
    with open(log, "w", encoding="utf-8") as out:
        try:
            status = subprocess.run(argv, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
        except FileNotFoundError:
            raise Unavailable(f"{what}: {argv[0]} is not installed") from None
    if status != 0:
        raise Unavailable(f"{what} failed with status {status}; see {log}")


def llama_cpp_source(work, version):
    """The folder of llama.cpp's source, downloaded once."""
    source = work / f"llama.cpp-{version}"
    if (source / "CMakeLists.txt").exists():
        return source
    downloads = work / "download"
    downloads.mkdir(parents=True, exist_ok=True)
    archive = downloads / f"llama_cpp_python-{version}.tar.gz"
    if not archive.exists():
        print(f"peers: downloading {PACKAGE}=={version} (about 75 MB)", file=sys.stderr, flush=True)
        # --no-binary only for the package itself: its build tools, which pip wants for the metadata, may be wheels.
        run_logged([sys.executable, "-m", "pip", "download", "--no-binary", PACKAGE, "--no-deps", f"{PACKAGE}=={version}",
                    "-d", str(downloads)], work / "download.log", f"pip download {PACKAGE}=={version}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256.get(version, digest):
        raise Unavailable(f"{archive}: sha256 is {digest}, expected {SHA256[version]}; delete the file and start again")
    unpack(archive, source)
    return source


def unpack(archive, source):
    """Takes vendor/llama.cpp out of the archive; the folder appears whole or not at all."""
    partial = source.with_name(source.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    inside = re.compile(r"^[^/]+/vendor/llama\.cpp/(.+)$")
    with tarfile.open(archive) as tar:
        for member in tar:
            match = inside.match(member.name)
            if match is None or ".." in member.name or match.group(1).startswith(".git"):
                continue
            target = partial / match.group(1)
            if member.isfile():
                target.parent.mkdir(parents=True, exist_ok=True)
                with tar.extractfile(member) as data, open(target, "wb") as out:
                    shutil.copyfileobj(data, out)
                target.chmod(member.mode & 0o777)
    if not (partial / "CMakeLists.txt").exists():
        raise Unavailable(f"{archive} holds no vendor/llama.cpp")
    partial.rename(source)


def commit_of(source):
    """The commit of a git checkout, or an empty text."""
    answer = subprocess.run(["git", "-C", str(source), "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True,
                            check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def build(work, name, version, source, isa, jobs):
    """Builds one peer for one instruction set; returns the folder of its programs. Quick when there is nothing to do."""
    source = pathlib.Path(source).resolve()
    if not (source / "CMakeLists.txt").exists():
        raise Unavailable(f"{name}: {source} has no CMakeLists.txt; give the root of a source tree")
    folder = work / "build" / f"{name}-{version}-{isa}"
    programs = folder / "bin"
    if all((programs / target).exists() for target in TARGETS):
        return programs
    print(f"peers: building {name} {version} ({isa}); some minutes", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    run_logged(["cmake", "-S", str(source), "-B", str(folder), *generator, *COMMON, *PEER_FLAGS[name], *ISA_FLAGS[isa]],
               folder / "configure.log", f"configuring {name}")
    run_logged(["nice", "-n", "10", "cmake", "--build", str(folder), "-j", str(jobs), "--target", *TARGETS],
               folder / "build.log", f"building {name}")
    return programs


def cpu_clock(work):
    """The library that turns an engine's clock into one of processor time."""
    source, library = pathlib.Path(__file__).with_name("cpu_clock.c"), work / "cpu_clock.so"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        run_logged(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], work / "cpu_clock.log", "building cpu_clock.so")
    return library.resolve()


def default_work():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "pith-bench"
