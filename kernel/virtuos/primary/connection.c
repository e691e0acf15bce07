// SPDX-License-Identifier: GPL-2.0-only
/*
 * The back-end: how the primary meets a service domain.
 *
 * The toolstack makes the xenbus device. Both sides say what they speak, the
 * primary allocates and grants all shared memory and one event channel per
 * poller, and the connection is published once the domain has mapped it.
 *
 * A connection ends once: whoever finds that the domain died or broke the
 * protocol calls vos_connection_fail(). Its memory lives until the last
 * object, call and session let go of it.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/bitmap.h>
#include <linux/init.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/timex.h>
#include <linux/vmalloc.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "../common/xenbus_key.h"
#include "primary.h"

#define VOS_PRIMARY_FEATURES	0u

/*
 * No-ops timed at the handshake, after as many that warm up, and the time after
 * which there are no more: on a processor that others want, too, they take long.
 */
#define VOS_CALIBRATION_CALLS	64
#define VOS_CALIBRATION_LIMIT	NSEC_PER_SEC
/*
 * A process spins for this many no-ops, within these bounds: about twice what
 * a send over loopback takes, on hardware as under emulation.
 */
#define VOS_SPIN_NOOPS		128
#define VOS_SPIN_MIN_NS		(20 * NSEC_PER_USEC)
#define VOS_SPIN_MAX_NS		(1000 * NSEC_PER_USEC)

static DEFINE_SPINLOCK(vos_connections_lock);
static struct vos_connection *vos_connections[VOS_DOMAIN_MAX + 1];
/* Of each kind one that does not serve yet; under vos_connections_lock. */
static struct vos_connection *vos_connections_begun[VOS_DOMAIN_MAX + 1];
static u32 vos_connection_generations[VOS_DOMAIN_MAX + 1];
static DECLARE_WAIT_QUEUE_HEAD(vos_connections_changed);

/* ------------------------------------------------------------ references */

static void vos_connection_free_work(struct work_struct *work)
{
	struct vos_connection *c = container_of(work, struct vos_connection, free_work);
	int i;

	/* Objects that moved away are looked at under RCU. */
	synchronize_rcu();
	for (i = 0; i < VOS_REGION_COUNT; i++)
		vos_memory_free(&c->region[i]);
	vos_memory_free(&c->directory);
	vos_memory_free(&c->root);
	bitmap_free(c->arena_map);
	kvfree(c->object_generation);
	kvfree(c->object);
	kvfree(c);
}

/* The last reference may go in any context; freeing sleeps. */
static void vos_connection_release(struct kref *ref)
{
	struct vos_connection *c = container_of(ref, struct vos_connection, ref);

	queue_work(system_unbound_wq, &c->free_work);
}

void vos_connection_hold(struct vos_connection *c)
{
	kref_get(&c->ref);
}

void vos_connection_put(struct vos_connection *c)
{
	kref_put(&c->ref, vos_connection_release);
}

struct vos_connection *vos_connection_newest(u32 kind)
{
	struct vos_connection *c;
	unsigned long flags;

	if (kind > VOS_DOMAIN_MAX)
		return NULL;
	spin_lock_irqsave(&vos_connections_lock, flags);
	c = vos_connections[kind];
	if (c)
		vos_connection_hold(c);
	spin_unlock_irqrestore(&vos_connections_lock, flags);
	return c;
}

struct vos_connection *vos_connection_get(u32 kind)
{
	struct vos_connection *c = vos_connection_newest(kind);

	if (c && !vos_connection_usable(c)) {
		vos_connection_put(c);
		return NULL;
	}
	return c;
}

struct vos_connection *vos_connection_wait(u32 kind, long timeout)
{
	struct vos_connection *c = NULL;

	if (wait_event_interruptible_timeout(vos_connections_changed,
					     (c = vos_connection_get(kind)), timeout) <= 0)
		return NULL;
	return c;
}

/* -------------------------------------------------------------- failure */

/*
 * Our state in xenstore only goes forward, whoever says it: the watch of the
 * other end, the connect work or the fail work.
 */
static void vos_connection_say(struct vos_connection *c, enum xenbus_state state)
{
	mutex_lock(&c->say_lock);
	if (c->device->state < state)
		xenbus_switch_state(c->device, state);
	mutex_unlock(&c->say_lock);
}

