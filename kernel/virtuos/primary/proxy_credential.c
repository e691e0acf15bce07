// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the network domain is told about the caller: identity when a socket is
 * made, capabilities with every operation that may ask for one. They are
 * tested here, against the owner of the network namespace; the domain
 * believes them.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/user_namespace.h>

#include "primary.h"

u32 vos_current_caps(struct user_namespace *owner)
{
	static const struct {
		int capability;
		u32 bit;
	} known[] = {
		{ CAP_NET_BIND_SERVICE,	VOS_CAP_NET_BIND_SERVICE },
		{ CAP_NET_BROADCAST,	VOS_CAP_NET_BROADCAST },
		{ CAP_NET_ADMIN,	VOS_CAP_NET_ADMIN },
		{ CAP_NET_RAW,		VOS_CAP_NET_RAW },
	};
	u32 caps = 0;
	size_t i;

	/* No audit: most operations never ask for what is offered. */
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (ns_capable_noaudit(owner, known[i].capability))
			caps |= known[i].bit;
	return caps;
}

void vos_current_credential(struct vos_credential *credential)
{
	const struct cred *cred = current_cred();
	u32 count = min_t(u32, cred->group_info->ngroups, VOS_MAX_GROUPS);
	u32 i;

	memset(credential, 0, sizeof(*credential));
	credential->fsuid = from_kuid(&init_user_ns, cred->fsuid);
	credential->fsgid = from_kgid(&init_user_ns, cred->fsgid);
	credential->group_count = count;
	for (i = 0; i < count; i++)
		credential->groups[i] = from_kgid(&init_user_ns, cred->group_info->gid[i]);
}
