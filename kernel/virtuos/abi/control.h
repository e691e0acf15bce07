/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * VirtuOS: the control interface of the primary kernel.
 *
 * /dev/vos, a misc device only root opens (mode 0600): the calls below. They
 * also need CAP_NET_ADMIN (attach, detach, settled) or CAP_SYS_ADMIN (the
 * others) in the initial user namespace. poll() says EPOLLPRI while a domain
 * is silent and VOS_IOC_SILENCE tells for how long.
 *
 * debugfs, directory virtuos, text, one record a line:
 *   state   Each service domain's newest connection:
 *             domain=network domid=3 generation=1 state=connected pollers=1
 *             lanes=1 objects=12 sessions=2 noop_ns=700 failed_ns=0 reason=""
 *           (in one line). failed_ns is the boot time it failed at. state is
 *           handshake, connected or failed; reason stands in double quotes and
 *           holds neither quote nor control characters.
 *           Then one line: attached=init_net, attached=other or attached=none,
 *           and pages=N grants=N, the memory shared with domains and how much
 *           of it is granted.
 *   stats   <domain>.<counter> <decimal>, counters as in enum vos_counter.
 */
#ifndef VIRTUOS_CONTROL_H
#define VIRTUOS_CONTROL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "virtuos.h"

#define VOS_CONTROL_DEVICE	"vos"		/* name of the misc device */
#define VOS_DEBUGFS_DIRECTORY	"virtuos"

/* No-ops of one VOS_IOC_NOOP; a pending signal ends it earlier with EINTR. */
#define VOS_NOOP_MAX		1000000u

/* In and out: performs `count` no-ops, one after the other, over a kernel lane of a domain. */
struct vos_noop {
	__u32 domain;			/* 0  in: VOS_DOMAIN_* */
	__u32 count;			/* 4  in: 1 .. VOS_NOOP_MAX */
	__u64 ns_total;			/* 8  out: first submission to last completion */
	__u64 ns_min;			/* 16 out: the fastest */
	__u64 ns_max;			/* 24 out: the slowest */
};
VOS_ASSERT(sizeof(struct vos_noop) == 32);
VOS_ASSERT(__builtin_offsetof(struct vos_noop, ns_total) == 8);
VOS_ASSERT(__builtin_offsetof(struct vos_noop, ns_min) == 16);
VOS_ASSERT(__builtin_offsetof(struct vos_noop, ns_max) == 24);

/* A domain whose pollers give no sign of life. */
struct vos_silence {
	__u32 domain;			/* 0  in: VOS_DOMAIN_* */
	__u32 generation;		/* 4  of its connection; SILENCE: out, HUNG: in */
	__u32 silent_ms;		/* 8  SILENCE: out, 0: it is not suspected */
	__u32 counted_ms;		/* 12 HUNG: in, of them it ran or idled so long */
};
VOS_ASSERT(sizeof(struct vos_silence) == 16);
VOS_ASSERT(__builtin_offsetof(struct vos_silence, counted_ms) == 12);

#define VOS_IOC_TYPE		0xbf

/*
 * Attaches the caller's network namespace to the network domain: its sockets
 * made from now on live there. 0 too if it is attached already; the
 * attachment outlives the domain and serves its successor.
 * EOPNOTSUPP: another namespace is attached. ENOTCONN: no network domain is
 * connected.
 */
#define VOS_IOC_NET_ATTACH	_IO(VOS_IOC_TYPE, 1)
/* The reverse; sockets made before stay what they are. ENOENT: not attached. */
#define VOS_IOC_NET_DETACH	_IO(VOS_IOC_TYPE, 2)
/* EINVAL: no such domain, or count. ENOTCONN: not connected. ENETDOWN: it failed meanwhile. */
#define VOS_IOC_NOOP		_IOWR(VOS_IOC_TYPE, 3, struct vos_noop)
/* ENOTCONN: not connected. */
#define VOS_IOC_SILENCE		_IOWR(VOS_IOC_TYPE, 4, struct vos_silence)
/* Gives the domain up. ENOTCONN: that connection is over; EAGAIN: it spoke meanwhile. */
#define VOS_IOC_HUNG		_IOW(VOS_IOC_TYPE, 5, struct vos_silence)
/* Addresses and routes are restored: sockets that could not do without are recovered now. */
#define VOS_IOC_NET_SETTLED	_IO(VOS_IOC_TYPE, 6)
/*
 * Argument: the id of a process. Until this file is closed its user lanes rest,
 * and the calls that they would carry go by trap, where the trace event
 * virtuos:virtuos_call shows them. For this program: one that it executes, or
 * a child, is none of it. ESRCH: no such process, or it has no memory. EBUSY:
 * this file has one already.
 */
#define VOS_IOC_TRACE		_IO(VOS_IOC_TYPE, 7)

#endif /* VIRTUOS_CONTROL_H */