/* What needs a context that may sleep. Holds a reference. */
static void vos_connection_fail_work(struct work_struct *work)
{
	struct vos_connection *c = container_of(work, struct vos_connection, fail_work);
	u32 i;

	/* Those who wait come first. */
	vos_session_fail_all(c);
	local_bh_disable();
	vos_object_fail_all(c);
	local_bh_enable();
	if (c->kind == VOS_DOMAIN_STORAGE)
		vosfs_fail();
	wake_up_all(&vos_connections_changed);
	vos_liveness_stop(c);
	for (i = 0; i < c->pollers; i++) {
		int irq = xchg(&c->link[i].irq, 0);

		if (!irq)
			continue;
		/* Doorbells look at irq under RCU. */
		synchronize_rcu();
		unbind_from_irqhandler(irq, &c->link[i]);
		/* Its timer, too. It starts itself again only while the connection is usable. */
		cancel_delayed_work_sync(&c->link[i].work);
	}
	/* The supervisor watches the state; remove() waits for this work. */
	vos_connection_say(c, XenbusStateClosing);
	vos_connection_put(c);
}

void vos_connection_fail(struct vos_connection *c, const char *format, ...)
{
	unsigned long flags;
	va_list args;
	bool first;

	spin_lock_irqsave(&c->lock, flags);
	first = c->state != VOS_CONNECTION_FAILED;
	if (first) {
		va_start(args, format);
		vsnprintf(c->reason, sizeof(c->reason), format, args);
		va_end(args);
		c->failed_at = ktime_get_boottime();
		WRITE_ONCE(c->state, VOS_CONNECTION_FAILED);
		/* Under the lock: who finds it failed and flushes the work waits for it. */
		vos_connection_hold(c);
		queue_work(system_unbound_wq, &c->fail_work);
	}
	spin_unlock_irqrestore(&c->lock, flags);
	if (!first)
		return;
	pr_notice("domain %u failed: %s\n", c->domid, c->reason);
	/* No call is submitted any more: state is looked at under lane->lock. */
	vos_call_abort_all(c);
}

/*
 * The handshake is not what it should be: tells the log, the supervisor and
 * the other side why, and ends the connection.
 */
static void __printf(3, 4) vos_connection_refuse(struct vos_connection *c, int err,
						 const char *format, ...)
{
	char why[sizeof(c->reason)];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	xenbus_dev_error(c->device, err, "%s", why);
	/* Before the state that makes the other side look. */
	vos_xenbus_write(c->device, VOS_KEY_ERROR, why);
	vos_connection_fail(c, "%s", why);
}

/* ---------------------------------------------------------------- set-up */

static void vos_connection_connect_work(struct work_struct *work);

static struct vos_connection *vos_connection_alloc(struct xenbus_device *device, u32 kind)
{
	struct vos_connection *c = kvzalloc(sizeof(*c), GFP_KERNEL);
	u32 i;

	if (!c)
		return NULL;
	c->object = kvcalloc(VOS_MAX_OBJECTS, sizeof(*c->object), GFP_KERNEL);
	c->object_generation = kvcalloc(VOS_MAX_OBJECTS, sizeof(*c->object_generation),
					GFP_KERNEL);
	c->arena_map = bitmap_zalloc(VOS_KERNEL_ARENA_PAGES, GFP_KERNEL);
	if (!c->object || !c->object_generation || !c->arena_map) {
		bitmap_free(c->arena_map);
		kvfree(c->object_generation);
		kvfree(c->object);
		kvfree(c);
		return NULL;
	}
	kref_init(&c->ref);
	spin_lock_init(&c->lock);
	spin_lock_init(&c->arena_lock);
	spin_lock_init(&c->object_lock);
	hash_init(c->object_users);
	mutex_init(&c->session_lock);
	mutex_init(&c->say_lock);
	/* All of them: one that fails half made has its calls aborted, too. */
	for (i = 0; i < VOS_MAX_KERNEL_LANES; i++)
		spin_lock_init(&c->lane[i].lock);
	init_waitqueue_head(&c->lane_space[0]);
	init_waitqueue_head(&c->lane_space[1]);
	init_waitqueue_head(&c->arena_space);
	INIT_WORK(&c->connect_work, vos_connection_connect_work);
	INIT_WORK(&c->fail_work, vos_connection_fail_work);
	INIT_WORK(&c->free_work, vos_connection_free_work);
	vos_liveness_init(c);
	c->state = VOS_CONNECTION_HANDSHAKE;
	c->kind = kind;
	c->device = device;
	c->domid = device->otherend_id;
	return c;
}

