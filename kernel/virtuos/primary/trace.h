/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the primary driver, for tracefs, perf and `vos trace`.
 *
 * Calls of user lanes do not pass this kernel: those of a process are seen
 * once it makes its calls by trap, see VOS_IOC_TRACE.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM virtuos

#if !defined(VIRTUOS_PRIMARY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VIRTUOS_PRIMARY_TRACE_H

#include <linux/sched.h>
#include <linux/tracepoint.h>

#include "primary.h"

#define vos_trace_domain(domain)				\
	__print_symbolic(domain,				\
		{ VOS_DOMAIN_NETWORK,		"network" },	\
		{ VOS_DOMAIN_STORAGE,		"storage" })

/* For tools that read events as they are in the buffer, the numbers behind the names. */
#define VOS_TRACE_OPS						\
	EM(VOS_OP_NOP, "nop")					\
	EM(VOS_OP_SEND, "send")					\
	EM(VOS_OP_RECV, "recv")					\
	EM(VOS_OP_PREAD, "pread")				\
	EM(VOS_OP_PWRITE, "pwrite")				\
	EM(VOS_OP_SYNC, "sync")					\
	EM(VOS_OP_SOCKET, "socket")				\
	EM(VOS_OP_RELEASE, "release")				\
	EM(VOS_OP_BIND, "bind")					\
	EM(VOS_OP_LISTEN, "listen")				\
	EM(VOS_OP_CONNECT, "connect")				\
	EM(VOS_OP_ACCEPT, "accept")				\
	EM(VOS_OP_SHUTDOWN, "shutdown")				\
	EM(VOS_OP_GETNAME, "getname")				\
	EM(VOS_OP_SETSOCKOPT, "setsockopt")			\
	EM(VOS_OP_GETSOCKOPT, "getsockopt")			\
	EM(VOS_OP_IOCTL, "ioctl")				\
	EM(VOS_OP_FILE_ALLOCATE, "allocate")			\
	EM(VOS_OP_FILE_SEEK, "seek")				\
	EM(VOS_OP_FILE_COPY, "copy")				\
	EM(VOS_OP_FILE_DRAIN, "drain")				\
	EM(VOS_OP_FUSE, "fuse")					\
	EM(VOS_OP_FILE_STATUS, "status")			\
	EM(VOS_OP_SESSION_OPEN, "session-open")			\
	EM(VOS_OP_SESSION_EXTEND, "session-extend")		\
	EM(VOS_OP_SESSION_CLOSE, "session-close")		\
	EMe(VOS_OP_SESSION_KICK, "session-kick")

#undef EM
#undef EMe
#define EM(op, name)	TRACE_DEFINE_ENUM(op);
#define EMe(op, name)	TRACE_DEFINE_ENUM(op);
VOS_TRACE_OPS
#undef EM
#undef EMe
#define EM(op, name)	{ op, name },
#define EMe(op, name)	{ op, name }

#define vos_trace_op(op)	__print_symbolic(op, VOS_TRACE_OPS)

/*
 * A call over a kernel lane is over. result: the completion's, or the error
 * without one (-ENETDOWN, -EINTR, -ETIMEDOUT). ns: from its submission. bytes:
 * of data that go with it, or room for them.
 */
TRACE_EVENT(virtuos_call,
	    TP_PROTO(const struct vos_call *call, int err, u64 ns),
	    TP_ARGS(call, err, ns),
	    TP_STRUCT__entry(__field(u64, object)
			     __field(u64, ns)
			     __field(s64, result)
			     __field(u32, bytes)
			     __field(s32, tgid)
			     __field(u8, domain)
			     __field(u8, op)),
	    TP_fast_assign(__entry->object = call->request.handle;
			   __entry->ns = ns;
			   __entry->result = err ?: call->completion.res;
			   __entry->bytes = call->request.len;
			   __entry->tgid = current->tgid;
			   __entry->domain = call->connection->kind;
			   __entry->op = call->request.op;),
	    TP_printk("tgid=%d domain=%s op=%s object=%llx bytes=%u result=%lld ns=%llu",
		      __entry->tgid, vos_trace_domain(__entry->domain),
		      vos_trace_op(__entry->op), __entry->object, __entry->bytes,
		      __entry->result, __entry->ns)
);

#endif /* VIRTUOS_PRIMARY_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
