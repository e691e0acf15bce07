/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VirtuOS: what fs/ calls about files of a vosfs, which processes may read and
 * write without a system call. All of it is a patched-out branch until the
 * first vosfs is mounted.
 */
#ifndef _LINUX_VIRTUOS_FILE_H
#define _LINUX_VIRTUOS_FILE_H

#include <linux/jump_label.h>

struct file;
struct super_block;

#ifdef CONFIG_VIRTUOS_PRIMARY

/* On from the first mount on; never off again. */
DECLARE_STATIC_KEY_FALSE(vosfs_key);

void vosfs_file_changed(struct file *file);
void vosfs_watched(struct super_block *sb);
int vosfs_refresh_size(struct file *file);

/*
 * Somebody watches something of @sb. On return nothing is read or written
 * there but by system calls. May sleep.
 */
static inline void vos_file_watched(struct super_block *sb)
{
	if (static_branch_unlikely(&vosfs_key))
		vosfs_watched(sb);
}

/* i_size of @file is used; may sleep. 0 or -errno. */
static inline int vos_file_refresh_size(struct file *file)
{
	if (static_branch_unlikely(&vosfs_key))
		return vosfs_refresh_size(file);
	return 0;
}

#else /* CONFIG_VIRTUOS_PRIMARY */

static inline void vos_file_watched(struct super_block *sb)
{
}

static inline int vos_file_refresh_size(struct file *file)
{
	return 0;
}

#endif /* CONFIG_VIRTUOS_PRIMARY */

#endif /* _LINUX_VIRTUOS_FILE_H */
