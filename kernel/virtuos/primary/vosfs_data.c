// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests on the data of an open file: over the lanes to the domain's
 * kernel, past its daemon.
 */

#include "vosfs.h"

/* Seconds for which attributes may be kept, unless they change by other ways: as the daemon's. */
#define VOSFS_ATTR_VALID	3600u
/* Bytes of one copy_file_range at most, which may be short. */
#define VOSFS_COPY_MAX		(16u << 20)

/* A file is not where requests go: it has gone on already, or has not come along and is lost. */
static int vosfs_elsewhere(struct vos_connection *c)
{
	return vos_connection_usable(c) ? -EIO : VOSFS_DOWN;
}

static struct vos_call *vosfs_call(struct vosfs_file *file, u8 op, u32 bytes)
{
	struct vos_connection *c = vosfs_connection(file->fs);
	struct vos_call *call;

	if (IS_ERR(c))
		return ERR_CAST(c);
	/* Pairs with the release in vos_object_replace(). */
	if (smp_load_acquire(&file->object.connection) == c)
		call = vos_call_new(c, op, bytes);
	else
		call = ERR_PTR(vosfs_elsewhere(c));
	vos_connection_put(c);
	if (call == ERR_PTR(-ENETDOWN))
		return ERR_PTR(VOSFS_DOWN);
	if (!IS_ERR(call))
		call->request.handle = READ_ONCE(file->object.handle);
	return call;
}

/* Waits for @call; its result as far as it makes sense, 0..max or -errno. */
static s64 vosfs_result(struct vos_call *call, const struct fuse_req *req, u64 max)
{
	int err = vos_call_wait(call, vosfs_how(req));
	s64 res = call->completion.res;

	if (err == -ENETDOWN)
		return call->lane ? VOSFS_LOST : VOSFS_DOWN;
	if (err)
		return err;
	if (res < 0)
		return vos_call_error(call->connection, res);
	if (res <= max)
		return res;
	vos_count(call->connection, VOS_COUNT_REJECTED);
	return -EIO;
}

static int vosfs_read(struct vosfs_file *file, struct fuse_req *req)
{
	const struct fuse_read_in *in = req->args->in_args[0].value;
	struct vos_call *call;
	s64 res;

	if (WARN_ON_ONCE(in->size > VOS_MAX_TRANSFER || req->args->out_args[0].size != in->size))
		return -EIO;
	/* What fills the page cache has its pages locked. */
	if (!req->args->page_zeroing)
		vosfs_file_used(file);
	call = vosfs_call(file, VOS_OP_PREAD, in->size);
	if (IS_ERR(call))
		return PTR_ERR(call);
	call->request.arg.file.pos = in->offset;
	if (in->flags & O_DIRECT && !req->args->page_zeroing)
		call->request.arg.file.flags = VOS_FILE_DIRECT;
	res = vosfs_result(call, req, in->size);
	if (res >= 0) {
		vosfs_copy_out(req, 0, call->data, res);
		req->args->out_args[0].size = res;
		vos_count_add(call->connection, VOS_COUNT_BYTES_IN, res);
		res = 0;
	}
	vos_call_free(call);
	return res;
}

static u32 vosfs_write_flags(const struct fuse_write_in *in)
{
	u32 flags = 0;

	if (!(in->write_flags & FUSE_WRITE_KILL_SUIDGID))
		flags |= VOS_FILE_KEEP_MODE;
	/* From the page cache: the flags are nobody's. */
	if (in->write_flags & FUSE_WRITE_CACHE)
		return flags;
	if (in->flags & O_APPEND)
		flags |= VOS_FILE_APPEND;
	if (in->flags & O_DIRECT)
		flags |= VOS_FILE_DIRECT;
	if (in->flags & O_DSYNC)
		flags |= VOS_FILE_DSYNC;
	if ((in->flags & O_SYNC) == O_SYNC)
		flags |= VOS_FILE_SYNC;
	return flags;
}

