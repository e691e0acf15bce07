// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files of a vosfs: their objects, and when user lanes may carry their
 * data ("lent").
 *
 * A file is lent once an fd map names it, unless
 *   - it appends or goes around the cache (F_SETFL changes that),
 *   - its inode is mapped: its data is in this kernel's page cache too. For
 *     reading it may be lent beside mappings that cannot dirty anything. What
 *     has been mapped counts as mapped until that file is closed,
 *   - somebody watches the superblock for events, which are raised by system
 *     calls only,
 *   - data of its inode was lost with a domain, and nobody was told by it yet.
 * It is withheld in two steps: a flag in the interest word stops operations
 * that begin later, VOS_OP_FILE_DRAIN waits for reads and writes that run.
 * That may take as long as the disk does, so only those wait who want
 * something else of the very inode, or watch. Lending it again is tried when a
 * system call reads or writes it.
 *
 * While a file is lent for writing its inode's page cache is empty, so that
 * nothing old is there when it is mapped: it is emptied before, readahead
 * leaves nothing in the cache of a file that is not mapped, and mapping comes
 * after withholding.
 *
 * Attributes that an operation of a user lane may have changed are asked for
 * again when they are used next. The domain counts these operations in the
 * object's line before it completes them, so who knows that one is complete
 * finds another count than the one noticed last. Then what is known of the
 * attributes becomes invalid, and replies on their way too old: their requests
 * began before. A domain that counts wrong shows wrong attributes of its own
 * files.
 *
 * Locks: mmap_lock or a notification group's, then watch_lock, then the
 * drain_lock of one node; then, as inside files->file_lock, fs->lock, then
 * fi->lock and object->arm_lock. Who holds a drain_lock waits for calls of the
 * domain and for nothing of this kernel: he takes no inode's lock, puts no
 * inode, touches no user memory.
 *
 * A node, and its drain_lock, is there as long as a file of it is open, or is
 * being released, or it is held. So the caller of vosfs_withhold() has one of
 * these until he has unlocked.
 */
#include <linux/fsnotify.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/virtuos/file.h>

#include "vosfs.h"

/* ------------------------------------------------------------- lifetime */

static bool vosfs_file_writes(const struct vosfs_file *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY;
}

void vosfs_set_lent(struct vosfs_file *file, bool lent, bool draining)
{
	lockdep_assert_held(&file->fs->lock);
	file->node->lent -= file->lent || file->draining;
	file->lent = lent;
	file->draining = draining;
	file->node->lent += file->lent || file->draining;
}

struct vosfs_node *vosfs_node_find(struct vosfs *fs, u64 nodeid)
{
	struct vosfs_node *node;

	lockdep_assert_held(&fs->lock);
	hash_for_each_possible(fs->nodes, node, hash, nodeid) {
		if (node->nodeid == nodeid)
			return node;
	}
	return NULL;
}

struct vosfs_node *vosfs_node_add(struct vosfs *fs, u64 nodeid, struct vosfs_node **fresh)
{
	struct vosfs_node *node = *fresh;

	lockdep_assert_held(&fs->lock);
	*fresh = NULL;
	node->nodeid = nodeid;
	INIT_LIST_HEAD(&node->closed);
	INIT_LIST_HEAD(&node->files);
	INIT_LIST_HEAD(&node->watched_entry);
	mutex_init(&node->drain_lock);
	hash_add(fs->nodes, &node->hash, nodeid);
	return node;
}

/* Files are always ready. */
static void vosfs_file_ready(struct vos_object *object, __poll_t mask)
{
}

struct vosfs_file *vosfs_file_new(struct vosfs *fs, struct vos_connection *c, u32 flags)
{
	bool own_way = flags & (O_APPEND | O_DIRECT);
	struct vosfs_file *file;
	int err;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return ERR_PTR(-ENOMEM);
	kref_init(&file->ref);
	file->fs = fs;
	file->flags = flags;
	file->caps = vosfs_current_caps();
	vos_current_credential(&file->identity);
	file->own_way = own_way;
	INIT_LIST_HEAD(&file->node_entry);
	INIT_LIST_HEAD(&file->all_entry);
	err = vos_object_add(&file->object, c, own_way ? 0 : VOS_KIND_FILE, VOS_OBJECT_ORDINARY,
			     vosfs_file_ready);
	if (err)
		goto free;
	vos_object_withhold(&file->object, true);
	err = xa_alloc_cyclic(&fs->files, &file->id, file, XA_LIMIT(1, INT_MAX), &fs->next_id,
			      GFP_KERNEL);
	if (err < 0)
		goto remove;
	return file;
remove:
	vos_object_remove(&file->object);
	/* An event may just look at it. */
	kfree_rcu(file, rcu);
	return ERR_PTR(err);
free:
	kfree(file);
	return ERR_PTR(err);
}

