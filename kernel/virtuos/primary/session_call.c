// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process asks of its sessions by prctl(): one with a domain, more
 * lanes, a doorbell when nobody looks, sleeping until a completion is there.
 */
#include <linux/file.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>
#include <linux/virtuos/process.h>

#include "session.h"

/*
 * A sleeper rings once more each time this is over, and gives the session up
 * when a call of the primary would have failed the connection. The ringing
 * makes sure that the domain itself still answers.
 */
#define VOS_WAIT_TIMEOUT	(VOS_CALL_TIMEOUT / 2)
#define VOS_WAIT_ROUNDS		(VOS_CALL_TIMEOUT / VOS_WAIT_TIMEOUT)
#define VOS_WAIT_ROUNDS_DISK	(VOS_CALL_DISK_TIMEOUT / VOS_WAIT_TIMEOUT)

/* --------------------------------------------------------------- ENTER */

static int vos_enter_install(struct vos_session *session, struct vos_enter *enter,
			     struct vos_enter __user *argument)
{
	unsigned long base;
	int err;

	err = vos_fdmap_attach(session->map, current->files);
	if (err)
		return err;
	base = vos_session_map(session);
	if (IS_ERR_VALUE(base))
		return base;

	session->address = base;
	enter->base = base;
	enter->extents = 1;
	enter->unused = 0;
	if (copy_to_user(argument, enter, sizeof(*enter)))
		err = -EFAULT;
	else
		err = vos_enter_publish(&current->mm->vos, session);
	if (err)
		vos_session_unmap(base);
	return err;
}

static long vos_session_enter(struct vos_enter __user *argument)
{
	struct vos_mm *state = &current->mm->vos;
	struct vos_session *session;
	struct vos_enter enter;
	long err;

	if (copy_from_user(&enter, argument, sizeof(enter)))
		return -EFAULT;
	if (enter.abi_version != VOS_ABI_VERSION)
		return -EPROTONOSUPPORT;
	if (enter.domain == VOS_DOMAIN_NONE || enter.domain > VOS_DOMAIN_MAX)
		return -EINVAL;
	if (!vos_session_allows_limits(enter.domain))
		return -EFBIG;
	err = vos_enter_begin(state, enter.domain);
	if (err)
		return err;
	session = vos_session_create(enter.domain);
	if (IS_ERR(session)) {
		err = PTR_ERR(session);
	} else {
		err = vos_enter_install(session, &enter, argument);
		if (err)
			vos_session_kill(session);
		vos_session_put(session);
	}
	vos_enter_end(state);
	return err;
}

/* -------------------------------------------------------------- EXTEND */

static long vos_session_extend(struct vos_session *session, u64 argument)
{
	struct file *file;
	u32 index;
	long err;

	if (argument != vos_call_arg(vos_call_arg_domain(argument), 0, 0, 0))
		return -EINVAL;
	if (mutex_lock_killable(&session->lock))
		return -EINTR;
	index = session->extents;
	err = -ENETDOWN;
	if (vos_session_dead(session))
		goto unlock;
	err = -ENOSPC;
	if (index == VOS_MAX_EXTENTS)
		goto unlock;
	err = -EFAULT;
	file = vos_session_reserved(session, index);
	if (!file)
		goto unlock;
	err = vos_session_add_extent(session, index);
	if (!err)
		err = vos_session_map_extent(file, session->address, index);
	fput(file);
unlock:
	mutex_unlock(&session->lock);
	return err ? err : index;
}

/* -------------------------------------------------------- KICK and WAIT */

static struct vos_session_extent *vos_session_lane_extent(struct vos_session *session, u32 lane)
{
	if (lane >= VOS_MAX_USER_LANES)
		return NULL;
	return vos_session_extent(session, lane / VOS_EXTENT_LANES);
}

static int vos_session_ring(struct vos_session *session, u32 lane)
{
	if (vos_session_dead(session))
		return -ENETDOWN;
	vos_count(session->connection, VOS_COUNT_USER_KICKS);
	return vos_call_simple(session->connection, VOS_OP_SESSION_KICK, session->index, lane, 0);
}