static int vosfs_write(struct vosfs_file *file, struct fuse_req *req)
{
	const struct fuse_write_in *in = req->args->in_args[0].value;
	struct fuse_write_out *out = req->args->out_args[0].value;
	struct fuse_args_pages *ap = container_of(req->args, struct fuse_args_pages, args);
	struct fuse_io_args *ia = container_of(ap, struct fuse_io_args, ap);
	struct vos_call *call;
	s64 res;

	if (WARN_ON_ONCE(in->size > VOS_MAX_TRANSFER || req->args->in_args[1].size != in->size))
		return -EIO;
	if (!(in->write_flags & FUSE_WRITE_CACHE))
		vosfs_file_used(file);
	call = vosfs_call(file, VOS_OP_PWRITE, in->size);
	if (IS_ERR(call))
		return PTR_ERR(call);
	call->request.arg.file.pos = in->offset;
	call->request.arg.file.flags = vosfs_write_flags(in);
	call->request.arg.file.caps = file->caps;
	vosfs_copy_in(call->data, req, 1);
	vos_count_add(call->connection, VOS_COUNT_BYTES_OUT, in->size);
	res = vosfs_result(call, req, in->size);
	if (res >= 0) {
		u64 end = call->completion.pos;

		*out = (struct fuse_write_out) { .size = res };
		if (res && !(call->request.arg.file.flags & (VOS_FILE_DSYNC | VOS_FILE_SYNC)))
			vosfs_file_wrote(file, call->connection);
		if (call->request.arg.file.flags & VOS_FILE_APPEND) {
			if (end >= res && end <= LLONG_MAX)
				ia->write.end = end;
			else
				vos_count(call->connection, VOS_COUNT_REJECTED);
		}
		res = 0;
	}
	vos_call_free(call);
	return res;
}

/* An operation without data in the arena; 0..max or -errno. @written: the file that it changes. */
static s64 vosfs_plain(struct vosfs_file *written, struct vos_call *call,
		       const struct fuse_req *req, u64 max)
{
	s64 res = vosfs_result(call, req, max);

	if (written && res >= 0)
		vosfs_file_wrote(written, call->connection);
	vos_call_free(call);
	return res;
}

static int vosfs_sync(struct vosfs_file *file, struct fuse_req *req)
{
	const struct fuse_fsync_in *in = req->args->in_args[0].value;
	u64 before = vosfs_writes(file->fs);
	struct vos_call *call = vosfs_call(file, VOS_OP_SYNC, 0);
	s64 res;

	if (IS_ERR(call))
		return PTR_ERR(call);
	if (in->fsync_flags & FUSE_FSYNC_FDATASYNC)
		call->request.arg.file.flags = VOS_FILE_DATA;
	res = vosfs_plain(NULL, call, req, 0);
	if (res)
		return res;
	vosfs_file_synced(file, before);
	/* What is on the disk now may be less than what was written. */
	return vosfs_file_report(file);
}

static int vosfs_allocate(struct vosfs_file *file, struct fuse_req *req)
{
	const struct fuse_fallocate_in *in = req->args->in_args[0].value;
	struct vos_call *call = vosfs_call(file, VOS_OP_FILE_ALLOCATE, 0);
	u32 caps = vosfs_current_caps();

	if (IS_ERR(call))
		return PTR_ERR(call);
	call->request.arg.file.pos = in->offset;
	call->request.arg.file.word[0] = in->length;
	call->request.arg.file.word[1] = in->mode;
	call->request.arg.file.caps = caps;
	if (caps & VOS_CAP_FSETID)
		call->request.arg.file.flags = VOS_FILE_KEEP_MODE;
	return vosfs_plain(file, call, req, 0);
}

static int vosfs_seek(struct vosfs_file *file, struct fuse_req *req)
{
	const struct fuse_lseek_in *in = req->args->in_args[0].value;
	struct fuse_lseek_out *out = req->args->out_args[0].value;
	struct vos_call *call;
	s64 res;

	if ((s64)in->offset < 0)
		return -ENXIO;
	call = vosfs_call(file, VOS_OP_FILE_SEEK, 0);
	if (IS_ERR(call))
		return PTR_ERR(call);
	call->request.arg.file.pos = in->offset;
	call->request.arg.file.word[0] = in->whence;
	res = vosfs_plain(NULL, call, req, LLONG_MAX);
	if (res < 0)
		return res;
	out->offset = res;
	return 0;
}

static int vosfs_ask_status(struct vosfs_file *file, struct fuse_req *req)
{
	struct fuse_attr_out *out = req->args->out_args[0].value;
	struct vos_call *call = vosfs_call(file, VOS_OP_FILE_STATUS, sizeof(out->attr));
	s64 res;

	if (IS_ERR(call))
		return PTR_ERR(call);
	res = vosfs_result(call, req, sizeof(out->attr));
	if (res >= 0) {
		*out = (struct fuse_attr_out) { .attr_valid = VOSFS_ATTR_VALID };
		memcpy(&out->attr, call->data, sizeof(out->attr));
		/* Kept even if the file is lent: vosfs_notice_changes(). */
		vosfs_check_attr(&out->attr);
		res = res == sizeof(out->attr) ? 0 : -EIO;
	}
	vos_call_free(call);
	return res;
}

