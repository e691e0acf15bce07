// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets that outlive their network domain.
 *
 * What was done to a socket that may be recovered is kept: how it was made,
 * by whom, and in order the successful calls that changed what it is. When a
 * new domain is connected, and before anybody else can use it, the same is
 * done there under a new handle, and then the proxy moves to it. A connected
 * stream is not recovered: its peer knows nothing of the new domain. Nor is
 * what was accepted, which is one.
 *
 * Until a proxy moves it is in a connection that has failed. So there is no
 * state of its own for the outage: calls find out that the connection is of
 * no use, and proxy_wait.c says what that means for which socket.
 *
 * What a socket needs may not be there yet when the domain connects: its NIC,
 * addresses, routes. Such sockets stay where they are and are tried again,
 * when the supervisor says that these are restored, and now and then, until
 * VOS_RECOVER_LIMIT. What fails for good is lost: an error for ever.
 *
 * Nor does the connection wait for all of them: how many there are, and how
 * much was done to each, is up to the processes. A pass ends after recover_ms;
 * what it has not got to goes on in the next one, while the domain serves. What
 * has an address comes first, so that a port is rarely taken by somebody else.
 *
 * Locks. vos_history.lock is held over a call that changes the socket and its
 * recording, over recovery, and by release, so that recovery finds either
 * all of a call or nothing of it, and never a socket that is gone. A call
 * holds it no longer than VOS_CALL_TIMEOUT; nobody waits for a domain with it.
 * The list of histories is under vos_histories_lock, which is innermost.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "proxy.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "virtuos."

/* The supervisor waits longer, also for a standby: 15 s. */
static unsigned int recover_ms = 5000;
module_param(recover_ms, uint, 0644);
MODULE_PARM_DESC(recover_ms, "sockets are recovered for so many milliseconds before others have their turn");

/* Changes kept of one socket, and bytes of their arguments; one with more is not recovered. */
#define VOS_MAX_CHANGES		64u
#define VOS_MAX_CHANGE_BYTES	65536u

/*
 * How long after the connection what is missing may come. The supervisor says
 * when it should be there; before that a route may exist that is not the
 * right one: one that the lease brought leads elsewhere with another address.
 * It says so within 10 s, lease or not. Without a supervisor it is tried after
 * a while, then again.
 */
#define VOS_RECOVER_LIMIT	(20 * HZ)
#define VOS_RECOVER_ALONE	(12 * HZ)
#define VOS_RECOVER_PAUSE	(HZ / 2)
/* How long one socket may take at a time, which is far more than it needs. */
#define VOS_RECOVER_ONE		(5 * HZ)

/* A call that changed the socket, as it is to be made again. */
struct vos_change {
	struct list_head node;		/* vos_history.changes */
	u8 op;				/* VOS_OP_* */
	u32 caps;			/* of who made it */
	int level;			/* SETSOCKOPT; LISTEN: backlog; SHUTDOWN: how */
	int name;			/* SETSOCKOPT */
	u32 length;
	u8 data[];			/* address or value */
};

struct vos_history {
	struct list_head node;		/* vos_histories; under vos_histories_lock */
	struct vos_proxy *proxy;
	u64 seen;			/* the last round that took it; under vos_histories_lock */
	struct mutex lock;
	struct list_head changes;	/* under lock, as all below */
	u32 count;
	u32 bytes;
	bool closed;			/* released: of no interest */
	bool lost;			/* not to be recovered; read with READ_ONCE */
	bool lacking;			/* what it lacked when it was tried may come */
	int protocol;			/* as asked for */
	u32 caps;
	struct vos_credential identity;
};

/* An object that holds a place in the new connection until its proxy takes it. */
struct vos_stand_in {
	struct vos_object object;
	struct rcu_head rcu;
};

static LIST_HEAD(vos_histories);
static DEFINE_SPINLOCK(vos_histories_lock);

/* One pass at a time; all below. */
static DEFINE_MUTEX(vos_recover_lock);
static u64 vos_recover_rounds;
static struct vos_connection *vos_recover_target;	/* sockets still want to go there */
static unsigned long vos_recover_retry;			/* jiffies; those that lack something */
static unsigned long vos_recover_deadline;		/* their last chance */

static void vos_recover_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(vos_recover_work, vos_recover_again);
/* Sockets have moved, or are lost. */
static DECLARE_WAIT_QUEUE_HEAD(vos_recovered);

