// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls over the kernel lanes.
 *
 * Many tasks share a lane: the producer side is under lane->lock, and each
 * waits for its own entry. A service domain never makes a call wait for the
 * outside world, so a call that is not answered within call->timeout means
 * that the domain has failed.
 *
 * The entries of a lane are used in turn, so one slow operation holds up the
 * lane once all others have been used. Calls that wait for a disk or for a
 * daemon have lanes of their own, and take the emptiest.
 *
 * A call from the heap may be abandoned by a caller that is killed: it stays
 * in its entry and keeps its piece of the arena, which the service may still
 * write to, until the completion comes or the connection fails.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/bitmap.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <xen/events.h>

#include "primary.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "virtuos."

/* About the cost of going to sleep and being woken. */
static unsigned int kernel_spin_us = 100;
module_param(kernel_spin_us, uint, 0644);
MODULE_PARM_DESC(kernel_spin_us, "spinning for a completion before sleeping, in microseconds");

/*
 * An operation that takes little longer than that costs twice as much if it is
 * slept for: so this long, if its kind is usually over by then, and as long as
 * nobody else is ready to run here.
 */
static unsigned int kernel_spin_max_us = 600;
module_param(kernel_spin_max_us, uint, 0644);
MODULE_PARM_DESC(kernel_spin_max_us, "the same for operations that usually end within it");

/* The weight of one call in the average of its kind. */
#define VOS_TOOK_SHARE		8

/* ------------------------------------------------------------- doorbell */

void vos_poller_doorbell(struct vos_connection *c, u32 poller)
{
	const struct vos_poller_status *status = c->region[VOS_REGION_STATUS].address;
	int irq;

	/* Pairs with the barrier in vos_poller_sleep(). */
	vos_full_barrier();
	if (!vos_load(&status[poller].sleeping))
		return;
	vos_count(c, VOS_COUNT_DOORBELLS);
	/* The channel is unbound a grace period after irq became 0. */
	rcu_read_lock();
	irq = READ_ONCE(c->link[poller].irq);
	if (irq)
		notify_remote_via_irq(irq);
	rcu_read_unlock();
}

/* ---------------------------------------------------------------- arena */

static bool vos_arena_take(struct vos_call *call, u32 pages)
{
	struct vos_connection *c = call->connection;
	unsigned long first, flags;

	spin_lock_irqsave(&c->arena_lock, flags);
	first = bitmap_find_next_zero_area(c->arena_map, VOS_KERNEL_ARENA_PAGES, 0, pages, 0);
	if (first < VOS_KERNEL_ARENA_PAGES)
		bitmap_set(c->arena_map, first, pages);
	spin_unlock_irqrestore(&c->arena_lock, flags);
	if (first >= VOS_KERNEL_ARENA_PAGES)
		return false;
	call->first_page = first;
	call->data = c->region[VOS_REGION_ARENA].address + first * PAGE_SIZE;
	return true;
}

/* Operations of a storage domain that wait for its disk or its daemon. */
static bool vos_op_lingers(const struct vos_request *request)
{
	switch (request->op) {
	case VOS_OP_PWRITE:
		return request->arg.file.flags & (VOS_FILE_DSYNC | VOS_FILE_SYNC | VOS_FILE_DIRECT);
	case VOS_OP_SYNC:
	case VOS_OP_RELEASE:
	case VOS_OP_FILE_ALLOCATE:
	case VOS_OP_FILE_COPY:
	case VOS_OP_FILE_DRAIN:
	case VOS_OP_FUSE:
	case VOS_OP_SESSION_CLOSE:
		return true;
	default:
		return false;
	}
}

/* Any operation on a file may find the disk busy; the others never wait. */
static unsigned long vos_op_timeout(const struct vos_connection *c, u8 op)
{
	if (c->kind != VOS_DOMAIN_STORAGE)
		return VOS_CALL_TIMEOUT;
	switch (op) {
	case VOS_OP_NOP:
	case VOS_OP_SESSION_OPEN:
	case VOS_OP_SESSION_EXTEND:
	case VOS_OP_SESSION_KICK:
		return VOS_CALL_TIMEOUT;
	default:
		return VOS_CALL_DISK_TIMEOUT;
	}
}

/**
 * vos_call_begin() - prepares a call
 * @call: on the caller's stack, or of vos_call_new()
 * @c: a connection; the call takes a reference
 * @op: VOS_OP_*
 * @bytes: arena bytes to reserve, at most VOS_MAX_CALL_BYTES; 0 for none
 *
 * Return: 0; -ENETDOWN, -EINTR (killed while waiting for arena space),
 * -EMSGSIZE. On error there is nothing to end.
 */
