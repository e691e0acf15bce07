/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primary driver, inside: connections to service domains, calls over the
 * kernel lanes, objects. One file a subject:
 *
 *   memory.c       pages of ours, granted to a service domain
 *   connection.c   xenbus back-end, regions, event channels, teardown
 *   call.c         kernel lanes: submit a call, wait for its completion
 *   object.c       object table: handles, readiness words
 *   event.c        event queues: READY and WAKE events from the pollers
 *   liveness.c     has the domain died, or does it hang?
 *   session*.c     user sessions: prctl, mapping, lanes, limits
 *   fdmap.c        fd -> handle, kept by hooks in fs/file.c
 *   proxy_*.c      sockets whose stack is in the network domain
 *   vosfs_*.c      the file system whose files are in the storage domain
 *   network.c      which network namespaces are attached
 *   control.c      /dev/vos and debugfs: state, counters, attach
 */
#ifndef VIRTUOS_PRIMARY_H
#define VIRTUOS_PRIMARY_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/hashtable.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <xen/interface/xen.h>
#include <xen/interface/event_channel.h>

#include "../abi/virtuos.h"
#include "../common/lane.h"

struct mm_struct;
struct xenbus_device;
struct vos_object;
struct vos_connection;
struct vos_object_user;
struct vos_session;

/* A call not answered within this is a protocol violation of the domain. */
#define VOS_CALL_TIMEOUT	(20 * HZ)
/* The same for a call that may wait for a disk, or for a daemon that restarts. */
#define VOS_CALL_DISK_TIMEOUT	(60 * HZ)

/* Of the lanes to a storage domain, those for operations that wait. */
#define VOS_SLOW_LANES		4u

/* ------------------------------------------------------------ counters */

/* Per connection, shown by debugfs and `vos stats`; never on a polled line. */
enum vos_counter {
	VOS_COUNT_KERNEL_CALLS,		/* requests on kernel lanes */
	VOS_COUNT_KERNEL_SPINS,		/* of them, completed while spinning */
	VOS_COUNT_KERNEL_SLEEPS,	/* of them, waited for asleep */
	VOS_COUNT_DOORBELLS,		/* event-channel sends to pollers */
	VOS_COUNT_INTERRUPTS,		/* event-channel interrupts received */
	VOS_COUNT_EVENTS_READY,
	VOS_COUNT_EVENTS_WAKE,
	VOS_COUNT_BYTES_OUT,		/* copied into the arena */
	VOS_COUNT_BYTES_IN,		/* copied out of the arena */
	VOS_COUNT_REJECTED,		/* completions and events that made no sense */
	VOS_COUNT_SESSIONS_OPENED,
	VOS_COUNT_SESSIONS_CLOSED,
	VOS_COUNT_USER_KICKS,		/* traps for a cold session */
	VOS_COUNT_USER_WAITS,		/* traps to sleep for a completion */
	VOS_COUNT_OBJECTS_OPENED,
	VOS_COUNT_OBJECTS_CLOSED,
	VOS_COUNTERS
};

/* --------------------------------------------------------- connections */

enum vos_connection_state {
	VOS_CONNECTION_HANDSHAKE,
	VOS_CONNECTION_CONNECTED,
	VOS_CONNECTION_FAILED,		/* reason is set; nothing more is sent */
};

/* A piece of memory of ours, granted page by page to the service domain. */
struct vos_memory {
	struct page **pages;
	u32 *refs;			/* grant references; INVALID_GRANT_REF: none */
	u32 count;
	void *address;			/* contiguous kernel mapping */
};

/* Allocates zeroed pages, maps them, grants none. */
int vos_memory_alloc(struct vos_memory *memory, u32 pages, gfp_t gfp);
/* Grants pages first .. first+count-1 to domid. -ENOSPC: no references left. */
int vos_memory_grant(struct vos_memory *memory, u32 first, u32 count, domid_t domid,
		     bool readonly);
/* Ends the grants the peer no longer uses; the pages stay ours. False: it maps some still. */
bool vos_memory_revoke(struct vos_memory *memory);
/* Revokes the grants; frees at once or, while the peer still maps, later. */
void vos_memory_free(struct vos_memory *memory);
/* Of all memory together. */
void vos_memory_usage(long *pages, long *grants);

