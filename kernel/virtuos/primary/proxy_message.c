// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending and receiving on proxy sockets.
 *
 * In the arena a message is [name][control][payload]; see VOS_OP_SEND. A page
 * fault of the caller may take for ever (userfaultfd), so none is taken with
 * arena pages in hand: user memory is copied with faults disabled, and what
 * doesn't work out is done again without the arena.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "proxy.h"

/* What the network domain is asked for; the rest is this kernel's business. */
#define VOS_SEND_FLAGS (MSG_OOB | MSG_DONTROUTE | MSG_PROBE | MSG_EOR | MSG_CONFIRM | MSG_MORE)
#define VOS_RECV_FLAGS (MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE)
/* What it may say about a received message. */
#define VOS_RECEIVED_FLAGS (MSG_OOB | MSG_TRUNC | MSG_CTRUNC | MSG_EOR | MSG_ERRQUEUE)

/* Tries to bring the caller's pages in before a copy is given up. */
#define VOS_FAULT_ROUNDS 64

/* Bytes before the control data, and before the payload. */
static u32 vos_message_name(u32 name_len)
{
	return name_len ? VOS_MAX_ADDRESS : 0;
}

static u32 vos_message_header(u32 name_len, u32 control_len)
{
	return vos_message_name(name_len) + ALIGN(control_len, 8);
}

/*
 * Like Linux: what was transferred counts, the error that ended it is told by
 * the next operation. Only what the connection ended with is kept.
 */
static void vos_proxy_keep_error(struct vos_proxy *proxy, int err)
{
	switch (err) {
	case -ECONNRESET:
	case -ECONNABORTED:
	case -ECONNREFUSED:
	case -EPROTO:
	case -ETIMEDOUT:
	case -EHOSTDOWN:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		WRITE_ONCE(proxy->sk.sk_err, -err);
	}
}

/* ------------------------------------------------------------- sending */

/*
 * Reserves the arena for header and payload and copies the payload. Returns
 * how much was copied: all, or some of a stream's.
 */