int vos_call_begin(struct vos_call *call, struct vos_connection *c, u8 op, u32 bytes)
{
	u32 pages = DIV_ROUND_UP(bytes, PAGE_SIZE);
	int err;

	if (bytes > VOS_MAX_CALL_BYTES)
		return -EMSGSIZE;
	memset(call, 0, sizeof(*call));
	call->connection = c;
	call->request.op = op;
	call->request.fd = -1;
	call->request.len = bytes;
	call->bytes = bytes;
	call->timeout = vos_op_timeout(c, op);
	if (pages) {
		err = wait_event_killable(c->arena_space, !vos_connection_usable(c) ||
					  vos_arena_take(call, pages));
		if (err)
			return -EINTR;
		if (!call->data)
			return -ENETDOWN;
		call->request.arg.plain.data = call->first_page * PAGE_SIZE;
	}
	vos_connection_hold(c);
	return 0;
}

void vos_call_end(struct vos_call *call)
{
	struct vos_connection *c = call->connection;
	unsigned long flags;

	if (call->data) {
		spin_lock_irqsave(&c->arena_lock, flags);
		bitmap_clear(c->arena_map, call->first_page,
			     DIV_ROUND_UP(call->bytes, PAGE_SIZE));
		spin_unlock_irqrestore(&c->arena_lock, flags);
		wake_up(&c->arena_space);
	}
	vos_connection_put(c);
}

/* ---------------------------------------------------------------- lanes */

/* Publishes the request if the lane's next entry is free. */
static bool vos_lane_submit(struct vos_kernel_lane *lane, struct vos_call *call)
{
	unsigned long flags;
	bool free;

	spin_lock_irqsave(&lane->lock, flags);
	free = !lane->call[lane->position.entry] && vos_connection_usable(call->connection);
	if (free) {
		call->lane = lane;
		call->entry = lane->position.entry;
		call->turn = lane->position.turn;
		lane->call[call->entry] = call;
		lane->outstanding++;
		lane->submitted++;
		vos_lane_publish(&lane->c->request[call->entry], &call->request, call->turn);
		vos_lane_advance(&lane->position, VOS_KERNEL_LANE_DEPTH);
	}
	spin_unlock_irqrestore(&lane->lock, flags);
	return free;
}

/* This CPU's lane, else any of these: an entry may be held up by a slow operation. */
static bool vos_call_submit_near(struct vos_call *call, u32 lanes)
{
	struct vos_connection *c = call->connection;
	u32 first = raw_smp_processor_id() % lanes;
	u32 i;

	for (i = 0; i < lanes; i++) {
		if (vos_lane_submit(&c->lane[(first + i) % lanes], call))
			return true;
	}
	return false;
}

/* The emptiest of the lanes for slow operations, else any of them. */
static bool vos_call_submit_apart(struct vos_call *call)
{
	struct vos_connection *c = call->connection;
	u32 best = c->quick_lanes;
	u32 i;

	for (i = best + 1; i < c->lanes; i++) {
		if (READ_ONCE(c->lane[i].outstanding) < READ_ONCE(c->lane[best].outstanding))
			best = i;
	}
	if (vos_lane_submit(&c->lane[best], call))
		return true;
	for (i = c->quick_lanes; i < c->lanes; i++) {
		if (vos_lane_submit(&c->lane[i], call))
			return true;
	}
	return false;
}

static bool vos_call_submit(struct vos_call *call)
{
	struct vos_connection *c = call->connection;

	if (c->quick_lanes < c->lanes && vos_op_lingers(&call->request))
		return vos_call_submit_apart(call);
	return vos_call_submit_near(call, c->quick_lanes);
}

static bool vos_call_completed(struct vos_call *call)
{
	return vos_lane_completed(&call->lane->s->completion[call->entry], call->turn);
}

/* Takes the completion, if it is there, and frees the entry. Under lane->lock. */
static bool vos_call_take(struct vos_call *call)
{
	struct vos_kernel_lane *lane = call->lane;

	if (call->done)
		return true;
	if (!vos_call_completed(call))
		return false;
	vos_lane_copy_completion(&call->completion, &lane->s->completion[call->entry]);
	lane->call[call->entry] = NULL;
	lane->outstanding--;
	atomic_inc(&call->connection->entries_freed);
	call->done = true;
	return true;
}