struct vos_kernel_lane {
	spinlock_t lock;		/* producer side: position, slots */
	struct vos_lane_position position;
	struct vos_kernel_lane_c *c;
	struct vos_kernel_lane_s *s;
	u32 index;
	u32 arm;			/* last value stored to c->control.arm; under lock */
	u32 sleepers;			/* calls asleep or abandoned; under lock */
	u64 submitted;			/* calls, ever; under lock */
	u64 woken;			/* WAKE events, ever; under lock */
	u32 outstanding;		/* entries in use; written under lock */
	struct vos_call *call[VOS_KERNEL_LANE_DEPTH];	/* outstanding, by entry */
};

struct vos_poller_link {
	struct vos_connection *connection;
	u32 index;
	evtchn_port_t port;
	int irq;
	struct delayed_work work;	/* drains the queue, softirq context; its own all below */
	u32 consumed;
	const struct vos_event *queue;
	unsigned long window;		/* jiffies when counting what is spent began */
	u32 spent;
	unsigned long nonsense_since;	/* the same for events that mean nothing */
	u32 nonsense;
};

/* What tells a domain that lives from one that hangs; liveness.c. */
struct vos_liveness {
	struct timer_list timer;
	unsigned long flags;		/* VOS_LIVENESS_* */
	atomic_t awaited;		/* tasks asleep until the domain answers */
	/* The timer's own, but for unanswered_since: read with READ_ONCE. */
	u64 seen[VOS_MAX_POLLERS];	/* heartbeats */
	bool asked[VOS_MAX_POLLERS];	/* and it has not grown since */
	ktime_t asked_at[VOS_MAX_POLLERS];
	ktime_t unanswered_since;	/* the oldest of them; 0: none */
};

struct vos_connection {
	struct kref ref;
	u32 kind;			/* VOS_DOMAIN_* */
	u32 generation;
	u32 features;
	domid_t domid;
	enum vos_connection_state state;	/* under lock; read with READ_ONCE */
	char reason[128];		/* why it failed; under lock */
	spinlock_t lock;
	u32 spin_cycles;		/* longest useful spin of a process, TSC cycles */
	u32 noop_ns;			/* measured at the handshake, median */
	u32 took_ns[VOS_OP_MAX];	/* of calls, on average; READ_ONCE/WRITE_ONCE */
	ktime_t connected_at;
	ktime_t failed_at;		/* boot time; under lock */
	struct xenbus_device *device;	/* until it is removed, which ends all works below */
	struct mutex say_lock;		/* our state in xenstore */

	u32 pollers;
	u32 lanes;
	u32 quick_lanes;		/* the first of them; the others are for what waits */
	struct vos_memory root;
	struct vos_memory directory;
	struct vos_memory region[VOS_REGION_COUNT];
	struct vos_poller_link link[VOS_MAX_POLLERS];
	struct vos_kernel_lane lane[VOS_MAX_KERNEL_LANES];
	wait_queue_head_t lane_space[2];	/* for an entry: of quick, of other lanes */
	atomic_t entries_freed;		/* ever; somebody who waits may see that it goes on */
	wait_queue_head_t arena_space;

	spinlock_t arena_lock;
	unsigned long *arena_map;	/* a bit per arena page in use */

	spinlock_t object_lock;
	struct vos_object __rcu **object;	/* VOS_MAX_OBJECTS, by index; RCU */
	u32 object_next;		/* where the search for a free index goes on */
	u32 object_count;
	u64 object_late;		/* events that may come for objects that are gone */
	DECLARE_HASHTABLE(object_users, 6);	/* struct vos_object_user */
	u32 *object_generation;		/* by index: the last that was handed out */

	struct mutex session_lock;
	struct vos_session __rcu *session[VOS_MAX_SESSIONS];	/* by index; RCU */

	struct work_struct connect_work;
	struct vos_liveness liveness;
	struct work_struct fail_work;
	struct work_struct free_work;
	atomic64_t counter[VOS_COUNTERS];
};

static inline void vos_count(struct vos_connection *c, enum vos_counter which)
{
	atomic64_inc(&c->counter[which]);
}

static inline void vos_count_add(struct vos_connection *c, enum vos_counter which, u64 n)
{
	atomic64_add(n, &c->counter[which]);
}

