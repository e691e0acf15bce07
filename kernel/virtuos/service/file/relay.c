// SPDX-License-Identifier: GPL-2.0-only
/*
 * The relay: FUSE messages of the primary to the domain's daemon and its
 * answers back, /dev/vosfuse. What the daemon sees of it is in abi/relay.h.
 *
 * A message is an operation that waits here. It is copied once, gets a unique
 * number of the relay's own, and is queued until one of the daemon's threads
 * reads it; the answer goes straight into the arena. The daemon is trusted no
 * further than it has to be: an answer must be for a message that this daemon
 * was given, comes once, and has a length and an error that make sense.
 *
 * The daemon keeps nothing between messages, so another can take over. It is
 * sent the FUSE_INIT of the first one, which the relay keeps, and has to give
 * the same answer; later mounts are given that answer without asking. Then
 * comes what was outstanding:
 *   not read by the dead daemon    as it is
 *   read, may be done twice        as it is
 *   read, may be done already      with its outcome repaired, see below
 *   anything else                  EIO
 * Repair. The primary is the only client of the file system and holds the
 * parent's lock during such a message, and it looked the name up before: so a
 * repeated MKDIR that finds the name taken has found its own work, and the
 * rest of its answer is that of a LOOKUP. Likewise a repeated UNLINK or RENAME
 * that finds the name gone.
 *
 * Everything here is under relay.lock, but for copying to and from the
 * daemon's memory: the message is BUSY then, and belongs to that thread.
 */
#define pr_fmt(fmt) "virtuos: relay: " fmt

#include <linux/bitmap.h>
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <linux/xattr.h>

#include "../../abi/relay.h"
#include "../fault.h"
#include "file.h"

/* Messages waiting and being answered: what the kernel lanes can have outstanding. */
#define VOS_RELAY_MESSAGES	(VOS_MAX_KERNEL_LANES * VOS_KERNEL_LANE_DEPTH)
/* How long one waits while there is no daemon. Below VOS_CALL_TIMEOUT of the primary. */
#define VOS_RELAY_PATIENCE	(10 * HZ)
/* What a poller copies; longer messages go through a worker. */
#define VOS_RELAY_INLINE	4096u
/* FUSE's errors: 0 down to here. */
#define VOS_RELAY_ERROR_MIN	(-511)

/* What may happen to a message that a daemon died with. */
enum vos_relay_class {
	VOS_RELAY_REFUSED = 0,		/* not the daemon's business */
	VOS_RELAY_AGAIN,		/* the same twice is the same as once */
	VOS_RELAY_OPENS,		/* so, with a file attached */
	VOS_RELAY_CREATES,		/* so, but it may exist now */
	VOS_RELAY_MAKES,		/* EEXIST: it was done; the answer is a LOOKUP's */
	VOS_RELAY_REMOVES,		/* ENOENT: it was done */
	VOS_RELAY_STRIPS,		/* ENODATA: it was done */
	VOS_RELAY_SETS,			/* AGAIN, unless it must not exist */
	VOS_RELAY_ONCE,			/* nobody knows */
	VOS_RELAY_INIT,			/* answered by the relay */
	VOS_RELAY_DESTROY,		/* answered by the relay: nothing to do */
};

static const u8 vos_relay_classes[] = {
	[FUSE_LOOKUP]		= VOS_RELAY_AGAIN,
	[FUSE_GETATTR]		= VOS_RELAY_AGAIN,
	[FUSE_SETATTR]		= VOS_RELAY_AGAIN,
	[FUSE_READLINK]		= VOS_RELAY_AGAIN,
	[FUSE_SYMLINK]		= VOS_RELAY_MAKES,
	[FUSE_MKNOD]		= VOS_RELAY_MAKES,
	[FUSE_MKDIR]		= VOS_RELAY_MAKES,
	[FUSE_UNLINK]		= VOS_RELAY_REMOVES,
	[FUSE_RMDIR]		= VOS_RELAY_REMOVES,
	[FUSE_RENAME]		= VOS_RELAY_REMOVES,
	[FUSE_LINK]		= VOS_RELAY_MAKES,
	[FUSE_OPEN]		= VOS_RELAY_OPENS,
	[FUSE_STATFS]		= VOS_RELAY_AGAIN,
	[FUSE_SETXATTR]		= VOS_RELAY_SETS,
	[FUSE_GETXATTR]		= VOS_RELAY_AGAIN,
	[FUSE_LISTXATTR]	= VOS_RELAY_AGAIN,
	[FUSE_REMOVEXATTR]	= VOS_RELAY_STRIPS,
	[FUSE_INIT]		= VOS_RELAY_INIT,
	[FUSE_READDIR]		= VOS_RELAY_AGAIN,
	[FUSE_READDIRPLUS]	= VOS_RELAY_AGAIN,
	[FUSE_FSYNCDIR]		= VOS_RELAY_AGAIN,
	[FUSE_ACCESS]		= VOS_RELAY_AGAIN,
	[FUSE_CREATE]		= VOS_RELAY_CREATES,
	[FUSE_BMAP]		= VOS_RELAY_AGAIN,
	[FUSE_DESTROY]		= VOS_RELAY_DESTROY,
	[FUSE_IOCTL]		= VOS_RELAY_ONCE,
	[FUSE_RENAME2]		= VOS_RELAY_REMOVES,
	[FUSE_SYNCFS]		= VOS_RELAY_AGAIN,
	[FUSE_TMPFILE]		= VOS_RELAY_OPENS,
	[FUSE_STATX]		= VOS_RELAY_AGAIN,
};

