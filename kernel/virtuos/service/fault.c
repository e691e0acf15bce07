// SPDX-License-Identifier: GPL-2.0-only
/*
 * A service domain that dies, hangs or turns hostile, on purpose: only in
 * kernels built for fault injection. The toolstack writes `fault` into the
 * front-end's xenstore directory; what this kernel can do stands in `faults`
 * beside it.
 *
 * "garbage SEED COUNT FATAL": a thread makes COUNT random writes into what
 * this domain may write of the shared memory, while the pollers go on. FATAL 0
 * leaves out what an honest primary must take for the end of the domain (an
 * event queue that ran over), so that the run is long.
 *
 * "flood ready MS": for so long a thread keeps the event queue full of READY
 * events that nobody asked for, with live handles where there are any. "flood
 * wake MS": of WAKE events for a user session, which its process might want.
 *
 * A name of vos_fault_kinds, and perhaps a number: the end of this kernel, in
 * one way or another, at once. "at ...": the same, later; see fault_point.c.
 *
 * "lies SEED COUNT FATAL": the next COUNT operations on files and FUSE messages
 * are answered wrongly, in the completion or in the arena. FATAL 0 leaves out
 * those that are never answered. The log says when all are told.
 *
 * "nosync": fsync says done and does nothing, from now on. A test of power cuts
 * that does not notice is no test.
 *
 * "keep": the pages of a session that is closed stay mapped, from now on.
 *
 * Also here, because it is as little for daily use: the floor of the benchmark,
 * allowed by the order "floor".
 */
#define pr_fmt(fmt) "virtuos: fault: " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <linux/panic.h>
#include <linux/preempt.h>
#include <linux/prandom.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/interface/sched.h>
#include <xen/xenbus.h>
#include <asm/xen/hypercall.h>

#include "fault.h"

#define VOS_FAULT_MAX	10000000u
/* Of the kind ring-garbage; the domain is given up long before. */
#define VOS_FAULT_GARBAGE	1000000u
/* The program that the kind daemon ends. */
#define VOS_FAULT_DAEMON	"storage-daemon"
/* Rounds of one floor measurement, and how long it may take. */
#define VOS_FLOOR_ROUNDS	100000u
#define VOS_FLOOR_LIMIT		(2 * NSEC_PER_SEC)
/* Misuses between two pauses, so that the primary looks at them in between. */
#define VOS_FAULT_BURST	16u
/* Words, or events of a flood, written between two looks whether anything else wants to run. */
#define VOS_FAULT_WORDS	256u
/* Objects that a flood is about. */
#define VOS_FAULT_OBJECTS	256u

/* Seen by the domain's first process, which takes orders under the same condition. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "virtuos."
static bool vos_faults = true;
module_param_named(faults, vos_faults, bool, 0444);

struct vos_fault {
	struct vos_service *service;
	struct xenbus_watch watch;
	struct task_struct *thread;
	struct mutex lock;		/* thread */
	struct rnd_state random;
	u32 count;
	bool fatal;
	u16 flood;			/* VOS_EVENT_*; count is in ms then */
	bool floor;			/* a no-op may hold up the poller */
	bool stall;			/* pollers look no more */
	bool nosync;
	bool keep;			/* pages of closed sessions */

	struct work_struct begin;	/* a kind that needs a thread */
	const struct vos_fault_kind *kind;
	u32 argument;			/* of the kind */

	spinlock_t lie_lock;		/* the three below */
	struct rnd_state lie_random;
	u32 lies;			/* answers still to be falsified */
	bool lie_fatal;
};

static u32 vos_fault_below(struct rnd_state *random, u32 below)
{
	return prandom_u32_state(random) % below;
}

static u32 vos_fault_random(struct vos_fault *f, u32 below)
{
	return vos_fault_below(&f->random, below);
}