/* The newest connection of a kind in any state, with a reference, or NULL. */
struct vos_connection *vos_connection_newest(u32 kind);
/* The connected connection of a kind, with a reference, or NULL. */
struct vos_connection *vos_connection_get(u32 kind);
/* The same, or one whose domain's pollers run already, though it does not serve yet. */
struct vos_connection *vos_connection_watched(u32 kind);
/* Waits, interruptibly and bounded, for one: NULL when there is none in time. */
struct vos_connection *vos_connection_wait(u32 kind, long timeout);
void vos_connection_hold(struct vos_connection *c);
void vos_connection_put(struct vos_connection *c);
static inline bool vos_connection_usable(struct vos_connection *c)
{
	return READ_ONCE(c->state) == VOS_CONNECTION_CONNECTED;
}

/*
 * The domain broke the protocol or died: everything outstanding ends with
 * -ENETDOWN, every object's waiters are woken, sessions are marked dead. Any
 * context. Only the first reason is kept.
 */
__printf(2, 3)
void vos_connection_fail(struct vos_connection *c, const char *format, ...);

/* --------------------------------------------------------------- calls */

/*
 * One call over a kernel lane. Typical use:
 *
 *	struct vos_call call;
 *	err = vos_call_begin(&call, connection, VOS_OP_BIND, bytes);
 *	if (err) return err;
 *	call.request.handle = ...; memcpy(call.data, ...);
 *	err = vos_call_run(&call);           // 0 or -ENETDOWN
 *	if (!err) err = call.completion.res; // validate what you use of it
 *	vos_call_end(&call);
 *
 * data is shared memory: the service may change it at any time. Read from it
 * once. Calls don't wait for the outside world, so vos_call_run() is bounded
 * by call->timeout and sleeps uninterruptibly; may sleep.
 *
 * A call of vos_call_new() lies on the heap, is ended by vos_call_free()
 * whatever became of it, and may be waited for killably.
 */
struct vos_call {
	struct vos_connection *connection;	/* a reference is held */
	struct vos_request request;
	struct vos_completion completion;	/* private copy */
	void *data;			/* arena bytes reserved for this call, or NULL */
	u32 bytes;			/* how many */
	u32 first_page;			/* in the arena */
	u32 entry;
	u32 turn;
	struct vos_kernel_lane *lane;
	struct task_struct *waiter;	/* asleep: woken by the WAKE event */
	unsigned long timeout;		/* jiffies */
	struct vos_call *next;		/* among finished calls nobody waits for */
	bool done;			/* under lane->lock */
	bool abandoned;			/* freed on completion; under lane->lock */
};

/*
 * Reserves bytes (0..VOS_MAX_CALL_BYTES) of arena and sets op, len and
 * arg.plain.data (the offset stands at the same place for every op). -ENETDOWN:
 * the connection failed; -EINTR: killed while waiting for arena space;
 * -EMSGSIZE: too many bytes.
 */
int vos_call_begin(struct vos_call *call, struct vos_connection *c, u8 op, u32 bytes);
int vos_call_run(struct vos_call *call);
void vos_call_end(struct vos_call *call);

/* How to wait for a call of vos_call_new(); without: as vos_call_run(). */
#define VOS_WAIT_KILLABLE	(1u << 0)	/* -EINTR if current is killed */
#define VOS_WAIT_FORGIVING	(1u << 1)	/* -ETIMEDOUT, and the connection lives on */

/* vos_call_begin() on the heap; an ERR_PTR: its errors, or -ENOMEM. */
struct vos_call *vos_call_new(struct vos_connection *c, u8 op, u32 bytes);
/* 0 with a completion, -ENETDOWN, or as @how says. */
int vos_call_wait(struct vos_call *call, unsigned int how);
/* Ends and frees it, at once or, if it is outstanding, when its completion comes. */
void vos_call_free(struct vos_call *call);

/*
 * An error from the other side as a program may see it: -EIO if it is none, or
 * one that means something to this kernel only.
 */
int vos_call_error(struct vos_connection *c, s64 res);

/* A call without data: returns completion.res (clamped to int), or -errno. */
int vos_call_simple(struct vos_connection *c, u8 op, u64 handle, u64 word0, u64 word1);

