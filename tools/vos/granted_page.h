// SPDX-License-Identifier: Apache-2.0
// A page of this process, in the primary's memory, that is granted to another domain: the target of a
// device that goes astray.
#ifndef VIRTUOS_TOOLS_VOS_GRANTED_PAGE_H_
#define VIRTUOS_TOOLS_VOS_GRANTED_PAGE_H_

#include <cstddef>
#include <cstdint>

#include "tools/common/file_descriptor.h"
#include "tools/common/result.h"

namespace vos {

class GrantedPage {
 public:
  // Filled with a pattern.
  static Result<GrantedPage> Create(std::uint32_t domid);
  GrantedPage(GrantedPage&& other) noexcept;
  GrantedPage& operator=(GrantedPage&&) = delete;
  ~GrantedPage();

  std::uint32_t reference() const { return reference_; }
  // The pattern is what it was.
  bool Intact() const;

 private:
  GrantedPage(FileDescriptor device, std::uint32_t reference, volatile std::byte* memory)
      : device_(std::move(device)), reference_(reference), memory_(memory) {}

  FileDescriptor device_;  // /dev/xen/gntalloc, which takes the page back when it is closed
  std::uint32_t reference_;
  volatile std::byte* memory_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_GRANTED_PAGE_H_
