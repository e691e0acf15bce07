/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The service driver, inside: one connection to the primary, its sessions and
 * lanes, the pollers that take requests from them, the operations.
 *
 *   connection.c   xenbus front-end, mapping the regions, event channels
 *   session.c      user sessions: mapping, validation against the fd map
 *   poller.c       sweeping hot lanes, parking, sleeping, events
 *   worker.c       operations that may sleep; the helper mm for user pointers
 *   mapping.c      pages granted by the primary
 *   operations.c   the table of operations; admission; arena bounds
 *   fault*.c       misbehaving on request, only for tests
 *   object.c       objects: handle -> struct file, readiness words
 *   credential.c   identities sent by the primary
 *   net/           the network slice: sockets as objects, the operations on them
 *   file/          the storage slice: files as objects, the operations on them,
 *                  and the relay of FUSE messages to the domain's daemon
 */
#ifndef VIRTUOS_SERVICE_H
#define VIRTUOS_SERVICE_H

#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/llist.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <xen/interface/xen.h>

#include "../abi/virtuos.h"
#include "../common/lane.h"

struct vos_service;
struct vos_service_session;
struct vos_poller;
struct vos_service_object;
struct vos_fault;
struct xenbus_device;
struct gnttab_map_grant_ref;

/* Requests taken from one lane, and bytes moved for it, before the next lane has its turn. */
#define VOS_POLL_BUDGET		8u
#define VOS_POLL_BYTES		65536u
/* Operations of user lanes in workers, of one session and of all; more trap. */
#define VOS_SESSION_QUEUED	64u
#define VOS_USER_QUEUED		256u
/* bio_vecs of the longest operation on a socket, and on a file. */
#define VOS_MESSAGE_BVECS	(VOS_MAX_MESSAGE_PAGES + 1u)
#define VOS_FILE_BVECS		(VOS_MAX_CALL_PAGES + 1u)

/* Pages granted by the primary, mapped here; not contiguous in memory. */
struct vos_mapping {
	struct page **pages;
	struct gnttab_map_grant_ref *map;	/* handles for unmapping */
	u32 count;
};

/* The first `readonly` pages are mapped without write permission. */
int vos_mapping_map(struct vos_mapping *mapping, domid_t domid, const u32 *refs, u32 count,
		    u32 readonly);
void vos_mapping_unmap(struct vos_mapping *mapping);
static inline void *vos_mapping_page(const struct vos_mapping *mapping, u32 index)
{
	return page_address(mapping->pages[index]);
}

/* -------------------------------------------------------------- lanes */

struct vos_service_lane {
	const struct vos_lane_control *control;	/* C */
	const struct vos_request *request;	/* C, depth entries */
	struct vos_lane_status *status;		/* S */
	struct vos_completion *completion;	/* S, depth entries */
	const struct vos_mapping *arena;	/* pages its data may lie in */
	u32 arena_first;			/* first of them */
	u32 arena_bytes;
	u32 depth;
	u32 index;				/* in its session */
	struct vos_service_session *session;	/* NULL: the kernel session */
	struct vos_poller *poller;
	struct vos_lane_position position;	/* the poller's */
	u32 park_epoch;				/* the poller's */
	u64 idle_since;				/* in its poller's time; the poller's */
	bool hot;				/* on poller->hot; the poller's */
	struct list_head hot_node;
	bool dying;				/* session closes: never hot again; the poller's */
	spinlock_t complete_lock;		/* arm_seen, against workers */
	u32 arm_seen;
	bool wake_queued;			/* on poller->wakes; under poller->event_lock */
	struct list_head wake_node;
};

/* ------------------------------------------------------------- pollers */

/* A kernel thread that takes requests from its hot lanes. */
struct vos_poller {
	struct vos_service *service;
	u32 index;
	struct task_struct *thread;
	int irq;
	struct vos_poller_status *status;		/* S */
	const struct vos_poller_control *control;	/* K */

	/* The thread's own. */
	struct list_head hot;		/* user lanes looked at in every sweep */
	struct list_head watched;	/* struct vos_session_watch of active sessions */
	u32 watched_count;
	bool queued_work;		/* a worker waits for this CPU: yield */
	u64 clock;			/* ns; when it looked last */
	u64 time;			/* ns of looking; see vos_poller_time() */
	u64 last_work;			/* in that time */
	u64 heartbeat;
	u64 beat_at;			/* by @clock */
	u32 served_inline;		/* VOS_SERVED_INLINE, not counted yet */