int vosfs_status(struct vosfs *fs, struct fuse_req *req)
{
	struct vosfs_file *file = vosfs_file_get(fs, req->in.h.nodeid);
	int err;

	if (!file)
		return -EAGAIN;
	err = vosfs_ask_status(file, req);
	vosfs_file_put(file);
	/* It was closed meanwhile, or is lost: the daemon knows what to say. */
	if (err == -EBADF || err == -EIO || err == -ENETDOWN)
		return -EAGAIN;
	return err;
}

static int vosfs_copy(struct vosfs *fs, struct vosfs_file *file, struct fuse_req *req)
{
	const struct fuse_copy_file_range_in *in = req->args->in_args[0].value;
	struct fuse_write_out *out = req->args->out_args[0].value;
	struct vosfs_file *to = vosfs_file_find(fs, in->fh_out);
	struct vos_call *call;
	u32 caps = vosfs_current_caps();
	s64 res;

	if (!to)
		return -EIO;
	call = vosfs_call(file, VOS_OP_FILE_COPY, 0);
	if (IS_ERR(call))
		return PTR_ERR(call);
	/* Pairs with the release in vos_object_replace(), as in vosfs_call(). */
	if (smp_load_acquire(&to->object.connection) != call->connection) {
		res = vosfs_elsewhere(call->connection);
		vos_call_free(call);
		return res;
	}
	call->request.len = min_t(u64, in->len, VOSFS_COPY_MAX);
	call->request.arg.file.pos = in->off_in;
	call->request.arg.file.word[0] = READ_ONCE(to->object.handle);
	call->request.arg.file.word[1] = in->off_out;
	call->request.arg.file.caps = caps;
	if (caps & VOS_CAP_FSETID)
		call->request.arg.file.flags = VOS_FILE_KEEP_MODE;
	res = vosfs_plain(to, call, req, call->request.len);
	if (res < 0)
		return res;
	*out = (struct fuse_write_out) { .size = res };
	return 0;
}

/* The id that a request names its file by; the layouts differ. */
static u64 vosfs_request_id(const struct fuse_req *req)
{
	const void *in = req->args->in_args[0].value;

	switch (req->in.h.opcode) {
	case FUSE_READ:
		return ((const struct fuse_read_in *)in)->fh;
	case FUSE_WRITE:
		return ((const struct fuse_write_in *)in)->fh;
	case FUSE_FSYNC:
		return ((const struct fuse_fsync_in *)in)->fh;
	case FUSE_FALLOCATE:
		return ((const struct fuse_fallocate_in *)in)->fh;
	case FUSE_LSEEK:
		return ((const struct fuse_lseek_in *)in)->fh;
	case FUSE_COPY_FILE_RANGE:
		return ((const struct fuse_copy_file_range_in *)in)->fh_in;
	case FUSE_RELEASE:
		return ((const struct fuse_release_in *)in)->fh;
	default:
		return 0;
	}
}

int vosfs_data(struct vosfs *fs, struct fuse_req *req)
{
	struct vosfs_file *file = vosfs_file_find(fs, vosfs_request_id(req));
	int err;

	/* fs/fuse names what it opened and has not released. */
	if (WARN_ON_ONCE(!file))
		return -EIO;
	if (req->in.h.opcode == FUSE_RELEASE) {
		vosfs_file_discard(file, true);
		return 0;
	}
	switch (req->in.h.opcode) {
	case FUSE_READ:
		err = vosfs_read(file, req);
		break;
	case FUSE_WRITE:
		err = vosfs_write(file, req);
		break;
	case FUSE_FSYNC:
		err = vosfs_sync(file, req);
		break;
	case FUSE_FALLOCATE:
		err = vosfs_allocate(file, req);
		break;
	case FUSE_LSEEK:
		err = vosfs_seek(file, req);
		break;
	case FUSE_COPY_FILE_RANGE:
		err = vosfs_copy(fs, file, req);
		break;
	default:
		err = -EIO;
		break;
	}
	/* The error of a disk that is gone; fs/fuse would never ask again after the other. */
	return err == -ENETDOWN || err == -ENOSYS ? -EIO : err;
}
