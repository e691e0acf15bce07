// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctls of proxy sockets, and of the interfaces of an attached namespace
 * whatever socket they are asked through: if_nametoindex() may use AF_UNIX.
 *
 * Arguments cross by value, so each command's size must be known here, and that
 * of what it points to, which follows it.
 */
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/ipv6.h>
#include <linux/ipv6_route.h>
#include <linux/netdevice.h>
#include <linux/route.h>
#include <linux/slab.h>
#include <linux/sockios.h>
#include <linux/uaccess.h>
#include <linux/virtuos/net.h>
#include <linux/wireless.h>
#include <net/sock.h>

#include <asm/ioctls.h>

#include "proxy.h"

/* Fills data, length bytes, with the domain's answer. Not negative: its result. */
static int vos_ioctl_call(struct vos_connection *c, u64 handle, struct net *net,
			  unsigned int cmd, void *data, u32 length)
{
	struct vos_call call;
	int res;

	res = vos_call_begin(&call, c, VOS_OP_IOCTL, length);
	if (res)
		return res;
	call.request.handle = handle;
	call.request.arg.ioctl.cmd = cmd;
	call.request.arg.ioctl.is_value = 0;
	call.request.arg.ioctl.value = 0;
	call.request.arg.ioctl.caps = vos_current_caps(net->user_ns);
	if (length)
		memcpy(call.data, data, length);
	res = vos_call_run(&call);
	if (!res) {
		res = vos_proxy_result(c, call.completion.res, INT_MAX);
		if (res >= 0 && length)
			memcpy(data, call.data, length);
	}
	vos_call_end(&call);
	return res;
}

/* Of a proxy's own; what it asks can be asked again. */
static int vos_proxy_ioctl_call(struct vos_proxy *proxy, unsigned int cmd, void *data, u32 length)
{
	struct vos_connection *c;
	int attempts = 0;
	int res;

	do {
		c = vos_proxy_reach(proxy, VOS_USE_OTHER);
		if (IS_ERR(c))
			return PTR_ERR(c);
		res = vos_ioctl_call(c, READ_ONCE(proxy->object.handle), sock_net(&proxy->sk), cmd,
				     data, length);
	} while (vos_proxy_again(res, c, &attempts));
	return res;
}

int vos_proxy_queued(struct vos_proxy *proxy, unsigned int cmd)
{
	struct vos_connection *c = vos_object_connection(&proxy->object);
	int value = 0;
	int err;

	err = vos_ioctl_call(c, READ_ONCE(proxy->object.handle), sock_net(&proxy->sk), cmd,
			     &value, sizeof(value));
	vos_connection_put(c);
	return err < 0 ? err : max(value, 0);
}

int vos_proxy_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	int value = 0;
	int err;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
	case SIOCATMARK:
		err = vos_proxy_ioctl_call(proxy, cmd, &value, sizeof(value));
		if (err < 0)
			return err;
		if (cmd == SIOCINQ)
			value += vos_proxy_unread(proxy);
		return put_user(value, (int __user *)arg);
	}
	/* Not -ENOIOCTLCMD: the core would ask this kernel's devices. */
	return -ENOTTY;
}

/* Time stamps of the last message; 64-bit callers only, whose old and new formats agree. */
int vos_proxy_gettstamp(struct socket *sock, void __user *user, bool timeval, bool time32)
{
	struct vos_proxy *proxy = vos_proxy(sock->sk);
	s64 stamp[2] = {};
	int err;

	if (time32)
		return -ENOTTY;
	err = vos_proxy_ioctl_call(proxy, timeval ? SIOCGSTAMP_OLD : SIOCGSTAMPNS_OLD, stamp,
				   sizeof(stamp));
	if (err < 0)
		return err;
	return copy_to_user(user, stamp, sizeof(stamp)) ? -EFAULT : 0;
}

/* -------------------------------------------------- interfaces, routes */

struct vos_interface_request {
	struct vos_connection *connection;
	struct net *net;
	u64 handle;			/* NONE: not through a proxy */
	int family;
};

/* An argument: a structure, and what its one pointer points to. */
struct vos_ioctl_argument {
	u32 fixed;			/* bytes of the structure */
	u32 pointer;			/* offset of the pointer in it; 0: there is none */
	u32 tail;			/* bytes it points to */
	bool string;			/* of them, as many as the name has */
};