static int vos_connection_memory(struct vos_connection *c)
{
	const u32 pages[VOS_REGION_COUNT] = {
		[VOS_REGION_CONTROL]	= 1,
		[VOS_REGION_STATUS]	= 1,
		[VOS_REGION_INTEREST]	= VOS_INTEREST_PAGES,
		[VOS_REGION_STATE]	= VOS_STATE_PAGES,
		[VOS_REGION_EVENTS]	= VOS_EVENT_PAGES * c->pollers,
		[VOS_REGION_LANES_C]	= c->lanes,
		[VOS_REGION_LANES_S]	= c->lanes,
		[VOS_REGION_ARENA]	= VOS_KERNEL_ARENA_PAGES,
	};
	struct vos_root *root;
	u32 total = 0;
	u32 *refs;
	u32 i, j, n;
	int err;

	for (i = 0; i < VOS_REGION_COUNT; i++) {
		bool readonly = i == VOS_REGION_CONTROL || i == VOS_REGION_INTEREST ||
				i == VOS_REGION_LANES_C;

		err = vos_memory_alloc(&c->region[i], pages[i], GFP_KERNEL);
		if (!err)
			err = vos_memory_grant(&c->region[i], 0, pages[i], c->domid, readonly);
		if (err)
			return err;
		total += pages[i];
	}
	n = DIV_ROUND_UP(total, VOS_REFS_PER_PAGE);
	if (WARN_ON(n > VOS_MAX_DIRECTORIES))
		return -E2BIG;
	err = vos_memory_alloc(&c->directory, n, GFP_KERNEL);
	if (!err)
		err = vos_memory_alloc(&c->root, 1, GFP_KERNEL);
	if (!err)
		err = vos_memory_grant(&c->directory, 0, n, c->domid, true);
	if (!err)
		err = vos_memory_grant(&c->root, 0, 1, c->domid, true);
	if (err)
		return err;

	refs = c->directory.address;
	for (i = 0, n = 0; i < VOS_REGION_COUNT; i++)
		for (j = 0; j < pages[i]; j++)
			refs[n++] = c->region[i].refs[j];
	root = c->root.address;
	root->magic = VOS_MAGIC;
	root->abi_version = VOS_ABI_VERSION;
	root->features = c->features;
	root->domain = c->kind;
	root->pollers = c->pollers;
	root->kernel_lanes = c->lanes;
	root->objects = VOS_MAX_OBJECTS;
	root->generation = c->generation;
	memcpy(root->region_pages, pages, sizeof(pages));
	root->directories = c->directory.count;
	for (i = 0; i < c->directory.count; i++)
		root->directory_ref[i] = c->directory.refs[i];
	return 0;
}

static void vos_connection_lanes(struct vos_connection *c)
{
	u32 i;

	for (i = 0; i < c->lanes; i++) {
		struct vos_kernel_lane *lane = &c->lane[i];

		vos_lane_position_reset(&lane->position);
		lane->index = i;
		lane->c = c->region[VOS_REGION_LANES_C].address + i * PAGE_SIZE;
		lane->s = c->region[VOS_REGION_LANES_S].address + i * PAGE_SIZE;
	}
}

static int vos_connection_channel(struct vos_connection *c, u32 index)
{
	struct vos_poller_link *link = &c->link[index];
	struct vos_poller_control *control = c->region[VOS_REGION_CONTROL].address;
	char key[32];
	int err;

	link->connection = c;
	link->index = index;
	link->queue = c->region[VOS_REGION_EVENTS].address + index * VOS_EVENT_PAGES * PAGE_SIZE;
	INIT_DELAYED_WORK(&link->work, vos_event_work);
	err = xenbus_alloc_evtchn(c->device, &link->port);
	if (err)
		return err;
	err = bind_evtchn_to_irqhandler_lateeoi(link->port, vos_event_interrupt, 0, "virtuos",
						link);
	if (err < 0) {
		xenbus_free_evtchn(c->device, link->port);
		return err;
	}
	link->irq = err;
	vos_store(&control[index].armed, 1);
	snprintf(key, sizeof(key), VOS_KEY_EVENT_CHANNEL, index);
	return vos_xenbus_write_u32(c->device, key, link->port);
}

