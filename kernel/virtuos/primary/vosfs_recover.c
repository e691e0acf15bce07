// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that outlive their storage domain.
 *
 * When a new domain is connected, a work gives its daemon the FUSE_INIT that
 * the first one had, until one answers as the first one did; opens there, by
 * node id, every file that is open here, as who opened it first; forgets what
 * was known of names and attributes, because the tree is at its last commit;
 * and makes the connection the file system's. Until then requests wait: see
 * vosfs_request.c for which of them are made again. Then another work drops
 * the page caches of mapped files; what is dirty in them is written.
 *
 * A file that cannot be opened again, because it is not on the disk, is lost:
 * its object stays with the dead connection, and EIO is all it gives.
 *
 * What was written and not synced may be lost with the domain. Every write
 * that a request made is counted per inode, and every sync that succeeded
 * takes the count with it. A file that was lent may have been written and
 * synced by user lanes: for its inode the domain's own counts decide, which
 * are worth as much as its answer to an fsync. An inode that had data to lose
 * when its domain died has an error like that of a disk: each file that was
 * open then tells it once, at its next fsync or close, and if there was none,
 * the next one that is opened. So an inode is remembered after it was closed,
 * for as long as it has something to lose or to tell, as far as
 * VOSFS_MAX_CLOSED goes. A file that has something to tell is not lent, so
 * that its fsync comes here.
 *
 * A file without a name can be opened again because the domain keeps one for
 * it, out of sight, as long as it is open here: a message that takes a name
 * from a file that is open says so, and the last close is told. A node is held
 * during such a message, so that this comes after it; and while it is told,
 * who opens the file anew or takes another name from it waits, so that it is
 * not his name that goes. What the domain kept and nobody opened again once a
 * connection is the file system's, it may free.
 *
 * Names are lost as well: a directory in which some were made or removed counts
 * as written, and whoever syncs it next is told. It has no open files here, so
 * it is told once, whoever asks. A sync of a file may have taken the names of
 * it to the disk; nobody promises that, so it does not count.
 *
 * Locks: fs->lock, then object->arm_lock and the connection's object_lock.
 * Nothing here waits for a request but vosfs_drop_pages(), which comes last.
 */
#define pr_fmt(fmt) "vosfs: " fmt

#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/iversion.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "../abi/relay.h"
#include "vosfs.h"

/* Messages that have the domain free files without a name; each frees many. */
#define VOSFS_MAX_SWEEPS	65536u
/* After a daemon that did not answer, or a domain short of something. */
#define VOSFS_RECOVER_PAUSE	(HZ / 2)
/* How long a request waits for recovery, and never beyond VOSFS_OUTAGE_LIMIT. */
#define VOSFS_RECOVER_WAIT	(30 * HZ)
/* After so long without a domain nobody waits any more: nobody restarts it. */
#define VOSFS_OUTAGE_LIMIT	(60 * HZ)

/* Recovery needs no memory that its own file system would have to free. */
static struct workqueue_struct *vosfs_recover_wq;

/* The one that is mounted, or NULL. */
static DEFINE_MUTEX(vosfs_mounted_lock);
static struct vosfs *vosfs_mounted;

/* ----------------------------------------------------------- connection */

static struct vos_connection *vosfs_locked_connection(struct vosfs *fs)
{
	return rcu_dereference_protected(fs->connection, lockdep_is_held(&fs->lock));
}

struct vos_connection *vosfs_connection(struct vosfs *fs)
{
	struct vos_connection *c;

	rcu_read_lock();
	c = rcu_dereference(fs->connection);
	if (!c || !vos_connection_usable(c) || !kref_get_unless_zero(&c->ref))
		c = ERR_PTR(VOSFS_DOWN);
	rcu_read_unlock();
	return c;
}

static bool vosfs_connected(struct vosfs *fs)
{
	struct vos_connection *c;
	bool connected;

	rcu_read_lock();
	c = rcu_dereference(fs->connection);
	connected = c && vos_connection_usable(c);
	rcu_read_unlock();
	return connected;
}

