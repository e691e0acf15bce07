// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pollers: kernel threads that take requests from shared memory.
 *
 * A poller looks at its kernel lanes, at its hot user lanes and, once for
 * some passes over these, at the doorbells of its active sessions; what was
 * quiet for the idle limit is parked, and a poller with nothing hot sleeps.
 * Cost grows with what is active, not with what exists.
 *
 * Three levels of waking, each "publish, full barrier, check":
 *   hot lane                    nothing to do
 *   parked lane, active session doorbell byte (vos_lane_needs_doorbell())
 *   inactive session            trap, SESSION_KICK on a kernel lane
 *   sleeping poller             event channel
 *
 * Everything the thread owns is touched by it alone; other contexts push on
 * the llists or take event_lock.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/moduleparam.h>
#include <linux/sched/clock.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <xen/events.h>

#include "fault.h"
#include "service.h"

/* Sessions whose doorbells are read in every sweep, hot lanes or not. */
#define VOS_WATCH_MAX		32u
/*
 * Looks at lanes in one sweep, in passes over all of them. A look is a load of
 * a line that stays in this processor's cache until there is a request; the
 * rest of a sweep takes as long as many looks.
 */
#define VOS_SWEEP_LOOKS		64u
/*
 * The heartbeat is stored this often, and in a long sweep after so many
 * requests: how long a sweep takes is up to those who ask, whether the poller
 * lives must not be.
 */
#define VOS_HEARTBEAT_NS	(10 * NSEC_PER_MSEC)
#define VOS_HEARTBEAT_REQUESTS	64u
/* Longer than a sweep takes: what is beyond it, the poller was not running. */
#define VOS_SWEEP_LIMIT		(100 * NSEC_PER_USEC)
/* Objects whose readiness is published in one turn. */
#define VOS_READY_BUDGET	64u

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "virtuos."

/*
 * How long a lane stays hot and a poller awake without work, microseconds.
 * Within the cost of a wake-up: 200 on hardware, about 1000 under emulation.
 */
static unsigned int poller_idle_us = 200;
module_param(poller_idle_us, uint, 0644);
MODULE_PARM_DESC(poller_idle_us, "idle time after which a poller sleeps, in microseconds");

static u64 vos_poller_idle_ns(void)
{
	return (u64)min(READ_ONCE(poller_idle_us), 1000000u) * NSEC_PER_USEC;
}

static void vos_poller_wake(struct vos_poller *p)
{
	wake_up_process(p->thread);
}

static void vos_poller_beat(struct vos_poller *p)
{
	p->beat_at = p->clock;
	vos_store(&p->status->heartbeat, ++p->heartbeat);
}

/* -------------------------------------------------------------- events */

struct vos_event *vos_poller_slot(struct vos_poller *p, u32 number)
{
	const u32 per_page = VOS_PAGE_SIZE / sizeof(struct vos_event);
	u32 at = number % VOS_EVENT_ENTRIES;
	u32 page = p->index * VOS_EVENT_PAGES + at / per_page;

	return (struct vos_event *)vos_mapping_page(&p->service->region[VOS_REGION_EVENTS],
						    page) + at % per_page;
}

/*
 * Moves what is owed into the queue as far as there is room; under
 * event_lock. What does not fit stays on the lists, so nothing is lost
 * however slowly the primary drains.
 */
