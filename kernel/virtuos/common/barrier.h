/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The few memory-ordering primitives of the rings, under one name in both
 * kernels and on the host, where the tests and the shim build this code.
 */
#ifndef VIRTUOS_BARRIER_H
#define VIRTUOS_BARRIER_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <asm/barrier.h>

/* virt_: these order against another domain, also in a uniprocessor kernel. */
#define vos_load_acquire(p)		virt_load_acquire(p)
#define vos_store_release(p, v)		virt_store_release(p, v)
#define vos_load(p)			READ_ONCE(*(p))
#define vos_store(p, v)			WRITE_ONCE(*(p), v)
#define vos_full_barrier()		virt_mb()

#else

#define vos_load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define vos_store_release(p, v)		__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define vos_load(p)			__atomic_load_n(p, __ATOMIC_RELAXED)
#define vos_store(p, v)			__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define vos_full_barrier()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif

#endif /* VIRTUOS_BARRIER_H */
