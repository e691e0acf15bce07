// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounting: `mount -t vosfs storage:/ /srv`.
 *
 * The storage domain exports one tree, so there is one superblock; a mount of
 * storage:/sub/directory is a dentry of it, and read-only is a property of
 * each mount. FUSE_INIT is waited for: a mount that succeeded has somebody to
 * talk to.
 */
#define pr_fmt(fmt) "vosfs: " fmt

#include <linux/fs_context.h>
#include <linux/init.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/virtuos/file.h>
#include <xen/xen.h>

#include "vosfs.h"

DEFINE_STATIC_KEY_FALSE(vosfs_key);

static void vosfs_release(struct fuse_iqueue *fiq)
{
	struct vosfs *fs = fiq->priv;

	vosfs_requests_exit(fs);
	vosfs_nodes_exit(fs);
	WARN_ON(!xa_empty(&fs->files));
	xa_destroy(&fs->files);
	kfree_rcu_mightsleep(fs);
}

static const struct fuse_iqueue_ops vosfs_fiq_ops = {
	.send_forget	= vosfs_send_forget,
	.send_interrupt	= vosfs_send_interrupt,
	.send_req	= vosfs_send_req,
	.mmap		= vosfs_mmap,
	.size_varies	= vosfs_size_varies,
	.notice_changes	= vosfs_notice_changes,
	.flush		= vosfs_flush,
	.release	= vosfs_release,
};

/* ------------------------------------------------------------ superblock */

static struct fuse_mount *vosfs_new(struct fs_context *fsc)
{
	struct fuse_mount *fm = kzalloc(sizeof(*fm), GFP_KERNEL);
	struct fuse_conn *fc = kzalloc(sizeof(*fc), GFP_KERNEL);
	struct vosfs *fs = kzalloc(sizeof(*fs), GFP_KERNEL);

	if (!fm || !fc || !fs) {
		kfree(fs);
		kfree(fc);
		kfree(fm);
		return NULL;
	}
	fs->fc = fc;
	spin_lock_init(&fs->lock);
	mutex_init(&fs->watch_lock);
	INIT_LIST_HEAD(&fs->all);
	hash_init(fs->nodes);
	xa_init_flags(&fs->files, XA_FLAGS_ALLOC1);
	vosfs_requests_init(fs);
	vosfs_recover_init(fs);

	fuse_conn_init(fc, fm, fsc->user_ns, &vosfs_fiq_ops, fs);
	fc->release = fuse_free_conn;
	fc->max_pages_limit = VOSFS_MAX_PAGES;
	/* A file is closed when close() returns, and its space free. */
	fc->auto_submounts = 1;
	fc->sync_fs = 1;
	fc->shift_ranges = 1;
	fc->sole_client = 1;
	/* Locks are this kernel's own business; a regular file is always ready. */
	fc->no_lock = 1;
	fc->no_flock = 1;
	fc->no_flush = 1;
	fc->no_poll = 1;
	fc->no_bmap = 1;
	/* The daemon keeps nothing for an open directory. */
	fc->no_opendir = 1;
	return fm;
}

/* Waits for the reply to FUSE_INIT, which vosfs_message() bounds. */
static int vosfs_start(struct fs_context *fsc, struct fuse_mount *fm)
{
	struct fuse_conn *fc = fm->fc;

	fuse_send_init(fm);
	if (wait_event_killable(fc->blocked_waitq, READ_ONCE(fc->initialized)))
		return -EINTR;
	/* Pairs with smp_wmb() in fuse_set_initialized(). */
	smp_rmb();
	if (fc->conn_init)
		return 0;
	errorf(fsc, "vosfs: the storage domain does not serve files now, see vos status");
	return -EIO;
}

static int vosfs_fill_super(struct super_block *sb, struct fs_context *fsc,
			    struct vos_connection *c)
{
	struct fuse_fs_context context = {
		.rootmode = S_IFDIR,
		.default_permissions = 1,
		.allow_other = 1,
		.max_read = VOS_MAX_TRANSFER,
		.destroy = true,
		.no_control = true,
		.no_force_umount = true,
	};
	struct fuse_mount *fm = get_fuse_mount_super(sb);
	int err;

	vosfs_of_conn(fm->fc)->sb = sb;
	vosfs_recover_begin(vosfs_of_conn(fm->fc), c);
	err = fuse_fill_super_common(sb, &context);
	if (!err)
		err = vosfs_start(fsc, fm);
	/* Should there be another domain already. */
	if (!err)
		vosfs_recover();
	return err;
}

static void vosfs_kill_sb(struct super_block *sb)
{
	struct fuse_mount *fm = get_fuse_mount_super(sb);

	/* Without a root nothing has been sent. */
	if (sb->s_root && fuse_mount_remove(fm))
		fuse_conn_destroy(fm);
	kill_anon_super(sb);
	/* Until now requests may have waited for it. */
	vosfs_recover_end(vosfs_of_conn(fm->fc));
	fuse_mount_destroy(fm);
}