static ssize_t vos_proxy_load(struct vos_proxy *proxy, struct vos_connection *c,
			      struct vos_call *call, struct iov_iter *iter, u32 header,
			      size_t bytes)
{
	bool stream = vos_proxy_is_stream(proxy);
	int round;

	for (round = 0; round < VOS_FAULT_ROUNDS; round++) {
		size_t missing;
		size_t n;
		int err;

		err = vos_call_begin(call, c, VOS_OP_SEND, header + bytes);
		if (err)
			return vos_proxy_call_error(proxy, err, VOS_USE_SEND);
		pagefault_disable();
		n = copy_from_iter(call->data + header, bytes, iter);
		pagefault_enable();
		if (n == bytes || (stream && n)) {
			vos_count_add(call->connection, VOS_COUNT_BYTES_OUT, n);
			return n;
		}
		vos_call_end(call);
		iov_iter_revert(iter, n);
		missing = fault_in_iov_iter_readable(iter, bytes);
		if (missing && (!stream || missing == bytes))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return -ENOMEM;
}

/* One operation, without waiting. Advances the iterator by what was taken. */
static ssize_t vos_proxy_send_in(struct vos_proxy *proxy, struct vos_connection *c,
				 struct msghdr *msg, size_t bytes, u32 flags, bool with_control)
{
	/* A connected stream has no use for a name, as in Linux. */
	u32 name_len = vos_proxy_is_stream(proxy) || !msg->msg_name ? 0 : msg->msg_namelen;
	u32 control_len = with_control ? msg->msg_controllen : 0;
	u32 header = vos_message_header(name_len, control_len);
	u8 imm[VOS_SEND_INLINE];
	struct vos_call call;
	ssize_t n;
	int res;

	/* A line has no room for capabilities, which netlink asks for. */
	if (!header && bytes <= VOS_SEND_INLINE && proxy->family != AF_NETLINK) {
		if (!copy_from_iter_full(imm, bytes, &msg->msg_iter))
			return -EFAULT;
		n = bytes;
		res = vos_call_begin(&call, c, VOS_OP_SEND, 0);
		if (res) {
			iov_iter_revert(&msg->msg_iter, n);
			return vos_proxy_call_error(proxy, res, VOS_USE_SEND);
		}
		memcpy(call.request.arg.imm, imm, n);
		call.request.flags = VOS_REQ_INLINE | VOS_REQ_NONBLOCK;
		call.request.msg_flags = flags;
	} else {
		n = vos_proxy_load(proxy, c, &call, &msg->msg_iter, header, bytes);
		if (n < 0)
			return n;
		if (name_len)
			memcpy(call.data, msg->msg_name, name_len);
		if (control_len)
			memcpy(call.data + vos_message_name(name_len), msg->msg_control,
			       control_len);
		call.request.flags = VOS_REQ_NONBLOCK;
		call.request.arg.msg.flags = flags;
		call.request.arg.msg.name_len = name_len;
		call.request.arg.msg.control_len = control_len;
		call.request.arg.msg.caps = vos_current_caps(sock_net(&proxy->sk)->user_ns);
	}
	call.request.handle = READ_ONCE(proxy->object.handle);
	call.request.len = n;
	res = vos_call_run(&call);
	if (res)
		res = vos_proxy_call_error(proxy, res, VOS_USE_SEND);
	else
		res = vos_proxy_result(c, call.completion.res, n);
	vos_call_end(&call);
	if (res < n)
		iov_iter_revert(&msg->msg_iter, n - max(res, 0));
	return res;
}

static ssize_t vos_proxy_send_once(struct vos_proxy *proxy, struct msghdr *msg, size_t bytes,
				   u32 flags, bool with_control)
{
	struct vos_connection *c = vos_object_connection(&proxy->object);
	ssize_t res = vos_proxy_send_in(proxy, c, msg, bytes, flags, with_control);

	vos_connection_put(c);
	return res;
}

static ssize_t vos_proxy_send_stream(struct vos_proxy *proxy, struct msghdr *msg, size_t size,
				     u32 flags, struct vos_patience *patience)
{
	size_t done = 0;
	ssize_t res;

	do {
		size_t piece = min_t(size_t, size - done, VOS_STREAM_PIECE);

		res = vos_proxy_send_once(proxy, msg, piece, flags, !done);
		if (res > 0 || (!res && !piece)) {
			done += res;
			vos_proxy_established(proxy);
			continue;
		}
		if (res && res != -EAGAIN) {
			vos_proxy_connect_failed(proxy);
			break;
		}
		res = vos_proxy_wait(proxy, patience, NULL);
		if (res)
			break;
	} while (done < size);

	if (done)
		vos_proxy_keep_error(proxy, res);
	return done ?: res;
}

static ssize_t vos_proxy_send(struct socket *sock, struct msghdr *msg, size_t size)
{
	struct sock *sk = sock->sk;
	struct vos_proxy *proxy = vos_proxy(sk);
	struct vos_patience patience = {
		.events = EPOLLOUT,
		.timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT),
	};
	u32 flags = (msg->msg_flags & VOS_SEND_FLAGS) | MSG_DONTWAIT | MSG_NOSIGNAL;
	ssize_t res;

	if (msg->msg_flags & MSG_FASTOPEN)
		return -EOPNOTSUPP;
	if (msg->msg_namelen < 0 || msg->msg_namelen > VOS_MAX_ADDRESS)
		return -EINVAL;
	/* Linux: more than net.core.optmem_max. */
	if (msg->msg_controllen > VOS_MAX_CONTROL)
		return -ENOBUFS;
	if (WARN_ON_ONCE(msg->msg_controllen && msg->msg_control_is_user))
		return -EINVAL;
	res = vos_proxy_pending_error(proxy);
	if (res)
		return res;

	if (vos_proxy_is_stream(proxy)) {
		res = vos_proxy_send_stream(proxy, msg, size, flags, &patience);
		if (res == -EPIPE && !(msg->msg_flags & MSG_NOSIGNAL))
			send_sig(SIGPIPE, current, 0);
		return res;
	}
	/* One operation, one datagram. */
	if (size > VOS_MAX_MESSAGE_BYTES -
		   vos_message_header(msg->msg_name ? msg->msg_namelen : 0, msg->msg_controllen))
		return -EMSGSIZE;
	for (;;) {
		res = vos_proxy_send_once(proxy, msg, size, flags, true);
		if (res != -EAGAIN)
			return res;
		res = vos_proxy_wait(proxy, &patience, NULL);
		if (res)
			return res;
	}
}