/* The front-end has introduced itself: memory and channels for it. */
static void vos_connection_offer(struct vos_connection *c)
{
	struct xenbus_device *device = c->device;
	u32 version, features, pollers;
	u32 i;
	int err;

	err = vos_xenbus_read_u32(device->otherend, VOS_KEY_ABI, &version);
	if (err) {
		vos_connection_refuse(c, err, "its ABI version is missing or no number");
		return;
	}
	if (version != VOS_ABI_VERSION) {
		vos_connection_refuse(c, -EPROTO,
				      "service domain speaks ABI version %u, the primary %u",
				      version, VOS_ABI_VERSION);
		return;
	}
	err = vos_xenbus_read_u32(device->otherend, VOS_KEY_FEATURES, &features);
	if (err) {
		vos_connection_refuse(c, err, "features missing or no number");
		return;
	}
	err = vos_xenbus_read_u32(device->otherend, VOS_KEY_POLLERS, &pollers);
	if (err || !pollers || pollers > VOS_MAX_POLLERS) {
		vos_connection_refuse(c, -EPROTO, "number of pollers missing or not within 1..%u",
				      VOS_MAX_POLLERS);
		return;
	}
	c->features = features & VOS_PRIMARY_FEATURES;
	c->pollers = pollers;
	c->quick_lanes = clamp_t(u32, num_possible_cpus(), 1, VOS_MAX_KERNEL_LANES);
	c->lanes = c->quick_lanes;
	if (c->kind == VOS_DOMAIN_STORAGE) {
		c->quick_lanes = min(c->quick_lanes, VOS_MAX_KERNEL_LANES - VOS_SLOW_LANES);
		c->lanes = c->quick_lanes + VOS_SLOW_LANES;
	}
	err = vos_connection_memory(c);
	if (err) {
		vos_connection_refuse(c, err, "granting shared memory");
		return;
	}
	vos_connection_lanes(c);
	for (i = 0; i < c->pollers; i++) {
		err = vos_connection_channel(c, i);
		if (err) {
			vos_connection_refuse(c, err, "event channel of poller %u", i);
			return;
		}
	}
	err = vos_xenbus_write_u32(device, VOS_KEY_ROOT_REF, c->root.refs[0]);
	if (err) {
		vos_connection_refuse(c, err, "writing the handshake");
		return;
	}
	vos_connection_say(c, XenbusStateInitialised);
}

static int vos_compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a;
	u64 y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/*
 * How long a no-op takes here decides how long spinning is useful. A domain
 * that is slow, on purpose or not, gets VOS_CALIBRATION_LIMIT and no more, and
 * is taken for what it showed until then. False: the connection failed.
 */
static bool vos_connection_calibrate(struct vos_connection *c)
{
	u64 limit = local_clock() + VOS_CALIBRATION_LIMIT;
	u64 sample[VOS_CALIBRATION_CALLS];
	u64 ns = local_clock(), cycles = get_cycles();
	int i = 0, timed = 0;
	u64 spin;

	do {
		u64 start = local_clock();
		int err;

		err = vos_call_simple(c, VOS_OP_NOP, 0, 0, 0);
		if (err) {
			vos_connection_fail(c, "the first no-ops gave %d", err);
			return false;
		}
		/* Those that warm up count only if there are no others. */
		if (i++ == VOS_CALIBRATION_CALLS)
			timed = 0;
		sample[timed++] = local_clock() - start;
	} while (i < 2 * VOS_CALIBRATION_CALLS && local_clock() < limit);
	cycles = get_cycles() - cycles;
	ns = local_clock() - ns;
	sort(sample, timed, sizeof(sample[0]), vos_compare_u64, NULL);
	c->noop_ns = min_t(u64, sample[timed / 2], U32_MAX);
	spin = clamp_t(u64, (u64)c->noop_ns * VOS_SPIN_NOOPS, VOS_SPIN_MIN_NS, VOS_SPIN_MAX_NS);
	c->spin_cycles = clamp_t(u64, div64_u64(spin * cycles, max(ns, 1ull)), 1, U32_MAX);
	return true;
}

/* Is there one that serves this kind? */
static bool vos_connection_taken(u32 kind)
{
	struct vos_connection *c = vos_connection_get(kind);

	if (c)
		vos_connection_put(c);
	return c;
}

