// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests for the daemon of the storage domain, as FUSE messages, and its
 * replies. A reply is taken as a whole or not at all: header, lengths, then
 * what fs/fuse would believe without looking, in private copies.
 *
 * fs/fuse is told what it needs from what this kernel knows, not from what
 * the daemon says: handles and flags of open files, the limits of requests,
 * whether attributes may be kept.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "../abi/relay.h"
#include "vosfs.h"

/* The oldest protocol that says all that is used here. */
#define VOSFS_MINOR_MIN		36u
/* Block sizes that stat may show. */
#define VOSFS_BLOCK_MIN		512u
#define VOSFS_BLOCK_MAX		65536u

/* What of FUSE_INIT is the daemon's to decide. */
#define VOSFS_INIT_OPTIONAL	(FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT | FUSE_DONT_MASK | \
				 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | \
				 FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_CACHE_SYMLINKS | \
				 FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | \
				 FUSE_CREATE_SUPP_GROUP)
/* What the transport does: see vosfs_data.c and vosfs_file.c. */
#define VOSFS_INIT_ALWAYS	(FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | \
				 FUSE_MAX_PAGES | FUSE_INIT_EXT | FUSE_EXPLICIT_INVAL_DATA | \
				 FUSE_DIRECT_IO_ALLOW_MMAP)
/*
 * Without FOPEN_PARALLEL_DIRECT_WRITES: a mapping would wait for writers with
 * mmap_lock held, and they may need that to get at their data.
 */
#define VOSFS_OPEN_FLAGS	(FOPEN_DIRECT_IO | FOPEN_KEEP_CACHE | FOPEN_NOFLUSH)

/* ------------------------------------------------------- parts of replies */

void vosfs_check_attr(struct fuse_attr *attr)
{
	if (!is_power_of_2(attr->blksize) || attr->blksize < VOSFS_BLOCK_MIN ||
	    attr->blksize > VOSFS_BLOCK_MAX)
		attr->blksize = PAGE_SIZE;
	/* No sub-mounts, no DAX. */
	attr->flags = 0;
}

/*
 * What may change behind this kernel's back is not kept: fs/fuse uses some of
 * these replies even if the attributes have been made invalid meanwhile.
 */
static void vosfs_check_valid(struct vosfs *fs, u64 nodeid, u64 *valid, u32 *valid_nsec)
{
	if (!vosfs_node_lent(fs, nodeid))
		return;
	*valid = 0;
	*valid_nsec = 0;
}

static void vosfs_check_attr_out(struct vosfs *fs, u64 nodeid, struct fuse_attr_out *out)
{
	vosfs_check_attr(&out->attr);
	vosfs_check_valid(fs, nodeid, &out->attr_valid, &out->attr_valid_nsec);
}

static void vosfs_check_entry(struct vosfs *fs, struct fuse_entry_out *entry)
{
	vosfs_check_attr(&entry->attr);
	vosfs_check_valid(fs, entry->nodeid, &entry->attr_valid, &entry->attr_valid_nsec);
}

/* What fs/fuse wants of a created file; else it would forget the open one. */
static bool vosfs_entry_usable(struct fuse_entry_out *entry)
{
	return S_ISREG(entry->attr.mode) && !invalid_nodeid(entry->nodeid) &&
	       !fuse_invalid_attr(&entry->attr);
}

static void vosfs_check_statx(struct vosfs *fs, u64 nodeid, struct fuse_statx_out *out)
{
	struct fuse_statx *sx = &out->stat;

	if (!is_power_of_2(sx->blksize) || sx->blksize < VOSFS_BLOCK_MIN ||
	    sx->blksize > VOSFS_BLOCK_MAX)
		sx->blksize = PAGE_SIZE;
	vosfs_check_valid(fs, nodeid, &out->attr_valid, &out->attr_valid_nsec);
}

static void vosfs_check_statfs(struct fuse_statfs_out *out)
{
	/* Programs divide by them. */
	if (!out->st.bsize)
		out->st.bsize = PAGE_SIZE;
	if (!out->st.frsize)
		out->st.frsize = out->st.bsize;
	out->st.namelen = min_t(u32, out->st.namelen, FUSE_NAME_MAX);
}

