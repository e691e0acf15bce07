// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose sessions are: the list of an address space, and the hooks of Linux by
 * which a session ends that its process must not have any more. session.c says
 * which these are.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/seccomp.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>
#include <linux/virtuos/process.h>

#include "session.h"

/* How long a process that ends waits for what it asked a storage domain for. */
#define VOS_EXIT_WAIT		(5 * HZ)

/* Where the session with a domain of this kind is linked, or would be. */
static struct vos_session **vos_session_place(struct vos_mm *state, u32 kind)
{
	struct vos_session **place = &state->session;

	lockdep_assert_held(&state->lock);
	while (*place && vos_session_kind(*place) != kind)
		place = &(*place)->next;
	return place;
}

struct vos_session *vos_session_of(struct mm_struct *mm, u32 kind)
{
	struct vos_session *session;

	spin_lock(&mm->vos.lock);
	session = *vos_session_place(&mm->vos, kind);
	if (session)
		kref_get(&session->ref);
	spin_unlock(&mm->vos.lock);
	return session;
}

/* Under mm->vos.lock, so that the last store tells of the last count. */
static void vos_session_suspend(struct vos_mm *state)
{
	u32 suspended = state->other_files || state->tracers;
	struct vos_session *session;

	lockdep_assert_held(&state->lock);
	rcu_read_lock();
	for (session = state->session; session; session = session->next) {
		if (!vos_session_dead(session))
			vos_store(&session->header->suspended, suspended);
	}
	rcu_read_unlock();
}

/* --------------------------------------------------------- a new one */

/*
 * A dead session is replaced once it is closed: until then a task may be on
 * its way to wait for it, and would wait for the new one.
 */
int vos_enter_begin(struct vos_mm *state, u32 kind)
{
	struct vos_session *old;
	int err = 0;

	spin_lock(&state->lock);
	old = *vos_session_place(state, kind);
	if (state->confined || seccomp_mode(&current->seccomp) != SECCOMP_MODE_DISABLED)
		err = -EACCES;
	else if (old && !vos_session_dead(old))
		err = -EEXIST;
	else if (state->entering || state->other_files)
		err = -EAGAIN;
	else if (old && test_bit(VOS_SESSION_SERVED, &old->flags))
		err = -EAGAIN;
	else
		state->entering = true;
	spin_unlock(&state->lock);
	return err;
}

void vos_enter_end(struct vos_mm *state)
{
	spin_lock(&state->lock);
	state->entering = false;
	spin_unlock(&state->lock);
}

/*
 * What the hooks would have done to it before has left its mark in the state,
 * so it is checked once more.
 */
int vos_enter_publish(struct vos_mm *state, struct vos_session *session)
{
	struct vos_session **place, *old = NULL;
	int err = 0;

	spin_lock(&state->lock);
	if (state->confined || seccomp_mode(&current->seccomp) != SECCOMP_MODE_DISABLED) {
		err = -EACCES;
	} else if (!vos_session_allows_limits(vos_session_kind(session))) {
		err = -EFBIG;
	} else if (state->other_files) {
		err = -EAGAIN;
	} else {
		place = vos_session_place(state, vos_session_kind(session));
		old = *place;
		session->next = old ? old->next : NULL;
		kref_get(&session->ref);
		/* The hooks ask without the lock whether there is any. */
		WRITE_ONCE(*place, session);
		vos_session_suspend(state);
	}
	spin_unlock(&state->lock);
	if (old)
		vos_session_put(old);
	return err;
}

/* --------------------------------------------------------- copy faults */

long vos_copy_range_set(const struct vos_copy_range __user *argument)
{
	struct vos_mm *state = &current->mm->vos;
	struct vos_copy_range range;

	if (copy_from_user(&range, argument, sizeof(range)))
		return -EFAULT;
	if (range.start > range.end || range.end > TASK_SIZE_MAX || range.abort >= TASK_SIZE_MAX)
		return -EINVAL;
	spin_lock(&state->lock);
	state->copy_start = range.start;
	state->copy_abort = range.abort;
	WRITE_ONCE(state->copy_end, range.end);
	spin_unlock(&state->lock);
	return 0;
}

