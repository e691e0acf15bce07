// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event queues: what pollers tell the primary kernel without being asked.
 *
 * A poller writes entries and then `produced` with release; it raises the
 * event channel only if `armed`. The handler disarms while it drains, so a
 * busy queue costs one interrupt. A `produced` further ahead than the queue
 * is long cannot come from an honest peer.
 *
 * Floods. A poller gets so much done for it and no more in VOS_EVENT_PAUSE;
 * what is left waits for the next one, and so does its event channel, which
 * stays masked until its interrupt is ended. An honest domain loses little by
 * it: what waits is told once, and many are served in one go.
 *
 * What nobody asked for. READY uses up an arming of its object, WAKE of a
 * kernel lane has a completion for its cause, so there can't be more of them
 * than of these (vos_object_event(), vos_call_wake()). Other ones are dropped,
 * and many of them are the end of the domain. WAKE of a user lane is as frequent
 * as its process wants: the domain is not to blame for it.
 */
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/workqueue.h>
#include <xen/events.h>

#include "primary.h"

/* A time, in jiffies, and how many events and looks at the queue are taken in it. */
#define VOS_EVENT_PAUSE		DIV_ROUND_UP(HZ, 250)
#define VOS_EVENT_BUDGET	1024u
/* Events that mean nothing, within a second, of one poller. */
#define VOS_EVENT_NONSENSE	VOS_EVENT_ENTRIES

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

/* False: it means nothing. */
static bool vos_event_deliver(struct vos_connection *c, const struct vos_event *event)
{
	switch (event->type) {
	case VOS_EVENT_READY:
		vos_count(c, VOS_COUNT_EVENTS_READY);
		return vos_object_event(c, event->id, event->data, event->mask);
	case VOS_EVENT_WAKE:
		vos_count(c, VOS_COUNT_EVENTS_WAKE);
		if (event->id == VOS_KERNEL_SESSION)
			return vos_call_wake(c, (u32)event->data);
		return vos_session_wake(c, event->id, (u32)event->data);
	default:
		return false;
	}
}

/* False: that was one too many. */
static bool vos_event_is_nonsense(struct vos_poller_link *link)
{
	struct vos_connection *c = link->connection;

	vos_count(c, VOS_COUNT_REJECTED);
	if (time_after(jiffies, link->nonsense_since + HZ)) {
		link->nonsense_since = jiffies;
		link->nonsense = 0;
	}
	if (link->nonsense++ < VOS_EVENT_NONSENSE)
		return true;
	vos_connection_fail(c, "poller %u: events that mean nothing, %u within a second",
			    link->index, link->nonsense);
	return false;
}

/* Takes what is there, at most so many. False: the peer broke the protocol. */
static bool vos_event_drain(struct vos_poller_link *link, u32 most, u32 *taken)
{
	struct vos_connection *c = link->connection;
	/* Pairs with the release in vos_poller_flush_locked(): the entries are there. */
	u32 produced = vos_load_acquire(&vos_link_status(link)->produced);
	u32 n = produced - link->consumed;

	if (n > VOS_EVENT_ENTRIES) {
		vos_connection_fail(c, "poller %u: %u events in a queue of %u", link->index, n,
				    VOS_EVENT_ENTRIES);
		return false;
	}
	n = min(n, most);
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
		if (!vos_event_deliver(c, &event) && !vos_event_is_nonsense(link))
			return false;
	}
	/*
	 * The copies come before the room is given back: pairs with the acquire
	 * in vos_poller_flush_locked().
	 */
	vos_store_release(&vos_link_control(link)->consumed, link->consumed);
	return true;
}

/*
 * What may be done for a poller until the next pause: its share of as many
 * processors as there are, so that all of a domain's pollers leave them time.
 */
static u32 vos_event_allowance(struct vos_poller_link *link)
{
	u32 pollers = link->connection->pollers;
	u32 share = VOS_EVENT_BUDGET * min(num_online_cpus(), pollers) / pollers;

	if (time_after_eq(jiffies, link->window + VOS_EVENT_PAUSE)) {
		link->window = jiffies;
		link->spent = 0;
	}
	return share - min(share, link->spent);
}

/*
 * Softirq context, never beside itself. Ends the interrupt when the queue is
 * found empty; until then, also in a pause, the channel raises no other one.
 */
void vos_event_work(struct work_struct *work)
{
	struct vos_poller_link *link = container_of(to_delayed_work(work),
						    struct vos_poller_link, work);
	struct vos_connection *c = link->connection;
	u32 left = vos_event_allowance(link);
	bool empty = false, idle = true;
	int irq;

	while (left && !empty && vos_connection_usable(c)) {
		u32 taken;

		vos_store(&vos_link_control(link)->armed, 0);
		if (!vos_event_drain(link, left, &taken))
			break;
		if (taken)
			idle = false;
		/* A look counts, too: the peer may move `produced` to and fro. */
		link->spent += taken + 1;
		left -= min(left, taken + 1);
		vos_store(&vos_link_control(link)->armed, 1);
		/* Pairs with the barrier in vos_poller_flush_locked(). */
		vos_full_barrier();
		empty = vos_load(&vos_link_status(link)->produced) == link->consumed;
	}
	vos_liveness_interrupt(c, !idle);
	irq = READ_ONCE(link->irq);
	if (!empty && vos_connection_usable(c)) {
		vos_store(&vos_link_control(link)->armed, 0);
		queue_delayed_work(system_bh_highpri_wq, &link->work, VOS_EVENT_PAUSE);
	} else if (irq) {
		xen_irq_lateeoi(irq, idle ? XEN_EOI_FLAG_SPURIOUS : 0);
	}
}

irqreturn_t vos_event_interrupt(int irq, void *data)
{
	struct vos_poller_link *link = data;

	vos_count(link->connection, VOS_COUNT_INTERRUPTS);
	queue_delayed_work(system_bh_highpri_wq, &link->work, 0);
	return IRQ_HANDLED;
}