/* ------------------------------------------------------------- history */

static void vos_history_destruct(struct sock *sk)
{
	struct vos_history *history = vos_proxy(sk)->history;
	struct vos_change *change, *next;

	if (!history)
		return;
	list_for_each_entry_safe(change, next, &history->changes, node)
		kfree(change);
	kfree(history);
}

int vos_proxy_history_begin(struct vos_proxy *proxy, int protocol)
{
	struct vos_history *history = kzalloc(sizeof(*history), GFP_KERNEL_ACCOUNT);

	if (!history)
		return -ENOBUFS;
	history->proxy = proxy;
	mutex_init(&history->lock);
	INIT_LIST_HEAD(&history->changes);
	history->protocol = protocol;
	history->caps = vos_current_caps(sock_net(&proxy->sk)->user_ns);
	vos_current_credential(&history->identity);
	proxy->history = history;
	proxy->sk.sk_destruct = vos_history_destruct;
	/* Recovery waits until it is made: vos_proxy_history_made(). */
	mutex_lock(&history->lock);
	spin_lock(&vos_histories_lock);
	list_add_tail(&history->node, &vos_histories);
	spin_unlock(&vos_histories_lock);
	return 0;
}

void vos_proxy_history_made(struct vos_proxy *proxy, bool made)
{
	proxy->history->closed = !made;
	mutex_unlock(&proxy->history->lock);
}

void vos_proxy_history_end(struct vos_proxy *proxy)
{
	struct vos_history *history = proxy->history;

	if (!history)
		return;
	/* Recovery that is at it comes to its end; a later one leaves it alone. */
	mutex_lock(&history->lock);
	history->closed = true;
	mutex_unlock(&history->lock);
	spin_lock(&vos_histories_lock);
	list_del_init(&history->node);
	spin_unlock(&vos_histories_lock);
}

void vos_proxy_change_begin(struct vos_proxy *proxy)
{
	if (proxy->history)
		mutex_lock(&proxy->history->lock);
}

void vos_proxy_change_end(struct vos_proxy *proxy)
{
	if (proxy->history)
		mutex_unlock(&proxy->history->lock);
}

static void vos_history_drop(struct vos_history *history, struct vos_change *change)
{
	list_del(&change->node);
	history->count--;
	history->bytes -= change->length;
	kfree(change);
}

/* Options that add to what is there, and what takes it away again; 0: other ones. */
static int vos_option_opposite(int level, int name)
{
	switch (level) {
	case SOL_IP:
		switch (name) {
		case IP_ADD_MEMBERSHIP:
			return IP_DROP_MEMBERSHIP;
		case IP_DROP_MEMBERSHIP:
			return IP_ADD_MEMBERSHIP;
		case IP_ADD_SOURCE_MEMBERSHIP:
			return IP_DROP_SOURCE_MEMBERSHIP;
		case IP_DROP_SOURCE_MEMBERSHIP:
			return IP_ADD_SOURCE_MEMBERSHIP;
		case IP_BLOCK_SOURCE:
			return IP_UNBLOCK_SOURCE;
		case IP_UNBLOCK_SOURCE:
			return IP_BLOCK_SOURCE;
		}
		fallthrough;
	case SOL_IPV6:
		if (level == SOL_IPV6 && name == IPV6_ADD_MEMBERSHIP)
			return IPV6_DROP_MEMBERSHIP;
		if (level == SOL_IPV6 && name == IPV6_DROP_MEMBERSHIP)
			return IPV6_ADD_MEMBERSHIP;
		switch (name) {
		case MCAST_JOIN_GROUP:
			return MCAST_LEAVE_GROUP;
		case MCAST_LEAVE_GROUP:
			return MCAST_JOIN_GROUP;
		case MCAST_JOIN_SOURCE_GROUP:
			return MCAST_LEAVE_SOURCE_GROUP;
		case MCAST_LEAVE_SOURCE_GROUP:
			return MCAST_JOIN_SOURCE_GROUP;
		case MCAST_BLOCK_SOURCE:
			return MCAST_UNBLOCK_SOURCE;
		case MCAST_UNBLOCK_SOURCE:
			return MCAST_BLOCK_SOURCE;
		}
		return 0;
	case SOL_NETLINK:
		if (name == NETLINK_ADD_MEMBERSHIP)
			return NETLINK_DROP_MEMBERSHIP;
		if (name == NETLINK_DROP_MEMBERSHIP)
			return NETLINK_ADD_MEMBERSHIP;
		return 0;
	}
	return 0;
}

