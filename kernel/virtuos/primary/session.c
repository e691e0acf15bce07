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
 * wake. The close work then makes the service let go and ends the grants. Once
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

#include <linux/anon_inodes.h>
#include <linux/bitfield.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/seccomp.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>
#include <linux/virtuos/process.h>

#include "session.h"

/* Sessions of one user on one connection, unless it has CAP_SYS_RESOURCE. */
#define VOS_MAX_USER_SESSIONS	256u
#define VOS_BASE_PAGES		(1u + VOS_FDMAP_PAGES)
#define VOS_EXTENT_PAGES	(2u + VOS_EXTENT_ARENA_PAGES)
/*
 * A sleeper rings once more each time this is over, and gives the session up
 * when a call of the primary would have failed the connection. The ringing
 * makes sure that the domain itself still answers.
 */
#define VOS_WAIT_TIMEOUT	(VOS_CALL_TIMEOUT / 2)
#define VOS_WAIT_ROUNDS		(VOS_CALL_TIMEOUT / VOS_WAIT_TIMEOUT)
#define VOS_WAIT_ROUNDS_DISK	(VOS_CALL_DISK_TIMEOUT / VOS_WAIT_TIMEOUT)
/* Where the arguments of EXTEND, KICK and WAIT say which domain. */
#define VOS_ARGUMENT_DOMAIN	GENMASK_ULL(31, 16)

/* Granted memory whose pages may outlive the grants. */
struct vos_session_memory {
	struct vos_memory granted;	/* until the close work */
	struct page **pages;		/* a reference of each is held */
	u32 count;
};

struct vos_session_extent {
	struct vos_session_memory memory;	/* C, S, arena... */
	wait_queue_head_t wait[VOS_EXTENT_LANES];
};

struct vos_session {
	struct kref ref;
	struct vos_connection *connection;	/* a reference is held */
	struct vos_session *next;	/* of the address space; under mm->vos.lock */
	u32 index;			/* in connection->session; VOS_MAX_SESSIONS: not there */
	unsigned long flags;		/* VOS_SESSION_* */
	struct user_struct *user;	/* who is charged */
	unsigned long charged;		/* pages of user->locked_vm; under lock */

	struct mutex lock;		/* making extents, closing */
	bool open;			/* the service knows it; under lock */
	u32 extents;			/* under lock */
	struct vos_session_memory base;	/* header, fd map */
	struct vos_session_header *header;
	struct vos_fdmap *map;
	struct vos_session_extent *extent[VOS_MAX_EXTENTS];	/* acquire; never removed */
	unsigned long address;		/* of the mapping; set before mm->vos.session */

	spinlock_t arm_lock;		/* sleepers' stores to the arm words */
	struct work_struct close_work;
};

/* Bits of vos_session.flags. */
#define VOS_SESSION_DEAD	0
#define VOS_SESSION_SERVED	1	/* what was asked for may still happen */
#define VOS_SESSION_OWED	2	/* something was asked for when it died */

/* How long a process that ends waits for what it asked a storage domain for. */
#define VOS_EXIT_WAIT		(5 * HZ)

static struct workqueue_struct *vos_session_wq;

/* ------------------------------------------------------------ lifetime */

static bool vos_session_dead(struct vos_session *session)
{
	return test_bit(VOS_SESSION_DEAD, &session->flags);
}

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

static void vos_extent_destroy(struct vos_session_extent *extent)
{
	vos_memory_free(&extent->memory.granted);
	vos_session_memory_free(&extent->memory);
	kfree(extent);
}

/* Gives back all but keep pages. */
static void vos_session_uncharge(struct vos_session *session, unsigned long keep)
{
	atomic_long_sub(session->charged - keep, &session->user->locked_vm);
	session->charged = keep;
}

/* Process context. */
static void vos_session_release(struct kref *ref)
{
	struct vos_session *session = container_of(ref, struct vos_session, ref);
	u32 i;

	for (i = 0; i < session->extents; i++)
		vos_extent_destroy(session->extent[i]);
	vos_session_memory_free(&session->base);
	if (session->map)
		vos_fdmap_put(session->map);
	vos_session_uncharge(session, 0);
	free_uid(session->user);
	vos_connection_put(session->connection);
	kfree(session);
}

