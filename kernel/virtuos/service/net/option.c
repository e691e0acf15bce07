// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket options and ioctls.
 *
 * Only what is listed here is passed on: options and requests whose argument
 * is plain data of bounded length. What carries pointers or descriptors would
 * mean this kernel's memory and this kernel's files, and is refused as if the
 * kernel did not know it.
 *
 * Setting an option takes a kernel buffer. Reading one, and ioctls, want user
 * pointers: the argument is copied to the scratch memory of the worker's own
 * address space and back (VOS_RUN_USER_ACCESS).
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/in6.h>
#include <linux/ipv6_route.h>
#include <linux/netlink.h>
#include <linux/route.h>
#include <linux/slab.h>
#include <linux/sockios.h>
#include <linux/sockptr.h>
#include <linux/tcp.h>
#include <linux/uaccess.h>
#include <linux/udp.h>
#include <asm/ioctls.h>
#include <net/net_namespace.h>

#include "socket.h"

/* In the scratch memory: an argument's fixed part and, a page on, what it points to. */
#define VOS_SCRATCH_TAIL	PAGE_SIZE

/* Some options read a whole structure whatever length they were told. */
#define VOS_OPTION_PADDING	256u

/* ------------------------------------------------------------- options */

struct vos_option_range {
	u16 level;
	u16 first;
	u16 last;
};

/*
 * The options of Linux 6.12, without netfilter's and multicast routing's. A
 * newer kernel's new ones have to be read before they are let through.
 */
static const struct vos_option_range vos_options_known[] = {
	{ SOL_SOCKET,	1,			SO_PASSPIDFD },
	{ SOL_IP,	1,			IP_PROTOCOL },
	{ SOL_IPV6,	1,			IPV6_DONTFRAG },
	{ SOL_IPV6,	IPV6_RECVTCLASS,	IPV6_TCLASS },
	{ SOL_IPV6,	IPV6_AUTOFLOWLABEL,	IPV6_FREEBIND },
	{ SOL_TCP,	1,			TCP_IS_MPTCP },
	{ SOL_UDP,	UDP_CORK,		UDP_CORK },
	{ SOL_UDP,	UDP_NO_CHECK6_TX,	UDP_GRO },
	{ SOL_ICMPV6,	ICMPV6_FILTER,		ICMPV6_FILTER },
	{ SOL_RAW,	1,			IPV6_CHECKSUM },
	{ SOL_NETLINK,	1,			NETLINK_GET_STRICT_CHK },
};

/* Of them, those with pointers, descriptors or memory of this kernel. */
static const struct vos_option_range vos_options_refused[] = {
	/* A filter's program is behind a pointer; get is SO_GET_FILTER. */
	{ SOL_SOCKET,	SO_ATTACH_FILTER,	SO_ATTACH_FILTER },
	{ SOL_SOCKET,	SO_ATTACH_BPF,		SO_ATTACH_REUSEPORT_EBPF },
	/* Its notifications never come: MSG_ZEROCOPY is dropped. */
	{ SOL_SOCKET,	SO_ZEROCOPY,		SO_ZEROCOPY },
	{ SOL_TCP,	TCP_ULP,		TCP_ULP },
	{ SOL_TCP,	TCP_ZEROCOPY_RECEIVE,	TCP_ZEROCOPY_RECEIVE },
};

static bool vos_option_in(const struct vos_option_range *ranges, size_t count, u32 level,
			  u32 name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (level == ranges[i].level && name >= ranges[i].first && name <= ranges[i].last)
			return true;
	return false;
}

static int vos_option_admit(const struct vos_request *request)
{
	u32 level = request->arg.option.level;
	u32 name = request->arg.option.name;

	if (request->len > VOS_MAX_OPTION)
		return -EINVAL;
	if (!vos_option_in(vos_options_known, ARRAY_SIZE(vos_options_known), level, name) ||
	    vos_option_in(vos_options_refused, ARRAY_SIZE(vos_options_refused), level, name))
		return -ENOPROTOOPT;
	return 0;
}

