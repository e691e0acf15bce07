/* SPDX-License-Identifier: GPL-2.0-only */
/* Fault injection inside a service domain; nothing without CONFIG_VIRTUOS_FAULTS. */
#ifndef VIRTUOS_SERVICE_FAULT_H
#define VIRTUOS_SERVICE_FAULT_H

#include <linux/jump_label.h>

#include "service.h"

struct vos_fault;

/* Where in the protocol an armed fault may begin; named in fault_point.c. */
enum vos_fault_where {
	VOS_FAULT_BEFORE_FETCH,		/* a request is there; nothing of it was copied */
	VOS_FAULT_AFTER_FETCH,
	VOS_FAULT_BEFORE_EXECUTE,	/* admitted, in its worker if it has one */
	VOS_FAULT_AFTER_EXECUTE,
	VOS_FAULT_BEFORE_COMPLETION,
	VOS_FAULT_AFTER_COMPLETION,	/* published; nobody was woken for it */
	VOS_FAULT_BEFORE_EVENT,		/* in the queue, not published; event_lock is held */
	VOS_FAULT_AFTER_EVENT,		/* published, and rung for */
	VOS_FAULT_HANDSHAKE,		/* keys written, state not */
	VOS_FAULT_GRANT,		/* some of the primary's pages are mapped */
	VOS_FAULT_RECOVERY,		/* an operation for what the domain before this one had */
	VOS_FAULT_POINTS
};

#ifdef CONFIG_VIRTUOS_FAULTS
/* Enabled once something was armed. */
DECLARE_STATIC_KEY_FALSE(vos_fault_armed);
void __vos_fault_point(struct vos_service *s, enum vos_fault_where where, u8 op);
/* Any context. @op: of the request that is there, VOS_OP_NOP if none is. */
static inline void vos_fault_point(struct vos_service *s, enum vos_fault_where where, u8 op)
{
	if (static_branch_unlikely(&vos_fault_armed))
		__vos_fault_point(s, where, op);
}

/* Before a poller looks at the next request of a lane. */
static inline void vos_fault_before_fetch(struct vos_service *s, const struct vos_request *slot,
					  const struct vos_lane_position *position)
{
	if (static_branch_unlikely(&vos_fault_armed) &&
	    vos_load_acquire(&slot->turn) == position->turn)
		__vos_fault_point(s, VOS_FAULT_BEFORE_FETCH, vos_load(&slot->op));
}

/* The kind of this domain is known: takes the order that was left for it. May sleep. */
void vos_fault_introduce(struct vos_service *s);

/* Between the files fault*.c. */
struct vos_fault_kind {
	const char *name;
	/* Of a thread, or where it is to happen; argument: what the order says. */
	int (*run)(void *fault);
	bool anywhere;			/* in any context, at once; else in a thread */
};

const struct vos_fault_kind *vos_fault_kind_named(const char *name);
/* Any context: begins it, here or in a thread. */
void vos_fault_begin(struct vos_fault *f, const struct vos_fault_kind *kind, u32 argument);
void vos_fault_order_point(const char *order);
void vos_fault_disarm(void);
void vos_fault_dma(struct vos_service *s, u32 ref);

struct vos_fault *vos_fault_start(struct vos_service *s);
void vos_fault_end(struct vos_fault *f);
/*
 * A no-op with word[0]: passes a cache line to and fro with the client so
 * many times, the floor under every benchmark of calls. Holds up the poller,
 * hence only here, and bounded.
 */
void vos_fault_floor(struct vos_operation *op);
/* In a poller's loop: does not return to a poller that is to stall. */
void __vos_fault_poller(struct vos_poller *p);
static inline void vos_fault_poller(struct vos_poller *p)
{
	if (p->service->fault)
		__vos_fault_poller(p);
}
/*
 * Any context, before an operation is completed: falsifies the answer if it
 * is told to. True: it is not to be answered at all.
 */
bool vos_fault_lies(struct vos_operation *op);
/* Is fsync to do nothing? */
bool vos_fault_nosync(const struct vos_service *s);
/* Are the pages of sessions to stay mapped? */
bool vos_fault_keeps(const struct vos_service *s);
#else
static inline struct vos_fault *vos_fault_start(struct vos_service *s)
{
	return NULL;
}

static inline void vos_fault_end(struct vos_fault *f)
{
}

static inline void vos_fault_point(struct vos_service *s, enum vos_fault_where where, u8 op)
{
}

static inline void vos_fault_before_fetch(struct vos_service *s, const struct vos_request *slot,
					  const struct vos_lane_position *position)
{
}

static inline void vos_fault_introduce(struct vos_service *s)
{
}

static inline void vos_fault_floor(struct vos_operation *op)
{
}

static inline void vos_fault_poller(struct vos_poller *p)
{
}

static inline bool vos_fault_nosync(const struct vos_service *s)
{
	return false;
}

static inline bool vos_fault_keeps(const struct vos_service *s)
{
	return false;
}

static inline bool vos_fault_lies(struct vos_operation *op)
{
	return false;
}
#endif

#endif /* VIRTUOS_SERVICE_FAULT_H */