/* The copy that fs/fuse is going to parse, which stops where this one does. */
static void vosfs_check_direntplus(struct vosfs *fs, struct fuse_req *req, u32 bytes)
{
	struct fuse_args_pages *ap = container_of(req->args, struct fuse_args_pages, args);
	void *page, *p;

	if (WARN_ON_ONCE(!req->args->out_pages || ap->num_pages != 1 || bytes > PAGE_SIZE))
		return;
	page = kmap_local_page(ap->pages[0]);
	p = page;
	while (bytes >= FUSE_NAME_OFFSET_DIRENTPLUS) {
		struct fuse_direntplus *entry = p;
		size_t length;

		if (entry->dirent.namelen > FUSE_NAME_MAX)
			break;
		length = FUSE_DIRENTPLUS_SIZE(entry);
		if (length > bytes)
			break;
		vosfs_check_entry(fs, &entry->entry_out);
		p += length;
		bytes -= length;
	}
	kunmap_local(page);
}

static int vosfs_check_init(struct fuse_init_out *out, u32 bytes)
{
	u64 flags;

	/* Any size would do for fs/fuse, which speaks older versions too. */
	if (bytes != sizeof(*out) || out->major != FUSE_KERNEL_VERSION ||
	    out->minor < VOSFS_MINOR_MIN)
		return -EIO;
	flags = out->flags;
	if (flags & FUSE_INIT_EXT)
		flags |= (u64)out->flags2 << 32;
	flags = (flags & VOSFS_INIT_OPTIONAL) | VOSFS_INIT_ALWAYS;
	*out = (struct fuse_init_out) {
		.major = FUSE_KERNEL_VERSION,
		.minor = min_t(u32, out->minor, FUSE_KERNEL_MINOR_VERSION),
		.flags = lower_32_bits(flags),
		.flags2 = upper_32_bits(flags),
		.max_readahead = VOSFS_READAHEAD,
		.max_background = VOSFS_WORKERS,
		.congestion_threshold = VOSFS_CONGESTED,
		.max_write = VOS_MAX_TRANSFER,
		.max_pages = VOSFS_MAX_PAGES,
		.time_gran = 1,
	};
	return 0;
}

/* ----------------------------------------------------------------- reply */

/* An error that fs/fuse takes for "never ask again" is allowed where that does no harm. */
static bool vosfs_may_be_unknown(u32 opcode)
{
	switch (opcode) {
	case FUSE_STATX:
	case FUSE_IOCTL:
	case FUSE_RENAME2:
	case FUSE_TMPFILE:
	case FUSE_BMAP:
	case FUSE_SETXATTR:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_REMOVEXATTR:
		return true;
	default:
		return false;
	}
}

/* The private copies of the reply's arguments, @bytes in all. 0 or -errno. */
static int vosfs_check_reply(struct vosfs *fs, struct fuse_req *req, u32 bytes)
{
	struct fuse_args *args = req->args;
	void *out = args->out_numargs ? args->out_args[0].value : NULL;
	u64 nodeid = req->in.h.nodeid;

	switch (req->in.h.opcode) {
	case FUSE_LOOKUP:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
		vosfs_check_entry(fs, out);
		return 0;
	case FUSE_LINK: {
		struct fuse_entry_out *entry = out;

		/* Of a file that others change, which fs/fuse takes however old it is. */
		vosfs_check_entry(fs, entry);
		entry->attr_valid = 0;
		entry->attr_valid_nsec = 0;
		return 0;
	}
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		vosfs_check_entry(fs, out);
		return vosfs_entry_usable(out) ? 0 : -EIO;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		vosfs_check_attr_out(fs, nodeid, out);
		return 0;
	case FUSE_STATX:
		vosfs_check_statx(fs, nodeid, out);
		return 0;
	case FUSE_STATFS:
		vosfs_check_statfs(out);
		return 0;
	case FUSE_READDIRPLUS:
		vosfs_check_direntplus(fs, req, bytes);
		return 0;
	case FUSE_IOCTL: {
		struct fuse_ioctl_out *result = out;

		return result->result > -ERESTARTSYS ? 0 : -EIO;
	}
	case FUSE_INIT:
		if (vosfs_check_init(out, bytes))
			return -EIO;
		fs->init = *(const struct fuse_init_in *)req->args->in_args[0].value;
		fs->answer = *(const struct fuse_init_out *)out;
		return 0;
	default:
		return 0;
	}
}