/* A value that is often nearly right: an honest-looking lie is the worst. */
static u64 vos_fault_any(struct rnd_state *random)
{
	switch (vos_fault_below(random, 6)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return 1ull << vos_fault_below(random, 64);
	case 3:
		return (u64)-(s64)vos_fault_below(random, 4096);
	case 4:
		return vos_fault_below(random, 65536);
	default:
		return ((u64)prandom_u32_state(random) << 32) | prandom_u32_state(random);
	}
}

static u64 vos_fault_value(struct vos_fault *f)
{
	return vos_fault_any(&f->random);
}

static void vos_fault_words(struct vos_fault *f, void *address, u32 bytes)
{
	u64 *word = address;

	vos_store(&word[vos_fault_random(f, bytes / 8)], vos_fault_value(f));
}

/* A completion out of the blue, or one that lies about what was done. */
static void vos_fault_completion(struct vos_fault *f)
{
	struct vos_service_lane *lane = &f->service->lane[vos_fault_random(f, f->service->lanes)];
	u32 entry = vos_fault_random(f, lane->depth);
	struct vos_completion *slot = &lane->completion[entry];

	vos_fault_words(f, slot, offsetof(struct vos_completion, imm) + 20);
	if (vos_fault_random(f, 2))
		vos_store_release(&slot->turn, vos_load(&lane->request[entry].turn));
}

static void vos_fault_event(struct vos_fault *f)
{
	struct vos_service *s = f->service;
	struct vos_poller *p = vos_service_poller(s, vos_fault_random(f, s->pollers));
	u32 page = p->index * VOS_EVENT_PAGES + vos_fault_random(f, VOS_EVENT_PAGES);
	unsigned long flags;

	vos_fault_words(f, vos_mapping_page(&s->region[VOS_REGION_EVENTS], page), PAGE_SIZE);
	spin_lock_irqsave(&p->event_lock, flags);
	/*
	 * Entries nobody wrote; an honest consumer has drained the queue by then.
	 * Not more than it puts up with.
	 */
	if (p->produced == vos_load(&p->control->consumed)) {
		p->produced += vos_fault_random(f, 4);
		vos_store_release(&p->status->produced, p->produced);
	}
	if (f->fatal && !vos_fault_random(f, 64))
		vos_store_release(&p->status->produced, (u32)vos_fault_value(f));
	spin_unlock_irqrestore(&p->event_lock, flags);
	notify_remote_via_irq(p->irq);
}

/* A user session's completions, statuses and arena. */
static void vos_fault_session(struct vos_fault *f)
{
	struct vos_service *s = f->service;
	struct vos_service_session *session;
	u32 page;

	/* Closing waits for this lock before it unmaps. */
	mutex_lock(&s->session_lock);
	session = rcu_dereference_protected(s->session[vos_fault_random(f, 8)],
					    lockdep_is_held(&s->session_lock));
	if (session) {
		page = 1 + vos_fault_random(f, session->extent[0].count - 1);
		vos_fault_words(f, vos_mapping_page(&session->extent[0], page), PAGE_SIZE);
	}
	mutex_unlock(&s->session_lock);
}

static void vos_fault_once(struct vos_fault *f)
{
	struct vos_service *s = f->service;

	switch (vos_fault_random(f, 6)) {
	case 0:
		vos_fault_completion(f);
		break;
	case 1:
		vos_fault_words(f, vos_service_state(s, vos_fault_random(f, 256)),
				sizeof(struct vos_object_state));
		break;
	case 2:
		vos_fault_event(f);
		break;
	case 3:
		vos_fault_words(f, vos_mapping_page(&s->region[VOS_REGION_ARENA],
						    vos_fault_random(f, VOS_KERNEL_ARENA_PAGES)),
				PAGE_SIZE);
		break;
	case 4:
		vos_fault_words(f, s->lane[vos_fault_random(f, s->lanes)].status,
				sizeof(struct vos_lane_status));
		break;
	default:
		vos_fault_session(f);
		break;
	}
}