static void vos_session_put(struct vos_session *session)
{
	kref_put(&session->ref, vos_session_release);
}

static u32 vos_session_kind(const struct vos_session *session)
{
	return session->connection->kind;
}

/* Where the session with a domain of this kind is linked, or would be. */
static struct vos_session **vos_session_place(struct vos_mm *state, u32 kind)
{
	struct vos_session **place = &state->session;

	lockdep_assert_held(&state->lock);
	while (*place && vos_session_kind(*place) != kind)
		place = &(*place)->next;
	return place;
}

/* The session of an address space with a domain of this kind, referenced, or NULL. */
static struct vos_session *vos_session_of(struct mm_struct *mm, u32 kind)
{
	struct vos_session *session;

	spin_lock(&mm->vos.lock);
	session = *vos_session_place(&mm->vos, kind);
	if (session)
		kref_get(&session->ref);
	spin_unlock(&mm->vos.lock);
	return session;
}

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

/*
 * An extent, or NULL if there is none yet. Its memory and wait queues are
 * ready for who sees it.
 */
static struct vos_session_extent *vos_session_extent(struct vos_session *session, u32 index)
{
	/* Pairs with the release in vos_session_publish_extent(). */
	return smp_load_acquire(&session->extent[index]);
}

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

/* No more capabilities, no more sleepers; the rest is for the close work. */
static void vos_session_kill(struct vos_session *session)
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
		vos_memory_free(&session->extent[i]->memory.granted);
	vos_memory_free(&session->base.granted);
	mutex_unlock(&session->lock);
	vos_session_put(session);
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
		err = IS_ERR_VALUE((unsigned long)call->completion.res) ?
			(int)call->completion.res : -EPROTO;
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
		vos_extent_destroy(extent);
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

/* A session that the service serves and nobody uses yet, with a reference. */
static struct vos_session *vos_session_create(u32 kind)
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

/* ------------------------------------------------------------- mapping */

/* May the process write this page of the mapping? */
static bool vos_map_writable(pgoff_t page)
{
	if (page < VOS_MAP_EXTENT(0))
		return false;
	/* C, arena; not S. */
	return (page - VOS_MAP_EXTENT(0)) % VOS_EXTENT_PAGES != 1;
}

static struct page *vos_map_page(struct vos_session *session, pgoff_t page)
{
	struct vos_session_extent *extent;

	if (page < VOS_MAP_EXTENT(0))
		return session->base.pages[page];
	page -= VOS_MAP_EXTENT(0);
	if (page / VOS_EXTENT_PAGES >= VOS_MAX_EXTENTS)
		return NULL;
	extent = vos_session_extent(session, page / VOS_EXTENT_PAGES);
	return extent ? extent->memory.pages[page % VOS_EXTENT_PAGES] : NULL;
}

