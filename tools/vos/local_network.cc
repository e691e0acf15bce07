// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/local_network.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstring>
#include <string>

#include "tools/common/file_descriptor.h"

namespace vos {
namespace {

Result<void> RaiseLoopback() {
  const FileDescriptor any_socket(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!any_socket || ioctl(any_socket.get(), SIOCSIFFLAGS, &request) < 0) {
    return FailErrno("cannot raise loopback in the namespace local");
  }
  return {};
}

// Moves into a new namespace and gives it its name. The mount comes last: what has the name is
// whole.
Result<void> Make() {
  const FileDescriptor file(open(kLocalNamespace, O_RDONLY | O_CREAT | O_CLOEXEC, 0444));
  if (!file) return FailErrno(kLocalNamespace);
  if (unshare(CLONE_NEWNET) < 0) return FailErrno("cannot make a network namespace");
  if (auto raised = RaiseLoopback(); !raised) return raised;
  if (mount("/proc/self/ns/net", kLocalNamespace, nullptr, MS_BIND, nullptr) < 0) {
    return FailErrno(std::string("cannot mount ") + kLocalNamespace);
  }
  return {};
}

}  // namespace

Result<void> EnterLocalNetwork() {
  if (mkdir(kNamespaceDirectory, 0755) < 0 && errno != EEXIST)
    return FailErrno(kNamespaceDirectory);
  // Of those that need it first at the same time, one makes it.
  const FileDescriptor lock(open(kNamespaceDirectory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock || flock(lock.get(), LOCK_EX) < 0) return FailErrno(kNamespaceDirectory);
  struct statfs existing{};
  if (statfs(kLocalNamespace, &existing) < 0 || existing.f_type != NSFS_MAGIC) return Make();
  const FileDescriptor name(open(kLocalNamespace, O_RDONLY | O_CLOEXEC));
  if (!name || setns(name.get(), CLONE_NEWNET) < 0) {
    return FailErrno("cannot enter the network namespace local");
  }
  return {};
}

}  // namespace vos
