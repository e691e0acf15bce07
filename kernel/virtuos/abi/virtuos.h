/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * VirtuOS: the shared-memory ABI.
 *
 * One header for the primary kernel, the service kernel, the shim, the tools
 * and the tests. Everything here is little-endian x86-64 and every structure
 * that lives in shared memory has its size and offsets asserted below.
 *
 * Who writes a page is written beside each structure:
 *   K  the primary kernel          (process: read, service: read)
 *   C  the client of the lanes     (process or primary kernel; service: read)
 *   S  the service domain          (process and primary kernel: read)
 *   A  arena, data                 (both: read and write)
 *
 * A reader of shared memory copies a field once into private memory,
 * validates the copy and uses only the copy.
 */
#ifndef VIRTUOS_ABI_H
#define VIRTUOS_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define VOS_ASSERT(cond) static_assert(cond, #cond)
#else
#define VOS_ASSERT(cond) _Static_assert(cond, #cond)
#endif

#define VOS_PAGE_SIZE		4096u
#define VOS_LINE_SIZE		64u

/* Incremented on every incompatible change; peers with another one refuse. */
#define VOS_ABI_VERSION		3u
#define VOS_MAGIC		0x31534f5554524956ull	/* "VIRTUOS1" */

/*
 * Feature bits, negotiated as the AND of what both sides offer. None is
 * offered so far; the fields they would use exist already.
 */
#define VOS_FEATURE_POSTED	(1u << 0)	/* completion before the buffer is released */
#define VOS_FEATURE_REGIONS	(1u << 1)	/* registered memory */
#define VOS_FEATURE_MULTISHOT	(1u << 2)	/* accept into handles supplied ahead */
#define VOS_FEATURE_USER_EVENTS	(1u << 3)	/* readiness events to the process */

/* Kinds of service domain; also the domain field of a handle. */
#define VOS_DOMAIN_NONE		0u
#define VOS_DOMAIN_NETWORK	1u
#define VOS_DOMAIN_STORAGE	2u
#define VOS_DOMAIN_MAX		15u

/* ------------------------------------------------------------- bounds */

#define VOS_MAX_POLLERS		8u	/* pollers of one service domain */
#define VOS_MAX_SESSIONS	1024u	/* user sessions of one connection */
#define VOS_MAX_OBJECTS		16384u	/* objects of one connection */
#define VOS_MAX_KERNEL_LANES	8u	/* lanes of the kernel session */
#define VOS_KERNEL_LANE_DEPTH	63u	/* entries of a kernel lane: one page */
#define VOS_USER_LANE_DEPTH	7u	/* entries of a user lane: 512 bytes */
#define VOS_EXTENT_LANES	7u	/* lanes of one extent: one C page less its header */
#define VOS_MAX_EXTENTS		9u	/* extents of one user session */
#define VOS_MAX_USER_LANES	(VOS_EXTENT_LANES * VOS_MAX_EXTENTS)
#define VOS_USER_CHUNK_PAGES	16u	/* arena pages of one user lane: 64 KiB */
#define VOS_EXTENT_ARENA_PAGES	(VOS_EXTENT_LANES * VOS_USER_CHUNK_PAGES)
#define VOS_FDMAP_PAGES		4u	/* fd map pages of a session; fds beyond trap */
#define VOS_FDMAP_ENTRIES	(VOS_FDMAP_PAGES * 256u)
#define VOS_KERNEL_ARENA_PAGES	2048u	/* arena of the kernel session: 8 MiB */
#define VOS_MAX_CALL_PAGES	257u	/* arena pages of one kernel call: 1 MiB and a header */
#define VOS_MAX_CALL_BYTES	(VOS_MAX_CALL_PAGES * VOS_PAGE_SIZE)
#define VOS_MAX_MESSAGE_PAGES	64u	/* of them, data of one SEND or RECV: 256 KiB */
#define VOS_MAX_MESSAGE_BYTES	(VOS_MAX_MESSAGE_PAGES * VOS_PAGE_SIZE)
#define VOS_MAX_TRANSFER	1048576u	/* bytes of one PREAD or PWRITE */
#define VOS_EVENT_ENTRIES	8192u	/* event queue of one poller, a power of two */
#define VOS_MAX_GROUPS		64u	/* supplementary groups carried in a credential */
#define VOS_MAX_ADDRESS		128u	/* bytes of a socket address */
#define VOS_MAX_CONTROL		4096u	/* bytes of ancillary data of one call */
#define VOS_MAX_OPTION		65536u	/* bytes of a socket option or ioctl argument */

