// SPDX-License-Identifier: Apache-2.0
// Calls by which a program changes what the shim may do or can believe. They are forwarded as they
// are, to the next definition in the C library, and only looked at. Async-signal-safe.
//
//   prctl, syscall   the program confines itself by seccomp: see `confinement`
//   sigaltstack      handlers on a stack that is disarmed: see `disarmed_signal_stacks`
#ifndef VIRTUOS_LIBSYSCALL_SHIM_NOTICED_CALLS_H_
#define VIRTUOS_LIBSYSCALL_SHIM_NOTICED_CALLS_H_

#include <signal.h>

namespace vos::shim {

// SS_AUTODISARM of linux/signal.h, which does not go with the C library's signal.h.
inline constexpr int kAutodisarm = static_cast<int>(1u << 31);

int Prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int Sigaltstack(const stack_t* stack, stack_t* old);

// What syscall() becomes for the numbers of the calls above and of seccomp(), see system_call.S.
long SystemCall(long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
                unsigned long e, unsigned long f) __asm__("vos_noticed_system_call");

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_NOTICED_CALLS_H_