enum vos_relay_state {
	VOS_RELAY_QUEUED,		/* on relay.queue */
	VOS_RELAY_WAITING,		/* for the answer to FUSE_INIT; on relay.mounts */
	VOS_RELAY_READ,			/* the daemon has it */
	VOS_RELAY_BUSY,			/* a thread of the daemon reads or answers it */
};

struct vos_relay_message {
	struct list_head node;		/* QUEUED, WAITING */
	enum vos_relay_state state;
	enum vos_relay_class class;
	u32 slot;
	bool repeated;			/* a dead daemon had it */
	unsigned long expires;		/* jiffies; counts while there is no daemon */
	u64 unique;			/* the client's; the message has the relay's */
	const struct cred *cred;	/* of the object it opens, or NULL */
	struct file *file;		/* attached, or NULL */
	struct vos_operation op;
	u32 bytes;
	union {
		struct fuse_in_header in;
		DECLARE_FLEX_ARRAY(char, text);
	};
};

/* What a daemon has to do before it gets messages. */
enum vos_relay_daemon_state {
	VOS_DAEMON_NONE,		/* there is no daemon */
	VOS_DAEMON_FRESH,		/* FUSE_INIT is to be sent, once there is one */
	VOS_DAEMON_STARTING,		/* it has been read */
	VOS_DAEMON_READY,
	VOS_DAEMON_REFUSED,		/* its answer did not fit */
};

static struct vos_relay {
	spinlock_t lock;		/* everything below and all messages that are not BUSY */
	enum vos_relay_daemon_state daemon;
	bool stopping;			/* the connection ends: nothing is read or answered */
	u32 busy;			/* messages BUSY */
	u64 sequence;			/* of unique numbers */
	u64 init_unique;		/* of the FUSE_INIT that a daemon has */
	struct list_head queue;		/* messages a daemon may read */
	struct list_head mounts;	/* FUSE_INIT of mounts that wait for the first answer */
	struct vos_relay_message *message[VOS_RELAY_MESSAGES];	/* by slot */
	unsigned long slots[BITS_TO_LONGS(VOS_RELAY_MESSAGES)];

	/* The FUSE_INIT that daemons get, and the answer of the first one. */
	bool init_known;
	bool answer_known;
	struct {
		struct fuse_in_header in;
		struct fuse_init_in arg;
	} init;
	struct fuse_init_out answer;

	wait_queue_head_t readers;
	wait_queue_head_t idle;		/* busy became 0 */
	struct delayed_work expiry;
} relay;

/* Slot of a unique number that is the relay's FUSE_INIT. */
#define VOS_RELAY_INIT_SLOT	VOS_RELAY_MESSAGES
#define VOS_RELAY_SLOT_BITS	9
static_assert(VOS_RELAY_INIT_SLOT < 1u << VOS_RELAY_SLOT_BITS);

/* Even, because FUSE marks interrupts in bit 0. */
static u64 vos_relay_unique(u32 slot)
{
	return (++relay.sequence << VOS_RELAY_SLOT_BITS | slot) << 1;
}

/* ------------------------------------------------------------- messages */

static void vos_relay_free(struct vos_relay_message *m)
{
	if (m->file)
		fput(m->file);
	if (m->cred)
		put_cred(m->cred);
	/* Also under relay.lock. */
	if (is_vmalloc_addr(m))
		vfree_atomic(m);
	else
		kfree(m);
}

/* Off every list; the caller completes or drops it. */
static void vos_relay_take(struct vos_relay_message *m)
{
	lockdep_assert_held(&relay.lock);
	list_del_init(&m->node);
	relay.message[m->slot] = NULL;
	__clear_bit(m->slot, relay.slots);
}

/* Answers the operation, which is gone then: bytes of the reply, or -errno. */
static void vos_relay_finish(struct vos_relay_message *m, s64 res)
{
	m->op.completion.res = res;
	vos_fault_point(m->op.service, VOS_FAULT_AFTER_EXECUTE, m->op.request.op);
	vos_operation_complete(&m->op);
	vos_relay_free(m);
}