/* The request's data in private memory, zeros behind it; or ERR_PTR. */
static void *vos_option_value(struct vos_operation *op, u32 at_least)
{
	const u32 len = op->request.len;
	void *value = kvzalloc(max(len, at_least), GFP_KERNEL);
	int err;

	if (!value)
		return ERR_PTR(-ENOMEM);
	err = vos_operation_read(op, value, op->request.arg.plain.data, len);
	if (err) {
		kvfree(value);
		return ERR_PTR(err);
	}
	return value;
}

static int vos_option_set(struct vos_operation *op)
{
	const struct vos_request *request = &op->request;
	const struct cred *saved;
	void *value;
	int err;

	err = vos_option_admit(request);
	if (err)
		return err;
	value = vos_option_value(op, VOS_OPTION_PADDING);
	if (IS_ERR(value))
		return PTR_ERR(value);
	err = -ENOMEM;
	saved = vos_credential_enter(op->object->cred, request->arg.option.caps);
	if (saved) {
		err = do_sock_setsockopt(vos_op_sock(op), false, request->arg.option.level,
					 request->arg.option.name, KERNEL_SOCKPTR(value),
					 request->len);
		revert_creds(saved);
	}
	kvfree(value);
	return err;
}

void vos_op_setsockopt(struct vos_operation *op)
{
	vos_op_finish(op, vos_option_set(op));
}

/* The option's length, which may exceed what fits, or -errno. */
static int vos_option_get(struct vos_operation *op)
{
	const struct vos_request *request = &op->request;
	char __user *scratch = vos_user_scratch();
	char __user *user_value = scratch + VOS_SCRATCH_TAIL;
	int __user *user_length = (int __user *)scratch;
	const struct cred *saved;
	int length = request->len;
	void *value;
	int err;

	err = vos_option_admit(request);
	if (err)
		return err;
	value = vos_option_value(op, 1);
	if (IS_ERR(value))
		return PTR_ERR(value);
	/* All that is handed back is this request's: its own bytes or the answer. */
	err = -EFAULT;
	if (copy_to_user(user_value, value, request->len) || put_user(length, user_length))
		goto out;
	err = -ENOMEM;
	saved = vos_credential_enter(op->object->cred, request->arg.option.caps);
	if (!saved)
		goto out;
	err = do_sock_getsockopt(vos_op_sock(op), false, request->arg.option.level,
				 request->arg.option.name, USER_SOCKPTR(user_value),
				 USER_SOCKPTR(user_length));
	revert_creds(saved);
	if (err)
		goto out;
	err = -EFAULT;
	if (get_user(length, user_length) || length < 0)
		goto out;
	if (copy_from_user(value, user_value, min_t(u32, length, request->len)))
		goto out;
	err = vos_operation_write(op, request->arg.option.data, value,
				  min_t(u32, length, request->len));
	if (!err)
		err = length;
out:
	kvfree(value);
	return err;
}

void vos_op_getsockopt(struct vos_operation *op)
{
	vos_op_finish(op, vos_option_get(op));
}

/* -------------------------------------------------------------- ioctls */

/*
 * An ioctl whose argument is `bytes` of plain data. If `pointer` is not 0 it
 * is the offset of one user pointer in them, and what it points to follows
 * them in the request's data (virtuos.h, VOS_OP_IOCTL).
 */
struct vos_ioctl {
	u16 cmd;
	u16 family;			/* of the socket; AF_UNSPEC: any */
	u16 bytes;
	u16 pointer;
	u16 tail;			/* least bytes behind the pointer */
};

#define VOS_IOCTL_INT(cmd)	{ cmd, AF_UNSPEC, sizeof(int) }
#define VOS_IOCTL_IFREQ(cmd)	{ cmd, AF_UNSPEC, sizeof(struct ifreq) }
#define VOS_IOCTL_ROUTE(cmd)	{ cmd, AF_INET, sizeof(struct rtentry), \
				  offsetof(struct rtentry, rt_dev), IFNAMSIZ }
#define VOS_IOCTL_ROUTE6(cmd)	{ cmd, AF_INET6, sizeof(struct in6_rtmsg) }

