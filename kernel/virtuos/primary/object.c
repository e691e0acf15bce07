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
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/rcupdate.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "../common/handle.h"
#include "primary.h"

/* What a service may say about an object; everything else is dropped. */
#define VOS_MASK_ALLOWED ((__force u32)(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | \
		EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG | EPOLLRDHUP))

/*
 * An object may move to another connection (vos_object_replace()) once its own
 * has failed. Whoever is not its owner takes the connection from here, once,
 * before index or handle: those of a connection that is usable are right, and
 * with one that has failed it does not matter what they are. Under RCU the
 * connection's memory stays.
 */
static struct vos_connection *vos_object_where(const struct vos_object *object)
{
	/* Pairs with the release in vos_object_replace(). */
	return smp_load_acquire(&object->connection);
}

static struct vos_object_interest *vos_object_interest(struct vos_connection *c,
						       const struct vos_object *object)
{
	struct vos_object_interest *table = c->region[VOS_REGION_INTEREST].address;

	return &table[READ_ONCE(object->index)];
}

static const struct vos_object_state *vos_object_state(struct vos_connection *c,
						       const struct vos_object *object)
{
	const struct vos_object_state *table = c->region[VOS_REGION_STATE].address;

	return &table[READ_ONCE(object->index)];
}

struct vos_connection *vos_object_connection(const struct vos_object *object)
{
	struct vos_connection *c;

	rcu_read_lock();
	/* Fails only for one that the object has just left. */
	do
		c = vos_object_where(object);
	while (!kref_get_unless_zero(&c->ref));
	rcu_read_unlock();
	return c;
}

bool vos_object_usable(const struct vos_object *object)
{
	bool usable;

	rcu_read_lock();
	usable = vos_connection_usable(vos_object_where(object));
	rcu_read_unlock();
	return usable;
}

static __poll_t vos_mask_filter(u32 mask)
{
	return (__force __poll_t)(mask & VOS_MASK_ALLOWED);
}

/* ------------------------------------------------------------- sharing */

/* What a user has of a connection. */
struct vos_object_user {
	struct hlist_node node;		/* vos_connection.object_users */
	struct user_struct *user;	/* a reference is held */
	u32 count[VOS_OBJECT_CLASSES];	/* of objects, as all under object_lock */
};

static struct vos_object_user *vos_object_user_find(struct vos_connection *c,
						    const struct user_struct *user)
{
	struct vos_object_user *known;

	lockdep_assert_held(&c->object_lock);
	hash_for_each_possible(c->object_users, known, node, (unsigned long)user) {
		if (known->user == user)
			return known;
	}
	return NULL;
}

static u32 vos_object_user_total(const struct vos_object_user *known)
{
	return known->count[VOS_OBJECT_ORDINARY] + known->count[VOS_OBJECT_QUEUE];
}

/* May a user without privilege have one more? */
static bool vos_object_user_may(const struct vos_connection *c,
				const struct vos_object_user *known, enum vos_object_class class)
{
	lockdep_assert_held(&c->object_lock);
	return c->object_count < VOS_MAX_OBJECTS - VOS_RESERVED_OBJECTS &&
	       vos_object_user_total(known) < VOS_MAX_USER_OBJECTS &&
	       (class != VOS_OBJECT_QUEUE || known->count[class] < VOS_MAX_USER_QUEUES);
}

/* One less. Who has none left is returned, to be freed after unlocking; else NULL. */
static struct vos_object_user *vos_object_uncharge(struct vos_connection *c,
						   const struct vos_object *object)
{
	struct vos_object_user *known = object->user;

	lockdep_assert_held(&c->object_lock);
	known->count[object->class]--;
	if (vos_object_user_total(known))
		return NULL;
	hash_del(&known->node);
	return known;
}

static void vos_object_user_free(struct vos_object_user *known)
{
	if (!known)
		return;
	free_uid(known->user);
	kfree(known);
}

/* ------------------------------------------------------------ the table */

