/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the operations on sockets.
 */
#ifndef VIRTUOS_SERVICE_NET_SOCKET_H
#define VIRTUOS_SERVICE_NET_SOCKET_H

#include <linux/net.h>
#include <net/sock.h>

#include "../service.h"

/* The socket of an operation's object: the table of operations says it is one. */
static inline struct socket *vos_op_sock(const struct vos_operation *op)
{
	return sock_from_file(op->object->file);
}

/* A socket as an object. */
extern const struct vos_object_type vos_socket_object;

/* Bytes a send would take now; the next one may take less or more. */
u32 vos_socket_credit(struct vos_service_object *object);

/*
 * Ends an operation on an object: publishes what it left the socket able to
 * do, so that the word is never older than the completion, and fills the
 * completion.
 */
static inline void vos_op_finish(struct vos_operation *op, s64 result)
{
	op->completion.res = result;
	op->completion.pollmask = vos_service_object_publish(op->object, false);
	op->completion.send_credit = vos_socket_credit(op->object);
}

#endif /* VIRTUOS_SERVICE_NET_SOCKET_H */
