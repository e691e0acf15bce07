// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects of this service domain: handle -> open file, a socket's or a
 * regular one, and the readiness word by which the primary learns what a
 * socket can do without asking. A regular file is always ready.
 *
 * Life. The table, the poller's ready list and every operation hold a
 * reference. Whoever takes an object out of the table waits for the others
 * to let go and closes the file itself: close never happens in a poller, and
 * a port is free again, a file that was unlinked gone, when RELEASE completes.
 *
 * Readiness. Something happens to the socket; its wait queue is woken; the
 * callback queues the object on its poller, no more, because polling a
 * socket takes locks that the waker may hold. The poller takes the object
 * off the list, allows it to be queued again, and publishes.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "service.h"

/* What is published; all of it fits the 16 bits of a completion or an event. */
#define VOS_PUBLISHED_MASK	((__force u32)(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | \
					       EPOLLHUP | EPOLLRDNORM | EPOLLRDBAND | \
					       EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG | \
					       EPOLLRDHUP))

/* On a socket's wait queue: under its lock, interrupts off, often in softirq. */
static int vos_object_wake(struct wait_queue_entry *wait, unsigned int mode, int flags, void *key)
{
	vos_poller_object_ready(container_of(wait, struct vos_service_object, wait));
	return 0;
}

static void vos_object_last(struct kref *ref)
{
	complete(&container_of(ref, struct vos_service_object, ref)->idle);
}

/**
 * vos_service_handle_valid() - may this handle name an object here?
 * @s: the connection
 * @handle: what the client sent
 */
bool vos_service_handle_valid(struct vos_service *s, u64 handle)
{
	return vos_handle_domain(handle) == s->kind && vos_handle_generation(handle) &&
	       vos_handle_index(handle) < VOS_MAX_OBJECTS;
}

/**
 * vos_service_object_get() - the live object of a handle
 * @s: the connection
 * @handle: as the client sent it
 *
 * Return: the object with a reference, or NULL. Any context.
 */
struct vos_service_object *vos_service_object_get(struct vos_service *s, u64 handle)
{
	struct vos_service_object *object;

	if (!vos_service_handle_valid(s, handle))
		return NULL;
	rcu_read_lock();
	object = rcu_dereference(s->object[vos_handle_index(handle)]);
	if (object && (object->handle != handle || !kref_get_unless_zero(&object->ref)))
		object = NULL;
	rcu_read_unlock();
	return object;
}

/**
 * vos_service_object_put() - drops a reference
 * @object: not to be used afterwards
 *
 * Any context: the file is closed by whoever removed the object.
 */
void vos_service_object_put(struct vos_service_object *object)
{
	kref_put(&object->ref, vos_object_last);
}

/**
 * vos_service_object_make() - an object that is not in the table yet
 * @s: the connection
 * @handle: chosen by the primary
 * @type: what @file is
 * @file: no reference is taken
 * @cred: operations run under it; no reference is taken
 * @caps: VOS_CAP_* in @cred
 *
 * Return: the object, which vos_service_object_add() consumes, or NULL: out
 * of memory.
 */
struct vos_service_object *vos_service_object_make(struct vos_service *s, u64 handle,
						   const struct vos_object_type *type,
						   struct file *file, const struct cred *cred,
						   u32 caps)
{
	struct vos_service_object *object = kzalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return NULL;
	kref_init(&object->ref);
	init_completion(&object->idle);
	object->service = s;
	object->handle = handle;
	object->index = vos_handle_index(handle);
	object->type = type;
	object->file = file;
	object->cred = cred;
	object->caps = caps;
	object->poller = vos_service_poller(s, object->index);
	spin_lock_init(&object->publish_lock);
	INIT_LIST_HEAD(&object->event_node);
	init_waitqueue_head(&object->drained);
	init_waitqueue_func_entry(&object->wait, vos_object_wake);
	if (type->wait_head)
		object->wait_head = type->wait_head(file);
	/* No published mask has this value: the first one is always stored. */
	object->mask = ~0u;
	return object;
}

/**
 * vos_service_object_add() - lets the primary use an object
 * @object: from vos_service_object_make(). Its file and cred references are
 * taken over on success; on error it is freed, and they are the caller's.
 *
 * Return: 0; -EPROTO: a bad handle; -EEXIST: its index is taken; -ESHUTDOWN:
 * the connection ends.
 */
int vos_service_object_add(struct vos_service_object *object)
{
	struct vos_service *s = object->service;
	const u32 index = object->index;
	int err = 0;

	if (!vos_service_handle_valid(s, object->handle)) {
		kfree(object);
		return -EPROTO;
	}
	/* Nobody waits yet: the primary shows the object to nobody before this is done. */
	object->arm_seen = vos_load(&vos_service_interest(s, index)->arm);

	spin_lock(&s->object_lock);
	if (s->stopping) {
		err = -ESHUTDOWN;
	} else if (rcu_access_pointer(s->object[index])) {
		err = -EEXIST;
	} else {
		/* Both under the lock: what is in the table is on the wait queue. */
		if (object->wait_head)
			add_wait_queue(object->wait_head, &object->wait);
		rcu_assign_pointer(s->object[index], object);
		kref_get(&object->ref);
	}
	spin_unlock(&s->object_lock);
	if (err) {
		kfree(object);
		return err;
	}
	/* It listens already: what happened in between is seen by this look. */
	vos_service_object_publish(object, false);
	vos_service_object_put(object);
	return 0;
}