static void vos_poller_flush_locked(struct vos_poller *p)
{
	/* Pairs with the release in vos_event_drain(): the room has been read. */
	u32 used = p->produced - vos_load_acquire(&p->control->consumed);
	u32 first = p->produced;
	u32 room = used <= VOS_EVENT_ENTRIES ? VOS_EVENT_ENTRIES - used : 0;

	while (room && !list_empty(&p->wakes)) {
		struct vos_service_lane *lane =
			list_first_entry(&p->wakes, struct vos_service_lane, wake_node);
		struct vos_event *event = vos_poller_slot(p, p->produced);

		list_del_init(&lane->wake_node);
		lane->wake_queued = false;
		vos_store(&event->id, lane->session ? lane->session->index : VOS_KERNEL_SESSION);
		vos_store(&event->type, (u16)VOS_EVENT_WAKE);
		vos_store(&event->mask, (u16)0);
		vos_store(&event->data, (u64)lane->index);
		p->produced++;
		room--;
	}
	while (room && !list_empty(&p->events)) {
		struct vos_service_object *object =
			list_first_entry(&p->events, struct vos_service_object, event_node);
		struct vos_event *event = vos_poller_slot(p, p->produced);

		list_del_init(&object->event_node);
		object->event_queued = false;
		vos_store(&event->id, object->index);
		vos_store(&event->type, (u16)VOS_EVENT_READY);
		vos_store(&event->mask, (u16)READ_ONCE(object->mask));
		vos_store(&event->data, object->handle);
		p->produced++;
		room--;
	}
	if (p->produced == first)
		return;
	vos_served(p->service, VOS_SERVED_EVENTS, p->produced - first);
	vos_fault_point(p->service, VOS_FAULT_BEFORE_EVENT, VOS_OP_NOP);
	vos_store_release(&p->status->produced, p->produced);
	/* Pairs with the barrier after arming in vos_event_work(). */
	vos_full_barrier();
	if (vos_load(&p->control->armed)) {
		vos_served(p->service, VOS_SERVED_NOTIFIES, 1);
		notify_remote_via_irq(p->irq);
	}
	vos_fault_point(p->service, VOS_FAULT_AFTER_EVENT, VOS_OP_NOP);
}

void vos_poller_event_object(struct vos_service_object *object)
{
	struct vos_poller *p = object->poller;
	unsigned long flags;

	spin_lock_irqsave(&p->event_lock, flags);
	if (!object->event_queued) {
		object->event_queued = true;
		list_add_tail(&object->event_node, &p->events);
	}
	vos_poller_flush_locked(p);
	spin_unlock_irqrestore(&p->event_lock, flags);
}

void vos_poller_event_lane(struct vos_service_lane *lane)
{
	struct vos_poller *p = lane->poller;
	unsigned long flags;

	spin_lock_irqsave(&p->event_lock, flags);
	if (!lane->wake_queued) {
		lane->wake_queued = true;
		list_add_tail(&lane->wake_node, &p->wakes);
	}
	vos_poller_flush_locked(p);
	spin_unlock_irqrestore(&p->event_lock, flags);
}

void vos_poller_forget_object(struct vos_service_object *object)
{
	struct vos_poller *p = object->poller;
	unsigned long flags;

	spin_lock_irqsave(&p->event_lock, flags);
	if (object->event_queued) {
		object->event_queued = false;
		list_del_init(&object->event_node);
	}
	spin_unlock_irqrestore(&p->event_lock, flags);
}

void vos_poller_forget_lane(struct vos_service_lane *lane)
{
	struct vos_poller *p = lane->poller;
	unsigned long flags;

	spin_lock_irqsave(&p->event_lock, flags);
	if (lane->wake_queued) {
		lane->wake_queued = false;
		list_del_init(&lane->wake_node);
	}
	spin_unlock_irqrestore(&p->event_lock, flags);
}

static bool vos_poller_owes_events(struct vos_poller *p)
{
	return !list_empty(&p->wakes) || !list_empty(&p->events);
}

/* --------------------------------------------------------------- lanes */

static bool vos_lane_has_request(const struct vos_service_lane *lane)
{
	return vos_load_acquire(&lane->request[lane->position.entry].turn) ==
	       lane->position.turn;
}

static void vos_poller_heat(struct vos_poller *p, struct vos_service_lane *lane, u64 now)
{
	if (lane->hot || lane->dying)
		return;
	lane->hot = true;
	lane->idle_since = now;
	vos_lane_unpark(lane->status, &lane->park_epoch);
	list_add_tail(&lane->hot_node, &p->hot);
	lane->session->watch[p->index].hot++;
}

static void vos_poller_cool(struct vos_poller *p, struct vos_service_lane *lane)
{
	if (!lane->hot)
		return;
	lane->hot = false;
	list_del_init(&lane->hot_node);
	lane->session->watch[p->index].hot--;
}

