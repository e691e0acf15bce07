/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hooks of user sessions: descriptor tables (fs/file.c), address spaces and
 * tasks (kernel/fork.c), prctl, seccomp, user faults. Each is a test of a
 * pointer or a bit for a task that has nothing to do with VirtuOS.
 */
#ifndef VIRTUOS_PROCESS_H
#define VIRTUOS_PROCESS_H

#include <linux/errno.h>
#include <linux/types.h>

struct file;
struct files_struct;
struct mm_struct;
struct pt_regs;
struct task_struct;
struct vos_fdmap;

#ifdef CONFIG_VIRTUOS_PRIMARY

#include <linux/fdtable.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include <asm/current.h>

/* -------------------------------------------- fd map: primary/fdmap.c */

void __vos_fdmap_store(struct vos_fdmap *map, unsigned int fd, struct file *file);
void __vos_fdmap_exit(struct files_struct *files);

/* A new descriptor table has no map. */
static inline void vos_fdmap_init(struct files_struct *files)
{
	RCU_INIT_POINTER(files->vos_fdmap, NULL);
}

/*
 * file becomes fd; called before it is visible in the table, under file_lock
 * or rcu_read_lock_sched().
 */
static inline void vos_fdmap_store(struct files_struct *files, unsigned int fd,
				   struct file *file)
{
	struct vos_fdmap *map = rcu_dereference_raw(files->vos_fdmap);

	if (unlikely(map))
		__vos_fdmap_store(map, fd, file);
}

/* fd goes away; called before it leaves the table, under file_lock. */
static inline void vos_fdmap_clear(struct files_struct *files, unsigned int fd)
{
	vos_fdmap_store(files, fd, NULL);
}

/* The table is freed. */
static inline void vos_fdmap_exit(struct files_struct *files)
{
	if (unlikely(rcu_access_pointer(files->vos_fdmap)))
		__vos_fdmap_exit(files);
}

/* ------------------------------------------ sessions: primary/session*.c */

void __vos_mm_exit(struct mm_struct *mm);
void __vos_mm_count_other(struct task_struct *task, struct mm_struct *mm);
void __vos_mm_forget_other(struct task_struct *task, struct mm_struct *mm);
void __vos_mm_leave(struct mm_struct *mm, struct files_struct *files);
bool __vos_fixup_user_copy(struct mm_struct *mm, struct pt_regs *regs);

/* current's descriptor table was old until now. */
void vos_files_replaced(struct files_struct *old);
/* current can't make every system call any more. */
void vos_mm_confine(void);
long virtuos_prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
		   unsigned long arg5);

static inline void vos_mm_init(struct mm_struct *mm)
{
	mm->vos = (struct vos_mm){};
	spin_lock_init(&mm->vos.lock);
}

/* The last user of mm is gone; its mappings are still there. */
static inline void vos_mm_exit(struct mm_struct *mm)
{
	if (unlikely(mm->vos.session))
		__vos_mm_exit(mm);
}

/* task, which never ran, gets mm. Its files are set already. */
static inline void vos_mm_fork(struct task_struct *task, struct mm_struct *mm)
{
	/* Tasks without files, of the kernel, run no user code. */
	bool other = mm == current->mm && task->files &&
		     (task->files != current->files || current->vos_other_files);

	task->vos_other_files = 0;
	if (other)
		__vos_mm_count_other(task, mm);
}

static inline void vos_mm_fork_undo(struct task_struct *task, struct mm_struct *mm)
{
	if (task->vos_other_files)
		__vos_mm_forget_other(task, mm);
}

/*
 * task, which is current, leaves mm. group: it was the last of its thread
 * group to run there.
 */
static inline void vos_mm_release(struct task_struct *task, struct mm_struct *mm, bool group)
{
	if (!mm)
		return;
	if (unlikely(task->vos_other_files))
		__vos_mm_forget_other(task, mm);
	if (unlikely(READ_ONCE(mm->vos.session)) && group && task->files)
		__vos_mm_leave(mm, task->files);
}

/* A user-mode fault is about to be fatal: true if regs resume elsewhere. */
static inline bool vos_fixup_user_copy(struct pt_regs *regs)
{
	struct mm_struct *mm = current->mm;

	return mm && READ_ONCE(mm->vos.copy_end) && __vos_fixup_user_copy(mm, regs);
}

#else /* !CONFIG_VIRTUOS_PRIMARY */

static inline void vos_fdmap_init(struct files_struct *files) { }
static inline void vos_fdmap_store(struct files_struct *files, unsigned int fd,
				   struct file *file) { }
static inline void vos_fdmap_clear(struct files_struct *files, unsigned int fd) { }
static inline void vos_fdmap_exit(struct files_struct *files) { }
static inline void vos_files_replaced(struct files_struct *old) { }
static inline void vos_mm_confine(void) { }
static inline void vos_mm_init(struct mm_struct *mm) { }
static inline void vos_mm_exit(struct mm_struct *mm) { }
static inline void vos_mm_fork(struct task_struct *task, struct mm_struct *mm) { }
static inline void vos_mm_fork_undo(struct task_struct *task, struct mm_struct *mm) { }
static inline void vos_mm_release(struct task_struct *task, struct mm_struct *mm, bool group) { }
static inline bool vos_fixup_user_copy(struct pt_regs *regs)
{
	return false;
}

static inline long virtuos_prctl(int option, unsigned long arg2, unsigned long arg3,
				 unsigned long arg4, unsigned long arg5)
{
	return -EINVAL;
}

#endif /* CONFIG_VIRTUOS_PRIMARY */

#endif /* VIRTUOS_PROCESS_H */
