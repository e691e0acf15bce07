// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proxy sockets: creation and release, names, connecting and accepting.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/in.h>
#include <linux/init.h>
#include <linux/netlink.h>
#include <linux/sched/signal.h>
#include <linux/sockios.h>
#include <linux/virtuos/net.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include <asm/ioctls.h>

#include "proxy.h"

static struct proto vos_proxy_proto = {
	.name		= "VIRTUOS",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct vos_proxy),
};

static const struct proto_ops vos_proxy_ops;

/* A call whose only argument is one word. */
static int vos_proxy_simple(struct vos_proxy *proxy, struct vos_connection *c, u8 op, u64 word)
{
	int err = vos_call_simple(c, op, READ_ONCE(proxy->object.handle), word, 0);

	return vos_proxy_result(c, err, 0);
}

/* A call that carries an address there. */
static int vos_proxy_address_call(struct vos_proxy *proxy, struct vos_connection *c, u8 op,
				  struct sockaddr *address, int length)
{
	struct vos_call call;
	int err;

	if (length < 0 || length > VOS_MAX_ADDRESS)
		return -EINVAL;
	err = vos_call_begin(&call, c, op, length);
	if (err)
		return err;
	call.request.handle = READ_ONCE(proxy->object.handle);
	call.request.arg.plain.caps = vos_current_caps(sock_net(&proxy->sk)->user_ns);
	if (length)
		memcpy(call.data, address, length);
	err = vos_call_run(&call);
	if (!err)
		err = vos_proxy_result(c, call.completion.res, 0);
	vos_call_end(&call);
	return err;
}

/* A name, into room for VOS_MAX_ADDRESS bytes; its length. */
static int vos_proxy_name_call(struct vos_proxy *proxy, struct vos_connection *c, void *address,
			       bool peer)
{
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, c, VOS_OP_GETNAME, VOS_MAX_ADDRESS);
	if (err)
		return err;
	call.request.handle = READ_ONCE(proxy->object.handle);
	call.request.arg.plain.word[0] = peer;
	err = vos_call_run(&call);
	if (!err) {
		err = vos_proxy_result(c, call.completion.res, VOS_MAX_ADDRESS);
		if (err > 0)
			memcpy(address, call.data, err);
	}
	vos_call_end(&call);
	return err;
}

/*
 * Records a BIND with what the domain chose, a port for example. That the
 * name can't be had means that the connection has failed: as asked for, then.
 */
static void vos_proxy_record_bind(struct vos_proxy *proxy, struct vos_connection *c,
				  const struct sockaddr *address, int length)
{
	struct sockaddr_storage name;
	int got;

	got = vos_proxy_name_call(proxy, c, &name, false);
	if (got > 0)
		vos_proxy_changed(proxy, VOS_OP_BIND, 0, 0, &name, got);
	else if (length)
		vos_proxy_changed(proxy, VOS_OP_BIND, 0, 0, address, length);
}

/* ------------------------------------------------- creation and release */

static struct vos_proxy *vos_proxy_alloc(struct net *net, int family, int type, int protocol)
{
	struct vos_proxy *proxy;
	struct sock *sk;

	sk = sk_alloc(net, VOS_PROXY_FAMILY, GFP_KERNEL, &vos_proxy_proto, 0);
	if (!sk)
		return NULL;
	sock_init_data(NULL, sk);
	/* READY events look at it until a grace period after its removal. */
	sock_set_flag(sk, SOCK_RCU_FREE);
	sk->sk_type = type;
	sk->sk_protocol = protocol;
	proxy = vos_proxy(sk);
	proxy->family = family;
	INIT_LIST_HEAD(&proxy->unread);
	return proxy;
}

/* What the shim may do without a trap: netlink asks for the sender's capabilities. */
static u32 vos_proxy_kind(const struct vos_proxy *proxy)
{
	if (proxy->family != AF_INET && proxy->family != AF_INET6)
		return 0;
	switch (proxy->sk.sk_type) {
	case SOCK_STREAM:
		return VOS_KIND_STREAM;
	case SOCK_DGRAM:
		return VOS_KIND_DATAGRAM;
	}
	return 0;
}