/* The capabilities of current in the network namespace's owner: VOS_CAP_*. */
u32 vos_current_caps(struct user_namespace *owner);
/* current's identity, for VOS_OP_SOCKET. */
void vos_current_credential(struct vos_credential *credential);

/* A WAKE event for a kernel lane; event.c calls it. False: it means nothing. */
bool vos_call_wake(struct vos_connection *c, u32 lane);
/* Everything outstanding ends with -ENETDOWN. */
void vos_call_abort_all(struct vos_connection *c);
/* Rings the poller's event channel if it sleeps. */
void vos_poller_doorbell(struct vos_connection *c, u32 poller);

/* ------------------------------------------------------------- objects */

/*
 * Of the objects of a connection, who has CAP_SYS_RESOURCE may have all, and no
 * other user more than half; the last few are kept for the former.
 */
#define VOS_MAX_USER_OBJECTS	(VOS_MAX_OBJECTS / 2)
#define VOS_RESERVED_OBJECTS	256u
/*
 * The same for VOS_OBJECT_QUEUE: each may hold twice the default receive buffer,
 * 416 KiB, of a domain of 96 MiB.
 */
#define VOS_MAX_USER_QUEUES	64u

enum vos_object_class {
	VOS_OBJECT_ORDINARY,
	/* What it has received and nobody reads is bounded by its own buffer alone. */
	VOS_OBJECT_QUEUE,
	VOS_OBJECT_CLASSES
};

/* Of an object whose domain is gone: every wait ends, and finds out. */
#define VOS_MASK_OVER	(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP | \
			 EPOLLRDHUP)

/* An object as the primary sees it; embedded in its owner (a proxy sock). */
struct vos_object {
	struct vos_connection *connection;	/* a reference is held */
	u64 handle;
	u32 index;
	u32 kind;			/* VOS_KIND_*, goes to the fd map */
	enum vos_object_class class;
	struct vos_object_user *user;	/* who is charged, in its connection */
	/*
	 * A READY event, or the connection failed (VOS_MASK_OVER). Softirq
	 * context, under RCU; must not sleep.
	 */
	void (*ready)(struct vos_object *object, __poll_t mask);
	spinlock_t arm_lock;
	u32 arm;			/* last value stored to the interest word */
	/*
	 * As arm was at first, and one more with each READY event: never beyond
	 * arm, for each event uses up an arming. READ_ONCE, WRITE_ONCE.
	 */
	u32 told;
};

/*
 * Takes a free index and a new generation and makes the object visible to
 * events. current's user is charged. -ENFILE: the table is full, or this
 * user's part of it; -ENETDOWN: the connection failed; -ENOMEM. The owner must
 * outlive vos_object_remove() by an RCU grace period.
 */
int vos_object_add(struct vos_object *object, struct vos_connection *c, u32 kind,
		   enum vos_object_class class,
		   void (*ready)(struct vos_object *object, __poll_t mask));
/*
 * The same for an object that is to take the place of @old, which must not be
 * removed meanwhile: of its kind and class, charged to its user, whatever that
 * has already.
 */
int vos_object_add_again(struct vos_object *object, struct vos_connection *c,
			 const struct vos_object *old,
			 void (*ready)(struct vos_object *object, __poll_t mask));
/* Removes it from the table and drops the connection. Does not tell the service. */
void vos_object_remove(struct vos_object *object);
/*
 * An object whose connection failed goes on where fresh is, in another one.
 * object->connection, index and handle change only by this: who can't exclude
 * it takes the connection, referenced, before reading the handle.
 */
void vos_object_replace(struct vos_object *object, struct vos_object *fresh);
struct vos_connection *vos_object_connection(const struct vos_object *object);
/* Is the connection it is in at the moment connected? */
bool vos_object_usable(const struct vos_object *object);
/* The readiness word, filtered; VOS_MASK_OVER once the connection failed. */
__poll_t vos_object_mask(struct vos_object *object);
/* As the domain last published it, even if it has failed since. */
__poll_t vos_object_last_mask(struct vos_object *object);
/* Counts its publications. */
u32 vos_object_sequence(struct vos_object *object);
/* VOS_INTEREST_*, for the service to see. */
void vos_object_set_flags(struct vos_object *object, u32 flags);
/* Asks for one READY event, full barrier, then the readiness word. */
__poll_t vos_object_arm(struct vos_object *object);
/* The pending error published beside EPOLLERR, as a positive errno, or 0. */
int vos_object_error(struct vos_object *object);
/*
 * Has the service refuse operations of user lanes, or not any more. Those
 * that run already are waited for by VOS_OP_FILE_DRAIN. Any context.
 */
