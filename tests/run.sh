#!/usr/bin/env bash
# Every test, with one closing line that counts them: unit tests, the command line, sanitizers, short fuzzing.
#
#   tests/run.sh             all of it (`make test` sets up first)
#   tests/run.sh --quick     without sanitizers and fuzzing
#   tests/run.sh --only STEP one of: unit, cli, python, sanitize, fuzz
# BUILD is the build folder, JOBS the compilers at once, SECONDS_FUZZ the time for each fuzz target.
set -uo pipefail
cd "$(dirname "$0")/.."
# The compiler cache then serves clones in other folders, too.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

BUILD=${BUILD:-build}
JOBS=${JOBS:-$(nproc)}
SECONDS_FUZZ=${SECONDS_FUZZ:-10}
MODELS=(smollm2-135m-instruct qwen2.5-coder-0.5b-instruct gemma3-270m)
SANITIZED=(test_base test_gguf test_text test_hub test_model test_cache test_recipe test_engine test_api test_probe test_eval)
RESULTS=$PWD/$BUILD/test-results

case "${1:-}" in
  '') steps=(unit cli python sanitize fuzz) ;;
  --quick) steps=(unit cli python) ;;
  --only) steps=("${2:?which step?}") ;;
  *) echo "usage: tests/run.sh [--quick | --only STEP]" >&2; exit 2 ;;
esac

passed=0 failed=0 skipped=0
title() { printf '\n== %s (%d min %02d s so far)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }
one() {  # one NAME COMMAND...: a step that is itself one test
  local name=$1
  shift
  if "$@"; then passed=$((passed + 1)); else echo "FAILED: $name"; failed=$((failed + 1)); fi
}
count_xml() {  # adds the cases of all JUnit files in a folder
  local counts
  counts=$(python3 tests/support/count.py "$1") || { failed=$((failed + 1)); return; }
  read -r p f s <<<"$counts"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}
die() { echo "$*" >&2; exit 1; }

build() {
  title "build"
  cmake -B "$BUILD" -G Ninja -DPITH_PYTHON=ON -DPython_EXECUTABLE="$PWD/$BUILD/venv/bin/python" >/dev/null && ninja -C "$BUILD" -j "$JOBS" all make_tiny_model || die "the build failed"
}

unit() {
  title "models for tests"
  one "pith pull" "$BUILD/pith" pull "${MODELS[@]}"
  title "unit tests"
  GTEST_OUTPUT="xml:$RESULTS/unit/" ctest --test-dir "$BUILD" --output-on-failure || crashed "$BUILD" unit
  count_xml "$RESULTS/unit"
}

# A test binary that died wrote no results: it counts as one failure.
crashed() {
  local name binaries written
  binaries=$(ctest --test-dir "$1" --show-only=json-v1 | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["tests"]))')
  written=$(find "$RESULTS/$2" -name '*.xml' | wc -l)
  [ "$written" -lt "$binaries" ] && failed=$((failed + binaries - written))
}

cli() {
  title "the command line and the ladder"
  PITH_BUILD=$BUILD "$BUILD/venv/bin/python" -m pytest -q -p no:cacheprovider \
    --junit-xml="$RESULTS/cli/pytest.xml" -o python_files='*_test.py' --ignore=tests/python tests bench
  count_xml "$RESULTS/cli"
}

# The package that the build left in $BUILD/python, and sweeps on Ray.
python() {
  title "the Python package"
  PITH_BUILD=$BUILD "$BUILD/venv/bin/python" -m pytest -q -p no:cacheprovider -rs \
    --junit-xml="$RESULTS/python/pytest.xml" -o python_files='*_test.py' tests/python
  count_xml "$RESULTS/python"
}

sanitize() {
  title "unit tests under the address and undefined-behaviour sanitizers"
  cmake -B "$BUILD-sanitize" -G Ninja -DPITH_SANITIZE=ON -DCMAKE_CXX_FLAGS_RELEASE="-O1 -g1" >/dev/null &&
    ninja -C "$BUILD-sanitize" -j "$JOBS" "${SANITIZED[@]}" || die "the sanitizer build failed"
  local test environment skipped_before=$skipped
  for test in "${SANITIZED[@]}"; do
    echo "$test"
    environment=(GTEST_OUTPUT="xml:$RESULTS/sanitize/$test.xml")
    # Whole real models take too long here: their tests are the business of the step `unit`, which also counts those that are skipped.
    case $test in test_engine | test_api | test_probe | test_eval) environment+=(PITH_MODELS="$RESULTS/none") ;; esac
    env "${environment[@]}" "$BUILD-sanitize/$test" --gtest_brief=1 ||
      { [ -e "$RESULTS/sanitize/$test.xml" ] || failed=$((failed + 1)); }
  done
  count_xml "$RESULTS/sanitize"
  skipped=$skipped_before
}

fuzz() {
  title "fuzz targets, $SECONDS_FUZZ s each"
  cmake -B "$BUILD-fuzz" -G Ninja -DPITH_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_CXX_FLAGS_RELEASE="-O1 -g1" >/dev/null ||
    die "the fuzz build failed"
  local targets target name seeds
  targets=$(ninja -C "$BUILD-fuzz" -t targets all | sed -n 's/^\(fuzz_[a-z_]*\):.*/\1/p')
  ninja -C "$BUILD-fuzz" -j "$JOBS" $targets || die "the fuzz build failed"
  for target in $targets; do
    name=${target#fuzz_}
    mkdir -p "$BUILD-fuzz/corpus/$name"
    seeds=()
    [ -d "tests/fuzz/$name" ] && seeds=("tests/fuzz/$name")
    echo "$target"
    one "$target" "$BUILD-fuzz/$target" -max_total_time="$SECONDS_FUZZ" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
      -print_final_stats=0 -artifact_prefix="$BUILD-fuzz/$name-" "$BUILD-fuzz/corpus/$name" "${seeds[@]}"
  done
}

rm -rf "$RESULTS"
mkdir -p "$RESULTS"/{unit,cli,python,sanitize}
case " ${steps[*]} " in *" unit "* | *" cli "* | *" python "*) build ;; esac
for step in "${steps[@]}"; do
  case $step in
    unit | cli | python | sanitize | fuzz) $step ;;
    *) die "no step is called $step: unit, cli, python, sanitize, fuzz" ;;
  esac
done

title "done"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