int vos_proxy_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)
{
	ssize_t res = vos_proxy_send(sock, msg, size);

	if (res < 0 && (msg->msg_flags & VOS_MSG_REST))
		vos_proxy_keep_error(vos_proxy(sock->sk), res);
	return res;
}

/* ----------------------------------------------------------- receiving */

/* Hands on what came with the message, from a private copy. */
static void vos_proxy_put_control(struct msghdr *msg, void *control, u32 length)
{
	struct msghdr parsed = { .msg_control = control, .msg_controllen = length };
	struct cmsghdr *cmsg;

	for_each_cmsghdr(cmsg, &parsed) {
		if (!CMSG_OK(&parsed, cmsg))
			break;
		/* Numbers that would look like descriptors of ours. */
		if (cmsg->cmsg_level == SOL_SOCKET &&
		    (cmsg->cmsg_type == SCM_RIGHTS || cmsg->cmsg_type == SCM_PIDFD))
			continue;
		put_cmsg(msg, cmsg->cmsg_level, cmsg->cmsg_type,
			 cmsg->cmsg_len - sizeof(*cmsg), CMSG_DATA(cmsg));
	}
}

/* A part of a stream that its receiver could not take; see vos_proxy_is_unread(). */
struct vos_unread {
	struct list_head node;
	u32 at;				/* bytes of data that were taken since */
	u32 bytes;			/* of data */
	u8 data[];
};

/* It comes first again. Who receives at the same time, by a user lane too, may overtake. */
static void vos_proxy_put_back(struct vos_proxy *proxy, struct vos_unread *unread)
{
	spinlock_t *lock = &proxy->sk.sk_receive_queue.lock;

	spin_lock(lock);
	list_add(&unread->node, &proxy->unread);
	vos_object_withhold(&proxy->object, true);
	spin_unlock(lock);
}

/* The first part, the caller's now. NULL: somebody else has it. */
static struct vos_unread *vos_proxy_take_unread(struct vos_proxy *proxy)
{
	spinlock_t *lock = &proxy->sk.sk_receive_queue.lock;
	struct vos_unread *unread;

	spin_lock(lock);
	unread = list_first_entry_or_null(&proxy->unread, struct vos_unread, node);
	if (unread)
		list_del_init(&unread->node);
	spin_unlock(lock);
	return unread;
}

static void vos_proxy_free_unread(struct vos_proxy *proxy, struct vos_unread *unread)
{
	spinlock_t *lock = &proxy->sk.sk_receive_queue.lock;

	kvfree(unread);
	spin_lock(lock);
	if (list_empty(&proxy->unread))
		vos_object_withhold(&proxy->object, false);
	spin_unlock(lock);
}

u32 vos_proxy_unread(struct vos_proxy *proxy)
{
	spinlock_t *lock = &proxy->sk.sk_receive_queue.lock;
	struct vos_unread *unread;
	u32 bytes = 0;

	spin_lock(lock);
	list_for_each_entry(unread, &proxy->unread, node)
		bytes += unread->bytes - unread->at;
	spin_unlock(lock);
	return bytes;
}

void vos_proxy_drop_unread(struct vos_proxy *proxy)
{
	struct vos_unread *unread;

	while ((unread = vos_proxy_take_unread(proxy)))
		kvfree(unread);
}

/* Receives what was put back. 0: there is nothing. */
static int vos_proxy_recv_unread(struct vos_proxy *proxy, struct iov_iter *iter, size_t size,
				 u32 flags)
{
	struct vos_unread *unread;
	size_t bytes, n;

	if (!vos_proxy_is_unread(proxy) || (flags & (MSG_OOB | MSG_ERRQUEUE)))
		return 0;
	unread = vos_proxy_take_unread(proxy);
	if (!unread)
		return 0;
	bytes = min_t(size_t, size, unread->bytes - unread->at);
	n = bytes;
	if (!(flags & MSG_TRUNC))
		n = copy_to_iter(unread->data + unread->at, bytes, iter);
	if (!(flags & MSG_PEEK))
		unread->at += n;
	if (unread->at < unread->bytes)
		vos_proxy_put_back(proxy, unread);
	else
		vos_proxy_free_unread(proxy, unread);
	return n || !bytes ? n : -EFAULT;
}

