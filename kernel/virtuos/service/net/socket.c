// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations on sockets that change what they are: create, bind,
 * listen, connect, accept, shut down, and their names.
 *
 * All run in workers, none waits for the outside world: every socket's file
 * has O_NONBLOCK, and blocking is done in the primary. What a caller may do
 * is decided by this kernel's own checks, under a credential with the
 * capabilities the primary tested for this very call.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/netlink.h>
#include <linux/socket.h>
#include <net/inet_sock.h>
#include <net/net_namespace.h>
#include <net/tcp_states.h>

#include "socket.h"

/* What the network slice consists of; the rest is not this domain's. */
static int vos_socket_admit(u32 family, u32 type, u32 protocol)
{
	switch (family) {
	case AF_INET:
	case AF_INET6:
		if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_RAW)
			return -ESOCKTNOSUPPORT;
		return 0;
	case AF_NETLINK:
		if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG)
			return -EPROTONOSUPPORT;
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

/* Created as current's, which is the object's credential. */
static struct file *vos_socket_file(u32 family, u32 type, u32 protocol)
{
	struct socket *sock;
	int err;

	err = __sock_create(&init_net, family, type, protocol, &sock, 0);
	if (err)
		return ERR_PTR(err);
	/* Releases the socket if it fails. */
	return sock_alloc_file(sock, O_NONBLOCK, NULL);
}

/* Creates the object `handle` from an open socket; consumes file, not cred. */
static int vos_socket_install(struct vos_operation *op, u64 handle, struct file *file,
			      const struct cred *cred, u32 caps)
{
	struct vos_service_object *object;
	int err = -ENOMEM;

	object = vos_service_object_make(op->service, handle, &vos_socket_object, file,
					 get_cred(cred), caps);
	if (object)
		err = vos_service_object_add(object);
	if (err) {
		put_cred(cred);
		__fput_sync(file);
	}
	return err;
}

void vos_op_socket(struct vos_operation *op)
{
	const struct vos_request *request = &op->request;
	const u32 family = request->arg.socket.family;
	const u32 type = request->arg.socket.type & SOCK_TYPE_MASK;
	const u32 protocol = request->arg.socket.protocol;
	const u32 caps = request->arg.socket.caps & VOS_CAP_ALL;
	struct vos_credential identity;
	const struct cred *cred, *saved;
	struct file *file;
	int err;

	err = vos_socket_admit(family, type, protocol);
	if (err)
		goto out;
	err = -EPROTO;
	if (request->len != sizeof(identity))
		goto out;
	err = vos_operation_read(op, &identity, request->arg.socket.data, sizeof(identity));
	if (err)
		goto out;
	cred = vos_credential_make(&identity, caps);
	err = PTR_ERR_OR_ZERO(cred);
	if (err)
		goto out;

	saved = override_creds(cred);
	file = vos_socket_file(family, type, protocol);
	revert_creds(saved);
	err = PTR_ERR_OR_ZERO(file);
	if (!err)
		err = vos_socket_install(op, request->handle, file, cred, caps);
	put_cred(cred);
	if (!err) {
		op->object = vos_service_object_get(op->service, request->handle);
		if (op->object) {
			vos_op_finish(op, 0);
			return;
		}
	}
out:
	op->completion.res = err;
}

/* The address in the request's data, padded with zeros as Linux has it. */
static int vos_op_address(struct vos_operation *op, struct sockaddr_storage *address)
{
	memset(address, 0, sizeof(*address));
	if (op->request.len > VOS_MAX_ADDRESS)
		return -EINVAL;
	return vos_operation_read(op, address, op->request.arg.plain.data, op->request.len);
}

/* An address of `length` bytes to the request's data, as much as fits; its length. */
static int vos_op_return_address(struct vos_operation *op, const struct sockaddr_storage *address,
				 int length)
{
	u32 bytes = min3((u32)length, op->request.len, (u32)sizeof(*address));
	int err = vos_operation_write(op, op->request.arg.plain.data, address, bytes);

	return err ? err : length;
}

