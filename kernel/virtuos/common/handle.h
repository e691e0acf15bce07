/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Handing out handles, so that none is ever given twice. Free of kernel
 * headers: the primary kernel and the unit tests build this same code.
 */
#ifndef VIRTUOS_HANDLE_H
#define VIRTUOS_HANDLE_H

#include "../abi/virtuos.h"

/*
 * The next handle of an index whose last generation is *generation, 0 at
 * first. VOS_HANDLE_NONE: the index is used up, after 2^28 objects, and stays
 * empty. A handle is unique as a whole, so each index counts for itself.
 */
static inline __u64 vos_handle_next(__u32 domain, __u32 index, __u32 *generation)
{
	if (*generation >= VOS_GENERATION_MAX)
		return VOS_HANDLE_NONE;
	return vos_handle_make(domain, ++*generation, index);
}

#endif /* VIRTUOS_HANDLE_H */
