// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket options. Those by value go to the network domain. What describes the
 * socket as this kernel has it, and how long it blocks, is answered here.
 * Options with pointers or descriptors inside mean nothing to another kernel:
 * they fail as on a Linux built without them.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/socket.h>
#include <linux/sockptr.h>
#include <linux/tcp.h>
#include <linux/virtuos/net.h>
#include <net/sock.h>

#include "proxy.h"

/* First option of iptables and relatives at SOL_IP; the tables hold pointers. */
#define VOS_IP_TABLES_BASE	64
/* At SOL_IPV6, between options by value: SET_REPLACE, ADD_COUNTERS, revisions. */
#define VOS_IP6_TABLES_SET	64
#define VOS_IP6_TABLES_COUNTERS	65
#define VOS_IP6_TABLES_MATCH	68
#define VOS_IP6_TABLES_TARGET	69

/* Answered by the core from struct sock, for get and, where it exists, set. */
static bool vos_option_is_local(int level, int name)
{
	if (level != SOL_SOCKET)
		return false;
	switch (name) {
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
	case SO_TYPE:
	case SO_PROTOCOL:
	case SO_PEERCRED:
	case SO_PEERGROUPS:
	case SO_PEERPIDFD:
	case SO_PEERSEC:
	case SO_PEERNAME:
	case SO_NETNS_COOKIE:
		return true;
	}
	return false;
}

/* 0, or the errno of an option that cannot cross. */
static int vos_option_refused(int level, int name)
{
	switch (level) {
	case SOL_SOCKET:
		switch (name) {
		case SO_ATTACH_FILTER:
		case SO_ATTACH_BPF:
		case SO_ATTACH_REUSEPORT_CBPF:
		case SO_ATTACH_REUSEPORT_EBPF:
		case SO_PASSPIDFD:
		case SO_PASSSEC:
			return -ENOPROTOOPT;
		case SO_ZEROCOPY:
			return -EOPNOTSUPP;
		}
		return 0;
	case SOL_IP:
		return name >= VOS_IP_TABLES_BASE ? -ENOPROTOOPT : 0;
	case SOL_IPV6:
		switch (name) {
		case VOS_IP6_TABLES_SET:
		case VOS_IP6_TABLES_COUNTERS:
		case VOS_IP6_TABLES_MATCH:
		case VOS_IP6_TABLES_TARGET:
			return -ENOPROTOOPT;
		}
		return 0;
	case SOL_TCP:
		switch (name) {
		case TCP_ULP:
		case TCP_ZEROCOPY_RECEIVE:
			return -ENOPROTOOPT;
		/* connect() would succeed before there is a connection to wait for. */
		case TCP_FASTOPEN_CONNECT:
			return -EOPNOTSUPP;
		}
		return 0;
	}
	return 0;
}

/* What was set in the domain also counts here. */
static void vos_option_note(struct sock *sk, int name, const void *value, unsigned int length)
{
	const struct linger *linger = value;
	int low;

	switch (name) {
	/* recvmsg waits for as much as the domain's readiness does. */
	case SO_RCVLOWAT:
		if (length < sizeof(int))
			return;
		low = *(const int *)value;
		WRITE_ONCE(sk->sk_rcvlowat, low < 0 ? INT_MAX : low ?: 1);
		return;
	/* close() waits here. */
	case SO_LINGER:
		if (length < sizeof(*linger))
			return;
		WRITE_ONCE(sk->sk_lingertime, !linger->l_onoff ? 0 :
			   (unsigned int)linger->l_linger >= MAX_SCHEDULE_TIMEOUT / HZ ?
			   MAX_SCHEDULE_TIMEOUT : (unsigned int)linger->l_linger * (long)HZ);
		return;
	}
}

static int vos_proxy_option_call(struct vos_proxy *proxy, struct vos_connection *c, int level,
				 int name, const void *value, unsigned int length)
{
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, c, VOS_OP_SETSOCKOPT, length);
	if (err)
		return err;
	call.request.handle = READ_ONCE(proxy->object.handle);
	call.request.arg.option.level = level;
	call.request.arg.option.name = name;
	call.request.arg.option.caps = vos_current_caps(sock_net(&proxy->sk)->user_ns);
	if (length)
		memcpy(call.data, value, length);
	err = vos_call_run(&call);
	if (!err)
		err = vos_proxy_result(c, call.completion.res, 0);
	vos_call_end(&call);
	return err;
}

int vos_proxy_setsockopt(struct socket *sock, int level, int name, sockptr_t value,
			 unsigned int length)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	struct vos_connection *c;
	void *copy = NULL;
	int attempts = 0;
	int err;

	if (vos_option_is_local(level, name))
		return sock_setsockopt(sock, level, name, value, length);
	err = vos_option_refused(level, name);
	if (err)
		return err;
	if (length > VOS_MAX_OPTION)
		return -EINVAL;
	/* Before the arena is reserved: the caller's memory may fault. */
	if (length) {
		copy = memdup_sockptr(value, length);
		if (IS_ERR(copy))
			return PTR_ERR(copy);
	}
	do {
		c = vos_proxy_reach(proxy, VOS_USE_OTHER);
		if (IS_ERR(c)) {
			err = PTR_ERR(c);
			goto out;
		}
		vos_proxy_change_begin(proxy);
		err = vos_proxy_option_call(proxy, c, level, name, copy, length);
		if (!err)
			vos_proxy_changed(proxy, VOS_OP_SETSOCKOPT, level, name, copy, length);
		vos_proxy_change_end(proxy);
	} while (vos_proxy_again(err, c, &attempts));
	if (!err && level == SOL_SOCKET)
		vos_option_note(&proxy->sk, name, copy, length);
