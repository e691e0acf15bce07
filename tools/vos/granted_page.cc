// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/granted_page.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <xen/gntalloc.h>

#include <utility>

namespace vos {
namespace {

constexpr char kDevice[] = "/dev/xen/gntalloc";
constexpr std::size_t kSize = 4096;

// No byte like its neighbours.
constexpr std::byte Pattern(std::size_t i) { return static_cast<std::byte>(i * 37 + i / 256 + 1); }

}  // namespace

Result<GrantedPage> GrantedPage::Create(std::uint32_t domid) {
  FileDescriptor device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return FailErrno(kDevice);
  ioctl_gntalloc_alloc_gref request{};
  request.domid = static_cast<std::uint16_t>(domid);
  request.flags = GNTALLOC_FLAG_WRITABLE;
  request.count = 1;
  if (ioctl(device.get(), IOCTL_GNTALLOC_ALLOC_GREF, &request) != 0) return FailErrno(kDevice);
  void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, device.get(),
                      static_cast<off_t>(request.index));
  if (memory == MAP_FAILED) return FailErrno(kDevice);
  auto* bytes = static_cast<volatile std::byte*>(memory);
  for (std::size_t i = 0; i < kSize; ++i) bytes[i] = Pattern(i);
  return GrantedPage(std::move(device), request.gref_ids[0], bytes);
}

GrantedPage::GrantedPage(GrantedPage&& other) noexcept
    : device_(std::move(other.device_)),
      reference_(other.reference_),
      memory_(std::exchange(other.memory_, nullptr)) {}

GrantedPage::~GrantedPage() {
  if (memory_ != nullptr) munmap(const_cast<std::byte*>(memory_), kSize);
}

bool GrantedPage::Intact() const {
  for (std::size_t i = 0; i < kSize; ++i) {
    if (memory_[i] != Pattern(i)) return false;
  }
  return true;
}

}  // namespace vos