struct vosfs_node *vosfs_node_hold(struct vosfs *fs, u64 nodeid, bool opens)
{
	struct vosfs_node *fresh = NULL;
	struct vosfs_node *node;
	bool freeing = false;

	if (opens) {
		fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
		if (!fresh)
			return ERR_PTR(-ENOMEM);
	}
	spin_lock(&fs->lock);
	node = vosfs_node_find(fs, nodeid);
	if (node && opens) {
		vosfs_node_opened(fs, node);
	} else if (node) {
		/* One that is only remembered, or being freed, is not open. */
		if (list_empty(&node->files) && node->holds == node->freeing)
			node = NULL;
		else
			node->unnamed = true;
	} else if (opens) {
		node = vosfs_node_add(fs, nodeid, &fresh);
	}
	if (node) {
		node->holds++;
		freeing = node->freeing;
	}
	spin_unlock(&fs->lock);
	kfree(fresh);
	/*
	 * Once, because with this hold it is not freed again, and no longer than
	 * for one call, by somebody who waits for nothing else.
	 */
	if (freeing)
		wait_event(fs->freed, !READ_ONCE(node->freeing));
	return node;
}

void vosfs_node_drop(struct vosfs *fs, struct vosfs_node *node)
{
	bool unnamed;

	spin_lock(&fs->lock);
	node->holds--;
	unnamed = vosfs_node_unused(fs, node);
	spin_unlock(&fs->lock);
	if (unnamed)
		vosfs_close_unnamed(fs, node);
}

int vosfs_file_opened(struct vosfs_file *file, u64 nodeid, bool unnamed)
{
	struct vosfs *fs = file->fs;
	struct vosfs_node *node = vosfs_node_hold(fs, nodeid, true);
	int err = 0;

	if (IS_ERR(node))
		return PTR_ERR(node);
	spin_lock(&fs->lock);
	/* Recovery takes along what was here before the connection failed. */
	if (vos_object_usable(&file->object)) {
		file->node = node;
		file->error_seen = errseq_sample(&node->error);
		node->unnamed |= unnamed;
		list_add(&file->node_entry, &node->files);
		list_add(&file->all_entry, &fs->all);
	} else {
		err = VOSFS_LOST;
	}
	spin_unlock(&fs->lock);
	vosfs_node_drop(fs, node);
	return err;
}

/* The last of those that may use its object. */
static void vosfs_file_release(struct kref *ref)
{
	struct vosfs_file *file = container_of(ref, struct vosfs_file, ref);
	struct vosfs_node *node = file->node;
	struct vosfs *fs = file->fs;
	bool unnamed = false;

	if (node) {
		spin_lock(&fs->lock);
		list_del(&file->all_entry);
		list_del(&file->node_entry);
		unnamed = vosfs_node_closed(fs, node, file);
		spin_unlock(&fs->lock);
	}
	if (unnamed)
		vosfs_close_unnamed(fs, node);
	vos_object_remove(&file->object);
	kfree_rcu(file, rcu);
}

void vosfs_file_put(struct vosfs_file *file)
{
	kref_put(&file->ref, vosfs_file_release);
}

/* Has a user lane changed attributes since it was noticed last? Under fs->lock. */
static bool vosfs_file_changes(struct vosfs_file *file)
{
	u64 changes = vos_object_changes(&file->object);
	bool changed = changes != file->changes;

	file->changes = changes;
	return changed;
}

/* Under fs->lock. */
static bool vosfs_node_changes(struct vosfs_node *node)
{
	struct vosfs_file *file;
	bool changed = false;
	u32 looks = 0;

	list_for_each_entry(file, &node->files, node_entry) {
		if (looks++ == VOSFS_MAX_LOOKS)
			return true;
		changed |= vosfs_file_changes(file);
	}
	return changed;
}

/* What is known of its attributes is out of date, and what is on its way. Under fs->lock. */
static void vosfs_outdate(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	spin_lock(&fi->lock);
	fi->attr_version = atomic64_inc_return(&get_fuse_conn(inode)->attr_version);
	fuse_invalidate_attr(inode);
	spin_unlock(&fi->lock);
}

/* fs/fuse is going to use attributes. */
void vosfs_notice_changes(struct inode *inode)
{
	struct vosfs *fs = vosfs_of(inode);
	struct vosfs_node *node;

	spin_lock(&fs->lock);
	node = vosfs_node_find(fs, get_node_id(inode));
	if (node && vosfs_node_changes(node))
		vosfs_outdate(inode);
	spin_unlock(&fs->lock);
}