/* What was done in one sweep. */
struct vos_sweep {
	u32 requests;
	u64 bytes;
};

/* Some requests of one lane, see VOS_POLL_BUDGET; adds to @done. */
static void vos_poller_serve(struct vos_poller *p, struct vos_service_lane *lane,
			     struct vos_sweep *done)
{
	struct vos_operation op;
	s64 moved = 0;
	u32 n = 0;

	while (n < VOS_POLL_BUDGET && moved < VOS_POLL_BYTES) {
		const struct vos_request *slot = &lane->request[lane->position.entry];

		vos_fault_before_fetch(p->service, slot, &lane->position);
		if (!vos_lane_fetch(slot, &lane->position, &op.request))
			break;
		vos_fault_point(p->service, VOS_FAULT_AFTER_FETCH, op.request.op);
		memset(&op.completion, 0, sizeof(op.completion));
		op.service = p->service;
		op.lane = lane;
		op.object = NULL;
		op.arena = lane->arena;
		op.arena_first = lane->arena_first;
		op.arena_bytes = lane->arena_bytes;
		op.entry = lane->position.entry;
		op.deferred = false;
		vos_lane_advance(&lane->position, lane->depth);
		if (vos_operation_types[op.request.op % VOS_OP_MAX].where != VOS_RUN_INLINE)
			p->queued_work = true;
		vos_operation_start(&op);
		if (op.deferred)
			p->queued_work = true;
		/* What was executed here; a worker has a copy of its own. */
		moved += max(op.completion.res, 0);
		n++;
	}
	done->requests += n;
	done->bytes += moved;
}

/* ------------------------------------------------------------ sessions */

static const u64 *vos_session_doorbells(const struct vos_service_session *session)
{
	const struct vos_extent_c *c = vos_mapping_page(&session->extent[0], 0);

	return (const u64 *)c->doorbell;
}

static struct vos_extent_s *vos_session_status(struct vos_service_session *session)
{
	return vos_mapping_page(&session->extent[0], 1);
}

/* Heats the lanes whose doorbell changed, or all that have a request. */
static void vos_poller_look(struct vos_poller *p, struct vos_session_watch *watch, bool all,
			    u64 now)
{
	struct vos_service_session *session = watch->session;
	const u64 *doorbell = vos_session_doorbells(session);
	/*
	 * Nobody rings for a lane before its extent is counted. Where the look
	 * decides whether to go on watching, barriers of both sides lie between.
	 */
	u32 words = DIV_ROUND_UP(READ_ONCE(session->extents) * VOS_EXTENT_LANES, 8);
	u32 word;

	for (word = 0; word < words; word++) {
		/* Pairs with the release in the shim's Ring(): the request is there. */
		u64 value = vos_load_acquire(&doorbell[word]);
		u64 changed = value ^ watch->seen[word];
		u32 byte;

		if (!changed && !all)
			continue;
		watch->seen[word] = value;
		for (byte = 0; byte < 8; byte++) {
			u32 index = word * 8 + byte;
			struct vos_service_lane *lane;

			if (index >= VOS_MAX_USER_LANES)
				break;
			/* Pairs with the release in vos_session_add_extent(). */
			lane = smp_load_acquire(&session->lane[index]);
			if (!lane || lane->poller != p)
				continue;
			if ((changed >> (8 * byte)) & 0xff)
				vos_poller_heat(p, lane, now);
			else if (all && vos_lane_has_request(lane))
				vos_poller_heat(p, lane, now);
		}
	}
}

static void vos_poller_activate(struct vos_poller *p, struct vos_session_watch *watch, u64 now)
{
	if (!watch->active) {
		watch->active = true;
		list_add_tail(&watch->node, &p->watched);
		p->watched_count++;
		vos_store(&vos_session_status(watch->session)->active[p->index], 1);
	}
	/*
	 * The client, Ring() in the shim: doorbell, full barrier, load active.
	 * Here: store active, full barrier, read doorbells and requests. A client that found the
	 * session inactive traps; one that found it active is seen below.
	 */
	vos_full_barrier();
	vos_poller_look(p, watch, true, now);
}

