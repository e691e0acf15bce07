/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proxy sockets: sockets of the primary kernel whose protocol runs in the
 * network domain.
 *
 *   proxy_socket.c      creation, release, names, connecting, accepting
 *   proxy_wait.c        readiness: poll, wake-ups, blocking; failures as errnos
 *   proxy_message.c     sendmsg, recvmsg
 *   proxy_option.c      socket options
 *   proxy_ioctl.c       ioctls of sockets and interfaces
 *   proxy_credential.c  what the network domain is told about the caller
 *   proxy_recover.c     what makes a socket again in the next network domain
 *
 * An operation is tried over a kernel lane, which never waits for the network.
 * If it would block, the caller sleeps here for the readiness word and tries
 * again, so signals, timeouts and O_NONBLOCK are this kernel's own.
 */
#ifndef VIRTUOS_PROXY_H
#define VIRTUOS_PROXY_H

#include <net/sock.h>

#include "primary.h"

/*
 * sk_family of a proxy. Never AF_INET: code that sees AF_INET casts the sock
 * to its own kind. AF_ASH has no implementation anywhere; lockdep's and
 * /proc's tables know it.
 */
#define VOS_PROXY_FAMILY	AF_ASH

/* Payload of one call of a stream; longer sends and receives are several calls. */
#define VOS_STREAM_PIECE	(64u * 1024u)

/* How long socket() waits for the network domain to be (re)started. */
#define VOS_NETWORK_WAIT	(10 * HZ)

enum vos_proxy_state {
	VOS_PROXY_IDLE,
	VOS_PROXY_LISTENING,
	VOS_PROXY_CONNECTING,
	VOS_PROXY_CONNECTED,
};

struct vos_history;

struct vos_proxy {
	struct sock sk;			/* first, for sk_alloc() */
	struct vos_object object;	/* moves to another connection: vos_object_replace() */
	struct vos_history *history;	/* to recover it by; NULL: accepted, not recovered */
	u32 interest_flags;		/* VOS_INTEREST_* as last told to the domain */
	int family;			/* of the socket in the network domain */
	enum vos_proxy_state state;	/* as far as seen here; READ_ONCE/WRITE_ONCE */
	unsigned int failure_told;	/* the reset was reported; xchg */
	bool signals;			/* SIGIO or SIGURG may be wanted */
	u32 event_mask;			/* of the last wake-up; xchg */
	struct vos_proxy *spare;	/* handle for the next accept; xchg */
	struct list_head unread;	/* see vos_proxy_is_unread(); under sk_receive_queue.lock */
	struct sockaddr_storage peer;	/* of an accepted socket */
	int peer_len;
};

static inline struct vos_proxy *vos_proxy(const struct sock *sk)
{
	return container_of(sk, struct vos_proxy, sk);
}

static inline bool vos_proxy_is_stream(const struct vos_proxy *proxy)
{
	return proxy->sk.sk_type == SOCK_STREAM;
}

/* ------------------------------------------------------- proxy_wait.c */

/*
 * Where the socket can be while its domain is away: its mask, and as
 * vos_object_arm().
 */
__poll_t vos_proxy_mask(struct vos_proxy *proxy);
__poll_t vos_proxy_arm(struct vos_proxy *proxy);

/* How one operation waits, over all its rounds. */
struct vos_patience {
	__poll_t events;		/* what it waits for */
	bool exclusive;			/* one waiter takes it all: wake only one */
	long timeo;			/* jiffies left; 0: don't wait */
	unsigned int barren;		/* rounds that were ready and yet would block */
	bool waited;			/* has slept, or would have */
};

/*
 * Sleeps until the socket is ready; @beyond, if not NULL, also asks for a
 * publication after that one. 0: try again; -EAGAIN: no time left; a signal:
 * as sock_intr_errno().
 */
int vos_proxy_wait(struct vos_proxy *proxy, struct vos_patience *patience, const u32 *beyond);
/* A waiter took its share; wakes the next exclusive one if there is more. */
void vos_proxy_pass_on(struct vos_proxy *proxy, const struct vos_patience *patience,
		       __poll_t mask);
u32 vos_proxy_sequence(struct vos_proxy *proxy);
__poll_t vos_proxy_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait);
void vos_proxy_ready(struct vos_object *object, __poll_t mask);
/* A non-blocking connect has succeeded if data or readiness say so. */
void vos_proxy_established(struct vos_proxy *proxy);
/* It has failed, and the caller is being told. */
void vos_proxy_connect_failed(struct vos_proxy *proxy);

/* What an operation was about when the network domain was found gone. */
enum vos_proxy_use {
	VOS_USE_SEND,
	VOS_USE_RECEIVE,
	VOS_USE_ACCEPT,
	VOS_USE_PEER,
	VOS_USE_OTHER,
};

