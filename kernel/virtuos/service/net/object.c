// SPDX-License-Identifier: GPL-2.0-only
/* Sockets as objects: what their readiness is, and how they end. */
#include <linux/jiffies.h>
#include <linux/poll.h>
#include <net/sock.h>

#include "socket.h"

/*
 * Operations on a socket never wait for the outside world, so they let go
 * soon. Below the time after which the primary gives the domain up.
 */
#define VOS_SOCKET_IDLE_LIMIT	(10 * HZ)

static struct sock *vos_object_sock(const struct vos_service_object *object)
{
	return sock_from_file(object->file)->sk;
}

static struct wait_queue_head *vos_socket_wait_head(struct file *file)
{
	return &sock_from_file(file)->wq.wait;
}

/*
 * Polls without waiting. A key without POLL_BUSY_LOOP: a socket with
 * SO_BUSY_POLL would run its device's poll function here, under publish_lock.
 */
static u32 vos_socket_poll(struct vos_service_object *object)
{
	poll_table table;

	init_poll_funcptr(&table, NULL);
	table._key = ~(__poll_t)POLL_BUSY_LOOP;
	return (__force u32)vfs_poll(object->file, &table);
}

static s32 vos_socket_error(struct vos_service_object *object, u32 mask)
{
	return mask & (__force u32)EPOLLERR ? READ_ONCE(vos_object_sock(object)->sk_err) : 0;
}

u32 vos_socket_credit(struct vos_service_object *object)
{
	struct sock *sk = vos_object_sock(object);

	if (sk->sk_type == SOCK_STREAM)
		return max(sk_stream_wspace(sk), 0);
	return sock_wspace(sk);
}

/*
 * A close with SO_LINGER waits for the peer, up to minutes. The waiting is
 * the primary's business, here it would hold a worker; the data is sent all
 * the same. A linger time of zero, which asks for a reset, stays.
 */
static void vos_socket_closing(struct vos_service_object *object)
{
	struct sock *sk = vos_object_sock(object);

	if (!sk || !sock_flag(sk, SOCK_LINGER))
		return;
	lock_sock(sk);
	if (sk->sk_lingertime)
		sock_reset_flag(sk, SOCK_LINGER);
	release_sock(sk);
}

const struct vos_object_type vos_socket_object = {
	.kind = VOS_OBJECT_SOCKET,
	.idle_limit = VOS_SOCKET_IDLE_LIMIT,
	.wait_head = vos_socket_wait_head,
	.poll = vos_socket_poll,
	.error = vos_socket_error,
	.credit = vos_socket_credit,
	.closing = vos_socket_closing,
};