	/* Pushed from any context; the thread takes all. */
	struct llist_head ready_list;	/* vos_service_object.ready_node */
	struct llist_head kick_list;	/* vos_session_watch.kick_node */
	struct llist_head close_list;	/* sessions leaving, vos_session_watch.close_node */

	spinlock_t event_lock;		/* irqs off; all below */
	u32 produced;			/* events written to the queue, ever */
	struct list_head events;	/* objects owing a READY event */
	struct list_head wakes;		/* lanes owing a WAKE event */
};

/* Counters of the service domain, in its debugfs; never on a polled line. */
enum vos_service_counter {
	VOS_SERVED_INLINE,		/* requests executed by a poller */
	VOS_SERVED_WORKER,		/* requests executed by a worker */
	VOS_SERVED_REJECTED,		/* requests that made no sense */
	VOS_SERVED_SLEEPS,		/* times a poller slept */
	VOS_SERVED_PARKS,		/* lanes parked */
	VOS_SERVED_EVENTS,		/* events produced */
	VOS_SERVED_NOTIFIES,		/* event-channel sends to the primary */
	VOS_SERVED_BYTES_OUT,		/* sent for clients */
	VOS_SERVED_BYTES_IN,		/* received for clients */
	VOS_SERVED_COUNTERS
};

/* The one connection of this service domain to its primary. */
struct vos_service {
	struct xenbus_device *device;
	domid_t primary;
	u32 kind;			/* VOS_DOMAIN_* */
	u32 generation;
	u32 features;
	struct vos_mapping root;
	struct vos_mapping directory;
	struct vos_mapping region[VOS_REGION_COUNT];

	u32 pollers;
	struct vos_poller *poller[VOS_MAX_POLLERS];
	u32 lanes;
	struct vos_service_lane lane[VOS_MAX_KERNEL_LANES];

	spinlock_t object_lock;		/* writers of the table */
	struct vos_service_object __rcu **object;	/* VOS_MAX_OBJECTS, by index */

	struct mutex session_lock;	/* writers of the table */
	struct vos_service_session __rcu *session[VOS_MAX_SESSIONS];

	bool stopping;			/* no more objects; under object_lock */
	struct vos_fault *fault;	/* NULL without fault injection */
	struct dentry *debugfs;
	atomic64_t counter[VOS_SERVED_COUNTERS];
};

static inline struct vos_poller *vos_service_poller(struct vos_service *s, u32 n)
{
	return s->poller[n % s->pollers];
}

static inline struct vos_object_state *vos_service_state(struct vos_service *s, u32 index)
{
	const u32 per_page = VOS_PAGE_SIZE / sizeof(struct vos_object_state);

	return (struct vos_object_state *)vos_mapping_page(&s->region[VOS_REGION_STATE],
							   index / per_page) + index % per_page;
}

static inline const struct vos_object_interest *vos_service_interest(struct vos_service *s,
								     u32 index)
{
	const u32 per_page = VOS_PAGE_SIZE / sizeof(struct vos_object_interest);

	return (const struct vos_object_interest *)
		vos_mapping_page(&s->region[VOS_REGION_INTEREST], index / per_page) +
		index % per_page;
}

static inline void vos_served(struct vos_service *s, enum vos_service_counter which, u64 n)
{
	atomic64_add(n, &s->counter[which]);
}

int vos_pollers_start(struct vos_service *s);
void vos_pollers_stop(struct vos_service *s);
irqreturn_t vos_poller_interrupt(int irq, void *poller);
/* Any context: has the object's poller publish its readiness; once until it has. */
void vos_poller_object_ready(struct vos_service_object *object);
/* Any context: a READY event for the object, as soon as the queue has room. */
void vos_poller_event_object(struct vos_service_object *object);
/* Any context: a WAKE event for the lane, as soon as the queue has room. */
void vos_poller_event_lane(struct vos_service_lane *lane);
/* The place of the event of that number in the poller's queue; under event_lock. */
struct vos_event *vos_poller_slot(struct vos_poller *p, u32 number);
/* Drops an object's or lane's pending event, when it goes. */
void vos_poller_forget_object(struct vos_service_object *object);
void vos_poller_forget_lane(struct vos_service_lane *lane);
/* Has the pollers look at a session's lanes. */
void vos_poller_kick(struct vos_service_session *session);
/* Makes the pollers let go of a session; returns when they have. May sleep. */
void vos_poller_release_session(struct vos_service_session *session);

