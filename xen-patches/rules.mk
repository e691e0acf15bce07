# SPDX-License-Identifier: GPL-2.0-only
# The hypervisor, patched.

include xen-patches/version.mk

xen_source := build/src/xen
xen_output := build/xen$(VARIANT)
xen_fragments := configs/xen.config $(if $(VARIANT),configs/xen-debug.config)
# What would differ from build to build is fixed. CCACHE_DEPEND as for Linux.
xen_make := env CCACHE_DEPEND=1 make -C $(xen_source)/xen O=/virtuos/$(xen_output) XEN_TARGET_ARCH=x86_64 \
  XEN_WHOAMI=virtuos XEN_DOMAIN=virtuos XEN_BUILD_HOST=virtuos \
  XEN_BUILD_DATE=2026-01-01 XEN_BUILD_TIME=00:00:00

$(xen_source).ready: xen-patches/version.mk xen-patches/prepare-source xen-patches/series \
    $(wildcard xen-patches/*.patch) tools/apply-series
	$(call step,xen-source) sh -c 'set -e; \
	  tarball=$$(tools/fetch-source orig $(XEN_PACKAGE) $(XEN_VERSION) $(XEN_SHA256) $(XEN_SERIES)); \
	  xen-patches/prepare-source "$$tarball" $(xen_source)'
	@touch $@

$(xen_output)/.configured: $(xen_source).ready xen-patches/configure tools/check-config $(xen_fragments) \
    $(BUILD_ROOT)
	$(call step,xen-config) $(IN_BUILD_ROOT) xen-patches/configure $(xen_source) $(xen_output) \
	  $(xen_fragments)
	@touch $@

$(xen_output)/.built: $(xen_output)/.configured
	$(call step,xen) $(IN_BUILD_ROOT) $(xen_make) -j$(JOBS) $(if $(filter 1,$(V)),V=1) build
	@touch $@

.PHONY: xen
xen: $(xen_output)/.built
BUILD_TARGETS += $(xen_output)/.built