/* The header of an answer without anything behind it, in the arena. */
static s64 vos_relay_reply(const struct vos_relay_message *m, s32 error, u32 bytes)
{
	const struct vos_request *request = &m->op.request;
	struct fuse_out_header out = {
		.len = sizeof(out) + bytes,
		.error = error,
		.unique = m->unique,
	};
	int err;

	err = vos_operation_write((struct vos_operation *)&m->op,
				  request->arg.file.data + request->arg.file.word[1], &out,
				  sizeof(out));
	return err ? err : out.len;
}

/* Room for what follows the header of an answer. */
static u32 vos_relay_room(const struct vos_relay_message *m)
{
	const struct vos_request *request = &m->op.request;

	return request->len - request->arg.file.word[1] - sizeof(struct fuse_out_header);
}

/* A string after `skip` bytes of arguments, whole, or NULL. */
static const char *vos_relay_string(const struct vos_relay_message *m, u32 skip)
{
	u32 at = sizeof(m->in) + skip;

	if (at >= m->bytes || !memchr(m->text + at, 0, m->bytes - at))
		return NULL;
	return m->text + at;
}

/* Bytes of arguments before the name that a message of class MAKES makes. */
static u32 vos_relay_name_at(u32 opcode)
{
	switch (opcode) {
	case FUSE_MKNOD:
		return sizeof(struct fuse_mknod_in);
	case FUSE_MKDIR:
		return sizeof(struct fuse_mkdir_in);
	case FUSE_LINK:
		return sizeof(struct fuse_link_in);
	default:
		return 0;
	}
}

/* Bytes that a message must have, for what the relay itself looks at. */
static bool vos_relay_whole(const struct vos_relay_message *m)
{
	u32 arguments = m->bytes - sizeof(m->in);

	switch (m->in.opcode) {
	case FUSE_INIT:
		return arguments >= sizeof(struct fuse_init_in);
	case FUSE_CREATE:
		return arguments >= sizeof(struct fuse_create_in);
	case FUSE_RENAME2:
		return arguments >= sizeof(struct fuse_rename2_in);
	case FUSE_SETXATTR:
		return arguments >= FUSE_COMPAT_SETXATTR_IN_SIZE;
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_LINK:
	case FUSE_SYMLINK:
		return vos_relay_string(m, vos_relay_name_at(m->in.opcode));
	default:
		return true;
	}
}

/* Makes a LOOKUP of what should have made the name. */
static void vos_relay_make_lookup(struct vos_relay_message *m)
{
	const char *name = vos_relay_string(m, vos_relay_name_at(m->in.opcode));
	u32 length = strlen(name) + 1;

	memmove(m->text + sizeof(m->in), name, length);
	m->bytes = sizeof(m->in) + length;
	m->in.len = m->bytes;
	m->in.opcode = FUSE_LOOKUP;
	m->in.total_extlen = 0;
	m->class = VOS_RELAY_AGAIN;
}

/* A daemon died with it: makes it what may be sent again. False: nothing may. */
static bool vos_relay_repair(struct vos_relay_message *m)
{
	void *arguments = m->text + sizeof(m->in);

	switch (m->class) {
	case VOS_RELAY_CREATES:
		((struct fuse_create_in *)arguments)->flags &= ~O_EXCL;
		return true;
	case VOS_RELAY_REMOVES:
		/* An exchange undoes itself; a whiteout would be moved. */
		return m->in.opcode != FUSE_RENAME2 ||
		       !(((struct fuse_rename2_in *)arguments)->flags & ~RENAME_NOREPLACE);
	case VOS_RELAY_SETS:
		return !(((struct fuse_setxattr_in *)arguments)->flags & XATTR_CREATE);
	case VOS_RELAY_ONCE:
		return false;
	default:
		return true;
	}
}

/* An error that tells of the work of a dead daemon: true, it is no error. */
static bool vos_relay_was_done(const struct vos_relay_message *m, s32 error)
{
	if (!m->repeated)
		return false;
	return (m->class == VOS_RELAY_REMOVES && error == -ENOENT) ||
	       (m->class == VOS_RELAY_STRIPS && error == -ENODATA);
}

/* --------------------------------------------------------------- waiting */

static bool vos_relay_served(void)
{
	return relay.daemon == VOS_DAEMON_READY;
}

/* To the daemon, before or behind the others. */
static void vos_relay_enqueue(struct vos_relay_message *m, bool first)
{
	lockdep_assert_held(&relay.lock);
	m->state = VOS_RELAY_QUEUED;
	if (first)
		list_add(&m->node, &relay.queue);
	else
		list_add_tail(&m->node, &relay.queue);
	if (vos_relay_served()) {
		wake_up_interruptible(&relay.readers);
		return;
	}
	m->expires = jiffies + VOS_RELAY_PATIENCE;
	queue_delayed_work(system_wq, &relay.expiry, VOS_RELAY_PATIENCE);
}

