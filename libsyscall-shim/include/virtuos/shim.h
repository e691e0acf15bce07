/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim tells about itself. The symbol exists only where
 * libsyscall-shim.so is preloaded: look it up with dlsym(RTLD_DEFAULT,
 * "vos_shim_counters").
 *
 * Environment, read once at start:
 *   VIRTUOS_SHIM=off   every call goes to the C library, as without the shim
 */
#ifndef VIRTUOS_SHIM_H
#define VIRTUOS_SHIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Counts since the process started or was forked. All calls are data calls on
 * redirected sockets and positioned calls, fsync and fdatasync on redirected
 * files, except where said. A call answered by a lane is counted in `fast`; one
 * that was left to an ordinary system call in exactly one of the trap_
 * counters. Calls on other descriptors are not counted.
 */
struct vos_shim_counters {
  uint64_t fast;             /* answered by a lane */
  uint64_t fast_continued;   /* of `fast`: the rest went by an ordinary system call */
  uint64_t doorbells;        /* requests on a lane that was parked */
  uint64_t kicks;            /* system calls to ring for a cold session */
  uint64_t waits;            /* system calls to sleep for a completion */
  uint64_t yields;           /* system calls to let others run before blocking */
  uint64_t sessions;         /* sessions made */
  uint64_t session_refusals; /* attempts to make one that failed */
  uint64_t lanes;            /* lanes taken by threads */
  uint64_t lanes_reclaimed;  /* lanes of ended threads and abandoned calls taken back */

  uint64_t trap_no_session;  /* the session just died */
  uint64_t trap_suspended;   /* another descriptor table runs here, or the process is traced */
  uint64_t trap_arguments;   /* flags, names, control data, offsets, empty or long vectors */
  uint64_t trap_size;        /* more than one lane's arena chunk */
  uint64_t trap_fault;       /* a pointer that cannot be used; the kernel answers */
  uint64_t trap_busy;        /* in a signal handler that interrupted the shim */
  uint64_t trap_no_lane;     /* more threads than lanes */
  uint64_t trap_would_block; /* nothing to receive, no room to send */
  uint64_t trap_end;         /* of a stream: the kernel may have an error to tell, or SIGPIPE */
  uint64_t trap_service;     /* the service asked for it, or the descriptor changed */
  uint64_t trap_lost;        /* the session died under a call that may be repeated */

  uint64_t file_fast;     /* of `fast`: on files */
  uint64_t file_sessions; /* of `sessions`: with the storage domain */
};

/*
 * Fills *counters; zeroes where the shim is off. Async-signal-safe. Counts of
 * calls that other threads make meanwhile may be missing.
 */
void vos_shim_counters(struct vos_shim_counters* counters);

#ifdef __cplusplus
}
#endif

#endif /* VIRTUOS_SHIM_H */
