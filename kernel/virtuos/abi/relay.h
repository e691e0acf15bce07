/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * VirtuOS: the relay, /dev/vosfuse in a storage domain (a misc device, 0600).
 * It carries the FUSE messages of the primary's file systems to the domain's
 * daemon and the answers back; the data of open files never passes here.
 *
 * One daemon at a time: a second open is refused with EBUSY until every
 * descriptor of the first is closed, as its death does. Any number of its
 * threads may read, write and ask at once.
 *
 * read(2): one message, as from /dev/fuse: struct fuse_in_header and what
 * belongs to it, len and unique in it the relay's. Waits, EINTR, with
 * O_NONBLOCK EAGAIN; poll(2) says IN when there is one. EINVAL: a buffer
 * below FUSE_MIN_READ_BUFFER. A message that does not fit is not given but
 * answered EIO (FUSE_SETXATTR: E2BIG); VOS_RELAY_MESSAGE_MAX always fits.
 * EPROTO: this daemon gave an unusable answer to FUSE_INIT; it should exit.
 *   The first message is FUSE_INIT, once a primary has mounted. A daemon that
 * follows another is sent the same FUSE_INIT and has to answer the same; then
 * it gets what the other left unanswered. unique is even and never repeated.
 * FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT and FUSE_DESTROY never come.
 *
 * write(2), writev(2): one answer, whole: struct fuse_out_header and what
 * belongs to it. ENOENT: nobody waits for that unique (any more), answered
 * already, or not read by this daemon; nothing to worry about. EINVAL: a
 * wrong length or error; a request it was meant for has failed with EIO.
 * There are no notifications.
 *
 * Files that are open and have no name live on in the next domain. So they
 * have a name in a directory that no program sees, VOS_FUSE_UNNAMED:
 *   FUSE_UNLINK, FUSE_RENAME, FUSE_RENAME2 with VOS_FUSE_KEEP in the padding
 *     of the header: what loses its name is open. If that is the last one, it
 *     gets one there. FUSE_TMPFILE: it gets one, too.
 *   FUSE_UNLINK there, of a node id as 16 hex digits: it is open no more.
 *   FUSE_RMDIR there, of VOS_FUSE_BEFORE: frees some of what was there when
 *     this domain began and no FUSE_OPEN has asked for. ENOTEMPTY: not all yet.
 *
 * FUSE_OPEN, FUSE_CREATE and FUSE_TMPFILE: before the answer, VOS_FUSE_ATTACH
 * gives the open file, a regular one. It becomes the primary's object with a
 * successful answer, whose fh means nothing; the descriptor may be closed
 * from then on. Append and direct I/O are asked for by each operation: the
 * relay takes O_APPEND and O_DIRECT off the file and remembers them.
 */
#ifndef VIRTUOS_RELAY_H
#define VIRTUOS_RELAY_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "virtuos.h"

#define VOS_RELAY_DEVICE	"vosfuse"	/* name of the misc device */

/* Bytes of the longest message: FUSE_SETXATTR with 64 KiB, a name, headers. */
#define VOS_RELAY_MESSAGE_MAX	81920u

/* Node of the directory of files without a name, for FUSE_UNLINK and FUSE_RMDIR alone. */
#define VOS_FUSE_UNNAMED	2u
#define VOS_FUSE_BEFORE		"before"
/* Bit of the padding in struct fuse_in_header. */
#define VOS_FUSE_KEEP		1u

/* in: the file that the answer to the message `unique` is about. */
struct vos_fuse_attach {
	__u64 unique;			/* 0  as read */
	__s32 fd;			/* 8  a descriptor of the caller */
	__u32 unused;			/* 12 0 */
};
VOS_ASSERT(sizeof(struct vos_fuse_attach) == 16);

/*
 * 0; a second one for the same unique replaces the first. ENOENT: as for
 * write(2). EINVAL: that message opens nothing, the file is not a regular
 * one, or unused is not 0. EBADF: no such descriptor, or one with O_PATH.
 */
#define VOS_FUSE_ATTACH		_IOW(0xbf, 16, struct vos_fuse_attach)

/* in: an answer, what it opened, and room for the next message. */
struct vos_fuse_next {
	__u64 answer;			/* 0  address of what write(2) would take */
	__u64 message;			/* 8  address */
	__u32 answer_bytes;		/* 16 0: there is no answer */
	__u32 room;			/* 20 bytes for the message */
	__s32 fd;			/* 24 what VOS_FUSE_ATTACH would get, or -1 */
	__u32 unused;			/* 28 0 */
};
VOS_ASSERT(sizeof(struct vos_fuse_next) == 32);

/*
 * VOS_FUSE_ATTACH, close(2) of the file, write(2) and read(2), in one call.
 * Returns what read(2) does. A file that cannot be attached: its message is
 * answered with that error. Nothing tells what became of the answer, and the
 * file is closed in any case but EFAULT and EINVAL for the addresses.
 */
#define VOS_FUSE_NEXT		_IOW(0xbf, 17, struct vos_fuse_next)

#endif /* VIRTUOS_RELAY_H */