/*
 * The errno (or 0, end of file) of an operation whose network domain is gone.
 * -EAGAIN: wait, as if there were nothing to receive or accept.
 */
int vos_proxy_failure(struct vos_proxy *proxy, enum vos_proxy_use use);

/* An error of vos_call_begin() or vos_call_run() as the caller shall see it. */
static inline int vos_proxy_call_error(struct vos_proxy *proxy, int err, enum vos_proxy_use use)
{
	return err == -ENETDOWN ? vos_proxy_failure(proxy, use) : err;
}

/* A completion's result, trusted no further than 0..max and sane errnos. */
int vos_proxy_result(struct vos_connection *c, s64 res, u32 max);

/* An error to be reported by the next operation, if there is one. */
int vos_proxy_pending_error(struct vos_proxy *proxy);

/* ---------------------------------------------------- proxy_recover.c */

/*
 * Keeps what is needed to make the socket again. Begun when the object has its
 * handle, by who makes it, before it is made, and told then whether that
 * succeeded. -ENOBUFS. To be ended before the proxy goes.
 */
int vos_proxy_history_begin(struct vos_proxy *proxy, int protocol);
void vos_proxy_history_made(struct vos_proxy *proxy, bool made);
void vos_proxy_history_end(struct vos_proxy *proxy);

/*
 * Around a call that changes what the socket is, with vos_proxy_changed() when
 * it has succeeded. Recovery waits meanwhile, so never wait for it inside.
 */
void vos_proxy_change_begin(struct vos_proxy *proxy);
void vos_proxy_change_end(struct vos_proxy *proxy);
/* level: also a backlog or how to shut down. data: an address or a value. */
void vos_proxy_changed(struct vos_proxy *proxy, u8 op, int level, int name, const void *data,
		       u32 length);
/* Is there a BIND to be made again? */
bool vos_proxy_knows_address(struct vos_proxy *proxy);

/* Will it go on in the next network domain? */
bool vos_proxy_recoverable(const struct vos_proxy *proxy);
/*
 * The connected connection of the socket, referenced; its handle is
 * proxy->object.handle. While it is being recovered this waits, bounded and
 * interruptibly. An ERR_PTR: as vos_proxy_failure(), -ERESTARTSYS.
 */
struct vos_connection *vos_proxy_reach(struct vos_proxy *proxy, enum vos_proxy_use use);
/* Did a call end because its connection failed, so that it may be made in the next one? */
static inline bool vos_proxy_cut_short(int err, struct vos_connection *c)
{
	return err == -ENETDOWN && !vos_connection_usable(c);
}
/* Domains that may die under one call before it says ENETDOWN. */
#define VOS_PROXY_ATTEMPTS	5
/*
 * Ends an attempt that gave @err in @c, the reference to which it takes: is the
 * call to be made again? @attempts, 0 at first, counts.
 */
static inline bool vos_proxy_again(int err, struct vos_connection *c, int *attempts)
{
	bool again = vos_proxy_cut_short(err, c) && ++*attempts < VOS_PROXY_ATTEMPTS;

	vos_connection_put(c);
	return again;
}

/* In proxy_socket.c: it is in another connection now. Under history->lock. */
void vos_proxy_moved(struct vos_proxy *proxy);

/* --------------------------------------------- operations of proto_ops */

/*
 * The connected network domain, with a reference; waits for it. An ERR_PTR:
 * -ENETDOWN after VOS_NETWORK_WAIT, -ERESTARTSYS on a signal.
 */
struct vos_connection *vos_proxy_domain(void);

int vos_proxy_sendmsg(struct socket *sock, struct msghdr *msg, size_t size);
int vos_proxy_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags);
/*
 * Is there something of a stream that was received, and that the receiver's
 * bad pointer did not take? The next receive gives it; until then user lanes
 * may not receive.
 */
static inline bool vos_proxy_is_unread(const struct vos_proxy *proxy)
{
	return unlikely(!list_empty_careful(&proxy->unread));
}

/* How many bytes that is; forgets all of it. */
u32 vos_proxy_unread(struct vos_proxy *proxy);
void vos_proxy_drop_unread(struct vos_proxy *proxy);
int vos_proxy_setsockopt(struct socket *sock, int level, int name, sockptr_t value,
			 unsigned int length);
int vos_proxy_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
/* Bytes that SIOCINQ or SIOCOUTQ tells of, or -errno. */
int vos_proxy_queued(struct vos_proxy *proxy, unsigned int cmd);
int vos_proxy_gettstamp(struct socket *sock, void __user *user, bool timeval, bool time32);

#endif /* VIRTUOS_PROXY_H */
