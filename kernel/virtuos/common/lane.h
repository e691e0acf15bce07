/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Lanes: single-producer queues of one-line requests and completions.
 *
 * Free of kernel headers: the primary kernel, the service kernel, the shim,
 * the unit tests and the fuzzers build this same code.
 *
 * Ordering. A request is written field by field, then its turn with release;
 * the poller loads the turn with acquire and copies the line once. The
 * completion goes back the same way. Hence the data a request names in the
 * arena is visible with it, and the received data with its completion.
 *
 * Sleeping is Dekker's pattern on both sides:
 *   client: publish request; FULL BARRIER (A); load park_epoch   -> doorbell if odd
 *   poller: store odd park_epoch; FULL BARRIER (A'); load request -> unpark if there
 *   client: store arm; FULL BARRIER (B); load completion          -> sleep if absent
 *   poller: publish completion; FULL BARRIER (B'); load arm       -> WAKE if changed
 * A pairs with A', B with B': at least one side sees the other.
 */
#ifndef VIRTUOS_LANE_H
#define VIRTUOS_LANE_H

#include "../abi/virtuos.h"
#include "barrier.h"

/* Lines move word by word; the words alias the structures. */
typedef __u64 __attribute__((__may_alias__)) vos_word;
typedef __u32 __attribute__((__may_alias__)) vos_half;

/* Where in a lane one side stands. Private to that side. */
struct vos_lane_position {
	__u32 entry;			/* next entry, below depth */
	__u32 turn;			/* its pass, from 1 */
};

static inline void vos_lane_position_reset(struct vos_lane_position *position)
{
	position->entry = 0;
	position->turn = 1;
}

static inline void vos_lane_advance(struct vos_lane_position *position, __u32 depth)
{
	if (++position->entry == depth) {
		position->entry = 0;
		if (++position->turn == 0)
			position->turn = 1;
	}
}

/*
 * Client: publishes a filled line. Only words are stored, so a torn line is
 * never taken for a whole one: turn goes last.
 */
static inline void vos_lane_publish(struct vos_request *slot,
				    const struct vos_request *request, __u32 turn)
{
	const vos_word *from = (const vos_word *)request;
	vos_word *to = (vos_word *)slot;
	int i;

	for (i = 0; i < 7; i++)
		vos_store(&to[i], from[i]);
	vos_store(&((vos_half *)slot)[14], ((const vos_half *)request)[14]);
	vos_store_release(&slot->turn, turn);
}

/* Client: has this entry completed? If so its line may be copied. */
static inline int vos_lane_completed(const struct vos_completion *slot, __u32 turn)
{
	return vos_load_acquire(&slot->turn) == turn;
}

/* Client: the one copy of a completion; everything is used from the copy. */
static inline void vos_lane_copy_completion(struct vos_completion *copy,
					    const struct vos_completion *slot)
{
	const vos_word *from = (const vos_word *)slot;
	vos_word *to = (vos_word *)copy;
	int i;

	for (i = 0; i < 8; i++)
		to[i] = vos_load(&from[i]);
}

/* Client, after publishing: must a doorbell be rung? (A) */
static inline int vos_lane_needs_doorbell(const struct vos_lane_status *status)
{
	vos_full_barrier();	/* (A), pairs with (A') in vos_lane_park() */
	return vos_load(&status->park_epoch) & 1;
}

/* Client, before sleeping: asks for one WAKE event. Then look once more. (B) */
static inline void vos_lane_arm(struct vos_lane_control *control, __u32 value)
{
	vos_store(&control->arm, value);
	vos_full_barrier();	/* (B), pairs with (B') in vos_lane_wants_wake() */
}

/*
 * Poller: takes the next request, if there is one, with a single copy.
 * Returns non-zero if there was. The copy's turn is the expected one even if
 * the client rewrites the line meanwhile; its other fields are what a hostile
 * client made of them and are validated by their user.
 */
static inline int vos_lane_fetch(const struct vos_request *slot,
				 const struct vos_lane_position *position,
				 struct vos_request *copy)
{
	const vos_word *from = (const vos_word *)slot;
	vos_word *to = (vos_word *)copy;
	int i;

	if (vos_load_acquire(&slot->turn) != position->turn)
		return 0;
	for (i = 0; i < 8; i++)
		to[i] = vos_load(&from[i]);
	copy->turn = position->turn;
	return 1;
}

/* Service: publishes a completion, turn last. */
static inline void vos_lane_complete(struct vos_completion *slot,
				     const struct vos_completion *completion, __u32 turn)
{
	const vos_word *from = (const vos_word *)completion;
	vos_word *to = (vos_word *)slot;
	int i;

	for (i = 0; i < 7; i++)
		vos_store(&to[i], from[i]);
	vos_store(&((vos_half *)slot)[14], ((const vos_half *)completion)[14]);
	vos_store_release(&slot->turn, turn);
}

/*
 * Service, after completing: may the client want a WAKE event? For those that
 * share `seen`, before they take the lock for vos_lane_wants_wake(). If not,
 * either nobody has armed, or another completion uses that arming up: then the
 * client arms anew, and sees this completion, before it sleeps again. (B')
 */
static inline int vos_lane_armed(const struct vos_lane_control *control, __u32 seen)
{
	vos_full_barrier();	/* (B'), pairs with (B) in vos_lane_arm() */
	return vos_load(&control->arm) != seen;
}

/* Service, after completing: does the client want a WAKE event? (B') */
static inline int vos_lane_wants_wake(const struct vos_lane_control *control, __u32 *seen)
{
	__u32 arm;

	vos_full_barrier();	/* (B'), pairs with (B) in vos_lane_arm() */
	arm = vos_load(&control->arm);
	if (arm == *seen)
		return 0;
	vos_store(seen, arm);
	return 1;
}

/*
 * Poller: parks an idle lane; epoch is the poller's private copy of
 * park_epoch. Returns zero, and leaves the lane awake, if a request came
 * meanwhile. (A')
 */
static inline int vos_lane_park(struct vos_lane_status *status, __u32 *epoch,
				const struct vos_request *next,
				const struct vos_lane_position *position)
{
	vos_store(&status->park_epoch, ++*epoch);
	vos_full_barrier();	/* (A'), pairs with (A) in vos_lane_needs_doorbell() */
	if (vos_load_acquire(&next->turn) != position->turn)
		return 1;
	vos_store(&status->park_epoch, ++*epoch);
	return 0;
}

static inline void vos_lane_unpark(struct vos_lane_status *status, __u32 *epoch)
{
	if (*epoch & 1)
		vos_store(&status->park_epoch, ++*epoch);
}

#endif /* VIRTUOS_LANE_H */
