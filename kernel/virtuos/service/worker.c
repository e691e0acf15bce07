// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers: execute the operations that may sleep.
 *
 * A workqueue of high priority whose workers run on the CPU of the poller
 * that queued: the poller yields, the worker runs at once with warm caches.
 *
 * Order. Operations start in the order of their lane; those that sleep may
 * be overtaken, by other workers and by later inline operations of the lane.
 * Only kernel lanes have operations here, and there every caller waits for
 * its completion before it goes on, so what may overtake is what was
 * concurrent anyhow. User lanes get VOS_CPL_TRAP instead of a worker.
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
/* Heap copies of operations, queued or running. */
static atomic_t vos_workers_queued;
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

static void vos_worker_run(struct work_struct *work)
{
	struct vos_operation *op = container_of(work, struct vos_operation, work);
	struct vos_service_session *session = op->lane->session;

	if (vos_operation_types[op->request.op].where == VOS_RUN_USER_ACCESS)
		vos_worker_execute_user(op);
	else
		vos_operation_execute(op);
	/* The session last: its lane was completed. */
	if (session)
		vos_service_session_put(session);
	kfree(op);
	atomic_dec(&vos_workers_queued);
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
	struct vos_operation *copy;

	if (atomic_inc_return(&vos_workers_queued) > VOS_MAX_QUEUED) {
		atomic_dec(&vos_workers_queued);
		return -ENOBUFS;
	}
	copy = kmemdup(op, sizeof(*op), GFP_KERNEL);
	if (!copy) {
		atomic_dec(&vos_workers_queued);
		return -ENOMEM;
	}
	copy->deferred = false;
	if (copy->lane->session)
		kref_get(&copy->lane->session->ref);
	INIT_WORK(&copy->work, vos_worker_run);
	vos_served(op->service, VOS_SERVED_WORKER, 1);
	queue_work(vos_workers, &copy->work);
	return 0;
}

/**
 * vos_workers_flush() - waits until what was queued is done
 * @s: the connection; all there is are its operations
 */
void vos_workers_flush(struct vos_service *s)
{
	flush_workqueue(vos_workers);
}

/**
 * vos_workers_init() - once, at boot
 *
 * Return: 0 or -ENOMEM.
 */
int __init vos_workers_init(void)
{
	vos_workers = alloc_workqueue("vos_worker", WQ_HIGHPRI, VOS_MAX_QUEUED);
	return vos_workers ? 0 : -ENOMEM;
}