/* The end of a thread that did so much. */
static int vos_fault_finish(struct vos_fault *f, u32 n)
{
	pr_notice("%u misuses done\n", n);
	xenbus_printf(XBT_NIL, f->service->device->nodename, "fault-done", "%u", n);
	while (!kthread_should_stop()) {
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static int vos_fault_run(void *data)
{
	struct vos_fault *f = data;
	u32 i;

	for (i = 0; i < f->count && !kthread_should_stop(); i++) {
		vos_fault_once(f);
		if (i % VOS_FAULT_BURST == 0)
			usleep_range(50, 200);
	}
	return vos_fault_finish(f, i);
}

/* One event of a flood. Under event_lock and RCU. */
static void vos_fault_flood_event(struct vos_fault *f, struct vos_poller *p, u32 number)
{
	struct vos_event *slot = vos_poller_slot(p, number);
	struct vos_service_object *object;
	u32 index = number % VOS_FAULT_OBJECTS;
	u64 handle = VOS_HANDLE_NONE;

	vos_store(&slot->type, f->flood);
	if (f->flood == VOS_EVENT_WAKE) {
		vos_store(&slot->id, 0);
		vos_store(&slot->data, (u64)(number % VOS_EXTENT_LANES));
		return;
	}
	object = rcu_dereference(f->service->object[index]);
	if (object)
		handle = object->handle;
	vos_store(&slot->id, index);
	vos_store(&slot->mask, (__force u16)(EPOLLERR | EPOLLHUP));
	vos_store(&slot->data, handle);
}

/* As many as there is room for, within reason. */
static u32 vos_fault_flood_some(struct vos_fault *f, struct vos_poller *p)
{
	unsigned long flags;
	u32 room, n;

	rcu_read_lock();
	spin_lock_irqsave(&p->event_lock, flags);
	room = VOS_EVENT_ENTRIES - (p->produced - vos_load_acquire(&p->control->consumed));
	room = min(room, VOS_FAULT_WORDS);
	for (n = 0; n < room; n++)
		vos_fault_flood_event(f, p, p->produced + n);
	p->produced += room;
	vos_store_release(&p->status->produced, p->produced);
	spin_unlock_irqrestore(&p->event_lock, flags);
	rcu_read_unlock();
	notify_remote_via_irq(p->irq);
	return room;
}

static int vos_fault_flood(void *data)
{
	struct vos_fault *f = data;
	struct vos_poller *p = vos_service_poller(f->service, 0);
	u64 end = local_clock() + (u64)f->count * NSEC_PER_MSEC;
	u32 sent = 0;

	while (!kthread_should_stop() && local_clock() < end) {
		u32 n = vos_fault_flood_some(f, p);

		sent += n;
		if (n)
			cond_resched();
		else
			usleep_range(20, 100);
	}
	return vos_fault_finish(f, sent);
}

static void vos_fault_stop(struct vos_fault *f)
{
	if (f->thread)
		kthread_stop(f->thread);
	f->thread = NULL;
}

/* After vos_fault_stop(); the lock is held. */
static void vos_fault_go(struct vos_fault *f, int (*run)(void *fault))
{
	struct task_struct *thread = kthread_run(run, f, "vos_fault");

	f->thread = IS_ERR(thread) ? NULL : thread;
}

/* Has a thread write garbage; the lock is held. */
static void vos_fault_write(struct vos_fault *f, u32 seed, u32 count, bool fatal)
{
	vos_fault_stop(f);
	prandom_seed_state(&f->random, seed);
	f->count = count;
	f->fatal = fatal;
	pr_notice("%u misuses, seed %u\n", count, seed);
	vos_fault_go(f, vos_fault_run);
}

/* An order to flood: what with, and for how many ms. */
static void vos_fault_order_flood(struct vos_fault *f, const char *order)
{
	unsigned int ms;
	char what[8];

	if (sscanf(order, "flood %7s %u", what, &ms) != 2 || ms > VOS_FAULT_MAX ||
	    f->service->device->state != XenbusStateConnected)
		return;
	mutex_lock(&f->lock);
	vos_fault_stop(f);
	f->count = ms;
	f->flood = strcmp(what, "wake") ? VOS_EVENT_READY : VOS_EVENT_WAKE;
	pr_notice("a flood for %u ms\n", ms);
	vos_fault_go(f, vos_fault_flood);
	mutex_unlock(&f->lock);
}

/* ------------------------------------------------- the end of a kernel */

static int vos_fault_panic(void *data)
{
	panic("fault injection");
}

/* A service kernel takes no oops: it panics. */
static int vos_fault_oops(void *data)
{
	/* Hidden from the compiler, which would make something else of it. */
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	WRITE_ONCE(*nowhere, 0);
	return 0;
}

/* As if the toolstack had done it: nothing is said any more. */
static int vos_fault_destroy(void *data)
{
	struct sched_shutdown end = { .reason = SHUTDOWN_crash };

	HYPERVISOR_sched_op(SCHEDOP_shutdown, &end);
	return 0;
}

#ifdef CONFIG_VIRTUOS_SERVICE_STORAGE
/* The storage domain's daemon alone. */
static int vos_fault_daemon(void *data)
{
	struct task_struct *task;

	rcu_read_lock();
	for_each_process(task)
		if (task->mm && !strcmp(task->comm, VOS_FAULT_DAEMON))
			send_sig(SIGKILL, task, 1);
	rcu_read_unlock();
	return 0;
}
#endif

/* Interrupts are served, nothing else on this processor ever runs. */
static int vos_fault_hang(void *data)
{
	preempt_disable();
	for (;;)
		cpu_relax();
	return 0;
}

static int vos_fault_irqs_off(void *data)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
	return 0;
}

/* All is well but for the pollers. */
static int vos_fault_poller_stall(void *data)
{
	struct vos_fault *f = data;

	WRITE_ONCE(f->stall, true);
	return 0;
}

/* Takes all memory; who is left to be killed is init. */
static int vos_fault_oom(void *data)
{
	while (alloc_page(GFP_KERNEL))
		cond_resched();
	panic("fault injection: no memory");
}

/*
 * Anywhere, until something breaks; what it would say then means nothing. Only
 * what is cached of files is spared: it would go to the disk, and a corrupt
 * disk is what no restart of the domain can mend.
 */
static int vos_fault_corrupt(void *data)
{
	struct vos_fault *f = data;

	console_loglevel = CONSOLE_LOGLEVEL_SILENT;
	for (;;) {
		u32 i;

		for (i = 0; i < VOS_FAULT_WORDS; i++) {
			unsigned long pfn = vos_fault_random(f, max_pfn);
			u64 *words;

			if (!pfn_valid(pfn) || folio_mapping(pfn_folio(pfn)))
				continue;
			words = __va(PFN_PHYS(pfn));
			WRITE_ONCE(words[vos_fault_random(f, PAGE_SIZE / sizeof(*words))],
				   vos_fault_value(f));
		}
		cond_resched();
	}
}

/* Everything this domain may write of what it shares; argument: the seed. */
static int vos_fault_garbage(void *data)
{
	struct vos_fault *f = data;

	if (f->service->device->state != XenbusStateConnected)
		return 0;
	mutex_lock(&f->lock);
	vos_fault_write(f, f->argument, VOS_FAULT_GARBAGE, true);
	mutex_unlock(&f->lock);
	return 0;
}

/* Argument: a grant of the primary. */
static int vos_fault_wild(void *data)
{
	struct vos_fault *f = data;

	vos_fault_dma(f->service, f->argument);
	return 0;
}

static const struct vos_fault_kind vos_fault_kinds[] = {
	{ "destroy",		vos_fault_destroy, .anywhere = true },
	{ "panic",		vos_fault_panic, .anywhere = true },
	{ "oops",		vos_fault_oops, .anywhere = true },
	{ "hang",		vos_fault_hang, .anywhere = true },
	{ "irqs-off",		vos_fault_irqs_off, .anywhere = true },
	{ "poller-stall",	vos_fault_poller_stall, .anywhere = true },
	{ "oom",		vos_fault_oom },
	{ "corrupt-memory",	vos_fault_corrupt },
	{ "ring-garbage",	vos_fault_garbage },
	{ "wild-dma",		vos_fault_wild },
#ifdef CONFIG_VIRTUOS_SERVICE_STORAGE
	{ "daemon",		vos_fault_daemon, .anywhere = true },
#endif
};

void __vos_fault_poller(struct vos_poller *p)
{
	if (likely(!READ_ONCE(p->service->fault->stall)))
		return;
	while (!kthread_should_stop()) {
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
}

/* --------------------------------------------------------------- orders */

const struct vos_fault_kind *vos_fault_kind_named(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vos_fault_kinds); i++)
		if (!strcmp(name, vos_fault_kinds[i].name))
			return &vos_fault_kinds[i];
	return NULL;
}

