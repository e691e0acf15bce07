// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of fs/fuse: where each goes, and who waits for it.
 *
 * A request that its caller waits for is executed in the caller's context and
 * has ended when send_req returns. Those in the background are sent under
 * fc->bg_lock; workers execute them, as many at once as there are workers.
 *
 * Who is killed while he waits abandons the call, if the operation changes
 * nothing: a write that came after its process was gone, and a name that was
 * made behind the back of the dentry cache, would be worse than waiting.
 *
 * Should the domain die, a request waits for the next one: vosfs_recover.c.
 */
#include <linux/capability.h>
#include <linux/highmem.h>
#include <linux/slab.h>

#include "vosfs.h"

static struct workqueue_struct *vosfs_wq;

/* -------------------------------------------------------- what all need */

u32 vosfs_current_caps(void)
{
	u32 caps = 0;

	/* No audit: most operations never ask for what is offered. */
	if (ns_capable_noaudit(&init_user_ns, CAP_FSETID))
		caps |= VOS_CAP_FSETID;
	if (ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE))
		caps |= VOS_CAP_SYS_RESOURCE;
	return caps;
}

unsigned int vosfs_how(const struct fuse_req *req)
{
	if (test_bit(FR_FORCE, &req->flags) || test_bit(FR_BACKGROUND, &req->flags))
		return 0;
	switch (req->in.h.opcode) {
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_STATX:
	case FUSE_READLINK:
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
		return VOS_WAIT_KILLABLE;
	default:
		return 0;
	}
}

/* ------------------------------------------------------------- copying */

static u32 vosfs_pages_in(void *to, const struct fuse_args_pages *ap, u32 bytes)
{
	u32 i, done = 0;

	for (i = 0; i < ap->num_pages && done < bytes; i++) {
		u32 n = min(ap->descs[i].length, bytes - done);

		memcpy_from_page(to + done, ap->pages[i], ap->descs[i].offset, n);
		done += n;
	}
	return done;
}

static void vosfs_pages_out(const struct fuse_args_pages *ap, const void *from, u32 bytes)
{
	u32 i, done = 0;

	for (i = 0; i < ap->num_pages; i++) {
		u32 n = min(ap->descs[i].length, bytes - done);

		if (ap->args.page_zeroing && n < PAGE_SIZE)
			clear_highpage(ap->pages[i]);
		else if (!n)
			break;
		memcpy_to_page(ap->pages[i], ap->descs[i].offset, from + done, n);
		flush_dcache_page(ap->pages[i]);
		done += n;
	}
}

u32 vosfs_copy_in(void *to, struct fuse_req *req, u32 first)
{
	const struct fuse_args *args = req->args;
	u32 i, done = 0;

	for (i = first; i < args->in_numargs; i++) {
		u32 size = args->in_args[i].size;

		if (args->in_pages && i == args->in_numargs - 1)
			size = vosfs_pages_in(to + done,
					      container_of(args, struct fuse_args_pages, args),
					      size);
		else
			memcpy(to + done, args->in_args[i].value, size);
		done += size;
	}
	return done;
}

void vosfs_copy_out(struct fuse_req *req, u32 first, const void *from, u32 bytes)
{
	const struct fuse_args *args = req->args;
	u32 i, done = 0;

	for (i = first; i < args->out_numargs; i++) {
		u32 size = min(args->out_args[i].size, bytes - done);

		if (args->out_pages && i == args->out_numargs - 1)
			vosfs_pages_out(container_of(args, struct fuse_args_pages, args),
					from + done, size);
		else
			memcpy(args->out_args[i].value, from + done, size);
		done += size;
	}
}

/* ------------------------------------------------------------- routing */

static int vosfs_attempt(struct vosfs *fs, struct fuse_req *req)
{
	int err;

	switch (req->in.h.opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return 0;
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_FSYNC:
	case FUSE_FALLOCATE:
	case FUSE_LSEEK:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_RELEASE:
		return vosfs_data(fs, req);
	case FUSE_GETATTR:
		err = vosfs_status(fs, req);
		if (err != -EAGAIN)
			return err;
		fallthrough;
	default:
		return vosfs_message(fs, req);
	}
}