/*
 * The last changes by a file that is going to be off its node's list. Until its
 * inode is at hand they stay to be noticed by others.
 */
static void vosfs_notice_last_changes(struct vosfs_file *file)
{
	struct vosfs *fs = file->fs;
	struct inode *inode;
	bool changed;

	spin_lock(&fs->lock);
	changed = vos_object_changes(&file->object) != file->changes;
	spin_unlock(&fs->lock);
	if (!changed)
		return;
	inode = vosfs_inode(fs, file->node->nodeid);
	if (!inode)
		return;
	spin_lock(&fs->lock);
	if (vosfs_file_changes(file))
		vosfs_outdate(inode);
	spin_unlock(&fs->lock);
	iput(inode);
}

void vosfs_file_discard(struct vosfs_file *file, bool tell)
{
	struct vosfs_node *node = file->node;
	struct vosfs *fs = file->fs;
	struct vos_connection *c;
	bool writing;

	xa_erase(&fs->files, file->id);
	spin_lock(&fs->lock);
	file->closed = true;
	/* Another thread's lane may write still: the release waits for it, who maps for that. */
	writing = vosfs_file_writes(file) && (file->lent || file->draining);
	if (node) {
		if (!writing)
			vosfs_set_lent(file, false, false);
		node->mapped -= file->mapped;
		node->dirtying -= file->dirtying;
	}
	spin_unlock(&fs->lock);
	if (writing)
		mutex_lock(&node->drain_lock);
	/* Since it is closed it does not move any more. */
	c = file->object.connection;
	if (tell && vos_connection_usable(c)) {
		int err = vos_call_simple(c, VOS_OP_RELEASE, file->object.handle, 0, 0);

		/* What it may still do with the file, or with its index, is unknown. */
		if (err && err != -EBADF && err != -ENETDOWN)
			vos_connection_fail(c, "a file was not released: %d", err);
	}
	if (writing) {
		spin_lock(&fs->lock);
		vosfs_set_lent(file, false, false);
		spin_unlock(&fs->lock);
		mutex_unlock(&node->drain_lock);
	}
	if (node)
		vosfs_notice_last_changes(file);
	vosfs_file_put(file);
}

struct vosfs_file *vosfs_file_find(struct vosfs *fs, u64 id)
{
	return id <= INT_MAX ? xa_load(&fs->files, id) : NULL;
}

struct vosfs_file *vosfs_file_get(struct vosfs *fs, u64 nodeid)
{
	struct vosfs_file *file = NULL;
	struct vosfs_node *node;

	spin_lock(&fs->lock);
	node = vosfs_node_find(fs, nodeid);
	if (node && !node->unnamed)
		file = list_first_entry_or_null(&node->files, struct vosfs_file, node_entry);
	if (file && (file->closed || !kref_get_unless_zero(&file->ref)))
		file = NULL;
	spin_unlock(&fs->lock);
	return file;
}

/* The file of a vosfs that struct file is, or NULL. Alive as long as that. */
static struct vosfs_file *vosfs_file_of(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct fuse_file *ff = file->private_data;

	if (!static_branch_unlikely(&vosfs_key) || !S_ISREG(inode->i_mode) ||
	    !vosfs_is(inode->i_sb))
		return NULL;
	/* O_PATH has neither. */
	if (file->f_op != inode->i_fop || !ff)
		return NULL;
	return vosfs_file_find(vosfs_of(inode), ff->fh);
}

/* -------------------------------------------------------------- lending */

static bool vosfs_own_way(const struct file *file)
{
	return READ_ONCE(file->f_flags) & (O_APPEND | O_DIRECT);
}

static bool vosfs_watched_still(struct vosfs *fs)
{
	/* Who begins to watch is counted first and sets the flag then. */
	if (fs->watched && !fsnotify_sb_has_watchers(fs->sb))
		fs->watched = false;
	return fs->watched;
}

static bool vosfs_may_lend(struct vosfs_file *file)
{
	struct vosfs *fs = file->fs;

	lockdep_assert_held(&fs->lock);
	return file->named && file->node && !file->closed && !file->own_way &&
	       file->object.kind && !file->node->dirtying &&
	       !errseq_check(&file->node->error, file->error_seen) &&
	       !(file->node->mapped && vosfs_file_writes(file)) && !vosfs_watched_still(fs);
}