static int vos_fault_thread(void *data)
{
	struct vos_fault *f = data;

	return f->kind->run(f);
}

static void vos_fault_begin_work(struct work_struct *work)
{
	struct vos_fault *f = container_of(work, struct vos_fault, begin);
	struct task_struct *thread = kthread_run(vos_fault_thread, f, "vos_fault");

	if (IS_ERR(thread))
		pr_err("no thread: %ld\n", PTR_ERR(thread));
}

void vos_fault_begin(struct vos_fault *f, const struct vos_fault_kind *kind, u32 argument)
{
	prandom_seed_state(&f->random, local_clock());
	f->kind = kind;
	f->argument = argument;
	if (kind->anywhere)
		kind->run(f);
	else
		schedule_work(&f->begin);
}

/* An order to do it now: the name of a kind, and its argument. */
static void vos_fault_now(struct vos_fault *f, const char *order)
{
	const struct vos_fault_kind *kind;
	unsigned int argument = 0;
	char name[24];

	if (sscanf(order, "%23s %u", name, &argument) < 1)
		return;
	kind = vos_fault_kind_named(name);
	if (!kind)
		return;
	pr_notice("%s, as ordered\n", name);
	f->kind = kind;
	f->argument = argument;
	prandom_seed_state(&f->random, local_clock());
	/* In a thread, so that it is on its own. */
	schedule_work(&f->begin);
}