/* Makes it the connection of its kind, unless there is one that serves. */
static bool vos_connection_publish(struct vos_connection *c)
{
	struct vos_connection *old;
	bool taken;

	spin_lock_irq(&vos_connections_lock);
	old = vos_connections[c->kind];
	taken = old && vos_connection_usable(old);
	if (!taken) {
		vos_connection_hold(c);
		vos_connections[c->kind] = c;
	}
	spin_unlock_irq(&vos_connections_lock);
	if (taken) {
		vos_connection_refuse(c, -EBUSY, "another domain serves this kind already");
		return false;
	}
	if (old)
		vos_connection_put(old);
	return true;
}

/* The one that is watched though it does not serve yet, until there is none. */
static void vos_connection_begins(struct vos_connection *c)
{
	spin_lock_irq(&vos_connections_lock);
	if (!vos_connections_begun[c->kind]) {
		vos_connection_hold(c);
		vos_connections_begun[c->kind] = c;
	}
	spin_unlock_irq(&vos_connections_lock);
}

static void vos_connection_has_begun(struct vos_connection *c)
{
	bool was;

	spin_lock_irq(&vos_connections_lock);
	was = vos_connections_begun[c->kind] == c;
	if (was)
		vos_connections_begun[c->kind] = NULL;
	spin_unlock_irq(&vos_connections_lock);
	if (was)
		vos_connection_put(c);
}

struct vos_connection *vos_connection_watched(u32 kind)
{
	struct vos_connection *c = NULL;
	unsigned long flags;

	if (kind > VOS_DOMAIN_MAX)
		return NULL;
	spin_lock_irqsave(&vos_connections_lock, flags);
	if (vos_connections_begun[kind] && vos_connection_usable(vos_connections_begun[kind])) {
		c = vos_connections_begun[kind];
		vos_connection_hold(c);
	}
	spin_unlock_irqrestore(&vos_connections_lock, flags);
	return c ?: vos_connection_get(kind);
}

/* The pollers run: makes the connection one that serves. False: it failed, or is not wanted. */
static bool vos_connection_begin(struct vos_connection *c)
{
	if (!vos_connection_calibrate(c))
		return false;
	c->connected_at = ktime_get_boottime();
	/* Before anybody can take a port that one of them has. */
	if (c->kind == VOS_DOMAIN_NETWORK && !vos_connection_taken(c->kind))
		vos_proxy_recover(c);
	return vos_connection_publish(c);
}

/*
 * The domain has mapped everything. Not in the watch's own thread, which
 * serves every other device of the primary, too: the domain may take its time
 * to answer. remove() waits for this work.
 */
static void vos_connection_connect_work(struct work_struct *work)
{
	struct vos_connection *c = container_of(work, struct vos_connection, connect_work);
	bool first, serves;

	spin_lock_irq(&c->lock);
	first = c->state == VOS_CONNECTION_HANDSHAKE;
	if (first)
		WRITE_ONCE(c->state, VOS_CONNECTION_CONNECTED);
	spin_unlock_irq(&c->lock);
	if (!first)
		return;
	/* From now on one that hangs is found, in the first no-ops, too, or in recovery. */
	vos_connection_begins(c);
	vos_liveness_start(c);
	serves = vos_connection_begin(c);
	vos_connection_has_begun(c);
	if (!serves)
		return;
	pr_info("domain %u connected: generation %u, %u pollers, %u kernel lanes, no-op %u ns\n",
		c->domid, c->generation, c->pollers, c->lanes, c->noop_ns);
	wake_up_all(&vos_connections_changed);
	/* Its daemon may not be ready for a while. */
	if (c->kind == VOS_DOMAIN_STORAGE)
		vosfs_recover();
	/* Last: who sees this state finds the connection. */
	vos_connection_say(c, XenbusStateConnected);
}

/* -------------------------------------------------------------- xenbus */

/* The connection failed and its front-end goes: nothing of ours uses it any more. */
static void vos_primary_close(struct vos_connection *c)
{
	flush_work(&c->fail_work);
	vos_connection_say(c, XenbusStateClosed);
}

/* The front-end leaves; perhaps it refused us and says why. */
static void vos_primary_closed(struct vos_connection *c)
{
	char why[VOS_EXPLANATION_BYTES];

	if (vos_connection_usable(c)) {
		vos_connection_fail(c, "the domain closed its end");
	} else {
		vos_xenbus_read_explanation(c->device->otherend, why);
		vos_connection_fail(c, "the domain closed its end: %s", why);
	}
	vos_primary_close(c);
}

/*
 * States of the other end, in the order of the handshake at the end of
 * abi/virtuos.h. The watch may fire again without a change; everything else
 * that is out of order ends the connection.
 */
