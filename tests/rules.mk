# SPDX-License-Identifier: Apache-2.0
# Tests: what build.mk beside this compiles, and the checks that need no machine.

.PHONY: tests host-tests check-tests check-tests-native
tests: $(BUILD_ROOT)
	$(call step,tests) $(IN_BUILD_ROOT) make -f tests/build.mk -j$(JOBS) all

host-tests: $(BUILD_ROOT)
	$(call step,host-tests) $(IN_BUILD_ROOT) make -f tests/build.mk -j$(JOBS) host

check-tests: host-tests
	@tests/check

# The system tests on this machine's own stack: what fails there is wrong about Linux.
check-tests-native: tests
	@tests/run --native

BUILD_TARGETS += tests
CHECK_TARGETS += check-tests
