// SPDX-License-Identifier: GPL-2.0-only
/* /dev/vos and debugfs: how the tools see and steer the primary driver. */
#include <linux/capability.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/nsproxy.h>
#include <linux/pid.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <xen/xen.h>

#include "../abi/control.h"
#include "primary.h"

static const char *const vos_counter_names[VOS_COUNTERS] = {
	[VOS_COUNT_KERNEL_CALLS]	= "kernel_calls",
	[VOS_COUNT_KERNEL_SPINS]	= "kernel_spins",
	[VOS_COUNT_KERNEL_SLEEPS]	= "kernel_sleeps",
	[VOS_COUNT_DOORBELLS]		= "doorbells",
	[VOS_COUNT_INTERRUPTS]		= "interrupts",
	[VOS_COUNT_EVENTS_READY]	= "events_ready",
	[VOS_COUNT_EVENTS_WAKE]		= "events_wake",
	[VOS_COUNT_BYTES_OUT]		= "bytes_out",
	[VOS_COUNT_BYTES_IN]		= "bytes_in",
	[VOS_COUNT_REJECTED]		= "rejected",
	[VOS_COUNT_SESSIONS_OPENED]	= "sessions_opened",
	[VOS_COUNT_SESSIONS_CLOSED]	= "sessions_closed",
	[VOS_COUNT_USER_KICKS]		= "user_kicks",
	[VOS_COUNT_USER_WAITS]		= "user_waits",
	[VOS_COUNT_OBJECTS_OPENED]	= "objects_opened",
	[VOS_COUNT_OBJECTS_CLOSED]	= "objects_closed",
};

static const char *const vos_domain_names[] = {
	[VOS_DOMAIN_NETWORK]	= "network",
	[VOS_DOMAIN_STORAGE]	= "storage",
};

static const char *const vos_connection_state_names[] = {
	[VOS_CONNECTION_HANDSHAKE]	= "handshake",
	[VOS_CONNECTION_CONNECTED]	= "connected",
	[VOS_CONNECTION_FAILED]		= "failed",
};

/* ------------------------------------------------------------- debugfs */

static void vos_state_line(struct seq_file *m, u32 kind, struct vos_connection *c)
{
	char reason[sizeof(c->reason)];
	unsigned long flags;
	ktime_t failed_at;
	u32 state;
	char *p;

	spin_lock_irqsave(&c->lock, flags);
	state = c->state;
	failed_at = c->failed_at;
	memcpy(reason, c->reason, sizeof(reason));
	spin_unlock_irqrestore(&c->lock, flags);
	for (p = reason; *p; p++)
		if (*p == '"' || *p < ' ')
			*p = '\'';
	seq_printf(m, "domain=%s domid=%u generation=%u state=%s pollers=%u lanes=%u objects=%u sessions=%lld noop_ns=%u failed_ns=%lld reason=\"%s\"\n",
		   vos_domain_names[kind], c->domid, c->generation,
		   vos_connection_state_names[state], c->pollers, c->lanes,
		   READ_ONCE(c->object_count),
		   atomic64_read(&c->counter[VOS_COUNT_SESSIONS_OPENED]) -
		   atomic64_read(&c->counter[VOS_COUNT_SESSIONS_CLOSED]),
		   c->noop_ns, ktime_to_ns(failed_at), reason);
}

static int vos_state_show(struct seq_file *m, void *unused)
{
	long pages, grants;
	u32 kind;

	for (kind = VOS_DOMAIN_NETWORK; kind < ARRAY_SIZE(vos_domain_names); kind++) {
		struct vos_connection *c = vos_connection_newest(kind);

		if (!c)
			continue;
		vos_state_line(m, kind, c);
		vos_connection_put(c);
	}
	vos_memory_usage(&pages, &grants);
	seq_printf(m, "attached=%s pages=%ld grants=%ld\n",
		   vos_network_attached(&init_net) ? "init_net" :
		   vos_network_attached_any() ? "other" : "none", pages, grants);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vos_state);

static int vos_stats_show(struct seq_file *m, void *unused)
{
	long pages, grants;
	u32 kind, i;

	for (kind = VOS_DOMAIN_NETWORK; kind < ARRAY_SIZE(vos_domain_names); kind++) {
		struct vos_connection *c = vos_connection_newest(kind);

		if (!c)
			continue;
		for (i = 0; i < VOS_COUNTERS; i++)
			seq_printf(m, "%s.%s %lld\n", vos_domain_names[kind],
				   vos_counter_names[i], atomic64_read(&c->counter[i]));
		vos_connection_put(c);
	}
	vos_memory_usage(&pages, &grants);
	seq_printf(m, "primary.granted_pages %ld\n", grants);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vos_stats);

/* ------------------------------------------------------------ /dev/vos */

