// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers: execute the operations that may sleep.
 *
 * A workqueue of high priority whose workers run on the CPU of the poller
 * that queued: the poller yields, the worker runs at once with warm caches.
 *
 * What may wait for the disk has a queue of its own, so that however many
 * wait there, everything else goes on.
 *
 * Order. Operations start in the order of their lane; those that sleep may
 * be overtaken, by other workers and by later inline operations of the lane.
 * Every caller waits for its completion before it goes on, so what may
 * overtake is what was concurrent anyhow. That is true of user lanes too,
 * whose operations on files come here; theirs on sockets get VOS_CPL_TRAP.
 *
 * Fairness. Kernel lanes cannot have more outstanding than fits here. User
 * lanes together, and each session, have a share that leaves the rest alone;
 * what is beyond traps, and comes back by a kernel lane.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/init_task.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <asm/mmu_context.h>

#include "service.h"

/* What the kernel lanes can have outstanding; more is a broken client. */
#define VOS_MAX_QUEUED		(VOS_MAX_KERNEL_LANES * VOS_KERNEL_LANE_DEPTH)

/* Where the scratch memory lies in the workers' address space: anywhere will do. */
#define VOS_SCRATCH_ADDRESS	0x10000000ul
#define VOS_SCRATCH_BYTES	PAGE_ALIGN(VOS_MAX_OPTION + PAGE_SIZE)

static struct workqueue_struct *vos_workers;
static struct workqueue_struct *vos_disk_workers;
/* Heap copies of operations, queued or running: of kernel lanes, of user lanes. */
static atomic_t vos_workers_queued;
static atomic_t vos_user_queued;
/* The one address space with the scratch memory; whoever uses it has the lock. */
static DEFINE_MUTEX(vos_user_lock);
static struct mm_struct *vos_user_mm;

/*
 * An address space that no process has: only workers borrow it. Made when it
 * is first needed, under vos_user_lock, and kept.
 */
static struct mm_struct *vos_user_mm_make(void)
{
	struct mm_struct *mm = mm_alloc();
	unsigned long address;

	if (!mm)
		return NULL;
#ifdef CONFIG_MEMCG
	/* Not this worker, which may exit before the mm does. */
	rcu_assign_pointer(mm->owner, &init_task);
#endif
	mm->task_size = TASK_SIZE;
	/* A PV guest can run only on page tables that the hypervisor knows. */
	paravirt_enter_mmap(mm);

	kthread_use_mm(mm);
	/* MAP_FIXED: an mm without a process has no layout to choose from. */
	address = vm_mmap(NULL, VOS_SCRATCH_ADDRESS, VOS_SCRATCH_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
	kthread_unuse_mm(mm);
	if (address != VOS_SCRATCH_ADDRESS) {
		pr_err("no scratch memory for user pointers: %ld\n", (long)address);
		mmput(mm);
		return NULL;
	}
	return mm;
}

/**
 * vos_user_scratch() - memory for kernel interfaces that take user pointers
 *
 * Only in a VOS_RUN_USER_ACCESS operation, which alone uses it.
 *
 * Return: a user address of VOS_MAX_OPTION + 4096 bytes. They hold what
 * earlier operations of others left: hand out nothing you did not write.
 */
void __user *vos_user_scratch(void)
{
	return (void __user *)VOS_SCRATCH_ADDRESS;
}

static void vos_worker_execute_user(struct vos_operation *op)
{
	mutex_lock(&vos_user_lock);
	if (!vos_user_mm)
		vos_user_mm = vos_user_mm_make();
	if (vos_user_mm) {
		kthread_use_mm(vos_user_mm);
		vos_operation_execute(op);
		kthread_unuse_mm(vos_user_mm);
	} else {
		op->completion.res = -ENOMEM;
		if (op->object)
			vos_service_object_put(op->object);
		vos_operation_complete(op);
	}
	mutex_unlock(&vos_user_lock);
}

/* Counts an operation in. False: its share is used up. */
static bool vos_worker_claim(struct vos_service_session *session)
{
	if (!session) {
		if (atomic_inc_return(&vos_workers_queued) <= VOS_MAX_QUEUED)
			return true;
		atomic_dec(&vos_workers_queued);
		return false;
	}
	if (atomic_inc_return(&session->queued) <= VOS_SESSION_QUEUED) {
		if (atomic_inc_return(&vos_user_queued) <= VOS_USER_QUEUED)
			return true;
		atomic_dec(&vos_user_queued);
	}
	atomic_dec(&session->queued);
	return false;
}

static void vos_worker_unclaim(struct vos_service_session *session)
{
	if (!session) {
		atomic_dec(&vos_workers_queued);
		return;
	}
	atomic_dec(&vos_user_queued);
	atomic_dec(&session->queued);
}

static void vos_worker_run(struct work_struct *work)
{
	struct vos_operation *op = container_of(work, struct vos_operation, work);
	struct vos_service_session *session = op->lane->session;

	if (vos_operation_types[op->request.op].where == VOS_RUN_USER_ACCESS)
		vos_worker_execute_user(op);
	else
		vos_operation_execute(op);
	kfree(op);
	vos_worker_unclaim(session);
	/* The session last: its lane was completed. */
	if (session)
		vos_service_session_put(session);
}

/**
 * vos_worker_queue() - has a worker execute and complete an operation
 * @op: validated; copied. The copy takes over the object reference.
 *
 * Return: 0; -ENOBUFS: too many are queued; -ENOMEM. On error @op is still
 * the caller's to complete, with its object.
 */
int vos_worker_queue(struct vos_operation *op)
{
	struct vos_service_session *session = op->lane->session;
	struct vos_operation *copy;

	if (!vos_worker_claim(session))
		return -ENOBUFS;
	copy = kmemdup(op, sizeof(*op), GFP_KERNEL);
	if (!copy) {
		vos_worker_unclaim(session);
		return -ENOMEM;
	}
	copy->deferred = false;
	if (session)
		kref_get(&session->ref);
	INIT_WORK(&copy->work, vos_worker_run);
	vos_served(op->service, VOS_SERVED_WORKER, 1);
	queue_work(vos_operation_types[op->request.op].disk ? vos_disk_workers : vos_workers,
		   &copy->work);
	return 0;
}

/**
 * vos_workers_flush() - waits until what was queued is done
 * @s: the connection; all there is are its operations
 */
void vos_workers_flush(struct vos_service *s)
{
	flush_workqueue(vos_workers);
	flush_workqueue(vos_disk_workers);
}

/**
 * vos_workers_init() - once, at boot
 *
 * Return: 0 or -ENOMEM.
 */
int __init vos_workers_init(void)
{
	/* As many may sleep at once as the workqueue allows; VOS_MAX_QUEUED is less. */
	vos_workers = alloc_workqueue("vos_worker", WQ_HIGHPRI, WQ_MAX_ACTIVE);
	vos_disk_workers = alloc_workqueue("vos_disk", WQ_HIGHPRI, WQ_MAX_ACTIVE);
	return vos_workers && vos_disk_workers ? 0 : -ENOMEM;
}