static void vosfs_try_to_lend(struct vosfs_file *file, struct inode *inode)
{
	if (file->lent || !vosfs_may_lend(file) ||
	    (vosfs_file_writes(file) && inode->i_mapping->nrpages))
		return;
	vosfs_set_lent(file, true, file->draining);
	file->node->shared = true;
	/* Before the first operation that could change something. */
	set_bit(FUSE_I_OTHER_WAYS, &get_fuse_inode(inode)->state);
	vos_object_withhold(&file->object, false);
}

struct vos_object *vosfs_object(struct file *filp)
{
	struct vosfs_file *file;

	file = vosfs_file_of(filp);
	if (!file || !file->object.kind)
		return NULL;
	if (READ_ONCE(file->lent))
		return &file->object;
	spin_lock(&file->fs->lock);
	file->named = true;
	file->own_way = vosfs_own_way(filp);
	vosfs_try_to_lend(file, file_inode(filp));
	spin_unlock(&file->fs->lock);
	return &file->object;
}

bool vosfs_serves(struct file *filp)
{
	struct vosfs_file *file;
	bool serves;

	rcu_read_lock();
	file = vosfs_file_of(filp);
	serves = file && file->object.kind;
	rcu_read_unlock();
	return serves;
}

struct inode *vosfs_inode(struct vosfs *fs, u64 nodeid)
{
	struct inode *inode;

	down_read(&fs->fc->killsb);
	inode = fuse_ilookup(fs->fc, nodeid, NULL);
	up_read(&fs->fc->killsb);
	return inode;
}

void vosfs_file_used(struct vosfs_file *file)
{
	struct vosfs *fs = file->fs;
	struct inode *inode;
	bool may;

	if (!READ_ONCE(file->named) || READ_ONCE(file->lent))
		return;
	spin_lock(&fs->lock);
	may = vosfs_may_lend(file);
	spin_unlock(&fs->lock);
	if (!may)
		return;
	inode = vosfs_inode(fs, file->node->nodeid);
	if (!inode)
		return;
	/* If a page cannot go now, there will be another call. */
	if (vosfs_file_writes(file) && inode->i_mapping->nrpages)
		invalidate_inode_pages2(inode->i_mapping);
	spin_lock(&fs->lock);
	vosfs_try_to_lend(file, inode);
	spin_unlock(&fs->lock);
	iput(inode);
}

bool vosfs_node_lent(struct vosfs *fs, u64 nodeid)
{
	struct vosfs_node *node;
	bool lent;

	spin_lock(&fs->lock);
	node = vosfs_node_find(fs, nodeid);
	lent = node && node->lent;
	spin_unlock(&fs->lock);
	return lent;
}

/* Also once no file of it is lent any more: the last changes may not have been noticed. */
bool vosfs_size_varies(struct inode *inode)
{
	return test_bit(FUSE_I_OTHER_WAYS, &get_fuse_inode(inode)->state);
}

/* ---------------------------------------------------------- withholding */

/* Is there something to withhold, or to wait for? */
static bool vosfs_node_busy(const struct vosfs_node *node)
{
	struct vosfs_file *file;

	list_for_each_entry(file, &node->files, node_entry) {
		if (file->draining || (file->lent && !vosfs_may_lend(file)))
			return true;
	}
	return false;
}

/* Waits for what runs on a file that is withheld. 0 or -ETIMEDOUT. */
static int vosfs_drain(struct vosfs *fs, struct vosfs_file *file)
{
	struct vos_connection *c = vos_object_connection(&file->object);
	int err = vos_call_simple(c, VOS_OP_FILE_DRAIN, READ_ONCE(file->object.handle), 0, 0);

	/* Closed meanwhile, or the domain is gone: nothing runs either. */
	if (err && err != -EBADF && err != -ENETDOWN && err != -ETIMEDOUT)
		vos_connection_fail(c, "a file was not drained: %d", err);
	vos_connection_put(c);
	/* The disk takes long. What runs counts still, and is waited for again. */
	if (err == -ETIMEDOUT)
		return err;
	spin_lock(&fs->lock);
	/* Only now attributes are what they seem, unless it was lent again. */
	vosfs_set_lent(file, file->lent, false);
	spin_unlock(&fs->lock);
	return 0;
}

/*
 * Stops what begins from now on, on files of a node that may not be lent any
 * more, and waits for reads and writes that run there. -ETIMEDOUT: one does
 * still.
 */