/*
 * What a domain's death left without an answer is made again in the next one
 * if it has not been sent, or is the same when it is done twice.
 */
static int vosfs_execute(struct vosfs *fs, struct fuse_req *req)
{
	unsigned long begin = jiffies;

	for (;;) {
		int err = vosfs_attempt(fs, req);

		if (likely(err != VOSFS_DOWN && err != VOSFS_LOST))
			return err;
		/* The error of a disk that is gone. */
		if (err == VOSFS_LOST && !vosfs_repeatable(req))
			return -EIO;
		err = vosfs_await(fs, req, begin);
		if (err)
			return err;
	}
}

static void vosfs_finish(struct vosfs *fs, struct fuse_req *req)
{
	req->out.h.error = vosfs_execute(fs, req);
	fuse_request_end(req);
}

static void vosfs_work(struct work_struct *work)
{
	struct vosfs_worker *worker = container_of(work, struct vosfs_worker, work);
	struct vosfs *fs = worker->fs;

	for (;;) {
		struct fuse_req *req;

		spin_lock(&fs->queue_lock);
		req = list_first_entry_or_null(&fs->queue, struct fuse_req, list);
		if (req)
			list_del_init(&req->list);
		else
			list_add(&worker->node, &fs->idle);
		spin_unlock(&fs->queue_lock);
		if (!req)
			return;
		vosfs_finish(fs, req);
		cond_resched();
	}
}

/* Under fc->bg_lock. */
static void vosfs_queue(struct vosfs *fs, struct fuse_req *req)
{
	struct vosfs_worker *worker;

	spin_lock(&fs->queue_lock);
	list_add_tail(&req->list, &fs->queue);
	worker = list_first_entry_or_null(&fs->idle, struct vosfs_worker, node);
	if (worker)
		list_del(&worker->node);
	spin_unlock(&fs->queue_lock);
	/* All others look at the queue before they become idle. */
	if (worker)
		queue_work(vosfs_wq, &worker->work);
}

void vosfs_send_req(struct fuse_iqueue *fiq, struct fuse_req *req)
{
	struct vosfs *fs = fiq->priv;

	req->in.h.unique = fuse_get_unique(fiq);
	clear_bit(FR_PENDING, &req->flags);
	if (test_bit(FR_BACKGROUND, &req->flags))
		vosfs_queue(fs, req);
	else
		vosfs_finish(fs, req);
}

/* The daemon keeps nothing that could be forgotten. */
void vosfs_send_forget(struct fuse_iqueue *fiq, struct fuse_forget_link *link)
{
	kfree(link);
}

void vosfs_send_interrupt(struct fuse_iqueue *fiq, struct fuse_req *req)
{
}

void vosfs_requests_init(struct vosfs *fs)
{
	u32 i;

	spin_lock_init(&fs->queue_lock);
	INIT_LIST_HEAD(&fs->queue);
	INIT_LIST_HEAD(&fs->idle);
	for (i = 0; i < VOSFS_WORKERS; i++) {
		INIT_WORK(&fs->worker[i].work, vosfs_work);
		fs->worker[i].fs = fs;
		list_add_tail(&fs->worker[i].node, &fs->idle);
	}
}

void vosfs_requests_exit(struct vosfs *fs)
{
	u32 i;

	for (i = 0; i < VOSFS_WORKERS; i++)
		flush_work(&fs->worker[i].work);
	WARN_ON(!list_empty(&fs->queue));
}

static int __init vosfs_requests_start(void)
{
	vosfs_wq = alloc_workqueue("vosfs", WQ_UNBOUND | WQ_MEM_RECLAIM, VOSFS_WORKERS);
	return vosfs_wq ? 0 : -ENOMEM;
}
subsys_initcall(vosfs_requests_start);
