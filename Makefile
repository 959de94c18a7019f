# make          build the command: build/pith
# make demo     set up, build, fetch the default model, answer five questions from compressed caches
# make test     set up, build, fetch the test models, run every test
# make help     all targets
.DEFAULT_GOAL := build
.PHONY: build install setup setup-test demo test test-quick bench sanitize fuzz format clean help

BUILD ?= build
JOBS ?= $(shell nproc)
# The compiler cache then serves clones in other folders, too.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

DEMO_MODEL := qwen2.5-coder-0.5b-instruct

build: $(BUILD)/build.ninja  ## build the command (scripts/setup.sh installs what it needs)
	@ninja -C $(BUILD) -j $(JOBS) pith

$(BUILD)/build.ninja: CMakeLists.txt
	@command -v cmake >/dev/null && command -v ninja >/dev/null || scripts/setup.sh
	@cmake -B $(BUILD) -G Ninja

PREFIX ?= /usr/local
install: build  ## the command, libpith.so and the C++ headers, under PREFIX (docs/cpp.md)
	@ninja -C $(BUILD) -j $(JOBS) libpith
	@cmake --install $(BUILD) --prefix $(PREFIX)

setup:  ## install what building needs and is missing (Debian; root or sudo)
	@scripts/setup.sh

setup-test:  ## ... and what the tests need
	@scripts/setup.sh --test

demo: setup  ## the main job on a handbook of 3,000 tokens
	@$(MAKE) --no-print-directory build
	@$(BUILD)/pith pull $(DEMO_MODEL)
	@$(BUILD)/pith run -m $(DEMO_MODEL) -f demo/handbook.txt --questions demo/questions.txt \
	  --answers demo/answers.txt --kv "summary_route" --kv "kvzip_plus + global @ 4x" \
	  --kv "kvzip_plus + global + int4 @ 4x" --kv "best @ 10x" --kv "streaming_llm @ 4x"

test: setup-test  ## every test
	@BUILD=$(BUILD) JOBS=$(JOBS) tests/run.sh

test-quick: setup-test  ## every test but sanitizers and fuzzing
	@BUILD=$(BUILD) JOBS=$(JOBS) tests/run.sh --quick

bench: build  ## speed and memory beside other engines, printed as ratios (bench/README.md)
	@bench/peers.py

sanitize:  ## unit tests under the address and undefined-behaviour sanitizers
	@BUILD=$(BUILD) JOBS=$(JOBS) tests/run.sh --only sanitize

fuzz:  ## every fuzz target for SECONDS (default 10)
	@BUILD=$(BUILD) JOBS=$(JOBS) tests/run.sh --only fuzz

FORMATTED = $(shell git ls-files '*.h' '*.cpp')
format:  ## rewrite the sources with clang-format
	@clang-format -i $(FORMATTED)

clean:  ## remove every build folder
	rm -rf build build-*

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12
