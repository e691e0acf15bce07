# SPDX-License-Identifier: Apache-2.0
# What boots inside the service domains: an initramfs for each.

network_initramfs := build/image/network.cpio.gz
service_programs := build/bin/service-init build/bin/service-xenstore-write

build/bin/service-init: build/obj/service-domains/common/init.o
build/bin/service-xenstore-write: build/obj/service-domains/common/xenstore_write.o \
  build/obj/service-domains/common/xenstore_client.o
$(service_programs):
	@mkdir -p $(@D)
	$(call step,$(@F)) $(IN_BUILD_ROOT) g++ $(static_link_flags) -s -o $@ $^

$(network_initramfs): service-domains/make-initramfs service-domains/network/dhcp-event \
    $(service_programs) $(BUILD_ROOT)
	@mkdir -p $(@D)
	$(call step,network-initramfs) $(IN_BUILD_ROOT) service-domains/make-initramfs $@ \
	  init=build/bin/service-init bin/xenstore-write=build/bin/service-xenstore-write \
	  bin/busybox=/usr/bin/busybox etc/dhcp-event=service-domains/network/dhcp-event

BUILD_TARGETS += $(network_initramfs)
