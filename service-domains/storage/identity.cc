// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/identity.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace vos::storage {
namespace {

constexpr id_t kUnknown = static_cast<id_t>(-1);
// The kernel's overflowuid and overflowgid.
constexpr id_t kNobody = 65534;

struct Identity {
  bool prepared = false;
  std::uint64_t permitted = 0;
  std::uint64_t effective = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t umask = 0;
};
// Credentials are a thread's own; this is what the kernel has for it.
thread_local Identity current;

constexpr std::uint64_t Bit(int capability) { return std::uint64_t{1} << capability; }

Outcome<std::uint64_t> Permitted() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (syscall(SYS_capget, &header, data) != 0) return Refuse();
  return static_cast<std::uint64_t>(data[1].permitted) << 32 | data[0].permitted;
}

Outcome<void> SetEffective(std::uint64_t effective, std::uint64_t permitted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; ++half) {
    data[half].permitted = static_cast<std::uint32_t>(permitted >> (32 * half));
    data[half].effective = static_cast<std::uint32_t>(effective >> (32 * half));
  }
  return Done(syscall(SYS_capset, &header, data));
}

}  // namespace

Outcome<void> PrepareIdentity() {
  // Changing the file system user id must not change capabilities.
  if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) != 0) return Refuse();
  if (unshare(CLONE_FS) != 0) return Refuse();
  const auto permitted = Permitted();
  if (!permitted) return std::unexpected(permitted.error());
  current = {.prepared = true, .permitted = *permitted, .effective = *permitted};
  syscall(SYS_setfsuid, current.uid);
  syscall(SYS_setfsgid, current.gid);
  umask(current.umask);
  return SetEffective(*permitted, *permitted);
}

Outcome<void> ActAs(const Caller& caller) {
  if (!current.prepared) return Refuse(EPERM);
  const uid_t uid = caller.uid == kUnknown ? kNobody : caller.uid;
  const gid_t gid = caller.gid == kUnknown ? kNobody : caller.gid;
  std::uint64_t effective = current.permitted;
  if (uid != 0) effective &= ~Bit(CAP_SYS_RESOURCE);
  if (caller.clears_set_id) effective &= ~Bit(CAP_FSETID);

  // glibc's wrappers are not used: they may one day set the ids of the whole process.
  if (uid != current.uid) {
    syscall(SYS_setfsuid, uid);
    current.uid = static_cast<uid_t>(syscall(SYS_setfsuid, kUnknown));
    if (current.uid != uid) return Refuse(EPERM);
  }
  if (gid != current.gid) {
    syscall(SYS_setfsgid, gid);
    current.gid = static_cast<gid_t>(syscall(SYS_setfsgid, kUnknown));
    if (current.gid != gid) return Refuse(EPERM);
  }
  if (effective != current.effective) {
    if (auto set = SetEffective(effective, current.permitted); !set) return set;
    current.effective = effective;
  }
  const mode_t mask = caller.umask & 0777;
  if (mask != current.umask) {
    umask(mask);
    current.umask = mask;
  }
  return {};
}

}  // namespace vos::storage