/* What the pointer points to, on its way in. */
static int vos_ioctl_gather(const struct vos_ioctl_argument *argument, void *data,
			    void __user *user)
{
	long n;

	if (!argument->string)
		return copy_from_user(data, user, argument->tail) ? -EFAULT : 0;
	/* The last byte stays 0. */
	n = strncpy_from_user(data, user, argument->tail - 1);
	return min(n, 0L);
}

/* On its way out; what only sets may lie in memory the caller can't write. */
static int vos_ioctl_scatter(void __user *user, const void *data, const void *sent, u32 bytes)
{
	if (!memcmp(sent, data, bytes))
		return 0;
	return copy_to_user(user, data, bytes) ? -EFAULT : 0;
}

static int vos_ioctl_exchange(const struct vos_interface_request *request, unsigned int cmd,
			      void __user *user, const struct vos_ioctl_argument *argument)
{
	u32 bytes = argument->fixed + argument->tail;
	void __user *pointed = NULL;
	void *sent, *data;
	int res;

	/* Two copies: sent, and what becomes the answer. */
	sent = kvzalloc(2 * bytes, GFP_KERNEL);
	if (!sent)
		return -ENOMEM;
	data = sent + bytes;
	res = -EFAULT;
	if (copy_from_user(sent, user, argument->fixed))
		goto out;
	if (argument->pointer) {
		memcpy(&pointed, sent + argument->pointer, sizeof(pointed));
		if (!pointed) {
			bytes = argument->fixed;
		} else {
			res = vos_ioctl_gather(argument, sent + argument->fixed, pointed);
			if (res)
				goto out;
		}
	}
	memcpy(data, sent, bytes);
	res = vos_ioctl_call(request->connection, request->handle, request->net, cmd, data, bytes);
	if (res < 0)
		goto out;
	if (argument->pointer)
		memcpy(data + argument->pointer, &pointed, sizeof(pointed));
	res = vos_ioctl_scatter(user, data, sent, argument->fixed);
	if (!res && pointed)
		res = vos_ioctl_scatter(pointed, data + argument->fixed, sent + argument->fixed,
					argument->tail);
out:
	kvfree(sent);
	return min(res, 0);
}

/* SIOCGIFCONF is told the length of its array, and tells how much it filled. */
static int vos_ioctl_ifconf(const struct vos_interface_request *request, void __user *user)
{
	struct ifconf *answer;
	struct ifconf conf;
	u32 room = 0;
	int filled;
	int res;

	if (copy_from_user(&conf, user, sizeof(conf)))
		return -EFAULT;
	if (conf.ifc_buf) {
		if (conf.ifc_len < 0)
			return -EINVAL;
		room = min_t(u32, conf.ifc_len, VOS_MAX_OPTION - sizeof(conf));
		conf.ifc_len = room;
	}
	answer = kvzalloc(sizeof(*answer) + room, GFP_KERNEL);
	if (!answer)
		return -ENOMEM;
	*answer = conf;
	res = vos_ioctl_call(request->connection, request->handle, request->net, SIOCGIFCONF,
			     answer, sizeof(*answer) + room);
	if (res >= 0) {
		filled = max(answer->ifc_len, 0);
		if (conf.ifc_buf)
			filled = min_t(u32, filled, room);
		if (conf.ifc_buf && copy_to_user(conf.ifc_buf, answer + 1, filled))
			res = -EFAULT;
		else
			res = put_user(filled, &((struct ifconf __user *)user)->ifc_len);
	}
	kvfree(answer);
	return res;
}

/* Queries of a few fixed sizes, which is what programs ask outside of ethtool. */
static int vos_ethtool_argument(void __user *user, struct vos_ioctl_argument *argument)
{
	struct ifreq request;
	u32 cmd;

	if (copy_from_user(&request, user, sizeof(request)) ||
	    get_user(cmd, (u32 __user *)request.ifr_data))
		return -EFAULT;
	switch (cmd) {
	case ETHTOOL_GLINK:
	case ETHTOOL_GMSGLVL:
	case ETHTOOL_GRXCSUM:
	case ETHTOOL_GTXCSUM:
	case ETHTOOL_GSG:
	case ETHTOOL_GTSO:
	case ETHTOOL_GUFO:
	case ETHTOOL_GGSO:
	case ETHTOOL_GGRO:
	case ETHTOOL_GFLAGS:
		argument->tail = sizeof(struct ethtool_value);
		break;
	case ETHTOOL_GSET:
		argument->tail = sizeof(struct ethtool_cmd);
		break;
	case ETHTOOL_GDRVINFO:
		argument->tail = sizeof(struct ethtool_drvinfo);
		break;
	default:
		return -EOPNOTSUPP;
	}
	argument->fixed = sizeof(struct ifreq);
	argument->pointer = offsetof(struct ifreq, ifr_data);
	return 0;
}