#define VOS_SEND_INLINE		40u	/* payload bytes inside a request line */
#define VOS_RECV_INLINE		24u	/* payload bytes inside a completion line */

/* ------------------------------------------------------------- handles */

/*
 * A handle names an object: an open file description living in a service
 * domain. Allocated by the primary kernel only and never reused: an index is,
 * each time with its next generation. 0 is no object.
 *   bits 63..60 domain, 59..32 generation (from 1), 31..0 index
 */
#define VOS_HANDLE_NONE		0ull
#define VOS_GENERATION_MAX	0x0fffffffu

static inline __u64 vos_handle_make(__u32 domain, __u32 generation, __u32 index)
{
	return ((__u64)domain << 60) |
	       ((__u64)(generation & VOS_GENERATION_MAX) << 32) | index;
}

static inline __u32 vos_handle_domain(__u64 handle)
{
	return (__u32)(handle >> 60);
}

static inline __u32 vos_handle_generation(__u64 handle)
{
	return (__u32)(handle >> 32) & VOS_GENERATION_MAX;
}

static inline __u32 vos_handle_index(__u64 handle)
{
	return (__u32)handle;
}

/* ------------------------------------------------------------ requests */

/*
 * Operations. USER: may come from a user lane (data only, tried without
 * blocking). All may come from a kernel lane. Arguments are written as the
 * fields of struct vos_request they use; "data" is arena[data, data + len)
 * or, with VOS_REQ_INLINE, the first len bytes of imm.
 */
enum vos_op {
	VOS_OP_NOP		= 0,	/* USER. res 0 */
	/*
	 * USER. Send or receive without waiting. arg.msg: flags; name_len and
	 * control_len bytes precede the payload in the arena (never inline
	 * with either): [name, 128][control, control_len rounded to 8][payload],
	 * where the 128 bytes are there only if name_len is not 0. len counts
	 * the payload alone. User lanes carry neither a name nor control data.
	 * An inline request has no arg.msg: its flags are msg_flags. A SEND on
	 * a netlink object is never inline, because its caps count (-EPROTO).
	 * RECV: control_len is the capacity. The completion's aux holds
	 * msg_flags, pos holds name_len (low 32 bits) and control_len used
	 * (high 32 bits).
	 */
	VOS_OP_SEND		= 1,
	VOS_OP_RECV		= 2,

	/*
	 * USER. Positioned I/O on a file object: arg.file with pos, flags and
	 * data; len bytes. One request is one operation on the file, never
	 * split. res: bytes; a PWRITE's completion.pos is the position behind
	 * the last byte (of an append: known only now). Kernel lanes say in
	 * flags how the description stands now (VOS_FILE_*). User lanes send 0:
	 * the object's own flags hold, and an object that is WITHHELD, or whose
	 * description appends or goes around the cache, is answered VOS_CPL_TRAP;
	 * so is a PWRITE to a file with set-id bits.
	 */
	VOS_OP_PREAD		= 3,
	VOS_OP_PWRITE		= 4,
	/* USER. fsync; with VOS_FILE_DATA fdatasync. arg.file: flags. */
	VOS_OP_SYNC		= 5,

	/* 6..15: reserved for user lanes. */

