// SPDX-License-Identifier: GPL-2.0-only
/*
 * User sessions: memory shared by one process and one service domain, made
 * and ended here. The data calls that go through it never come here; what
 * does is opening, more lanes, a doorbell when nobody looks, and sleeping.
 *
 * A session belongs to an address space and follows one descriptor table
 * (fdmap.c). An address space has one with each kind of domain at most, on the
 * list that begins at mm->vos.session; what holds for one holds for each, and
 * none knows of the others. It lives only while a task has both: another
 * task of the address space acts on those descriptors through the session,
 * which is no more than it could do by writing to the memory of the task that
 * has both, but would be more once there is none. So it ends when
 *   - the mm is freed, or the process unmapped all of it,
 *   - a task with both executes another program or gets another table, or its
 *     thread group exits,
 *   - a task of the mm installs a seccomp filter, which sees no ring call,
 *   - it is with a storage domain and the process's files are limited in size,
 *   - the connection fails.
 *
 * File size limits (RLIMIT_FSIZE) are the primary's to enforce, and only where
 * the write passes it. So a process with a limit gets no session with a storage
 * domain, and one that sets a limit loses it: every call here looks. A library
 * that sees the program set the limit makes such a call at once, so the limit
 * holds for all that follows; one that another process or a raw system call
 * sets holds when the session next rings or sleeps.
 *
 * Ending is two steps. vos_session_kill() works in any context: the process
 * is told, its capabilities are revoked by clearing the fd map, sleepers
 * wake. The close work then makes the service let go and ends the grants; a
 * service that says it has let go and has not is a reason to give it up. Once
 * the service has let go nothing that was asked for happens any more, and only
 * then VOS_CALL_WAIT says that the session died: the caller may ask the same
 * of a system call. The pages themselves stay while the process maps them: a
 * library that looks at `dead` must not fault because of what it is about to
 * find out.
 *
 * References: the close work (from the start, so that memory behind the
 * kernel mapping is freed by it alone), the address space, the mapped file, and
 * callers. Kernel-side access to the shared pages is either under
 * session->lock, which the close work takes, or inside an RCU read section
 * that saw the session alive.
 *
 * Nothing in the C pages and arenas is believed. All arguments of the calls
 * are checked, and a process that misuses them waits in vain until its own
 * session ends; it can't make the connection fail.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "session.h"

/* Sessions of one user on one connection, unless it has CAP_SYS_RESOURCE. */
#define VOS_MAX_USER_SESSIONS	256u

static struct workqueue_struct *vos_session_wq;

/* -------------------------------------------------------------- memory */

static int vos_session_memory_alloc(struct vos_session_memory *memory, u32 count)
{
	int err = vos_memory_alloc(&memory->granted, count, GFP_KERNEL_ACCOUNT);

	if (err)
		return err;
	memory->pages = kmemdup(memory->granted.pages, count * sizeof(*memory->pages),
				GFP_KERNEL_ACCOUNT);
	if (!memory->pages) {
		vos_memory_free(&memory->granted);
		return -ENOMEM;
	}
	while (memory->count < count)
		get_page(memory->pages[memory->count++]);
	return 0;
}

/* The grants are gone already. */
static void vos_session_memory_free(struct vos_session_memory *memory)
{
	while (memory->count)
		put_page(memory->pages[--memory->count]);
	kfree(memory->pages);
}

/*
 * Ends the grants of what the service does not know or has let go of: it
 * unmaps before it says so. One that keeps pages would have them for good,
 * charged to nobody, and with each session it would have more, until there are
 * no grants left for others.
 */
static void vos_session_take_back(struct vos_session *session, struct vos_memory *granted)
{
	if (!vos_memory_revoke(granted) && vos_connection_usable(session->connection))
		vos_connection_fail(session->connection, "session %u: pages are still mapped",
				    session->index);
	vos_memory_free(granted);
}

static void vos_extent_destroy(struct vos_session *session, struct vos_session_extent *extent)
{
	vos_session_take_back(session, &extent->memory.granted);
	vos_session_memory_free(&extent->memory);
	kfree(extent);
}

/* Gives back all but keep pages. */
static void vos_session_uncharge(struct vos_session *session, unsigned long keep)
{
	atomic_long_sub(session->charged - keep, &session->user->locked_vm);
	session->charged = keep;
}