static vm_fault_t vos_session_fault(struct vm_fault *vmf)
{
	struct page *page = vos_map_page(vmf->vma->vm_file->private_data, vmf->pgoff);

	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vos_session_vm_ops = {
	.fault = vos_session_fault,
};

/*
 * Only vos_session_map_piece() and the reservation get here: the file is no
 * descriptor. What a piece may not do now, it never may: mprotect() can't
 * make a page writable that only the kernel or the service writes. VM_IO
 * keeps MADV_DOFORK and long-term pins away.
 */
static int vos_session_mmap(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_t never = VM_EXEC | VM_MAYEXEC;
	pgoff_t page;

	if (vma->vm_pgoff + vma_pages(vma) > VOS_MAP_PAGES || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (!(vma->vm_flags & VM_READ))
		never |= VM_MAYREAD;
	if (!(vma->vm_flags & VM_WRITE))
		never |= VM_MAYWRITE;
	for (page = vma->vm_pgoff; page < vma->vm_pgoff + vma_pages(vma); page++) {
		if ((vma->vm_flags & VM_WRITE) && !vos_map_writable(page))
			return -EACCES;
	}
	vm_flags_mod(vma, VM_IO | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, never);
	vma->vm_ops = &vos_session_vm_ops;
	return 0;
}

/* The process unmapped all of it, or exited. */
static int vos_session_file_release(struct inode *inode, struct file *file)
{
	struct vos_session *session = file->private_data;

	vos_session_kill(session);
	vos_session_put(session);
	return 0;
}

static const struct file_operations vos_session_fops = {
	.mmap = vos_session_mmap,
	.release = vos_session_file_release,
	.llseek = noop_llseek,
};

static int vos_session_map_piece(struct file *file, unsigned long base, u32 first, u32 pages,
				 unsigned long prot)
{
	unsigned long offset = (unsigned long)first << PAGE_SHIFT;
	unsigned long address = vm_mmap(file, base + offset, (unsigned long)pages << PAGE_SHIFT,
					prot, MAP_SHARED | MAP_FIXED, offset);

	return IS_ERR_VALUE(address) ? (int)address : 0;
}

static int vos_session_map_extent(struct file *file, unsigned long base, u32 index)
{
	u32 first = VOS_MAP_EXTENT(index);
	int err;

	err = vos_session_map_piece(file, base, first, 1, PROT_READ | PROT_WRITE);
	if (!err)
		err = vos_session_map_piece(file, base, first + 1, 1, PROT_READ);
	if (!err)
		err = vos_session_map_piece(file, base, first + 2, VOS_EXTENT_ARENA_PAGES,
					    PROT_READ | PROT_WRITE);
	return err;
}

/* Reserves the whole range without access and maps what there is. */
static unsigned long vos_session_map(struct file *file)
{
	unsigned long base = vm_mmap(file, 0, (unsigned long)VOS_MAP_PAGES << PAGE_SHIFT,
				     PROT_NONE, MAP_SHARED, 0);
	int err;

	if (IS_ERR_VALUE(base))
		return base;
	err = vos_session_map_piece(file, base, VOS_MAP_HEADER, VOS_BASE_PAGES, PROT_READ);
	if (!err)
		err = vos_session_map_extent(file, base, 0);
	if (!err)
		return base;
	vm_munmap(base, (unsigned long)VOS_MAP_PAGES << PAGE_SHIFT);
	return err;
}

/*
 * The file, if the range that extent index would take is still what
 * vos_session_map() reserved; else NULL: the process has other plans with it.
 */
static struct file *vos_session_reserved(struct vos_session *session, u32 index)
{
	unsigned long first = VOS_MAP_EXTENT(index);
	unsigned long start = session->address + (first << PAGE_SHIFT);
	unsigned long end = session->address + ((first + VOS_EXTENT_PAGES) << PAGE_SHIFT);
	struct vm_area_struct *vma;
	struct file *file = NULL;

	if (mmap_read_lock_killable(current->mm))
		return NULL;
	vma = vma_lookup(current->mm, start);
	if (vma && vma->vm_ops == &vos_session_vm_ops && vma->vm_end >= end &&
	    vma->vm_file->private_data == session)
		file = get_file(vma->vm_file);
	mmap_read_unlock(current->mm);
	return file;
}

/* --------------------------------------------------------------- ENTER */

/* Do the caller's limits let it have a session with a domain of this kind? */
static bool vos_session_allows_limits(u32 kind)
{
	return kind != VOS_DOMAIN_STORAGE || rlimit(RLIMIT_FSIZE) == RLIM_INFINITY;
}

/*
 * Only one task of an address space enters at a time. A dead session is
 * replaced once it is closed: until then a task may be on its way to wait for
 * it, and would wait for the new one.
 */
static int vos_enter_begin(struct vos_mm *state, u32 kind)
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

static void vos_enter_end(struct vos_mm *state)
{
	spin_lock(&state->lock);
	state->entering = false;
	spin_unlock(&state->lock);
}

/*
 * From here the hooks find the session. What they would have done to it
 * before has left its mark in the state, so it is checked once more.
 */
static int vos_enter_publish(struct vos_mm *state, struct vos_session *session)
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
	}
	spin_unlock(&state->lock);
	if (old)
		vos_session_put(old);
	return err;
}

