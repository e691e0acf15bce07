// SPDX-License-Identifier: GPL-2.0-only
/*
 * Positioned reads, writes and syncs: the hot operations on files.
 *
 * A read whose pages are all in the cache is executed in the poller. Whatever
 * might sleep goes to a worker: reads that need the disk, or an access time
 * written, and all writes, because ext4 cannot write without waiting. One
 * request is one operation on the file, in one piece: a read that turns out
 * to be incomplete is made again as a whole.
 *
 * A kernel lane says with every request whether it appends, goes around the
 * cache or is synchronous. A user lane does not: see vos_file_begin().
 */
#include <linux/blkdev.h>
#include <linux/cred.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "../fault.h"
#include "file.h"

/* The longest read that a poller executes, and the pages it may lie in. */
#define VOS_READ_INLINE		65536u
#define VOS_READ_INLINE_BVECS	(VOS_READ_INLINE / VOS_PAGE_SIZE + 1u)

#define VOS_READ_FLAGS		VOS_FILE_DIRECT
#define VOS_WRITE_FLAGS		(VOS_FILE_APPEND | VOS_FILE_DSYNC | VOS_FILE_SYNC | \
				 VOS_FILE_DIRECT | VOS_FILE_KEEP_MODE)

/* A request for data, as far as it can be wrong by itself. */
static int vos_data_check(const struct vos_operation *op, u32 flags)
{
	const struct vos_request *request = &op->request;

	if ((request->flags & VOS_REQ_INLINE) || (request->arg.file.flags & ~flags) ||
	    (vos_operation_from_user(op) && request->arg.file.flags))
		return -EPROTO;
	if (request->len > VOS_MAX_TRANSFER || request->arg.file.pos > LLONG_MAX)
		return -EINVAL;
	return 0;
}

static void vos_data_kiocb(const struct vos_operation *op, struct kiocb *kiocb)
{
	u32 flags = vos_file_flags(op);

	/* Its own flags are O_SYNC and O_DSYNC at most: vos_file_strip_flags(). */
	init_sync_kiocb(kiocb, op->object->file);
	kiocb->ki_pos = op->request.arg.file.pos;
	if (flags & VOS_FILE_APPEND) {
		kiocb->ki_flags |= IOCB_APPEND;
		kiocb->ki_pos = 0;
	}
	if (flags & VOS_FILE_SYNC)
		kiocb->ki_flags |= IOCB_DSYNC | IOCB_SYNC;
	if (flags & VOS_FILE_DSYNC)
		kiocb->ki_flags |= IOCB_DSYNC;
	if (flags & VOS_FILE_DIRECT)
		kiocb->ki_flags |= IOCB_DIRECT;
}

/*
 * Where the data lies in the arena is not the program's doing: if the disk
 * cannot reach it there, the cache has to help. Positions and lengths that
 * are not for direct I/O are refused by the file system, as they should be.
 */
static bool vos_data_must_buffer(struct kiocb *kiocb, const struct iov_iter *iter)
{
	struct block_device *disk = file_inode(kiocb->ki_filp)->i_sb->s_bdev;

	return (kiocb->ki_flags & IOCB_DIRECT) &&
	       (!disk || (iov_iter_alignment(iter) & bdev_dma_alignment(disk)));
}

/* An iterator over the request's data in an array of its own. */
static struct bio_vec *vos_data_iter(struct vos_operation *op, struct iov_iter *iter,
				     unsigned int direction)
{
	u32 count = op->request.len / VOS_PAGE_SIZE + 2;
	struct bio_vec *bvec = kvmalloc_array(count, sizeof(*bvec), GFP_KERNEL);
	int err;

	if (!bvec)
		return ERR_PTR(-ENOMEM);
	err = vos_operation_iter(op, iter, direction, bvec, count, op->request.arg.file.data,
				 op->request.len);
	if (!err)
		return bvec;
	kvfree(bvec);
	return ERR_PTR(err);
}

/* ---------------------------------------------------------------- read */

/* What may be tried in a poller. */
static bool vos_read_may_be_cached(const struct vos_operation *op)
{
	struct file *file = op->object->file;

	return op->request.len <= VOS_READ_INLINE && !vos_file_flags(op) &&
	       (file->f_mode & FMODE_NOWAIT) &&
	       ((file->f_flags & O_NOATIME) ||
		!atime_needs_update(&file->f_path, file_inode(file)));
}

/*
 * Reads from the cache. -EAGAIN: not all of it is there; a part that was read
 * counts for nothing, unless the file ends behind it.
 */
static ssize_t vos_read_cached(struct vos_operation *op)
{
	struct bio_vec bvec[VOS_READ_INLINE_BVECS];
	struct file *file = op->object->file;
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t res;

	res = vos_operation_iter(op, &iter, ITER_DEST, bvec, ARRAY_SIZE(bvec),
				 op->request.arg.file.data, op->request.len);
	if (res)
		return res;
	vos_data_kiocb(op, &kiocb);
	kiocb.ki_flags |= IOCB_NOWAIT | IOCB_NOIO;
	res = vfs_iocb_iter_read(file, &kiocb, &iter);
	if (res >= 0 && res < op->request.len && kiocb.ki_pos < i_size_read(file_inode(file)))
		return -EAGAIN;
	op->completion.pos = kiocb.ki_pos;
	return res;
}

