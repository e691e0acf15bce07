# SPDX-License-Identifier: Apache-2.0
# vm-run. Static, so that it runs on any host; other static programs use the flags and the rule too.

static_compile_flags := -std=gnu++23 -O2 -g -Wall -Wextra -Wshadow -I.
static_link_flags := -static

build/obj/%.o: %.cc $(BUILD_ROOT)
	@mkdir -p $(@D)
	$(call step,$(subst /,-,$*)) $(IN_BUILD_ROOT) g++ $(static_compile_flags) -MMD -MP -c -o $@ $<

-include $(wildcard build/obj/*/*/*.d)

build/bin/vm-run: $(patsubst %.cc,build/obj/%.o,$(wildcard tools/vm/*.cc))
	@mkdir -p $(@D)
	$(call step,vm-run) $(IN_BUILD_ROOT) g++ $(static_link_flags) -o $@ $^

BUILD_TARGETS += build/bin/vm-run