/* False, and still active, if a doorbell rang meanwhile. */
static bool vos_poller_deactivate(struct vos_poller *p, struct vos_session_watch *watch, u64 now)
{
	vos_store(&vos_session_status(watch->session)->active[p->index], 0);
	/* Pairs with the barrier between doorbell and active in the shim's Ring(). */
	vos_full_barrier();
	vos_poller_look(p, watch, true, now);
	if (watch->hot) {
		vos_store(&vos_session_status(watch->session)->active[p->index], 1);
		return false;
	}
	watch->active = false;
	list_del_init(&watch->node);
	p->watched_count--;
	return true;
}

void vos_poller_kick(struct vos_service_session *session)
{
	u32 i;

	for (i = 0; i < session->service->pollers; i++) {
		struct vos_session_watch *watch = &session->watch[i];
		struct vos_poller *p = session->service->poller[i];

		if (test_and_set_bit(0, &watch->kick_queued))
			continue;
		if (llist_add(&watch->kick_node, &p->kick_list))
			vos_poller_wake(p);
	}
}

static bool vos_poller_take_kicks(struct vos_poller *p, u64 now)
{
	struct llist_node *list;
	struct vos_session_watch *watch, *next;

	if (llist_empty(&p->kick_list))
		return false;
	list = llist_del_all(&p->kick_list);
	llist_for_each_entry_safe(watch, next, list, kick_node) {
		/*
		 * Before the look: a kick that comes later queues again. Full
		 * barrier, pairs with test_and_set_bit() in vos_poller_kick().
		 */
		clear_bit(0, &watch->kick_queued);
		smp_mb__after_atomic();
		vos_poller_activate(p, watch, now);
	}
	return true;
}

static void vos_poller_close(struct vos_poller *p, struct vos_session_watch *watch)
{
	struct vos_service_session *session = watch->session;
	u32 i;

	for (i = 0; i < VOS_MAX_USER_LANES; i++) {
		struct vos_service_lane *lane = session->lane[i];

		if (!lane || lane->poller != p)
			continue;
		lane->dying = true;
		vos_poller_cool(p, lane);
	}
	if (watch->active) {
		watch->active = false;
		list_del_init(&watch->node);
		p->watched_count--;
	}
	complete(&watch->released);
}

static bool vos_poller_take_closes(struct vos_poller *p, struct llist_node *list)
{
	struct vos_session_watch *watch, *next;

	llist_for_each_entry_safe(watch, next, list, close_node)
		vos_poller_close(p, watch);
	return list;
}

void vos_poller_release_session(struct vos_service_session *session)
{
	u32 i;

	for (i = 0; i < session->service->pollers; i++) {
		struct vos_session_watch *watch = &session->watch[i];
		struct vos_poller *p = session->service->poller[i];

		init_completion(&watch->released);
		llist_add(&watch->close_node, &p->close_list);
		vos_poller_wake(p);
		/* Its next sweep. One that does not come is a hang, which ends the domain. */
		wait_for_completion(&watch->released);
	}
}

/* ----------------------------------------------------------- readiness */

void vos_poller_object_ready(struct vos_service_object *object)
{
	struct vos_poller *p = object->poller;

	if (test_and_set_bit(0, &object->ready_queued))
		return;
	kref_get(&object->ref);
	if (llist_add(&object->ready_node, &p->ready_list))
		vos_poller_wake(p);
}

static bool vos_poller_take_ready(struct vos_poller *p)
{
	struct llist_node *list;
	struct vos_service_object *object, *next;
	u32 n = 0;

	if (llist_empty(&p->ready_list))
		return false;
	list = llist_reverse_order(llist_del_all(&p->ready_list));
	llist_for_each_entry_safe(object, next, list, ready_node) {
		/*
		 * Before polling: what happens later queues the object again.
		 * Full barrier, pairs with test_and_set_bit() above.
		 */
		clear_bit(0, &object->ready_queued);
		smp_mb__after_atomic();
		vos_service_object_publish(object, true);
		vos_service_object_put(object);
		if (++n % VOS_READY_BUDGET == 0) {
			vos_poller_beat(p);
			cond_resched();
		}
	}
	return true;
}

