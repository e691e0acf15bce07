# SPDX-License-Identifier: Apache-2.0
# The primary's root image. vm-run makes it anew if anything in it has changed since.

primary_image := build/image/.primary$(VARIANT)

.SECONDEXPANSION:
# It holds much of what else is built; some of that is listed only after this file is read. Only
# files count: a phony target would be newer every time.
$(primary_image): tools/image/primary-image configs/packages/primary.list \
    $$(filter-out $(primary_image),$$(filter build/%,$$(BUILD_TARGETS)))
	$(call step,primary-image) tools/image/primary-image --config $(CONFIG)
	@touch $@

BUILD_TARGETS += $(primary_image)