/*
 * A reply of @bytes at @data, shared memory. 0: it is in the request; *refused:
 * the daemon said no and means it, or else it made no sense.
 */
static int vosfs_reply(struct vosfs *fs, struct vos_connection *c, struct fuse_req *req,
		       const void *data, s64 bytes, u32 room, bool *refused)
{
	struct fuse_args *args = req->args;
	struct fuse_out_header header;
	u32 expected = fuse_len_args(args->out_numargs, args->out_args);
	u32 got;
	int err;

	if (bytes < 0) {
		*refused = true;
		err = vos_call_error(c, bytes);
		return err == -ENOSYS && !vosfs_may_be_unknown(req->in.h.opcode) ? -EIO : err;
	}
	if (bytes < sizeof(header) || bytes > room)
		goto senseless;
	memcpy(&header, data, sizeof(header));
	if (header.len != bytes || header.unique != req->in.h.unique ||
	    header.error > 0 || header.error <= -ERESTARTSYS)
		goto senseless;
	got = bytes - sizeof(header);
	if (header.error) {
		if (got)
			goto senseless;
		*refused = true;
		if (header.error == -ENOSYS && !vosfs_may_be_unknown(req->in.h.opcode))
			return -EIO;
		return header.error;
	}
	if (got != expected) {
		u32 missing = expected - got;
		struct fuse_arg *last = &args->out_args[args->out_numargs - 1];

		if (got > expected || !args->out_argvar || missing > last->size)
			goto senseless;
		last->size -= missing;
	}
	vosfs_copy_out(req, 0, data + sizeof(header), got);
	err = vosfs_check_reply(fs, req, got);
	if (!err)
		return 0;
senseless:
	vos_count(c, VOS_COUNT_REJECTED);
	return -EIO;
}

/* --------------------------------------------------------------- message */

static u32 vosfs_open_flags(const struct fuse_req *req)
{
	const void *in = req->args->in_args[0].value;

	if (req->in.h.opcode == FUSE_OPEN)
		return ((const struct fuse_open_in *)in)->flags;
	return ((const struct fuse_create_in *)in)->flags;
}

static bool vosfs_opens(const struct fuse_req *req)
{
	switch (req->in.h.opcode) {
	case FUSE_OPEN:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		return true;
	default:
		return false;
	}
}

/* The open file in the reply is ours, whatever the daemon wrote there. */
static int vosfs_opened(struct fuse_req *req, struct vosfs_file *file)
{
	struct fuse_open_out *open = req->args->out_args[req->args->out_numargs - 1].value;
	u64 nodeid = req->in.h.nodeid;

	if (req->in.h.opcode != FUSE_OPEN)
		nodeid = ((struct fuse_entry_out *)req->args->out_args[0].value)->nodeid;
	*open = (struct fuse_open_out) {
		.fh = file->id,
		.open_flags = VOSFS_OPEN_FLAGS,
	};
	return vosfs_file_opened(file, nodeid, req->in.h.opcode == FUSE_TMPFILE);
}

/* The regular file of a name in a directory that the caller has locked, or 0. */
static u64 vosfs_child(struct vosfs *fs, u64 directory, const char *name)
{
	struct inode *inode = vosfs_inode(fs, directory);
	struct qstr component = QSTR_INIT(name, strlen(name));
	struct dentry *parent, *child = NULL;
	u64 nodeid = 0;

	if (!inode)
		return 0;
	parent = d_find_any_alias(inode);
	iput(inode);
	if (!parent)
		return 0;
	component.hash = full_name_hash(parent, component.name, component.len);
	child = d_lookup(parent, &component);
	if (child && d_is_reg(child))
		nodeid = get_node_id(d_inode(child));
	dput(child);
	dput(parent);
	return nodeid;
}

/*
 * The inode that must stay known during a request: that it opens, or that
 * loses a name by it though it is open. NULL: none; ERR_PTR(-ENOMEM).
 */
static struct vosfs_node *vosfs_hold_for(struct vosfs *fs, const struct fuse_req *req)
{
	const struct fuse_args *args = req->args;
	const struct fuse_rename2_in *rename = args->in_args[0].value;
	u64 nodeid;