	/* Objects. The request's handle is the object; res 0 or -errno. */
	VOS_OP_SOCKET		= 16,	/* arg.socket; data: struct vos_credential */
	VOS_OP_RELEASE		= 17,	/* close the object, forget the handle */
	VOS_OP_BIND		= 18,	/* data: address */
	VOS_OP_LISTEN		= 19,	/* arg.word[0]: backlog */
	VOS_OP_CONNECT		= 20,	/* data: address; never waits */
	/* arg.word[0]: handle of the new object; data: room for the peer's address; res: length */
	VOS_OP_ACCEPT		= 21,	/* never waits */
	VOS_OP_SHUTDOWN		= 22,	/* arg.word[0]: how */
	VOS_OP_GETNAME		= 23,	/* arg.word[0]: 1 peer, 0 own; data: room; res: length */
	VOS_OP_SETSOCKOPT	= 24,	/* arg.option; data: value */
	VOS_OP_GETSOCKOPT	= 25,	/* arg.option; data: value in and out; res: length */
	/*
	 * handle may be NONE: an interface ioctl of the namespace. What the one
	 * pointer of SIOCGIFCONF (buffer), SIOCADDRT and SIOCDELRT (rt_dev,
	 * IFNAMSIZ bytes) or SIOCETHTOOL points to follows the structure in
	 * data; it stays NULL if it was, and its value is not used.
	 */
	VOS_OP_IOCTL		= 26,	/* arg.ioctl; data: argument in and out */

	/* Files; arg.file. The request's handle is a file object. */
	/* fallocate: pos, word[0] bytes, word[1] FALLOC_FL_* mode */
	VOS_OP_FILE_ALLOCATE	= 32,
	/* lseek: pos, word[0] whence SEEK_DATA or SEEK_HOLE; res: position */
	VOS_OP_FILE_SEEK	= 33,
	/*
	 * copy_file_range from the handle at pos to the object word[0] at
	 * word[1], len bytes; res: bytes.
	 */
	VOS_OP_FILE_COPY	= 34,
	/*
	 * Returns once no read or write of a user lane runs on the object;
	 * -ETIMEDOUT: one still does. Later ones see flags stored before this.
	 */
	VOS_OP_FILE_DRAIN	= 35,
	/*
	 * One FUSE message for the domain's daemon. word[0]: bytes of the
	 * message; word[1]: offset of the reply in data, a multiple of 8; the
	 * reply's room is len - word[1]. res: bytes of the reply, a struct
	 * fuse_out_header and what follows it. data: the message; before it,
	 * if handle is not NONE, a struct vos_credential: the file that
	 * FUSE_OPEN, FUSE_CREATE or FUSE_TMPFILE opens becomes that object,
	 * used under that credential with caps.
	 */
	VOS_OP_FUSE		= 36,
	/* data: room for a struct fuse_attr; res: its size. Its times and size are of now. */
	VOS_OP_FILE_STATUS	= 37,

	/* Sessions. handle: session index. */
	VOS_OP_SESSION_OPEN	= 48,	/* data: struct vos_session_grant */
	VOS_OP_SESSION_EXTEND	= 49,	/* data: struct vos_extent_grant */
	VOS_OP_SESSION_CLOSE	= 50,
	VOS_OP_SESSION_KICK	= 51,	/* a cold session's lanes have requests */

	VOS_OP_MAX		= 64,
};

/* arg.file.flags */
#define VOS_FILE_APPEND		(1u << 0)	/* PWRITE: at the end of the file, pos is ignored */
#define VOS_FILE_DSYNC		(1u << 1)	/* PWRITE: data on the disk before it returns */
#define VOS_FILE_SYNC		(1u << 2)	/* PWRITE: data and all attributes as well */
#define VOS_FILE_DIRECT		(1u << 3)	/* PREAD, PWRITE: around the cache */
#define VOS_FILE_DATA		(1u << 4)	/* SYNC: fdatasync */
#define VOS_FILE_KEEP_MODE	(1u << 5)	/* PWRITE: the writer may keep set-id bits */

/* Request flags. */
#define VOS_REQ_INLINE		(1u << 0)	/* payload in imm, not in the arena */
#define VOS_REQ_NONBLOCK	(1u << 1)	/* description has O_NONBLOCK: EAGAIN is final */

/*
 * One request: one line, written by the client, turn last with release.
 * Entries are used in order; turn is the number of the pass over the lane's
 * entries, from 1, the same for all entries of a pass. It wraps to 1, so an
 * entry never holds the turn that is awaited before it is written.
 */