static void vos_primary_otherend_changed(struct xenbus_device *device, enum xenbus_state state)
{
	struct vos_connection *c = dev_get_drvdata(&device->dev);
	/* Of the states of ours that it may see. */
	enum xenbus_state ours = device->state;

	if (ours == XenbusStateClosed)
		return;
	switch (state) {
	case XenbusStateClosing:
	case XenbusStateClosed:
		vos_primary_closed(c);
		return;
	case XenbusStateUnknown:
		vos_connection_fail(c, "the domain is gone");
		vos_primary_close(c);
		return;
	default:
		break;
	}
	/* Refused or failed; that we say so in xenstore may still be to come. */
	if (READ_ONCE(c->state) == VOS_CONNECTION_FAILED)
		return;
	switch (state) {
	case XenbusStateInitialising:
		if (ours == XenbusStateInitWait)
			return;
		break;
	case XenbusStateInitialised:
		if (ours == XenbusStateInitWait)
			vos_connection_offer(c);
		if (ours == XenbusStateInitWait || ours == XenbusStateInitialised)
			return;
		break;
	case XenbusStateConnected:
		if (ours == XenbusStateInitialised)
			queue_work(system_unbound_wq, &c->connect_work);
		if (ours == XenbusStateInitialised || ours == XenbusStateConnected)
			return;
		break;
	default:
		break;
	}
	/* A front-end that starts over needs a new device. */
	vos_connection_refuse(c, -EPROTO,
			      "the service domain goes to state %d, the primary is in %d",
			      state, ours);
}

/* There is no connection yet: the same words for the log and the other side. */
static int vos_primary_refuse(struct xenbus_device *device, int err, const char *why)
{
	vos_xenbus_write(device, VOS_KEY_ERROR, why);
	xenbus_dev_fatal(device, err, "%s", why);
	return err;
}

static int vos_primary_probe(struct xenbus_device *device, const struct xenbus_device_id *id)
{
	struct vos_connection *c, *current_one;
	u32 kind;
	int err;

	if (vos_xenbus_read_u32(device->nodename, VOS_KEY_KIND, &kind) ||
	    (kind != VOS_DOMAIN_NETWORK && kind != VOS_DOMAIN_STORAGE))
		return vos_primary_refuse(device, -EINVAL, "kind missing or unknown");
	current_one = vos_connection_get(kind);
	if (current_one) {
		vos_connection_put(current_one);
		return vos_primary_refuse(device, -EBUSY,
					  "another domain serves this kind already");
	}
	c = vos_connection_alloc(device, kind);
	if (!c)
		return -ENOMEM;
	c->generation = ++vos_connection_generations[kind];
	dev_set_drvdata(&device->dev, c);
	err = vos_xenbus_write_u32(device, VOS_KEY_ABI, VOS_ABI_VERSION);
	if (!err)
		err = vos_xenbus_write_u32(device, VOS_KEY_FEATURES, VOS_PRIMARY_FEATURES);
	if (!err)
		err = xenbus_switch_state(device, XenbusStateInitWait);
	if (err) {
		xenbus_dev_fatal(device, err, "writing the handshake");
		vos_connection_put(c);
	}
	return err;
}

static void vos_primary_remove(struct xenbus_device *device)
{
	struct vos_connection *c = dev_get_drvdata(&device->dev);
	int i;

	vos_connection_fail(c, "its device was removed");
	/* Both end soon: no call waits any more. The first may say something yet. */
	flush_work(&c->connect_work);
	flush_work(&c->fail_work);
	for (i = 0; i < VOS_REGION_COUNT; i++)
		vos_memory_revoke(&c->region[i]);
	vos_memory_revoke(&c->directory);
	vos_memory_revoke(&c->root);
	c->device = NULL;
	vos_connection_put(c);
}

static const struct xenbus_device_id vos_primary_ids[] = {
	{ VOS_XENBUS_TYPE },
	{ "" }
};

static struct xenbus_driver vos_primary_driver = {
	.name = "virtuos-primary",
	.ids = vos_primary_ids,
	.probe = vos_primary_probe,
	.remove = vos_primary_remove,
	.otherend_changed = vos_primary_otherend_changed,
};

static int __init vos_primary_init(void)
{
	if (!xen_domain())
		return 0;
	return xenbus_register_backend(&vos_primary_driver);
}
late_initcall(vos_primary_init);