/* ---------------------------------------------------------- operations */

/*
 * One request while it is executed. The poller has one of its own for inline
 * execution; what goes to a worker is a heap copy. `request` is the private
 * copy; nobody reads the line in shared memory again.
 */
struct vos_operation {
	struct vos_request request;
	struct vos_completion completion;	/* zeroed; the op fills res and the rest */
	struct vos_service *service;
	struct vos_service_lane *lane;
	struct vos_service_object *object;	/* referenced; NULL if the op has none */
	const struct vos_mapping *arena;	/* pages the data may lie in */
	u32 arena_first;			/* first page of the arena the client may name */
	u32 arena_bytes;			/* bytes from there */
	u32 entry;
	bool deferred;				/* set by run: it queued op to a worker itself */
	struct work_struct work;
};

/* Where an operation runs. */
#define VOS_RUN_INLINE		0	/* in the poller; must not sleep on the outside world */
#define VOS_RUN_WORKER		1	/* in a worker */
#define VOS_RUN_USER_ACCESS	2	/* in the worker that has an mm: vos_user_scratch() */

/* What an operation's handle must name, and what an object is. */
#define VOS_OBJECT_NONE		0	/* the operation looks at the handle itself */
#define VOS_OBJECT_SOCKET	1
#define VOS_OBJECT_FILE		2

struct vos_operation_type {
	/* Fills op->completion. Runs under the object's credential if there is an object. */
	void (*run)(struct vos_operation *op);
	u8 where;			/* VOS_RUN_* */
	u8 domain;			/* only in this kind of domain; VOS_DOMAIN_NONE: in all */
	u8 object;			/* VOS_OBJECT_*: a live one must have the handle */
	bool user;			/* allowed on user lanes */
	bool disk;			/* may wait for the disk in its worker */
};

/* Indexed by opcode; run == NULL: unknown. Defined in service/operations.c. */
extern const struct vos_operation_type vos_operation_types[VOS_OP_MAX];

/*
 * Arena access for operations: offsets are relative to what the client may
 * name; bounds are checked, -EFAULT (a protocol violation) outside.
 */
int vos_operation_read(struct vos_operation *op, void *to, u32 offset, u32 bytes);
int vos_operation_write(struct vos_operation *op, u32 offset, const void *from, u32 bytes);
/* An iov_iter over [offset, offset + bytes); bvec has `bvecs` entries. */
int vos_operation_iter(struct vos_operation *op, struct iov_iter *iter, unsigned int direction,
		       struct bio_vec *bvec, u32 bvecs, u32 offset, u32 bytes);
/* The ordinary system call will do it: the answer to a user lane. */
static inline void vos_operation_trap(struct vos_operation *op)
{
	op->completion.res = -EAGAIN;
	op->completion.flags |= VOS_CPL_TRAP;
}

static inline bool vos_operation_from_user(const struct vos_operation *op)
{
	return op->lane->session;
}

/* Is this the worker's copy, or still the poller's? */
static inline bool vos_operation_in_worker(const struct vos_operation *op)
{
	return current_work() == &op->work;
}

/*
 * Where an inline operation found that it might sleep: hands it to a worker.
 * Every caller returns at once; the operation is the worker's, or answered.
 */
void vos_operation_defer(struct vos_operation *op);

/* ------------------------------------------------------------- objects */

/* What the kinds of objects do differently. */
struct vos_object_type {
	u8 kind;			/* VOS_OBJECT_* */
	unsigned long idle_limit;	/* jiffies: how long an operation may use one that goes */
	/* Woken when the readiness may have changed. NULL: it never does. */
	struct wait_queue_head *(*wait_head)(struct file *file);
	/* EPOLL* now; does not sleep. Of them, only those that are published count. */
	u32 (*poll)(struct vos_service_object *object);
	/* For the state line, with this mask: the pending errno, what a send would take. */
	s32 (*error)(struct vos_service_object *object, u32 mask);
	u32 (*credit)(struct vos_service_object *object);
	/* Before the file is closed. May be NULL. */
	void (*closing)(struct vos_service_object *object);
};