struct vos_request {
	__u64 handle;			/* 0  */
	__u32 len;			/* 8  bytes of data, or capacity for it */
	__s32 fd;			/* 12 descriptor, user lanes only: must map to handle */
	union {				/* 16 */
		struct {
			__u32 flags;		/* MSG_* */
			__u32 name_len;
			__u32 control_len;
			__u32 data;		/* arena offset, bytes */
			__u32 caps;		/* VOS_CAP_*, kernel lanes only */
			__u32 linger_us;	/* 0 so far */
			__u64 cookie;
		} msg;
		struct {
			__u32 family;
			__u32 type;
			__u32 protocol;
			__u32 data;
			__u32 caps;
		} socket;
		struct {
			__u32 level;
			__u32 name;
			__u32 unused;
			__u32 data;
			__u32 caps;
		} option;
		struct {
			__u32 cmd;
			__u32 is_value;		/* the argument is `value`, not data */
			__u32 unused;
			__u32 data;
			__u32 caps;
			__u32 unused2;
			__u64 value;
		} ioctl;
		struct {
			__u32 unused[3];
			__u32 data;
			__u32 caps;
			__u32 unused2;
			__u64 word[2];
		} plain;
		struct {
			__u64 pos;		/* bytes, 0 .. 2^63 - 1 */
			__u32 flags;		/* VOS_FILE_* */
			__u32 data;
			__u32 caps;		/* VOS_CAP_*, kernel lanes only */
			__u32 unused;
			__u64 word[2];
		} file;
		__u8 imm[VOS_SEND_INLINE];
	} arg;
	__u8  op;			/* 56 enum vos_op */
	__u8  flags;			/* 57 VOS_REQ_* */
	__u16 msg_flags;		/* 58 MSG_* of an inline send or receive */
	__u32 turn;			/* 60 written last, release */
};
VOS_ASSERT(sizeof(struct vos_request) == VOS_LINE_SIZE);
VOS_ASSERT(__builtin_offsetof(struct vos_request, len) == 8);
VOS_ASSERT(__builtin_offsetof(struct vos_request, fd) == 12);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg) == 16);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.msg.data) == 28);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.socket.data) == 28);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.option.data) == 28);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.ioctl.data) == 28);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.plain.data) == 28);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.msg.caps) == 32);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.plain.caps) == 32);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.plain.word) == 40);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.file.data) == 28);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.file.caps) == 32);
VOS_ASSERT(__builtin_offsetof(struct vos_request, arg.file.word) == 40);
VOS_ASSERT(__builtin_offsetof(struct vos_request, op) == 56);
VOS_ASSERT(__builtin_offsetof(struct vos_request, turn) == 60);

/* Completion flags. */
#define VOS_CPL_INLINE		(1u << 0)	/* received bytes are in imm */
#define VOS_CPL_TRAP		(1u << 1)	/* not done: make the ordinary system call */

/* One completion: one line, written by the service; its request's turn last, with release. */
struct vos_completion {
	__s64 res;			/* 0  result or -errno */
	__u64 pos;			/* 8  */
	__u32 aux;			/* 16 */
	__u16 pollmask;			/* 20 EPOLL* of the object after the call */
	__u16 flags;			/* 22 VOS_CPL_* */
	__u32 service_cycles;		/* 24 0 so far */
	__u32 queue_cycles;		/* 28 0 so far */
	__u32 send_credit;		/* 32 bytes a send would take now, 0 unknown */
	__u8  imm[VOS_RECV_INLINE];	/* 36 */
	__u32 turn;			/* 60 written last, release */
};
VOS_ASSERT(sizeof(struct vos_completion) == VOS_LINE_SIZE);
VOS_ASSERT(__builtin_offsetof(struct vos_completion, pos) == 8);
VOS_ASSERT(__builtin_offsetof(struct vos_completion, aux) == 16);
VOS_ASSERT(__builtin_offsetof(struct vos_completion, pollmask) == 20);
VOS_ASSERT(__builtin_offsetof(struct vos_completion, flags) == 22);
VOS_ASSERT(__builtin_offsetof(struct vos_completion, service_cycles) == 24);
VOS_ASSERT(__builtin_offsetof(struct vos_completion, send_credit) == 32);
VOS_ASSERT(__builtin_offsetof(struct vos_completion, imm) == 36);
VOS_ASSERT(__builtin_offsetof(struct vos_completion, turn) == 60);

