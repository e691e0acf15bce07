// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/relay.h"

#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <iterator>

#include "kernel/virtuos/abi/relay.h"

namespace vos::storage {

void Relay::Answer(std::uint64_t unique, int error, std::span<const std::byte> body) {
  fuse_out_header header{.len = static_cast<std::uint32_t>(sizeof(header) + body.size()),
                         .error = -error,
                         .unique = unique};
  const iovec parts[] = {{&header, sizeof(header)},
                         {const_cast<std::byte*>(body.data()), body.size()}};
  // ENOENT: nobody waits for it any more. A broken device is noticed by those who read.
  static_cast<void>(!writev(descriptor(), parts, std::size(parts)));
}

Outcome<void> RelayDevice::Attach(std::uint64_t unique, int file) {
  vos_fuse_attach attach{.unique = unique, .fd = file};
  return Done(ioctl(descriptor(), VOS_FUSE_ATTACH, &attach));
}

}  // namespace vos::storage