struct vos_service_object {
	struct kref ref;		/* the table, the ready list, operations */
	struct rcu_head rcu;
	struct completion idle;		/* the last reference is gone */
	struct vos_service *service;
	u64 handle;
	u32 index;
	const struct vos_object_type *type;
	struct file *file;		/* a reference is held */
	const struct cred *cred;	/* of the creator; operations run under it */
	u32 caps;			/* VOS_CAP_* in cred */
	struct vos_poller *poller;	/* publishes its readiness */

	struct wait_queue_entry wait;	/* on wait_head */
	struct wait_queue_head *wait_head;	/* NULL: readiness never changes */
	struct llist_node ready_node;	/* on poller->ready_list */
	unsigned long ready_queued;	/* bit 0: on that list */

	spinlock_t publish_lock;	/* state line, arm_seen */
	u32 sequence;
	u32 mask;
	u32 arm_seen;
	bool event_queued;		/* on poller->events; under poller->event_lock */
	bool dead;			/* removed: publishes nothing more; under publish_lock */
	struct list_head event_node;

	/* Of a file. */
	bool appends_or_direct;		/* opened so: user lanes trap */
	const struct cred *user_cred;	/* cred without CAP_FSETID; NULL: not needed so far */
	u64 written, synced, changes;	/* files, as published; under publish_lock */
	atomic_t users;			/* operations of user lanes that run */
	wait_queue_head_t drained;	/* users became 0 */
};

/* A handle that may name an object of this connection. */
bool vos_service_handle_valid(struct vos_service *s, u64 handle);
/*
 * A new object, which nobody knows yet: vos_service_object_add() or _free().
 * Holds no reference to the file and the cred before it is added. NULL: out
 * of memory.
 */
struct vos_service_object *vos_service_object_make(struct vos_service *s, u64 handle,
						   const struct vos_object_type *type,
						   struct file *file, const struct cred *cred,
						   u32 caps);
/*
 * Puts it into the table; takes over the file and the cred reference.
 * -EEXIST: the index is taken; -EPROTO: a bad handle; -ESHUTDOWN: the
 * connection ends. On error it is freed; file and cred are still the caller's.
 */
int vos_service_object_add(struct vos_service_object *object);
/* The live object of a handle, referenced, or NULL. Any context. */
struct vos_service_object *vos_service_object_get(struct vos_service *s, u64 handle);
void vos_service_object_put(struct vos_service_object *object);
/*
 * Takes it out of the table, waits for the operations that use it and closes
 * the file, so that its port is free on return. Sleeps; the caller must hold
 * no reference. -EBADF: there is none.
 */
int vos_service_object_remove(struct vos_service *s, u64 handle);
/* Removes all; nothing can be added afterwards. The pollers must still run. */
void vos_service_object_remove_all(struct vos_service *s);
/*
 * Polls the file and publishes the readiness word; raises READY if armed and
 * either `event` (something happened) or the mask changed. Returns the mask.
 */
u32 vos_service_object_publish(struct vos_service_object *object, bool event);

/* ---------------------------------------------------------- credentials */

/*
 * A new credential from what the primary sent, a private copy, with exactly
 * these capabilities. ERR_PTR: -EPROTO, -ENOMEM.
 */
const struct cred *vos_credential_make(const struct vos_credential *from, u32 caps);
/*
 * A reference to the same identity with other capabilities; to the same
 * credential if nothing changes. NULL: out of memory.
 */
const struct cred *vos_credential_with_caps(const struct cred *cred, u32 caps);
/*
 * override_creds() with what vos_credential_with_caps() gives. NULL: out of
 * memory, nothing changed; else undo with revert_creds().
 */
const struct cred *vos_credential_enter(const struct cred *cred, u32 caps);

/* ------------------------------------------------------------- sessions */

/* What one poller knows of one session. */
struct vos_session_watch {
	struct vos_service_session *session;
	u64 seen[8];			/* doorbells as last read */
	u32 hot;			/* hot lanes of this session on this poller */
	bool active;			/* on poller->watched */
	struct list_head node;
	struct llist_node kick_node;
	unsigned long kick_queued;	/* bit 0: on poller->kick_list */
	struct llist_node close_node;
	struct completion released;
};

