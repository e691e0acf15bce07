/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User sessions, inside:
 *
 *   session.c        their memory, their making and their end
 *   session_map.c    what of it the process maps
 *   session_mm.c     whose they are: address spaces, and what ends a session
 *   session_call.c   what the process asks for by prctl()
 *   fdmap.c          the capabilities: fd -> handle
 */
#ifndef VIRTUOS_PRIMARY_SESSION_H
#define VIRTUOS_PRIMARY_SESSION_H

#include <linux/bitops.h>
#include <linux/sched/signal.h>

#include "primary.h"

struct file;
struct files_struct;
struct mm_struct;
struct user_struct;
struct vos_fdmap;
struct vos_mm;

/* Pages of a session, and of each of its extents. */
#define VOS_BASE_PAGES		(1u + VOS_FDMAP_PAGES)
#define VOS_EXTENT_PAGES	(2u + VOS_EXTENT_ARENA_PAGES)

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

/* ----------------------------------------------------------- session.c */

static inline bool vos_session_dead(struct vos_session *session)
{
	return test_bit(VOS_SESSION_DEAD, &session->flags);
}

static inline u32 vos_session_kind(const struct vos_session *session)
{
	return session->connection->kind;
}

/*
 * An extent, or NULL if there is none yet. Its memory and wait queues are
 * ready for who sees it.
 */
static inline struct vos_session_extent *vos_session_extent(struct vos_session *session, u32 index)
{
	/* Pairs with the release in vos_session_publish_extent(). */
	return smp_load_acquire(&session->extent[index]);
}

/* A session that the service serves and nobody uses yet, with a reference. */
struct vos_session *vos_session_create(u32 kind);
/* One more extent, that index, under session->lock; undone if it fails. */
int vos_session_add_extent(struct vos_session *session, u32 index);
/* No more capabilities, no more sleepers; the rest is for the close work. Any context. */
void vos_session_kill(struct vos_session *session);
/* Process context. */
void vos_session_put(struct vos_session *session);

/* ------------------------------------------------------- session_map.c */

/*
 * Reserves current's address space for all that a session may become, and maps
 * what there is; returns the address, or an error. The mapping has a reference.
 */
unsigned long vos_session_map(struct vos_session *session);
void vos_session_unmap(unsigned long base);
/*
 * The mapped file, if the range that extent index would take is still what
 * vos_session_map() reserved; else NULL: the process has other plans with it.
 */
struct file *vos_session_reserved(struct vos_session *session, u32 index);
int vos_session_map_extent(struct file *file, unsigned long base, u32 index);

/* -------------------------------------------------------- session_mm.c */

/* Do the caller's limits let it have a session with a domain of this kind? */
static inline bool vos_session_allows_limits(u32 kind)
{
	return kind != VOS_DOMAIN_STORAGE || rlimit(RLIMIT_FSIZE) == RLIM_INFINITY;
}

/*
 * Only one task of an address space enters at a time. 0: until vos_enter_end()
 * it is current; -EACCES: not under seccomp; -EEXIST: there is a session with
 * a domain of that kind; -EAGAIN: not now.
 */
int vos_enter_begin(struct vos_mm *state, u32 kind);
void vos_enter_end(struct vos_mm *state);
/* From here the hooks find the session: it is current's mm's, with a reference. */
int vos_enter_publish(struct vos_mm *state, struct vos_session *session);
/* The session of an address space with a domain of this kind, referenced, or NULL. */
struct vos_session *vos_session_of(struct mm_struct *mm, u32 kind);
/* The instructions of current's address space that may fault as a copy of the kernel's may. */
long vos_copy_range_set(const struct vos_copy_range __user *argument);

/* -------------------------------------------------------------- fdmap.c */

/*
 * A map of descriptors to objects of c, in VOS_FDMAP_ENTRIES zeroed entries of
 * the caller's memory. The entries may go a grace period after
 * vos_fdmap_close(). NULL: no memory.
 */
struct vos_fdmap *vos_fdmap_create(struct vos_connection *c, struct vos_fdmap_entry *entries);

/*
 * Makes the map follow files, which must be current's, and fills it. -EBUSY:
 * another session with a domain of this kind has this table. May sleep.
 */
int vos_fdmap_attach(struct vos_fdmap *map, struct files_struct *files);

/* Does the map follow files? */
bool vos_fdmap_follows(const struct vos_fdmap *map, struct files_struct *files);

/* Revokes every entry and stops following. Any context; may be repeated. */
void vos_fdmap_close(struct vos_fdmap *map);

void vos_fdmap_put(struct vos_fdmap *map);

#endif /* VIRTUOS_PRIMARY_SESSION_H */