static int vosfs_withhold(struct vosfs *fs, struct vosfs_node *node)
{
	struct vosfs_file *file, *next;
	LIST_HEAD(drain);
	int err = 0;

	lockdep_assert_held(&node->drain_lock);
	spin_lock(&fs->lock);
	list_for_each_entry(file, &node->files, node_entry) {
		if (file->lent && !vosfs_may_lend(file)) {
			vos_object_withhold(&file->object, true);
			vosfs_set_lent(file, false, true);
		}
		/* It is there: both are over before the last reference is put. */
		if (file->draining && !file->lent) {
			kref_get(&file->ref);
			list_add(&file->drain_entry, &drain);
		}
	}
	spin_unlock(&fs->lock);
	list_for_each_entry_safe(file, next, &drain, drain_entry) {
		err = vosfs_drain(fs, file) ?: err;
		vosfs_file_put(file);
	}
	return err;
}

/* fs/fuse is going to map a file; under mmap_lock. */
int vosfs_mmap(struct file *filp, struct vm_area_struct *vma)
{
	bool dirtying = (vma->vm_flags & VM_SHARED) && (vma->vm_flags & VM_MAYWRITE);
	struct vosfs_file *file = vosfs_file_of(filp);
	struct vosfs *fs;
	bool busy;
	int err;

	if (WARN_ON_ONCE(!file || !file->node))
		return -EIO;
	fs = file->fs;
	spin_lock(&fs->lock);
	if (!file->mapped) {
		file->mapped = true;
		file->node->mapped++;
	}
	if (dirtying && !file->dirtying) {
		file->dirtying = true;
		file->node->dirtying++;
	}
	/* Nothing is lent from here on that would make it so. */
	busy = vosfs_node_busy(file->node);
	spin_unlock(&fs->lock);
	if (busy) {
		if (mutex_lock_killable(&file->node->drain_lock))
			return -EINTR;
		err = vosfs_withhold(fs, file->node);
		mutex_unlock(&file->node->drain_lock);
		/* What is written still would not be in the pages. */
		if (err)
			return -EIO;
	}
	/* A fault behind the end is a signal: from here on the size is known. */
	return fuse_update_attributes(file_inode(filp), filp, STATX_SIZE);
}

/* ---------------------------------------------------------------- hooks */

/* F_SETFL, and other changes that don't matter. */
void vosfs_file_changed(struct file *filp)
{
	struct vosfs_file *file;
	struct vosfs *fs;
	bool busy;

	file = vosfs_file_of(filp);
	if (!file || !READ_ONCE(file->named))
		return;
	fs = file->fs;
	spin_lock(&fs->lock);
	/* Read here, so that the last of two changes holds. */
	file->own_way = vosfs_own_way(filp);
	busy = file->own_way && vosfs_node_busy(file->node);
	spin_unlock(&fs->lock);
	if (!busy)
		return;
	mutex_lock(&file->node->drain_lock);
	/* What takes longer began before, and goes on as it began. */
	vosfs_withhold(fs, file->node);
	mutex_unlock(&file->node->drain_lock);
}

/* Under the notification group's lock. */
void vosfs_watched(struct super_block *sb)
{
	struct vosfs_node *node, *next;
	struct vosfs_file *file;
	LIST_HEAD(nodes);
	struct vosfs *fs;

	if (!vosfs_is(sb))
		return;
	fs = vosfs_of_conn(get_fuse_conn_super(sb));
	mutex_lock(&fs->watch_lock);
	spin_lock(&fs->lock);
	fs->watched = true;
	/* From here on nothing else is lent. */
	list_for_each_entry(file, &fs->all, all_entry) {
		node = file->node;
		if ((!file->lent && !file->draining) || !list_empty(&node->watched_entry))
			continue;
		node->holds++;
		list_add(&node->watched_entry, &nodes);
	}
	spin_unlock(&fs->lock);
	list_for_each_entry_safe(node, next, &nodes, watched_entry) {
		mutex_lock(&node->drain_lock);
		/* What takes longer began before anybody watched. */
		vosfs_withhold(fs, node);
		mutex_unlock(&node->drain_lock);
		list_del_init(&node->watched_entry);
		vosfs_node_drop(fs, node);
	}
	mutex_unlock(&fs->watch_lock);
}

/*
 * A descriptor is closed: data that was lost is told to who wrote. Not if
 * others have the file still, or nobody hears what this close() returns.
 */
int vosfs_flush(struct file *filp)
{
	struct vosfs_file *file = vosfs_file_of(filp);

	if (!file || !file->node || !vosfs_file_writes(file) || file_count(filp) > 1 ||
	    (current->flags & PF_EXITING) || current->in_execve)
		return 0;
	return vosfs_file_report(file);
}

int vosfs_refresh_size(struct file *filp)
{
	struct inode *inode = file_inode(filp);

	if (!S_ISREG(inode->i_mode) || !vosfs_is(inode->i_sb) || !vosfs_size_varies(inode))
		return 0;
	return fuse_update_attributes(inode, filp, STATX_SIZE);
}
