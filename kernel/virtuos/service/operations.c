// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which operations there are, who may ask for them and where they run; and
 * the bounds of what a client may name in its arena.
 */
#include <linux/cred.h>
#include <linux/highmem.h>
#include <linux/socket.h>

#include "fault.h"
#include "service.h"

static void vos_op_nop(struct vos_operation *op)
{
	op->completion.res = 0;
	if (unlikely(op->request.arg.plain.word[0]))
		vos_fault_floor(op);
}

const struct vos_operation_type vos_operation_types[VOS_OP_MAX] = {
	[VOS_OP_NOP]		= { vos_op_nop, VOS_RUN_INLINE, .user = true },
	[VOS_OP_RELEASE]	= { vos_op_release, VOS_RUN_WORKER, .disk = true },
	[VOS_OP_SESSION_OPEN]	= { vos_op_session_open, VOS_RUN_WORKER },
	[VOS_OP_SESSION_EXTEND]	= { vos_op_session_extend, VOS_RUN_WORKER },
	[VOS_OP_SESSION_CLOSE]	= { vos_op_session_close, VOS_RUN_WORKER },
	[VOS_OP_SESSION_KICK]	= { vos_op_session_kick, VOS_RUN_INLINE },

#ifdef CONFIG_VIRTUOS_SERVICE_NETWORK
#define VOS_ON_SOCKET	.domain = VOS_DOMAIN_NETWORK, .object = VOS_OBJECT_SOCKET
	[VOS_OP_SEND]		= { vos_op_send, VOS_RUN_INLINE, VOS_ON_SOCKET, .user = true },
	[VOS_OP_RECV]		= { vos_op_recv, VOS_RUN_INLINE, VOS_ON_SOCKET, .user = true },
	[VOS_OP_SOCKET]		= { vos_op_socket, VOS_RUN_WORKER, VOS_DOMAIN_NETWORK },
	[VOS_OP_BIND]		= { vos_op_bind, VOS_RUN_WORKER, VOS_ON_SOCKET },
	[VOS_OP_LISTEN]		= { vos_op_listen, VOS_RUN_WORKER, VOS_ON_SOCKET },
	[VOS_OP_CONNECT]	= { vos_op_connect, VOS_RUN_WORKER, VOS_ON_SOCKET },
	[VOS_OP_ACCEPT]		= { vos_op_accept, VOS_RUN_WORKER, VOS_ON_SOCKET },
	[VOS_OP_SHUTDOWN]	= { vos_op_shutdown, VOS_RUN_WORKER, VOS_ON_SOCKET },
	[VOS_OP_GETNAME]	= { vos_op_getname, VOS_RUN_WORKER, VOS_ON_SOCKET },
	[VOS_OP_SETSOCKOPT]	= { vos_op_setsockopt, VOS_RUN_WORKER, VOS_ON_SOCKET },
	[VOS_OP_GETSOCKOPT]	= { vos_op_getsockopt, VOS_RUN_USER_ACCESS, VOS_ON_SOCKET },
	[VOS_OP_IOCTL]		= { vos_op_ioctl, VOS_RUN_USER_ACCESS, VOS_DOMAIN_NETWORK },
#endif

#ifdef CONFIG_VIRTUOS_SERVICE_STORAGE
#define VOS_ON_FILE	.domain = VOS_DOMAIN_STORAGE, .object = VOS_OBJECT_FILE, .disk = true
	[VOS_OP_PREAD]		= { vos_op_pread, VOS_RUN_INLINE, VOS_ON_FILE, .user = true },
	[VOS_OP_PWRITE]		= { vos_op_pwrite, VOS_RUN_WORKER, VOS_ON_FILE, .user = true },
	[VOS_OP_SYNC]		= { vos_op_sync, VOS_RUN_WORKER, VOS_ON_FILE, .user = true },
	[VOS_OP_FILE_ALLOCATE]	= { vos_op_file_allocate, VOS_RUN_WORKER, VOS_ON_FILE },
	[VOS_OP_FILE_SEEK]	= { vos_op_file_seek, VOS_RUN_WORKER, VOS_ON_FILE },
	[VOS_OP_FILE_COPY]	= { vos_op_file_copy, VOS_RUN_WORKER, VOS_ON_FILE },
	[VOS_OP_FILE_DRAIN]	= { vos_op_file_drain, VOS_RUN_WORKER, VOS_ON_FILE },
	[VOS_OP_FILE_STATUS]	= { vos_op_file_status, VOS_RUN_INLINE, VOS_ON_FILE },
	[VOS_OP_FUSE]		= { vos_op_fuse, VOS_RUN_INLINE, VOS_DOMAIN_STORAGE },
#endif
};