/* Tells the toolstack what can be ordered. */
static void vos_fault_offer(struct vos_service *s)
{
	char names[192] = "at garbage";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vos_fault_kinds); i++) {
		strlcat(names, " ", sizeof(names));
		strlcat(names, vos_fault_kinds[i].name, sizeof(names));
	}
	xenbus_printf(XBT_NIL, s->device->nodename, "faults", "%s", names);
}

static void vos_fault_changed(struct xenbus_watch *watch, const char *path, const char *token)
{
	struct vos_fault *f = container_of(watch, struct vos_fault, watch);
	unsigned int seed, count, fatal;
	char *order;

	order = xenbus_read(XBT_NIL, f->service->device->nodename, "fault", NULL);
	if (IS_ERR(order))
		return;
	if (!strcmp(order, "floor"))
		WRITE_ONCE(f->floor, true);
	if (!strcmp(order, "nosync"))
		WRITE_ONCE(f->nosync, true);
	if (!strcmp(order, "keep"))
		WRITE_ONCE(f->keep, true);
	vos_fault_now(f, order);
	vos_fault_order_point(order);
	vos_fault_order_flood(f, order);
	if (sscanf(order, "lies %u %u %u", &seed, &count, &fatal) == 3 &&
	    count <= VOS_FAULT_MAX) {
		spin_lock(&f->lie_lock);
		prandom_seed_state(&f->lie_random, seed);
		f->lies = count;
		f->lie_fatal = fatal;
		spin_unlock(&f->lie_lock);
		pr_notice("%u lies, seed %u\n", count, seed);
	}
	if (sscanf(order, "garbage %u %u %u", &seed, &count, &fatal) == 3 &&
	    count <= VOS_FAULT_MAX && f->service->device->state == XenbusStateConnected) {
		mutex_lock(&f->lock);
		vos_fault_write(f, seed, count, fatal);
		mutex_unlock(&f->lock);
	}
	kfree(order);
}