/* Finds a place and a handle for it. False: there is none. */
static bool vos_object_place(struct vos_object *object, struct vos_connection *c)
{
	u32 i;

	lockdep_assert_held(&c->object_lock);
	for (i = 0; i < VOS_MAX_OBJECTS; i++) {
		u32 index = (c->object_next + i) % VOS_MAX_OBJECTS;
		u64 handle;

		if (rcu_access_pointer(c->object[index]))
			continue;
		handle = vos_handle_next(c->kind, index, &c->object_generation[index]);
		if (handle == VOS_HANDLE_NONE)
			continue;
		object->index = index;
		object->handle = handle;
		c->object_next = (index + 1) % VOS_MAX_OBJECTS;
		return true;
	}
	return false;
}

/* It has its place. */
static void vos_object_appear(struct vos_object *object, struct vos_connection *c)
{
	struct vos_object_state *state = c->region[VOS_REGION_STATE].address;
	struct vos_object_interest *interest = vos_object_interest(c, object);

	object->arm = vos_load(&interest->arm);
	WRITE_ONCE(object->told, object->arm);
	vos_store(&interest->flags, 0);
	/* The service publishes when it has made the object. */
	vos_store(&state[object->index].mask, 0);
	rcu_assign_pointer(c->object[object->index], object);
}

/* Charged to user, who is limited or not. */
static int vos_object_insert(struct vos_object *object, struct vos_connection *c,
			     struct user_struct *user, bool limited)
{
	struct vos_object_user *known, *fresh;
	int err = -ENFILE;

	/* Nothing here may wait for files, which may wait for being recovered. */
	fresh = kzalloc(sizeof(*fresh), GFP_NOFS);
	if (!fresh)
		return -ENOMEM;
	object->connection = c;
	object->arm = 0;
	spin_lock_init(&object->arm_lock);

	spin_lock_bh(&c->object_lock);
	if (!vos_connection_usable(c)) {
		err = -ENETDOWN;
		goto out;
	}
	known = vos_object_user_find(c, user) ?: fresh;
	if ((limited && !vos_object_user_may(c, known, object->class)) ||
	    !vos_object_place(object, c))
		goto out;
	if (known == fresh) {
		fresh->user = get_uid(user);
		hash_add(c->object_users, &fresh->node, (unsigned long)user);
		fresh = NULL;
	}
	known->count[object->class]++;
	object->user = known;
	c->object_count++;
	vos_connection_hold(c);
	vos_object_appear(object, c);
	err = 0;
out:
	spin_unlock_bh(&c->object_lock);
	kfree(fresh);
	if (!err)
		vos_count(c, VOS_COUNT_OBJECTS_OPENED);
	return err;
}

/**
 * vos_object_add() - a handle for a new object
 * @object: embedded in its owner
 * @c: a usable connection; a reference is taken
 * @kind: VOS_KIND_*
 * @class: what it may cost the domain
 * @ready: see struct vos_object
 *
 * Return: 0; -ENFILE if the table, or the part that current may have, is full;
 * -ENETDOWN if the connection failed; -ENOMEM.
 */
int vos_object_add(struct vos_object *object, struct vos_connection *c, u32 kind,
		   enum vos_object_class class,
		   void (*ready)(struct vos_object *object, __poll_t mask))
{
	object->kind = kind;
	object->class = class;
	object->ready = ready;
	return vos_object_insert(object, c, current_user(),
				 !ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE));
}

int vos_object_add_again(struct vos_object *object, struct vos_connection *c,
			 const struct vos_object *old,
			 void (*ready)(struct vos_object *object, __poll_t mask))
{
	object->kind = old->kind;
	object->class = old->class;
	object->ready = ready;
	/* As long as old is not removed it is charged to him. */
	return vos_object_insert(object, c, old->user->user, false);
}