static long vos_session_kick(struct vos_session *session, u64 argument)
{
	u32 lane = vos_call_arg_lane(argument);
	int err;

	if (argument != vos_call_arg(vos_call_arg_domain(argument), lane, 0, 0) ||
	    !vos_session_lane_extent(session, lane))
		return -EINVAL;
	err = vos_session_ring(session, lane);
	return err < 0 ? vos_call_error(session->connection, err) : 0;
}

/* What a sleeper waits for. */
struct vos_awaited {
	struct vos_session *session;
	struct vos_session_extent *extent;
	u32 lane;			/* of the session */
	u32 entry;
	u32 turn;
};

/*
 * Is it there? If not, asks for one more WAKE event and looks again. The arm
 * word is the client's, who sleeps here: the event of the value it stored may
 * be spent on an earlier entry of the lane, so each look stores the next one.
 * Returns 1, 0 or -ENETDOWN.
 */
static int vos_session_look(const struct vos_awaited *awaited)
{
	const struct vos_memory *granted = &awaited->extent->memory.granted;
	u32 lane = awaited->lane % VOS_EXTENT_LANES;
	struct vos_lane_control *control;
	const struct vos_completion *slot;
	struct vos_extent_c *c;
	struct vos_extent_s *s;
	int status;

	rcu_read_lock();
	if (vos_session_dead(awaited->session)) {
		rcu_read_unlock();
		return -ENETDOWN;
	}
	c = granted->address;
	s = granted->address + PAGE_SIZE;
	control = &c->lane[lane].control;
	slot = &s->lane[lane].completion[awaited->entry];
	status = vos_lane_completed(slot, awaited->turn);
	if (!status) {
		/* The lock, so that no two sleepers store the same value. */
		spin_lock(&awaited->session->arm_lock);
		vos_lane_arm(control, vos_load(&control->arm) + 1);
		spin_unlock(&awaited->session->arm_lock);
		status = vos_lane_completed(slot, awaited->turn);
	}
	rcu_read_unlock();
	return status;
}

/* 1: complete, 0: timeout, -ENETDOWN, -EINTR. */
static int vos_session_sleep(const struct vos_awaited *awaited, long timeout)
{
	wait_queue_head_t *head = &awaited->extent->wait[awaited->lane % VOS_EXTENT_LANES];
	DEFINE_WAIT(wait);
	int status;

	vos_liveness_await(awaited->session->connection);
	for (;;) {
		prepare_to_wait(head, &wait, TASK_INTERRUPTIBLE);
		status = vos_session_look(awaited);
		if (status || !timeout)
			break;
		if (signal_pending(current)) {
			status = -EINTR;
			break;
		}
		timeout = schedule_timeout(timeout);
	}
	finish_wait(head, &wait);
	vos_liveness_answered(awaited->session->connection);
	return status;
}

/*
 * A completion that does not come proves nothing against the domain: the
 * process may wait for what it never asked. So the domain is only asked to
 * look at the lane, which fails the connection if that is not answered, and
 * else the session ends. 1, -EINTR, or -ENETDOWN and the session is ending.
 */
static int vos_session_await(const struct vos_awaited *awaited)
{
	struct vos_session *session = awaited->session;
	u32 rounds = vos_session_kind(session) == VOS_DOMAIN_STORAGE ? VOS_WAIT_ROUNDS_DISK :
								       VOS_WAIT_ROUNDS;
	u32 round;

	for (round = 0; round < rounds; round++) {
		int status;

		if (round)
			vos_session_ring(session, awaited->lane);
		status = vos_session_sleep(awaited, VOS_WAIT_TIMEOUT);
		if (status)
			return status;
	}
	vos_session_kill(session);
	return -ENETDOWN;
}

static long vos_session_wait(struct vos_session *session, u64 argument)
{
	struct vos_awaited awaited = {
		.session = session,
		.lane = vos_call_arg_lane(argument),
		.entry = vos_call_arg_entry(argument),
		.turn = vos_call_arg_turn(argument),
	};
	int status;

	awaited.extent = vos_session_lane_extent(session, awaited.lane);
	if (!awaited.extent || awaited.entry >= VOS_USER_LANE_DEPTH || !awaited.turn)
		return -EINVAL;
	vos_count(session->connection, VOS_COUNT_USER_WAITS);
	status = vos_session_await(&awaited);
	/*
	 * The caller may do by system call what it asked for here. That must not
	 * be undone by the other, so it is over first, and perhaps complete.
	 */
	if (status == -ENETDOWN &&
	    wait_on_bit(&session->flags, VOS_SESSION_SERVED, TASK_INTERRUPTIBLE))
		status = -EINTR;
	return min(status, 0);
}