/*
 * Gives up messages that found no daemon for too long. One that no daemon
 * has ever read was certainly not executed.
 */
static void vos_relay_expire(struct list_head *list, unsigned long *next)
{
	struct vos_relay_message *m, *other;

	list_for_each_entry_safe(m, other, list, node) {
		if (time_after_eq(jiffies, m->expires)) {
			vos_relay_take(m);
			vos_relay_finish(m, m->repeated ? -EIO : -ENOTCONN);
		} else {
			*next = min(*next, m->expires - jiffies);
		}
	}
}

static void vos_relay_expiry(struct work_struct *work)
{
	unsigned long next = MAX_JIFFY_OFFSET;

	spin_lock(&relay.lock);
	if (!vos_relay_served() && !relay.stopping) {
		vos_relay_expire(&relay.queue, &next);
		vos_relay_expire(&relay.mounts, &next);
		if (next != MAX_JIFFY_OFFSET)
			queue_delayed_work(system_wq, &relay.expiry, next);
	}
	spin_unlock(&relay.lock);
}

/* ------------------------------------------------------------- FUSE_INIT */

/* Answers a mount with what the first daemon said, if that suits it too. */
static void vos_relay_mounted(struct vos_relay_message *m)
{
	const struct fuse_init_in *asked = (const void *)(m->text + sizeof(m->in));
	const struct fuse_init_out *answer = &relay.answer;
	const struct vos_request *request = &m->op.request;
	u32 bytes = min_t(u32, sizeof(*answer), vos_relay_room(m));
	int err;

	lockdep_assert_held(&relay.lock);
	vos_relay_take(m);
	if (asked->major != relay.init.arg.major || asked->minor != relay.init.arg.minor ||
	    (answer->flags & relay.init.arg.flags & ~asked->flags) ||
	    (answer->flags2 & relay.init.arg.flags2 & ~asked->flags2)) {
		vos_relay_finish(m, -EPROTO);
		return;
	}
	err = vos_operation_write(&m->op, request->arg.file.data + request->arg.file.word[1] +
				  sizeof(struct fuse_out_header), answer, bytes);
	vos_relay_finish(m, err ? err : vos_relay_reply(m, 0, bytes));
}

static void vos_relay_mount(struct vos_relay_message *m)
{
	lockdep_assert_held(&relay.lock);
	if (relay.answer_known) {
		vos_relay_mounted(m);
		return;
	}
	if (!relay.init_known) {
		memcpy(&relay.init, m->text, sizeof(relay.init));
		relay.init.in.len = sizeof(relay.init);
		relay.init.in.total_extlen = 0;
		relay.init_known = true;
		wake_up_interruptible(&relay.readers);
	}
	m->state = VOS_RELAY_WAITING;
	m->expires = jiffies + VOS_RELAY_PATIENCE;
	list_add_tail(&m->node, &relay.mounts);
	queue_delayed_work(system_wq, &relay.expiry, VOS_RELAY_PATIENCE);
}

/* May messages made for one answer be sent to a daemon that gave another? */
static bool vos_relay_same_answer(const struct fuse_init_out *a, const struct fuse_init_out *b)
{
	return a->major == b->major && a->minor == b->minor && a->flags == b->flags &&
	       a->flags2 == b->flags2 && a->time_gran == b->time_gran &&
	       a->max_write == b->max_write && a->max_pages == b->max_pages &&
	       a->map_alignment == b->map_alignment && a->max_readahead == b->max_readahead;
}

/* The answer of the daemon to FUSE_INIT; bytes of answer are valid, the others 0. */
static void vos_relay_initialised(s32 error, const struct fuse_init_out *answer, u32 bytes)
{
	struct vos_relay_message *m, *other;

	lockdep_assert_held(&relay.lock);
	if (!error && bytes < offsetofend(struct fuse_init_out, flags2))
		error = -EPROTO;
	if (!error && relay.answer_known && !vos_relay_same_answer(answer, &relay.answer))
		error = -EPROTO;
	if (error) {
		pr_err("the daemon answered FUSE_INIT with something else: %d\n", error);
		relay.daemon = VOS_DAEMON_REFUSED;
		wake_up_interruptible_all(&relay.readers);
		if (relay.answer_known)
			return;
		/* The first: another mount may ask for something else. */
		relay.init_known = false;
		list_for_each_entry_safe(m, other, &relay.mounts, node) {
			vos_relay_take(m);
			vos_relay_finish(m, vos_relay_reply(m, error, 0));
		}
		return;
	}
	relay.answer = *answer;
	relay.answer_known = true;
	relay.daemon = VOS_DAEMON_READY;
	list_for_each_entry_safe(m, other, &relay.mounts, node)
		vos_relay_mounted(m);
	wake_up_interruptible_all(&relay.readers);
}

/* --------------------------------------------------------- VOS_OP_FUSE */