static const struct vos_ioctl vos_ioctls[] = {
	VOS_IOCTL_INT(FIONREAD),
	VOS_IOCTL_INT(SIOCOUTQ),
	VOS_IOCTL_INT(SIOCOUTQNSD),
	VOS_IOCTL_INT(SIOCATMARK),
	{ SIOCGSTAMP_OLD, AF_UNSPEC, sizeof(struct __kernel_old_timeval) },
	{ SIOCGSTAMPNS_OLD, AF_UNSPEC, sizeof(struct __kernel_old_timespec) },
	{ SIOCGIFCONF, AF_UNSPEC, sizeof(struct ifconf), offsetof(struct ifconf, ifc_buf) },
	VOS_IOCTL_ROUTE(SIOCADDRT),
	VOS_IOCTL_ROUTE(SIOCDELRT),
	VOS_IOCTL_ROUTE6(SIOCADDRT),
	VOS_IOCTL_ROUTE6(SIOCDELRT),
	{ SIOCDARP, AF_INET, sizeof(struct arpreq) },
	{ SIOCGARP, AF_INET, sizeof(struct arpreq) },
	{ SIOCSARP, AF_INET, sizeof(struct arpreq) },
	VOS_IOCTL_IFREQ(SIOCGIFNAME),
	VOS_IOCTL_IFREQ(SIOCGIFFLAGS),
	VOS_IOCTL_IFREQ(SIOCSIFFLAGS),
	VOS_IOCTL_IFREQ(SIOCGIFADDR),
	VOS_IOCTL_IFREQ(SIOCSIFADDR),
	VOS_IOCTL_IFREQ(SIOCDIFADDR),
	VOS_IOCTL_IFREQ(SIOCGIFDSTADDR),
	VOS_IOCTL_IFREQ(SIOCSIFDSTADDR),
	VOS_IOCTL_IFREQ(SIOCGIFBRDADDR),
	VOS_IOCTL_IFREQ(SIOCSIFBRDADDR),
	VOS_IOCTL_IFREQ(SIOCGIFNETMASK),
	VOS_IOCTL_IFREQ(SIOCSIFNETMASK),
	VOS_IOCTL_IFREQ(SIOCGIFMETRIC),
	VOS_IOCTL_IFREQ(SIOCSIFMETRIC),
	VOS_IOCTL_IFREQ(SIOCGIFMTU),
	VOS_IOCTL_IFREQ(SIOCSIFMTU),
	VOS_IOCTL_IFREQ(SIOCSIFNAME),
	VOS_IOCTL_IFREQ(SIOCGIFHWADDR),
	VOS_IOCTL_IFREQ(SIOCSIFHWADDR),
	VOS_IOCTL_IFREQ(SIOCSIFHWBROADCAST),
	VOS_IOCTL_IFREQ(SIOCADDMULTI),
	VOS_IOCTL_IFREQ(SIOCDELMULTI),
	VOS_IOCTL_IFREQ(SIOCGIFINDEX),
	VOS_IOCTL_IFREQ(SIOCGIFPFLAGS),
	VOS_IOCTL_IFREQ(SIOCSIFPFLAGS),
	VOS_IOCTL_IFREQ(SIOCGIFTXQLEN),
	VOS_IOCTL_IFREQ(SIOCSIFTXQLEN),
	VOS_IOCTL_IFREQ(SIOCGIFMAP),
	VOS_IOCTL_IFREQ(SIOCSIFMAP),
	VOS_IOCTL_IFREQ(SIOCGMIIPHY),
	VOS_IOCTL_IFREQ(SIOCGMIIREG),
	{ SIOCETHTOOL, AF_UNSPEC, sizeof(struct ifreq), offsetof(struct ifreq, ifr_data),
	  sizeof(u32) },
};

static const struct vos_ioctl *vos_ioctl_find(u32 cmd, u32 family)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vos_ioctls); i++)
		if (cmd == vos_ioctls[i].cmd &&
		    (vos_ioctls[i].family == AF_UNSPEC || vos_ioctls[i].family == family))
			return &vos_ioctls[i];
	return NULL;
}

/* Any socket of the namespace: what an interface ioctl is called on. */
static struct file *vos_ioctl_namespace_file(void)
{
	struct socket *sock;
	int err = __sock_create(&init_net, AF_INET, SOCK_DGRAM, 0, &sock, 0);

	return err ? ERR_PTR(err) : sock_alloc_file(sock, O_NONBLOCK, NULL);
}