static void vosfs_set_connection(struct vosfs *fs, struct vos_connection *c)
{
	struct vos_connection *old;

	if (c)
		vos_connection_hold(c);
	spin_lock(&fs->lock);
	old = vosfs_locked_connection(fs);
	rcu_assign_pointer(fs->connection, c);
	fs->recovering = NULL;
	fs->sweep = c;
	fs->lost = false;
	spin_unlock(&fs->lock);
	/* It is freed a grace period later. */
	if (old)
		vos_connection_put(old);
}

/* ------------------------------------------------------------ lost data */

static void vosfs_node_add_counts(struct vosfs_node *node, const struct vosfs_file *file)
{
	u64 written, synced;

	/* Only numbers of the same domain can be compared. */
	if (file->object.connection != vosfs_locked_connection(file->fs))
		return;
	vos_object_written(&file->object, &written, &synced);
	node->lane_written = max(node->lane_written, written);
	node->lane_synced = max(node->lane_synced, synced);
}

static bool vosfs_node_unsynced(struct vosfs *fs, struct vosfs_node *node)
{
	struct vosfs_file *file;

	lockdep_assert_held(&fs->lock);
	if (!node->shared)
		return node->written > max(node->synced, fs->synced);
	list_for_each_entry(file, &node->files, node_entry)
		vosfs_node_add_counts(node, file);
	return node->lane_written > node->lane_synced;
}

/* Has it something to lose, or to tell? */
static bool vosfs_node_keep(struct vosfs *fs, struct vosfs_node *node)
{
	return vosfs_node_unsynced(fs, node) || (node->error && !errseq_sample(&node->error));
}

static void vosfs_node_forget(struct vosfs *fs, struct vosfs_node *node)
{
	vosfs_node_opened(fs, node);
	hash_del(&node->hash);
	kfree(node);
}

static void vosfs_node_remember(struct vosfs *fs, struct vosfs_node *node)
{
	list_add_tail(&node->closed, &fs->closed);
	if (++fs->closed_count > VOSFS_MAX_CLOSED)
		vosfs_node_forget(fs, list_first_entry(&fs->closed, struct vosfs_node, closed));
}

bool vosfs_node_closed(struct vosfs *fs, struct vosfs_node *node, const struct vosfs_file *last)
{
	lockdep_assert_held(&fs->lock);
	vosfs_node_add_counts(node, last);
	return vosfs_node_unused(fs, node);
}

/* Nobody has it open or is about to. */
static void vosfs_node_settle(struct vosfs *fs, struct vosfs_node *node)
{
	if (vosfs_node_keep(fs, node))
		vosfs_node_remember(fs, node);
	else
		vosfs_node_forget(fs, node);
}

bool vosfs_node_unused(struct vosfs *fs, struct vosfs_node *node)
{
	lockdep_assert_held(&fs->lock);
	if (!list_empty(&node->files) || node->holds)
		return false;
	if (!node->unnamed) {
		vosfs_node_settle(fs, node);
		return false;
	}
	/* Decided under the lock: whoever counts himself in later sees it, and waits. */
	node->unnamed = false;
	node->freeing = true;
	node->holds++;
	return true;
}

void vosfs_node_opened(struct vosfs *fs, struct vosfs_node *node)
{
	lockdep_assert_held(&fs->lock);
	if (list_empty(&node->closed))
		return;
	list_del_init(&node->closed);
	fs->closed_count--;
}

void vosfs_nodes_exit(struct vosfs *fs)
{
	struct vosfs_node *node, *next;

	list_for_each_entry_safe(node, next, &fs->closed, closed)
		kfree(node);
	vosfs_set_connection(fs, NULL);
}

/* The connection has failed: once for each of them, before another one is used. */
static void vosfs_mark_lost(struct vosfs *fs)
{
	struct vosfs_node *node;
	struct hlist_node *next;
	unsigned int bucket;
	u32 lost = 0;

	spin_lock(&fs->lock);
	if (fs->lost || vosfs_connected(fs))
		goto unlock;
	fs->lost = true;
	WRITE_ONCE(fs->down_since, jiffies);
	hash_for_each_safe(fs->nodes, bucket, next, node, hash) {
		if (vosfs_node_unsynced(fs, node)) {
			errseq_set(&node->error, -EIO);
			lost++;
		}
		node->written = 0;
		node->synced = 0;
		node->shared = false;
		node->lane_written = 0;
		node->lane_synced = 0;
	}
	if (lost)
		pr_notice("changes of %u files had not been synced\n", lost);
unlock:
	spin_unlock(&fs->lock);
}