/* ---------------------------------------------------------- the thread */

/*
 * Serves the lanes, pass after pass, until it is time for the rest of a sweep.
 * Every pass gives each lane its turn. Nothing but this thread changes the
 * list of hot lanes, and no operation does.
 */
static void vos_poller_serve_lanes(struct vos_poller *p, u64 now, struct vos_sweep *done)
{
	struct vos_service_lane *lane;
	u32 looks = 0, told = 0;

	do {
		u32 before = done->requests;
		u32 i;

		/* One for the pass: a poller may have no lane at all. */
		looks++;
		for (i = p->index; i < p->service->lanes; i += p->service->pollers) {
			looks++;
			if (vos_lane_has_request(&p->service->lane[i]))
				vos_poller_serve(p, &p->service->lane[i], done);
		}
		list_for_each_entry(lane, &p->hot, hot_node) {
			looks++;
			if (vos_lane_has_request(lane)) {
				vos_poller_serve(p, lane, done);
				lane->idle_since = now;
			}
			if (done->requests - told >= VOS_HEARTBEAT_REQUESTS) {
				told = done->requests;
				vos_poller_beat(p);
			}
		}
		/* Workers and softirqs of this CPU go first, at once. */
		if (need_resched() ||
		    (done->requests != before && (p->queued_work || !single_task_running())))
			break;
	} while (looks < VOS_SWEEP_LOOKS && done->requests < VOS_POLL_BUDGET &&
		 done->bytes < VOS_POLL_BYTES);
}

/* Parks what was idle for the limit. */
static void vos_poller_park_lanes(struct vos_poller *p, u64 now)
{
	const u64 limit = vos_poller_idle_ns();
	struct vos_service_lane *lane, *next;

	list_for_each_entry_safe(lane, next, &p->hot, hot_node) {
		if (now - lane->idle_since <= limit ||
		    !vos_lane_park(lane->status, &lane->park_epoch,
				   &lane->request[lane->position.entry], &lane->position))
			continue;
		vos_poller_cool(p, lane);
		vos_served(p->service, VOS_SERVED_PARKS, 1);
	}
}

/* One sweep over everything. True: there was something to do. */
static bool vos_poller_sweep(struct vos_poller *p, u64 now)
{
	struct vos_session_watch *watch, *next_watch;
	struct vos_sweep done = {};
	struct llist_node *closes = NULL;
	bool worked = false;

	/*
	 * Taken before the kicks and done after them: a session is closed a grace
	 * period after its last kick was queued, so a kick of one that is closed
	 * here is seen here, and none is left when the session goes.
	 */
	if (!llist_empty(&p->close_list))
		closes = llist_del_all(&p->close_list);
	worked |= vos_poller_take_kicks(p, now);
	worked |= vos_poller_take_closes(p, closes);
	worked |= vos_poller_take_ready(p);

	vos_poller_serve_lanes(p, now, &done);
	vos_poller_park_lanes(p, now);

	list_for_each_entry_safe(watch, next_watch, &p->watched, node) {
		vos_poller_look(p, watch, false, now);
		if (!watch->hot && p->watched_count > VOS_WATCH_MAX)
			vos_poller_deactivate(p, watch, now);
	}

	if (vos_poller_owes_events(p)) {
		unsigned long flags;

		spin_lock_irqsave(&p->event_lock, flags);
		vos_poller_flush_locked(p);
		spin_unlock_irqrestore(&p->event_lock, flags);
	}
	if (p->served_inline) {
		vos_served(p->service, VOS_SERVED_INLINE, p->served_inline);
		p->served_inline = 0;
	}
	return worked || done.requests;
}