void vos_object_withhold(struct vos_object *object, bool withheld);
/* A file: the domain's counts of its writes, see struct vos_object_state. */
void vos_object_written(const struct vos_object *object, u64 *written, u64 *synced);
/* Of a file: as struct vos_object_state has it. */
u64 vos_object_changes(const struct vos_object *object);
/* A READY event; event.c calls it. False: it means nothing. */
bool vos_object_event(struct vos_connection *c, u32 index, u64 handle, u16 mask);
void vos_object_fail_all(struct vos_connection *c);

/* ------------------------------------------------------------ liveness */

void vos_liveness_init(struct vos_connection *c);
/* From when the connection is connected until it has failed. */
void vos_liveness_start(struct vos_connection *c);
void vos_liveness_stop(struct vos_connection *c);
/*
 * An interrupt of an event channel was served; progress: there were events.
 * If not, it may be Xen telling that the domain is gone. Softirq context.
 */
void vos_liveness_interrupt(struct vos_connection *c, bool progress);
/* The caller is about to sleep until the domain answers; it has, or was given up. */
void vos_liveness_await(struct vos_connection *c);
void vos_liveness_answered(struct vos_connection *c);
/* For /dev/vos: EPOLLPRI while a domain is suspected to hang. */
__poll_t vos_liveness_poll(struct file *file, struct poll_table_struct *wait);
/* How long it has been silent, in ms; 0: not suspected. */
u32 vos_liveness_silence(struct vos_connection *c);

/* -------------------------------------------------------------- events */

irqreturn_t vos_event_interrupt(int irq, void *link);
void vos_event_work(struct work_struct *work);

/* ------------------------------------------------------- user sessions */

/* While traced an address space makes its calls by trap. The mm needs to be grabbed only. */
void vos_mm_trace(struct mm_struct *mm, bool traced);
/* A WAKE event for a user session; session_call.c. False: it means nothing. */
bool vos_session_wake(struct vos_connection *c, u32 session, u32 lane);
/* All sessions of a failed connection die: their processes trap from now on. */
void vos_session_fail_all(struct vos_connection *c);

/* ------------------------------------------------------------- network */

/*
 * A network namespace that is attached has no stack of its own: its sockets
 * live in the network domain. 0 if it is attached already; -EOPNOTSUPP:
 * another namespace is; -ENOTCONN: no network domain is connected.
 */
int vos_network_attach(struct net *net);
void vos_network_detach(struct net *net);
bool vos_network_attached(const struct net *net);
bool vos_network_attached_any(void);

/* Sockets of failed connections go on in this one, which nobody else uses yet. */
void vos_proxy_recover(struct vos_connection *c);
/* Addresses and routes are as they were: what could not be recovered without is tried again. */
void vos_proxy_recover_rest(void);

/* The object behind a file if it is a proxy socket of ours, else NULL. No reference. */
struct vos_object *vos_proxy_object(struct file *file);

/* ------------------------------------------------------------- storage */

/* The object behind a regular file of a vosfs, else NULL. See vos_file_object(). */
struct vos_object *vosfs_object(struct file *file);
/* Could user lanes carry the data of this file? Lends nothing. */
bool vosfs_serves(struct file *file);
/* A storage domain is connected: what is mounted goes on there. */
void vosfs_recover(void);
/* The connection of a storage domain has failed. */
void vosfs_fail(void);
/* Are open files where they will stay, as long as this connection lives? */
bool vosfs_recovered(struct vos_connection *c);

/*
 * The object behind a file, whatever it is, else NULL. No reference. For an
 * fd map that is going to name it: the object of a file is lent to user lanes
 * from now on, if nothing forbids it. Any context that may take spinlocks.
 */
static inline struct vos_object *vos_file_object(struct file *file)
{
	return vos_proxy_object(file) ?: vosfs_object(file);
}

#endif /* VIRTUOS_PRIMARY_H */