/* ---------------------------------------------------------------- mount */

/* There is one tree. */
static int vosfs_same_super(struct super_block *sb, struct fs_context *fsc)
{
	return 1;
}

static int vosfs_get_root(struct fs_context *fsc)
{
	struct vos_connection *c;
	struct super_block *sb;
	struct fuse_mount *fm;
	int err = 0;

	c = vos_connection_wait(VOS_DOMAIN_STORAGE, VOSFS_CONNECT_WAIT);
	if (!c) {
		if (signal_pending(current))
			return -EINTR;
		errorf(fsc, "vosfs: no storage domain is connected, see vos status");
		return -ENOTCONN;
	}
	fm = vosfs_new(fsc);
	if (!fm) {
		vos_connection_put(c);
		return -ENOMEM;
	}
	/* Before there is a file that the hooks are about. */
	static_branch_enable(&vosfs_key);
	fsc->s_fs_info = fm;
	sb = sget_fc(fsc, vosfs_same_super, set_anon_super_fc);
	if (fsc->s_fs_info)
		fuse_mount_destroy(fm);
	if (IS_ERR(sb)) {
		vos_connection_put(c);
		return PTR_ERR(sb);
	}
	if (!sb->s_root) {
		err = vosfs_fill_super(sb, fsc, c);
		if (!err)
			sb->s_flags |= SB_ACTIVE;
	}
	vos_connection_put(c);
	if (err) {
		deactivate_locked_super(sb);
		return err;
	}
	fsc->root = dget(sb->s_root);
	return 0;
}

/*
 * A directory below, without symbolic links on the way: walked in a mount of
 * the whole that nobody else sees.
 */
static int vosfs_get_directory(struct fs_context *fsc, const char *path)
{
	struct super_block *sb;
	struct vfsmount *root;
	struct path found;
	int err;

	root = vfs_kern_mount(&vosfs_type, fsc->sb_flags, VOSFS_DOMAIN ":/", NULL);
	if (IS_ERR(root)) {
		errorf(fsc, "vosfs: cannot mount " VOSFS_DOMAIN ":/, which is above it");
		return PTR_ERR(root);
	}
	err = vfs_path_lookup(root->mnt_root, root, path,
			      LOOKUP_DIRECTORY | LOOKUP_NO_SYMLINKS, &found);
	if (err) {
		errorf(fsc, "vosfs: " VOSFS_DOMAIN ":%s is no directory that can be reached", path);
		goto out;
	}
	/* The mount's reference of the superblock is exchanged for the caller's. */
	sb = found.mnt->mnt_sb;
	fsc->root = dget(found.dentry);
	atomic_inc(&sb->s_active);
	path_put(&found);
out:
	mntput(root);
	if (!err)
		down_write(&sb->s_umount);
	return err;
}

static int vosfs_get_tree(struct fs_context *fsc)
{
	const char *path;

	if (!fsc->source || !str_has_prefix(fsc->source, VOSFS_DOMAIN ":/")) {
		errorf(fsc, "vosfs: the source has to be " VOSFS_DOMAIN ":/ or a directory of it");
		return -EINVAL;
	}
	path = fsc->source + strlen(VOSFS_DOMAIN ":");
	/* Of the mount; others of the same superblock may be written. */
	fsc->sb_flags &= ~SB_RDONLY;
	if (strspn(path, "/") == strlen(path))
		return vosfs_get_root(fsc);
	return vosfs_get_directory(fsc, path);
}

static int vosfs_reconfigure(struct fs_context *fsc)
{
	sync_filesystem(fsc->root->d_sb);
	return 0;
}

/* Without parse_param there are no options but those of every file system. */
static const struct fs_context_operations vosfs_context_ops = {
	.get_tree	= vosfs_get_tree,
	.reconfigure	= vosfs_reconfigure,
};

static int vosfs_init_fs_context(struct fs_context *fsc)
{
	/* fs/fuse mounts nothing by itself: vosfs_message() takes the flag away. */
	if (fsc->purpose == FS_CONTEXT_FOR_SUBMOUNT)
		return -EINVAL;
	fsc->ops = &vosfs_context_ops;
	return 0;
}

struct file_system_type vosfs_type = {
	.owner			= THIS_MODULE,
	.name			= "vosfs",
	.init_fs_context	= vosfs_init_fs_context,
	.kill_sb		= vosfs_kill_sb,
};

static int __init vosfs_init(void)
{
	if (!xen_domain())
		return 0;
	return register_filesystem(&vosfs_type);
}
late_initcall(vosfs_init);
