// SPDX-License-Identifier: GPL-2.0-only
/*
 * User sessions: memory a process of the primary shares with this domain.
 *
 * Opened, extended and closed by the primary kernel over a kernel lane; the
 * process itself can only write requests. What it writes is checked against
 * the fd map, which only the primary kernel writes.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/slab.h>
#include <linux/rcupdate.h>

#include "fault.h"
#include "service.h"

#define VOS_EXTENT_PAGES	(2u + VOS_EXTENT_ARENA_PAGES)

bool vos_service_session_owns(struct vos_service_session *session, s32 fd, u64 handle)
{
	const u32 per_page = VOS_PAGE_SIZE / sizeof(struct vos_fdmap_entry);
	const struct vos_fdmap_entry *entry;

	if (fd < 0 || fd >= VOS_FDMAP_ENTRIES || handle == VOS_HANDLE_NONE)
		return false;
	entry = vos_mapping_page(&session->header, 1 + fd / per_page);
	return vos_load(&entry[fd % per_page].handle) == handle;
}

static void vos_session_lane_init(struct vos_service_session *session,
				  struct vos_service_lane *lane, u32 extent, u32 at)
{
	const struct vos_mapping *pages = &session->extent[extent];
	struct vos_extent_c *c = vos_mapping_page(pages, 0);
	struct vos_extent_s *s = vos_mapping_page(pages, 1);
	u32 index = extent * VOS_EXTENT_LANES + at;

	lane->control = &c->lane[at].control;
	lane->request = c->lane[at].request;
	lane->status = &s->lane[at].status;
	lane->completion = s->lane[at].completion;
	lane->arena = pages;
	lane->arena_first = 2 + at * VOS_USER_CHUNK_PAGES;
	lane->arena_bytes = VOS_USER_CHUNK_PAGES * VOS_PAGE_SIZE;
	lane->depth = VOS_USER_LANE_DEPTH;
	lane->index = index;
	lane->session = session;
	lane->poller = vos_service_poller(session->service, session->index + index);
	vos_lane_position_reset(&lane->position);
	spin_lock_init(&lane->complete_lock);
	INIT_LIST_HEAD(&lane->hot_node);
	INIT_LIST_HEAD(&lane->wake_node);
	/* Born parked: the first request rings. */
	lane->park_epoch = 1;
	vos_store(&lane->status->poller, lane->poller->index);
	vos_store(&lane->status->park_epoch, lane->park_epoch);
}

/* Maps an extent, its C page read-only, and makes its lanes. On error nothing is left of it. */
static int vos_session_add_extent(struct vos_service_session *session,
				  const struct vos_extent_grant *grant)
{
	struct vos_service_lane *lanes[VOS_EXTENT_LANES] = {};
	u32 i;
	int err;

	if (grant->index != session->extents || grant->index >= VOS_MAX_EXTENTS ||
	    grant->pages != VOS_EXTENT_PAGES)
		return -EPROTO;
	for (i = 0; i < VOS_EXTENT_LANES; i++) {
		lanes[i] = kzalloc(sizeof(*lanes[i]), GFP_KERNEL);
		if (!lanes[i]) {
			err = -ENOMEM;
			goto free;
		}
	}
	err = vos_mapping_map(&session->extent[grant->index], session->service->primary,
			      grant->ref, grant->pages, 1);
	if (err)
		goto free;
	for (i = 0; i < VOS_EXTENT_LANES; i++) {
		u32 index = grant->index * VOS_EXTENT_LANES + i;

		vos_session_lane_init(session, lanes[i], grant->index, i);
		/* Pollers of a live session look at once: pairs with vos_poller_look(). */
		smp_store_release(&session->lane[index], lanes[i]);
	}
	/* The poller looks at so many doorbells. */
	WRITE_ONCE(session->extents, session->extents + 1);
	return 0;
free:
	for (i = 0; i < VOS_EXTENT_LANES; i++)
		kfree(lanes[i]);
	return err;
}

static void vos_session_free(struct vos_service_session *session)
{
	u32 i;

	for (i = 0; i < VOS_MAX_USER_LANES; i++) {
		if (!session->lane[i])
			continue;
		vos_poller_forget_lane(session->lane[i]);
		kfree(session->lane[i]);
	}
	if (!vos_fault_keeps(session->service)) {
		for (i = 0; i < session->extents; i++)
			vos_mapping_unmap(&session->extent[i]);
		vos_mapping_unmap(&session->header);
	}
	kfree(session);
}

static void vos_session_release(struct kref *ref)
{
	struct vos_service_session *session =
		container_of(ref, struct vos_service_session, ref);

	complete(&session->idle);
}

void vos_service_session_put(struct vos_service_session *session)
{
	kref_put(&session->ref, vos_session_release);
}

