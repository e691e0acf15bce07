# SPDX-License-Identifier: Apache-2.0
# The benchmarks: programs for the host (static) and for the primary (dynamic: the shim is preloaded into it).

build/bin/bench-host build/bin/bench-report: build/bin/bench-%: build/obj/tools/bench/%.o
	@mkdir -p $(@D)
	$(call step,bench-$*) $(IN_BUILD_ROOT) g++ $(static_link_flags) -s -o $@ $<

build/bin/bench-guest: build/obj/tools/bench/guest.o
	@mkdir -p $(@D)
	$(call step,bench-guest) $(IN_BUILD_ROOT) g++ -s -o $@ $<

BUILD_TARGETS += build/bin/bench-host build/bin/bench-report build/bin/bench-guest
