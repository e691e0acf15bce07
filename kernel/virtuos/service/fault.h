/* SPDX-License-Identifier: GPL-2.0-only */
/* Fault injection inside a service domain; nothing without CONFIG_VIRTUOS_FAULTS. */
#ifndef VIRTUOS_SERVICE_FAULT_H
#define VIRTUOS_SERVICE_FAULT_H

#include "service.h"

struct vos_fault;

#ifdef CONFIG_VIRTUOS_FAULTS
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
#else
static inline struct vos_fault *vos_fault_start(struct vos_service *s)
{
	return NULL;
}

static inline void vos_fault_end(struct vos_fault *f)
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

static inline bool vos_fault_lies(struct vos_operation *op)
{
	return false;
}
#endif

#endif /* VIRTUOS_SERVICE_FAULT_H */