/*
 * Ends the call. The payload goes to the caller, who may fault; with @keep the
 * next receive gets what he could not take. Returns how much he has, of what
 * is not kept all of it, or -errno.
 */
static int vos_proxy_unload(struct vos_proxy *proxy, struct vos_call *call, const void *payload,
			    size_t bytes, struct iov_iter *iter, bool keep)
{
	struct vos_unread *rest;
	size_t n, taken;

	pagefault_disable();
	n = copy_to_iter(payload, bytes, iter);
	pagefault_enable();
	vos_count_add(call->connection, VOS_COUNT_BYTES_IN, bytes);
	if (likely(n == bytes)) {
		vos_call_end(call);
		return bytes;
	}
	rest = kvmalloc(struct_size(rest, data, bytes - n), GFP_KERNEL);
	if (rest) {
		rest->at = 0;
		rest->bytes = bytes - n;
		memcpy(rest->data, payload + n, rest->bytes);
	}
	vos_call_end(call);
	if (!rest)
		return -ENOMEM;
	taken = copy_to_iter(rest->data, rest->bytes, iter);
	n += taken;
	rest->at = taken;
	if (n < bytes && keep)
		vos_proxy_put_back(proxy, rest);
	else
		kvfree(rest);
	return n == bytes || (n && keep) ? n : -EFAULT;
}

/* One receive, and where in the arena its parts are: name, control data, payload. */
struct vos_receive {
	struct msghdr *msg;
	size_t capacity;		/* bytes of payload */
	u32 flags;			/* MSG_*, for the domain */
	u32 control_max;		/* bytes of control data */
	u32 header;			/* bytes before the payload */
	bool stream;
	bool with_name;
	bool inlined;			/* in the completion, no arena */
};

/* Makes the call. 0: it is complete, and still to be ended; -errno: it has ended. */
static int vos_receive_run(struct vos_proxy *proxy, struct vos_connection *c,
			   const struct vos_receive *r, struct vos_call *call)
{
	int err = vos_call_begin(call, c, VOS_OP_RECV, r->inlined ? 0 : r->header + r->capacity);

	if (err)
		return err;
	call->request.handle = READ_ONCE(proxy->object.handle);
	call->request.len = r->capacity;
	call->request.flags = VOS_REQ_NONBLOCK;
	if (r->inlined) {
		call->request.flags |= VOS_REQ_INLINE;
		call->request.msg_flags = r->flags;
	} else {
		call->request.arg.msg.flags = r->flags;
		call->request.arg.msg.name_len = r->with_name ? VOS_MAX_ADDRESS : 0;
		call->request.arg.msg.control_len = r->control_max;
		call->request.arg.msg.caps = vos_current_caps(sock_net(&proxy->sk)->user_ns);
	}
	err = vos_call_run(call);
	if (err)
		vos_call_end(call);
	return err;
}

/* Where the *bytes of payload are; NULL, *bytes and *res 0: it makes no sense. */
static const void *vos_receive_payload(const struct vos_receive *r, const struct vos_call *call,
				       size_t *bytes, int *res)
{
	*bytes = min_t(size_t, *res, r->capacity);
	/* MSG_TRUNC on a stream: the bytes are gone, nobody sees them. */
	if (r->stream && (r->flags & MSG_TRUNC) && !(r->flags & MSG_ERRQUEUE))
		*bytes = 0;
	if ((call->completion.flags & VOS_CPL_INLINE) && *bytes <= VOS_RECV_INLINE)
		return call->completion.imm;
	if (!r->inlined)
		return call->data + r->header;
	vos_count(call->connection, VOS_COUNT_REJECTED);
	*bytes = 0;
	*res = 0;
	return NULL;
}

