// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front-end: how a service domain meets its primary.
 *
 * The toolstack makes the xenbus device; this driver says what it is, waits
 * for the primary's memory and event channels, and starts the pollers. When
 * the primary goes, everything made for it goes.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "../common/xenbus_key.h"
#include "fault.h"
#include "service.h"

/* What this side can do; the connection has the common part. */
#define VOS_SERVICE_FEATURES	0u

static const char *const vos_service_counter_names[VOS_SERVED_COUNTERS] = {
	[VOS_SERVED_INLINE]	= "inline",
	[VOS_SERVED_WORKER]	= "worker",
	[VOS_SERVED_REJECTED]	= "rejected",
	[VOS_SERVED_SLEEPS]	= "sleeps",
	[VOS_SERVED_PARKS]	= "parks",
	[VOS_SERVED_EVENTS]	= "events",
	[VOS_SERVED_NOTIFIES]	= "notifies",
	[VOS_SERVED_BYTES_OUT]	= "bytes_out",
	[VOS_SERVED_BYTES_IN]	= "bytes_in",
};

/* The kinds of service domain this kernel can be. */
static bool vos_service_can_be(u32 kind)
{
	switch (kind) {
	case VOS_DOMAIN_NETWORK:
		return IS_ENABLED(CONFIG_VIRTUOS_SERVICE_NETWORK);
	case VOS_DOMAIN_STORAGE:
		return IS_ENABLED(CONFIG_VIRTUOS_SERVICE_STORAGE);
	default:
		return false;
	}
}

static struct dentry *vos_service_debugfs;