	switch (req->in.h.opcode) {
	case FUSE_OPEN:
		return vosfs_node_hold(fs, req->in.h.nodeid, true);
	case FUSE_UNLINK:
		nodeid = vosfs_child(fs, req->in.h.nodeid, args->in_args[0].value);
		break;
	case FUSE_RENAME2:
		if (rename->flags & RENAME_EXCHANGE)
			return NULL;
		fallthrough;
	case FUSE_RENAME:
		/* What struct fuse_rename_in has is the beginning of the other. */
		nodeid = vosfs_child(fs, rename->newdir, args->in_args[2].value);
		break;
	default:
		return NULL;
	}
	return nodeid ? vosfs_node_hold(fs, nodeid, false) : NULL;
}

/*
 * Sends it, and takes the reply. @file: what it opens, or NULL; @keep: what
 * loses its name by it is open. *refused: no file has been opened.
 */
static int vosfs_exchange(struct vosfs *fs, struct vos_connection *c, struct fuse_req *req,
			  struct vosfs_file *file, bool keep, bool *refused)
{
	struct fuse_in_header in = req->in.h;
	u32 prefix = file ? sizeof(struct vos_credential) : 0;
	u32 reply = ALIGN(prefix + req->in.h.len, 8);
	u32 room = sizeof(struct fuse_out_header) +
		   fuse_len_args(req->args->out_numargs, req->args->out_args);
	unsigned int how = vosfs_how(req);
	struct vos_call *call;
	int err;

	*refused = true;
	call = vos_call_new(c, VOS_OP_FUSE, reply + room);
	if (IS_ERR(call))
		return PTR_ERR(call) == -ENETDOWN ? VOSFS_DOWN : PTR_ERR(call);
	call->request.handle = file ? file->object.handle : VOS_HANDLE_NONE;
	call->request.arg.file.caps = file ? file->caps : 0;
	call->request.arg.file.word[0] = req->in.h.len;
	call->request.arg.file.word[1] = reply;
	if (file)
		memcpy(call->data, &file->identity, sizeof(file->identity));
	if (keep)
		in.padding |= VOS_FUSE_KEEP;
	memcpy(call->data + prefix, &in, sizeof(in));
	vosfs_copy_in(call->data + prefix + sizeof(req->in.h), req, 0);
	vos_count_add(c, VOS_COUNT_BYTES_OUT, req->in.h.len);
	if (req->in.h.opcode == FUSE_INIT) {
		/* A domain without a disk is no broken one. */
		call->timeout = VOSFS_INIT_WAIT;
		how = VOS_WAIT_FORGIVING;
	}
	err = vos_call_wait(call, how);
	if (err == -ENETDOWN) {
		err = call->lane ? VOSFS_LOST : VOSFS_DOWN;
	} else if (!err) {
		s64 bytes = call->completion.res;

		*refused = false;
		err = vosfs_reply(fs, c, req, call->data + reply, bytes, room, refused);
		if (bytes > 0)
			vos_count_add(c, VOS_COUNT_BYTES_IN, bytes);
	}
	vos_call_free(call);
	return err;
}

/*
 * It has been done: what may be lost again, and what cannot be any more. 0, or
 * what a sync has to tell.
 */
static int vosfs_done(struct vosfs *fs, struct vos_connection *c, struct fuse_req *req, u64 writes)
{
	u64 nodeid = req->in.h.nodeid;

	switch (req->in.h.opcode) {
	case FUSE_RENAME:
	case FUSE_RENAME2:
		vosfs_changed(fs, *(const u64 *)req->args->in_args[0].value, c);
		fallthrough;
	case FUSE_CREATE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_SETATTR:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
		vosfs_changed(fs, nodeid, c);
		return 0;
	case FUSE_FSYNCDIR:
		return vosfs_directory_synced(fs, nodeid, writes);
	case FUSE_SYNCFS:
		vosfs_all_synced(fs, writes);
		return 0;
	default:
		return 0;
	}
}

/* The first member of what renames, of either kind, is where to. */
static_assert(!offsetof(struct fuse_rename_in, newdir));
static_assert(!offsetof(struct fuse_rename2_in, newdir));

