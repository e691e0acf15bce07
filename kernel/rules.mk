# SPDX-License-Identifier: GPL-2.0-only
# Linux three times from one patched source: the primary's kernel and those of the two service domains.

include kernel/version.mk

linux_source := build/src/linux
# Merged in this order.
linux_parts_primary := base internet primary
linux_parts_network := base internet service network
linux_parts_storage := base service storage
# Fault injection is for the tests: a release has none. The primary's kernel has none in any configuration, so a
# release shares it, and the hypervisor, with the tests.
linux_faults_network := faults
linux_faults_storage := faults faults-storage
linux_variant_primary := $(VARIANT)
linux_variant_network := $(SERVICE_VARIANT)
linux_variant_storage := $(SERVICE_VARIANT)
linux_fragments = $(patsubst %,configs/kernel/%.config,$(linux_parts_$(1)) \
  $(if $(filter-out release,$(CONFIG)),$(linux_faults_$(1))) $(if $(VARIANT),debug))
# Directories count too, so that a removed file is noticed.
virtuos_driver := $(shell find kernel/virtuos ! -name '.*' ! -name '*~')

# A service domain's kernel is loaded for every start of the domain, and a small one starts fast.
service_kernel_limit := 4000000

$(linux_source).ready: kernel/version.mk kernel/prepare-source kernel/patches $(wildcard kernel/patches/*) \
    tools/apply-series
	$(call step,linux-source) sh -c 'set -e; \
	  deb=$$(tools/fetch-source deb $(LINUX_PACKAGE) $(LINUX_VERSION) $(LINUX_SHA256) $(LINUX_SERIES)); \
	  kernel/prepare-source "$$deb" $(linux_source)'
	@touch $@

# $(1): primary, network or storage
define linux_kernel
linux_$(1) := build/linux-$(1)$$(linux_variant_$(1))

$$(linux_$(1))/.configured: $$(linux_source).ready kernel/configure tools/check-config $$(BUILD_ROOT) \
    $$(call linux_fragments,$(1)) $$(filter %/Kconfig,$$(virtuos_driver))
	$$(call step,linux-$(1)-config) $$(IN_BUILD_ROOT) kernel/configure $$(linux_source) \
	  $$(linux_$(1)) $$(call linux_fragments,$(1))
	@touch $$@

# Time stamps and names that would differ from build to build are fixed. CCACHE_DEPEND: what a compilation reads is
# known from the compiler, and not preprocessed beforehand, which takes a third of a build with an empty cache.
$$(linux_$(1))/.built: $$(linux_$(1))/.configured $$(virtuos_driver)
	$$(call step,linux-$(1)) $$(IN_BUILD_ROOT) env CCACHE_DEPEND=1 make -C $$(linux_source) O=/virtuos/$$(linux_$(1)) \
	  ARCH=x86_64 -j$$(JOBS) $$(if $$(filter 1,$$(V)),V=1) KBUILD_BUILD_TIMESTAMP=2026-01-01 \
	  KBUILD_BUILD_VERSION=1 KBUILD_BUILD_USER=virtuos KBUILD_BUILD_HOST=virtuos bzImage
	@touch $$@

.PHONY: linux-$(1)
linux-$(1): $$(linux_$(1))/.built
BUILD_TARGETS += $$(linux_$(1))/.built
endef

# $(1): network or storage
define linux_small
$$(linux_$(1))/.small: $$(linux_$(1))/.built
	@size=$$$$(stat -c %s $$(linux_$(1))/arch/x86/boot/bzImage); \
	if [[ $$$$size -gt $$(service_kernel_limit) ]]; then \
	  echo "the $(1) kernel has $$$$size bytes, more than $$(service_kernel_limit)" >&2; \
	  exit 1; \
	fi
	@touch $$@

linux-$(1): $$(linux_$(1))/.small
BUILD_TARGETS += $$(linux_$(1))/.small
endef

$(eval $(call linux_kernel,primary))
$(eval $(call linux_kernel,network))
$(eval $(call linux_kernel,storage))

ifeq ($(VARIANT),)
$(eval $(call linux_small,network))
$(eval $(call linux_small,storage))
endif