static int vos_service_stats_show(struct seq_file *m, void *unused)
{
	struct vos_service *s = m->private;
	int i;

	for (i = 0; i < VOS_SERVED_COUNTERS; i++)
		seq_printf(m, "%s %lld\n", vos_service_counter_names[i],
			   atomic64_read(&s->counter[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vos_service_stats);

/* ------------------------------------------------------------- regions */

/* Maps the root, the directories and then every region they list. */
static int vos_service_map(struct vos_service *s, u32 root_ref)
{
	const struct vos_root *shared;
	struct vos_root *root;
	u32 *refs = NULL;
	u32 total = 0;
	u32 i, done;
	int err;

	root = kzalloc(sizeof(*root), GFP_KERNEL);
	if (!root)
		return -ENOMEM;
	err = vos_mapping_map(&s->root, s->primary, &root_ref, 1, 1);
	if (err)
		goto out;
	shared = vos_mapping_page(&s->root, 0);
	memcpy(root, shared, sizeof(*root));

	err = -EPROTO;
	if (root->magic != VOS_MAGIC || root->abi_version != VOS_ABI_VERSION ||
	    root->domain != s->kind || root->pollers != s->pollers || !root->kernel_lanes ||
	    root->kernel_lanes > VOS_MAX_KERNEL_LANES || root->objects != VOS_MAX_OBJECTS ||
	    !root->directories || root->directories > VOS_MAX_DIRECTORIES)
		goto out;
	if (root->region_pages[VOS_REGION_CONTROL] != 1 ||
	    root->region_pages[VOS_REGION_STATUS] != 1 ||
	    root->region_pages[VOS_REGION_INTEREST] != VOS_INTEREST_PAGES ||
	    root->region_pages[VOS_REGION_STATE] != VOS_STATE_PAGES ||
	    root->region_pages[VOS_REGION_EVENTS] != VOS_EVENT_PAGES * s->pollers ||
	    root->region_pages[VOS_REGION_LANES_C] != root->kernel_lanes ||
	    root->region_pages[VOS_REGION_LANES_S] != root->kernel_lanes ||
	    root->region_pages[VOS_REGION_ARENA] != VOS_KERNEL_ARENA_PAGES)
		goto out;
	for (i = 0; i < VOS_REGION_COUNT; i++)
		total += root->region_pages[i];
	if (total > root->directories * VOS_REFS_PER_PAGE)
		goto out;

	err = vos_mapping_map(&s->directory, s->primary, root->directory_ref,
			      root->directories, root->directories);
	if (err)
		goto out;
	vos_fault_point(s, VOS_FAULT_GRANT, VOS_OP_NOP);
	refs = kvcalloc(root->directories, VOS_PAGE_SIZE, GFP_KERNEL);
	if (!refs) {
		err = -ENOMEM;
		goto out;
	}
	for (i = 0; i < root->directories; i++)
		memcpy(refs + i * VOS_REFS_PER_PAGE, vos_mapping_page(&s->directory, i),
		       VOS_PAGE_SIZE);
	for (i = 0, done = 0; i < VOS_REGION_COUNT && !err; i++) {
		bool readonly = i == VOS_REGION_CONTROL || i == VOS_REGION_INTEREST ||
				i == VOS_REGION_LANES_C;

		err = vos_mapping_map(&s->region[i], s->primary, refs + done,
				      root->region_pages[i],
				      readonly ? root->region_pages[i] : 0);
		done += root->region_pages[i];
	}
	s->lanes = root->kernel_lanes;
	s->generation = root->generation;
	s->features = root->features & VOS_SERVICE_FEATURES;
out:
	kvfree(refs);
	kfree(root);
	return err;
}

static void vos_service_unmap(struct vos_service *s)
{
	int i;

	for (i = 0; i < VOS_REGION_COUNT; i++)
		vos_mapping_unmap(&s->region[i]);
	vos_mapping_unmap(&s->directory);
	vos_mapping_unmap(&s->root);
}

static void vos_service_lane_setup(struct vos_service *s, u32 index)
{
	struct vos_kernel_lane_c *c = vos_mapping_page(&s->region[VOS_REGION_LANES_C], index);
	struct vos_kernel_lane_s *status =
		vos_mapping_page(&s->region[VOS_REGION_LANES_S], index);
	struct vos_service_lane *lane = &s->lane[index];

	memset(lane, 0, sizeof(*lane));
	lane->control = &c->control;
	lane->request = c->request;
	lane->status = &status->status;
	lane->completion = status->completion;
	lane->arena = &s->region[VOS_REGION_ARENA];
	lane->arena_first = 0;
	lane->arena_bytes = VOS_KERNEL_ARENA_PAGES * VOS_PAGE_SIZE;
	lane->depth = VOS_KERNEL_LANE_DEPTH;
	lane->index = index;
	/* The poller looks at these lanes whenever it is awake: never parked. */
	lane->poller = vos_service_poller(s, index);
	vos_lane_position_reset(&lane->position);
	spin_lock_init(&lane->complete_lock);
	INIT_LIST_HEAD(&lane->hot_node);
	INIT_LIST_HEAD(&lane->wake_node);
	vos_store(&lane->status->poller, lane->poller->index);
}

static int vos_service_poller_setup(struct vos_service *s, u32 index)
{
	struct vos_poller *p = s->poller[index];
	struct vos_poller_status *status = vos_mapping_page(&s->region[VOS_REGION_STATUS], 0);
	struct vos_poller_control *control = vos_mapping_page(&s->region[VOS_REGION_CONTROL], 0);
	char key[32];
	u32 port;
	int irq;

	p->status = &status[index];
	p->control = &control[index];
	snprintf(key, sizeof(key), VOS_KEY_EVENT_CHANNEL, index);
	irq = vos_xenbus_read_u32(s->device->otherend, key, &port);
	if (irq)
		return irq;
	irq = bind_interdomain_evtchn_to_irqhandler_lateeoi(s->device, port,
							    vos_poller_interrupt, 0,
							    "virtuos", p);
	if (irq < 0)
		return irq;
	p->irq = irq;
	return 0;
}

/* ---------------------------------------------------- connect, disconnect */

static void vos_service_disconnect(struct vos_service *s)
{
	u32 i;

	if (!s->root.count)
		return;
	/*
	 * First the sources of work, while the pollers can still let go of
	 * what they hold; then the pollers; then what they looked at.
	 */
	if (s->poller[0]->thread) {
		vos_service_session_close_all(s);
		vos_service_object_remove_all(s);
		vos_workers_flush(s);
		vos_pollers_stop(s);
		/* What the pollers queued last: it uses the mappings. */
		vos_workers_flush(s);
		vos_relay_disconnect(s);
	}
	/* It writes into what is unmapped below; operations asked it until here. */
	vos_fault_end(s->fault);
	s->fault = NULL;
	for (i = 0; i < s->pollers; i++) {
		if (s->poller[i]->irq > 0)
			unbind_from_irqhandler(s->poller[i]->irq, s->poller[i]);
		s->poller[i]->irq = 0;
	}
	vos_service_unmap(s);
}

static int vos_service_connect(struct vos_service *s)
{
	u32 root_ref;
	u32 i;
	int err;

	err = vos_xenbus_read_u32(s->device->otherend, VOS_KEY_ROOT_REF, &root_ref);
	if (err)
		return err;
	err = vos_service_map(s, root_ref);
	if (err)
		goto undo;
	for (i = 0; i < s->pollers; i++) {
		err = vos_service_poller_setup(s, i);
		if (err)
			goto undo;
	}
	for (i = 0; i < s->lanes; i++)
		vos_service_lane_setup(s, i);
	err = vos_pollers_start(s);
	if (err)
		goto undo;
	return 0;
undo:
	vos_service_disconnect(s);
	return err;
}

/* Tells the log and the primary why, and ends the handshake. */
static void __printf(3, 4) vos_service_refuse(struct vos_service *s, int err,
					      const char *format, ...)
{
	char why[VOS_EXPLANATION_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	/* Before the state that makes the primary look. */
	vos_xenbus_write(s->device, VOS_KEY_ERROR, why);
	xenbus_dev_fatal(s->device, err, "%s", why);
}

static void vos_service_introduce(struct vos_service *s)
{
	u32 version;
	int err;

	err = vos_xenbus_read_u32(s->device->otherend, VOS_KEY_ABI, &version);
	if (err) {
		vos_service_refuse(s, err, "the primary's ABI version is missing or no number");
		return;
	}
	if (version != VOS_ABI_VERSION) {
		vos_service_refuse(s, -EPROTO, "primary speaks ABI version %u, this domain %u",
				   version, VOS_ABI_VERSION);
		return;
	}
	if (vos_xenbus_read_u32(s->device->otherend, VOS_KEY_KIND, &s->kind))
		s->kind = VOS_DOMAIN_NONE;
	if (!vos_service_can_be(s->kind)) {
		vos_service_refuse(s, -EPROTO, "this kernel cannot serve kind %u", s->kind);
		return;
	}
	vos_fault_introduce(s);
	err = vos_xenbus_write_u32(s->device, VOS_KEY_ABI, VOS_ABI_VERSION);
	if (!err)
		err = vos_xenbus_write_u32(s->device, VOS_KEY_FEATURES, VOS_SERVICE_FEATURES);
	if (!err)
		err = vos_xenbus_write_u32(s->device, VOS_KEY_POLLERS, s->pollers);
	vos_fault_point(s, VOS_FAULT_HANDSHAKE, VOS_OP_NOP);
	if (err)
		vos_service_refuse(s, err, "writing the handshake");
	else
		xenbus_switch_state(s->device, XenbusStateInitialised);
}

static void vos_service_otherend_changed(struct xenbus_device *device, enum xenbus_state state)
{
	struct vos_service *s = dev_get_drvdata(&device->dev);
	char why[VOS_EXPLANATION_BYTES];
	int err;

	switch (state) {
	case XenbusStateInitWait:
		if (device->state == XenbusStateInitialising)
			vos_service_introduce(s);
		break;
	case XenbusStateInitialised:
		if (device->state != XenbusStateInitialised)
			break;
		err = vos_service_connect(s);
		if (err) {
			vos_service_refuse(s, err, "connecting to the primary: %d", err);
			break;
		}
		xenbus_switch_state(device, XenbusStateConnected);
		pr_notice("connected to domain %u, generation %u, %u pollers, %u kernel lanes\n",
			  s->primary, s->generation, s->pollers, s->lanes);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (device->state == XenbusStateClosed)
			break;
		if (device->state < XenbusStateConnected) {
			vos_xenbus_read_explanation(device->otherend, why);
			dev_err(&device->dev, "the primary closed its end: %s\n", why);
		}
		vos_service_disconnect(s);
		xenbus_switch_state(device, XenbusStateClosed);
		break;
	default:
		break;
	}
}

static void vos_service_free(struct vos_service *s)
{
	u32 i;

	for (i = 0; i < VOS_MAX_POLLERS; i++)
		kfree(s->poller[i]);
	kvfree(s->object);
	kvfree(s);
}

static int vos_service_probe(struct xenbus_device *device, const struct xenbus_device_id *id)
{
	struct vos_service *s;
	u32 i;

	s = kvzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	s->device = device;
	s->primary = device->otherend_id;
	s->pollers = min_t(u32, num_online_cpus(), VOS_MAX_POLLERS);
	spin_lock_init(&s->object_lock);
	mutex_init(&s->session_lock);
	s->object = kvcalloc(VOS_MAX_OBJECTS, sizeof(*s->object), GFP_KERNEL);
	if (!s->object)
		goto free;
	for (i = 0; i < s->pollers; i++) {
		struct vos_poller *p = kzalloc(sizeof(*p), GFP_KERNEL);

		if (!p)
			goto free;
		s->poller[i] = p;
		p->service = s;
		p->index = i;
		spin_lock_init(&p->event_lock);
		INIT_LIST_HEAD(&p->events);
		INIT_LIST_HEAD(&p->wakes);
		INIT_LIST_HEAD(&p->hot);
		INIT_LIST_HEAD(&p->watched);
		init_llist_head(&p->ready_list);
		init_llist_head(&p->kick_list);
		init_llist_head(&p->close_list);
	}
	dev_set_drvdata(&device->dev, s);
	s->fault = vos_fault_start(s);
	s->debugfs = debugfs_create_dir(dev_name(&device->dev), vos_service_debugfs);
	debugfs_create_file("stats", 0400, s->debugfs, s, &vos_service_stats_fops);
	/* Initialising: the primary says what it speaks first. */
	return 0;
free:
	vos_service_free(s);
	return -ENOMEM;
}

static void vos_service_remove(struct xenbus_device *device)
{
	struct vos_service *s = dev_get_drvdata(&device->dev);

	debugfs_remove_recursive(s->debugfs);
	vos_service_disconnect(s);
	vos_fault_end(s->fault);
	vos_service_free(s);
}

static const struct xenbus_device_id vos_service_ids[] = {
	{ VOS_XENBUS_TYPE },
	{ "" }
};

static struct xenbus_driver vos_service_driver = {
	.name = "virtuos-service",
	.ids = vos_service_ids,
	.probe = vos_service_probe,
	.remove = vos_service_remove,
	.otherend_changed = vos_service_otherend_changed,
	.not_essential = true,
};

static int __init vos_service_init(void)
{
	int err;

	if (!xen_domain())
		return 0;
	err = vos_workers_init();
	if (!err)
		err = vos_relay_init();
	if (err)
		return err;
	vos_service_debugfs = debugfs_create_dir("virtuos", NULL);
	return xenbus_register_frontend(&vos_service_driver);
}
late_initcall(vos_service_init);
