/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What VirtuOS keeps in an address space. Apart from process.h because
 * mm_types.h includes it.
 */
#ifndef VIRTUOS_PROCESS_TYPES_H
#define VIRTUOS_PROCESS_TYPES_H

#include <linux/spinlock_types.h>
#include <linux/types.h>

struct vos_session;

/* Part of struct mm_struct; all of it under lock. */
struct vos_mm {
	spinlock_t lock;		/* innermost but for RCU */
	bool entering;			/* a task is creating the session */
	bool confined;			/* a task installed a seccomp filter: no session */
	unsigned int other_files;	/* tasks here with another descriptor table */
	unsigned int tracers;		/* who want its calls to be made by trap */
	struct vos_session *session;	/* a reference is held */
	/* User copy instructions [start, end) resume at abort; end 0: none. */
	unsigned long copy_start;
	unsigned long copy_end;
	unsigned long copy_abort;
};

#endif /* VIRTUOS_PROCESS_TYPES_H */