out:
	kfree(copy);
	return err;
}

/* An int, as much of it as the caller has room for. */
static int vos_option_return(int answer, sockptr_t value, sockptr_t length, int room)
{
	int bytes = min_t(int, room, sizeof(answer));

	if (copy_to_sockptr(value, &answer, bytes) ||
	    copy_to_sockptr(length, &bytes, sizeof(bytes)))
		return -EFAULT;
	return 0;
}

/* Fills buffer, of *length bytes, and sets *length, which may be more than fitted. */
static int vos_proxy_ask_option(struct vos_proxy *proxy, struct vos_connection *c, int level,
				int name, void *buffer, int *length)
{
	struct vos_call call;
	int res;

	res = vos_call_begin(&call, c, VOS_OP_GETSOCKOPT, *length);
	if (res)
		return res;
	call.request.handle = READ_ONCE(proxy->object.handle);
	call.request.arg.option.level = level;
	call.request.arg.option.name = name;
	call.request.arg.option.caps = vos_current_caps(sock_net(&proxy->sk)->user_ns);
	if (*length)
		memcpy(call.data, buffer, *length);
	res = vos_call_run(&call);
	if (!res)
		res = vos_proxy_result(c, call.completion.res, VOS_MAX_OPTION);
	if (res > 0 && *length)
		memcpy(buffer, call.data, min(res, *length));
	vos_call_end(&call);
	if (res < 0)
		return res;
	*length = res;
	return 0;
}

/* SO_ERROR: what is pending on either side, and on neither afterwards. */
static int vos_proxy_take_error(struct vos_proxy *proxy, int *error)
{
	struct vos_connection *c = vos_object_connection(&proxy->object);
	int length = sizeof(*error);
	int kept = xchg(&proxy->sk.sk_err, 0);
	int err;

	*error = 0;
	err = vos_proxy_ask_option(proxy, c, SOL_SOCKET, SO_ERROR, error, &length);
	if (vos_proxy_cut_short(err, c)) {
		/* A reset is an answer, told once; then there is nothing pending. */
		if (READ_ONCE(proxy->state) == VOS_PROXY_CONNECTED && vos_proxy_is_stream(proxy))
			*error = xchg(&proxy->failure_told, 1) ? 0 : ECONNRESET;
		else if (READ_ONCE(proxy->state) == VOS_PROXY_CONNECTING ||
			 !vos_proxy_recoverable(proxy))
			*error = ENETDOWN;
		err = 0;
	}
	vos_connection_put(c);
	if (err)
		return err;
	if (*error < 0 || *error >= ERESTARTSYS)
		*error = EIO;
	if (!*error)
		*error = kept;
	/* A connect that failed is over; the domain's next one starts afresh. */
	if (*error)
		vos_proxy_connect_failed(proxy);
	return 0;
}

int vos_proxy_getsockopt(struct socket *sock, int level, int name, sockptr_t value,
			 sockptr_t length)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	struct vos_connection *c;
	void *buffer;
	int room, bytes, error;
	int attempts = 0;
	int err;

	if (vos_option_is_local(level, name))
		return sk_getsockopt(sock->sk, level, name, value, length);
	if (copy_from_sockptr(&room, length, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (level == SOL_SOCKET && name == SO_DOMAIN)
		return vos_option_return(proxy->family, value, length, room);
	if (level == SOL_SOCKET && name == SO_ERROR) {
		err = vos_proxy_take_error(proxy, &error);
		return err ?: vos_option_return(error, value, length, room);
	}
	err = vos_option_refused(level, name);
	if (err)
		return err;

	room = min_t(int, room, VOS_MAX_OPTION);
	buffer = kvzalloc(room ?: 1, GFP_KERNEL);
	if (!buffer)
		return -ENOBUFS;
	/* A few options take input there; for the others what it holds is no matter. */
	if (copy_from_sockptr(buffer, value, room))
		memset(buffer, 0, room);
	do {
		c = vos_proxy_reach(proxy, VOS_USE_OTHER);
		if (IS_ERR(c)) {
			err = PTR_ERR(c);
			break;
		}
		bytes = room;
		err = vos_proxy_ask_option(proxy, c, level, name, buffer, &bytes);
	} while (vos_proxy_again(err, c, &attempts));
	if (!err && (copy_to_sockptr(value, buffer, min(room, bytes)) ||
		     copy_to_sockptr(length, &bytes, sizeof(bytes))))
		err = -EFAULT;
	kvfree(buffer);
	return err;
}
