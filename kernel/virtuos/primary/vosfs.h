/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vosfs, inside: a FUSE file system whose server is the storage domain, its
 * kernel for the data of open files and its daemon for everything else.
 *
 *   vosfs_mount.c     the file system type, mounting, FUSE_INIT
 *   vosfs_request.c   requests of fs/fuse: where they go, who waits for them
 *   vosfs_message.c   those for the daemon; what its replies may say
 *   vosfs_data.c      those for the domain's kernel: an open file's data
 *   vosfs_file.c      open files: their objects, lent to user lanes or not
 *   vosfs_recover.c   one domain after another: what goes on, what is lost
 *
 * What a storage domain says is copied once, checked as a whole, and only
 * then handed to fs/fuse, which believes its server.
 */
#ifndef VIRTUOS_VOSFS_H
#define VIRTUOS_VOSFS_H

#include <linux/types.h>
#include <linux/errseq.h>
#include <linux/kref.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "fuse_i.h"
#include "primary.h"

/*
 * Background requests under way at once, each with a worker that waits for
 * it: well below the entries of the lanes, so that they don't fill them.
 */
#define VOSFS_WORKERS		32u
/* Above this many, readahead waits. */
#define VOSFS_CONGESTED		24u
/* Pages of one request: VOS_MAX_TRANSFER bytes, wherever they begin. */
#define VOSFS_MAX_PAGES		(VOS_MAX_TRANSFER / PAGE_SIZE + 1u)
#define VOSFS_READAHEAD		131072u

/* What a mount waits for: a connection, and then the daemon's FUSE_INIT. */
#define VOSFS_CONNECT_WAIT	(30 * HZ)
#define VOSFS_INIT_WAIT		(30 * HZ)

/* Buckets of the table of inodes that are open: 2^VOSFS_NODE_BITS. */
#define VOSFS_NODE_BITS		10

/* Open files of an inode that are looked at for changes; with more, it has always changed. */
#define VOSFS_MAX_LOOKS		64u

/* Inodes that are remembered though they are not open; the oldest go first. */
#define VOSFS_MAX_CLOSED	65536u

/*
 * The request has no answer, because the connection failed: it has not been
 * sent, or nobody knows whether it was executed. No domain can answer these.
 */
#define VOSFS_DOWN		(-(MAX_ERRNO - 1))
#define VOSFS_LOST		(-(MAX_ERRNO - 2))

#define VOSFS_DOMAIN		"storage"

struct vosfs;

struct vosfs_worker {
	struct work_struct work;
	struct vosfs *fs;
	struct list_head node;		/* on fs->idle; under fs->queue_lock */
};

/* The one file system of a storage domain: a superblock and its FUSE connection. */
struct vosfs {
	struct fuse_conn *fc;
	struct super_block *sb;
	/* What requests go over, with a reference; written under lock. NULL: not mounted. */
	struct vos_connection __rcu *connection;
	/* FUSE_INIT, as it was asked and answered first. */
	struct fuse_init_in init;
	struct fuse_init_out answer;

	spinlock_t queue_lock;
	struct list_head queue;		/* background requests nobody serves yet */
	struct list_head idle;		/* workers */
	struct vosfs_worker worker[VOSFS_WORKERS];

	struct xarray files;		/* struct vosfs_file by id */
	u32 next_id;

	/* Nests inside files->file_lock. */
	spinlock_t lock;
	DECLARE_HASHTABLE(nodes, VOSFS_NODE_BITS);
	struct list_head all;		/* struct vosfs_file */
	bool watched;			/* somebody may wait for events of this file system */
	/* Of those who begin to watch: node->watched_entry. */
	struct mutex watch_lock;

	/* vosfs_recover.c; under lock but for the works. */
	wait_queue_head_t recovered;	/* requests, for another connection */
	struct delayed_work recover_work;
	struct work_struct drop_work;
	struct vos_connection *recovering;	/* the next one: files are opened there */
	bool sweep;			/* files without a name that nobody opens are to be freed */
	bool lost;			/* the connection has failed, and what was lost is marked */
	unsigned long down_since;	/* jiffies, if so */
	u32 pass;			/* over the files */
	u64 writes;			/* by requests, all inodes together */
	u64 synced;			/* of them, before a sync of everything */
	struct list_head closed;	/* struct vosfs_node that are not open, oldest first */
	u32 closed_count;
	wait_queue_head_t freed;	/* who opens or unlinks, for nodes whose freeing is done */
};

/* An inode that is open or being opened, or has changes to lose; all of it under fs->lock. */
struct vosfs_node {
	struct hlist_node hash;
	struct list_head closed;	/* on fs->closed, if it is not open */
	u64 nodeid;
	struct list_head files;		/* struct vosfs_file */
	u32 holds;			/* requests that open it or take a name from it */
	bool unnamed;			/* it may have a name that is taken when it is not open */
	bool freeing;			/* that is done now, which counts as a hold */
	u32 mapped;			/* files that have been mapped */
	u32 dirtying;			/* of them, shared and for writing */
	u32 lent;			/* files that are lent, or not drained yet */
	/* Whoever withholds or releases files waits for what runs on them with it held. */
	struct mutex drain_lock;
	struct list_head watched_entry;	/* of vosfs_watched(), under fs->watch_lock */