/* All TCP sockets of the domain together are limited in memory, and all UDP sockets. */
static enum vos_object_class vos_proxy_class(const struct vos_proxy *proxy)
{
	if (proxy->family == AF_NETLINK || proxy->sk.sk_type == SOCK_RAW)
		return VOS_OBJECT_QUEUE;
	switch (proxy->sk.sk_protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return VOS_OBJECT_ORDINARY;
	}
	return VOS_OBJECT_QUEUE;
}

/* Drops a proxy that no socket has seen. */
static void vos_proxy_discard(struct vos_proxy *proxy)
{
	vos_proxy_history_end(proxy);
	vos_proxy_drop_unread(proxy);
	vos_object_remove(&proxy->object);
	sock_put(&proxy->sk);
}

static void vos_proxy_adopt(struct vos_proxy *proxy, struct socket *sock)
{
	sock->ops = &vos_proxy_ops;
	set_bit(SOCK_CUSTOM_SOCKOPT, &sock->flags);
	sock_graft(&proxy->sk, sock);
	/* Last: who sees the flag in vos_socket_proxied() finds the sock. */
	smp_mb__before_atomic();
	set_bit(SOCK_PROXIED, &sock->flags);
}

/* Makes the object in the network domain. */
static int vos_proxy_open(struct vos_proxy *proxy, int protocol)
{
	struct vos_connection *c = proxy->object.connection;
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, c, VOS_OP_SOCKET, sizeof(struct vos_credential));
	if (err)
		return err;
	call.request.handle = proxy->object.handle;
	call.request.arg.socket.family = proxy->family;
	call.request.arg.socket.type = proxy->sk.sk_type;
	call.request.arg.socket.protocol = protocol;
	call.request.arg.socket.caps = vos_current_caps(sock_net(&proxy->sk)->user_ns);
	vos_current_credential(call.data);
	err = vos_call_run(&call);
	if (!err)
		err = vos_proxy_result(c, call.completion.res, 0);
	vos_call_end(&call);
	return err;
}

/* VOS_SOCKET_LOCAL, 0: proxied, or why neither is right. */
static int vos_proxy_admit(int family, int type, int protocol)
{
	switch (family) {
	case AF_INET:
	case AF_INET6:
		if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_RAW)
			return -ESOCKTNOSUPPORT;
		return 0;
	case AF_NETLINK:
		if (type != SOCK_RAW && type != SOCK_DGRAM)
			return -ESOCKTNOSUPPORT;
		switch (protocol) {
		case NETLINK_ROUTE:
		case NETLINK_SOCK_DIAG:
			return 0;
		case NETLINK_USERSOCK:
		case NETLINK_SELINUX:
		case NETLINK_AUDIT:
		case NETLINK_CONNECTOR:
		case NETLINK_KOBJECT_UEVENT:
		case NETLINK_GENERIC:
		case NETLINK_SCSITRANSPORT:
		case NETLINK_CRYPTO:
			return VOS_SOCKET_LOCAL;
		}
		/* A firewall set up on the empty local stack would do nothing. */
		return -EPROTONOSUPPORT;
	case AF_UNIX:
	case AF_ALG:
	case AF_VSOCK:
	case AF_BLUETOOTH:
	case AF_NFC:
		return VOS_SOCKET_LOCAL;
	}
	return -EAFNOSUPPORT;
}

static int vos_default_protocol(int family, int type)
{
	if (family == AF_NETLINK)
		return 0;
	return type == SOCK_STREAM ? IPPROTO_TCP : type == SOCK_DGRAM ? IPPROTO_UDP : 0;
}

struct vos_connection *vos_proxy_domain(void)
{
	struct vos_connection *c = vos_connection_get(VOS_DOMAIN_NETWORK);

	if (likely(c))
		return c;
	c = vos_connection_wait(VOS_DOMAIN_NETWORK, VOS_NETWORK_WAIT);
	if (c)
		return c;
	return ERR_PTR(signal_pending(current) ? -ERESTARTSYS : -ENETDOWN);
}