static long vos_control_noop(struct vos_noop __user *argument)
{
	struct vos_connection *c;
	struct vos_noop noop;
	u64 start, before;
	long err = 0;
	u32 i;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&noop, argument, sizeof(noop)))
		return -EFAULT;
	if (!noop.count || noop.count > VOS_NOOP_MAX || noop.domain == VOS_DOMAIN_NONE ||
	    noop.domain >= ARRAY_SIZE(vos_domain_names))
		return -EINVAL;
	c = vos_connection_get(noop.domain);
	if (!c)
		return -ENOTCONN;
	noop.ns_min = U64_MAX;
	noop.ns_max = 0;
	start = local_clock();
	before = start;
	for (i = 0; i < noop.count && !err; i++) {
		u64 now;

		err = vos_call_simple(c, VOS_OP_NOP, 0, 0, 0);
		now = local_clock();
		noop.ns_min = min(noop.ns_min, now - before);
		noop.ns_max = max(noop.ns_max, now - before);
		before = now;
		if (!err && signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	noop.ns_total = before - start;
	vos_connection_put(c);
	if (!err && copy_to_user(argument, &noop, sizeof(noop)))
		err = -EFAULT;
	return err;
}

static long vos_control_silence(unsigned int cmd, struct vos_silence __user *argument)
{
	struct vos_silence silence;
	struct vos_connection *c;
	u32 silent_ms;
	long err = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&silence, argument, sizeof(silence)))
		return -EFAULT;
	c = vos_connection_watched(silence.domain);
	if (!c)
		return -ENOTCONN;
	silent_ms = vos_liveness_silence(c);
	if (cmd == VOS_IOC_SILENCE) {
		silence.generation = c->generation;
		silence.silent_ms = silent_ms;
		if (copy_to_user(argument, &silence, sizeof(silence)))
			err = -EFAULT;
	} else if (silence.generation != c->generation) {
		err = -ENOTCONN;
	} else if (!silent_ms) {
		err = -EAGAIN;
	} else {
		vos_connection_fail(c, "it hangs: no sign of life for %u ms, of which it had %u ms",
				    silent_ms, silence.counted_ms);
	}
	vos_connection_put(c);
	return err;
}

/* One process for each open file, whose private_data is its address space. */
static long vos_control_trace(struct file *file, pid_t pid)
{
	struct mm_struct *mm = NULL;
	struct task_struct *task;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	task = find_get_task_by_vpid(pid);
	if (task) {
		mm = get_task_mm(task);
		put_task_struct(task);
	}
	if (!mm)
		return -ESRCH;
	/* What is needed is the state of its sessions, not its memory. */
	mmgrab(mm);
	mmput(mm);
	vos_mm_trace(mm, true);
	if (cmpxchg(&file->private_data, NULL, mm)) {
		vos_mm_trace(mm, false);
		mmdrop(mm);
		return -EBUSY;
	}
	return 0;
}

static long vos_control_ioctl(struct file *file, unsigned int cmd, unsigned long argument)
{
	struct net *net = current->nsproxy->net_ns;

	switch (cmd) {
	case VOS_IOC_NET_ATTACH:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		return vos_network_attach(net);
	case VOS_IOC_NET_DETACH:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		if (!vos_network_attached(net))
			return -ENOENT;
		vos_network_detach(net);
		return 0;
	case VOS_IOC_NOOP:
		return vos_control_noop((struct vos_noop __user *)argument);
	case VOS_IOC_SILENCE:
	case VOS_IOC_HUNG:
		return vos_control_silence(cmd, (struct vos_silence __user *)argument);
	case VOS_IOC_NET_SETTLED:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		vos_proxy_recover_rest();
		return 0;
	case VOS_IOC_TRACE:
		return vos_control_trace(file, argument);
	default:
		return -ENOTTY;
	}
}

static int vos_control_open(struct inode *inode, struct file *file)
{
	/* The misc device's. */
	file->private_data = NULL;
	return nonseekable_open(inode, file);
}

static int vos_control_release(struct inode *inode, struct file *file)
{
	struct mm_struct *mm = file->private_data;

	if (mm) {
		vos_mm_trace(mm, false);
		mmdrop(mm);
	}
	return 0;
}

static const struct file_operations vos_control_fops = {
	.owner = THIS_MODULE,
	.open = vos_control_open,
	.release = vos_control_release,
	.unlocked_ioctl = vos_control_ioctl,
	.poll = vos_liveness_poll,
};

static struct miscdevice vos_control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = VOS_CONTROL_DEVICE,
	.mode = 0600,
	.fops = &vos_control_fops,
};

static int __init vos_control_init(void)
{
	struct dentry *directory;

	if (!xen_domain())
		return 0;
	directory = debugfs_create_dir(VOS_DEBUGFS_DIRECTORY, NULL);
	debugfs_create_file("state", 0400, directory, NULL, &vos_state_fops);
	debugfs_create_file("stats", 0400, directory, NULL, &vos_stats_fops);
	return misc_register(&vos_control_device);
}
device_initcall(vos_control_init);