static void vos_session_release(struct kref *ref)
{
	struct vos_session *session = container_of(ref, struct vos_session, ref);
	u32 i;

	for (i = 0; i < session->extents; i++)
		vos_extent_destroy(session, session->extent[i]);
	vos_session_memory_free(&session->base);
	if (session->map)
		vos_fdmap_put(session->map);
	vos_session_uncharge(session, 0);
	free_uid(session->user);
	vos_connection_put(session->connection);
	kfree(session);
}

void vos_session_put(struct vos_session *session)
{
	kref_put(&session->ref, vos_session_release);
}

/* -------------------------------------------------------------- ending */

static void vos_session_publish_extent(struct vos_session *session,
				       struct vos_session_extent *extent)
{
	lockdep_assert_held(&session->lock);
	/* Pairs with the acquire in vos_session_extent(). */
	smp_store_release(&session->extent[session->extents], extent);
	session->extents++;
}

static void vos_session_wake_all(struct vos_session *session)
{
	u32 i, lane;

	for (i = 0; i < VOS_MAX_EXTENTS; i++) {
		struct vos_session_extent *extent = vos_session_extent(session, i);

		if (!extent)
			break;
		for (lane = 0; lane < VOS_EXTENT_LANES; lane++)
			wake_up_all(&extent->wait[lane]);
	}
}

/* The client's word, and the service's: of no use but for waiting a while. */
static bool vos_extent_owed(const struct vos_session_extent *extent)
{
	const struct vos_extent_c *c = extent->memory.granted.address;
	const struct vos_extent_s *s = extent->memory.granted.address + PAGE_SIZE;
	u32 lane, entry;

	for (lane = 0; lane < VOS_EXTENT_LANES; lane++)
		for (entry = 0; entry < VOS_USER_LANE_DEPTH; entry++)
			if (vos_load(&c->lane[lane].request[entry].turn) !=
			    vos_load(&s->lane[lane].completion[entry].turn))
				return true;
	return false;
}

/* Is there a request without a completion? */
static bool vos_session_owed(struct vos_session *session)
{
	bool owed = false;
	u32 i;

	rcu_read_lock();
	for (i = 0; i < VOS_MAX_EXTENTS && !owed && !vos_session_dead(session); i++) {
		struct vos_session_extent *extent = vos_session_extent(session, i);

		if (!extent)
			break;
		owed = vos_extent_owed(extent);
	}
	rcu_read_unlock();
	return owed;
}

void vos_session_kill(struct vos_session *session)
{
	bool owed = vos_session_owed(session);

	/*
	 * Full barrier: who goes to sleep after the wake-up below sees the bit.
	 * Only the first gets further, and the header lasts until it queues the
	 * work. There is none yet if the session failed half-made.
	 */
	if (test_and_set_bit(VOS_SESSION_DEAD, &session->flags))
		return;
	if (owed)
		set_bit(VOS_SESSION_OWED, &session->flags);
	if (session->header)
		vos_store(&session->header->dead, VOS_DEAD_ENDING);
	if (session->map)
		vos_fdmap_close(session->map);
	vos_session_wake_all(session);
	queue_work(vos_session_wq, &session->close_work);
}

static void vos_session_close(struct work_struct *work)
{
	struct vos_session *session = container_of(work, struct vos_session, close_work);
	struct vos_connection *c = session->connection;
	u32 i;

	mutex_lock(&session->lock);
	if (session->open) {
		int err = vos_call_simple(c, VOS_OP_SESSION_CLOSE, session->index, 0, 0);

		/* Its index can't be used again, its pages may be mapped for ever. */
		if (err && err != -ENETDOWN)
			vos_connection_fail(c, "session %u was not closed: %d",
					    session->index, err);
		vos_count(c, VOS_COUNT_SESSIONS_CLOSED);
	}
	/*
	 * Pairs with the acquire in the shim's AwaitCompletion(): completions that
	 * there are have been published before.
	 */
	if (session->header)
		vos_store_release(&session->header->dead, VOS_DEAD_CLOSED);
	clear_and_wake_up_bit(VOS_SESSION_SERVED, &session->flags);
	if (session->index < VOS_MAX_SESSIONS) {
		mutex_lock(&c->session_lock);
		RCU_INIT_POINTER(c->session[session->index], NULL);
		mutex_unlock(&c->session_lock);
	}
	/*
	 * Over after this: stores to the fd map that saw it open, looks at pages
	 * that saw the session alive, users of c->session[].
	 */
	synchronize_rcu();
	for (i = 0; i < session->extents; i++)
		vos_session_take_back(session, &session->extent[i]->memory.granted);
	vos_session_take_back(session, &session->base.granted);
	mutex_unlock(&session->lock);
	vos_session_put(session);
}

