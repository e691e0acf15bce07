// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults that wait for a place in the protocol: armed by the order
 *
 *   "at POINT NTH CLASS KIND ARGUMENT"
 *
 * in the key `fault` of the front-end's xenstore directory, or, for what
 * happens before anybody could write there, in a node of the toolstack that
 * the next domain of this kind finds when it introduces itself, and takes
 * away. The NTH time that POINT is passed, by a request of CLASS where there
 * is one, the fault KIND begins there, once.
 *
 * A domain in which nothing was ever armed pays a jump that is not taken.
 */
#define pr_fmt(fmt) "virtuos: fault: " fmt

#include <linux/err.h>
#include <linux/jump_label.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timex.h>
#include <xen/xenbus.h>

#include "fault.h"

/* Where the toolstack leaves an order for the next domain; the key is the kind of domain. */
#define VOS_FAULT_NEXT		"/virtuos/fault"
/* Longest name in an order, with its end; the format below has it, too. */
#define VOS_FAULT_WORD		24

static const char *const vos_fault_points[VOS_FAULT_POINTS] = {
	[VOS_FAULT_BEFORE_FETCH]	= "before-fetch",
	[VOS_FAULT_AFTER_FETCH]		= "after-fetch",
	[VOS_FAULT_BEFORE_EXECUTE]	= "before-execute",
	[VOS_FAULT_AFTER_EXECUTE]	= "after-execute",
	[VOS_FAULT_BEFORE_COMPLETION]	= "before-completion",
	[VOS_FAULT_AFTER_COMPLETION]	= "after-completion",
	[VOS_FAULT_BEFORE_EVENT]	= "before-event",
	[VOS_FAULT_AFTER_EVENT]		= "after-event",
	[VOS_FAULT_HANDSHAKE]		= "handshake",
	[VOS_FAULT_GRANT]		= "grant",
	[VOS_FAULT_RECOVERY]		= "recovery",
};

enum vos_fault_class {
	VOS_FAULT_ANY,			/* also where there is no request */
	VOS_FAULT_NOOP,
	VOS_FAULT_DATA,			/* what user lanes carry */
	VOS_FAULT_FUSE,
	VOS_FAULT_CONTROL,		/* everything else */
	VOS_FAULT_CLASSES
};

static const char *const vos_fault_classes[VOS_FAULT_CLASSES] = {
	[VOS_FAULT_ANY]		= "any",
	[VOS_FAULT_NOOP]	= "noop",
	[VOS_FAULT_DATA]	= "data",
	[VOS_FAULT_FUSE]	= "fuse",
	[VOS_FAULT_CONTROL]	= "control",
};

DEFINE_STATIC_KEY_FALSE(vos_fault_armed);

/* The one armed fault. */
static struct {
	spinlock_t lock;		/* all below */
	u32 left;			/* passings until it begins; 0: none is armed */
	enum vos_fault_where where;
	enum vos_fault_class class;
	const struct vos_fault_kind *kind;
	u32 argument;
} armed = { .lock = __SPIN_LOCK_UNLOCKED(armed.lock) };

static enum vos_fault_class vos_fault_class_of(u8 op)
{
	if (op == VOS_OP_NOP)
		return VOS_FAULT_NOOP;
	if (op == VOS_OP_FUSE)
		return VOS_FAULT_FUSE;
	if (op < VOS_OP_MAX && vos_operation_types[op].user)
		return VOS_FAULT_DATA;
	return VOS_FAULT_CONTROL;
}

/* Is this what is waited for? */
static bool vos_fault_meant(const struct vos_service *s, enum vos_fault_where where, u8 op)
{
	if (armed.class != VOS_FAULT_ANY && armed.class != vos_fault_class_of(op))
		return false;
	if (armed.where == where)
		return true;
	/* What a successor is asked for first, and still, is the recovery of its predecessor. */
	return armed.where == VOS_FAULT_RECOVERY && where == VOS_FAULT_BEFORE_EXECUTE &&
	       s->generation > 1 && op != VOS_OP_NOP;
}

/**
 * __vos_fault_point() - the protocol passes a point; see vos_fault_point()
 * @s: the connection
 * @where: the point
 * @op: opcode of the request that is there, VOS_OP_NOP if none is
 *
 * Any context.
 */
void __vos_fault_point(struct vos_service *s, enum vos_fault_where where, u8 op)
{
	const struct vos_fault_kind *kind = NULL;
	unsigned long flags;
	u32 argument = 0;

	if (!s->fault)
		return;
	spin_lock_irqsave(&armed.lock, flags);
	if (armed.left && vos_fault_meant(s, where, op) && !--armed.left) {
		where = armed.where;
		kind = armed.kind;
		argument = armed.argument;
	}
	spin_unlock_irqrestore(&armed.lock, flags);
	if (!kind)
		return;
	/* Who armed it looks for this line; the counter is one for all domains. */
	pr_notice("%s at %s, as ordered, cycle %llu\n", kind->name, vos_fault_points[where],
		  (unsigned long long)get_cycles());
	vos_fault_begin(s->fault, kind, argument);
}

static void vos_fault_arm(const char *order)
{
	char point[VOS_FAULT_WORD], class[VOS_FAULT_WORD], name[VOS_FAULT_WORD];
	const struct vos_fault_kind *kind;
	unsigned int nth, argument;
	unsigned long flags;
	int where, of;

	if (sscanf(order, "at %23s %u %23s %23s %u", point, &nth, class, name, &argument) != 5)
		return;
	where = match_string(vos_fault_points, VOS_FAULT_POINTS, point);
	of = match_string(vos_fault_classes, VOS_FAULT_CLASSES, class);
	kind = vos_fault_kind_named(name);
	if (where < 0 || of < 0 || !kind || !nth) {
		pr_err("no such order: %.80s\n", order);
		return;
	}
	spin_lock_irqsave(&armed.lock, flags);
	armed.where = where;
	armed.class = of;
	armed.kind = kind;
	armed.argument = argument;
	armed.left = nth;
	spin_unlock_irqrestore(&armed.lock, flags);
	/* After the fault: who sees the key enabled takes the lock. Stays enabled. */
	static_branch_enable(&vos_fault_armed);
	pr_notice("%s armed, %s %u\n", name, point, nth);
}

/* An order to arm a fault, or another one, which is passed over. May sleep. */
void vos_fault_order_point(const char *order)
{
	if (!strncmp(order, "at ", 3))
		vos_fault_arm(order);
}

/* The connection ends: what is armed still is not for the next one. */
void vos_fault_disarm(void)
{
	unsigned long flags;

	spin_lock_irqsave(&armed.lock, flags);
	armed.left = 0;
	spin_unlock_irqrestore(&armed.lock, flags);
}

/**
 * vos_fault_introduce() - takes an order that was left for this domain
 * @s: its kind is known; nothing else was said to the primary yet
 *
 * May sleep. The toolstack lets everybody write the node, so that it can go.
 */
void vos_fault_introduce(struct vos_service *s)
{
	const char *kind = s->kind == VOS_DOMAIN_STORAGE ? "storage" : "network";
	char *order;

	if (!s->fault)
		return;
	order = xenbus_read(XBT_NIL, VOS_FAULT_NEXT, kind, NULL);
	if (IS_ERR(order))
		return;
	/* Once: the domain after this one is to live. */
	if (!xenbus_rm(XBT_NIL, VOS_FAULT_NEXT, kind))
		vos_fault_order_point(order);
	kfree(order);
}
