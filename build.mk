# SPDX-License-Identifier: Apache-2.0
# What VirtuOS builds; read by the top Makefile's goals, under its lock.
#
# Every directory that builds something has a rules.mk, which is included here and may use:
#   $(call step,NAME)   prefix of a recipe line: output to build/log/NAME.log, time and failure reported
#   $(IN_BUILD_ROOT)    prefix of a command that runs in the Debian 13 build root, in the same directory
#   $(BUILD_ROOT)       prerequisite of everything that does so
#   $(JOBS)             processes to run at once
#   $(VARIANT)          empty, or -debug under CONFIG=debug: suffix of directories that differ by it
#   $(SERVICE_VARIANT)  the same, or -release: of what service domains differ in
# and appends to:
#   BUILD_TARGETS       files that `make build` produces
#   CHECK_TARGETS       phony targets that `make check` runs

MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.SUFFIXES:
.DELETE_ON_ERROR:
# Steps use all processors by themselves.
.NOTPARALLEL:
.DEFAULT_GOAL := build

CONFIG ?= test
VARIANT := $(if $(filter debug,$(CONFIG)),-debug)
SERVICE_VARIANT := $(if $(filter-out test,$(CONFIG)),-$(CONFIG))
JOBS ?= $(shell nproc)
step = @tools/run-step $(1)
IN_BUILD_ROOT := tools/build-root-exec
BUILD_ROOT := $(shell tools/build-root-create --path)/.complete

BUILD_TARGETS :=
CHECK_TARGETS :=

.PHONY: build check
# The fragments below complete the lists, so the goals are defined after them.
fragments := $(wildcard */rules.mk tools/*/rules.mk)
include $(fragments)

build: $(BUILD_TARGETS)
check: $(CHECK_TARGETS)

# Its name says what is in it, so it is never out of date.
$(BUILD_ROOT):
	$(call step,build-root) tools/build-root-create

# Text that is included is not built.
Makefile build.mk $(fragments): ;