void vos_fault_floor(struct vos_operation *op)
{
	/* Words of the two lines that nothing else uses: see abi/virtuos.h. */
	const u32 *there = &op->lane->control->unused[14];
	u32 *back = &op->lane->status->unused[12];
	u64 rounds = op->request.arg.plain.word[0];
	u64 end = local_clock() + VOS_FLOOR_LIMIT;
	u32 round, spins = 0;

	if (!op->service->fault || !READ_ONCE(op->service->fault->floor))
		return;
	if (rounds > VOS_FLOOR_ROUNDS) {
		op->completion.res = -EINVAL;
		return;
	}
	for (round = 1; round <= rounds; round++) {
		while (vos_load_acquire(there) != round) {
			cpu_relax();
			if (++spins % 1024 == 0 && local_clock() > end) {
				op->completion.res = -ETIMEDOUT;
				return;
			}
		}
		vos_store_release(back, round);
	}
}

bool vos_fault_nosync(const struct vos_service *s)
{
	return s->fault && READ_ONCE(s->fault->nosync);
}

bool vos_fault_keeps(const struct vos_service *s)
{
	return s->fault && READ_ONCE(s->fault->keep);
}

/* Of a FUSE message: a word of the reply's header or of what follows it. */
static void vos_fault_reply(struct vos_operation *op, struct rnd_state *random)
{
	const struct vos_request *request = &op->request;
	u64 reply = request->arg.file.word[1];
	u64 value = vos_fault_any(random);
	u32 words;

	if (reply > request->len || request->len - reply < 2 * sizeof(value))
		return;
	words = (request->len - reply) / sizeof(value);
	if (vos_fault_below(random, 2))
		words = min(words, 2);
	vos_operation_write(op, request->arg.file.data + reply +
			    vos_fault_below(random, words) * sizeof(value), &value,
			    sizeof(value));
}

bool vos_fault_lies(struct vos_operation *op)
{
	struct vos_fault *f = op->service->fault;
	bool silent = false;

	if (!f || !READ_ONCE(f->lies) || op->request.op >= VOS_OP_MAX ||
	    vos_operation_types[op->request.op].domain != VOS_DOMAIN_STORAGE)
		return false;
	spin_lock(&f->lie_lock);
	if (f->lies) {
		f->lies--;
		switch (vos_fault_below(&f->lie_random, 4)) {
		case 0:
			op->completion.res = vos_fault_any(&f->lie_random);
			break;
		case 1:
			op->completion.pos = vos_fault_any(&f->lie_random);
			op->completion.flags = vos_fault_any(&f->lie_random);
			break;
		case 2:
			silent = f->lie_fatal && !vos_fault_below(&f->lie_random, 16);
			break;
		default:
			if (op->request.op == VOS_OP_FUSE)
				vos_fault_reply(op, &f->lie_random);
			else
				op->completion.res += vos_fault_below(&f->lie_random, 3) - 1;
			break;
		}
		if (!f->lies)
			pr_notice("all lies are told\n");
	}
	spin_unlock(&f->lie_lock);
	return silent;
}

/* Watches for orders; quietly does without if it can't. */
struct vos_fault *vos_fault_start(struct vos_service *s)
{
	struct vos_fault *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	f->service = s;
	mutex_init(&f->lock);
	INIT_WORK(&f->begin, vos_fault_begin_work);
	spin_lock_init(&f->lie_lock);
	if (xenbus_watch_pathfmt(s->device, &f->watch, NULL, vos_fault_changed, "%s/fault",
				 s->device->nodename)) {
		kfree(f);
		return NULL;
	}
	vos_fault_offer(s);
	return f;
}

void vos_fault_end(struct vos_fault *f)
{
	if (!f)
		return;
	unregister_xenbus_watch(&f->watch);
	kfree(f->watch.node);
	vos_fault_disarm();
	cancel_work_sync(&f->begin);
	mutex_lock(&f->lock);
	vos_fault_stop(f);
	mutex_unlock(&f->lock);
	kfree(f);
}