/* In one connection. *again: that has failed meanwhile. */
static int vos_proxy_create(struct net *net, struct socket *sock, int family, int protocol,
			    bool *again)
{
	struct vos_connection *c;
	struct vos_proxy *proxy;
	int err;

	c = vos_proxy_domain();
	if (IS_ERR(c))
		return PTR_ERR(c);
	proxy = vos_proxy_alloc(net, family, sock->type,
				protocol ?: vos_default_protocol(family, sock->type));
	if (!proxy) {
		vos_connection_put(c);
		return -ENOBUFS;
	}
	err = vos_object_add(&proxy->object, c, vos_proxy_kind(proxy), vos_proxy_class(proxy),
			     vos_proxy_ready);
	if (err) {
		sock_put(&proxy->sk);
		goto out;
	}
	err = vos_proxy_history_begin(proxy, protocol);
	if (!err) {
		err = vos_proxy_open(proxy, protocol);
		vos_proxy_history_made(proxy, !err);
	}
	if (err)
		vos_proxy_discard(proxy);
	else
		vos_proxy_adopt(proxy, sock);
out:
	*again = vos_proxy_cut_short(err, c);
	vos_connection_put(c);
	return err;
}

int __vos_socket_create(struct net *net, struct socket *sock, int family, int protocol)
{
	int attempt;
	int err;

	if (!vos_network_attached(net))
		return VOS_SOCKET_LOCAL;
	err = vos_proxy_admit(family, sock->type, protocol);
	if (err)
		return err;
	for (attempt = 0; attempt < VOS_PROXY_ATTEMPTS; attempt++) {
		bool again = false;

		err = vos_proxy_create(net, sock, family, protocol, &again);
		if (!again)
			break;
	}
	return err;
}

/*
 * SO_LINGER: until the peer has acknowledged everything, the end included, or
 * the time is over, or a signal comes; like Linux not for a process that ends.
 * The domain's own close, which follows, does not wait.
 */
static void vos_proxy_linger(struct vos_proxy *proxy)
{
	struct vos_patience patience = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP,
		.timeo = READ_ONCE(proxy->sk.sk_lingertime),
	};

	if (likely(!patience.timeo) || (current->flags & PF_EXITING) ||
	    !vos_proxy_is_stream(proxy) || READ_ONCE(proxy->state) != VOS_PROXY_CONNECTED)
		return;
	/* Unread data makes the close a reset. What is connected stays in its connection. */
	if (vos_proxy_queued(proxy, SIOCINQ) ||
	    vos_proxy_simple(proxy, proxy->object.connection, VOS_OP_SHUTDOWN, SHUT_WR))
		return;
	for (;;) {
		u32 sequence = vos_proxy_sequence(proxy);

		/* The end counts as one byte. */
		if (vos_proxy_queued(proxy, SIOCOUTQ) <= 0 ||
		    vos_proxy_wait(proxy, &patience, &sequence))
			return;
	}
}

static int vos_proxy_release(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct vos_connection *c;
	struct vos_proxy *proxy;
	struct vos_proxy *spare;

	/* An accept that failed. */
	if (!sk)
		return 0;
	proxy = vos_proxy(sk);
	vos_proxy_linger(proxy);
	sock_orphan(sk);
	sock->sk = NULL;
	/* From here on it stays in its connection. */
	vos_proxy_history_end(proxy);
	spare = xchg(&proxy->spare, NULL);
	if (spare)
		vos_proxy_discard(spare);
	/* close() can't fail usefully; a domain that is gone has closed it. */
	c = proxy->object.connection;
	if (vos_connection_usable(c))
		vos_call_simple(c, VOS_OP_RELEASE, proxy->object.handle, 0, 0);
	vos_proxy_discard(proxy);
	return 0;
}

void vos_proxy_moved(struct vos_proxy *proxy)
{
	struct vos_proxy *spare = xchg(&proxy->spare, NULL);

	/* Its handle is one of the connection that failed. */
	if (spare)
		vos_proxy_discard(spare);
	vos_object_set_flags(&proxy->object, READ_ONCE(proxy->interest_flags));
	/*
	 * Pairs with the barrier in vos_object_arm(): whoever waits armed the old
	 * object, and is woken below, or finds the new one.
	 */
	smp_mb();
	rcu_read_lock();
	local_bh_disable();
	vos_proxy_ready(&proxy->object, 0);
	local_bh_enable();
	rcu_read_unlock();
}

struct vos_object *vos_proxy_object(struct file *file)
{
	struct socket *sock = sock_from_file(file);
	struct vos_proxy *proxy;

	if (!sock || !vos_socket_proxied(sock))
		return NULL;
	proxy = vos_proxy(sock->sk);
	return proxy->object.kind ? &proxy->object : NULL;
}