static bool vos_operation_bounds(const struct vos_operation *op, u32 offset, u32 bytes)
{
	return offset <= op->arena_bytes && bytes <= op->arena_bytes - offset;
}

static int vos_operation_copy(struct vos_operation *op, void *private, u32 offset, u32 bytes,
			      bool write)
{
	char *p = private;

	if (!vos_operation_bounds(op, offset, bytes))
		return -EFAULT;
	while (bytes) {
		u32 page = op->arena_first + offset / PAGE_SIZE;
		u32 at = offset % PAGE_SIZE;
		u32 n = min_t(u32, bytes, PAGE_SIZE - at);
		char *shared = (char *)vos_mapping_page(op->arena, page) + at;

		if (write)
			memcpy(shared, p, n);
		else
			memcpy(p, shared, n);
		p += n;
		offset += n;
		bytes -= n;
	}
	return 0;
}

/**
 * vos_operation_read() - one copy out of the client's arena
 * @op: the operation
 * @to: private memory
 * @offset: bytes into what the client may name
 * @bytes: how many
 *
 * Return: 0, or -EFAULT outside the arena.
 */
int vos_operation_read(struct vos_operation *op, void *to, u32 offset, u32 bytes)
{
	return vos_operation_copy(op, to, offset, bytes, false);
}

/**
 * vos_operation_write() - copy into the client's arena
 * @op: the operation
 * @offset: bytes into what the client may name
 * @from: private memory
 * @bytes: how many
 *
 * Return: 0, or -EFAULT outside the arena.
 */
int vos_operation_write(struct vos_operation *op, u32 offset, const void *from, u32 bytes)
{
	return vos_operation_copy(op, (void *)from, offset, bytes, true);
}

/**
 * vos_operation_iter() - an iterator over a piece of the client's arena
 * @op: the operation
 * @iter: set up here
 * @direction: ITER_SOURCE or ITER_DEST
 * @bvec: must outlive @iter
 * @bvecs: entries of @bvec
 * @offset: bytes into what the client may name
 * @bytes: how many
 *
 * Pages need not be contiguous in memory, so each gets its own entry.
 *
 * Return: 0, or -EFAULT outside the arena, -EMSGSIZE for too many pages.
 */
int vos_operation_iter(struct vos_operation *op, struct iov_iter *iter, unsigned int direction,
		       struct bio_vec *bvec, u32 bvecs, u32 offset, u32 bytes)
{
	u32 left = bytes;
	u32 n = 0;

	if (!vos_operation_bounds(op, offset, bytes))
		return -EFAULT;
	while (left) {
		u32 at = offset % PAGE_SIZE;
		u32 here = min_t(u32, left, PAGE_SIZE - at);

		if (n == bvecs)
			return -EMSGSIZE;
		bvec_set_page(&bvec[n++], op->arena->pages[op->arena_first + offset / PAGE_SIZE],
			      here, at);
		offset += here;
		left -= here;
	}
	iov_iter_bvec(iter, direction, bvec, n, bytes);
	return 0;
}

