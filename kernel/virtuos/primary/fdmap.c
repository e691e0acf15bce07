// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fd map of a user session: which descriptors are objects of its service
 * domain. It is the session's capability list: the service executes a user
 * request only while the map says that the fd is the handle. So it must never
 * name an object longer than the descriptor table does.
 *
 * A table has a list of maps, at most one for each kind of domain, and each
 * names the objects of its own connection alone. The list is walked under RCU
 * and changed under files->file_lock.
 *
 * Ordering against the table:
 *   - an entry is stored before its file is visible in the table, and cleared
 *     before its file leaves it. fd_install() is lockless: a later store could
 *     overwrite the entry of the file that took the descriptor meanwhile;
 *   - everything but fd_install() happens under files->file_lock;
 *   - attaching publishes the pointer, waits until every fd_install() that did
 *     not see it is over, then scans the table under file_lock.
 *
 * Lifetime. The table holds a reference of each map, its session another one,
 * and neither reaches the other through it: a session that ends closes the
 * map and leaves it where it is, until the table goes or the map of another
 * session with such a domain takes its place. The entries are the session's
 * memory: it frees them a grace period after closing, and every store is inside
 * rcu_read_lock_sched() or a spinlock.
 */
#include <linux/fdtable.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/virtuos/process.h>

#include "session.h"

struct vos_fdmap {
	struct kref ref;
	struct rcu_head rcu;
	struct vos_fdmap __rcu *next;	/* of the same table; stays when taken out */
	/* Compared only; not dereferenced once closed. */
	struct vos_connection *connection;
	u32 kind;			/* its domain's: VOS_DOMAIN_* */
	struct vos_fdmap_entry *entries;	/* K: read-only for process and service */
	bool closed;
};

struct vos_fdmap *vos_fdmap_create(struct vos_connection *c, struct vos_fdmap_entry *entries)
{
	struct vos_fdmap *map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);

	if (!map)
		return NULL;
	kref_init(&map->ref);
	map->connection = c;
	map->kind = c->kind;
	map->entries = entries;
	return map;
}

static void vos_fdmap_release(struct kref *ref)
{
	struct vos_fdmap *map = container_of(ref, struct vos_fdmap, ref);

	kfree_rcu(map, rcu);
}

void vos_fdmap_put(struct vos_fdmap *map)
{
	kref_put(&map->ref, vos_fdmap_release);
}

static void vos_fdmap_forget(struct vos_fdmap_entry *entry)
{
	/* Most descriptors are none of ours: don't write a shared line for them. */
	if (vos_load(&entry->handle) != VOS_HANDLE_NONE)
		vos_store(&entry->handle, VOS_HANDLE_NONE);
}

/* What a map may name. Who asks for a file's object lends it: only the map of its domain does. */
static struct vos_object *vos_fdmap_object(const struct vos_fdmap *map, struct file *file)
{
	return map->kind == VOS_DOMAIN_STORAGE ? vosfs_object(file) : vos_proxy_object(file);
}

/* fd is going to be file, or nothing (NULL), in one map. */
static void vos_fdmap_set(struct vos_fdmap *map, unsigned int fd, struct file *file)
{
	struct vos_fdmap_entry *entry;
	struct vos_object *object;

	if (READ_ONCE(map->closed))
		return;
	entry = &map->entries[array_index_nospec(fd, VOS_FDMAP_ENTRIES)];
	vos_fdmap_forget(entry);
	if (!file)
		return;
	object = vos_fdmap_object(map, file);
	/*
	 * Kind 0: no user lane may carry its data. Pairs with the release in
	 * vos_object_replace(): the handle is that of the connection.
	 */
	if (!object || smp_load_acquire(&object->connection) != map->connection || !object->kind)
		return;
	/* Who sees the handle sees its kind: pairs with the acquire in the shim's FindTarget(). */
	vos_store(&entry->kind, object->kind);
	vos_store_release(&entry->handle, READ_ONCE(object->handle));
}

/* fd is going to be file, or nothing (NULL), in all maps from this one on. Atomic context. */
void __vos_fdmap_store(struct vos_fdmap *map, unsigned int fd, struct file *file)
{
	if (fd >= VOS_FDMAP_ENTRIES)
		return;
	for (; map; map = rcu_dereference_raw(map->next))
		vos_fdmap_set(map, fd, file);
}

static void vos_fdmap_scan(struct vos_fdmap *map, struct files_struct *files)
{
	struct fdtable *fdt;
	unsigned int fd, count;

	spin_lock(&files->file_lock);
	fdt = files_fdtable(files);
	count = min(fdt->max_fds, VOS_FDMAP_ENTRIES);
	for (fd = 0; fd < count; fd++) {
		struct file *file = rcu_dereference_check(fdt->fd[fd],
							  lockdep_is_held(&files->file_lock));

		/*
		 * An empty slot is left alone: fd_install() may have stored its
		 * entry and not yet its file.
		 */
		if (file)
			vos_fdmap_set(map, fd, file);
	}
	spin_unlock(&files->file_lock);
}

int vos_fdmap_attach(struct vos_fdmap *map, struct files_struct *files)
{
	struct vos_fdmap __rcu **place = &files->vos_fdmap;
	struct vos_fdmap *old;

	spin_lock(&files->file_lock);
	for (;;) {
		old = rcu_dereference_protected(*place, lockdep_is_held(&files->file_lock));
		if (!old || old->kind == map->kind)
			break;
		place = &old->next;
	}
	if (old && !READ_ONCE(old->closed)) {
		spin_unlock(&files->file_lock);
		return -EBUSY;
	}
	kref_get(&map->ref);
	if (old)
		RCU_INIT_POINTER(map->next, rcu_access_pointer(old->next));
	rcu_assign_pointer(*place, map);
	spin_unlock(&files->file_lock);
	if (old)
		vos_fdmap_put(old);

	/* fd_install() without the map is over; its file is in the table. */
	synchronize_rcu();
	vos_fdmap_scan(map, files);
	return 0;
}

bool vos_fdmap_follows(const struct vos_fdmap *map, struct files_struct *files)
{
	const struct vos_fdmap *at;

	rcu_read_lock();
	at = rcu_dereference(files->vos_fdmap);
	while (at && at != map)
		at = rcu_dereference(at->next);
	rcu_read_unlock();
	return at;
}

void vos_fdmap_close(struct vos_fdmap *map)
{
	unsigned int fd;

	/* Whoever closes first clears; the entries last until it is done. */
	rcu_read_lock();
	if (!xchg(&map->closed, true)) {
		for (fd = 0; fd < VOS_FDMAP_ENTRIES; fd++)
			vos_fdmap_forget(&map->entries[fd]);
	}
	rcu_read_unlock();
}

/* The table is freed; nobody else has it. */
void __vos_fdmap_exit(struct files_struct *files)
{
	struct vos_fdmap *map = rcu_dereference_protected(files->vos_fdmap, true);

	RCU_INIT_POINTER(files->vos_fdmap, NULL);
	while (map) {
		struct vos_fdmap *next = rcu_dereference_protected(map->next, true);

		vos_fdmap_close(map);
		vos_fdmap_put(map);
		map = next;
	}
}
