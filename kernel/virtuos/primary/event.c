// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event queues: what pollers tell the primary kernel without being asked.
 *
 * A poller writes entries and then `produced` with release; it raises the
 * event channel only if `armed`. The handler disarms while it drains, so a
 * busy queue costs one interrupt. A `produced` further ahead than the queue
 * is long cannot come from an honest peer.
 */
#include <linux/interrupt.h>
#include <linux/workqueue.h>
#include <xen/events.h>

#include "primary.h"

/* Rounds of draining in one interrupt before the event channel is raised again. */
#define VOS_EVENT_ROUNDS	16

static struct vos_poller_status *vos_link_status(struct vos_poller_link *link)
{
	struct vos_poller_status *table =
		link->connection->region[VOS_REGION_STATUS].address;

	return &table[link->index];
}

static struct vos_poller_control *vos_link_control(struct vos_poller_link *link)
{
	struct vos_poller_control *table =
		link->connection->region[VOS_REGION_CONTROL].address;

	return &table[link->index];
}

static void vos_event_deliver(struct vos_connection *c, const struct vos_event *event)
{
	switch (event->type) {
	case VOS_EVENT_READY:
		vos_count(c, VOS_COUNT_EVENTS_READY);
		vos_object_event(c, event->id, event->data, event->mask);
		break;
	case VOS_EVENT_WAKE:
		vos_count(c, VOS_COUNT_EVENTS_WAKE);
		if (event->id == VOS_KERNEL_SESSION)
			vos_call_wake(c, (u32)event->data);
		else
			vos_session_wake(c, event->id, (u32)event->data);
		break;
	default:
		vos_count(c, VOS_COUNT_REJECTED);
		break;
	}
}

/* Takes what is there. False: the peer broke the protocol. */
static bool vos_event_drain(struct vos_poller_link *link, u32 *taken)
{
	struct vos_connection *c = link->connection;
	u32 produced = vos_load_acquire(&vos_link_status(link)->produced);
	u32 n = produced - link->consumed;

	if (n > VOS_EVENT_ENTRIES) {
		vos_connection_fail(c, "poller %u: %u events in a queue of %u", link->index, n,
				    VOS_EVENT_ENTRIES);
		return false;
	}
	*taken = n;
	while (n--) {
		const struct vos_event *slot = &link->queue[link->consumed % VOS_EVENT_ENTRIES];
		struct vos_event event = {
			.id = vos_load(&slot->id),
			.type = vos_load(&slot->type),
			.mask = vos_load(&slot->mask),
			.data = vos_load(&slot->data),
		};

		link->consumed++;
		vos_event_deliver(c, &event);
	}
	/* The copies come before the room is given back. */
	vos_store_release(&vos_link_control(link)->consumed, link->consumed);
	return true;
}

/*
 * Softirq context, never beside itself. Events keep coming while the peer
 * works, so after VOS_EVENT_ROUNDS others have their turn; the channel stays
 * masked by the late end of interrupt meanwhile.
 */
void vos_event_work(struct work_struct *work)
{
	struct vos_poller_link *link = container_of(work, struct vos_poller_link, work);
	struct vos_connection *c = link->connection;
	bool idle = true;
	int round, irq;

	for (round = 0; round < VOS_EVENT_ROUNDS; round++) {
		u32 taken;

		if (!vos_connection_usable(c))
			break;
		vos_store(&vos_link_control(link)->armed, 0);
		if (!vos_event_drain(link, &taken))
			break;
		if (taken)
			idle = false;
		vos_store(&vos_link_control(link)->armed, 1);
		/* Pairs with the barrier in vos_poller_flush_locked(). */
		vos_full_barrier();
		if (vos_load(&vos_link_status(link)->produced) == link->consumed)
			break;
	}
	vos_liveness_interrupt(c, !idle);
	irq = READ_ONCE(link->irq);
	if (round == VOS_EVENT_ROUNDS)
		queue_work(system_bh_highpri_wq, &link->work);
	else if (irq)
		xen_irq_lateeoi(irq, idle ? XEN_EOI_FLAG_SPURIOUS : 0);
}

irqreturn_t vos_event_interrupt(int irq, void *data)
{
	struct vos_poller_link *link = data;

	vos_count(link->connection, VOS_COUNT_INTERRUPTS);
	queue_work(system_bh_highpri_wq, &link->work);
	return IRQ_HANDLED;
}
