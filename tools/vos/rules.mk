# SPDX-License-Identifier: Apache-2.0
# vos and vosd, the programs of the primary domain; tools/common/programs.mk compiles them together.
PRIMARY_PROGRAMS := build/bin/vos build/bin/vosd
BUILD_TARGETS += $(PRIMARY_PROGRAMS)

$(PRIMARY_PROGRAMS) &: $(BUILD_ROOT) tools/common/programs.mk $(wildcard tools/common/*.cc \
    tools/common/*.h tools/vos/*.cc tools/vos/*.h tools/vosd/*.cc tools/vosd/*.h) \
    kernel/virtuos/abi/virtuos.h kernel/virtuos/abi/control.h
	$(call step,programs) $(IN_BUILD_ROOT) make -f tools/common/programs.mk -j$(JOBS)
	@touch $(PRIMARY_PROGRAMS)