/* Gives the caller what has come, @res by the domain, and ends the call. */
static int vos_receive_take(struct vos_proxy *proxy, const struct vos_receive *r,
			    struct vos_call *call, int res)
{
	struct msghdr *msg = r->msg;
	u32 control_len = 0;
	void *control = NULL;
	const void *payload;
	size_t bytes;
	int n;

	msg->msg_flags |= call->completion.aux & VOS_RECEIVED_FLAGS;
	if (r->with_name) {
		u32 length = min_t(u32, call->completion.pos, VOS_MAX_ADDRESS);

		memcpy(msg->msg_name, call->data, length);
		msg->msg_namelen = length;
	}
	if (r->control_max) {
		control_len = min_t(u32, call->completion.pos >> 32, r->control_max);
		control = kmemdup(call->data + vos_message_name(r->with_name), control_len,
				  GFP_KERNEL);
		if (!control)
			msg->msg_flags |= MSG_CTRUNC;
	}
	payload = vos_receive_payload(r, call, &bytes, &res);
	/* A peek has taken nothing. */
	n = vos_proxy_unload(proxy, call, payload, bytes, &msg->msg_iter,
			     r->stream && !(r->flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)));
	/* Only now: it may fault, too. */
	if (control)
		vos_proxy_put_control(msg, control, control_len);
	kfree(control);
	return n == bytes ? res : n;
}

/*
 * One operation, without waiting; capacity bytes of payload at most. Returns
 * what recvmsg() returns; of a datagram with MSG_TRUNC that may be more.
 */
static int vos_proxy_recv_in(struct vos_proxy *proxy, struct vos_connection *c,
			     struct msghdr *msg, size_t capacity, u32 flags, bool with_control,
			     __poll_t *mask)
{
	struct vos_receive r = {
		.msg = msg,
		.capacity = capacity,
		.flags = flags,
		.control_max = with_control ? min_t(size_t, msg->msg_controllen, VOS_MAX_CONTROL) :
					      0,
		.stream = vos_proxy_is_stream(proxy),
	};
	struct vos_call call;
	int res;

	/* A stream's name stays empty, as in Linux. */
	r.with_name = msg->msg_name && (!r.stream || (flags & MSG_ERRQUEUE));
	r.header = vos_message_header(r.with_name ? VOS_MAX_ADDRESS : 0, r.control_max);
	r.inlined = !r.header && capacity <= VOS_RECV_INLINE;

	res = vos_receive_run(proxy, c, &r, &call);
	/* May be 0: the end of the stream. */
	if (res)
		return vos_proxy_call_error(proxy, res, VOS_USE_RECEIVE);
	*mask = (__force __poll_t)call.completion.pollmask;
	res = vos_proxy_result(c, call.completion.res,
			       !r.stream && (flags & MSG_TRUNC) ? INT_MAX : capacity);
	if (res < 0) {
		vos_call_end(&call);
		return res;
	}
	return vos_receive_take(proxy, &r, &call, res);
}

static int vos_proxy_recv_once(struct vos_proxy *proxy, struct msghdr *msg, size_t capacity,
			       u32 flags, bool with_control, __poll_t *mask)
{
	struct vos_connection *c = vos_object_connection(&proxy->object);
	int res = vos_proxy_recv_in(proxy, c, msg, capacity, flags, with_control, mask);

	vos_connection_put(c);
	return res;
}

/*
 * The readiness word says that there is nothing: waits for it, without a call
 * that could only say the same. Not where a receive fails at once.
 */
static int vos_proxy_await_data(struct vos_proxy *proxy, struct vos_patience *patience)
{
	int err;

	if (!patience->timeo || READ_ONCE(proxy->state) == VOS_PROXY_LISTENING ||
	    (vos_proxy_mask(proxy) & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP)))
		return 0;
	err = vos_proxy_wait(proxy, patience, NULL);
	return err == -EAGAIN ? 0 : err;
}