static bool vos_change_is_option(const struct vos_change *change, int level, int name)
{
	return change->op == VOS_OP_SETSOCKOPT && change->level == level && change->name == name;
}

/*
 * An option that is set again makes its last value forgotten, unless the
 * socket was bound or listening in between: before that it may have to be what
 * it was then. True: there is nothing to keep.
 */
static bool vos_history_supersede(struct vos_history *history, const struct vos_change *fresh)
{
	int opposite = vos_option_opposite(fresh->level, fresh->name);
	struct vos_change *change, *before;

	list_for_each_entry_safe_reverse(change, before, &history->changes, node) {
		if (opposite) {
			if (vos_change_is_option(change, fresh->level, opposite) &&
			    change->length == fresh->length &&
			    !memcmp(change->data, fresh->data, fresh->length)) {
				vos_history_drop(history, change);
				return true;
			}
			continue;
		}
		if (change->op != VOS_OP_SETSOCKOPT)
			return false;
		if (vos_change_is_option(change, fresh->level, fresh->name)) {
			vos_history_drop(history, change);
			return false;
		}
	}
	return false;
}

/*
 * Of options that nothing separates any more only the last values are kept:
 * vos_history_supersede(), made up for.
 */
static void vos_history_join(struct vos_history *history)
{
	struct vos_change *change, *next;

	list_for_each_entry_safe(change, next, &history->changes, node) {
		struct vos_change *later = change;

		if (change->op != VOS_OP_SETSOCKOPT ||
		    vos_option_opposite(change->level, change->name))
			continue;
		list_for_each_entry_continue(later, &history->changes, node) {
			if (later->op != VOS_OP_SETSOCKOPT)
				break;
			if (vos_change_is_option(later, change->level, change->name)) {
				vos_history_drop(history, change);
				break;
			}
		}
	}
}

static void vos_history_drop_all(struct vos_history *history, u8 op)
{
	struct vos_change *change, *next;
	bool dropped = false;

	list_for_each_entry_safe(change, next, &history->changes, node) {
		if (change->op == op) {
			vos_history_drop(history, change);
			dropped = true;
		}
	}
	/* Else a socket that is connected again and again would never forget an option. */
	if (dropped)
		vos_history_join(history);
}

static void vos_history_append(struct vos_history *history, const struct vos_change *fresh,
			       const void *data)
{
	struct vos_change *change;

	if (history->count == VOS_MAX_CHANGES ||
	    history->bytes + fresh->length > VOS_MAX_CHANGE_BYTES) {
		WRITE_ONCE(history->lost, true);
		return;
	}
	change = kmalloc(struct_size(change, data, fresh->length), GFP_KERNEL_ACCOUNT);
	if (!change) {
		WRITE_ONCE(history->lost, true);
		return;
	}
	*change = *fresh;
	if (fresh->length)
		memcpy(change->data, data, fresh->length);
	if (change->op == VOS_OP_SETSOCKOPT && vos_history_supersede(history, change)) {
		kfree(change);
		return;
	}
	list_add_tail(&change->node, &history->changes);
	history->count++;
	history->bytes += change->length;
}

static bool vos_history_has(struct vos_history *history, u8 op)
{
	struct vos_change *change;

	list_for_each_entry(change, &history->changes, node)
		if (change->op == op)
			return true;
	return false;
}

void vos_proxy_changed(struct vos_proxy *proxy, u8 op, int level, int name, const void *data,
		       u32 length)
{
	struct vos_history *history = proxy->history;
	struct vos_change change = {
		.op = op, .level = level, .name = name, .length = length,
	};
	bool stream = vos_proxy_is_stream(proxy);

	if (!history || history->lost)
		return;
	lockdep_assert_held(&history->lock);
	change.caps = vos_current_caps(sock_net(&proxy->sk)->user_ns);
	switch (op) {
	case VOS_OP_LISTEN:
		vos_history_drop_all(history, VOS_OP_LISTEN);
		break;
	case VOS_OP_CONNECT:
		/* Disconnecting ends listening, too. */
		vos_history_drop_all(history, stream ? VOS_OP_LISTEN : VOS_OP_CONNECT);
		if (stream || ((const struct sockaddr *)data)->sa_family == AF_UNSPEC)
			return;
		break;
	case VOS_OP_SHUTDOWN:
		if (stream) {
			if (level != SHUT_WR)
				vos_history_drop_all(history, VOS_OP_LISTEN);
			return;
		}
		break;
	case VOS_OP_SETSOCKOPT:
		/* Of a connection, which has no future in another domain. */
		if (stream && READ_ONCE(proxy->state) == VOS_PROXY_CONNECTED)
			return;
		break;
	}
	vos_history_append(history, &change, data);
}