/*
 * Of two that change the flags at once, the last to store reads the last value:
 * each stores until the file says what it has stored.
 */
static void vos_proxy_store_flags(struct vos_proxy *proxy, struct file *file)
{
	u32 word;

	do {
		word = READ_ONCE(file->f_flags) & O_NONBLOCK ? VOS_INTEREST_NONBLOCK : 0;
		WRITE_ONCE(proxy->interest_flags, word);
		vos_object_set_flags(&proxy->object, word);
	} while (word != (READ_ONCE(file->f_flags) & O_NONBLOCK ? VOS_INTEREST_NONBLOCK : 0));
}

void __vos_file_changed(struct file *file)
{
	struct socket *sock = sock_from_file(file);
	struct vos_proxy *proxy;

	if (!sock || !vos_socket_proxied(sock))
		return;
	proxy = vos_proxy(sock->sk);
	vos_proxy_store_flags(proxy, file);
	if ((READ_ONCE(file->f_flags) & FASYNC) || file_f_owner(file)) {
		WRITE_ONCE(proxy->signals, true);
		vos_object_arm(&proxy->object);
	}
}

/* --------------------------------------------------- names and shutdown */

/* Does the domain choose a part of it, which is to stay the same? */
static bool vos_address_open(const struct sockaddr *address, int length)
{
	switch (address->sa_family) {
	case AF_INET:
	case AF_INET6:
		/* Both have it there. */
		return length >= (int)offsetofend(struct sockaddr_in, sin_port) &&
		       !((const struct sockaddr_in *)address)->sin_port;
	case AF_NETLINK:
		return true;
	}
	return false;
}

static int vos_proxy_bind(struct socket *sock, struct sockaddr *address, int length)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	struct vos_connection *c;
	int attempts = 0;
	int err;

	do {
		c = vos_proxy_reach(proxy, VOS_USE_OTHER);
		if (IS_ERR(c))
			return PTR_ERR(c);
		vos_proxy_change_begin(proxy);
		err = vos_proxy_address_call(proxy, c, VOS_OP_BIND, address, length);
		if (!err && vos_address_open(address, length))
			vos_proxy_record_bind(proxy, c, address, length);
		else if (!err)
			vos_proxy_changed(proxy, VOS_OP_BIND, 0, 0, address, length);
		vos_proxy_change_end(proxy);
	} while (vos_proxy_again(err, c, &attempts));
	return err;
}

static int vos_proxy_getname(struct socket *sock, struct sockaddr *address, int peer)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	struct vos_connection *c;
	int attempts = 0;
	int err;

	/* 2: who was accepted, even if it is gone again. */
	if (peer == 2 && proxy->peer_len) {
		memcpy(address, &proxy->peer, proxy->peer_len);
		return proxy->peer_len;
	}
	do {
		c = vos_proxy_reach(proxy, peer ? VOS_USE_PEER : VOS_USE_OTHER);
		if (IS_ERR(c))
			return PTR_ERR(c);
		err = vos_proxy_name_call(proxy, c, address, peer);
	} while (vos_proxy_again(err, c, &attempts));
	return err;
}

static int vos_proxy_shutdown(struct socket *sock, int how)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	struct vos_connection *c;
	int attempts = 0;
	int err;

	do {
		c = vos_proxy_reach(proxy, VOS_USE_PEER);
		if (IS_ERR(c))
			return PTR_ERR(c);
		vos_proxy_change_begin(proxy);
		err = vos_proxy_simple(proxy, c, VOS_OP_SHUTDOWN, how);
		if (!err) {
			vos_proxy_changed(proxy, VOS_OP_SHUTDOWN, how, 0, NULL, 0);
			/* The end of listening, in Linux too. */
			if (how != SHUT_WR)
				cmpxchg(&proxy->state, VOS_PROXY_LISTENING, VOS_PROXY_IDLE);
		}
		vos_proxy_change_end(proxy);
	} while (vos_proxy_again(err, c, &attempts));
	return err;
}

/* ------------------------------------------------ connecting, accepting */

/*
 * The state machine is the domain's own inet_stream_connect(), always called
 * non-blocking: EINPROGRESS first, EALREADY while it goes on, then once how it
 * ended. Asking again after a wake-up, or after a signal, is therefore right.
 */
