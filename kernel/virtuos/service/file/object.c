// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files as objects, and the gate between them and user lanes.
 *
 * The daemon opens them; the primary's kernel checked the permissions, and
 * what an operation may do is decided by the mode the file was opened with.
 *
 * The gate. The primary withholds a file from user lanes, for example while
 * it is mapped. Dekker's pattern:
 *   user lane: count in; FULL BARRIER (W); load flags       -> trap if WITHHELD
 *   primary:   store WITHHELD; publish DRAIN
 *   DRAIN:     fetch request; FULL BARRIER (W'); load users -> wait until 0
 * The fetch of DRAIN is an acquire of what the primary published with
 * release, so WITHHELD was stored before (W'): either the user lane sees it,
 * or DRAIN sees the user lane.
 */
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/poll.h>

#include "file.h"

/*
 * The disk may take its time; one that takes longer is broken, and the file
 * stays open. Above VOS_CALL_DISK_TIMEOUT of the primary: that a file is
 * released must not be said of one that is in use.
 */
#define VOS_FILE_IDLE_LIMIT	(120 * HZ)
/* Below it: whoever has files drained hears that the disk takes long, and nothing is broken. */
#define VOS_FILE_DRAIN_LIMIT	(45 * HZ)

static u32 vos_file_poll(struct vos_service_object *object)
{
	return (__force u32)(EPOLLIN | EPOLLOUT);
}

static s32 vos_file_error(struct vos_service_object *object, u32 mask)
{
	return 0;
}

static u32 vos_file_credit(struct vos_service_object *object)
{
	return 0;
}

const struct vos_object_type vos_file_object = {
	.kind = VOS_OBJECT_FILE,
	.idle_limit = VOS_FILE_IDLE_LIMIT,
	.poll = vos_file_poll,
	.error = vos_file_error,
	.credit = vos_file_credit,
};

bool vos_file_strip_flags(struct file *file)
{
	bool any;

	spin_lock(&file->f_lock);
	any = file->f_flags & (O_APPEND | O_DIRECT);
	file->f_flags &= ~(O_APPEND | O_DIRECT);
	file->f_iocb_flags = iocb_flags(file);
	spin_unlock(&file->f_lock);
	return any;
}

int vos_file_install(struct vos_service *s, u64 handle, struct file *file,
		     const struct cred *cred, u32 caps)
{
	struct vos_service_object *object;
	int err = -ENOMEM;

	object = vos_service_object_make(s, handle, &vos_file_object, file, cred, caps);
	if (object) {
		struct vos_object_state *state = vos_service_state(s, object->index);

		/* The index may have been another file's. */
		vos_store(&state->written, 0);
		vos_store(&state->synced, 0);
		vos_store(&state->changes, 0);
		object->appends_or_direct = vos_file_strip_flags(file);
		err = vos_service_object_add(object);
	}
	if (err) {
		put_cred(cred);
		fput(file);
	}
	return err;
}

/* -------------------------------------------------- what is not synced */

/* Over all connections, so that the numbers of two files can be compared. */
static atomic64_t vos_file_write_count;

u64 vos_file_writes(void)
{
	return atomic64_read(&vos_file_write_count);
}

/* Both only grow; publish_lock is between those that store. */
void vos_file_written(struct vos_service_object *object)
{
	struct vos_object_state *state = vos_service_state(object->service, object->index);

	spin_lock(&object->publish_lock);
	object->written = atomic64_inc_return(&vos_file_write_count);
	vos_store(&state->written, object->written);
	spin_unlock(&object->publish_lock);
}

void vos_file_synced(struct vos_service_object *object, u64 before)
{
	struct vos_object_state *state = vos_service_state(object->service, object->index);

	spin_lock(&object->publish_lock);
	object->synced = max(object->synced, before);
	vos_store(&state->synced, object->synced);
	spin_unlock(&object->publish_lock);
}

void vos_file_changed(struct vos_service_object *object)
{
	struct vos_object_state *state = vos_service_state(object->service, object->index);

	spin_lock(&object->publish_lock);
	vos_store(&state->changes, ++object->changes);
	spin_unlock(&object->publish_lock);
}

/* ------------------------------------------------------------- the gate */

void vos_file_end(struct vos_operation *op)
{
	struct vos_service_object *object = op->object;

	if (!vos_operation_from_user(op))
		return;
	/* Full barrier, pairs with the one of the waiter in vos_op_file_drain(). */
	if (atomic_dec_and_test(&object->users) && waitqueue_active(&object->drained))
		wake_up_all(&object->drained);
}

bool vos_file_begin(struct vos_operation *op)
{
	struct vos_service_object *object = op->object;
	const struct vos_object_interest *line;

	if (!vos_operation_from_user(op))
		return true;
	line = vos_service_interest(op->service, object->index);
	atomic_inc(&object->users);
	vos_full_barrier();	/* (W), pairs with (W') in vos_op_file_drain() */
	if (!object->appends_or_direct && !(vos_load(&line->flags) & VOS_INTEREST_WITHHELD))
		return true;
	vos_file_end(op);
	vos_operation_trap(op);
	return false;
}

void vos_op_file_drain(struct vos_operation *op)
{
	struct vos_service_object *object = op->object;

	vos_full_barrier();	/* (W'), pairs with (W) in vos_file_begin() */
	op->completion.res = wait_event_timeout(object->drained, !atomic_read(&object->users),
						VOS_FILE_DRAIN_LIMIT) ? 0 : -ETIMEDOUT;
}

/* Made by the first who writes, for all. NULL: out of memory. */
static const struct cred *vos_file_user_cred(struct vos_service_object *object)
{
	const struct cred *cred, *new;

	/* Pairs with cmpxchg() below: what is in it is there. */
	cred = smp_load_acquire(&object->user_cred);
	if (cred)
		return cred;
	new = vos_credential_with_caps(object->cred, object->caps & ~VOS_CAP_FSETID);
	if (!new)
		return NULL;
	cred = cmpxchg(&object->user_cred, NULL, new);
	if (!cred)
		return new;
	put_cred(new);
	return cred;
}

const struct cred *vos_file_enter(struct vos_operation *op)
{
	u32 caps = op->object->caps & ~VOS_CAP_FSETID;

	if (vos_operation_from_user(op)) {
		const struct cred *cred = vos_file_user_cred(op->object);

		return cred ? override_creds(cred) : NULL;
	}
	if (vos_file_flags(op) & VOS_FILE_KEEP_MODE)
		caps |= VOS_CAP_FSETID;
	caps |= op->request.arg.file.caps & VOS_CAP_SYS_RESOURCE;
	return vos_credential_enter(op->object->cred, caps);
}
