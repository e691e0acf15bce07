// SPDX-License-Identifier: GPL-2.0-only
/*
 * Send and receive: the hot operations. Inline in the poller, never waiting.
 *
 * From a user lane: plain data only. Whatever else an ordinary system call
 * could carry, and whatever may sleep, is answered with VOS_CPL_TRAP. From a
 * kernel lane: also a name and control data; what may sleep is handed to a
 * worker from here.
 *
 * The payload lies in the arena, where the client may change it meanwhile;
 * that is its own data. Names and control data, which decide what happens,
 * are copied once and used from the copy.
 */
#include <linux/cred.h>
#include <linux/netlink.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>

#include "socket.h"

/*
 * MSG_* a client may set. Linux ignores flags it does not know, so the others
 * are dropped: internal ones, MSG_ZEROCOPY (its notifications would name this
 * kernel's pages), MSG_WAITFORONE and MSG_BATCH, which are the primary's.
 */
#define VOS_SEND_FLAGS	(MSG_OOB | MSG_DONTROUTE | MSG_PROBE | MSG_DONTWAIT | MSG_EOR | \
			 MSG_CONFIRM | MSG_NOSIGNAL | MSG_MORE | MSG_FASTOPEN)
#define VOS_RECV_FLAGS	(MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_WAITALL | \
			 MSG_ERRQUEUE)
/* Of them, what a user lane may ask for without trapping. */
#define VOS_USER_FLAGS	(MSG_OOB | MSG_DONTROUTE | MSG_DONTWAIT | MSG_EOR | MSG_CONFIRM | \
			 MSG_NOSIGNAL | MSG_MORE | MSG_PEEK | MSG_TRUNC | MSG_WAITALL | \
			 MSG_ZEROCOPY)

/* The request of a send or receive, checked. */
struct vos_message {
	u32 flags;
	u32 caps;
	u32 name;			/* arena offset */
	u32 name_len;
	u32 control;			/* arena offset */
	u32 control_len;
	u32 payload;			/* arena offset, unless in the line */
	bool is_inline;
};

/*
 * Takes the request apart. False: it is answered already.
 */
static bool vos_message_parse(struct vos_operation *op, struct vos_message *m, u32 inline_max)
{
	const struct vos_request *request = &op->request;
	u32 prefix;

	memset(m, 0, sizeof(*m));
	if (request->flags & VOS_REQ_INLINE) {
		m->is_inline = true;
		m->flags = request->msg_flags;
		if (request->len > inline_max) {
			vos_op_finish(op, -EPROTO);
			return false;
		}
	} else {
		m->flags = request->arg.msg.flags;
		m->caps = request->arg.msg.caps & VOS_CAP_ALL;
		m->name_len = request->arg.msg.name_len;
		m->control_len = request->arg.msg.control_len;
		if (m->name_len > VOS_MAX_ADDRESS || m->control_len > VOS_MAX_CONTROL) {
			vos_op_finish(op, -EINVAL);
			return false;
		}
		/* [name, 128][control, rounded to 8][payload] */
		m->name = request->arg.msg.data;
		prefix = (m->name_len ? VOS_MAX_ADDRESS : 0) + ALIGN(m->control_len, 8);
		if (check_add_overflow(m->name, prefix, &m->payload)) {
			vos_op_finish(op, -EFAULT);
			return false;
		}
		m->control = m->name + (m->name_len ? VOS_MAX_ADDRESS : 0);
	}
	if (vos_operation_from_user(op) &&
	    (m->name_len || m->control_len || (m->flags & ~VOS_USER_FLAGS))) {
		vos_operation_trap(op);
		return false;
	}
	return true;
}

/*
 * True if the operation goes on elsewhere or ended: it may sleep, and this is
 * a poller. Netlink runs the request in the sender's context, the rest of a
 * dump in the receiver's, both under rtnl; a fast open is a connect.
 */
