# SPDX-License-Identifier: Apache-2.0
# What boots inside the service domains: an initramfs for each.

network_initramfs := build/image/network.cpio.gz
storage_initramfs := build/image/storage.cpio.gz
service_programs := $(addprefix build/bin/,network-init storage-init storage-daemon service-xenstore-write)

# Structures of other headers, filled in by name.
build/obj/service-domains/%.o: static_compile_flags += -Wno-missing-field-initializers

service_objects = $(patsubst %,build/obj/service-domains/%.o,$(1))

build/bin/network-init: $(call service_objects,common/process_one common/xenstore_client \
  network/init network/last_lease) build/obj/tools/common/lease.o build/obj/tools/common/text.o
build/bin/storage-init: $(call service_objects,common/process_one common/xenstore_client \
  storage/disk storage/fault_layer storage/init storage/unnamed_files)
build/bin/storage-daemon: $(call service_objects,$(addprefix storage/,attributes daemon directories \
  export_tree extended_attributes files identity message names relay server session \
  unnamed_files))
build/bin/storage-daemon: libraries := -lfuse3
build/bin/service-xenstore-write: $(call service_objects,common/xenstore_write common/xenstore_client)
$(service_programs):
	@mkdir -p $(@D)
	$(call step,$(@F)) $(IN_BUILD_ROOT) g++ $(static_link_flags) -s -o $@ $^ $(libraries)

$(network_initramfs): service-domains/make-initramfs service-domains/network/dhcp-event \
    build/bin/network-init build/bin/service-xenstore-write $(BUILD_ROOT)
	@mkdir -p $(@D)
	$(call step,network-initramfs) $(IN_BUILD_ROOT) service-domains/make-initramfs $@ \
	  init=build/bin/network-init bin/xenstore-write=build/bin/service-xenstore-write \
	  bin/busybox=/usr/bin/busybox etc/dhcp-event=service-domains/network/dhcp-event

$(storage_initramfs): service-domains/make-initramfs build/bin/storage-init build/bin/storage-daemon $(BUILD_ROOT)
	@mkdir -p $(@D)
	$(call step,storage-initramfs) $(IN_BUILD_ROOT) service-domains/make-initramfs $@ \
	  init=build/bin/storage-init sbin/storage-daemon=build/bin/storage-daemon \
	  bin/busybox=/usr/bin/busybox sbin/blkid=/usr/sbin/blkid sbin/e2fsck=/usr/sbin/e2fsck \
	  sbin/mke2fs=/usr/sbin/mke2fs

BUILD_TARGETS += $(network_initramfs) $(storage_initramfs)