static bool vos_call_finished(struct vos_call *call)
{
	struct vos_kernel_lane *lane = call->lane;
	unsigned long flags;
	bool done;

	spin_lock_irqsave(&lane->lock, flags);
	done = vos_call_take(call);
	spin_unlock_irqrestore(&lane->lock, flags);
	return done;
}

/* How long a call is worth spinning for, in ns: at most about twice what its kind takes. */
static u64 vos_call_patience(const struct vos_call *call)
{
	u64 least = (u64)READ_ONCE(kernel_spin_us) * NSEC_PER_USEC;
	u64 most = (u64)READ_ONCE(kernel_spin_max_us) * NSEC_PER_USEC;
	u64 took = READ_ONCE(call->connection->took_ns[call->request.op]);

	return took > most ? least : max(least, min(2 * took, most));
}

/*
 * Who slept counts the time to wake up as well. A call that took longer counts
 * as 1 ms: a kind that becomes quick is soon worth spinning for again.
 */
static void vos_call_took(struct vos_call *call, u64 ns)
{
	u32 *average = &call->connection->took_ns[call->request.op];
	s64 took = READ_ONCE(*average);

	took += ((s64)min_t(u64, ns, NSEC_PER_MSEC) - took) / VOS_TOOK_SHARE;
	WRITE_ONCE(*average, took);
}

/* Spinning is only worth it while nothing else wants this CPU. */
static bool vos_call_spin(struct vos_call *call, u64 begin)
{
	u64 alone = begin + (u64)READ_ONCE(kernel_spin_us) * NSEC_PER_USEC;
	u64 end = begin + vos_call_patience(call);
	u64 now;

	do {
		if (vos_call_completed(call))
			return vos_call_finished(call);
		if (need_resched() || !vos_connection_usable(call->connection))
			return false;
		cpu_relax();
		now = local_clock();
		if (now >= alone && !single_task_running())
			return false;
	} while (now < end);
	return false;
}

/* True: done. False: the time is over, or (killable) the caller is killed. */
static bool vos_call_sleep(struct vos_call *call, unsigned long *timeout, bool killable)
{
	struct vos_kernel_lane *lane = call->lane;
	unsigned long flags;
	bool done;

	vos_liveness_await(call->connection);
	spin_lock_irqsave(&lane->lock, flags);
	call->waiter = current;
	lane->sleepers++;
	for (;;) {
		set_current_state(killable ? TASK_KILLABLE : TASK_UNINTERRUPTIBLE);
		/* One WAKE wakes the lane's finished calls; each arms for its own. */
		vos_lane_arm(&lane->c->control, ++lane->arm);
		if (vos_call_take(call) || !*timeout ||
		    (killable && fatal_signal_pending(current)))
			break;
		spin_unlock_irqrestore(&lane->lock, flags);
		*timeout = schedule_timeout(*timeout);
		spin_lock_irqsave(&lane->lock, flags);
	}
	__set_current_state(TASK_RUNNING);
	lane->sleepers--;
	call->waiter = NULL;
	done = call->done;
	spin_unlock_irqrestore(&lane->lock, flags);
	vos_liveness_answered(call->connection);
	return done;
}

/* Where those wait that can use the entries of a lane. */
static wait_queue_head_t *vos_lane_space(struct vos_connection *c, u32 lane)
{
	return &c->lane_space[lane >= c->quick_lanes];
}

/* An entry of the call's lane was freed under lane->lock, waiters look there. */
static void vos_call_freed(struct vos_call *call)
{
	wait_queue_head_t *space = vos_lane_space(call->connection, call->lane->index);

	if (wq_has_sleeper(space))
		wake_up(space);
}

/*
 * Waits for an entry. Thousands may want one at the same time, when as many
 * processes end: they are woken one after the other. Since the entries of a
 * lane are used in turn, one that is freed may make room for many, so whoever
 * leaves wakes the next. The domain has failed if no call at all is completed
 * for the time that one may take. 0, -ENETDOWN or -EINTR.
 */