void vosfs_file_wrote(struct vosfs_file *file, struct vos_connection *c)
{
	struct vosfs *fs = file->fs;

	spin_lock(&fs->lock);
	/* Acknowledged by a domain that has died since. */
	if (fs->lost || vosfs_locked_connection(fs) != c)
		errseq_set(&file->node->error, -EIO);
	else
		file->node->written = ++fs->writes;
	spin_unlock(&fs->lock);
}

void vosfs_changed(struct vosfs *fs, u64 nodeid, struct vos_connection *c)
{
	/* It is done: there is nobody to say no to any more. */
	struct vosfs_node *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	struct vosfs_node *node;

	spin_lock(&fs->lock);
	node = vosfs_node_find(fs, nodeid);
	if (!node) {
		node = vosfs_node_add(fs, nodeid, &fresh);
		vosfs_node_remember(fs, node);
	} else if (!list_empty(&node->closed)) {
		list_move_tail(&node->closed, &fs->closed);
	}
	if (fs->lost || vosfs_locked_connection(fs) != c)
		errseq_set(&node->error, -EIO);
	else
		node->written = ++fs->writes;
	spin_unlock(&fs->lock);
	kfree(fresh);
}

u64 vosfs_writes(struct vosfs *fs)
{
	u64 writes;

	spin_lock(&fs->lock);
	writes = fs->writes;
	spin_unlock(&fs->lock);
	return writes;
}

void vosfs_file_synced(struct vosfs_file *file, u64 before)
{
	struct vosfs *fs = file->fs;

	spin_lock(&fs->lock);
	if (!fs->lost)
		file->node->synced = max(file->node->synced, before);
	spin_unlock(&fs->lock);
}

void vosfs_all_synced(struct vosfs *fs, u64 before)
{
	struct vosfs_node *node, *next;

	spin_lock(&fs->lock);
	if (fs->lost)
		goto unlock;
	fs->synced = max(fs->synced, before);
	list_for_each_entry_safe(node, next, &fs->closed, closed) {
		if (!vosfs_node_keep(fs, node))
			vosfs_node_forget(fs, node);
	}
unlock:
	spin_unlock(&fs->lock);
}

int vosfs_directory_synced(struct vosfs *fs, u64 nodeid, u64 before)
{
	struct vosfs_node *node;
	int err = 0;

	spin_lock(&fs->lock);
	node = vosfs_node_find(fs, nodeid);
	if (node) {
		/* Of now, if somebody has seen it; else of before it. */
		errseq_t seen = errseq_sample(&node->error);

		err = errseq_check_and_advance(&node->error, &seen);
		if (!fs->lost)
			node->synced = max(node->synced, before);
		if (list_empty(&node->files) && !node->holds && !vosfs_node_keep(fs, node))
			vosfs_node_forget(fs, node);
	}
	spin_unlock(&fs->lock);
	return err;
}

int vosfs_file_report(struct vosfs_file *file)
{
	struct vosfs *fs = file->fs;
	int err;

	if (unlikely(!vosfs_connected(fs)))
		vosfs_mark_lost(fs);
	if (likely(!errseq_check(&file->node->error, READ_ONCE(file->error_seen))))
		return 0;
	spin_lock(&fs->lock);
	err = errseq_check_and_advance(&file->node->error, &file->error_seen);
	spin_unlock(&fs->lock);
	return err;
}

/* -------------------------------------------------- files without a name */

/* A connection that fails leaves it to be swept in the next domain. */
static void vosfs_tell_close(struct vosfs *fs, u64 nodeid)
{
	struct vos_connection *c;
	char name[17];

	spin_lock(&fs->lock);
	/* Files that are open move there one by one. */
	c = fs->recovering ?: vosfs_locked_connection(fs);
	if (c)
		vos_connection_hold(c);
	spin_unlock(&fs->lock);
	if (!c)
		return;
	snprintf(name, sizeof(name), "%016llx", nodeid);
	if (vos_connection_usable(c))
		vosfs_message_name(fs, c, FUSE_UNLINK, VOS_FUSE_UNNAMED, name);
	vos_connection_put(c);
}

