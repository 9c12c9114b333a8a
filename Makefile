# SPDX-License-Identifier: Apache-2.0
# A few words over Meson. `make` builds build/rouse and build/rouse-runner; `make help` names
# the rest. Everything that is made lies under build/.

PREFIX ?= /usr/local
MESON_FLAGS ?=
MODEL ?=
IMAGES ?=

.PHONY: all help setup demo test clients bench check fmt sanitize fuzz install clean distclean

all: # builds build/rouse and build/rouse-runner
	@tools/setup build
	@tools/build $(MESON_FLAGS)

help: # names the targets
	@sed -n 's/^\([a-z]*\):.*# \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

setup: # installs what the build, the tests and the benchmarks need
	@tools/setup bench

demo: all # classifies pictures from zero; MODEL=file.onnx IMAGES='*.jpg' for your own
	@MODEL="$(MODEL)" IMAGES="$(IMAGES)" ROUSE_BUILD="$(CURDIR)/build" examples/demo.sh

test: # every suite: unit, checks, sanitizers, fuzzers, end to end, kills
	@tools/setup test
	@tools/test all

clients: # fetches and builds AWS's runtime clients (minutes), which the tests then drive, too
	@tools/setup test
	@tools/build
	@ROUSE_CLIENT_TESTS=1 ROUSE_BUILD="$(CURDIR)/build" \
		build/deps/venv/bin/python -m pytest -q -ra test/e2e/test_runtime_clients.py

sanitize: # every suite that runs our code, under ASan+UBSan and under TSan
	@tools/setup test
	@tools/test asan tsan asan-e2e tsan-e2e

fuzz: # each fuzzer for FUZZ_SECONDS (default 60)
	@tools/setup test
	@FUZZ_SECONDS="$${FUZZ_SECONDS:-60}" tools/test fuzz

check: # layer rule, formatting, sizes, licence lines
	@tools/setup test
	@tools/check

fmt: # formats the C sources
	@tools/setup test
	@git ls-files -co --exclude-standard 'src/*.[ch]' 'test/*.[ch]' 'bench/*.[ch]' | \
		xargs -r build/deps/venv/bin/clang-format -i

bench: # ratios against references measured in the same run
	@tools/setup bench
	@tools/build $(MESON_FLAGS)
	@ROUSE_BUILD="$(CURDIR)/build" bench/run

install: all # installs under PREFIX (default /usr/local); honours DESTDIR
	@tools/install "$(DESTDIR)" "$(PREFIX)"

clean: # removes what was built; keeps what was downloaded
	@find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} + 2>/dev/null || true

distclean: # removes build/ altogether
	@rm -rf build