void vos_operation_complete(struct vos_operation *op)
{
	struct vos_service_lane *lane = op->lane;
	unsigned long flags;
	bool wake;

	if (vos_fault_lies(op))
		return;
	vos_fault_point(op->service, VOS_FAULT_BEFORE_COMPLETION, op->request.op);
	vos_lane_complete(&lane->completion[op->entry], &op->completion, op->request.turn);
	vos_fault_point(op->service, VOS_FAULT_AFTER_COMPLETION, op->request.op);
	if (!vos_lane_armed(lane->control, READ_ONCE(lane->arm_seen)))
		return;
	/* Workers complete entries of a lane beside its poller. */
	spin_lock_irqsave(&lane->complete_lock, flags);
	wake = vos_lane_wants_wake(lane->control, &lane->arm_seen);
	spin_unlock_irqrestore(&lane->complete_lock, flags);
	if (wake)
		vos_poller_event_lane(lane);
}

void vos_operation_execute(struct vos_operation *op)
{
	const struct vos_operation_type *type = &vos_operation_types[op->request.op];

	vos_fault_point(op->service, VOS_FAULT_BEFORE_EXECUTE, op->request.op);
	if (op->object) {
		const struct cred *saved = override_creds(op->object->cred);

		type->run(op);
		revert_creds(saved);
	} else {
		type->run(op);
	}
	if (op->deferred)
		return;
	vos_fault_point(op->service, VOS_FAULT_AFTER_EXECUTE, op->request.op);
	if (op->object)
		vos_service_object_put(op->object);
	vos_operation_complete(op);
}

/* What a client may ask for. 0, or a result for its completion. */
static int vos_operation_admit(struct vos_operation *op)
{
	const struct vos_operation_type *type;
	const struct vos_request *request = &op->request;
	struct vos_service_session *session = op->lane->session;

	if (request->op >= VOS_OP_MAX)
		return -EOPNOTSUPP;
	type = &vos_operation_types[request->op];
	if (!type->run || (type->domain && type->domain != op->service->kind))
		return -EOPNOTSUPP;
	if (session) {
		if (!type->user)
			return -EPERM;
		if (type->object &&
		    !vos_service_session_owns(session, request->fd, request->handle))
			return -EBADF;
	}
	if (!type->object)
		return 0;
	op->object = vos_service_object_get(op->service, request->handle);
	if (!op->object)
		return -EBADF;
	if (op->object->type->kind == type->object)
		return 0;
	vos_service_object_put(op->object);
	op->object = NULL;
	return -EPROTO;
}

/* Not executed, because of err. */
static void vos_operation_refuse(struct vos_operation *op, int err)
{
	/*
	 * A descriptor closed or replaced since the process looked, or a share
	 * used up: the ordinary system call gives what Linux gives.
	 */
	op->completion.res = err;
	if (op->lane->session)
		op->completion.flags = VOS_CPL_TRAP;
}

void vos_operation_start(struct vos_operation *op)
{
	int err = vos_operation_admit(op);

	if (err) {
		vos_operation_refuse(op, err);
		vos_served(op->service, VOS_SERVED_REJECTED, 1);
		vos_operation_complete(op);
		return;
	}
	if (vos_operation_types[op->request.op].where == VOS_RUN_INLINE) {
		op->lane->poller->served_inline++;
		vos_operation_execute(op);
		return;
	}
	err = vos_worker_queue(op);
	if (err) {
		vos_operation_refuse(op, err);
		if (op->object)
			vos_service_object_put(op->object);
		vos_operation_complete(op);
	}
}

/**
 * vos_operation_defer() - goes on with an inline operation in a worker
 * @op: executed by its poller; not touched any more by the caller, except that
 * what @op held it has to give back before
 */
void vos_operation_defer(struct vos_operation *op)
{
	int err = vos_worker_queue(op);

	if (err)
		vos_operation_refuse(op, err);
	else
		op->deferred = true;
}
