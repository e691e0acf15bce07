// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of ours that a service domain may map.
 *
 * It stays ours: when the peer dies nothing of it is held back. Until the
 * peer has unmapped a page the grant cannot be ended, so the page is handed
 * to the grant-table code, which frees it once it can.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <xen/grant_table.h>
#include <xen/page.h>

#include "primary.h"

/* Pages, and grants not ended yet, of all memory there is: what a leak would add to. */
static atomic_long_t vos_memory_pages, vos_memory_grants;

void vos_memory_usage(long *pages, long *grants)
{
	*pages = atomic_long_read(&vos_memory_pages);
	*grants = atomic_long_read(&vos_memory_grants);
}

/**
 * vos_memory_alloc() - allocates zeroed pages and maps them contiguously
 * @memory: set up here
 * @pages: how many
 * @gfp: GFP_KERNEL or GFP_KERNEL_ACCOUNT
 *
 * Return: 0 or -ENOMEM; on error @memory is empty.
 */
int vos_memory_alloc(struct vos_memory *memory, u32 pages, gfp_t gfp)
{
	u32 i;

	memset(memory, 0, sizeof(*memory));
	memory->pages = kvcalloc(pages, sizeof(*memory->pages), GFP_KERNEL);
	memory->refs = kvmalloc_array(pages, sizeof(*memory->refs), GFP_KERNEL);
	if (!memory->pages || !memory->refs)
		goto fail;
	for (i = 0; i < pages; i++) {
		memory->refs[i] = INVALID_GRANT_REF;
		memory->pages[i] = alloc_page(gfp | __GFP_ZERO);
		if (!memory->pages[i])
			goto fail;
		memory->count++;
		atomic_long_inc(&vos_memory_pages);
	}
	memory->address = vmap(memory->pages, pages, VM_MAP, PAGE_KERNEL);
	if (memory->address)
		return 0;
fail:
	vos_memory_free(memory);
	return -ENOMEM;
}

/**
 * vos_memory_grant() - lets a domain map some of the pages
 * @memory: allocated
 * @first: first page
 * @count: how many
 * @domid: who may map them
 * @readonly: without write permission
 *
 * Return: 0 or -ENOSPC; what was granted before an error stays granted until
 * vos_memory_free().
 */
int vos_memory_grant(struct vos_memory *memory, u32 first, u32 count, domid_t domid,
		     bool readonly)
{
	u32 i;

	for (i = first; i < first + count; i++) {
		int ref = gnttab_grant_foreign_access(domid, xen_page_to_gfn(memory->pages[i]),
						      readonly);

		if (ref < 0)
			return ref;
		memory->refs[i] = ref;
		atomic_long_inc(&vos_memory_grants);
	}
	return 0;
}

/* What the peer still maps stays granted until vos_memory_free(). */
bool vos_memory_revoke(struct vos_memory *memory)
{
	bool all = true;
	u32 i;

	for (i = 0; i < memory->count; i++) {
		if (memory->refs[i] == INVALID_GRANT_REF)
			continue;
		if (!gnttab_try_end_foreign_access(memory->refs[i])) {
			all = false;
			continue;
		}
		memory->refs[i] = INVALID_GRANT_REF;
		atomic_long_dec(&vos_memory_grants);
	}
	return all;
}

/* Revokes every grant and frees the pages, now or when the peer lets go. */
void vos_memory_free(struct vos_memory *memory)
{
	u32 i;

	if (memory->address)
		vunmap(memory->address);
	for (i = 0; i < memory->count; i++) {
		/* Drops our reference of the page when the grant is ended. */
		if (memory->refs[i] != INVALID_GRANT_REF) {
			gnttab_end_foreign_access(memory->refs[i], memory->pages[i]);
			atomic_long_dec(&vos_memory_grants);
		} else {
			__free_page(memory->pages[i]);
		}
	}
	atomic_long_sub(memory->count, &vos_memory_pages);
	kvfree(memory->refs);
	kvfree(memory->pages);
	memset(memory, 0, sizeof(*memory));
}