static ssize_t vos_read(struct vos_operation *op)
{
	struct iov_iter iter;
	struct bio_vec *bvec;
	struct kiocb kiocb;
	ssize_t res;

	bvec = vos_data_iter(op, &iter, ITER_DEST);
	if (IS_ERR(bvec))
		return PTR_ERR(bvec);
	vos_data_kiocb(op, &kiocb);
	if (vos_data_must_buffer(&kiocb, &iter))
		kiocb.ki_flags &= ~IOCB_DIRECT;
	res = vfs_iocb_iter_read(op->object->file, &kiocb, &iter);
	op->completion.pos = kiocb.ki_pos;
	kvfree(bvec);
	return res;
}

void vos_op_pread(struct vos_operation *op)
{
	const struct inode *inode = file_inode(op->object->file);
	ssize_t res = vos_data_check(op, VOS_READ_FLAGS);
	struct timespec64 accessed, before;

	if (res) {
		op->completion.res = res;
		return;
	}
	if (!vos_file_begin(op))
		return;
	before = inode_get_atime(inode);
	if (vos_operation_in_worker(op))
		res = vos_read(op);
	else
		res = vos_read_may_be_cached(op) ? vos_read_cached(op) : -EAGAIN;
	accessed = inode_get_atime(inode);
	/* Of reads beside each other, who changes it sees that. */
	if (vos_operation_from_user(op) && !timespec64_equal(&accessed, &before))
		vos_file_changed(op->object);
	vos_file_end(op);
	if ((res == -EAGAIN || res == -EOPNOTSUPP) && !vos_operation_in_worker(op)) {
		vos_operation_defer(op);
		return;
	}
	if (res > 0)
		vos_served(op->service, VOS_SERVED_BYTES_IN, res);
	op->completion.res = res;
}

/* --------------------------------------------------------------- write */

/*
 * Whether a write clears set-id bits depends on who writes, and this side
 * knows only who opened the file: such a file is for ordinary system calls.
 * Should it get the bits after this look, they fall: vos_file_enter().
 */
static bool vos_write_clears_mode(const struct vos_operation *op)
{
	return vos_operation_from_user(op) &&
	       (READ_ONCE(file_inode(op->object->file)->i_mode) & (S_ISUID | S_ISGID));
}

/* Around the cache, as far as it could be: what is in it goes to the disk and out of it. */
static ssize_t vos_write_through(struct kiocb *kiocb, ssize_t written)
{
	struct address_space *mapping = kiocb->ki_filp->f_mapping;
	loff_t start = kiocb->ki_pos - written;
	int err;

	err = filemap_write_and_wait_range(mapping, start, kiocb->ki_pos - 1);
	if (err)
		return err;
	invalidate_mapping_pages(mapping, start >> PAGE_SHIFT,
				 (kiocb->ki_pos - 1) >> PAGE_SHIFT);
	return written;
}

static ssize_t vos_write(struct vos_operation *op)
{
	const struct cred *saved;
	struct iov_iter iter;
	struct bio_vec *bvec;
	struct kiocb kiocb;
	bool through, synchronous;
	ssize_t res;

	bvec = vos_data_iter(op, &iter, ITER_SOURCE);
	if (IS_ERR(bvec))
		return PTR_ERR(bvec);
	res = -ENOMEM;
	saved = vos_file_enter(op);
	if (!saved)
		goto out;
	vos_data_kiocb(op, &kiocb);
	kiocb.ki_flags |= IOCB_WRITE;
	synchronous = kiocb.ki_flags & IOCB_DSYNC;
	through = vos_data_must_buffer(&kiocb, &iter);
	if (through)
		kiocb.ki_flags &= ~IOCB_DIRECT;
	res = vfs_iocb_iter_write(op->object->file, &kiocb, &iter);
	if (through && res > 0)
		res = vos_write_through(&kiocb, res);
	revert_creds(saved);
	if (res > 0 && !synchronous)
		vos_file_written(op->object);
	op->completion.pos = kiocb.ki_pos;
out:
	kvfree(bvec);
	return res;
}

void vos_op_pwrite(struct vos_operation *op)
{
	ssize_t res = vos_data_check(op, VOS_WRITE_FLAGS);

	if (!res) {
		if (vos_write_clears_mode(op)) {
			vos_operation_trap(op);
			return;
		}
		if (!vos_file_begin(op))
			return;
		res = vos_write(op);
		/* One that failed may have changed something, too. */
		if (vos_operation_from_user(op))
			vos_file_changed(op->object);
		vos_file_end(op);
	}
	if (res > 0)
		vos_served(op->service, VOS_SERVED_BYTES_OUT, res);
	op->completion.res = res;
}

/* ---------------------------------------------------------------- sync */

void vos_op_sync(struct vos_operation *op)
{
	u32 flags = vos_file_flags(op);
	u64 before;

	if ((op->request.flags & VOS_REQ_INLINE) || (flags & ~VOS_FILE_DATA)) {
		op->completion.res = -EPROTO;
		return;
	}
	if (!vos_file_begin(op))
		return;
	/* It changes nothing: who has the file drained need not wait for the disk. */
	vos_file_end(op);
	before = vos_file_writes();
	if (!vos_fault_nosync(op->service))
		op->completion.res = vfs_fsync(op->object->file, flags & VOS_FILE_DATA);
	if (!op->completion.res)
		vos_file_synced(op->object, before);
}
