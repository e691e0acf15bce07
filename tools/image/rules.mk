# SPDX-License-Identifier: Apache-2.0
# The primary's root image and the storage domain's disk. vm-run makes them anew if anything in them has changed since.

storage_image := build/image/.storage

$(storage_image): tools/image/storage-image $(BUILD_ROOT)
	$(call step,storage-image) tools/image/storage-image
	@touch $@

primary_image := build/image/.primary$(SERVICE_VARIANT)

.SECONDEXPANSION:
# It holds much of what else is built; some of that is listed only after this file is read. Only
# files count: a phony target would be newer every time.
$(primary_image): tools/image/primary-image tools/image/fstab configs/packages/primary.list \
    $$(filter-out $(primary_image) $(storage_image),$$(filter build/%,$$(BUILD_TARGETS)))
	$(call step,primary-image) tools/image/primary-image --config $(CONFIG)
	@touch $@

BUILD_TARGETS += $(primary_image) $(storage_image)
