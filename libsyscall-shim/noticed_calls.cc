// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/noticed_calls.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "libsyscall-shim/kernel_calls.h"

namespace vos::shim {
namespace {

// A call that installs a filter if it succeeds.
template <typename Call>
auto Confine(Call call) {
  // First: when it returns the filter is in force, in other threads before that.
  confinement.fetch_add(kConfining, std::memory_order_acq_rel);
  const auto result = call();
  // Positive: a descriptor, or a thread that could not be given the filter. Then there is none; to
  // believe in one costs speed alone.
  if (result >= 0) confinement.fetch_or(kConfined, std::memory_order_acq_rel);
  confinement.fetch_sub(kConfining, std::memory_order_release);
  return result;
}

template <typename Call>
auto NoticePrctl(int option, Call call) {
  if (option == PR_SET_SECCOMP) return Confine(call);
  const auto result = call();
  if (option == PR_SET_NO_NEW_PRIVS && result == 0) {
    confinement.fetch_or(kNoNewPrivileges, std::memory_order_relaxed);
  }
  return result;
}

template <typename Call>
auto NoticeSigaltstack(const stack_t* stack, const stack_t* old, Call call) {
  const auto result = call();
  // Only now is the pointer known to be good. What was there may be overwritten.
  if (result == 0 && stack != nullptr && (stack == old || (stack->ss_flags & kAutodisarm) != 0)) {
    disarmed_signal_stacks.store(true, std::memory_order_relaxed);
  }
  return result;
}

}  // namespace

int Prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  return NoticePrctl(option, [&] { return next.prctl(option, a, b, c, d); });
}

int Sigaltstack(const stack_t* stack, stack_t* old) {
  return NoticeSigaltstack(stack, old, [&] { return next.sigaltstack(stack, old); });
}

long SystemCall(long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
                unsigned long e, unsigned long f) {
  const auto call = [&] { return next.syscall(number, a, b, c, d, e, f); };
  // As the kernel takes them.
  switch (static_cast<int>(number)) {
    case SYS_prctl:
      return NoticePrctl(static_cast<int>(a), call);
    case SYS_seccomp: {
      const auto operation = static_cast<unsigned>(a);
      return operation == SECCOMP_SET_MODE_STRICT || operation == SECCOMP_SET_MODE_FILTER
                 ? Confine(call)
                 : call();
    }
    case SYS_sigaltstack:
      return NoticeSigaltstack(reinterpret_cast<const stack_t*>(a),
                               reinterpret_cast<const stack_t*>(b), call);
    default:
      return call();
  }
}

}  // namespace vos::shim