/* Lets go of everything; the session is out of the table already. */
static void vos_session_close(struct vos_service_session *session)
{
	/* Kicks look sessions up under RCU. */
	synchronize_rcu();
	vos_poller_release_session(session);
	/*
	 * Operations in workers hold references. As long as the disk takes; of one that
	 * takes too long the primary, whose call this is, declares the domain failed.
	 */
	vos_service_session_put(session);
	wait_for_completion(&session->idle);
	vos_session_free(session);
}

static struct vos_service_session *vos_session_create(struct vos_service *s,
						      const struct vos_session_grant *grant)
{
	struct vos_service_session *session;
	u32 i;
	int err;

	if (grant->index >= VOS_MAX_SESSIONS || grant->pages != 1 + VOS_FDMAP_PAGES)
		return ERR_PTR(-EPROTO);
	session = kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session)
		return ERR_PTR(-ENOMEM);
	kref_init(&session->ref);
	init_completion(&session->idle);
	session->service = s;
	session->index = grant->index;
	for (i = 0; i < VOS_MAX_POLLERS; i++) {
		session->watch[i].session = session;
		INIT_LIST_HEAD(&session->watch[i].node);
	}
	err = vos_mapping_map(&session->header, s->primary, grant->ref, grant->pages,
			      grant->pages);
	if (err)
		goto free;
	err = vos_session_add_extent(session, &grant->extent);
	if (err)
		goto free;
	return session;
free:
	vos_session_free(session);
	return ERR_PTR(err);
}

void vos_op_session_open(struct vos_operation *op)
{
	struct vos_service *s = op->service;
	struct vos_service_session *session;
	struct vos_session_grant *grant;
	int err;

	grant = kmalloc(sizeof(*grant), GFP_KERNEL);
	if (!grant) {
		op->completion.res = -ENOMEM;
		return;
	}
	err = vos_operation_read(op, grant, op->request.arg.plain.data, sizeof(*grant));
	session = err ? ERR_PTR(err) : vos_session_create(s, grant);
	kfree(grant);
	if (IS_ERR(session)) {
		op->completion.res = PTR_ERR(session);
		return;
	}
	mutex_lock(&s->session_lock);
	if (rcu_access_pointer(s->session[session->index]))
		err = -EEXIST;
	else
		rcu_assign_pointer(s->session[session->index], session);
	mutex_unlock(&s->session_lock);
	if (err)
		vos_session_free(session);
	op->completion.res = err;
}

void vos_op_session_extend(struct vos_operation *op)
{
	struct vos_service *s = op->service;
	struct vos_service_session *session;
	struct vos_extent_grant *grant;
	int err;

	if (op->request.handle >= VOS_MAX_SESSIONS) {
		op->completion.res = -EPROTO;
		return;
	}
	grant = kmalloc(sizeof(*grant), GFP_KERNEL);
	if (!grant) {
		op->completion.res = -ENOMEM;
		return;
	}
	err = vos_operation_read(op, grant, op->request.arg.plain.data, sizeof(*grant));
	if (!err) {
		mutex_lock(&s->session_lock);
		session = rcu_dereference_protected(s->session[op->request.handle],
						    lockdep_is_held(&s->session_lock));
		err = session ? vos_session_add_extent(session, grant) : -EBADF;
		mutex_unlock(&s->session_lock);
	}
	kfree(grant);
	op->completion.res = err;
}

static struct vos_service_session *vos_session_take(struct vos_service *s, u64 index)
{
	struct vos_service_session *session;

	mutex_lock(&s->session_lock);
	session = rcu_dereference_protected(s->session[index],
					    lockdep_is_held(&s->session_lock));
	RCU_INIT_POINTER(s->session[index], NULL);
	mutex_unlock(&s->session_lock);
	return session;
}

void vos_op_session_close(struct vos_operation *op)
{
	struct vos_service_session *session = NULL;

	if (op->request.handle < VOS_MAX_SESSIONS)
		session = vos_session_take(op->service, op->request.handle);
	if (!session) {
		op->completion.res = -EBADF;
		return;
	}
	vos_session_close(session);
	op->completion.res = 0;
}

void vos_op_session_kick(struct vos_operation *op)
{
	struct vos_service_session *session;

	if (op->request.handle >= VOS_MAX_SESSIONS) {
		op->completion.res = -EPROTO;
		return;
	}
	rcu_read_lock();
	session = rcu_dereference(op->service->session[op->request.handle]);
	if (session)
		vos_poller_kick(session);
	rcu_read_unlock();
	op->completion.res = session ? 0 : -EBADF;
}

void vos_service_session_close_all(struct vos_service *s)
{
	u32 i;

	for (i = 0; i < VOS_MAX_SESSIONS; i++) {
		struct vos_service_session *session = vos_session_take(s, i);

		if (session)
			vos_session_close(session);
	}
}