/* -ENOIOCTLCMD: not about interfaces; another errno: doesn't cross. */
static int vos_interface_argument(unsigned int cmd, int family, void __user *user,
				  struct vos_ioctl_argument *argument)
{
	switch (cmd) {
	case SIOCSIFADDR:
	case SIOCDIFADDR:
	case SIOCSIFDSTADDR:
		argument->fixed = family == AF_INET6 ? sizeof(struct in6_ifreq) :
						       sizeof(struct ifreq);
		return 0;
	case SIOCGIFNAME:
	case SIOCGIFFLAGS:
	case SIOCSIFFLAGS:
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCSIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCSIFNETMASK:
	case SIOCGIFMETRIC:
	case SIOCSIFMETRIC:
	case SIOCGIFMEM:
	case SIOCSIFMEM:
	case SIOCGIFMTU:
	case SIOCSIFMTU:
	case SIOCSIFNAME:
	case SIOCSIFHWADDR:
	case SIOCGIFHWADDR:
	case SIOCGIFSLAVE:
	case SIOCSIFSLAVE:
	case SIOCADDMULTI:
	case SIOCDELMULTI:
	case SIOCGIFINDEX:
	case SIOCSIFPFLAGS:
	case SIOCGIFPFLAGS:
	case SIOCSIFHWBROADCAST:
	case SIOCGIFCOUNT:
	case SIOCGIFTXQLEN:
	case SIOCSIFTXQLEN:
	case SIOCGIFMAP:
	case SIOCSIFMAP:
	case SIOCGMIIPHY:
	case SIOCGMIIREG:
	case SIOCSMIIREG:
		argument->fixed = sizeof(struct ifreq);
		return 0;
	case SIOCGARP:
	case SIOCSARP:
	case SIOCDARP:
		argument->fixed = sizeof(struct arpreq);
		return 0;
	case SIOCADDRT:
	case SIOCDELRT:
		if (family == AF_INET6) {
			argument->fixed = sizeof(struct in6_rtmsg);
			return 0;
		}
		argument->fixed = sizeof(struct rtentry);
		argument->pointer = offsetof(struct rtentry, rt_dev);
		argument->tail = IFNAMSIZ;
		argument->string = true;
		return 0;
	case SIOCETHTOOL:
		return vos_ethtool_argument(user, argument);
	/* Pointers inside, or about devices that are not made there. */
	case SIOCGHWTSTAMP:
	case SIOCSHWTSTAMP:
	case SIOCWANDEV:
	case SIOCGIFBR:
	case SIOCSIFBR:
	case SIOCBRADDBR:
	case SIOCBRDELBR:
	case SIOCBRADDIF:
	case SIOCBRDELIF:
	case SIOCGIFVLAN:
	case SIOCSIFVLAN:
	case SIOCBONDENSLAVE ... SIOCBONDCHANGEACTIVE:
	case SIOCDEVPRIVATE ... SIOCDEVPRIVATE + 15:
	case SIOCIWFIRST ... SIOCIWLAST:
		return -EOPNOTSUPP;
	}
	return -ENOIOCTLCMD;
}

bool __vos_socket_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg, int *result)
{
	bool proxied = vos_socket_proxied(sock);
	struct vos_interface_request request = { .net = sock_net(sock->sk) };
	void __user *user = (void __user *)arg;
	struct vos_ioctl_argument argument = {};
	int err;

	if (!proxied && !vos_network_attached(request.net))
		return false;
	request.family = proxied ? vos_proxy(sock->sk)->family : sock->sk->sk_family;
	err = cmd == SIOCGIFCONF ? 0 :
	      vos_interface_argument(cmd, request.family, user, &argument);
	if (err == -ENOIOCTLCMD)
		return false;
	if (err) {
		*result = err;
		return true;
	}

	if (proxied) {
		request.connection = vos_proxy_reach(vos_proxy(sock->sk), VOS_USE_OTHER);
		if (!IS_ERR(request.connection))
			request.handle = READ_ONCE(vos_proxy(sock->sk)->object.handle);
	} else {
		request.connection = vos_proxy_domain();
	}
	if (IS_ERR(request.connection)) {
		*result = PTR_ERR(request.connection);
		return true;
	}
	if (cmd == SIOCGIFCONF)
		*result = vos_ioctl_ifconf(&request, user);
	else
		*result = vos_ioctl_exchange(&request, cmd, user, &argument);
	vos_connection_put(request.connection);
	return true;
}