/* --------------------------------------------------------------- lanes */

/* C, one line: what the client tells the poller about its lane. */
struct vos_lane_control {
	/*
	 * Changed by the client before it sleeps; the poller raises one WAKE
	 * event for each value it sees after completing something.
	 */
	__u32 arm;
	__u32 unused[15];
};
VOS_ASSERT(sizeof(struct vos_lane_control) == VOS_LINE_SIZE);

/* S, one line: what the poller tells the client; written on park or move. */
struct vos_lane_status {
	__u32 park_epoch;		/* odd: parked, a doorbell is needed */
	__u32 poller;			/* index of the poller that serves this lane */
	__u32 unused[14];
};
VOS_ASSERT(sizeof(struct vos_lane_status) == VOS_LINE_SIZE);

/* A user lane: 512 bytes of C and 512 bytes of S. */
struct vos_user_lane_c {
	struct vos_lane_control control;
	struct vos_request request[VOS_USER_LANE_DEPTH];
};
VOS_ASSERT(sizeof(struct vos_user_lane_c) == 512);

struct vos_user_lane_s {
	struct vos_lane_status status;
	struct vos_completion completion[VOS_USER_LANE_DEPTH];
};
VOS_ASSERT(sizeof(struct vos_user_lane_s) == 512);

/* A kernel lane: a page of C and a page of S. */
struct vos_kernel_lane_c {
	struct vos_lane_control control;
	struct vos_request request[VOS_KERNEL_LANE_DEPTH];
};
VOS_ASSERT(sizeof(struct vos_kernel_lane_c) == VOS_PAGE_SIZE);

struct vos_kernel_lane_s {
	struct vos_lane_status status;
	struct vos_completion completion[VOS_KERNEL_LANE_DEPTH];
};
VOS_ASSERT(sizeof(struct vos_kernel_lane_s) == VOS_PAGE_SIZE);

/* -------------------------------------------------------- user sessions */

/*
 * C page of an extent: a header of 512 bytes, then VOS_EXTENT_LANES lanes.
 * Only extent 0's header is used.
 */
struct vos_extent_c {
	/*
	 * One byte a lane of the whole session: the owner of a parked lane
	 * adds 1 (the doorbell of a cold lane in an active session).
	 */
	__u8 doorbell[64];
	__u8 unused[448];
	struct vos_user_lane_c lane[VOS_EXTENT_LANES];
};
VOS_ASSERT(sizeof(struct vos_extent_c) == VOS_PAGE_SIZE);
VOS_ASSERT(VOS_MAX_USER_LANES <= 64);

/* S page of an extent: a header of 512 bytes, then the lanes. */
struct vos_extent_s {
	/*
	 * Per poller: non-zero while it looks at this session's doorbells.
	 * Zero: a doorbell also needs the trap (VOS_CALL_KICK).
	 */
	__u32 active[VOS_MAX_POLLERS];
	__u8 unused[480];
	struct vos_user_lane_s lane[VOS_EXTENT_LANES];
};
VOS_ASSERT(sizeof(struct vos_extent_s) == VOS_PAGE_SIZE);

/* One entry of the fd map; handle is loaded and stored whole, by itself. */
struct vos_fdmap_entry {
	__u64 handle;			/* VOS_HANDLE_NONE: not redirected */
	__u32 kind;			/* VOS_KIND_* */
	__u32 unused;
};
VOS_ASSERT(sizeof(struct vos_fdmap_entry) == 16);

#define VOS_KIND_STREAM		(1u << 0)	/* byte stream: partial sends and receives */
#define VOS_KIND_DATAGRAM	(1u << 1)	/* one call is one message */
#define VOS_KIND_FILE		(1u << 2)	/* regular file: positioned I/O and fsync */