/* Everything that could have come since the last sweep. */
static bool vos_poller_has_work(struct vos_poller *p)
{
	u32 i;

	if (!llist_empty(&p->kick_list) || !llist_empty(&p->close_list) ||
	    !llist_empty(&p->ready_list) || vos_poller_owes_events(p))
		return true;
	for (i = p->index; i < p->service->lanes; i += p->service->pollers)
		if (vos_lane_has_request(&p->service->lane[i]))
			return true;
	return false;
}

static void vos_poller_sleep(struct vos_poller *p, u64 now)
{
	struct vos_session_watch *watch, *next;

	list_for_each_entry_safe(watch, next, &p->watched, node)
		if (!vos_poller_deactivate(p, watch, now))
			return;

	set_current_state(TASK_IDLE);
	vos_store(&p->status->sleeping, 1);
	/*
	 * The primary: publish request, full barrier, load sleeping
	 * (vos_poller_doorbell()). Here: store sleeping, full barrier, look.
	 */
	vos_full_barrier();
	if (!vos_poller_has_work(p) && !kthread_should_stop()) {
		vos_served(p->service, VOS_SERVED_SLEEPS, 1);
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	vos_store(&p->status->sleeping, 0);
	/* It may have been woken only to show that it lives. */
	vos_poller_beat(p);
}

/*
 * The time that idleness is measured by: as long as this poller did not look,
 * because something else had its CPU or its domain none, no lane was idle.
 */
static u64 vos_poller_time(struct vos_poller *p)
{
	u64 clock = local_clock();

	p->time += min_t(u64, clock - p->clock, VOS_SWEEP_LIMIT);
	p->clock = clock;
	return p->time;
}

static int vos_poller_run(void *data)
{
	struct vos_poller *p = data;

	p->last_work = vos_poller_time(p);
	while (!kthread_should_stop()) {
		u64 now = vos_poller_time(p);

		vos_fault_poller(p);
		if (vos_poller_sweep(p, now)) {
			p->last_work = now;
		} else if (list_empty(&p->hot) && now - p->last_work > vos_poller_idle_ns()) {
			vos_poller_sleep(p, now);
			p->last_work = vos_poller_time(p);
		} else {
			cpu_relax();
		}
		if (p->clock - p->beat_at >= VOS_HEARTBEAT_NS)
			vos_poller_beat(p);
		/* Workers and softirqs of this CPU go first, at once. */
		if (p->queued_work || !single_task_running()) {
			p->queued_work = false;
			yield();
		} else {
			cond_resched();
		}
	}
	return 0;
}

irqreturn_t vos_poller_interrupt(int irq, void *poller)
{
	struct vos_poller *p = poller;
	struct task_struct *thread = READ_ONCE(p->thread);

	/* None before it is started: it looks for work first of all. */
	if (thread)
		wake_up_process(thread);
	xen_irq_lateeoi(irq, 0);
	return IRQ_HANDLED;
}

/**
 * vos_pollers_start() - starts the threads
 * @s: the connection; its lanes, regions and event channels are set up
 *
 * Return: 0 or -errno; on error nothing runs.
 */
int vos_pollers_start(struct vos_service *s)
{
	u32 i;

	for (i = 0; i < s->pollers; i++) {
		struct vos_poller *p = s->poller[i];
		struct task_struct *thread;

		thread = kthread_create(vos_poller_run, p, "vos_poller/%u", i);
		if (IS_ERR(thread)) {
			vos_pollers_stop(s);
			return PTR_ERR(thread);
		}
		get_task_struct(thread);
		kthread_bind(thread, i % num_online_cpus());
		WRITE_ONCE(p->thread, thread);
	}
	for (i = 0; i < s->pollers; i++)
		vos_poller_wake(s->poller[i]);
	return 0;
}

void vos_pollers_stop(struct vos_service *s)
{
	u32 i;

	for (i = 0; i < s->pollers; i++) {
		struct vos_poller *p = s->poller[i];
		struct task_struct *thread = p->thread;

		if (!thread)
			continue;
		kthread_stop(thread);
		WRITE_ONCE(p->thread, NULL);
		/* The interrupt may still be waking it. */
		synchronize_irq(p->irq);
		put_task_struct(thread);
	}
}