	/* What is not on the disk for certain: see vosfs_recover.c. */
	u64 written;			/* fs->writes after the last one to it */
	u64 synced;			/* fs->writes before the last sync of it */
	bool shared;			/* a file was lent: what counts is this: */
	u64 lane_written;		/* the domain's counts, of files closed since */
	u64 lane_synced;
	errseq_t error;			/* changes were lost */
};

/*
 * An open file. Its id is what fs/fuse takes for the server's file handle; so
 * it outlives a connection, and object.handle need not.
 */
struct vosfs_file {
	struct kref ref;
	struct rcu_head rcu;
	struct vos_object object;
	struct vosfs *fs;
	u32 id;
	u32 caps;			/* VOS_CAP_* of the opener */
	struct vos_credential identity;	/* the opener */
	u32 flags;			/* O_* it was opened with */

	/* Under fs->lock. */
	struct vosfs_node *node;	/* NULL: the open did not succeed */
	struct list_head node_entry;	/* on node->files */
	struct list_head all_entry;	/* on fs->all */
	struct list_head drain_entry;	/* of vosfs_withhold(), under node->drain_lock */
	u32 pass;			/* the last one of recovery that saw it */
	bool lost;			/* not to be opened again: EIO */
	errseq_t error_seen;		/* of node->error */
	bool named;			/* an fd map names it, or did */
	bool lent;			/* user lanes may carry its data */
	bool draining;			/* what they began when it was lent may still run */
	u64 changes;			/* by user lanes, as noticed */
	bool own_way;			/* O_APPEND or O_DIRECT: not by user lanes */
	bool closed;			/* released: not lent any more */
	bool mapped;
	bool dirtying;
};

/* ------------------------------------------------------- vosfs_mount.c */

extern struct file_system_type vosfs_type;

static inline bool vosfs_is(const struct super_block *sb)
{
	return sb->s_type == &vosfs_type;
}

static inline struct vosfs *vosfs_of_conn(const struct fuse_conn *fc)
{
	return fc->iq.priv;
}

static inline struct vosfs *vosfs_of(struct inode *inode)
{
	return vosfs_of_conn(get_fuse_conn(inode));
}

/* ----------------------------------------------------- vosfs_request.c */

void vosfs_requests_init(struct vosfs *fs);
/* No request is left; returns when no worker is under way. */
void vosfs_requests_exit(struct vosfs *fs);
void vosfs_send_forget(struct fuse_iqueue *fiq, struct fuse_forget_link *link);
void vosfs_send_interrupt(struct fuse_iqueue *fiq, struct fuse_req *req);
void vosfs_send_req(struct fuse_iqueue *fiq, struct fuse_req *req);

/* The capabilities of current that a storage domain asks about. */
u32 vosfs_current_caps(void);
/* What a killable request waits like. */
unsigned int vosfs_how(const struct fuse_req *req);
/* Copies the arguments of a request, pages and all, one after the other; returns the bytes. */
u32 vosfs_copy_in(void *to, struct fuse_req *req, u32 first);
/* Copies @bytes of the reply's arguments from @first on; zeroes the rest of the pages if asked. */
void vosfs_copy_out(struct fuse_req *req, u32 first, const void *from, u32 bytes);

/* ----------------------------------------------------- vosfs_message.c */

/* Has the daemon execute a request. 0 or -errno for fs/fuse. */
int vosfs_message(struct vosfs *fs, struct fuse_req *req);
/* What a domain says of an inode, as far as it is wrong by itself. */
void vosfs_check_attr(struct fuse_attr *attr);
/* FUSE_INIT to the daemon behind another connection. 0, if the answer is the first one's. */
int vosfs_message_start(struct vosfs *fs, struct vos_connection *c);
/* A message that is a name, by this kernel itself. 0 or -errno. */
int vosfs_message_name(struct vosfs *fs, struct vos_connection *c, u32 opcode, u64 nodeid,
		       const char *name);

/* -------------------------------------------------------- vosfs_data.c */

/* Has the domain's kernel execute a request on an open file. 0 or -errno for fs/fuse. */
int vosfs_data(struct vosfs *fs, struct fuse_req *req);
/*
 * The same of FUSE_GETATTR, for any inode that is open: its kernel is asked in
 * less time than its daemon. -EAGAIN: ask the daemon.
 */
int vosfs_status(struct vosfs *fs, struct fuse_req *req);

/* -------------------------------------------------------- vosfs_file.c */

