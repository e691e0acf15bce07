// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls over the kernel lanes.
 *
 * Many tasks share a lane: the producer side is under lane->lock, and each
 * waits for its own entry. A service domain never makes a call wait for the
 * outside world, so a call that is not answered within VOS_CALL_TIMEOUT
 * means that the domain has failed.
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

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "virtuos."

/* About the cost of going to sleep and being woken. */
static unsigned int kernel_spin_us = 100;
module_param(kernel_spin_us, uint, 0644);
MODULE_PARM_DESC(kernel_spin_us, "spinning for a completion before sleeping, in microseconds");

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
	unsigned long first;

	spin_lock(&c->arena_lock);
	first = bitmap_find_next_zero_area(c->arena_map, VOS_KERNEL_ARENA_PAGES, 0, pages, 0);
	if (first < VOS_KERNEL_ARENA_PAGES)
		bitmap_set(c->arena_map, first, pages);
	spin_unlock(&c->arena_lock);
	if (first >= VOS_KERNEL_ARENA_PAGES)
		return false;
	call->first_page = first;
	call->data = c->region[VOS_REGION_ARENA].address + first * PAGE_SIZE;
	return true;
}

/**
 * vos_call_begin() - prepares a call
 * @call: on the caller's stack
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
	if (pages) {
		err = wait_event_killable(c->lane_space, !vos_connection_usable(c) ||
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

	if (call->data) {
		spin_lock(&c->arena_lock);
		bitmap_clear(c->arena_map, call->first_page,
			     DIV_ROUND_UP(call->bytes, PAGE_SIZE));
		spin_unlock(&c->arena_lock);
		wake_up(&c->lane_space);
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
		vos_lane_publish(&lane->c->request[call->entry], &call->request, call->turn);
		vos_lane_advance(&lane->position, VOS_KERNEL_LANE_DEPTH);
	}
	spin_unlock_irqrestore(&lane->lock, flags);
	return free;
}

/* This CPU's lane, else any: an entry may be held up by a slow operation. */
static bool vos_call_submit(struct vos_call *call)
{
	struct vos_connection *c = call->connection;
	u32 first = raw_smp_processor_id() % c->lanes;
	u32 i;

	for (i = 0; i < c->lanes; i++) {
		if (vos_lane_submit(&c->lane[(first + i) % c->lanes], call))
			return true;
	}
	return false;
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

/* Spinning is only worth it while nothing else wants this CPU. */
static bool vos_call_spin(struct vos_call *call)
{
	u64 end = local_clock() + (u64)READ_ONCE(kernel_spin_us) * NSEC_PER_USEC;

	do {
		if (vos_call_completed(call))
			return vos_call_finished(call);
		if (need_resched() || !vos_connection_usable(call->connection))
			return false;
		cpu_relax();
	} while (local_clock() < end);
	return false;
}

static bool vos_call_sleep(struct vos_call *call)
{
	struct vos_kernel_lane *lane = call->lane;
	unsigned long timeout = VOS_CALL_TIMEOUT;
	unsigned long flags;
	bool done;

	vos_liveness_await(call->connection);
	spin_lock_irqsave(&lane->lock, flags);
	call->waiter = current;
	lane->sleepers++;
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		/* One WAKE wakes the lane's finished calls; each arms for its own. */
		vos_lane_arm(&lane->c->control, ++lane->arm);
		if (vos_call_take(call) || !timeout)
			break;
		spin_unlock_irqrestore(&lane->lock, flags);
		timeout = schedule_timeout(timeout);
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

/**
 * vos_call_run() - makes the call and waits for its completion
 * @call: begun, request filled in
 *
 * Return: 0 with the copied completion, or -ENETDOWN.
 */
int vos_call_run(struct vos_call *call)
{
	struct vos_connection *c = call->connection;
	int result = 0;

	might_sleep();
	vos_count(c, VOS_COUNT_KERNEL_CALLS);
	if (!vos_call_submit(call)) {
		if (!wait_event_timeout(c->lane_space,
					!vos_connection_usable(c) || vos_call_submit(call),
					VOS_CALL_TIMEOUT))
			vos_connection_fail(c, "no free entry in %u lanes for %u s", c->lanes,
					    VOS_CALL_TIMEOUT / HZ);
		if (!call->lane)
			return -ENETDOWN;
	}
	vos_poller_doorbell(c, call->lane->index % c->pollers);
	if (vos_call_spin(call)) {
		vos_count(c, VOS_COUNT_KERNEL_SPINS);
	} else {
		vos_count(c, VOS_COUNT_KERNEL_SLEEPS);
		if (!vos_call_sleep(call)) {
			vos_connection_fail(c, "operation %u not answered in %u s",
					    call->request.op, VOS_CALL_TIMEOUT / HZ);
			/* Failing the connection ends every outstanding call. */
			if (WARN_ON(!vos_call_sleep(call)))
				return -ENETDOWN;
		}
	}
	/* Full barrier: the entry was freed under lane->lock, waiters look there. */
	if (wq_has_sleeper(&c->lane_space))
		wake_up(&c->lane_space);
	if (call->completion.turn != call->turn)
		result = -ENETDOWN;
	return result;
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
void vos_call_wake(struct vos_connection *c, u32 index)
{
	struct vos_kernel_lane *lane;
	unsigned long flags;
	u32 i;

	if (index >= c->lanes) {
		vos_count(c, VOS_COUNT_REJECTED);
		return;
	}
	lane = &c->lane[index];
	spin_lock_irqsave(&lane->lock, flags);
	if (lane->sleepers) {
		/*
		 * Others are still waiting: one more event for them, asked
		 * for before looking so that none is missed.
		 */
		vos_lane_arm(&lane->c->control, ++lane->arm);
		for (i = 0; i < VOS_KERNEL_LANE_DEPTH; i++) {
			struct vos_call *call = lane->call[i];

			if (call && call->waiter && vos_call_completed(call))
				wake_up_process(call->waiter);
		}
	}
	spin_unlock_irqrestore(&lane->lock, flags);
}

/* Ends everything outstanding: a completion whose turn is not the call's. */
void vos_call_abort_all(struct vos_connection *c)
{
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
			call->done = true;
			if (call->waiter)
				wake_up_process(call->waiter);
		}
		spin_unlock_irqrestore(&lane->lock, flags);
	}
	wake_up_all(&c->lane_space);
}
