/* SPDX-License-Identifier: GPL-2.0-only */
/* Between session.c and fdmap.c. */
#ifndef VIRTUOS_PRIMARY_SESSION_H
#define VIRTUOS_PRIMARY_SESSION_H

#include "primary.h"

struct files_struct;
struct vos_fdmap;

/*
 * A map of descriptors to objects of c, in VOS_FDMAP_ENTRIES zeroed entries of
 * the caller's memory. The entries may go a grace period after
 * vos_fdmap_close(). NULL: no memory.
 */
struct vos_fdmap *vos_fdmap_create(struct vos_connection *c, struct vos_fdmap_entry *entries);

/*
 * Makes the map follow files, which must be current's, and fills it. -EBUSY:
 * another session with a domain of this kind has this table. May sleep.
 */
int vos_fdmap_attach(struct vos_fdmap *map, struct files_struct *files);

/* Does the map follow files? */
bool vos_fdmap_follows(const struct vos_fdmap *map, struct files_struct *files);

/* Revokes every entry and stops following. Any context; may be repeated. */
void vos_fdmap_close(struct vos_fdmap *map);

void vos_fdmap_put(struct vos_fdmap *map);

#endif /* VIRTUOS_PRIMARY_SESSION_H */