/* A WAKE event. Softirq context; what it says is the service's word only. */
bool vos_session_wake(struct vos_connection *c, u32 index, u32 lane)
{
	struct vos_session_extent *extent;
	struct vos_session *session;

	if (index >= VOS_MAX_SESSIONS || lane >= VOS_MAX_USER_LANES)
		return false;
	rcu_read_lock();
	/* None: it was closed while the event was on its way. */
	session = rcu_dereference(c->session[index]);
	extent = session ? vos_session_lane_extent(session, lane) : NULL;
	if (extent)
		wake_up_all(&extent->wait[lane % VOS_EXTENT_LANES]);
	rcu_read_unlock();
	/* Nor can it be too many: how often it is asked for is up to the process. */
	return true;
}

/* --------------------------------------------------------------- calls */

/* Kind of the domain that serves a descriptor of the caller to user lanes; 0: none. */
static long vos_session_serving(unsigned long fd)
{
	struct vos_object *socket;
	struct file *file;
	long kind = VOS_DOMAIN_NONE;

	file = fd <= INT_MAX ? fget(fd) : NULL;
	if (!file)
		return -EBADF;
	socket = vos_proxy_object(file);
	if (socket && socket->kind)
		kind = VOS_DOMAIN_NETWORK;
	else if (vosfs_serves(file))
		kind = VOS_DOMAIN_STORAGE;
	fput(file);
	return kind;
}

static long vos_session_do(struct vos_session *session, unsigned long op, unsigned long arg)
{
	/* Who has another descriptor table does not use the session: its limits don't count. */
	if (!vos_session_allows_limits(vos_session_kind(session)) &&
	    vos_fdmap_follows(session->map, current->files))
		vos_session_kill(session);
	switch (op) {
	case VOS_CALL_EXTEND:
		return vos_session_extend(session, arg);
	case VOS_CALL_KICK:
		return vos_session_kick(session, arg);
	case VOS_CALL_WAIT:
		return vos_session_wait(session, arg);
	default:
		return -EINVAL;
	}
}

/**
 * virtuos_prctl() - the calls of the shim, as abi/virtuos.h describes them
 * @option: any option of prctl() that Linux does not know
 * @op: enum vos_call_op
 * @arg: depends on @op
 * @arg4: 0
 * @arg5: 0
 *
 * Return: 0 or, for EXTEND, the index, for SERVING the kind of domain. -EINVAL:
 * not ours, or bad arguments; -ENOENT: no session with such a domain. ENTER:
 * -EACCES: under seccomp; -EFBIG: storage, and the size of files is limited;
 * -EAGAIN: another task enters, the last session is not closed yet, or a task
 * with another descriptor table shares the address space; -EEXIST: there is a
 * session; -EBUSY: the descriptor table has one, of another address space;
 * -EPROTONOSUPPORT: ABI; -ENETDOWN: not connected; -ENOMEM: RLIMIT_MEMLOCK;
 * -ENOBUFS: too many sessions. SERVING: -EBADF.
 */
long virtuos_prctl(int option, unsigned long op, unsigned long arg, unsigned long arg4,
		   unsigned long arg5)
{
	struct vos_session *session;
	long result;

	if (option != PR_VIRTUOS || arg4 || arg5)
		return -EINVAL;
	if (op == VOS_CALL_ENTER)
		return vos_session_enter((struct vos_enter __user *)arg);
	if (op == VOS_CALL_COPY_RANGE)
		return vos_copy_range_set((const struct vos_copy_range __user *)arg);
	if (op == VOS_CALL_SERVING)
		return vos_session_serving(arg);
	session = vos_session_of(current->mm, vos_call_arg_domain(arg));
	if (!session)
		return -ENOENT;
	result = vos_session_do(session, op, arg);
	vos_session_put(session);
	return result;
}