/* K page: the header of a user session; the fd map pages follow it. */
struct vos_session_header {
	__u64 magic;			/* VOS_MAGIC */
	__u32 abi_version;
	__u32 features;
	/* VOS_DEAD_*, non-zero once the session is of no more use: make system calls. */
	__u32 dead;
	/*
	 * Non-zero: trap. While another descriptor table runs in this address
	 * space (vfork, unshare), the fd map is not the caller's; while the
	 * process is traced (VOS_IOC_TRACE), its calls are to be seen.
	 */
	__u32 suspended;
	__u32 spin_cycles;		/* longest useful spin for a completion, TSC cycles */
	__u32 fdmap_entries;
	__u32 user_lane_depth;		/* VOS_USER_LANE_DEPTH */
	__u32 chunk_bytes;		/* arena bytes of one lane */
	__u32 extents;			/* extents granted so far */
	__u32 unused[5];
};
VOS_ASSERT(sizeof(struct vos_session_header) == 64);

#define VOS_DEAD_ENDING		1u	/* what was asked for before may still happen */
#define VOS_DEAD_CLOSED		2u	/* it may not; what is complete stays so */

/*
 * The process's view, one mapping of the session: page offsets.
 * [header][fd map...] then, per extent, [C][S][arena...].
 */
#define VOS_MAP_HEADER		0u
#define VOS_MAP_FDMAP		1u
#define VOS_MAP_EXTENT(i)	(1u + VOS_FDMAP_PAGES + (i) * (2u + VOS_EXTENT_ARENA_PAGES))
#define VOS_MAP_PAGES		VOS_MAP_EXTENT(VOS_MAX_EXTENTS)

/*
 * System call of the shim: prctl(PR_VIRTUOS, op, arg, 0, 0). No descriptor is
 * involved, so programs that count or close descriptors see nothing.
 */
#define PR_VIRTUOS		0x564f5331	/* "VOS1" */

enum vos_call_op {
	/* arg: struct vos_enter *. Creates this process's user session with a domain. */
	VOS_CALL_ENTER		= 1,
	/* arg: vos_call_arg(domain, 0, 0, 0). Adds an extent of lanes. Returns its index. */
	VOS_CALL_EXTEND		= 2,
	/* arg: vos_call_arg(domain, lane, 0, 0). Rings for a lane of a cold session. */
	VOS_CALL_KICK		= 3,
	/*
	 * arg: vos_call_arg(domain, lane, entry, turn). Sleeps until that entry is
	 * complete: 0. Steps the lane's arm word by itself before each look.
	 * -ENETDOWN: the session died, if need be because the completion
	 * never came, and is closed: the entry is complete, or never will be;
	 * -EINTR: handlers ran, call again (the request is never abandoned).
	 */
	VOS_CALL_WAIT		= 4,
	/*
	 * arg: struct vos_copy_range *. Registers the shim's user copy
	 * instructions: a fault there resumes at abort (-EFAULT).
	 */
	VOS_CALL_COPY_RANGE	= 5,
	/*
	 * arg: a descriptor. Which domain serves it to user lanes:
	 * VOS_DOMAIN_*; a session with it makes calls on it faster.
	 */
	VOS_CALL_SERVING	= 6,
};

/*
 * Flag of sendmsg() and recvmsg() on a redirected stream, beside Linux's, none of which
 * it is: this is the rest of a call of which a user lane has done a part, so that the
 * call will not fail. An error is told as always, and by the next call once more.
 */
#define VOS_MSG_REST		0x01000000

/* bits 63..32 turn, 31..16 domain, 15..8 entry of the lane, 7..0 lane of the session */
static inline __u64 vos_call_arg(__u32 domain, __u32 lane, __u32 entry, __u32 turn)
{
	return (__u64)turn << 32 | (domain & 0xffff) << 16 | (entry & 0xff) << 8 | (lane & 0xff);
}

static inline __u32 vos_call_arg_domain(__u64 arg)
{
	return (__u32)(arg >> 16) & 0xffff;
}

static inline __u32 vos_call_arg_lane(__u64 arg)
{
	return (__u32)arg & 0xff;
}

static inline __u32 vos_call_arg_entry(__u64 arg)
{
	return (__u32)(arg >> 8) & 0xff;
}

static inline __u32 vos_call_arg_turn(__u64 arg)
{
	return (__u32)(arg >> 32);
}

struct vos_enter {
	__u32 abi_version;		/* in */
	__u32 domain;			/* in: VOS_DOMAIN_* */
	__u64 base;			/* out: address of the mapping (VOS_MAP_*) */
	__u32 extents;			/* out */
	__u32 unused;
};