static int vos_call_await_entry(struct vos_call *call, bool killable)
{
	struct vos_connection *c = call->connection;
	bool apart = c->quick_lanes < c->lanes && vos_op_lingers(&call->request);
	wait_queue_head_t *space = vos_lane_space(c, apart ? c->quick_lanes : 0);
	int freed = atomic_read(&c->entries_freed);
	unsigned long left = call->timeout;
	DEFINE_WAIT(wait);
	int err = 0;

	for (;;) {
		prepare_to_wait_exclusive(space, &wait,
					  killable ? TASK_KILLABLE : TASK_UNINTERRUPTIBLE);
		if (vos_call_submit(call))
			break;
		err = -ENETDOWN;
		if (!vos_connection_usable(c))
			break;
		if (!left && atomic_read(&c->entries_freed) == freed)
			break;
		err = -EINTR;
		if (killable && fatal_signal_pending(current))
			break;
		err = 0;
		if (!left) {
			freed = atomic_read(&c->entries_freed);
			left = call->timeout;
		}
		left = schedule_timeout(left);
	}
	finish_wait(space, &wait);
	wake_up(space);
	if (err == -ENETDOWN)
		vos_connection_fail(c, "no entry of %u lanes became free in %lu s", c->lanes,
				    call->timeout / HZ);
	return err;
}

/* Publishes the call; waits for an entry if need be. 0, -ENETDOWN or -EINTR. */
static int vos_call_publish(struct vos_call *call, bool killable)
{
	struct vos_connection *c = call->connection;
	int err;

	if (!vos_call_submit(call)) {
		err = vos_call_await_entry(call, killable);
		if (err)
			return err;
	}
	vos_poller_doorbell(c, call->lane->index % c->pollers);
	return 0;
}

static int vos_call_carry(struct vos_call *call, unsigned int how)
{
	struct vos_connection *c = call->connection;
	unsigned long timeout = call->timeout;
	bool killable = how & VOS_WAIT_KILLABLE;
	u64 begin;
	int err;

	might_sleep();
	vos_count(c, VOS_COUNT_KERNEL_CALLS);
	err = vos_call_publish(call, killable);
	if (err)
		return err;
	begin = local_clock();
	if (vos_call_spin(call, begin)) {
		vos_count(c, VOS_COUNT_KERNEL_SPINS);
	} else {
		vos_count(c, VOS_COUNT_KERNEL_SLEEPS);
		if (!vos_call_sleep(call, &timeout, killable)) {
			if (timeout)
				return -EINTR;
			if (how & VOS_WAIT_FORGIVING)
				return -ETIMEDOUT;
			vos_connection_fail(c, "operation %u not answered in %lu s",
					    call->request.op, call->timeout / HZ);
			/* Failing the connection ends every outstanding call. */
			timeout = VOS_CALL_TIMEOUT;
			if (WARN_ON(!vos_call_sleep(call, &timeout, false)))
				return -ENETDOWN;
		}
	}
	vos_call_freed(call);
	vos_call_took(call, local_clock() - begin);
	return call->completion.turn == call->turn ? 0 : -ENETDOWN;
}

/**
 * vos_call_wait() - makes the call and waits for its completion
 * @call: begun, request filled in
 * @how: VOS_WAIT_*, only for a call of vos_call_new()
 *
 * Return: 0 with the copied completion; -ENETDOWN; -EINTR: killed
 * (VOS_WAIT_KILLABLE); -ETIMEDOUT: not answered (VOS_WAIT_FORGIVING).
 */
int vos_call_wait(struct vos_call *call, unsigned int how)
{
	u64 begin = trace_virtuos_call_enabled() ? local_clock() : 0;
	int err = vos_call_carry(call, how);

	if (begin)
		trace_virtuos_call(call, err, local_clock() - begin);
	return err;
}

int vos_call_run(struct vos_call *call)
{
	return vos_call_wait(call, 0);
}

/* ------------------------------------------------ calls from the heap */

struct vos_call *vos_call_new(struct vos_connection *c, u8 op, u32 bytes)
{
	struct vos_call *call = kmalloc(sizeof(*call), GFP_NOFS);
	int err;

	if (!call)
		return ERR_PTR(-ENOMEM);
	err = vos_call_begin(call, c, op, bytes);
	if (err) {
		kfree(call);
		return ERR_PTR(err);
	}
	return call;
}

/* Leaves an outstanding call to whoever sees its completion. Under lane->lock. */
static bool vos_call_abandon(struct vos_call *call)
{
	struct vos_kernel_lane *lane = call->lane;

	if (call->done)
		return false;
	/* Like a sleeper: the lane stays armed, and WAKE finds it. */
	lane->sleepers++;
	vos_lane_arm(&lane->c->control, ++lane->arm);
	if (vos_call_take(call)) {
		lane->sleepers--;
		return false;
	}
	call->abandoned = true;
	return true;
}

