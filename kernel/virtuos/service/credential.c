// SPDX-License-Identifier: GPL-2.0-only
/*
 * Credentials of objects: the identity the primary kernel vouches for, and
 * the few capabilities it tested there. Whatever else this kernel would
 * allow root is not allowed to anybody who comes through here.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/init_task.h>
#include <linux/sched.h>
#include <linux/uidgid.h>

#include "service.h"

static kernel_cap_t vos_credential_capabilities(u32 caps)
{
	kernel_cap_t set = CAP_EMPTY_SET;

	if (caps & VOS_CAP_NET_BIND_SERVICE)
		cap_raise(set, CAP_NET_BIND_SERVICE);
	if (caps & VOS_CAP_NET_BROADCAST)
		cap_raise(set, CAP_NET_BROADCAST);
	if (caps & VOS_CAP_NET_ADMIN)
		cap_raise(set, CAP_NET_ADMIN);
	if (caps & VOS_CAP_NET_RAW)
		cap_raise(set, CAP_NET_RAW);
	if (caps & VOS_CAP_FSETID)
		cap_raise(set, CAP_FSETID);
	if (caps & VOS_CAP_SYS_RESOURCE)
		cap_raise(set, CAP_SYS_RESOURCE);
	return set;
}

/* Consumes a reference to groups only if it succeeds. */
static struct cred *vos_credential_build(kuid_t uid, kgid_t gid, struct group_info *groups,
					 u32 caps)
{
	struct cred *cred = prepare_kernel_cred(&init_task);

	if (!cred)
		return NULL;
	cred->uid = uid;
	cred->euid = uid;
	cred->suid = uid;
	cred->fsuid = uid;
	cred->gid = gid;
	cred->egid = gid;
	cred->sgid = gid;
	cred->fsgid = gid;
	put_group_info(cred->group_info);
	cred->group_info = groups;
	cred->cap_effective = vos_credential_capabilities(caps);
	cred->cap_permitted = cred->cap_effective;
	cred->cap_bset = cred->cap_effective;
	cred->cap_inheritable = CAP_EMPTY_SET;
	cred->cap_ambient = CAP_EMPTY_SET;
	return cred;
}

/**
 * vos_credential_make() - a credential from what the primary sent
 * @from: a private copy
 * @caps: VOS_CAP_*; others are ignored
 *
 * Return: the credential; ERR_PTR(-EPROTO) if it makes no sense,
 * ERR_PTR(-ENOMEM).
 */
const struct cred *vos_credential_make(const struct vos_credential *from, u32 caps)
{
	kuid_t uid = make_kuid(&init_user_ns, from->fsuid);
	kgid_t gid = make_kgid(&init_user_ns, from->fsgid);
	struct group_info *groups;
	struct cred *cred;
	u32 i;

	if (from->group_count > VOS_MAX_GROUPS || !uid_valid(uid) || !gid_valid(gid))
		return ERR_PTR(-EPROTO);
	groups = groups_alloc(from->group_count);
	if (!groups)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < from->group_count; i++) {
		groups->gid[i] = make_kgid(&init_user_ns, from->groups[i]);
		if (!gid_valid(groups->gid[i])) {
			put_group_info(groups);
			return ERR_PTR(-EPROTO);
		}
	}
	groups_sort(groups);
	cred = vos_credential_build(uid, gid, groups, caps);
	if (!cred) {
		put_group_info(groups);
		return ERR_PTR(-ENOMEM);
	}
	return cred;
}

/**
 * vos_credential_with_caps() - the same identity with other capabilities
 * @cred: whose identity
 * @caps: VOS_CAP_*
 *
 * Return: a reference, to @cred itself if it has just these capabilities, or
 * NULL: out of memory.
 */
const struct cred *vos_credential_with_caps(const struct cred *cred, u32 caps)
{
	struct group_info *groups;
	struct cred *new;

	if (cred->cap_effective.val == vos_credential_capabilities(caps).val)
		return get_cred(cred);
	groups = get_group_info(cred->group_info);
	new = vos_credential_build(cred->fsuid, cred->fsgid, groups, caps);
	if (!new)
		put_group_info(groups);
	return new;
}

/**
 * vos_credential_enter() - act with other capabilities for a while
 * @cred: whose identity
 * @caps: VOS_CAP_*
 *
 * Return: what to give revert_creds() afterwards, or NULL: out of memory.
 */
const struct cred *vos_credential_enter(const struct cred *cred, u32 caps)
{
	const struct cred *new = vos_credential_with_caps(cred, caps);
	const struct cred *saved;

	if (!new)
		return NULL;
	saved = override_creds(new);
	put_cred(new);		/* override_creds() has its own reference */
	return saved;
}