static ssize_t vos_proxy_recv_stream(struct vos_proxy *proxy, struct msghdr *msg, size_t size,
				     int flags, struct vos_patience *patience)
{
	u32 wanted = flags & VOS_RECV_FLAGS;
	bool peek = flags & MSG_PEEK;
	bool control = msg->msg_control && msg->msg_controllen;
	size_t most = VOS_MAX_MESSAGE_BYTES - (control ? VOS_MAX_CONTROL : 0);
	size_t target = sock_rcvlowat(&proxy->sk, flags & MSG_WAITALL,
				      min_t(size_t, size, INT_MAX));
	size_t done = 0;
	int res;

	res = vos_proxy_recv_unread(proxy, &msg->msg_iter, size, flags);
	if (res < 0 || (res > 0 && (peek || res >= target)))
		return res;
	done = res;

	/*
	 * The domain gives what is there. Waiting first keeps SO_RCVLOWAT,
	 * which its readiness respects; a timeout gives what is there, too.
	 */
	if (!done)
		res = vos_proxy_await_data(proxy, patience);
	if (res < 0)
		return res;

	for (;;) {
		u32 sequence = vos_proxy_sequence(proxy);
		size_t piece = min_t(size_t, size - done, VOS_STREAM_PIECE);
		__poll_t mask = 0;

		/* A peek must come in one go, and data with its control data. */
		if (peek || control)
			piece = min(size - done, most);
		res = vos_proxy_recv_once(proxy, msg, piece, wanted, control && !done, &mask);
		if (res > 0 && peek) {
			vos_proxy_established(proxy);
			if (res >= target || piece < size ||
			    (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
				return res;
			/* Once there is more, again from the start. */
			if (vos_proxy_wait(proxy, patience, &sequence))
				return res;
			iov_iter_revert(&msg->msg_iter, res);
			continue;
		}
		if (res > 0) {
			vos_proxy_established(proxy);
			done += res;
			if (done >= size)
				break;
			/* There may be more. */
			if (res == piece)
				continue;
		} else if (res != -EAGAIN) {
			/* 0 is the end. */
			if (done)
				vos_proxy_keep_error(proxy, res);
			else if (res && res != -EFAULT)
				vos_proxy_connect_failed(proxy);
			break;
		}
		if (done >= target)
			break;
		res = vos_proxy_wait(proxy, patience, NULL);
		if (res)
			break;
	}
	return done ?: res;
}

static int vos_proxy_receive(struct socket *sock, struct msghdr *msg, size_t size, int flags)
{
	struct sock *sk = sock->sk;
	struct vos_proxy *proxy = vos_proxy(sk);
	struct vos_patience patience = {
		.events = EPOLLIN,
		.timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT),
	};
	bool control = msg->msg_control && msg->msg_controllen;
	__poll_t mask = 0;
	size_t capacity;
	int res;

	/* An error queue is never waited for, nor is a stream's urgent byte. */
	if ((flags & MSG_ERRQUEUE) || ((flags & MSG_OOB) && vos_proxy_is_stream(proxy)))
		patience.timeo = 0;
	if (!(flags & MSG_ERRQUEUE)) {
		res = vos_proxy_pending_error(proxy);
		if (res)
			return res;
		if (vos_proxy_is_stream(proxy))
			return vos_proxy_recv_stream(proxy, msg, size, flags, &patience);
	}

	capacity = min_t(size_t, size, VOS_MAX_MESSAGE_BYTES -
			 vos_message_header(VOS_MAX_ADDRESS, control ? VOS_MAX_CONTROL : 0));
	patience.exclusive = true;
	/* Not netlink: a dump goes on in its receiver. */
	if (proxy->family != AF_NETLINK) {
		res = vos_proxy_await_data(proxy, &patience);
		if (res)
			return res;
	}
	for (;;) {
		res = vos_proxy_recv_once(proxy, msg, capacity, flags & VOS_RECV_FLAGS, control,
					  &mask);
		if (res != -EAGAIN)
			break;
		/* Shut down for reading: who would wait sees the end, as in Linux. */
		if (patience.timeo && (mask & EPOLLRDHUP))
			return 0;
		res = vos_proxy_wait(proxy, &patience, NULL);
		if (res)
			return res;
	}
	vos_proxy_pass_on(proxy, &patience, mask);
	return res;
}

int vos_proxy_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)
{
	int res = vos_proxy_receive(sock, msg, size, flags);

	if (res < 0 && (flags & VOS_MSG_REST))
		vos_proxy_keep_error(vos_proxy(sock->sk), res);
	return res;
}