static bool vos_message_deferred(struct vos_operation *op, const struct vos_message *m)
{
	if (vos_op_sock(op)->ops->family != PF_NETLINK && !(m->flags & MSG_FASTOPEN))
		return false;
	if (vos_operation_from_user(op)) {
		vos_operation_trap(op);
		return true;
	}
	if (vos_operation_in_worker(op))
		return false;
	vos_operation_defer(op);
	return true;
}

/* The payload: inline bytes by kvec, else the arena's pages. */
static int vos_message_iter(struct vos_operation *op, const struct vos_message *m,
			    struct iov_iter *iter, unsigned int direction, struct kvec *kvec,
			    struct bio_vec *bvec)
{
	if (!m->is_inline)
		return vos_operation_iter(op, iter, direction, bvec, VOS_MESSAGE_BVECS, m->payload,
					  op->request.len);
	kvec->iov_base = direction == ITER_SOURCE ? (void *)op->request.arg.imm :
						    (void *)op->completion.imm;
	kvec->iov_len = op->request.len;
	iov_iter_kvec(iter, direction, kvec, 1, kvec->iov_len);
	return 0;
}

/*
 * Control data to send, in private memory. Descriptors would be this
 * kernel's: refused. An identity (netlink) is the credential's, which is the
 * sender's as the primary sees it; its process is not known here.
 */
static int vos_message_check_control(struct msghdr *msg)
{
	struct cmsghdr *cmsg;

	for_each_cmsghdr(cmsg, msg) {
		struct ucred *identity = CMSG_DATA(cmsg);

		if (!CMSG_OK(msg, cmsg))
			return -EINVAL;
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		switch (cmsg->cmsg_type) {
		case SCM_RIGHTS:
		case SCM_PIDFD:
			return -EINVAL;
		case SCM_CREDENTIALS:
			if (cmsg->cmsg_len != CMSG_LEN(sizeof(*identity)))
				return -EINVAL;
			identity->pid = task_tgid_vnr(current);
			identity->uid = from_kuid_munged(current_user_ns(), current_uid());
			identity->gid = from_kgid_munged(current_user_ns(), current_gid());
			break;
		}
	}
	return 0;
}

/*
 * EAGAIN for a user lane is final if the call or the description does not
 * block; else the ordinary system call waits.
 */
static void vos_message_again(struct vos_operation *op, const struct vos_message *m)
{
	const struct vos_object_interest *line =
		vos_service_interest(op->service, op->object->index);

	if (vos_operation_from_user(op) && !(m->flags & MSG_DONTWAIT) &&
	    !(op->request.flags & VOS_REQ_NONBLOCK) &&
	    !(vos_load(&line->flags) & VOS_INTEREST_NONBLOCK))
		op->completion.flags |= VOS_CPL_TRAP;
}

static int vos_message_send(struct vos_operation *op, const struct vos_message *m)
{
	struct bio_vec bvec[VOS_MESSAGE_BVECS];
	struct sockaddr_storage name;
	const struct cred *saved = NULL;
	struct msghdr msg = {};
	struct kvec kvec;
	int res;

	/* An inline send says nothing of capabilities, and netlink acts on them. */
	if (m->is_inline && vos_op_sock(op)->ops->family == PF_NETLINK)
		return -EPROTO;
	res = vos_message_iter(op, m, &msg.msg_iter, ITER_SOURCE, &kvec, bvec);
	if (res)
		return res;
	/* MSG_NOSIGNAL: the primary raises SIGPIPE. */
	msg.msg_flags = (m->flags & VOS_SEND_FLAGS) | MSG_DONTWAIT | MSG_NOSIGNAL;
	if (m->name_len) {
		res = vos_operation_read(op, &name, m->name, m->name_len);
		if (res)
			return res;
		msg.msg_name = &name;
		msg.msg_namelen = m->name_len;
	}
	if (m->control_len) {
		msg.msg_control = kmalloc(m->control_len, GFP_KERNEL);
		if (!msg.msg_control)
			return -ENOBUFS;
		msg.msg_controllen = m->control_len;
		res = vos_operation_read(op, msg.msg_control, m->control, m->control_len);
		if (!res)
			res = vos_message_check_control(&msg);
		if (res)
			goto out;
	}
	/* Where the sender's capabilities count; elsewhere the object's credential does. */
	if (!vos_operation_from_user(op) &&
	    (m->control_len || vos_op_sock(op)->ops->family == PF_NETLINK)) {
		saved = vos_credential_enter(op->object->cred, m->caps);
		if (!saved) {
			res = -ENOMEM;
			goto out;
		}
	}
	res = sock_sendmsg(vos_op_sock(op), &msg);
	if (saved)
		revert_creds(saved);
out:
	/* sock_sendmsg() leaves the pointer where it was. */
	kfree(msg.msg_control);
	return res;
}