struct vos_copy_range {
	__u64 start;			/* first byte of the range */
	__u64 end;			/* first byte after it */
	__u64 abort;			/* where a fault inside resumes */
};

/* ------------------------------------------------------------- objects */

/*
 * S: one line per object. The primary reads, filters and clamps all of it.
 * mask is stored before sequence, both before the READY event.
 */
struct vos_object_state {
	__u32 mask;			/* EPOLL* now */
	__u32 sequence;			/* +1 per publication */
	__s32 error;			/* pending errno (positive) beside EPOLLERR */
	__u32 send_credit;
	__u64 size;			/* 0 so far */
	__u32 unsynced;			/* 0 so far */
	__u32 error_mark;		/* 0 so far */
	/*
	 * Files. The service counts the writes of all files together: the count
	 * after the last write to this one, and up to which one syncs of it have
	 * put everything of its inode on the disk. Stored before the completion.
	 */
	__u64 written;
	__u64 synced;
	/*
	 * Files. Grows with each operation of a user lane on this object that
	 * may have changed attributes of its inode, after it did, before its
	 * completion. From 0, before the primary knows that the file is open.
	 */
	__u64 changes;
	__u64 unused;
};
VOS_ASSERT(sizeof(struct vos_object_state) == VOS_LINE_SIZE);

/* Written by the primary kernel (read-only to the service): 16 bytes per object. */
struct vos_object_interest {
	__u32 arm;			/* changed: one READY event is wanted */
	__u32 unused;
	__u32 flags;			/* VOS_INTEREST_* */
	__u32 unused2;
};
VOS_ASSERT(sizeof(struct vos_object_interest) == 16);

#define VOS_INTEREST_NONBLOCK	(1u << 0)
/* Operations of user lanes on files, and RECV, are answered VOS_CPL_TRAP. */
#define VOS_INTEREST_WITHHELD	(1u << 1)

/* -------------------------------------------------------------- events */

enum vos_event_type {
	VOS_EVENT_READY		= 1,	/* id: object index, data: handle */
	VOS_EVENT_WAKE		= 2,	/* id: session index or VOS_KERNEL_SESSION, data: lane */
};

#define VOS_KERNEL_SESSION	0xffffffffu

/* S: one event from a poller to the primary kernel. */
struct vos_event {
	__u32 id;
	__u16 type;			/* enum vos_event_type */
	__u16 mask;			/* EPOLL* */
	__u64 data;
};
VOS_ASSERT(sizeof(struct vos_event) == 16);

/* S page, two lines per poller: the primary reads the first at every call. */
struct vos_poller_status {
	__u32 sleeping;			/* non-zero: needs an event-channel send */
	__u32 unused[15];
	__u32 produced;			/* events written to its queue, ever */
	__u32 unused2;
	__u64 heartbeat;		/* grows while the poller runs */
	__u64 unused3[6];
};
VOS_ASSERT(sizeof(struct vos_poller_status) == 2 * VOS_LINE_SIZE);
VOS_ASSERT(__builtin_offsetof(struct vos_poller_status, produced) == 64);
VOS_ASSERT(__builtin_offsetof(struct vos_poller_status, heartbeat) == 72);

/* K page of the connection, one line per poller. */
struct vos_poller_control {
	__u32 consumed;			/* events taken from its queue, ever */
	__u32 armed;			/* non-zero: raise the event channel after producing */
	__u64 unused[7];
};
VOS_ASSERT(sizeof(struct vos_poller_control) == VOS_LINE_SIZE);

/* ---------------------------------------------------------- credentials */

/* Capabilities a service asks about, tested by the primary kernel. */
#define VOS_CAP_NET_BIND_SERVICE	(1u << 0)
#define VOS_CAP_NET_BROADCAST		(1u << 1)
#define VOS_CAP_NET_ADMIN		(1u << 2)
#define VOS_CAP_NET_RAW			(1u << 3)
#define VOS_CAP_FSETID			(1u << 4)
#define VOS_CAP_SYS_RESOURCE		(1u << 5)
#define VOS_CAP_ALL			0x3fu

