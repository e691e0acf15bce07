// SPDX-License-Identifier: GPL-2.0-only
/*
 * The object table: handles, and the words by which a service domain says
 * that an object is ready and the primary that it cares.
 *
 * Readiness is Dekker's pattern: vos_object_arm() stores the interest word,
 * has a full barrier and reads the mask; the service stores mask and
 * sequence, has a full barrier and reads the interest word. Whatever the
 * order, either the caller sees the new mask or a READY event comes.
 */
#include <linux/rcupdate.h>

#include "primary.h"

/* What a service may say about an object; everything else is dropped. */
#define VOS_MASK_ALLOWED ((__force u32)(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | \
		EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG | EPOLLRDHUP))

/* An object whose domain is gone: every wait ends and finds out. */
#define VOS_MASK_FAILED (EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP | \
		EPOLLRDHUP)

static struct vos_object_interest *vos_object_interest(struct vos_object *object)
{
	struct vos_object_interest *table =
		object->connection->region[VOS_REGION_INTEREST].address;

	return &table[object->index];
}

static const struct vos_object_state *vos_object_state(struct vos_object *object)
{
	const struct vos_object_state *table =
		object->connection->region[VOS_REGION_STATE].address;

	return &table[object->index];
}

static __poll_t vos_mask_filter(u32 mask)
{
	return (__force __poll_t)(mask & VOS_MASK_ALLOWED);
}

/**
 * vos_object_add() - a handle for a new object
 * @object: embedded in its owner
 * @c: a usable connection; a reference is taken
 * @kind: VOS_KIND_*
 * @ready: see struct vos_object
 *
 * Return: 0, -ENFILE if the table is full, -ENETDOWN if the connection failed.
 */
int vos_object_add(struct vos_object *object, struct vos_connection *c, u32 kind,
		   void (*ready)(struct vos_object *object, __poll_t mask))
{
	struct vos_object_state *state = c->region[VOS_REGION_STATE].address;
	struct vos_object_interest *interest;
	int err = -ENFILE;
	u32 i;

	object->connection = c;
	object->kind = kind;
	object->ready = ready;
	object->arm = 0;
	spin_lock_init(&object->arm_lock);

	spin_lock_bh(&c->object_lock);
	if (!vos_connection_usable(c)) {
		err = -ENETDOWN;
		goto out;
	}
	for (i = 0; i < VOS_MAX_OBJECTS; i++) {
		u32 index = (c->object_next + i) % VOS_MAX_OBJECTS;

		if (rcu_access_pointer(c->object[index]))
			continue;
		/* 2^28 objects of one connection; then it must be renewed. */
		if (c->object_generation == VOS_GENERATION_MAX)
			break;
		object->index = index;
		object->handle = vos_handle_make(c->kind, ++c->object_generation, index);
		c->object_next = (index + 1) % VOS_MAX_OBJECTS;
		c->object_count++;
		vos_connection_hold(c);
		interest = vos_object_interest(object);
		object->arm = vos_load(&interest->arm);
		vos_store(&interest->interest, 0);
		vos_store(&interest->flags, 0);
		/* The service publishes when it has made the object. */
		vos_store(&state[index].mask, 0);
		rcu_assign_pointer(c->object[index], object);
		err = 0;
		break;
	}
out:
	spin_unlock_bh(&c->object_lock);
	if (!err)
		vos_count(c, VOS_COUNT_OBJECTS_OPENED);
	return err;
}

void vos_object_remove(struct vos_object *object)
{
	struct vos_connection *c = object->connection;

	spin_lock_bh(&c->object_lock);
	RCU_INIT_POINTER(c->object[object->index], NULL);
	c->object_count--;
	spin_unlock_bh(&c->object_lock);
	vos_count(c, VOS_COUNT_OBJECTS_CLOSED);
	vos_connection_put(c);
}

__poll_t vos_object_mask(struct vos_object *object)
{
	if (!vos_connection_usable(object->connection))
		return VOS_MASK_FAILED;
	return vos_mask_filter(vos_load_acquire(&vos_object_state(object)->mask));
}

__poll_t vos_object_arm(struct vos_object *object)
{
	struct vos_object_interest *interest = vos_object_interest(object);
	unsigned long flags;

	spin_lock_irqsave(&object->arm_lock, flags);
	vos_store(&interest->arm, ++object->arm);
	spin_unlock_irqrestore(&object->arm_lock, flags);
	/* Pairs with the barrier in vos_service_object_publish(). */
	vos_full_barrier();
	return vos_object_mask(object);
}

void vos_object_withhold(struct vos_object *object, bool withheld)
{
	struct vos_object_interest *interest = vos_object_interest(object);
	unsigned long flags;
	u32 word;

	spin_lock_irqsave(&object->arm_lock, flags);
	word = vos_load(&interest->flags) & ~VOS_INTEREST_WITHHELD;
	vos_store(&interest->flags, withheld ? word | VOS_INTEREST_WITHHELD : word);
	spin_unlock_irqrestore(&object->arm_lock, flags);
	/*
	 * Pairs with the barrier between counting an operation of a user lane
	 * in and reading the flags: a drain that follows sees it counted, or
	 * it sees the flags.
	 */
	vos_full_barrier();
}

int vos_object_error(struct vos_object *object)
{
	s32 error;

	if (!vos_connection_usable(object->connection))
		return ENETDOWN;
	error = vos_load(&vos_object_state(object)->error);
	return error > 0 && error <= MAX_ERRNO ? error : 0;
}

/* READY from a poller: the handle tells a late event from a current one. */
void vos_object_event(struct vos_connection *c, u32 index, u64 handle, u16 mask)
{
	struct vos_object *object;

	if (index >= VOS_MAX_OBJECTS) {
		vos_count(c, VOS_COUNT_REJECTED);
		return;
	}
	rcu_read_lock();
	object = rcu_dereference(c->object[index]);
	if (object && object->handle == handle)
		object->ready(object, vos_mask_filter(mask));
	rcu_read_unlock();
}

void vos_object_fail_all(struct vos_connection *c)
{
	u32 i;

	for (i = 0; i < VOS_MAX_OBJECTS; i++) {
		struct vos_object *object;

		rcu_read_lock();
		object = rcu_dereference(c->object[i]);
		if (object)
			object->ready(object, VOS_MASK_FAILED);
		rcu_read_unlock();
	}
}