/* The message of a request, checked and copied; or ERR_PTR. */
static struct vos_relay_message *vos_relay_message(struct vos_operation *op)
{
	const struct vos_request *request = &op->request;
	bool opens = request->handle != VOS_HANDLE_NONE;
	u32 prefix = opens ? sizeof(struct vos_credential) : 0;
	u64 bytes = request->arg.file.word[0];
	u64 reply = request->arg.file.word[1];
	u32 data = request->arg.file.data;
	struct vos_relay_message *m;
	int err;

	if ((request->flags & VOS_REQ_INLINE) || bytes < sizeof(m->in) ||
	    bytes > VOS_RELAY_MESSAGE_MAX || prefix + bytes > request->len || reply % 8 ||
	    reply > request->len || request->len - reply < sizeof(struct fuse_out_header))
		return ERR_PTR(-EPROTO);
	if (data > op->arena_bytes || request->len > op->arena_bytes - data)
		return ERR_PTR(-EFAULT);
	m = kvzalloc(struct_size(m, text, bytes), GFP_KERNEL);
	if (!m)
		return ERR_PTR(-ENOMEM);
	m->op = *op;
	m->bytes = bytes;
	INIT_LIST_HEAD(&m->node);
	err = vos_operation_read(op, m->text, data + prefix, bytes);
	if (err)
		goto free;
	err = -EPROTO;
	if (m->in.len != bytes)
		goto free;
	if (m->in.opcode < ARRAY_SIZE(vos_relay_classes))
		m->class = vos_relay_classes[m->in.opcode];
	err = -ENOSYS;
	if (m->class == VOS_RELAY_REFUSED)
		goto free;
	err = -EPROTO;
	if (opens != (m->class == VOS_RELAY_OPENS || m->class == VOS_RELAY_CREATES) ||
	    !vos_relay_whole(m))
		goto free;
	m->unique = m->in.unique;
	if (opens) {
		struct vos_credential identity;

		if (!vos_service_handle_valid(op->service, request->handle))
			goto free;
		err = vos_operation_read(op, &identity, data, sizeof(identity));
		if (err)
			goto free;
		m->cred = vos_credential_make(&identity, request->arg.file.caps & VOS_CAP_ALL);
		if (IS_ERR(m->cred)) {
			err = PTR_ERR(m->cred);
			m->cred = NULL;
			goto free;
		}
	}
	return m;
free:
	vos_relay_free(m);
	return ERR_PTR(err);
}

void vos_op_fuse(struct vos_operation *op)
{
	struct vos_relay_message *m;
	u32 slot;

	if (op->request.arg.file.word[0] > VOS_RELAY_INLINE && !vos_operation_in_worker(op)) {
		vos_operation_defer(op);
		return;
	}
	m = vos_relay_message(op);
	if (IS_ERR(m)) {
		op->completion.res = PTR_ERR(m);
		return;
	}
	if (m->class == VOS_RELAY_DESTROY) {
		op->completion.res = vos_relay_reply(m, 0, 0);
		vos_relay_free(m);
		return;
	}
	spin_lock(&relay.lock);
	slot = find_first_zero_bit(relay.slots, VOS_RELAY_MESSAGES);
	if (slot == VOS_RELAY_MESSAGES) {
		spin_unlock(&relay.lock);
		vos_relay_free(m);
		op->completion.res = -EBUSY;
		return;
	}
	/* From here on the operation is the message's. */
	op->deferred = true;
	m->slot = slot;
	__set_bit(slot, relay.slots);
	relay.message[slot] = m;
	m->in.unique = vos_relay_unique(slot);
	if (m->class == VOS_RELAY_INIT)
		vos_relay_mount(m);
	else
		vos_relay_enqueue(m, false);
	spin_unlock(&relay.lock);
}

/**
 * vos_relay_disconnect() - forgets the messages of a connection that ends
 * @s: nothing puts messages here any more; its memory is still mapped
 *
 * What the daemon still has of them it answers in vain. FUSE_INIT and its
 * answer are kept, the daemon is still there.
 */
void vos_relay_disconnect(struct vos_service *s)
{
	u32 slot;

	spin_lock(&relay.lock);
	relay.stopping = true;
	spin_unlock(&relay.lock);
	wait_event(relay.idle, !READ_ONCE(relay.busy));

	spin_lock(&relay.lock);
	for_each_set_bit(slot, relay.slots, VOS_RELAY_MESSAGES) {
		struct vos_relay_message *m = relay.message[slot];

		vos_relay_take(m);
		vos_relay_free(m);
	}
	if (!relay.answer_known && relay.daemon != VOS_DAEMON_STARTING)
		relay.init_known = false;
	relay.stopping = false;
	spin_unlock(&relay.lock);
}

/* ------------------------------------------------------------ the daemon */

