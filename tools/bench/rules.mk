# SPDX-License-Identifier: Apache-2.0
# The benchmarks: programs for the host (static) and for the primary (dynamic: the shim is preloaded into it).

build/bin/bench-host build/bin/bench-report: build/bin/bench-%: build/obj/tools/bench/%.o
	@mkdir -p $(@D)
	$(call step,bench-$*) $(IN_BUILD_ROOT) g++ $(static_link_flags) -s -o $@ $<

build/bin/bench-guest build/bin/bench-files: build/bin/bench-%: build/obj/tools/bench/%.o build/obj/tools/bench/counts.o
	@mkdir -p $(@D)
	$(call step,bench-$*) $(IN_BUILD_ROOT) g++ -s -o $@ $^ -lxenctrl -lxentoollog

BUILD_TARGETS += build/bin/bench-host build/bin/bench-report build/bin/bench-guest build/bin/bench-files

# A Xen driver domain, with which the storage domain is compared.
driver_initramfs := build/image/driver-domain.cpio.gz
$(driver_initramfs): service-domains/make-initramfs tools/bench/driver-domain/init \
    build/bin/service-xenstore-write $(BUILD_ROOT)
	@mkdir -p $(@D)
	$(call step,driver-initramfs) $(IN_BUILD_ROOT) service-domains/make-initramfs $@ \
	  init=tools/bench/driver-domain/init bin/xenstore-write=build/bin/service-xenstore-write \
	  bin/busybox=/usr/bin/busybox

BUILD_TARGETS += $(driver_initramfs)