/*
 * Directs the argument's pointer to the scratch memory if the client has
 * something there, and bounds what it says of its length.
 */
static int vos_ioctl_translate(const struct vos_ioctl *ioctl, void *argument, u32 tail)
{
	void __user **pointer = argument + ioctl->pointer;

	if (!*pointer)
		return 0;
	if (tail < ioctl->tail)
		return -EINVAL;
	*pointer = vos_user_scratch() + VOS_SCRATCH_TAIL;
	if (ioctl->cmd == SIOCGIFCONF) {
		struct ifconf *conf = argument;

		if (conf->ifc_len < 0)
			return -EINVAL;
		conf->ifc_len = min_t(u32, conf->ifc_len, tail);
	}
	return 0;
}

/*
 * One ioctl on the argument in private memory, len bytes with the fixed part
 * whole: to the scratch memory, the call, and back.
 */
static int vos_ioctl_call(struct file *file, const struct vos_ioctl *ioctl, void *argument,
			  u32 len)
{
	char __user *scratch = vos_user_scratch();
	const u32 tail = len > ioctl->bytes ? len - ioctl->bytes : 0;
	void **pointer = argument + ioctl->pointer;
	void *client_pointer = NULL;
	int res = 0;

	if (ioctl->pointer) {
		client_pointer = *pointer;
		res = vos_ioctl_translate(ioctl, argument, tail);
		if (res)
			return res;
	}
	if (copy_to_user(scratch, argument, ioctl->bytes) ||
	    copy_to_user(scratch + VOS_SCRATCH_TAIL, argument + ioctl->bytes, tail))
		return -EFAULT;
	res = vfs_ioctl(file, ioctl->cmd, (unsigned long)scratch);
	if (res < 0)
		return res;
	if (copy_from_user(argument, scratch, ioctl->bytes) ||
	    copy_from_user(argument + ioctl->bytes, scratch + VOS_SCRATCH_TAIL, tail))
		return -EFAULT;
	if (ioctl->pointer)
		*pointer = client_pointer;
	return res;
}

/* On file, whose socket may be the object's or the namespace's. */
static int vos_ioctl_run(struct vos_operation *op, struct file *file)
{
	const struct vos_request *request = &op->request;
	const struct vos_ioctl *ioctl;
	void *argument;
	int err, res;

	ioctl = vos_ioctl_find(request->arg.ioctl.cmd, sock_from_file(file)->sk->sk_family);
	if (!ioctl)
		return -ENOTTY;
	if (request->arg.ioctl.is_value || request->len > VOS_MAX_OPTION)
		return -EINVAL;
	argument = vos_option_value(op, ioctl->bytes);
	if (IS_ERR(argument))
		return PTR_ERR(argument);
	res = vos_ioctl_call(file, ioctl, argument, request->len);
	if (res >= 0) {
		err = vos_operation_write(op, request->arg.ioctl.data, argument, request->len);
		if (err)
			res = err;
	}
	kvfree(argument);
	return res;
}

static int vos_ioctl_on_namespace(struct vos_operation *op)
{
	struct file *file;
	const struct cred *saved;
	int res;

	/* Root by name only: interface ioctls ask for capabilities alone. */
	saved = vos_credential_enter(current_cred(), op->request.arg.ioctl.caps);
	if (!saved)
		return -ENOMEM;
	file = vos_ioctl_namespace_file();
	if (IS_ERR(file)) {
		res = PTR_ERR(file);
	} else {
		res = vos_ioctl_run(op, file);
		__fput_sync(file);
	}
	revert_creds(saved);
	return res;
}

void vos_op_ioctl(struct vos_operation *op)
{
	const struct cred *saved;
	int res = -ENOMEM;

	if (op->request.handle == VOS_HANDLE_NONE) {
		op->completion.res = vos_ioctl_on_namespace(op);
		return;
	}
	op->object = vos_service_object_get(op->service, op->request.handle);
	if (!op->object) {
		op->completion.res = -EBADF;
		return;
	}
	saved = vos_credential_enter(op->object->cred, op->request.arg.ioctl.caps);
	if (saved) {
		res = vos_ioctl_run(op, op->object->file);
		revert_creds(saved);
	}
	vos_op_finish(op, res);
}
