# SPDX-License-Identifier: Apache-2.0
# The preloaded library. It must bring nothing into programs that they don't have: no libstdc++.

shim := build/bin/libsyscall-shim.so
shim_sources := $(addprefix libsyscall-shim/,interpose.cc transfer.cc file_transfer.cc \
  operation.cc client_lane.cc session.cc kernel_calls.cc noticed_calls.cc counters.cc copy.cc copy.S \
  system_call.S)
shim_headers := $(wildcard libsyscall-shim/*.h libsyscall-shim/include/virtuos/*.h) \
  kernel/virtuos/abi/virtuos.h $(wildcard kernel/virtuos/common/*.h)
# -U_FORTIFY_SOURCE: its inline functions would be definitions of what we define.
shim_flags := -std=gnu++23 -O2 -g -fPIC -fvisibility=hidden -fno-exceptions -fno-rtti \
  -ftls-model=initial-exec -fno-plt -fcf-protection=full -U_FORTIFY_SOURCE -Wall -Wextra -Werror -I.
# All symbols are bound at start: a call never runs the dynamic linker.
shim_link := -shared -nostdlib++ -static-libgcc -Wl,--version-script=libsyscall-shim/exports.map \
  -Wl,-z,now,-z,relro,-z,nodelete,-z,noexecstack -Wl,--no-undefined -Wl,-soname,libsyscall-shim.so

$(shim): $(shim_sources) $(shim_headers) libsyscall-shim/exports.map libsyscall-shim/rules.mk \
    libsyscall-shim/check-library $(BUILD_ROOT)
	@mkdir -p $(@D)
	$(call step,shim) $(IN_BUILD_ROOT) sh -ec '\
	  g++ $(shim_flags) $(shim_link) -o $@ $(shim_sources); libsyscall-shim/check-library $@'

.PHONY: shim
shim: $(shim)
BUILD_TARGETS += $(shim)