int vosfs_message(struct vosfs *fs, struct fuse_req *req)
{
	struct vos_connection *c = vosfs_connection(fs);
	u64 writes = vosfs_writes(fs);
	struct vosfs_file *file = NULL;
	struct vosfs_node *held;
	bool refused;
	int err;

	if (IS_ERR(c))
		return PTR_ERR(c);
	held = vosfs_hold_for(fs, req);
	if (IS_ERR(held)) {
		err = PTR_ERR(held);
		held = NULL;
		goto out;
	}
	if (vosfs_opens(req)) {
		file = vosfs_file_new(fs, c, vosfs_open_flags(req));
		if (IS_ERR(file)) {
			err = PTR_ERR(file) == -ENETDOWN ? VOSFS_DOWN : PTR_ERR(file);
			goto out;
		}
	}
	err = vosfs_exchange(fs, c, req, file, held && !file, &refused);
	if (file && !err)
		err = vosfs_opened(req, file);
	if (file && err)
		vosfs_file_discard(file, !refused);
	/* What has no open file in its request, such as fchmod(), says the same as what has one. */
	if (err == -ESTALE && vosfs_file_lost(fs, req->in.h.nodeid))
		err = -EIO;
	if (!err)
		err = vosfs_done(fs, c, req, writes);
out:
	if (held)
		vosfs_node_drop(fs, held);
	vos_connection_put(c);
	/* The error of a disk that is gone. */
	return err == -ENETDOWN ? -EIO : err;
}

/* The call for a message of this kernel itself: a header, what follows it, room for the reply. */
static struct vos_call *vosfs_message_own(struct vos_connection *c,
					  const struct fuse_in_header *in, const void *arguments,
					  u32 room)
{
	const u32 reply = ALIGN(in->len, 8);
	struct vos_call *call = vos_call_new(c, VOS_OP_FUSE, reply + room);

	if (IS_ERR(call))
		return call;
	call->request.arg.file.word[0] = in->len;
	call->request.arg.file.word[1] = reply;
	memcpy(call->data, in, sizeof(*in));
	memcpy(call->data + sizeof(*in), arguments, in->len - sizeof(*in));
	return call;
}

int vosfs_message_name(struct vosfs *fs, struct vos_connection *c, u32 opcode, u64 nodeid,
		       const char *name)
{
	const struct fuse_in_header in = {
		.len = sizeof(in) + strlen(name) + 1,
		.opcode = opcode,
		.unique = fuse_get_unique(&fs->fc->iq),
		.nodeid = nodeid,
	};
	const u32 reply = ALIGN(in.len, 8);
	struct fuse_out_header out;
	struct vos_call *call;
	s64 bytes;
	int err;

	call = vosfs_message_own(c, &in, name, sizeof(out));
	if (IS_ERR(call))
		return PTR_ERR(call);
	err = vos_call_wait(call, 0);
	if (err)
		goto out;
	bytes = call->completion.res;
	if (bytes < 0) {
		err = vos_call_error(c, bytes);
		goto out;
	}
	memcpy(&out, call->data + reply, sizeof(out));
	err = out.error;
	if (bytes != sizeof(out) || out.len != bytes || out.unique != in.unique ||
	    err > 0 || err <= -ERESTARTSYS)
		err = -EIO;
out:
	vos_call_free(call);
	return err;
}

int vosfs_message_start(struct vosfs *fs, struct vos_connection *c)
{
	const struct fuse_in_header in = {
		.len = sizeof(in) + sizeof(fs->init),
		.opcode = FUSE_INIT,
		.unique = fuse_get_unique(&fs->fc->iq),
	};
	const u32 reply = ALIGN(in.len, 8);
	struct {
		struct fuse_out_header header;
		struct fuse_init_out init;
	} out;
	struct vos_call *call;
	int err;

	call = vosfs_message_own(c, &in, &fs->init, sizeof(out));
	if (IS_ERR(call))
		return PTR_ERR(call);
	call->timeout = VOSFS_INIT_WAIT;
	err = vos_call_wait(call, VOS_WAIT_FORGIVING);
	if (!err) {
		memcpy(&out, call->data + reply, sizeof(out));
		if (call->completion.res != sizeof(out) || out.header.len != sizeof(out) ||
		    out.header.unique != in.unique || out.header.error ||
		    vosfs_check_init(&out.init, sizeof(out.init)) ||
		    memcmp(&out.init, &fs->answer, sizeof(out.init)))
			err = -EIO;
	}
	vos_call_free(call);
	return err;
}