void vosfs_close_unnamed(struct vosfs *fs, struct vosfs_node *node)
{
	vosfs_tell_close(fs, node->nodeid);
	spin_lock(&fs->lock);
	WRITE_ONCE(node->freeing, false);
	/* Who came meanwhile holds it, and has nothing open yet. */
	if (!--node->holds)
		vosfs_node_settle(fs, node);
	spin_unlock(&fs->lock);
	/* They let go of it under the lock, so it was there until here. */
	wake_up_all(&fs->freed);
}

/* All that is open has been opened again there. */
static void vosfs_sweep(struct vosfs *fs, struct vos_connection *c)
{
	u32 i;

	for (i = 0; i < VOSFS_MAX_SWEEPS; i++) {
		if (vosfs_message_name(fs, c, FUSE_RMDIR, VOS_FUSE_UNNAMED,
				       VOS_FUSE_BEFORE) != -ENOTEMPTY)
			return;
	}
}

/* ---------------------------------------------------------------- reopen */

/* An object that holds a place in the new connection until a file takes it. */
struct vosfs_stand_in {
	struct vos_object object;
	struct rcu_head rcu;
};

static void vosfs_stand_in_ready(struct vos_object *object, __poll_t mask)
{
}

static int vosfs_reopen_call(struct vosfs_file *file, struct vos_object *object, bool *opened)
{
	const struct fuse_open_in open = {
		.flags = file->flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | __O_TMPFILE),
	};
	const struct fuse_in_header in = {
		.len = sizeof(in) + sizeof(open),
		.opcode = FUSE_OPEN,
		.unique = fuse_get_unique(&file->fs->fc->iq),
		.nodeid = file->node->nodeid,
		.uid = file->identity.fsuid,
		.gid = file->identity.fsgid,
	};
	const u32 prefix = sizeof(file->identity);
	const u32 reply = ALIGN(prefix + in.len, 8);
	struct {
		struct fuse_out_header header;
		struct fuse_open_out open;
	} out;
	struct vos_call *call;
	s64 bytes;
	int err;

	*opened = false;
	call = vos_call_new(object->connection, VOS_OP_FUSE, reply + sizeof(out));
	if (IS_ERR(call))
		return PTR_ERR(call);
	call->request.handle = object->handle;
	call->request.arg.file.caps = file->caps;
	call->request.arg.file.word[0] = in.len;
	call->request.arg.file.word[1] = reply;
	memcpy(call->data, &file->identity, prefix);
	memcpy(call->data + prefix, &in, sizeof(in));
	memcpy(call->data + prefix + sizeof(in), &open, sizeof(open));
	err = vos_call_wait(call, 0);
	if (err)
		goto out;
	bytes = call->completion.res;
	if (bytes < 0) {
		err = vos_call_error(object->connection, bytes);
		goto out;
	}
	err = -EIO;
	*opened = true;
	if (bytes < sizeof(out.header) || bytes > sizeof(out))
		goto out;
	memcpy(&out, call->data + reply, sizeof(out));
	if (out.header.len != bytes || out.header.unique != in.unique || out.header.error > 0 ||
	    out.header.error <= -ERESTARTSYS)
		goto out;
	if (out.header.error) {
		*opened = false;
		err = out.header.error;
	} else if (bytes == sizeof(out)) {
		err = 0;
	}
out:
	vos_call_free(call);
	return err;
}

/*
 * The file's object goes on in the place of the other one, withheld: whoever
 * uses it next may lend it again. False: it was closed meanwhile.
 */
static bool vosfs_file_move(struct vosfs_file *file, struct vos_object *fresh)
{
	struct vosfs *fs = file->fs;
	bool moves;

	spin_lock(&fs->lock);
	moves = !file->closed;
	if (moves) {
		/* Nothing runs in the dead domain. */
		vosfs_set_lent(file, false, false);
		vos_object_replace(&file->object, fresh);
		/* What the dead domain counted may not have been noticed. */
		file->changes = U64_MAX;
	}
	spin_unlock(&fs->lock);
	return moves;
}