static int vos_relay_open(struct inode *inode, struct file *file)
{
	int err = 0;

	spin_lock(&relay.lock);
	if (relay.daemon == VOS_DAEMON_NONE)
		relay.daemon = VOS_DAEMON_FRESH;
	else
		err = -EBUSY;
	spin_unlock(&relay.lock);
	return err ? err : stream_open(inode, file);
}

/* The daemon is gone, no thread of it is in here. */
static int vos_relay_release(struct inode *inode, struct file *file)
{
	u32 slot;

	spin_lock(&relay.lock);
	relay.daemon = VOS_DAEMON_NONE;
	for_each_set_bit(slot, relay.slots, VOS_RELAY_MESSAGES) {
		struct vos_relay_message *m = relay.message[slot];

		if (m->state != VOS_RELAY_READ) {
			m->expires = jiffies + VOS_RELAY_PATIENCE;
			continue;
		}
		if (m->file)
			fput(m->file);
		m->file = NULL;
		m->repeated = true;
		if (vos_relay_repair(m)) {
			vos_relay_enqueue(m, true);
		} else {
			vos_relay_take(m);
			vos_relay_finish(m, -EIO);
		}
	}
	queue_delayed_work(system_wq, &relay.expiry, VOS_RELAY_PATIENCE);
	spin_unlock(&relay.lock);
	return 0;
}

/* Is there something to read? Also an error is. */
static bool vos_relay_readable(void)
{
	switch (relay.daemon) {
	case VOS_DAEMON_FRESH:
		return relay.init_known;
	case VOS_DAEMON_READY:
		return !list_empty(&relay.queue) && !relay.stopping;
	case VOS_DAEMON_REFUSED:
		return true;
	default:
		return false;
	}
}

static void vos_relay_idle(void)
{
	lockdep_assert_held(&relay.lock);
	if (--relay.busy == 0)
		wake_up(&relay.idle);
}

/* FUSE_INIT, to a daemon that has not had it. Unlocks. */
static ssize_t vos_relay_read_init(struct iov_iter *to)
	__releases(&relay.lock)
{
	typeof(relay.init) init = relay.init;
	bool copied;

	init.in.unique = vos_relay_unique(VOS_RELAY_INIT_SLOT);
	relay.init_unique = init.in.unique;
	relay.daemon = VOS_DAEMON_STARTING;
	spin_unlock(&relay.lock);
	copied = copy_to_iter(&init, sizeof(init), to) == sizeof(init);
	if (copied)
		return sizeof(init);
	spin_lock(&relay.lock);
	if (relay.daemon == VOS_DAEMON_STARTING)
		relay.daemon = VOS_DAEMON_FRESH;
	spin_unlock(&relay.lock);
	return -EFAULT;
}

/* The first message of the queue. 0: it was none for this buffer, try again. Unlocks. */
static ssize_t vos_relay_read_message(struct iov_iter *to)
	__releases(&relay.lock)
{
	struct vos_relay_message *m =
		list_first_entry(&relay.queue, struct vos_relay_message, node);
	ssize_t res = m->bytes;

	if (iov_iter_count(to) < m->bytes) {
		vos_relay_take(m);
		vos_relay_finish(m, vos_relay_reply(m, m->in.opcode == FUSE_SETXATTR ? -E2BIG :
						    -EIO, 0));
		spin_unlock(&relay.lock);
		return 0;
	}
	list_del_init(&m->node);
	m->state = VOS_RELAY_BUSY;
	relay.busy++;
	spin_unlock(&relay.lock);
	if (copy_to_iter(m->text, m->bytes, to) != m->bytes)
		res = -EFAULT;
	spin_lock(&relay.lock);
	if (res > 0)
		m->state = VOS_RELAY_READ;
	else
		vos_relay_enqueue(m, true);
	vos_relay_idle();
	spin_unlock(&relay.lock);
	return res;
}

static ssize_t vos_relay_get(struct file *device, struct iov_iter *to)
{
	if (iov_iter_count(to) < FUSE_MIN_READ_BUFFER)
		return -EINVAL;
	for (;;) {
		ssize_t res;

		spin_lock(&relay.lock);
		if (relay.daemon == VOS_DAEMON_REFUSED) {
			spin_unlock(&relay.lock);
			return -EPROTO;
		}
		if (vos_relay_readable()) {
			res = relay.daemon == VOS_DAEMON_READY ? vos_relay_read_message(to) :
								 vos_relay_read_init(to);
			if (res)
				return res;
			continue;
		}
		spin_unlock(&relay.lock);
		if (device->f_flags & O_NONBLOCK)
			return -EAGAIN;
		/* A look without the lock; the one that counts is above. */
		if (wait_event_interruptible_exclusive(relay.readers, vos_relay_readable()))
			return -ERESTARTSYS;
	}
}

static ssize_t vos_relay_read(struct kiocb *kiocb, struct iov_iter *to)
{
	return vos_relay_get(kiocb->ki_filp, to);
}