bool __vos_fixup_user_copy(struct mm_struct *mm, struct pt_regs *regs)
{
	unsigned long abort;
	bool inside;

	spin_lock(&mm->vos.lock);
	inside = regs->ip >= mm->vos.copy_start && regs->ip < mm->vos.copy_end;
	abort = mm->vos.copy_abort;
	spin_unlock(&mm->vos.lock);
	if (!inside)
		return false;
	regs->ip = abort;
	regs->ax = -EFAULT;
	return true;
}

/* -------------------------------------- address spaces and their tasks */

/* All sessions of an address space, referenced. */
struct vos_session_set {
	struct vos_session *session[VOS_DOMAIN_MAX];
	u32 count;
};

static void vos_session_all(struct mm_struct *mm, struct vos_session_set *set)
{
	struct vos_session *session;

	set->count = 0;
	spin_lock(&mm->vos.lock);
	for (session = mm->vos.session; session; session = session->next) {
		kref_get(&session->ref);
		set->session[set->count++] = session;
	}
	spin_unlock(&mm->vos.lock);
}

/* task, current or one that never ran, has another table than the rest of mm. */
void __vos_mm_count_other(struct task_struct *task, struct mm_struct *mm)
{
	spin_lock(&mm->vos.lock);
	task->vos_other_files = 1;
	mm->vos.other_files++;
	vos_session_suspend(&mm->vos);
	spin_unlock(&mm->vos.lock);
}

void __vos_mm_forget_other(struct task_struct *task, struct mm_struct *mm)
{
	spin_lock(&mm->vos.lock);
	task->vos_other_files = 0;
	mm->vos.other_files--;
	vos_session_suspend(&mm->vos);
	spin_unlock(&mm->vos.lock);
}

void vos_mm_trace(struct mm_struct *mm, bool traced)
{
	spin_lock(&mm->vos.lock);
	if (traced)
		mm->vos.tracers++;
	else
		mm->vos.tracers--;
	vos_session_suspend(&mm->vos);
	spin_unlock(&mm->vos.lock);
}

/* Tasks that had mm and files together may all be gone: so are their sessions. */
void __vos_mm_leave(struct mm_struct *mm, struct files_struct *files)
{
	struct vos_session_set set;

	vos_session_all(mm, &set);
	while (set.count) {
		struct vos_session *session = set.session[--set.count];

		if (vos_fdmap_follows(session->map, files))
			vos_session_kill(session);
		vos_session_put(session);
	}
}

void vos_files_replaced(struct files_struct *old)
{
	struct mm_struct *mm = current->mm;

	if (!mm)
		return;
	/* Alone in the address space, there is no other table here. */
	if (!current->vos_other_files && atomic_read(&mm->mm_users) > 1)
		__vos_mm_count_other(current, mm);
	if (unlikely(READ_ONCE(mm->vos.session)))
		__vos_mm_leave(mm, old);
}

void vos_mm_confine(void)
{
	struct mm_struct *mm = current->mm;
	struct vos_session_set set;

	if (!mm)
		return;
	spin_lock(&mm->vos.lock);
	mm->vos.confined = true;
	spin_unlock(&mm->vos.lock);
	vos_session_all(mm, &set);
	while (set.count) {
		struct vos_session *session = set.session[--set.count];

		vos_session_kill(session);
		vos_session_put(session);
	}
}

void __vos_mm_exit(struct mm_struct *mm)
{
	struct vos_session *session;

	/* Who traces it may look at its sessions still. */
	spin_lock(&mm->vos.lock);
	session = mm->vos.session;
	WRITE_ONCE(mm->vos.session, NULL);
	spin_unlock(&mm->vos.lock);
	while (session) {
		struct vos_session *next = session->next;

		vos_session_kill(session);
		/*
		 * Who was killed in the middle of a write has written, or has
		 * not, when its parent hears of its end.
		 */
		if ((current->flags & PF_EXITING) &&
		    vos_session_kind(session) == VOS_DOMAIN_STORAGE &&
		    test_bit(VOS_SESSION_OWED, &session->flags))
			wait_on_bit_timeout(&session->flags, VOS_SESSION_SERVED,
					    TASK_UNINTERRUPTIBLE, VOS_EXIT_WAIT);
		vos_session_put(session);
		session = next;
	}
}
