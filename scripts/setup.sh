#!/usr/bin/env bash
# Installs what pith needs on Debian 12 and is not there yet. Quick, and without a download, when nothing is missing.
#
#   scripts/setup.sh          what building and the demo need
#   scripts/setup.sh --test   also what the tests need: clang for the fuzz targets, chromium; pytest, nanobind, Ray and playwright in build/venv
set -euo pipefail
cd "$(dirname "$0")/.."

BUILD_PACKAGES=(
  g++ cmake ninja-build ccache mold pkg-config ca-certificates python3 python3-pip
  libfmt-dev libcli11-dev libeigen3-dev nlohmann-json3-dev libpcre2-dev libicu-dev libxxhash-dev libyaml-cpp-dev
  libssl-dev libcurl4-openssl-dev libzip-dev libgtest-dev libgmock-dev
)
TEST_PACKAGES=(clang-19 libclang-rt-19-dev libbenchmark-dev python3-venv python3-dev chromium)
PYTHON_PACKAGES=(pytest nanobind ray playwright)  # playwright drives Debian's chromium: reports are opened in a browser

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "not root and no sudo: as root, run: apt-get install --no-install-recommends ${missing[*]}"
  fi
}

install_packages() {
  missing=()
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    say "all $# Debian packages are here"
    return
  fi
  command -v apt-get >/dev/null || die "no apt-get here; install by hand: ${missing[*]}"
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install_python() {
  local venv=build/venv
  if [ -x $venv/bin/python ] && $venv/bin/python -c '
import importlib.util, sys
sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))' "${PYTHON_PACKAGES[@]}"; then
    say "$venv is here"
    return
  fi
  say "making $venv with ${PYTHON_PACKAGES[*]}"
  rm -rf $venv
  python3 -m venv $venv
  $venv/bin/pip install --quiet --disable-pip-version-check "${PYTHON_PACKAGES[@]}"
}

case "${1:-}" in
  '') install_packages "${BUILD_PACKAGES[@]}" ;;
  --test)
    install_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    install_python
    ;;
  *) die "unknown option $1; usage: scripts/setup.sh [--test]" ;;
esac