/* Identity under which an object is created and used. Ids are initial-namespace ids. */
struct vos_credential {
	__u32 fsuid;
	__u32 fsgid;
	__u32 group_count;		/* at most VOS_MAX_GROUPS */
	__u32 unused;
	__u32 groups[VOS_MAX_GROUPS];
};
VOS_ASSERT(sizeof(struct vos_credential) == 16 + 4 * VOS_MAX_GROUPS);

/* ------------------------------------------------------------- handshake */

/* A grant reference per page, in the order of the regions they describe. */
struct vos_extent_grant {
	__u32 index;			/* extent number */
	__u32 pages;			/* 2 + VOS_EXTENT_ARENA_PAGES */
	__u32 ref[2 + VOS_EXTENT_ARENA_PAGES];	/* C, S, arena... */
};

struct vos_session_grant {
	__u32 index;			/* session number, below VOS_MAX_SESSIONS */
	__u32 pages;			/* 1 + VOS_FDMAP_PAGES */
	__u32 ref[1 + VOS_FDMAP_PAGES];	/* header, fd map... (read-only) */
	struct vos_extent_grant extent;
};

/* Regions of a connection, in this order in the flat list of references. */
enum vos_region {
	VOS_REGION_CONTROL	= 0,	/* K: struct vos_poller_control[], 1 page */
	VOS_REGION_STATUS	= 1,	/* S: struct vos_poller_status[], 1 page */
	VOS_REGION_INTEREST	= 2,	/* K: struct vos_object_interest[] */
	VOS_REGION_STATE	= 3,	/* S: struct vos_object_state[] */
	VOS_REGION_EVENTS	= 4,	/* S: struct vos_event[], per poller */
	VOS_REGION_LANES_C	= 5,	/* C: one page per kernel lane */
	VOS_REGION_LANES_S	= 6,	/* S: one page per kernel lane */
	VOS_REGION_ARENA	= 7,	/* A */
	VOS_REGION_COUNT	= 8,
};

#define VOS_EVENT_PAGES		(VOS_EVENT_ENTRIES * 16u / VOS_PAGE_SIZE)
#define VOS_STATE_PAGES		(VOS_MAX_OBJECTS * 64u / VOS_PAGE_SIZE)
#define VOS_INTEREST_PAGES	(VOS_MAX_OBJECTS * 16u / VOS_PAGE_SIZE)
#define VOS_REFS_PER_PAGE	(VOS_PAGE_SIZE / 4u)
#define VOS_MAX_DIRECTORIES	4u

/*
 * K: the root page of a connection, its reference is in xenstore. It lists
 * the directory pages, which hold the flat list of references of all regions.
 */
struct vos_root {
	__u64 magic;
	__u32 abi_version;
	__u32 features;
	__u32 domain;			/* VOS_DOMAIN_* */
	__u32 pollers;
	__u32 kernel_lanes;
	__u32 objects;
	__u32 generation;		/* of the connection, counts from 1 */
	__u32 region_pages[VOS_REGION_COUNT];
	__u32 directories;
	__u32 directory_ref[VOS_MAX_DIRECTORIES];
};
VOS_ASSERT(sizeof(struct vos_root) <= VOS_PAGE_SIZE);

/*
 * xenstore keys. The back-end (primary) directory is
 * /local/domain/<primary>/backend/vos/<domid>/0, the front-end (service) one
 * /local/domain/<domid>/device/vos/0. Values are decimal.
 *
 *   back-end  InitWait:     abi-version, features, kind
 *   front-end Initialised:  abi-version, features, pollers
 *   back-end  Initialised:  root-ref, event-channel-<poller>
 *   front-end Connected
 *   back-end  Connected
 * States only go forward. Either side refuses what it does not understand by
 * writing `error`, a line of text, and going to Closing.
 */
#define VOS_XENBUS_TYPE		"vos"
#define VOS_KEY_ABI		"abi-version"
#define VOS_KEY_FEATURES	"features"
#define VOS_KEY_KIND		"kind"
#define VOS_KEY_POLLERS		"pollers"
#define VOS_KEY_ROOT_REF	"root-ref"
#define VOS_KEY_EVENT_CHANNEL	"event-channel-%u"
#define VOS_KEY_ERROR		"error"

#endif /* VIRTUOS_ABI_H */
