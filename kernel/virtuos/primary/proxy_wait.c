// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readiness of proxy sockets: poll, wake-ups and blocking, and what a socket
 * answers once its network domain is gone.
 *
 * A READY event comes once for each arming. Whoever sleeps joins the wait
 * queue first and arms then; the event's handler arms again for those who stay
 * on the queue (epoll does, always). So a publication by the domain is either
 * seen in the word read after arming, or raises an event.
 */
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <net/sock.h>

#include "../common/barrier.h"
#include "proxy.h"

/* Rounds that were ready and yet would block, before the caller is slowed down. */
#define VOS_BARREN_ROUNDS	8
/* How long it then sleeps at most. */
#define VOS_BARREN_PAUSE	msecs_to_jiffies(10)

struct vos_waiter {
	struct wait_queue_entry entry;
	__poll_t events;
};

void vos_proxy_connect_failed(struct vos_proxy *proxy)
{
	if (cmpxchg(&proxy->state, VOS_PROXY_CONNECTING, VOS_PROXY_IDLE) == VOS_PROXY_CONNECTING)
		/* poll's copy of the error just told. */
		xchg(&proxy->sk.sk_err, 0);
}

u32 vos_proxy_sequence(struct vos_proxy *proxy)
{
	return vos_object_sequence(&proxy->object);
}

void vos_proxy_established(struct vos_proxy *proxy)
{
	/* Only from connecting, so that a disconnect meanwhile stands. */
	if (unlikely(READ_ONCE(proxy->state) == VOS_PROXY_CONNECTING))
		cmpxchg(&proxy->state, VOS_PROXY_CONNECTING, VOS_PROXY_CONNECTED);
}

/* -------------------------------------------------------------- outage */

/* What a socket can do while there is no domain for it. */
static __poll_t vos_proxy_outage_mask(struct vos_proxy *proxy)
{
	enum vos_proxy_state state = READ_ONCE(proxy->state);

	if (!vos_proxy_recoverable(proxy))
		return VOS_MASK_OVER;
	/* Sending does not wait: it is told that there is no network. */
	if (!vos_proxy_is_stream(proxy))
		return EPOLLOUT | EPOLLWRNORM;
	switch (state) {
	case VOS_PROXY_LISTENING:
		return 0;
	case VOS_PROXY_IDLE:
		return EPOLLOUT | EPOLLWRNORM | EPOLLHUP;
	default:
		return VOS_MASK_OVER;
	}
}

__poll_t vos_proxy_mask(struct vos_proxy *proxy)
{
	if (unlikely(!vos_object_usable(&proxy->object)))
		return vos_proxy_outage_mask(proxy);
	return vos_object_mask(&proxy->object);
}

static __poll_t vos_proxy_unread_mask(struct vos_proxy *proxy)
{
	return vos_proxy_is_unread(proxy) ? EPOLLIN | EPOLLRDNORM : 0;
}

__poll_t vos_proxy_arm(struct vos_proxy *proxy)
{
	__poll_t mask = vos_object_arm(&proxy->object);

	if (unlikely(!vos_object_usable(&proxy->object)))
		return vos_proxy_outage_mask(proxy);
	return mask;
}

