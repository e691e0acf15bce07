// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the domain still there, and does it still do something?
 *
 * Death. Xen makes our event channels pending when the peer shuts down,
 * crashes or is being destroyed. That looks like any doorbell, so a wake that
 * finds no event asks for the channel's status. A wake that finds some may
 * have been the same one: then the timer asks, within two ticks.
 *
 * Hangs. Every poller has a word that grows while it runs, so as long as it
 * grows there is nothing to do, and no call costs more for it. The timer looks
 * at the words: often while somebody sleeps for an answer, else every second.
 * A poller whose word stands still is rung for; one that lives wakes up and
 * counts on, whatever it slept for. What a silent one has done since with its
 * processors is known to the hypervisor, which tells the supervisor: /dev/vos
 * wakes it (vos_liveness_poll()), it counts the time that the domain ran or
 * idled, and gives its verdict (VOS_IOC_HUNG). Without a supervisor, and for a
 * domain that does not get to run at all, silence_cap_ms is the end.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/moduleparam.h>
#include <linux/poll.h>
#include <linux/wait.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <asm/xen/hypercall.h>

#include "primary.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "virtuos."

/* Between two looks: nobody waits; somebody does; a poller was rung for. */
#define VOS_LOOK_IDLE		HZ
#define VOS_LOOK_AWAITED	(HZ / 10)
#define VOS_LOOK_ASKED		(HZ / 20)
/* Silence that makes the supervisor look; much longer than a poller takes to wake up. */
#define VOS_SILENCE_SUSPECT	(200 * NSEC_PER_MSEC)

static unsigned int silence_cap_ms = 5000;
module_param(silence_cap_ms, uint, 0644);
MODULE_PARM_DESC(silence_cap_ms, "a domain that is silent for so many milliseconds is given up");

/* Bits of vos_liveness.flags. */
#define VOS_LIVENESS_CHECK	0	/* the timer is to ask for the channels' status */
#define VOS_LIVENESS_SUSPECT	1	/* the supervisor was told */

static DECLARE_WAIT_QUEUE_HEAD(vos_liveness_suspects);

/* --------------------------------------------------------------- death */

/*
 * struct evtchn_status with the flag that our Xen has where others have
 * padding; see xen-patches.
 */
struct vos_evtchn_status {
	domid_t dom;
	evtchn_port_t port;
	u32 status;
	u32 vcpu;
	struct {
		domid_t dom;
		u16 flags;
		evtchn_port_t port;
	} interdomain;
};
static_assert(sizeof(struct vos_evtchn_status) == sizeof(struct evtchn_status));
static_assert(offsetof(struct vos_evtchn_status, interdomain) ==
	      offsetof(struct evtchn_status, u));
static_assert(offsetof(struct vos_evtchn_status, interdomain.port) ==
	      offsetof(struct evtchn_status, u.interdomain.port));

#define VOS_EVTCHN_GONE		(1u << 0)

static void vos_liveness_check(struct vos_connection *c)
{
	u32 i;

	for (i = 0; i < c->pollers; i++) {
		struct vos_evtchn_status status = {
			.dom = DOMID_SELF,
			.port = c->link[i].port,
		};

		/* Failed meanwhile: the port may be somebody else's by now. */
		if (!READ_ONCE(c->link[i].irq) ||
		    HYPERVISOR_event_channel_op(EVTCHNOP_status, &status))
			return;
		if (status.status == EVTCHNSTAT_interdomain &&
		    (status.interdomain.flags & VOS_EVTCHN_GONE))
			vos_connection_fail(c, "it crashed or shut down, says the hypervisor");
		else if (status.status == EVTCHNSTAT_unbound)
			vos_connection_fail(c, "it was destroyed, says the hypervisor");
	}
}

void vos_liveness_interrupt(struct vos_connection *c, bool progress)
{
	if (!vos_connection_usable(c))
		return;
	if (!progress)
		vos_liveness_check(c);
	else if (!test_and_set_bit(VOS_LIVENESS_CHECK, &c->liveness.flags))
		timer_reduce(&c->liveness.timer, jiffies + 1);
}

/* --------------------------------------------------------------- hangs */