static int vos_proxy_connect_once(struct vos_proxy *proxy, struct sockaddr *address, int length)
{
	struct vos_connection *c = vos_object_connection(&proxy->object);
	int err;

	vos_proxy_change_begin(proxy);
	err = vos_proxy_address_call(proxy, c, VOS_OP_CONNECT, address, length);
	/* Of a stream only what ends another state matters. */
	if (!err && (!vos_proxy_is_stream(proxy) || address->sa_family == AF_UNSPEC))
		vos_proxy_changed(proxy, VOS_OP_CONNECT, 0, 0, address, length);
	vos_proxy_change_end(proxy);
	/* Not made again in the next domain: it ends with this one. */
	if (vos_proxy_cut_short(err, c))
		err = vos_proxy_failure(proxy, VOS_USE_OTHER);
	vos_connection_put(c);
	return err;
}

static int vos_proxy_connect(struct socket *sock, struct sockaddr *address, int length, int flags)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	struct vos_patience patience = {
		.events = EPOLLOUT | EPOLLIN,
		.timeo = sock_sndtimeo(sock->sk, flags & O_NONBLOCK),
	};
	bool disconnect;
	int first = 0;
	int err;

	if (length < (int)sizeof(address->sa_family))
		return -EINVAL;
	disconnect = address->sa_family == AF_UNSPEC;
	for (;;) {
		/* That it ended with its domain may have been left to be told. */
		if (unlikely(READ_ONCE(proxy->sk.sk_err) == ENETDOWN)) {
			err = vos_proxy_pending_error(proxy);
			if (err)
				break;
		}
		err = vos_proxy_connect_once(proxy, address, length);
		if (err != -EINPROGRESS && err != -EALREADY)
			break;
		if (!first)
			first = err;
		WRITE_ONCE(proxy->state, VOS_PROXY_CONNECTING);
		err = vos_proxy_wait(proxy, &patience, NULL);
		if (err)
			return err == -EAGAIN ? first : err;
	}
	/* Another thread that waited too was told first. */
	if (err == -EISCONN && patience.waited)
		err = 0;
	if (!err)
		WRITE_ONCE(proxy->state, disconnect ? VOS_PROXY_IDLE : VOS_PROXY_CONNECTED);
	else if (err == -EISCONN)
		vos_proxy_established(proxy);
	else
		vos_proxy_connect_failed(proxy);
	return err;
}

static int vos_proxy_listen(struct socket *sock, int backlog)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	struct vos_connection *c;
	int attempts = 0;
	int err;

	do {
		c = vos_proxy_reach(proxy, VOS_USE_OTHER);
		if (IS_ERR(c))
			return PTR_ERR(c);
		vos_proxy_change_begin(proxy);
		/* The domain's somaxconn is the limit; a negative backlog means that. */
		err = vos_proxy_simple(proxy, c, VOS_OP_LISTEN, (u32)backlog);
		if (!err) {
			/* Listening may have chosen the port. */
			if (!vos_proxy_knows_address(proxy))
				vos_proxy_record_bind(proxy, c, NULL, 0);
			vos_proxy_changed(proxy, VOS_OP_LISTEN, backlog, 0, NULL, 0);
			WRITE_ONCE(proxy->state, VOS_PROXY_LISTENING);
		}
		vos_proxy_change_end(proxy);
	} while (vos_proxy_again(err, c, &attempts));
	return err;
}

/*
 * A proxy with a handle, in the connection its listener is in, for a
 * connection about to be accepted.
 */
static struct vos_proxy *vos_proxy_spare(struct vos_proxy *listener)
{
	struct vos_connection *c = vos_object_connection(&listener->object);
	struct vos_proxy *fresh = xchg(&listener->spare, NULL);
	int err;

	if (fresh && fresh->object.connection != c) {
		vos_proxy_discard(fresh);
		fresh = NULL;
	}
	if (fresh)
		goto out;
	fresh = vos_proxy_alloc(sock_net(&listener->sk), listener->family,
				listener->sk.sk_type, listener->sk.sk_protocol);
	if (!fresh) {
		fresh = ERR_PTR(-ENOBUFS);
		goto out;
	}
	err = vos_object_add(&fresh->object, c, listener->object.kind, VOS_OBJECT_ORDINARY,
			     vos_proxy_ready);
	if (err) {
		sock_put(&fresh->sk);
		fresh = ERR_PTR(vos_proxy_call_error(listener, err, VOS_USE_ACCEPT));
	}
out:
	vos_connection_put(c);
	return fresh;
}