/* The connection has just failed. */
static void vos_proxy_outage(struct vos_proxy *proxy)
{
	__poll_t last = vos_object_last_mask(&proxy->object);

	/* Connected, though nobody here has asked since. */
	if ((last & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == EPOLLOUT)
		vos_proxy_established(proxy);
	/* Whatever it was about to be told, an answer or news, is lost. */
	if (proxy->family == AF_NETLINK && vos_proxy_recoverable(proxy))
		WRITE_ONCE(proxy->sk.sk_err, ENOBUFS);
}

/* ------------------------------------------------------------ wake-ups */

/* Under RCU. */
static void vos_proxy_deliver(struct vos_proxy *proxy, __poll_t mask)
{
	struct sock *sk = &proxy->sk;
	struct socket_wq *wq = rcu_dereference(sk->sk_wq);
	__poll_t fresh;

	fresh = mask & ~(__force __poll_t)xchg(&proxy->event_mask, (__force u32)mask);
	if ((mask & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == EPOLLOUT)
		vos_proxy_established(proxy);
	if (skwq_has_sleeper(wq)) {
		/* What ends the socket is everybody's; what is readable is one's. */
		if (mask & (EPOLLERR | EPOLLHUP))
			__wake_up(&wq->wait, TASK_INTERRUPTIBLE, 0, poll_to_key(mask));
		else
			wake_up_interruptible_poll(&wq->wait, mask);
	}
	if (likely(!READ_ONCE(proxy->signals)))
		return;
	if (mask & (EPOLLIN | EPOLLERR | EPOLLHUP))
		sk_wake_async(sk, SOCK_WAKE_IO, POLL_IN);
	if (fresh & EPOLLOUT)
		sk_wake_async(sk, SOCK_WAKE_IO, POLL_OUT);
	if (fresh & EPOLLPRI) {
		/* The lock keeps the file that owns the signal. */
		read_lock_bh(&sk->sk_callback_lock);
		sk_send_sigurg(sk);
		read_unlock_bh(&sk->sk_callback_lock);
	}
}

void vos_proxy_ready(struct vos_object *object, __poll_t mask)
{
	struct vos_proxy *proxy = container_of(object, struct vos_proxy, object);
	u32 sequence = vos_proxy_sequence(proxy);

	if (unlikely(!vos_object_usable(object))) {
		vos_proxy_outage(proxy);
		mask = vos_proxy_outage_mask(proxy);
		if (READ_ONCE(proxy->sk.sk_err))
			mask |= EPOLLERR;
		vos_proxy_deliver(proxy, mask);
		return;
	}
	vos_proxy_deliver(proxy, mask | vos_object_mask(object));
	if (!skwq_has_sleeper(rcu_dereference(proxy->sk.sk_wq)) && !READ_ONCE(proxy->signals))
		return;
	/* A publication between the event and this arming is delivered here. */
	mask = vos_object_arm(object);
	if (vos_proxy_sequence(proxy) != sequence)
		vos_proxy_deliver(proxy, mask);
}

void vos_proxy_pass_on(struct vos_proxy *proxy, const struct vos_patience *patience,
		       __poll_t mask)
{
	struct wait_queue_head *head = sk_sleep(&proxy->sk);

	/* Two arrivals may have been one event, which woke only us. */
	if (patience->waited && (mask & EPOLLIN) && wq_has_sleeper(head))
		wake_up_interruptible_poll(head, EPOLLIN | EPOLLRDNORM);
}

/* ------------------------------------------------------------ blocking */

static int vos_waiter_wake(struct wait_queue_entry *entry, unsigned int mode, int sync, void *key)
{
	struct vos_waiter *waiter = container_of(entry, struct vos_waiter, entry);

	if (key && !(key_to_poll(key) & (waiter->events | EPOLLERR | EPOLLHUP)))
		return 0;
	return autoremove_wake_function(entry, mode, sync, key);
}

static bool vos_proxy_is_ready(struct vos_proxy *proxy, __poll_t events, __poll_t mask,
			       const u32 *beyond)
{
	/* EPOLLERR alone may be a full error queue, which ends no wait. */
	if ((mask & EPOLLERR) && vos_object_error(&proxy->object))
		return true;
	if (READ_ONCE(proxy->sk.sk_err) && !vos_proxy_is_stream(proxy))
		return true;
	if (!(mask & (events | EPOLLHUP)))
		return false;
	return !beyond || (mask & (EPOLLHUP | EPOLLRDHUP)) || vos_proxy_sequence(proxy) != *beyond;
}

int vos_proxy_wait(struct vos_proxy *proxy, struct vos_patience *patience, const u32 *beyond)
{
	struct wait_queue_head *head = sk_sleep(&proxy->sk);
	struct vos_waiter waiter = { .events = patience->events };
	long pause = patience->timeo;
	__poll_t mask;
	bool ready;

	if (!patience->timeo)
		return -EAGAIN;
	if (signal_pending(current))
		return sock_intr_errno(patience->timeo);

	init_wait(&waiter.entry);
	waiter.entry.func = vos_waiter_wake;
	if (patience->exclusive)
		prepare_to_wait_exclusive(head, &waiter.entry, TASK_INTERRUPTIBLE);
	else
		prepare_to_wait(head, &waiter.entry, TASK_INTERRUPTIBLE);
	mask = vos_proxy_arm(proxy);
	ready = vos_proxy_is_ready(proxy, patience->events, mask, beyond);
	/* A domain that says ready and then would block must not spin us. */
	if (ready && ++patience->barren > VOS_BARREN_ROUNDS) {
		pause = min_t(long, pause, VOS_BARREN_PAUSE);
		ready = false;
	}
	if (!ready) {
		long left = schedule_timeout(pause);

		if (patience->timeo != MAX_SCHEDULE_TIMEOUT)
			patience->timeo -= pause - left;
	}
	finish_wait(head, &waiter.entry);
	patience->waited = true;
	/* What came of losing the domain. Of a stream the next operation tells. */
	if (!vos_proxy_is_stream(proxy) && READ_ONCE(proxy->sk.sk_err))
		return vos_proxy_pending_error(proxy);
	/* A signal counts once there is still nothing: when this is called again. */
	return 0;
}

/* ---------------------------------------------------------------- poll */

__poll_t vos_proxy_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait)
{
	struct sock *sk = sock->sk;
	struct vos_proxy *proxy = vos_proxy(sk);
	__poll_t mask;

	sock_poll_wait(file, sock, wait);
	/* Who doesn't wait is on the queue already, and armed, or looks once. */
	if (poll_does_not_wait(wait))
		mask = vos_proxy_mask(proxy);
	else
		mask = vos_proxy_arm(proxy);

	if (READ_ONCE(proxy->state) == VOS_PROXY_CONNECTING) {
		if ((mask & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == EPOLLOUT)
			vos_proxy_established(proxy);
		/* io_uring asks sk_err how its connect ended. */
		else if (mask & EPOLLERR)
			WRITE_ONCE(sk->sk_err, vos_object_error(&proxy->object));
	}
	if (unlikely(READ_ONCE(proxy->failure_told)) && !vos_object_usable(&proxy->object))
		mask &= ~EPOLLERR;
	if (READ_ONCE(sk->sk_err))
		mask |= EPOLLERR;
	return mask | vos_proxy_unread_mask(proxy);
}

/* ------------------------------------------------------------ failures */

int vos_proxy_failure(struct vos_proxy *proxy, enum vos_proxy_use use)
{
	if (READ_ONCE(proxy->state) != VOS_PROXY_CONNECTED || !vos_proxy_is_stream(proxy)) {
		/* Something may come after recovery. */
		if (vos_proxy_recoverable(proxy) &&
		    ((use == VOS_USE_RECEIVE && !vos_proxy_is_stream(proxy)) ||
		     (use == VOS_USE_ACCEPT && READ_ONCE(proxy->state) == VOS_PROXY_LISTENING)))
			return -EAGAIN;
		return -ENETDOWN;
	}
	/* An established connection is as if its peer had sent a reset. */
	switch (use) {
	case VOS_USE_SEND:
		return xchg(&proxy->failure_told, 1) ? -EPIPE : -ECONNRESET;
	case VOS_USE_RECEIVE:
		return xchg(&proxy->failure_told, 1) ? 0 : -ECONNRESET;
	case VOS_USE_PEER:
		return -ENOTCONN;
	case VOS_USE_ACCEPT:
	case VOS_USE_OTHER:
		break;
	}
	return -ENETDOWN;
}

int vos_proxy_pending_error(struct vos_proxy *proxy)
{
	/* While connecting it is a copy of what the domain will say itself. */
	if (likely(!READ_ONCE(proxy->sk.sk_err)) ||
	    READ_ONCE(proxy->state) == VOS_PROXY_CONNECTING)
		return 0;
	return sock_error(&proxy->sk);
}

int vos_proxy_result(struct vos_connection *c, s64 res, u32 max)
{
	if (res >= 0) {
		if (likely(res <= max))
			return res;
		vos_count(c, VOS_COUNT_REJECTED);
		return max;
	}
	/* From 512 on they mean something to this kernel only. */
	if (likely(res > -ERESTARTSYS))
		return res;
	switch (res) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return -EINTR;
	case -ENOIOCTLCMD:
		return -ENOTTY;
	case -ENOTSUPP:
		return -EOPNOTSUPP;
	}
	vos_count(c, VOS_COUNT_REJECTED);
	return -EIO;
}
