# SPDX-License-Identifier: Apache-2.0
# The primary's init under vm-run. Static, so that it depends on nothing in the image.

build/bin/primary-init: build/obj/tools/init/init.o
	@mkdir -p $(@D)
	$(call step,primary-init) $(IN_BUILD_ROOT) g++ $(static_link_flags) -s -o $@ $^

BUILD_TARGETS += build/bin/primary-init