bool vos_proxy_knows_address(struct vos_proxy *proxy)
{
	return proxy->history && vos_history_has(proxy->history, VOS_OP_BIND);
}

bool vos_proxy_recoverable(const struct vos_proxy *proxy)
{
	if (!proxy->history || READ_ONCE(proxy->history->lost))
		return false;
	return !vos_proxy_is_stream(proxy) || READ_ONCE(proxy->state) != VOS_PROXY_CONNECTED;
}

struct vos_connection *vos_proxy_reach(struct vos_proxy *proxy, enum vos_proxy_use use)
{
	struct vos_connection *c = vos_object_connection(&proxy->object);
	long left;

	if (likely(vos_connection_usable(c)))
		return c;
	vos_connection_put(c);
	if (!vos_proxy_recoverable(proxy))
		return ERR_PTR(vos_proxy_failure(proxy, use));
	left = wait_event_interruptible_timeout(vos_recovered,
						vos_object_usable(&proxy->object) ||
						!vos_proxy_recoverable(proxy), VOS_NETWORK_WAIT);
	if (left < 0)
		return ERR_PTR(-ERESTARTSYS);
	c = vos_object_connection(&proxy->object);
	if (vos_connection_usable(c))
		return c;
	vos_connection_put(c);
	return ERR_PTR(-ENETDOWN);
}

/* -------------------------------------------------------------- replay */

static void vos_stand_in_ready(struct vos_object *object, __poll_t mask)
{
}

static int vos_replay_socket(const struct vos_history *history, struct vos_object *object)
{
	const struct vos_proxy *proxy = history->proxy;
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, object->connection, VOS_OP_SOCKET,
			     sizeof(struct vos_credential));
	if (err)
		return err;
	call.request.handle = object->handle;
	call.request.arg.socket.family = proxy->family;
	call.request.arg.socket.type = proxy->sk.sk_type;
	call.request.arg.socket.protocol = history->protocol;
	call.request.arg.socket.caps = history->caps;
	memcpy(call.data, &history->identity, sizeof(history->identity));
	err = vos_call_run(&call);
	if (!err)
		err = vos_proxy_result(object->connection, call.completion.res, 0);
	vos_call_end(&call);
	return err;
}

static int vos_replay_change(struct vos_object *object, const struct vos_change *change)
{
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, object->connection, change->op, change->length);
	if (err)
		return err;
	call.request.handle = object->handle;
	if (change->op == VOS_OP_SETSOCKOPT) {
		call.request.arg.option.level = change->level;
		call.request.arg.option.name = change->name;
		call.request.arg.option.caps = change->caps;
	} else {
		call.request.arg.plain.caps = change->caps;
		if (change->op == VOS_OP_LISTEN || change->op == VOS_OP_SHUTDOWN)
			call.request.arg.plain.word[0] = (u32)change->level;
	}
	if (change->length)
		memcpy(call.data, change->data, change->length);
	err = vos_call_run(&call);
	if (!err)
		err = vos_proxy_result(object->connection, call.completion.res, 0);
	vos_call_end(&call);
	return err;
}

static int vos_replay_freebind(const struct vos_proxy *proxy, struct vos_object *object, int value)
{
	DEFINE_RAW_FLEX(struct vos_change, change, data, sizeof(value));

	change->op = VOS_OP_SETSOCKOPT;
	change->level = proxy->family == AF_INET6 ? SOL_IPV6 : SOL_IP;
	change->name = proxy->family == AF_INET6 ? IPV6_FREEBIND : IP_FREEBIND;
	change->length = sizeof(value);
	memcpy(change->data, &value, sizeof(value));
	return vos_replay_change(object, change);
}

/* The value that the option had before the change; it is 0 in a new socket. */
static int vos_history_freebind(const struct vos_history *history, const struct vos_change *until)
{
	const struct vos_change *change;
	int value = 0;

	list_for_each_entry(change, &history->changes, node) {
		if (change == until)
			break;
		if (change->length >= sizeof(value) &&
		    (vos_change_is_option(change, SOL_IP, IP_FREEBIND) ||
		     vos_change_is_option(change, SOL_IPV6, IPV6_FREEBIND)))
			memcpy(&value, change->data, sizeof(value));
	}
	return value;
}

