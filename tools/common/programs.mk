# SPDX-License-Identifier: Apache-2.0
# Compiles the programs of the primary domain, vos and vosd; runs inside the build root, started by
# tools/vos/rules.mk.
MAKEFLAGS += --no-builtin-rules
top := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))../..)
out := $(top)/build/programs

CXX := ccache g++
flags := -std=gnu++23 -O2 -g1 -Wall -Wextra -Werror -Wno-missing-field-initializers -I$(top) -MMD -MP
objects = $(patsubst $(top)/tools/%.cc,$(out)/%.o,$(wildcard $(addprefix $(top)/tools/,$(1))))

.PHONY: all
all: $(top)/build/bin/vos $(top)/build/bin/vosd

$(top)/build/bin/vos: $(call objects,common/*.cc vos/*.cc)
$(top)/build/bin/vosd: $(call objects,common/*.cc vosd/*.cc)
$(top)/build/bin/vos $(top)/build/bin/vosd: libraries := -lxenstore -lxenctrl -lxentoollog

$(top)/build/bin/%:
	@mkdir -p $(@D)
	$(CXX) -s -o $@ $^ $(libraries) -pthread

# Names in messages are relative to the checkout.
$(out)/%.o: $(top)/tools/%.cc
	@mkdir -p $(@D)
	cd $(top) && $(CXX) $(flags) -MF $@.d -c -o $@ tools/$*.cc

-include $(wildcard $(out)/*/*.d)