/* The state says failed already; any context. */
void vos_session_fail_all(struct vos_connection *c)
{
	u32 i;

	/* Pairs with the barrier in vos_session_insert(). */
	smp_mb();
	for (i = 0; i < VOS_MAX_SESSIONS; i++) {
		struct vos_session *session;

		rcu_read_lock();
		session = rcu_dereference(c->session[i]);
		if (session)
			vos_session_kill(session);
		rcu_read_unlock();
	}
}

/* ---------------------------------------------------- resource limits */

static int vos_session_charge(struct vos_session *session, unsigned long pages)
{
	atomic_long_t *locked = &session->user->locked_vm;
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long old = atomic_long_read(locked);

	if (capable(CAP_IPC_LOCK))
		return 0;
	do {
		if (old + pages > limit)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(locked, &old, old + pages));
	session->charged += pages;
	return 0;
}

/* Takes an index and makes the session visible to events and to failure. */
static int vos_session_insert(struct vos_session *session)
{
	struct vos_connection *c = session->connection;
	u32 i, index = VOS_MAX_SESSIONS, same_user = 0;
	int err = 0;

	mutex_lock(&c->session_lock);
	for (i = 0; i < VOS_MAX_SESSIONS; i++) {
		struct vos_session *other =
			rcu_dereference_protected(c->session[i],
						  lockdep_is_held(&c->session_lock));

		if (other && other->user == session->user)
			same_user++;
		else if (!other && index == VOS_MAX_SESSIONS)
			index = i;
	}
	if (index == VOS_MAX_SESSIONS ||
	    (same_user >= VOS_MAX_USER_SESSIONS && !capable(CAP_SYS_RESOURCE))) {
		err = -ENOBUFS;
	} else {
		session->index = index;
		rcu_assign_pointer(c->session[index], session);
	}
	mutex_unlock(&c->session_lock);
	if (err)
		return err;
	/* Pairs with the barrier in vos_session_fail_all(): one sees the other. */
	smp_mb();
	return vos_connection_usable(c) ? 0 : -ENETDOWN;
}

/* -------------------------------------------------------------- making */

/* Runs a prepared call, to the result that the process may see. */
static int vos_session_call(struct vos_call *call, struct vos_session *session)
{
	int err;

	call->request.handle = session->index;
	err = vos_call_run(call);
	if (!err && call->completion.res)
		err = vos_call_error(session->connection, call->completion.res);
	vos_call_end(call);
	return err;
}

/* An extent that the service may map but does not know yet. */
static struct vos_session_extent *vos_extent_create(struct vos_session *session)
{
	struct vos_session_extent *extent;
	struct vos_memory *granted;
	u32 lane;
	int err;

	err = vos_session_charge(session, VOS_EXTENT_PAGES);
	if (err)
		return ERR_PTR(err);
	extent = kzalloc(sizeof(*extent), GFP_KERNEL_ACCOUNT);
	if (!extent)
		return ERR_PTR(-ENOMEM);
	for (lane = 0; lane < VOS_EXTENT_LANES; lane++)
		init_waitqueue_head(&extent->wait[lane]);
	err = vos_session_memory_alloc(&extent->memory, VOS_EXTENT_PAGES);
	if (err) {
		kfree(extent);
		return ERR_PTR(err);
	}
	granted = &extent->memory.granted;
	/* The service only reads C. */
	err = vos_memory_grant(granted, 0, 1, session->connection->domid, true);
	if (!err)
		err = vos_memory_grant(granted, 1, VOS_EXTENT_PAGES - 1,
				       session->connection->domid, false);
	if (err) {
		vos_extent_destroy(session, extent);
		return ERR_PTR(err);
	}
	return extent;
}

/* grant is in the call's arena: written, never read. */
static void vos_extent_describe(struct vos_extent_grant *grant, u32 index,
				const struct vos_session_extent *extent)
{
	grant->index = index;
	grant->pages = VOS_EXTENT_PAGES;
	memcpy(grant->ref, extent->memory.granted.refs, sizeof(grant->ref));
}

static int vos_session_open(struct vos_session *session)
{
	struct vos_session_grant *grant;
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, session->connection, VOS_OP_SESSION_OPEN, sizeof(*grant));
	if (err)
		return err;
	grant = call.data;
	grant->index = session->index;
	grant->pages = VOS_BASE_PAGES;
	memcpy(grant->ref, session->base.granted.refs, sizeof(grant->ref));
	vos_extent_describe(&grant->extent, 0, session->extent[0]);
	err = vos_session_call(&call, session);
	if (err)
		return err;
	session->open = true;
	vos_count(session->connection, VOS_COUNT_SESSIONS_OPENED);
	return 0;
}