/* The address may come later than the socket: DHCP, or a program that sets it again. */
static int vos_replay_bind(const struct vos_history *history, struct vos_object *object,
			   const struct vos_change *change)
{
	const struct vos_proxy *proxy = history->proxy;
	bool inet = proxy->family == AF_INET || proxy->family == AF_INET6;
	int before, err, restored;

	before = inet ? vos_history_freebind(history, change) : 1;
	if (!before) {
		err = vos_replay_freebind(proxy, object, 1);
		if (err)
			return err;
	}
	err = vos_replay_change(object, change);
	if (!before) {
		restored = vos_replay_freebind(proxy, object, 0);
		err = err ?: restored;
	}
	return err;
}

static int vos_replay(const struct vos_history *history, struct vos_object *object)
{
	unsigned long until = jiffies + VOS_RECOVER_ONE;
	const struct vos_change *change;
	int err;

	err = vos_replay_socket(history, object);
	if (err)
		return err;
	list_for_each_entry(change, &history->changes, node) {
		err = -ETIME;
		if (time_after(jiffies, until))
			goto fail;
		if (change->op == VOS_OP_BIND)
			err = vos_replay_bind(history, object, change);
		else
			err = vos_replay_change(object, change);
		if (err)
			goto fail;
	}
	return 0;
fail:
	vos_call_simple(object->connection, VOS_OP_RELEASE, object->handle, 0, 0);
	return err;
}

/* ------------------------------------------------------------ recovery */

/* What a device, an address or a route would change, and both may still come; or time. */
static bool vos_recover_may_come(int err)
{
	switch (err) {
	case -ETIME:
	case -ENODEV:
	case -ENXIO:
	case -EADDRNOTAVAIL:
	case -ENETUNREACH:
	case -EHOSTUNREACH:
		return true;
	}
	return false;
}

static void vos_proxy_lose(struct vos_proxy *proxy, int err)
{
	WRITE_ONCE(proxy->history->lost, true);
	pr_notice_ratelimited("a socket of family %d, type %d could not be recovered: error %d\n",
			      proxy->family, proxy->sk.sk_type, -err);
	rcu_read_lock();
	local_bh_disable();
	vos_proxy_ready(&proxy->object, 0);
	local_bh_enable();
	rcu_read_unlock();
}

/* Under history->lock. 0: it has moved, or need not. */
static int vos_proxy_move(struct vos_proxy *proxy, struct vos_connection *c)
{
	struct vos_stand_in *stand_in;
	int err;

	stand_in = kzalloc(sizeof(*stand_in), GFP_KERNEL);
	if (!stand_in)
		return -ENOMEM;
	err = vos_object_add_again(&stand_in->object, c, &proxy->object, vos_stand_in_ready);
	if (err) {
		kfree(stand_in);
		return err;
	}
	err = vos_replay(proxy->history, &stand_in->object);
	if (err) {
		vos_object_remove(&stand_in->object);
		kfree_rcu(stand_in, rcu);
		return err;
	}
	if (READ_ONCE(proxy->state) == VOS_PROXY_CONNECTING) {
		/* It ended with the domain; who asks is told. */
		WRITE_ONCE(proxy->sk.sk_err, ENETDOWN);
		cmpxchg(&proxy->state, VOS_PROXY_CONNECTING, VOS_PROXY_IDLE);
	}
	vos_object_replace(&proxy->object, &stand_in->object);
	kfree_rcu(stand_in, rcu);
	vos_proxy_moved(proxy);
	return 0;
}

/* The next one that this round has not seen, with a reference of its sock. */
static struct vos_history *vos_history_next(u64 round)
{
	struct vos_history *history;

	spin_lock(&vos_histories_lock);
	history = list_first_entry_or_null(&vos_histories, struct vos_history, node);
	if (history && history->seen == round)
		history = NULL;
	if (history) {
		history->seen = round;
		/* What a pass does not get to is first in the next one. */
		list_move_tail(&history->node, &vos_histories);
		sock_hold(&history->proxy->sk);
	}
	spin_unlock(&vos_histories_lock);
	return history;
}