struct vos_service_session {
	struct kref ref;
	struct vos_service *service;
	u32 index;
	struct vos_mapping header;	/* K: header and fd map, read-only */
	u32 extents;
	struct vos_mapping extent[VOS_MAX_EXTENTS];	/* C, S, arena... */
	struct vos_service_lane *lane[VOS_MAX_USER_LANES];
	/* Per poller: the doorbells it has seen, whether it looks; the poller's own. */
	struct vos_session_watch watch[VOS_MAX_POLLERS];
	struct completion idle;		/* the last reference is gone */
	atomic_t queued;		/* operations in workers */
};

/* Does the fd map still say that fd is handle? */
bool vos_service_session_owns(struct vos_service_session *session, s32 fd, u64 handle);
/* Drops a reference; operations that leave the poller hold one. */
void vos_service_session_put(struct vos_service_session *session);
void vos_service_session_close_all(struct vos_service *s);
void vos_op_session_open(struct vos_operation *op);
void vos_op_session_extend(struct vos_operation *op);
void vos_op_session_close(struct vos_operation *op);
void vos_op_session_kick(struct vos_operation *op);

/* ------------------------------------------------------------- workers */

/* Once, at boot. */
int vos_workers_init(void);
/* Returns when nothing queued, for whichever queue, is running or waiting any more. */
void vos_workers_flush(struct vos_service *s);
/*
 * Queues a heap copy of op, which takes over op's object reference and holds
 * its session; a worker executes and completes it. -ENOMEM; -ENOBUFS: too
 * many are queued, of all or of its session.
 */
int vos_worker_queue(struct vos_operation *op);
/*
 * Only in a VOS_RUN_USER_ACCESS operation: a user address of
 * VOS_MAX_OPTION + 4096 bytes in the worker's own mm, for kernel interfaces
 * that take user pointers. copy_to_user() and copy_from_user() work on it.
 */
void __user *vos_user_scratch(void);
/*
 * Validates a fetched request and executes it, or hands it to a worker. The
 * poller's only way into an operation.
 */
void vos_operation_start(struct vos_operation *op);
/* Runs op under the right credential and completes it, unless deferred. */
void vos_operation_execute(struct vos_operation *op);
/* Publishes op->completion on its lane, with WAKE if asked for. */
void vos_operation_complete(struct vos_operation *op);

/* --------------------------------------- operations on any kind of object */

void vos_op_release(struct vos_operation *op);

#ifdef CONFIG_VIRTUOS_SERVICE_NETWORK

/* ------------------------------------------------------------------ net/ */

void vos_op_socket(struct vos_operation *op);
void vos_op_bind(struct vos_operation *op);
void vos_op_listen(struct vos_operation *op);
void vos_op_connect(struct vos_operation *op);
void vos_op_accept(struct vos_operation *op);
void vos_op_shutdown(struct vos_operation *op);
void vos_op_getname(struct vos_operation *op);
void vos_op_setsockopt(struct vos_operation *op);
void vos_op_getsockopt(struct vos_operation *op);
void vos_op_ioctl(struct vos_operation *op);
void vos_op_send(struct vos_operation *op);
void vos_op_recv(struct vos_operation *op);

#endif /* CONFIG_VIRTUOS_SERVICE_NETWORK */

#ifdef CONFIG_VIRTUOS_SERVICE_STORAGE

/* ----------------------------------------------------------------- file/ */

void vos_op_pread(struct vos_operation *op);
void vos_op_pwrite(struct vos_operation *op);
void vos_op_sync(struct vos_operation *op);
void vos_op_file_allocate(struct vos_operation *op);
void vos_op_file_seek(struct vos_operation *op);
void vos_op_file_copy(struct vos_operation *op);
void vos_op_file_drain(struct vos_operation *op);
void vos_op_file_status(struct vos_operation *op);
void vos_op_fuse(struct vos_operation *op);
/* Once, at boot: the device of the relay. */
int vos_relay_init(void);
/* Forgets the connection's messages; no more come, its memory is still mapped. Sleeps. */
void vos_relay_disconnect(struct vos_service *s);

#else

static inline int vos_relay_init(void)
{
	return 0;
}

static inline void vos_relay_disconnect(struct vos_service *s)
{
}

#endif /* CONFIG_VIRTUOS_SERVICE_STORAGE */

#endif /* VIRTUOS_SERVICE_H */