/* Of operations whose argument is an address: with the object's credential. */
static void vos_op_at_address(struct vos_operation *op,
			      int (*run)(struct vos_operation *op,
					 struct sockaddr_storage *address))
{
	struct sockaddr_storage address;
	const struct cred *saved;
	int err;

	err = vos_op_address(op, &address);
	if (!err) {
		saved = vos_credential_enter(op->object->cred, op->request.arg.plain.caps);
		if (saved) {
			err = run(op, &address);
			revert_creds(saved);
		} else {
			err = -ENOMEM;
		}
	}
	vos_op_finish(op, err);
}

static int vos_bind_run(struct vos_operation *op, struct sockaddr_storage *address)
{
	return __sys_bind_socket(vos_op_sock(op), address, op->request.len);
}

void vos_op_bind(struct vos_operation *op)
{
	vos_op_at_address(op, vos_bind_run);
}

void vos_op_listen(struct vos_operation *op)
{
	/* Clamped by this domain's somaxconn; out of an int's range means as many as can be. */
	u64 backlog = min_t(u64, op->request.arg.plain.word[0], INT_MAX);

	vos_op_finish(op, __sys_listen_socket(vos_op_sock(op), backlog));
}

static int vos_connect_run(struct vos_operation *op, struct sockaddr_storage *address)
{
	/* The file has O_NONBLOCK: -EINPROGRESS, then EPOLLOUT or EPOLLERR. */
	return __sys_connect_file(op->object->file, address, op->request.len, 0);
}

void vos_op_connect(struct vos_operation *op)
{
	vos_op_at_address(op, vos_connect_run);
}

/* A listener with nothing to accept: spares making a socket to find that out. */
static bool vos_accept_would_block(struct vos_operation *op)
{
	return inet_sk_state_load(vos_op_sock(op)->sk) == TCP_LISTEN &&
	       !(vfs_poll(op->object->file, NULL) & (EPOLLIN | EPOLLERR | EPOLLHUP));
}

void vos_op_accept(struct vos_operation *op)
{
	const u64 handle = op->request.arg.plain.word[0];
	struct proto_accept_arg arg = {};
	struct sockaddr_storage address;
	struct socket *sock;
	struct file *file;
	int length;
	int err;

	/* Before anything is taken from the backlog, where it cannot be put back. */
	err = -EPROTO;
	if (!vos_service_handle_valid(op->service, handle))
		goto out;
	err = -EAGAIN;
	if (vos_accept_would_block(op))
		goto out;
	file = do_accept(op->object->file, &arg, NULL, NULL, O_NONBLOCK);
	err = PTR_ERR_OR_ZERO(file);
	if (err)
		goto out;
	sock = sock_from_file(file);
	memset(&address, 0, sizeof(address));
	length = READ_ONCE(sock->ops)->getname(sock, (struct sockaddr *)&address, 2);
	if (length < 0) {
		__fput_sync(file);
		err = -ECONNABORTED;
		goto out;
	}
	err = vos_socket_install(op, handle, file, op->object->cred, op->object->caps);
	if (err)
		goto out;
	/* A short or bad buffer for the address does not lose the connection. */
	err = max(vos_op_return_address(op, &address, length), 0);
out:
	vos_op_finish(op, err);
}

void vos_op_shutdown(struct vos_operation *op)
{
	u64 how = op->request.arg.plain.word[0];

	vos_op_finish(op, how <= SHUT_RDWR ? __sys_shutdown_sock(vos_op_sock(op), how) : -EINVAL);
}

void vos_op_getname(struct vos_operation *op)
{
	struct socket *sock = vos_op_sock(op);
	struct sockaddr_storage address;
	int length;

	memset(&address, 0, sizeof(address));
	length = READ_ONCE(sock->ops)->getname(sock, (struct sockaddr *)&address,
					       op->request.arg.plain.word[0] ? 1 : 0);
	if (length >= 0)
		length = vos_op_return_address(op, &address, length);
	vos_op_finish(op, length);
}