/* Its handle means nothing to the domain yet: kept for the next time. */
static void vos_proxy_keep_spare(struct vos_proxy *listener, struct vos_proxy *fresh)
{
	if (cmpxchg(&listener->spare, NULL, fresh))
		vos_proxy_discard(fresh);
}

static int vos_proxy_accept_once(struct vos_proxy *listener, struct vos_proxy *fresh,
				 __poll_t *mask)
{
	struct vos_connection *c = fresh->object.connection;
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, c, VOS_OP_ACCEPT, VOS_MAX_ADDRESS);
	if (err)
		return vos_proxy_call_error(listener, err, VOS_USE_ACCEPT);
	/* Of this connection, or that has failed. */
	call.request.handle = READ_ONCE(listener->object.handle);
	call.request.arg.plain.caps = vos_current_caps(sock_net(&listener->sk)->user_ns);
	call.request.arg.plain.word[0] = fresh->object.handle;
	err = vos_call_run(&call);
	if (err) {
		err = vos_proxy_call_error(listener, err, VOS_USE_ACCEPT);
	} else {
		err = vos_proxy_result(c, call.completion.res, VOS_MAX_ADDRESS);
		*mask = (__force __poll_t)call.completion.pollmask;
		if (err >= 0) {
			memcpy(&fresh->peer, call.data, err);
			fresh->peer_len = err;
			err = 0;
		}
	}
	vos_call_end(&call);
	return err;
}

static int vos_proxy_accept(struct socket *sock, struct socket *newsock,
			    struct proto_accept_arg *arg)
{
	struct sock *sk = sock->sk;
	struct vos_proxy *listener = vos_proxy(sk);
	struct vos_patience patience = {
		.events = EPOLLIN,
		.exclusive = true,
		.timeo = sock_rcvtimeo(sk, arg->flags & O_NONBLOCK),
	};
	struct vos_proxy *fresh;
	__poll_t mask = 0;
	int err;

	for (;;) {
		fresh = vos_proxy_spare(listener);
		err = PTR_ERR_OR_ZERO(fresh);
		if (!err) {
			err = vos_proxy_accept_once(listener, fresh, &mask);
			if (!err)
				break;
			vos_proxy_keep_spare(listener, fresh);
		}
		if (err != -EAGAIN)
			return err;
		err = vos_proxy_wait(listener, &patience, NULL);
		if (err)
			return err;
	}
	vos_proxy_pass_on(listener, &patience, mask);
	arg->is_empty = !(mask & EPOLLIN);
	fresh->sk.sk_rcvtimeo = sk->sk_rcvtimeo;
	fresh->sk.sk_sndtimeo = sk->sk_sndtimeo;
	WRITE_ONCE(fresh->sk.sk_rcvlowat, READ_ONCE(sk->sk_rcvlowat));
	WRITE_ONCE(fresh->sk.sk_lingertime, READ_ONCE(sk->sk_lingertime));
	WRITE_ONCE(fresh->state, VOS_PROXY_CONNECTED);
	vos_proxy_adopt(fresh, newsock);
	newsock->state = SS_CONNECTED;
	/* Its file was made before it had an object. */
	if (newsock->file)
		__vos_file_changed(newsock->file);
	return 0;
}

static const struct proto_ops vos_proxy_ops = {
	.family		= VOS_PROXY_FAMILY,
	.owner		= THIS_MODULE,
	.release	= vos_proxy_release,
	.bind		= vos_proxy_bind,
	.connect	= vos_proxy_connect,
	.socketpair	= sock_no_socketpair,
	.accept		= vos_proxy_accept,
	.getname	= vos_proxy_getname,
	.poll		= vos_proxy_poll,
	.ioctl		= vos_proxy_ioctl,
	.gettstamp	= vos_proxy_gettstamp,
	.listen		= vos_proxy_listen,
	.shutdown	= vos_proxy_shutdown,
	.setsockopt	= vos_proxy_setsockopt,
	.sendmsg	= vos_proxy_sendmsg,
	.recvmsg	= vos_proxy_recvmsg,
	.mmap		= sock_no_mmap,
};

static int __init vos_proxy_init(void)
{
	return proto_register(&vos_proxy_proto, 1);
}
subsys_initcall(vos_proxy_init);
