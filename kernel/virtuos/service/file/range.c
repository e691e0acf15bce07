// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations on files that move no data through the arena: allocate, look for
 * data and holes, copy within the domain, in workers; status, in the poller.
 * Of kernel lanes only.
 */
#include <linux/cred.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/fuse.h>

#include "file.h"

/* Bytes of one copy at most: a short copy is legal, and a long one holds a worker. */
#define VOS_COPY_MAX	(16u << 20)

static bool vos_position_valid(u64 pos)
{
	return pos <= LLONG_MAX;
}

void vos_op_file_allocate(struct vos_operation *op)
{
	const struct vos_request *request = &op->request;
	u64 bytes = request->arg.file.word[0];
	u64 mode = request->arg.file.word[1];
	const struct cred *saved;

	if (vos_file_flags(op) & ~VOS_FILE_KEEP_MODE) {
		op->completion.res = -EPROTO;
		return;
	}
	if (!vos_position_valid(request->arg.file.pos) || !vos_position_valid(bytes) ||
	    mode > INT_MAX) {
		op->completion.res = -EINVAL;
		return;
	}
	saved = vos_file_enter(op);
	if (!saved) {
		op->completion.res = -ENOMEM;
		return;
	}
	op->completion.res = vfs_fallocate(op->object->file, mode, request->arg.file.pos, bytes);
	revert_creds(saved);
	if (!op->completion.res)
		vos_file_written(op->object);
}

void vos_op_file_seek(struct vos_operation *op)
{
	const struct vos_request *request = &op->request;
	u64 whence = request->arg.file.word[0];

	if (!vos_position_valid(request->arg.file.pos) ||
	    (whence != SEEK_DATA && whence != SEEK_HOLE)) {
		op->completion.res = -EINVAL;
		return;
	}
	/* The position it leaves behind is nobody's: every operation brings its own. */
	op->completion.res = vfs_llseek(op->object->file, request->arg.file.pos, whence);
}

void vos_op_file_copy(struct vos_operation *op)
{
	const struct vos_request *request = &op->request;
	struct vos_service_object *to;
	const struct cred *saved;
	s64 res;

	if (!vos_position_valid(request->arg.file.pos) ||
	    !vos_position_valid(request->arg.file.word[1])) {
		op->completion.res = -EINVAL;
		return;
	}
	to = vos_service_object_get(op->service, request->arg.file.word[0]);
	if (!to) {
		op->completion.res = -EBADF;
		return;
	}
	res = -EPROTO;
	if (to->type->kind != VOS_OBJECT_FILE)
		goto out;
	res = -ENOMEM;
	saved = vos_file_enter(op);
	if (!saved)
		goto out;
	res = vfs_copy_file_range(op->object->file, request->arg.file.pos, to->file,
				  request->arg.file.word[1], min(request->len, VOS_COPY_MAX), 0);
	revert_creds(saved);
	if (res > 0)
		vos_file_written(to);
out:
	vos_service_object_put(to);
	op->completion.res = res;
}

/* Of a local file system this takes no lock that is held for long. */
void vos_op_file_status(struct vos_operation *op)
{
	struct fuse_attr attr;
	struct kstat stat;
	int err;

	if (op->request.len < sizeof(attr)) {
		op->completion.res = -EPROTO;
		return;
	}
	err = vfs_getattr(&op->object->file->f_path, &stat, STATX_BASIC_STATS,
			  AT_STATX_SYNC_AS_STAT);
	if (!err) {
		attr = (struct fuse_attr) {
			.ino = stat.ino,
			.size = stat.size,
			.blocks = stat.blocks,
			.atime = stat.atime.tv_sec,
			.mtime = stat.mtime.tv_sec,
			.ctime = stat.ctime.tv_sec,
			.atimensec = stat.atime.tv_nsec,
			.mtimensec = stat.mtime.tv_nsec,
			.ctimensec = stat.ctime.tv_nsec,
			.mode = stat.mode,
			.nlink = stat.nlink,
			.uid = from_kuid_munged(&init_user_ns, stat.uid),
			.gid = from_kgid_munged(&init_user_ns, stat.gid),
			.rdev = new_encode_dev(stat.rdev),
			.blksize = stat.blksize,
		};
		err = vos_operation_write(op, op->request.arg.file.data, &attr, sizeof(attr));
	}
	op->completion.res = err ? err : sizeof(attr);
}
