# SPDX-License-Identifier: Apache-2.0
# The commands of VirtuOS. What is built, and how, is in build.mk and in the rules.mk of each directory;
# every goal that is not listed here is one of theirs (make linux-primary, make xen, ...).

MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.SUFFIXES:
.DEFAULT_GOAL := build
.NOTPARALLEL:

CONFIG ?= test
ifeq ($(filter $(CONFIG),test release debug),)
$(error CONFIG=$(CONFIG): must be test, release or debug)
endif
ifeq ($(CONFIG),release)
ifneq ($(filter demo test bench,$(MAKECMDGOALS)),)
$(error CONFIG=release has no fault injection, which demo, test and bench need)
endif
endif
export CONFIG V STRICT VIRTUOS_CACHE

# One build at a time in a checkout; a second one waits. Machines that run are not under this lock.
lock = mkdir -p build; exec 9>build/.lock; \
  flock -n 9 || { echo "waiting for another make in this checkout"; flock 9; }
build = $(lock); exec $(MAKE) -f build.mk

.PHONY: help deps deps-check build check demo shell test test-long bench clean distclean clean-cache

help:
	@printf '%s\n' \
	  'make              build everything: hypervisor, kernels, programs, images' \
	  'make demo         build, boot, and show step by step what it does' \
	  'make shell        boot; a root shell in the primary domain on this terminal' \
	  'make check        unit tests, fuzzers, style, documents; boots nothing' \
	  'make test         check, then the system tests in the booted machine' \
	  'make test-long    the long system tests, and all others with run-time checks; goes on where it was ended' \
	  'make bench        the benchmarks; results in build/bench' \
	  'make deps         install the Debian packages the build needs (root or sudo)' \
	  'make clean        delete what was built, keep unpacked sources' \
	  'make distclean    delete build/' \
	  'make clean-cache  delete downloads, compiler cache, build root, Debian images' \
	  '' \
	  'Single parts: make xen | linux-primary | linux-network | linux-storage' \
	  'CONFIG=test       service kernels that can be told to fail, which demo, test and bench need (default)' \
	  'CONFIG=release    service kernels without fault injection' \
	  'CONFIG=debug      as test; kernels and hypervisor with run-time checks' \
	  'V=1               show the output of every step' \
	  'STRICT=1          insist on the pinned versions of Linux and Xen' \
	  'VIRTUOS_CACHE=DIR the cache, now $(shell tools/cache-dir)'

deps:
	@tools/deps

deps-check:
	@tools/deps --check

build: deps-check
	+@$(build) build

check: deps-check
	+@$(build) check

# Commands that run the machine: each is a program beside what it runs.
define run
@[[ -x $(1) ]] || { echo "make $@: $(1) does not exist" >&2; exit 1; }
@$(1) $(2)
endef

demo: build
	$(call run,tools/demo/run)

shell: build
	$(call run,tools/vm/shell)

test: build check
	$(call run,tests/run,--tier fast)

# Kernels with run-time checks take their time: what passed already is not run again.
test-long: build
	+@$(MAKE) CONFIG=release build
	+@$(MAKE) CONFIG=debug build
	@status=0; tests/run --tier long --config test --resume || status=1; \
	  tests/run --tier fast --config debug --resume || status=1; exit $$status

bench: build
	$(call run,tools/bench/run)

clean:
	@$(lock); find build -mindepth 1 -maxdepth 1 ! -name src ! -name .lock -exec rm -rf {} +

distclean:
	@$(lock); rm -rf build

clean-cache:
	@tools/cache-clean

# Everything else is a goal of build.mk.
Makefile: ;
%: deps-check
	+@$(build) $@