static int vos_enter_install(struct vos_session *session, struct vos_enter *enter,
			     struct vos_enter __user *argument)
{
	unsigned long base;
	struct file *file;
	int err;

	err = vos_fdmap_attach(session->map, current->files);
	if (err)
		return err;
	file = anon_inode_getfile("[virtuos]", &vos_session_fops, session, O_RDWR);
	if (IS_ERR(file))
		return PTR_ERR(file);
	kref_get(&session->ref);
	base = vos_session_map(file);
	/* The mapping holds the file now, nothing else does. */
	fput(file);
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
		vm_munmap(base, (unsigned long)VOS_MAP_PAGES << PAGE_SHIFT);
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

static long vos_session_add_extent(struct vos_session *session, u32 index)
{
	struct vos_session_extent *extent;
	int err;

	lockdep_assert_held(&session->lock);
	extent = vos_extent_create(session);
	if (IS_ERR(extent))
		return PTR_ERR(extent);
	err = vos_session_tell_extent(session, index, extent);
	if (err) {
		vos_extent_destroy(extent);
		return err;
	}
	vos_session_publish_extent(session, extent);
	vos_store(&session->header->extents, session->extents);
	return 0;
}

static long vos_session_extend(struct vos_session *session, u64 argument)
{
	unsigned long charged;
	struct file *file;
	u32 index;
	long err;

	if (argument & ~VOS_ARGUMENT_DOMAIN)
		return -EINVAL;
	if (mutex_lock_killable(&session->lock))
		return -EINTR;
	index = session->extents;
	charged = session->charged;
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
	if (err)
		vos_session_uncharge(session, charged);
	else
		err = vos_session_map_extent(file, session->address, index);
	fput(file);
unlock:
	mutex_unlock(&session->lock);
	return err ? err : index;
}

/* -------------------------------------------------------- KICK and WAIT */

static struct vos_session_extent *vos_session_lane_extent(struct vos_session *session, u64 lane)
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
	u64 lane = argument & ~VOS_ARGUMENT_DOMAIN;

	if (!vos_session_lane_extent(session, lane))
		return -EINVAL;
	return min(vos_session_ring(session, lane), 0);
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
		.lane = argument & 0xff,
		.entry = (argument >> 8) & 0xff,
		.turn = argument >> 32,
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
void vos_session_wake(struct vos_connection *c, u32 index, u32 lane)
{
	struct vos_session_extent *extent;
	struct vos_session *session;

	if (index >= VOS_MAX_SESSIONS || lane >= VOS_MAX_USER_LANES) {
		vos_count(c, VOS_COUNT_REJECTED);
		return;
	}
	rcu_read_lock();
	/* None: it was closed while the event was on its way. */
	session = rcu_dereference(c->session[index]);
	extent = session ? vos_session_lane_extent(session, lane) : NULL;
	if (extent)
		wake_up_all(&extent->wait[lane % VOS_EXTENT_LANES]);
	rcu_read_unlock();
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

/* --------------------------------------------------------- copy faults */

static long vos_copy_range_set(const struct vos_copy_range __user *argument)
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

/* Under mm->vos.lock, so that the last store is the last count. */
static void vos_session_suspend(struct vos_mm *state)
{
	struct vos_session *session;

	lockdep_assert_held(&state->lock);
	rcu_read_lock();
	for (session = state->session; session; session = session->next) {
		if (!vos_session_dead(session))
			vos_store(&session->header->suspended, state->other_files);
	}
	rcu_read_unlock();
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
	struct vos_session *session = mm->vos.session;

	mm->vos.session = NULL;
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
	session = vos_session_of(current->mm, FIELD_GET(VOS_ARGUMENT_DOMAIN, arg));
	if (!session)
		return -ENOENT;
	result = vos_session_do(session, op, arg);
	vos_session_put(session);
	return result;
}

static int __init vos_session_init(void)
{
	vos_session_wq = alloc_workqueue("vos_session", WQ_UNBOUND, 0);
	return vos_session_wq ? 0 : -ENOMEM;
}
subsys_initcall(vos_session_init);