/* The message that this daemon has under a number, or NULL. */
static struct vos_relay_message *vos_relay_find(u64 unique)
{
	u32 slot = (unique >> 1) & ((1u << VOS_RELAY_SLOT_BITS) - 1);
	struct vos_relay_message *m;

	lockdep_assert_held(&relay.lock);
	if (slot >= VOS_RELAY_MESSAGES || relay.stopping)
		return NULL;
	m = relay.message[slot];
	return m && m->in.unique == unique && m->state == VOS_RELAY_READ ? m : NULL;
}

static ssize_t vos_relay_answer_init(const struct fuse_out_header *out, struct iov_iter *from)
{
	struct fuse_init_out answer = {};
	size_t total = iov_iter_count(from);
	size_t bytes = min(total, sizeof(answer));
	s32 error = out->error;

	if (copy_from_iter(&answer, bytes, from) != bytes)
		return -EFAULT;
	spin_lock(&relay.lock);
	if (relay.daemon != VOS_DAEMON_STARTING || relay.init_unique != out->unique) {
		spin_unlock(&relay.lock);
		return -ENOENT;
	}
	vos_relay_initialised(error, &answer, bytes);
	spin_unlock(&relay.lock);
	return sizeof(*out) + total;
}

/* The body of an answer, from the daemon's memory into the arena. */
static int vos_relay_copy(struct vos_relay_message *m, struct iov_iter *from)
{
	const struct vos_request *request = &m->op.request;
	size_t left = iov_iter_count(from);
	u32 at = request->arg.file.data + request->arg.file.word[1] +
		 sizeof(struct fuse_out_header);

	/* vos_relay_message() has checked that len is in the arena, vos_relay_put() the room. */
	while (left) {
		u32 n = min_t(size_t, left, VOS_PAGE_SIZE - at % VOS_PAGE_SIZE);
		char *page = vos_mapping_page(m->op.arena,
					      m->op.arena_first + at / VOS_PAGE_SIZE);

		if (copy_from_iter(page + at % VOS_PAGE_SIZE, n, from) != n)
			return -EFAULT;
		at += n;
		left -= n;
	}
	return 0;
}

/* What was opened becomes the object that the primary wants. */
static int vos_relay_open_object(struct vos_relay_message *m)
{
	struct file *file = m->file;
	const struct cred *cred = m->cred;

	if (!file)
		return -EIO;
	m->file = NULL;
	m->cred = NULL;
	return vos_file_install(m->op.service, m->op.request.handle, file, cred,
				m->op.request.arg.file.caps & VOS_CAP_ALL);
}

/*
 * The operation's result of an answer; BUSY. The arena may hold a header
 * already: it counts for nothing unless its length is returned.
 */
static s64 vos_relay_accept(struct vos_relay_message *m, s32 error, struct iov_iter *from)
{
	u32 bytes = iov_iter_count(from);
	s64 res;
	int err;

	if (error)
		return vos_relay_reply(m, vos_relay_was_done(m, error) ? 0 : error, 0);
	res = vos_relay_reply(m, 0, bytes);
	if (res < 0)
		return res;
	err = vos_relay_copy(m, from);
	if (err)
		return -EIO;
	if (m->cred) {
		err = vos_relay_open_object(m);
		if (err)
			return vos_relay_reply(m, err, 0);
	}
	return res;
}

static ssize_t vos_relay_put(struct iov_iter *from)
{
	size_t total = iov_iter_count(from);
	struct vos_relay_message *m;
	struct fuse_out_header out;
	bool sound;
	s64 res = -EIO;

	if (copy_from_iter(&out, sizeof(out), from) != sizeof(out))
		return total < sizeof(out) ? -EINVAL : -EFAULT;
	sound = out.len == total && out.error <= 0 && out.error >= VOS_RELAY_ERROR_MIN &&
		(!out.error || total == sizeof(out));
	if (((out.unique >> 1) & ((1u << VOS_RELAY_SLOT_BITS) - 1)) == VOS_RELAY_INIT_SLOT)
		return sound ? vos_relay_answer_init(&out, from) : -EINVAL;

	spin_lock(&relay.lock);
	m = vos_relay_find(out.unique);
	if (!m) {
		spin_unlock(&relay.lock);
		return -ENOENT;
	}
	if (m->repeated && m->class == VOS_RELAY_MAKES && sound && out.error == -EEXIST) {
		vos_relay_make_lookup(m);
		m->in.unique = vos_relay_unique(m->slot);
		vos_relay_enqueue(m, true);
		spin_unlock(&relay.lock);
		return total;
	}
	m->state = VOS_RELAY_BUSY;
	relay.busy++;
	spin_unlock(&relay.lock);

	if (sound && total - sizeof(out) <= vos_relay_room(m))
		res = vos_relay_accept(m, out.error, from);
	else
		sound = false;

	spin_lock(&relay.lock);
	vos_relay_take(m);
	vos_relay_finish(m, res);
	vos_relay_idle();
	spin_unlock(&relay.lock);
	return sound ? total : -EINVAL;
}