/* 0: it has moved, or is closed, or is lost. Else recovery has to be tried again. */
static int vosfs_reopen(struct vosfs_file *file, struct vos_connection *c, u32 *moved, u32 *lost)
{
	struct vosfs_stand_in *stand_in;
	bool opened = false;
	int err;

	stand_in = kzalloc(sizeof(*stand_in), GFP_NOFS);
	if (!stand_in)
		return -ENOMEM;
	err = vos_object_add_again(&stand_in->object, c, &file->object, vosfs_stand_in_ready);
	if (err) {
		kfree(stand_in);
		return err;
	}
	vos_object_withhold(&stand_in->object, true);
	err = vosfs_reopen_call(file, &stand_in->object, &opened);
	if (!err && vosfs_file_move(file, &stand_in->object)) {
		(*moved)++;
		goto free;
	}
	if (opened && vos_connection_usable(c))
		vos_call_simple(c, VOS_OP_RELEASE, stand_in->object.handle, 0, 0);
	vos_object_remove(&stand_in->object);
	if (err && !vos_connection_usable(c))
		err = -ENETDOWN;
	/* The daemon is gone again, or there are no resources: that passes. */
	if (err && err != -ENETDOWN && err != -ENOTCONN && err != -ENOMEM && err != -EMFILE &&
	    err != -ENFILE) {
		spin_lock(&file->fs->lock);
		file->lost = true;
		spin_unlock(&file->fs->lock);
		(*lost)++;
		err = 0;
	}
free:
	kfree_rcu(stand_in, rcu);
	return err;
}

bool vosfs_file_lost(struct vosfs *fs, u64 nodeid)
{
	struct vosfs_node *node;
	struct vosfs_file *file;
	bool lost = false;

	spin_lock(&fs->lock);
	node = vosfs_node_find(fs, nodeid);
	if (node) {
		list_for_each_entry(file, &node->files, node_entry)
			lost |= file->lost;
	}
	spin_unlock(&fs->lock);
	return lost;
}

/* The next open file that is not in this connection, with a reference. */
static struct vosfs_file *vosfs_next_stranded(struct vosfs *fs, struct vos_connection *c)
{
	struct vosfs_file *file;

	spin_lock(&fs->lock);
	for (;;) {
		file = list_first_entry_or_null(&fs->all, struct vosfs_file, all_entry);
		if (file && file->pass == fs->pass)
			file = NULL;
		if (!file)
			break;
		file->pass = fs->pass;
		list_move_tail(&file->all_entry, &fs->all);
		if (file->object.connection != c && !file->closed && !file->lost &&
		    kref_get_unless_zero(&file->ref))
			break;
	}
	spin_unlock(&fs->lock);
	return file;
}

static int vosfs_reopen_all(struct vosfs *fs, struct vos_connection *c)
{
	u32 moved = 0, lost = 0;
	struct vosfs_file *file;
	int err = 0;

	spin_lock(&fs->lock);
	fs->pass++;
	spin_unlock(&fs->lock);
	while (!err && (file = vosfs_next_stranded(fs, c))) {
		err = vosfs_reopen(file, c, &moved, &lost);
		vosfs_file_put(file);
		cond_resched();
	}
	if (moved || lost)
		pr_notice("domain %u: %u open files recovered, %u lost\n", c->domid, moved, lost);
	return err;
}

/* ---------------------------------------------------------------- recover */

/*
 * The tree is what the last domain had on the disk: nothing that was known of
 * it counts any more, not even that a name does not exist. Node ids are those
 * of the disk, so inodes stay what they are.
 */