void vos_op_send(struct vos_operation *op)
{
	struct vos_message m;
	int res;

	if (!vos_message_parse(op, &m, VOS_SEND_INLINE))
		return;
	if (vos_message_deferred(op, &m))
		return;
	res = vos_message_send(op, &m);
	if (res > 0)
		vos_served(op->service, VOS_SERVED_BYTES_OUT, res);
	if (res == -EAGAIN)
		vos_message_again(op, &m);
	vos_op_finish(op, res);
}

/* Hands name and control data back; what does not fit is cut, as Linux does. */
static int vos_message_return(struct vos_operation *op, const struct vos_message *m,
			      const struct msghdr *msg, const void *name, const void *control)
{
	u32 used = m->control_len - min_t(size_t, msg->msg_controllen, m->control_len);
	u32 name_len = m->name_len ? clamp(msg->msg_namelen, 0, (int)VOS_MAX_ADDRESS) : 0;
	int err = 0;

	if (name_len)
		err = vos_operation_write(op, m->name, name, min(name_len, m->name_len));
	if (!err && used)
		err = vos_operation_write(op, m->control, control, used);
	op->completion.aux = msg->msg_flags;
	op->completion.pos = (u64)used << 32 | name_len;
	return err;
}

static int vos_message_recv(struct vos_operation *op, const struct vos_message *m)
{
	struct bio_vec bvec[VOS_MESSAGE_BVECS];
	struct sockaddr_storage name;
	struct msghdr msg = {};
	void *control = NULL;
	struct kvec kvec;
	int err, res;

	res = vos_message_iter(op, m, &msg.msg_iter, ITER_DEST, &kvec, bvec);
	if (res)
		return res;
	if (m->name_len) {
		memset(&name, 0, sizeof(name));
		msg.msg_name = &name;
	}
	if (m->control_len) {
		/* Zeroed: put_cmsg() leaves the padding as it is. */
		control = kzalloc(m->control_len, GFP_KERNEL);
		if (!control)
			return -ENOBUFS;
		msg.msg_control = control;
		msg.msg_controllen = m->control_len;
	}
	res = sock_recvmsg(vos_op_sock(op), &msg, (m->flags & VOS_RECV_FLAGS) | MSG_DONTWAIT);
	if (res >= 0) {
		err = vos_message_return(op, m, &msg, &name, control);
		if (err)
			res = err;
		else if (m->is_inline)
			op->completion.flags |= VOS_CPL_INLINE;
	}
	kfree(control);
	return res;
}

void vos_op_recv(struct vos_operation *op)
{
	struct vos_message m;
	int res;

	if (!vos_message_parse(op, &m, VOS_RECV_INLINE))
		return;
	/* The primary has something that comes first. */
	if (unlikely(vos_operation_from_user(op) &&
		     (vos_load(&vos_service_interest(op->service, op->object->index)->flags) &
		      VOS_INTEREST_WITHHELD))) {
		vos_operation_trap(op);
		return;
	}
	if (vos_message_deferred(op, &m))
		return;
	res = vos_message_recv(op, &m);
	if (res > 0)
		vos_served(op->service, VOS_SERVED_BYTES_IN, res);
	if (res == -EAGAIN)
		vos_message_again(op, &m);
	vos_op_finish(op, res);
}