void vos_object_remove(struct vos_object *object)
{
	struct vos_connection *c = object->connection;
	struct vos_object_user *gone;

	spin_lock_bh(&c->object_lock);
	RCU_INIT_POINTER(c->object[object->index], NULL);
	c->object_count--;
	gone = vos_object_uncharge(c, object);
	/* It was asked for so many more, and they may be on their way. */
	c->object_late += vos_load(&vos_object_interest(c, object)->arm) - READ_ONCE(object->told);
	spin_unlock_bh(&c->object_lock);
	vos_object_user_free(gone);
	vos_count(c, VOS_COUNT_OBJECTS_CLOSED);
	vos_connection_put(c);
}

/**
 * vos_object_replace() - an object goes on in another connection
 * @object: its connection has failed
 * @fresh: an object that was added to the new connection; its place, handle
 *	and reference of the connection become @object's
 *
 * READY events of the handle went to @fresh until now: the caller looks at
 * the readiness word afterwards. @fresh is to be freed a grace period later.
 * Calls for the same object are the caller's to serialise.
 */
void vos_object_replace(struct vos_object *object, struct vos_object *fresh)
{
	struct vos_connection *old = object->connection;
	struct vos_connection *c = fresh->connection;
	struct vos_object_user *gone;
	unsigned long flags;

	spin_lock_bh(&old->object_lock);
	RCU_INIT_POINTER(old->object[object->index], NULL);
	old->object_count--;
	gone = vos_object_uncharge(old, object);
	spin_unlock_bh(&old->object_lock);
	vos_object_user_free(gone);
	vos_count(old, VOS_COUNT_OBJECTS_CLOSED);

	spin_lock_irqsave(&object->arm_lock, flags);
	object->user = fresh->user;
	object->arm = fresh->arm;
	WRITE_ONCE(object->told, READ_ONCE(fresh->told));
	WRITE_ONCE(object->index, fresh->index);
	WRITE_ONCE(object->handle, fresh->handle);
	/* Last: pairs with the acquire in vos_object_where(). */
	smp_store_release(&object->connection, c);
	spin_unlock_irqrestore(&object->arm_lock, flags);

	spin_lock_bh(&c->object_lock);
	rcu_assign_pointer(c->object[object->index], object);
	spin_unlock_bh(&c->object_lock);
	vos_connection_put(old);
}

__poll_t vos_object_mask(struct vos_object *object)
{
	__poll_t mask = VOS_MASK_OVER;
	struct vos_connection *c;

	rcu_read_lock();
	c = vos_object_where(object);
	if (vos_connection_usable(c))
		mask = vos_mask_filter(vos_load_acquire(&vos_object_state(c, object)->mask));
	rcu_read_unlock();
	return mask;
}

__poll_t vos_object_last_mask(struct vos_object *object)
{
	__poll_t mask;

	rcu_read_lock();
	mask = vos_mask_filter(vos_load(&vos_object_state(vos_object_where(object),
							  object)->mask));
	rcu_read_unlock();
	return mask;
}

__poll_t vos_object_arm(struct vos_object *object)
{
	struct vos_connection *c;
	unsigned long flags;

	rcu_read_lock();
	spin_lock_irqsave(&object->arm_lock, flags);
	c = vos_object_where(object);
	vos_store(&vos_object_interest(c, object)->arm, ++object->arm);
	spin_unlock_irqrestore(&object->arm_lock, flags);
	rcu_read_unlock();
	/* Pairs with the barrier in vos_service_object_publish(). */
	vos_full_barrier();
	return vos_object_mask(object);
}

void vos_object_set_flags(struct vos_object *object, u32 word)
{
	struct vos_object_interest *interest;
	unsigned long flags;

	rcu_read_lock();
	/* The lock orders writers, and a move. */
	spin_lock_irqsave(&object->arm_lock, flags);
	interest = vos_object_interest(vos_object_where(object), object);
	vos_store(&interest->flags, word | (vos_load(&interest->flags) & VOS_INTEREST_WITHHELD));
	spin_unlock_irqrestore(&object->arm_lock, flags);
	rcu_read_unlock();
}

