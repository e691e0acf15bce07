// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which network namespaces have their stack in the network domain.
 *
 * Version 1 attaches one: the domain has one stack, and two namespaces sharing
 * it would see each other's interfaces and ports.
 */
#include <linux/mutex.h>
#include <linux/virtuos/net.h>
#include <net/net_namespace.h>

#include "primary.h"

DEFINE_STATIC_KEY_FALSE(vos_network_key);

static DEFINE_MUTEX(vos_network_lock);
/* A reference is held. Written under vos_network_lock; only compared without it. */
static struct net *vos_network_net;

int vos_network_attach(struct net *net)
{
	struct vos_connection *c;
	int err = 0;

	/* Attached to nothing, every socket() would only wait. */
	c = vos_connection_get(VOS_DOMAIN_NETWORK);
	if (!c)
		return -ENOTCONN;
	vos_connection_put(c);

	mutex_lock(&vos_network_lock);
	if (!vos_network_net) {
		WRITE_ONCE(vos_network_net, get_net(net));
		static_branch_enable(&vos_network_key);
	} else if (vos_network_net != net) {
		err = -EOPNOTSUPP;
	}
	mutex_unlock(&vos_network_lock);
	return err;
}

void vos_network_detach(struct net *net)
{
	bool attached;

	mutex_lock(&vos_network_lock);
	attached = vos_network_net == net;
	/* The key stays on: proxies made before still need their hooks. */
	if (attached)
		WRITE_ONCE(vos_network_net, NULL);
	mutex_unlock(&vos_network_lock);
	if (attached)
		put_net(net);
}

bool vos_network_attached(const struct net *net)
{
	return READ_ONCE(vos_network_net) == net;
}

bool vos_network_attached_any(void)
{
	return READ_ONCE(vos_network_net);
}