/* Of an object that was just taken out of the table. */
static void vos_object_dispose(struct vos_service_object *object)
{
	spin_lock(&object->publish_lock);
	object->dead = true;
	spin_unlock(&object->publish_lock);
	/* Publication queues events under publish_lock: from here on, no more. */
	vos_poller_forget_object(object);
	/* Nor is it queued on the ready list again: the callback ran or never will. */
	if (object->wait_head)
		remove_wait_queue(object->wait_head, &object->wait);

	vos_service_object_put(object);
	if (!wait_for_completion_timeout(&object->idle, object->type->idle_limit)) {
		/* Somebody may still use it: better lost than freed. */
		pr_err("object %llx is in use for too long; it stays open\n", object->handle);
		return;
	}
	if (object->type->closing)
		object->type->closing(object);
	/* Now, not at the leisure of the delayed fput of kernel threads. */
	__fput_sync(object->file);
	put_cred(object->cred);
	put_cred(object->user_cred);
	kfree_rcu(object, rcu);
}

/**
 * vos_service_object_remove() - ends an object and closes its file
 * @s: the connection
 * @handle: which
 *
 * Sleeps. The caller must not hold a reference, it would wait for itself.
 *
 * Return: 0, or -EBADF: there is no such object.
 */
int vos_service_object_remove(struct vos_service *s, u64 handle)
{
	struct vos_service_object __rcu **slot;
	struct vos_service_object *object;

	if (!vos_service_handle_valid(s, handle))
		return -EBADF;
	slot = &s->object[vos_handle_index(handle)];
	spin_lock(&s->object_lock);
	object = rcu_dereference_protected(*slot, lockdep_is_held(&s->object_lock));
	if (object && object->handle == handle)
		RCU_INIT_POINTER(*slot, NULL);
	else
		object = NULL;
	spin_unlock(&s->object_lock);
	if (!object)
		return -EBADF;
	vos_object_dispose(object);
	return 0;
}

/**
 * vos_service_object_remove_all() - ends all objects, for good
 * @s: the connection, which ends
 *
 * Sleeps. The pollers must still run, they hold references.
 */
void vos_service_object_remove_all(struct vos_service *s)
{
	u32 index;

	spin_lock(&s->object_lock);
	s->stopping = true;
	spin_unlock(&s->object_lock);
	for (index = 0; index < VOS_MAX_OBJECTS; index++) {
		struct vos_service_object *object;

		spin_lock(&s->object_lock);
		object = rcu_dereference_protected(s->object[index],
						   lockdep_is_held(&s->object_lock));
		RCU_INIT_POINTER(s->object[index], NULL);
		spin_unlock(&s->object_lock);
		if (object)
			vos_object_dispose(object);
		cond_resched();
	}
}

/* Does the primary want to hear of the object? Uses up its arming if so. */
static bool vos_object_wanted(struct vos_service_object *object)
{
	u32 arm = vos_load(&vos_service_interest(object->service, object->index)->arm);

	if (arm == object->arm_seen)
		return false;
	object->arm_seen = arm;
	return true;
}

/**
 * vos_service_object_publish() - tells the primary what the object can do
 * @object: referenced
 * @event: something happened, also if the mask is what it was: an edge
 *
 * The poll is done under publish_lock, so a mask never replaces a newer one.
 * The shared line is written only if there is news: most operations leave
 * the mask as it is and cost no line.
 *
 * No event is lost. The primary, in vos_object_arm(): store arm; full
 * barrier; load mask. Here: store mask and sequence; full barrier; load arm.
 * If the primary armed first, its arm is seen here and READY is raised. If
 * this publication was first, the primary's load sees its mask. And without
 * news (same mask, no event) the mask the primary loads is right. What
 * happens to the socket after the poll below wakes the wait queue, and the
 * object is queued for another publication: vos_poller_object_ready() and
 * the poller order the queued flag against the poll by full barriers.
 *
 * A loss of bits, or a mask without anything, wakes nobody and uses up no
 * arming.
 *
 * Return: the mask, EPOLL*; 0 of a removed object.
 */
u32 vos_service_object_publish(struct vos_service_object *object, bool event)
{
	struct vos_object_state *state = vos_service_state(object->service, object->index);
	u32 mask, gained;

	spin_lock(&object->publish_lock);
	if (object->dead) {
		/* The line may be another object's by now. */
		spin_unlock(&object->publish_lock);
		return 0;
	}
	mask = object->type->poll(object) & VOS_PUBLISHED_MASK;
	gained = mask & ~object->mask;
	if (event || mask != object->mask) {
		if (mask != object->mask) {
			WRITE_ONCE(object->mask, mask);
			vos_store(&state->mask, mask);
		}
		/* Beside EPOLLERR; it stays pending until SO_ERROR or a call takes it. */
		vos_store(&state->error, object->type->error(object, mask));
		vos_store(&state->send_credit, object->type->credit(object));
		vos_store_release(&state->sequence, ++object->sequence);
		/* Pairs with the barrier in vos_object_arm() of the primary. */
		vos_full_barrier();
		if (mask && (event || gained) && vos_object_wanted(object))
			vos_poller_event_object(object);
	}
	spin_unlock(&object->publish_lock);
	return mask;
}

void vos_op_release(struct vos_operation *op)
{
	op->completion.res = vos_service_object_remove(op->service, op->request.handle);
}