static ssize_t vos_relay_write(struct kiocb *kiocb, struct iov_iter *from)
{
	return vos_relay_put(from);
}

static int vos_relay_attach(const struct vos_fuse_attach *attach)
{
	struct vos_relay_message *m;
	struct file *file, *previous = NULL;
	int err;

	if (attach->unused)
		return -EINVAL;
	file = fget(attach->fd);
	if (!file)
		return -EBADF;
	err = -EINVAL;
	if (!S_ISREG(file_inode(file)->i_mode))
		goto out;
	spin_lock(&relay.lock);
	m = vos_relay_find(attach->unique);
	if (!m) {
		err = -ENOENT;
	} else if (m->cred) {
		previous = m->file;
		m->file = file;
		file = NULL;
		err = 0;
	}
	spin_unlock(&relay.lock);
out:
	if (file)
		fput(file);
	if (previous)
		fput(previous);
	return err;
}

/* The answer of a message that opens a file: an error, if that cannot be attached. */
static void vos_relay_put_file(struct iov_iter *answer, int fd)
{
	struct iov_iter copy = *answer;
	struct fuse_out_header out;
	struct kvec kvec = { &out, sizeof(out) };
	struct vos_fuse_attach attach = { .fd = fd };
	int err = -EINVAL;

	if (copy_from_iter(&out, sizeof(out), &copy) == sizeof(out)) {
		attach.unique = out.unique;
		err = vos_relay_attach(&attach);
	} else {
		out.unique = 0;
	}
	close_fd(fd);
	if (!err) {
		vos_relay_put(answer);
		return;
	}
	out.len = sizeof(out);
	out.error = err;
	iov_iter_kvec(&copy, ITER_SOURCE, &kvec, 1, sizeof(out));
	vos_relay_put(&copy);
}

static long vos_relay_next(struct file *device, const struct vos_fuse_next *next)
{
	struct iov_iter answer, message;
	long res;
	int err;

	if (next->unused)
		return -EINVAL;
	err = import_ubuf(ITER_SOURCE, u64_to_user_ptr(next->answer), next->answer_bytes, &answer);
	if (!err)
		err = import_ubuf(ITER_DEST, u64_to_user_ptr(next->message), next->room, &message);
	if (err)
		return err;
	if (next->answer_bytes && next->fd >= 0)
		vos_relay_put_file(&answer, next->fd);
	else if (next->answer_bytes)
		vos_relay_put(&answer);
	res = vos_relay_get(device, &message);
	/* Not to be made again: the descriptor may be another file by then. */
	return res == -ERESTARTSYS ? -EINTR : res;
}

static long vos_relay_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vos_fuse_attach attach;
	struct vos_fuse_next next;

	switch (cmd) {
	case VOS_FUSE_ATTACH:
		if (copy_from_user(&attach, (void __user *)arg, sizeof(attach)))
			return -EFAULT;
		return vos_relay_attach(&attach);
	case VOS_FUSE_NEXT:
		if (copy_from_user(&next, (void __user *)arg, sizeof(next)))
			return -EFAULT;
		return vos_relay_next(file, &next);
	default:
		return -ENOTTY;
	}
}

static __poll_t vos_relay_poll(struct file *file, poll_table *wait)
{
	__poll_t mask = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &relay.readers, wait);
	spin_lock(&relay.lock);
	if (vos_relay_readable())
		mask |= EPOLLIN | EPOLLRDNORM;
	if (relay.daemon == VOS_DAEMON_REFUSED)
		mask |= EPOLLERR;
	spin_unlock(&relay.lock);
	return mask;
}

static const struct file_operations vos_relay_fops = {
	.owner = THIS_MODULE,
	.open = vos_relay_open,
	.release = vos_relay_release,
	.read_iter = vos_relay_read,
	.write_iter = vos_relay_write,
	.poll = vos_relay_poll,
	.unlocked_ioctl = vos_relay_ioctl,
};

static struct miscdevice vos_relay_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = VOS_RELAY_DEVICE,
	.fops = &vos_relay_fops,
	.mode = 0600,
};

/**
 * vos_relay_init() - once, at boot
 *
 * Return: 0 or -errno.
 */
int __init vos_relay_init(void)
{
	spin_lock_init(&relay.lock);
	INIT_LIST_HEAD(&relay.queue);
	INIT_LIST_HEAD(&relay.mounts);
	init_waitqueue_head(&relay.readers);
	init_waitqueue_head(&relay.idle);
	INIT_DELAYED_WORK(&relay.expiry, vos_relay_expiry);
	return misc_register(&vos_relay_device);
}
