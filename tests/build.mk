# SPDX-License-Identifier: Apache-2.0
# Compiles the tests; runs inside the build root, started by rules.mk.
#   all      system and application tests, programs beside the machine
#   host     unit and fuzz tests
MAKEFLAGS += --no-builtin-rules
top := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
out := $(top)/build/tests

CXX := ccache g++
CLANG := ccache clang++
warnings := -Wall -Wextra -Werror -Wno-missing-field-initializers
# As it stands in messages: relative to the checkout, where the compiler runs.
source = $(patsubst $(top)/%,%,$<)
flags = -std=gnu++23 -O1 -g1 $(warnings) -I$(top) -MMD -MP -MF $@.d

# ------------------------------------- system, application and fault tests

# What a test lists in a line "// links: FILE.cc... -lLIBRARY...", beside headers; paths are relative to the checkout.
links_of = $(shell sed -n 's|^// links: ||p' $(top)/tests/$(1).cc)
sources_of = $(addprefix $(top)/,$(filter %.cc,$(call links_of,$(1))))
# The compiler leaves the headers of the last source only; of several, all are asked for.
headers_of_all = $(if $(call sources_of,$*),cd $(top) && $(CXX) -std=gnu++23 -I$(top) -MM -MP -MT $@ $(source) \
  $(filter %.cc,$(call links_of,$*)) >$@.d)
.SECONDEXPANSION:

# One program a file.
system := $(patsubst $(top)/tests/%.cc,$(out)/%,$(wildcard $(top)/tests/system/*.cc $(top)/tests/apps/*.cc $(top)/tests/faults/*.cc))
# Scripts run as they are; their peers beside the machine are static, for any host.
host_programs := $(patsubst $(top)/tests/host/%.cc,$(out)/host/%,$(wildcard $(top)/tests/host/*.cc))

.PHONY: all host
all: $(system) $(host_programs)

# No debugging information: all of them are copied into the machine.
$(system): $(out)/%: $(top)/tests/%.cc $$(call sources_of,$$*)
	@mkdir -p $(@D)
	cd $(top) && $(CXX) $(flags) -g0 -s -o $@ $(source) $(call links_of,$*) -pthread
	$(headers_of_all)

$(host_programs): $(out)/%: $(top)/tests/%.cc
	@mkdir -p $(@D)
	cd $(top) && $(CXX) $(flags) -static -o $@ $(source) -pthread

# -------------------------------------------------- unit and fuzz tests

unit := $(patsubst $(top)/tests/%.cc,$(out)/%,$(wildcard $(top)/tests/unit/*_test.cc))
thread := $(patsubst $(top)/tests/%.cc,$(out)/%,$(wildcard $(top)/tests/thread/*_test.cc))
fuzz := $(patsubst $(top)/tests/%.cc,$(out)/%,$(wildcard $(top)/tests/fuzz/*_fuzz.cc))

host: $(unit) $(thread) $(fuzz)

$(unit): $(out)/%: $(top)/tests/%.cc $$(call sources_of,$$*)
	@mkdir -p $(@D)
	cd $(top) && $(CXX) $(flags) -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ $(source) \
	  $(call links_of,$*) -lgmock -lgtest_main -lgtest -pthread
	$(headers_of_all)

# ThreadSanitizer; clang's, because it follows atomics of several sizes on one word.
$(thread): $(out)/%: $(top)/tests/%.cc $$(call sources_of,$$*)
	@mkdir -p $(@D)
	cd $(top) && $(CLANG) $(flags) -fsanitize=thread -o $@ $(source) $(call links_of,$*) -lgtest_main -lgtest -pthread
	$(headers_of_all)

$(fuzz): $(out)/%: $(top)/tests/%.cc $$(call sources_of,$$*)
	@mkdir -p $(@D)
	cd $(top) && $(CLANG) $(flags) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $(source) $(call links_of,$*)
	$(headers_of_all)

-include $(wildcard $(out)/*/*.d)