static void vosfs_forget_all(struct super_block *sb)
{
	struct fuse_conn *fc = get_fuse_conn_super(sb);
	struct inode *inode;

	/* Only here, in the one recovery there is. */
	WRITE_ONCE(fc->epoch, fc->epoch + 1);
	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		struct fuse_inode *fi = get_fuse_inode(inode);

		spin_lock(&inode->i_lock);
		if (!(inode->i_state & (I_NEW | I_FREEING | I_WILL_FREE))) {
			spin_lock(&fi->lock);
			fi->attr_version = atomic64_inc_return(&fc->attr_version);
			spin_unlock(&fi->lock);
			fuse_invalidate_attr(inode);
			forget_all_cached_acls(inode);
			inode_maybe_inc_iversion(inode, true);
		}
		spin_unlock(&inode->i_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
}

/* Requests wait for it no more, so this may wait for them. */
static void vosfs_drop_pages(struct work_struct *work)
{
	struct vosfs *fs = container_of(work, struct vosfs, drop_work);
	struct super_block *sb = fs->sb;
	struct inode *inode, *before = NULL;

	/* The superblock stays mounted. */
	down_read(&fs->fc->killsb);
	if (list_empty(&fs->fc->mounts))
		goto unlock;
	/* Whose inode goes waits for its pages, and so perhaps for requests. */
	shrink_dcache_sb(sb);
	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		spin_lock(&inode->i_lock);
		if ((inode->i_state & (I_NEW | I_FREEING | I_WILL_FREE)) ||
		    mapping_empty(inode->i_mapping)) {
			spin_unlock(&inode->i_lock);
			continue;
		}
		__iget(inode);
		spin_unlock(&inode->i_lock);
		spin_unlock(&sb->s_inode_list_lock);
		/* What is dirty is written; whose writing fails hears of it from the mapping. */
		invalidate_inode_pages2(inode->i_mapping);
		iput(before);
		before = inode;
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(before);
unlock:
	up_read(&fs->fc->killsb);
}

static void vosfs_set_recovering(struct vosfs *fs, struct vos_connection *c)
{
	spin_lock(&fs->lock);
	fs->recovering = c;
	spin_unlock(&fs->lock);
}

/* The caller has a reference of the connection. */
static int vosfs_recover_with(struct vosfs *fs, struct vos_connection *c)
{
	int err = vosfs_message_start(fs, c);

	if (err)
		return err;
	vosfs_set_recovering(fs, c);
	err = vosfs_reopen_all(fs, c);
	if (err) {
		vosfs_set_recovering(fs, NULL);
		return err;
	}
	/* The superblock stays mounted meanwhile. */
	down_read(&fs->fc->killsb);
	if (!list_empty(&fs->fc->mounts))
		vosfs_forget_all(fs->sb);
	up_read(&fs->fc->killsb);
	vosfs_set_connection(fs, c);
	wake_up_all(&fs->recovered);
	pr_notice("continues in domain %u\n", c->domid);
	queue_work(vosfs_recover_wq, &fs->drop_work);
	return 0;
}

static void vosfs_recover_work(struct work_struct *work)
{
	struct vosfs *fs = container_of(to_delayed_work(work), struct vosfs, recover_work);
	struct vos_connection *c = vos_connection_get(VOS_DOMAIN_STORAGE);

	if (!c)
		return;
	if (c != rcu_access_pointer(fs->connection) && fs->answer.major) {
		vosfs_mark_lost(fs);
		/* If it fails, the next one brings us here again. */
		if (vosfs_recover_with(fs, c) && vos_connection_usable(c))
			queue_delayed_work(vosfs_recover_wq, &fs->recover_work,
					   VOSFS_RECOVER_PAUSE);
	}
	if (c == rcu_access_pointer(fs->connection) && fs->answer.major && fs->sweep) {
		fs->sweep = false;
		vosfs_sweep(fs, c);
	}
	vos_connection_put(c);
}

/* Jiffies for which there is hope that the files go on in another domain. */
static long vosfs_hope(struct vosfs *fs)
{
	struct vos_connection *c = vos_connection_get(VOS_DOMAIN_STORAGE);
	unsigned long since = READ_ONCE(fs->down_since);

	/* Another one is there, and has as long to take them over. */
	if (c) {
		s64 ms = ktime_ms_delta(ktime_get_boottime(), c->connected_at);

		since = jiffies - msecs_to_jiffies(clamp_t(s64, ms, 0, INT_MAX));
		vos_connection_put(c);
		/* If it dies, too, an outage begins. */
		WRITE_ONCE(fs->down_since, jiffies);
	}
	return since + VOSFS_OUTAGE_LIMIT - jiffies;
}

int vosfs_await(struct vosfs *fs, const struct fuse_req *req, unsigned long begin)
{
	/* Before there is something to recover, and after. */
	if (req->in.h.opcode == FUSE_INIT || req->in.h.opcode == FUSE_DESTROY)
		return -EIO;
	/* Looks again when hope is lost: meanwhile a domain may have come. */
	for (;;) {
		long left = begin + VOSFS_RECOVER_WAIT - jiffies;

		if (!vosfs_connected(fs)) {
			vosfs_mark_lost(fs);
			left = min(left, vosfs_hope(fs));
		}
		if (left <= 0)
			return vosfs_connected(fs) ? 0 : -EIO;
		if (test_bit(FR_FORCE, &req->flags) || test_bit(FR_BACKGROUND, &req->flags))
			left = wait_event_timeout(fs->recovered, vosfs_connected(fs), left);
		else
			left = wait_event_killable_timeout(fs->recovered, vosfs_connected(fs),
							   left);
		if (left < 0)
			return -EINTR;
		if (left)
			return 0;
	}
}

/* Nobody can tell whether it was done: may it be done again? */
bool vosfs_repeatable(const struct fuse_req *req)
{
	const void *in = req->args->in_args[0].value;

	switch (req->in.h.opcode) {
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_SETATTR:
	case FUSE_STATX:
	case FUSE_READLINK:
	case FUSE_OPEN:
	case FUSE_TMPFILE:
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_STATFS:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_SYNCFS:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_ACCESS:
	case FUSE_LSEEK:
	case FUSE_COPY_FILE_RANGE:
		return true;
	case FUSE_WRITE:
		return (((const struct fuse_write_in *)in)->write_flags & FUSE_WRITE_CACHE) ||
		       !(((const struct fuse_write_in *)in)->flags & O_APPEND);
	case FUSE_FALLOCATE:
		return !(((const struct fuse_fallocate_in *)in)->mode &
			 (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE));
	case FUSE_SETXATTR:
		return !(((const struct fuse_setxattr_in *)in)->flags & XATTR_CREATE);
	default:
		return false;
	}
}

/* -------------------------------------------------- mounted or not */

void vosfs_recover_init(struct vosfs *fs)
{
	init_waitqueue_head(&fs->recovered);
	init_waitqueue_head(&fs->freed);
	INIT_LIST_HEAD(&fs->closed);
	INIT_DELAYED_WORK(&fs->recover_work, vosfs_recover_work);
	INIT_WORK(&fs->drop_work, vosfs_drop_pages);
}

void vosfs_recover_begin(struct vosfs *fs, struct vos_connection *c)
{
	vosfs_set_connection(fs, c);
	mutex_lock(&vosfs_mounted_lock);
	vosfs_mounted = fs;
	mutex_unlock(&vosfs_mounted_lock);
}

void vosfs_recover_end(struct vosfs *fs)
{
	mutex_lock(&vosfs_mounted_lock);
	if (vosfs_mounted == fs)
		vosfs_mounted = NULL;
	mutex_unlock(&vosfs_mounted_lock);
	cancel_delayed_work_sync(&fs->recover_work);
	cancel_work_sync(&fs->drop_work);
}

/* Also if it is the one that the mount has: then there is nothing to do. */
void vosfs_recover(void)
{
	mutex_lock(&vosfs_mounted_lock);
	if (vosfs_mounted)
		mod_delayed_work(vosfs_recover_wq, &vosfs_mounted->recover_work, 0);
	mutex_unlock(&vosfs_mounted_lock);
}

void vosfs_fail(void)
{
	mutex_lock(&vosfs_mounted_lock);
	if (vosfs_mounted)
		vosfs_mark_lost(vosfs_mounted);
	mutex_unlock(&vosfs_mounted_lock);
}

bool vosfs_recovered(struct vos_connection *c)
{
	bool recovered;

	mutex_lock(&vosfs_mounted_lock);
	recovered = !vosfs_mounted || rcu_access_pointer(vosfs_mounted->connection) == c;
	mutex_unlock(&vosfs_mounted_lock);
	return recovered;
}

static int __init vosfs_recover_start(void)
{
	vosfs_recover_wq = alloc_workqueue("vosfs_recover", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return vosfs_recover_wq ? 0 : -ENOMEM;
}
subsys_initcall(vosfs_recover_start);