static int vos_session_fill(struct vos_session *session)
{
	struct vos_connection *c = session->connection;
	struct vos_session_extent *extent;
	struct vos_session_header *header;
	int err;

	lockdep_assert_held(&session->lock);
	err = vos_session_charge(session, VOS_BASE_PAGES);
	if (err)
		return err;
	err = vos_session_memory_alloc(&session->base, VOS_BASE_PAGES);
	if (err)
		return err;
	header = session->base.granted.address;
	header->magic = VOS_MAGIC;
	header->abi_version = VOS_ABI_VERSION;
	header->features = c->features;
	header->spin_cycles = c->spin_cycles;
	header->fdmap_entries = VOS_FDMAP_ENTRIES;
	header->user_lane_depth = VOS_USER_LANE_DEPTH;
	header->chunk_bytes = VOS_USER_CHUNK_PAGES * VOS_PAGE_SIZE;
	header->extents = 1;
	session->header = header;
	session->map = vos_fdmap_create(c, session->base.granted.address + PAGE_SIZE);
	if (!session->map)
		return -ENOMEM;
	err = vos_memory_grant(&session->base.granted, 0, VOS_BASE_PAGES, c->domid, true);
	if (err)
		return err;
	extent = vos_extent_create(session);
	if (IS_ERR(extent))
		return PTR_ERR(extent);
	vos_session_publish_extent(session, extent);
	err = vos_session_insert(session);
	if (err)
		return err;
	return vos_session_open(session);
}

struct vos_session *vos_session_create(u32 kind)
{
	struct vos_session *session;
	int err;

	if (!vos_session_wq)
		return ERR_PTR(-ENOMEM);
	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return ERR_PTR(-ENOMEM);
	session->connection = vos_connection_get(kind);
	/* Its fd map would not name the files that have still to come. */
	if (session->connection && kind == VOS_DOMAIN_STORAGE &&
	    !vosfs_recovered(session->connection)) {
		vos_connection_put(session->connection);
		session->connection = NULL;
	}
	if (!session->connection) {
		kfree(session);
		return ERR_PTR(-ENETDOWN);
	}
	kref_init(&session->ref);
	session->index = VOS_MAX_SESSIONS;
	session->user = get_current_user();
	mutex_init(&session->lock);
	spin_lock_init(&session->arm_lock);
	INIT_WORK(&session->close_work, vos_session_close);
	__set_bit(VOS_SESSION_SERVED, &session->flags);

	/* Ours; the first is the close work's. */
	kref_get(&session->ref);
	/* A failure may queue the close work meanwhile: it waits for the lock. */
	mutex_lock(&session->lock);
	err = vos_session_fill(session);
	mutex_unlock(&session->lock);
	if (!err && vos_session_dead(session))
		err = -ENETDOWN;
	if (err) {
		vos_session_kill(session);
		vos_session_put(session);
		return ERR_PTR(err);
	}
	return session;
}

static int vos_session_tell_extent(struct vos_session *session, u32 index,
				   const struct vos_session_extent *extent)
{
	struct vos_call call;
	int err;

	err = vos_call_begin(&call, session->connection, VOS_OP_SESSION_EXTEND,
			     sizeof(struct vos_extent_grant));
	if (err)
		return err;
	vos_extent_describe(call.data, index, extent);
	return vos_session_call(&call, session);
}

int vos_session_add_extent(struct vos_session *session, u32 index)
{
	unsigned long charged = session->charged;
	struct vos_session_extent *extent;
	int err;

	lockdep_assert_held(&session->lock);
	extent = vos_extent_create(session);
	err = PTR_ERR_OR_ZERO(extent);
	if (err)
		goto uncharge;
	err = vos_session_tell_extent(session, index, extent);
	if (err) {
		vos_extent_destroy(session, extent);
		goto uncharge;
	}
	vos_session_publish_extent(session, extent);
	vos_store(&session->header->extents, session->extents);
	return 0;

uncharge:
	vos_session_uncharge(session, charged);
	return err;
}

static int __init vos_session_init(void)
{
	vos_session_wq = alloc_workqueue("vos_session", WQ_UNBOUND, 0);
	return vos_session_wq ? 0 : -ENOMEM;
}
subsys_initcall(vos_session_init);
