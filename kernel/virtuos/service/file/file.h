/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the operations on files.
 */
#ifndef VIRTUOS_SERVICE_FILE_FILE_H
#define VIRTUOS_SERVICE_FILE_FILE_H

#include <linux/fs.h>

#include "../service.h"

/* A regular file as an object. */
extern const struct vos_object_type vos_file_object;

/*
 * A regular file that a daemon opened becomes an object: consumes the
 * reference to file, and to cred. -EPROTO, -EEXIST, -ESHUTDOWN, -ENOMEM.
 */
int vos_file_install(struct vos_service *s, u64 handle, struct file *file,
		     const struct cred *cred, u32 caps);
/*
 * Takes the flags off a file that are said anew with every operation. True
 * if there were any.
 */
bool vos_file_strip_flags(struct file *file);

/*
 * Around what a user lane does with a file: false, and the operation is
 * answered, if user lanes may not use it now. Of a kernel lane: nothing.
 */
bool vos_file_begin(struct vos_operation *op);
void vos_file_end(struct vos_operation *op);

/* What a crash would lose, for the primary to see: see struct vos_object_state. */
void vos_file_written(struct vos_service_object *object);
/* Writes so far, of all files; those are on the disk after a sync that begins now. */
u64 vos_file_writes(void);
void vos_file_synced(struct vos_service_object *object, u64 before);
/* A user lane changed attributes of its inode, for the primary to see. */
void vos_file_changed(struct vos_service_object *object);

/* VOS_FILE_* of a request. */
static inline u32 vos_file_flags(const struct vos_operation *op)
{
	return op->request.arg.file.flags;
}

/*
 * Acts with the capabilities of this very request for a while: of a kernel
 * lane the caller's, of a user lane the opener's without CAP_FSETID, which the
 * caller may not have. Undo with revert_creds() unless it is NULL: out of
 * memory, nothing changed.
 */
const struct cred *vos_file_enter(struct vos_operation *op);

#endif /* VIRTUOS_SERVICE_FILE_FILE_H */
