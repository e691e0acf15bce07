// SPDX-License-Identifier: GPL-2.0-only
/* Mapping pages that the primary grants. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/grant_table.h>

#include "service.h"

static unsigned long vos_mapping_address(const struct vos_mapping *mapping, u32 i)
{
	return (unsigned long)vos_mapping_page(mapping, i);
}

static void vos_mapping_undo(struct vos_mapping *mapping)
{
	struct gnttab_unmap_grant_ref *unmap;
	struct gntab_unmap_queue_data data = {};
	struct page **pages;
	u32 mapped = 0;
	u32 i;

	/* Small and needed to give memory back: not allowed to fail. */
	unmap = kvcalloc(mapping->count, sizeof(*unmap), GFP_KERNEL | __GFP_NOFAIL);
	pages = kvcalloc(mapping->count, sizeof(*pages), GFP_KERNEL | __GFP_NOFAIL);
	for (i = 0; i < mapping->count; i++) {
		if (mapping->map[i].status != GNTST_okay)
			continue;
		gnttab_set_unmap_op(&unmap[mapped], vos_mapping_address(mapping, i),
				    GNTMAP_host_map, mapping->map[i].handle);
		pages[mapped++] = mapping->pages[i];
	}
	if (mapped) {
		data.unmap_ops = unmap;
		data.pages = pages;
		data.count = mapped;
		WARN_ON(gnttab_unmap_refs_sync(&data));
	}
	kvfree(pages);
	kvfree(unmap);
}

/**
 * vos_mapping_map() - maps granted pages
 * @mapping: set up here
 * @domid: who granted them
 * @refs: grant references, @count of them
 * @count: how many
 * @readonly: the first so many are granted, and mapped, without write permission
 *
 * Return: 0 or -errno; on error nothing is mapped and @mapping is empty.
 */
int vos_mapping_map(struct vos_mapping *mapping, domid_t domid, const u32 *refs, u32 count,
		    u32 readonly)
{
	int err = -ENOMEM;
	u32 i;

	mapping->count = count;
	mapping->pages = kvcalloc(count, sizeof(*mapping->pages), GFP_KERNEL);
	mapping->map = kvcalloc(count, sizeof(*mapping->map), GFP_KERNEL);
	if (!mapping->pages || !mapping->map)
		goto free;
	err = gnttab_alloc_pages(count, mapping->pages);
	if (err)
		goto free;
	for (i = 0; i < count; i++)
		gnttab_set_map_op(&mapping->map[i], vos_mapping_address(mapping, i),
				  GNTMAP_host_map | (i < readonly ? GNTMAP_readonly : 0),
				  refs[i], domid);
	err = gnttab_map_refs(mapping->map, NULL, mapping->pages, count);
	for (i = 0; i < count && !err; i++)
		if (mapping->map[i].status != GNTST_okay)
			err = -EFAULT;
	if (!err)
		return 0;
	vos_mapping_undo(mapping);
	gnttab_free_pages(count, mapping->pages);
free:
	kvfree(mapping->pages);
	kvfree(mapping->map);
	memset(mapping, 0, sizeof(*mapping));
	return err;
}

/* Unmaps and forgets; nothing to do for an empty mapping. */
void vos_mapping_unmap(struct vos_mapping *mapping)
{
	if (!mapping->count)
		return;
	vos_mapping_undo(mapping);
	gnttab_free_pages(mapping->count, mapping->pages);
	kvfree(mapping->pages);
	kvfree(mapping->map);
	memset(mapping, 0, sizeof(*mapping));
}