u32 vos_object_sequence(struct vos_object *object)
{
	u32 sequence;

	rcu_read_lock();
	sequence = vos_load_acquire(&vos_object_state(vos_object_where(object),
						      object)->sequence);
	rcu_read_unlock();
	return sequence;
}

void vos_object_withhold(struct vos_object *object, bool withheld)
{
	struct vos_object_interest *interest;
	unsigned long flags;
	u32 word;

	rcu_read_lock();
	spin_lock_irqsave(&object->arm_lock, flags);
	interest = vos_object_interest(vos_object_where(object), object);
	word = vos_load(&interest->flags) & ~VOS_INTEREST_WITHHELD;
	vos_store(&interest->flags, withheld ? word | VOS_INTEREST_WITHHELD : word);
	spin_unlock_irqrestore(&object->arm_lock, flags);
	rcu_read_unlock();
	/*
	 * Pairs with (W) in vos_file_begin() of the service, between counting an
	 * operation of a user lane in and reading the flags: a drain that follows
	 * sees it counted, or it sees the flags.
	 */
	vos_full_barrier();
}

void vos_object_written(const struct vos_object *object, u64 *written, u64 *synced)
{
	const struct vos_object_state *state;

	rcu_read_lock();
	state = vos_object_state(vos_object_where(object), object);
	*written = vos_load(&state->written);
	*synced = vos_load(&state->synced);
	rcu_read_unlock();
}

u64 vos_object_changes(const struct vos_object *object)
{
	u64 changes;

	rcu_read_lock();
	changes = vos_load(&vos_object_state(vos_object_where(object), object)->changes);
	rcu_read_unlock();
	return changes;
}

int vos_object_error(struct vos_object *object)
{
	struct vos_connection *c;
	s32 error = ENETDOWN;

	rcu_read_lock();
	c = vos_object_where(object);
	if (vos_connection_usable(c))
		error = vos_load(&vos_object_state(c, object)->error);
	rcu_read_unlock();
	/* From 512 on they mean something to this kernel only. */
	if (error >= ERESTARTSYS)
		return EIO;
	return max(error, 0);
}

/*
 * Was the object armed once more for this event? The service saw the arming
 * before it raised the event, whose publication and taking are a release and an
 * acquire: the interest word as read here is not older than what it saw. The
 * events of one object come from one poller, one after the other; a service that
 * sends some from another one at the same time may go uncounted.
 */
static bool vos_object_asked(struct vos_connection *c, struct vos_object *object)
{
	u32 told = READ_ONCE(object->told);

	if (told == vos_load(&vos_object_interest(c, object)->arm))
		return false;
	WRITE_ONCE(object->told, told + 1);
	return true;
}

/* May there still be an event of an object that is gone? */
static bool vos_object_is_late(struct vos_connection *c)
{
	bool late;

	spin_lock_bh(&c->object_lock);
	late = c->object_late;
	if (late)
		c->object_late--;
	spin_unlock_bh(&c->object_lock);
	return late;
}

/* READY from a poller: the handle tells a late event from a current one. */
bool vos_object_event(struct vos_connection *c, u32 index, u64 handle, u16 mask)
{
	struct vos_object *object;
	bool asked = false;
	bool late;

	if (index >= VOS_MAX_OBJECTS)
		return false;
	rcu_read_lock();
	object = rcu_dereference(c->object[index]);
	late = !object || READ_ONCE(object->handle) != handle;
	if (!late) {
		asked = vos_object_asked(c, object);
		if (asked)
			object->ready(object, vos_mask_filter(mask));
	}
	rcu_read_unlock();
	return late ? vos_object_is_late(c) : asked;
}

void vos_object_fail_all(struct vos_connection *c)
{
	u32 i;

	for (i = 0; i < VOS_MAX_OBJECTS; i++) {
		struct vos_object *object;

		rcu_read_lock();
		object = rcu_dereference(c->object[i]);
		if (object)
			object->ready(object, VOS_MASK_OVER);
		rcu_read_unlock();
	}
}