/* Returns since when the poller is silent, or 0. */
static ktime_t vos_liveness_listen(struct vos_connection *c, u32 poller, ktime_t now)
{
	const struct vos_poller_status *status = c->region[VOS_REGION_STATUS].address;
	struct vos_liveness *l = &c->liveness;
	u64 heartbeat = vos_load(&status[poller].heartbeat);
	int irq;

	if (heartbeat != l->seen[poller]) {
		l->seen[poller] = heartbeat;
		l->asked[poller] = false;
		return 0;
	}
	if (!l->asked[poller]) {
		l->asked[poller] = true;
		l->asked_at[poller] = now;
	}
	/* Not a doorbell that asks whether it sleeps: that word may be wrong. */
	rcu_read_lock();
	irq = READ_ONCE(c->link[poller].irq);
	if (irq)
		notify_remote_via_irq(irq);
	rcu_read_unlock();
	return l->asked_at[poller];
}

static void vos_liveness_suspect(struct vos_connection *c, ktime_t silence)
{
	struct vos_liveness *l = &c->liveness;

	if (silence < VOS_SILENCE_SUSPECT) {
		clear_bit(VOS_LIVENESS_SUSPECT, &l->flags);
		return;
	}
	if (silence >= (ktime_t)READ_ONCE(silence_cap_ms) * NSEC_PER_MSEC)
		vos_connection_fail(c, "it hangs: no sign of life for %u ms",
				    (u32)ktime_to_ms(silence));
	else if (!test_and_set_bit(VOS_LIVENESS_SUSPECT, &l->flags))
		wake_up_all(&vos_liveness_suspects);
}

static void vos_liveness_tick(struct timer_list *timer)
{
	struct vos_connection *c = from_timer(c, timer, liveness.timer);
	struct vos_liveness *l = &c->liveness;
	ktime_t now = ktime_get_boottime();
	unsigned long next = VOS_LOOK_IDLE;
	ktime_t oldest = 0;
	u32 i;

	if (test_and_clear_bit(VOS_LIVENESS_CHECK, &l->flags))
		vos_liveness_check(c);
	if (!vos_connection_usable(c))
		return;
	for (i = 0; i < c->pollers; i++) {
		ktime_t since = vos_liveness_listen(c, i, now);

		if (since && (!oldest || since < oldest))
			oldest = since;
	}
	WRITE_ONCE(l->unanswered_since, oldest);
	vos_liveness_suspect(c, oldest ? now - oldest : 0);
	if (oldest)
		next = VOS_LOOK_ASKED;
	else if (atomic_read(&l->awaited))
		next = VOS_LOOK_AWAITED;
	mod_timer(timer, jiffies + max(next, 1ul));
}

void vos_liveness_await(struct vos_connection *c)
{
	atomic_inc(&c->liveness.awaited);
	timer_reduce(&c->liveness.timer, jiffies + VOS_LOOK_AWAITED);
}

void vos_liveness_answered(struct vos_connection *c)
{
	atomic_dec(&c->liveness.awaited);
}

u32 vos_liveness_silence(struct vos_connection *c)
{
	ktime_t since = READ_ONCE(c->liveness.unanswered_since);

	if (!vos_connection_usable(c) || !test_bit(VOS_LIVENESS_SUSPECT, &c->liveness.flags) ||
	    !since)
		return 0;
	return ktime_to_ms(ktime_get_boottime() - since);
}

__poll_t vos_liveness_poll(struct file *file, struct poll_table_struct *wait)
{
	__poll_t mask = 0;
	u32 kind;

	poll_wait(file, &vos_liveness_suspects, wait);
	for (kind = VOS_DOMAIN_NETWORK; kind <= VOS_DOMAIN_STORAGE; kind++) {
		struct vos_connection *c = vos_connection_watched(kind);

		if (!c)
			continue;
		if (vos_liveness_silence(c))
			mask = EPOLLPRI;
		vos_connection_put(c);
	}
	return mask;
}

/* ------------------------------------------------------------ lifetime */

void vos_liveness_init(struct vos_connection *c)
{
	timer_setup(&c->liveness.timer, vos_liveness_tick, 0);
}

void vos_liveness_start(struct vos_connection *c)
{
	timer_reduce(&c->liveness.timer, jiffies + VOS_LOOK_IDLE);
}

/* Nothing starts it again. */
void vos_liveness_stop(struct vos_connection *c)
{
	timer_shutdown_sync(&c->liveness.timer);
}