/* An object for a file that is going to be opened; not lent. ERR_PTR. */
struct vosfs_file *vosfs_file_new(struct vosfs *fs, struct vos_connection *c, u32 flags);
/* It has been opened; @unnamed: made without a name. */
int vosfs_file_opened(struct vosfs_file *file, u64 nodeid, bool unnamed);
/*
 * An inode stays known until vosfs_node_drop(). Held for a request that opens
 * it (@opens), or that takes a name from it: NULL then if it is not open; if
 * it is, the domain keeps it and is told of its last close. ERR_PTR(-ENOMEM).
 * Waits until such a last close of before has been told.
 */
struct vosfs_node *vosfs_node_hold(struct vosfs *fs, u64 nodeid, bool opens);
void vosfs_node_drop(struct vosfs *fs, struct vosfs_node *node);
void vosfs_file_put(struct vosfs_file *file);
/* It could not be opened, or is closed; @tell: the service may know it. */
void vosfs_file_discard(struct vosfs_file *file, bool tell);
/* Under fs->lock: what is known of an inode, or NULL; and a new one, of *fresh. */
struct vosfs_node *vosfs_node_find(struct vosfs *fs, u64 nodeid);
struct vosfs_node *vosfs_node_add(struct vosfs *fs, u64 nodeid, struct vosfs_node **fresh);
/* The file of an id, alive as long as what names it, or NULL. */
struct vosfs_file *vosfs_file_find(struct vosfs *fs, u64 id);
/* An inode that is in memory, with a reference, or NULL. */
struct inode *vosfs_inode(struct vosfs *fs, u64 nodeid);
/*
 * An open file of an inode, with a reference, or NULL: none, or the inode has
 * names in the domain that are not to be counted.
 */
struct vosfs_file *vosfs_file_get(struct vosfs *fs, u64 nodeid);
/* A system call reads or writes it: it may be lent again now. May sleep. */
void vosfs_file_used(struct vosfs_file *file);
/* Under fs->lock: a file is lent, is not drained; counts the inode's. */
void vosfs_set_lent(struct vosfs_file *file, bool lent, bool draining);
/* May what is known of an inode be wrong at any moment? */
bool vosfs_node_lent(struct vosfs *fs, u64 nodeid);
/* struct fuse_iqueue_ops. */
int vosfs_mmap(struct file *file, struct vm_area_struct *vma);
bool vosfs_size_varies(struct inode *inode);
void vosfs_notice_changes(struct inode *inode);
int vosfs_flush(struct file *file);

/* ----------------------------------------------------- vosfs_recover.c */

void vosfs_recover_init(struct vosfs *fs);
/* It is going to be mounted, and begins with this connection. */
void vosfs_recover_begin(struct vosfs *fs, struct vos_connection *c);
/* It is not mounted any more; nothing of recovery runs. */
void vosfs_recover_end(struct vosfs *fs);
/* No file is open any more. */
void vosfs_nodes_exit(struct vosfs *fs);
/* The connection that requests go over now, with a reference, or ERR_PTR(VOSFS_DOWN). */
struct vos_connection *vosfs_connection(struct vosfs *fs);
/*
 * A request got VOSFS_DOWN or VOSFS_LOST: waits for another connection. 0;
 * -EIO: none came in time; -EINTR: killed. @begin: when it was first sent.
 */
int vosfs_await(struct vosfs *fs, const struct fuse_req *req, unsigned long begin);
/* May a request that got VOSFS_LOST be made again? */
bool vosfs_repeatable(const struct fuse_req *req);
/* A write without O_SYNC or O_DSYNC was acknowledged over that connection. */
void vosfs_file_wrote(struct vosfs_file *file, struct vos_connection *c);
/* So was a change of an inode's attributes, or of the names in a directory. May sleep. */
void vosfs_changed(struct vosfs *fs, u64 nodeid, struct vos_connection *c);
/* How many there have been: what a sync that begins now is good for. */
u64 vosfs_writes(struct vosfs *fs);
/* A sync that began at that count succeeded, of the inode, of everything. */
void vosfs_file_synced(struct vosfs_file *file, u64 before);
void vosfs_all_synced(struct vosfs *fs, u64 before);
/* The same of a directory. -EIO, once, if names in it have been lost. */
int vosfs_directory_synced(struct vosfs *fs, u64 nodeid, u64 before);
/* Is it open, and not on the disk any more? */
bool vosfs_file_lost(struct vosfs *fs, u64 nodeid);
/* -EIO, once, if data of its inode has been lost since it was opened or last asked. */
int vosfs_file_report(struct vosfs_file *file);
/*
 * Under fs->lock: an inode is opened; a file of it, off the list already, was
 * closed; it may be unused, and gone then. True: it is not gone before the
 * caller, without the lock, has called vosfs_close_unnamed().
 */
void vosfs_node_opened(struct vosfs *fs, struct vosfs_node *node);
bool vosfs_node_closed(struct vosfs *fs, struct vosfs_node *node, const struct vosfs_file *last);
bool vosfs_node_unused(struct vosfs *fs, struct vosfs_node *node);
/* The domain need not keep a file without a name any more. Sleeps. */
void vosfs_close_unnamed(struct vosfs *fs, struct vosfs_node *node);

#endif /* VIRTUOS_VOSFS_H */
