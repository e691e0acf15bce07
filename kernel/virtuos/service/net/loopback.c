// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loopback interface is up before the primary is met: its sockets of an
 * earlier domain are made again as soon as it is, and most programs expect
 * that loopback works whatever else does.
 */
#define pr_fmt(fmt) "virtuos: " fmt

#include <linux/init.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/net_namespace.h>

static int __init vos_loopback_init(void)
{
	int err;

	rtnl_lock();
	err = dev_open(init_net.loopback_dev, NULL);
	rtnl_unlock();
	if (err)
		pr_err("loopback stays down: %d\n", err);
	return 0;
}
late_initcall(vos_loopback_init);
