/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VirtuOS: what the socket layer and fs/ call. A namespace that is attached to
 * the network domain has its sockets there; the socket seen here is a proxy,
 * marked SOCK_PROXIED. All of it is a patched-out branch until the first
 * namespace is attached.
 */
#ifndef _LINUX_VIRTUOS_NET_H
#define _LINUX_VIRTUOS_NET_H

#include <linux/errno.h>
#include <linux/jump_label.h>
#include <linux/net.h>
#include <linux/sockptr.h>
#include <linux/virtuos/file.h>

struct file;
struct net;

/* vos_socket_create(): the socket is the local stack's business. */
#define VOS_SOCKET_LOCAL	1

#ifdef CONFIG_VIRTUOS_PRIMARY

/* On from the first attached namespace on; never off again. */
DECLARE_STATIC_KEY_FALSE(vos_network_key);

int __vos_socket_create(struct net *net, struct socket *sock, int family, int protocol);
bool __vos_socket_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg, int *result);
void __vos_file_changed(struct file *file);
int vos_proxy_getsockopt(struct socket *sock, int level, int name, sockptr_t value,
			 sockptr_t length);

/*
 * Makes @sock, which has a type and nothing else, a proxy. 0, VOS_SOCKET_LOCAL,
 * or -errno, also for families that must not reach the empty local stack.
 */
static inline int vos_socket_create(struct net *net, struct socket *sock, int family,
				    int protocol, int kern)
{
	if (kern || !static_branch_unlikely(&vos_network_key))
		return VOS_SOCKET_LOCAL;
	return __vos_socket_create(net, sock, family, protocol);
}

/* Interface ioctls act on the namespace's stack, whatever the socket's family. */
static inline bool vos_socket_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg,
				    int *result)
{
	if (!static_branch_unlikely(&vos_network_key))
		return false;
	return __vos_socket_ioctl(sock, cmd, arg, result);
}

/*
 * O_NONBLOCK, O_APPEND, O_DIRECT, O_ASYNC or the owner of @file changed, or
 * the file is new. May sleep for files of a vosfs; no locks of the file held.
 */
static inline void vos_file_changed(struct file *file)
{
	if (static_branch_unlikely(&vos_network_key))
		__vos_file_changed(file);
	if (static_branch_unlikely(&vosfs_key))
		vosfs_file_changed(file);
}

static inline bool vos_socket_proxied(const struct socket *sock)
{
	return test_bit(SOCK_PROXIED, &sock->flags);
}

#else /* CONFIG_VIRTUOS_PRIMARY */

static inline int vos_socket_create(struct net *net, struct socket *sock, int family,
				    int protocol, int kern)
{
	return VOS_SOCKET_LOCAL;
}

static inline bool vos_socket_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg,
				    int *result)
{
	return false;
}

static inline void vos_file_changed(struct file *file)
{
}

static inline bool vos_socket_proxied(const struct socket *sock)
{
	return false;
}

static inline int vos_proxy_getsockopt(struct socket *sock, int level, int name,
				       sockptr_t value, sockptr_t length)
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_VIRTUOS_PRIMARY */

#endif /* _LINUX_VIRTUOS_NET_H */