void vos_call_free(struct vos_call *call)
{
	struct vos_kernel_lane *lane = call->lane;
	unsigned long flags;
	bool abandoned;

	/* done does not change any more once it is set. */
	if (lane && !READ_ONCE(call->done)) {
		spin_lock_irqsave(&lane->lock, flags);
		abandoned = vos_call_abandon(call);
		spin_unlock_irqrestore(&lane->lock, flags);
		if (abandoned)
			return;
		vos_call_freed(call);
	}
	vos_call_end(call);
	kfree(call);
}

/* Chains a finished call that nobody waits for. Under lane->lock. */
static void vos_call_reap(struct vos_call *call, struct vos_call **finished)
{
	call->lane->sleepers--;
	call->next = *finished;
	*finished = call;
}

static void vos_call_discard(struct vos_call *finished)
{
	while (finished) {
		struct vos_call *call = finished;

		finished = call->next;
		/* The call's reference of the connection is still there. */
		vos_call_freed(call);
		vos_call_end(call);
		kfree(call);
	}
}

int vos_call_error(struct vos_connection *c, s64 res)
{
	/* From 512 on they are the kernel's own. */
	if (likely(res < 0 && res > -ERESTARTSYS))
		return res;
	vos_count(c, VOS_COUNT_REJECTED);
	return -EIO;
}

/**
 * vos_call_simple() - a call without data
 * @c: the connection
 * @op: VOS_OP_*
 * @handle: the object, or what the operation takes for one
 * @word0: its first argument
 * @word1: its second
 *
 * Return: the operation's result as an int, or -ENETDOWN.
 */
int vos_call_simple(struct vos_connection *c, u8 op, u64 handle, u64 word0, u64 word1)
{
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, c, op, 0);
	if (err)
		return err;
	call.request.handle = handle;
	call.request.arg.plain.word[0] = word0;
	call.request.arg.plain.word[1] = word1;
	err = vos_call_run(&call);
	if (!err)
		err = clamp_t(s64, call.completion.res, -MAX_ERRNO, INT_MAX);
	vos_call_end(&call);
	return err;
}

/* A WAKE event: wakes every sleeper of the lane whose call has completed. */
bool vos_call_wake(struct vos_connection *c, u32 index)
{
	struct vos_call *finished = NULL;
	struct vos_kernel_lane *lane;
	unsigned long flags;
	bool due;
	u32 i;

	if (index >= c->lanes)
		return false;
	lane = &c->lane[index];
	spin_lock_irqsave(&lane->lock, flags);
	/* A completion is the cause of one WAKE at most. */
	due = lane->woken < lane->submitted;
	if (due)
		lane->woken++;
	if (due && lane->sleepers) {
		/*
		 * Others are still waiting: one more event for them, asked
		 * for before looking so that none is missed.
		 */
		vos_lane_arm(&lane->c->control, ++lane->arm);
		for (i = 0; i < VOS_KERNEL_LANE_DEPTH; i++) {
			struct vos_call *call = lane->call[i];

			if (!call || !vos_call_completed(call))
				continue;
			if (call->waiter)
				wake_up_process(call->waiter);
			else if (call->abandoned && vos_call_take(call))
				vos_call_reap(call, &finished);
		}
	}
	spin_unlock_irqrestore(&lane->lock, flags);
	vos_call_discard(finished);
	return due;
}

/* Ends everything outstanding: a completion whose turn is not the call's. */
void vos_call_abort_all(struct vos_connection *c)
{
	struct vos_call *finished = NULL;
	unsigned long flags;
	u32 i, j;

	for (i = 0; i < c->lanes; i++) {
		struct vos_kernel_lane *lane = &c->lane[i];

		spin_lock_irqsave(&lane->lock, flags);
		for (j = 0; j < VOS_KERNEL_LANE_DEPTH; j++) {
			struct vos_call *call = lane->call[j];

			if (!call)
				continue;
			call->completion.turn = call->turn - 1;
			call->completion.res = -ENETDOWN;
			lane->call[j] = NULL;
			lane->outstanding--;
			call->done = true;
			if (call->waiter)
				wake_up_process(call->waiter);
			else if (call->abandoned)
				vos_call_reap(call, &finished);
		}
		spin_unlock_irqrestore(&lane->lock, flags);
	}
	wake_up_all(&c->lane_space[0]);
	wake_up_all(&c->lane_space[1]);
	wake_up_all(&c->arena_space);
	/* The caller holds a reference of the connection. */
	vos_call_discard(finished);
}