/* A pass over all sockets that are in a failed connection. */
struct vos_recovery {
	struct vos_connection *c;	/* where they go */
	unsigned long until;		/* jiffies; then no other one is begun */
	bool retry;			/* also those that lacked something */
	bool last_chance;		/* what they lack does not come any more */
	bool begun;			/* one at least */
	bool more;			/* it did not get to all of them */
	u32 moved;
	u32 later;			/* lack something */
	u32 lost;
};

/* Under history->lock. */
static void vos_recover_one(struct vos_recovery *r, struct vos_history *history)
{
	int err;

	if (history->lacking && !r->retry) {
		r->later++;
		return;
	}
	/* One is always made, so that it comes to an end. */
	if (r->begun && time_after(jiffies, r->until)) {
		r->more = true;
		return;
	}
	r->begun = true;
	err = vos_proxy_move(history->proxy, r->c);
	history->lacking = false;
	if (!err) {
		r->moved++;
	} else if (!vos_connection_usable(r->c)) {
		/* For the next domain. */
	} else if (vos_recover_may_come(err) && !r->last_chance) {
		history->lacking = true;
		r->later++;
	} else {
		vos_proxy_lose(history->proxy, err);
		r->lost++;
	}
}

/* Those that have an address, or the other ones. */
static void vos_recover_round(struct vos_recovery *r, bool bound)
{
	struct vos_history *history;

	spin_lock(&vos_histories_lock);
	vos_recover_rounds++;
	spin_unlock(&vos_histories_lock);
	while (!r->more && vos_connection_usable(r->c) &&
	       (history = vos_history_next(vos_recover_rounds))) {
		struct vos_proxy *proxy = history->proxy;

		/* Without the lock: a call may hold it for one that is served already. */
		if (!vos_object_usable(&proxy->object)) {
			mutex_lock(&history->lock);
			if (!history->closed && vos_proxy_recoverable(proxy) &&
			    !vos_object_usable(&proxy->object) &&
			    vos_history_has(history, VOS_OP_BIND) == bound)
				vos_recover_one(r, history);
			mutex_unlock(&history->lock);
		}
		sock_put(&proxy->sk);
		cond_resched();
	}
}

static void vos_recover_forget(void)
{
	if (vos_recover_target)
		vos_connection_put(vos_recover_target);
	vos_recover_target = NULL;
}

/* A pass. Who lacks something has another chance after the pause. */
static void vos_recover_run(unsigned long pause)
{
	struct vos_recovery r = {
		.c = vos_recover_target,
		.until = jiffies + msecs_to_jiffies(READ_ONCE(recover_ms)),
		.retry = time_after_eq(jiffies, vos_recover_retry),
		.last_chance = time_after(jiffies, vos_recover_deadline),
	};

	lockdep_assert_held(&vos_recover_lock);
	vos_recover_round(&r, true);
	vos_recover_round(&r, false);
	if (r.begun)
		pr_info("domain %u: %u sockets recovered, %u later, %u lost%s\n", r.c->domid,
			r.moved, r.later, r.lost, r.more ? ", more to come" : "");
	wake_up_all(&vos_recovered);
	if (r.retry)
		vos_recover_retry = jiffies + pause;
	if (r.more)
		mod_delayed_work(system_wq, &vos_recover_work, 0);
	else if (r.later)
		mod_delayed_work(system_wq, &vos_recover_work,
				 max((long)(vos_recover_retry - jiffies), 0l));
	else
		vos_recover_forget();
}

void vos_proxy_recover(struct vos_connection *c)
{
	mutex_lock(&vos_recover_lock);
	vos_recover_forget();
	vos_connection_hold(c);
	vos_recover_target = c;
	vos_recover_retry = jiffies;
	vos_recover_deadline = jiffies + VOS_RECOVER_LIMIT;
	vos_recover_run(VOS_RECOVER_ALONE);
	mutex_unlock(&vos_recover_lock);
}

static void vos_recover_again(struct work_struct *work)
{
	mutex_lock(&vos_recover_lock);
	if (vos_recover_target && vos_connection_usable(vos_recover_target))
		vos_recover_run(VOS_RECOVER_PAUSE);
	else
		vos_recover_forget();
	mutex_unlock(&vos_recover_lock);
}

void vos_proxy_recover_rest(void)
{
	mutex_lock(&vos_recover_lock);
	vos_recover_retry = jiffies;
	mutex_unlock(&vos_recover_lock);
	mod_delayed_work(system_wq, &vos_recover_work, 0);
	flush_delayed_work(&vos_recover_work);
}
