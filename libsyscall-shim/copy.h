// SPDX-License-Identifier: Apache-2.0
// Copies between the program's memory, whose pointers may be bad, and ours. See copy.S.
#ifndef VIRTUOS_LIBSYSCALL_SHIM_COPY_H_
#define VIRTUOS_LIBSYSCALL_SHIM_COPY_H_

#include <cstddef>
#include <cstdint>

extern "C" {
// 0, or -EFAULT with an unknown part copied.
long vos_guarded_copy(void* to, const void* from, std::size_t bytes);
// 0 if this byte can be written, else -EFAULT. Does not change it.
long vos_guarded_probe(void* byte);

// The instructions of the above, and where a fault among them resumes.
extern const char vos_copy_start[];
extern const char vos_copy_end[];
extern const char vos_copy_abort[];

// Bytes from which on rep movsb copies. None is so long until ChooseCopy() was called.
extern std::size_t vos_copy_string_bytes;
}

namespace vos::shim {

// First address that no process of a 47-bit address space has. What lies above is not touched: it
// may be non-canonical (a general protection fault, not a page fault), and the kernel judges it.
inline constexpr std::uintptr_t kUserAddressEnd = 0x7ffffffff000;

inline bool IsUserRange(const void* address, std::size_t bytes) {
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  return bytes <= kUserAddressEnd && start <= kUserAddressEnd - bytes;
}

// Has this processor copy as it does best.
void ChooseCopy();

// False: fault; nothing is known about what was copied.
inline bool CopyFromProgram(void* to, const void* from, std::size_t bytes) {
  return IsUserRange(from, bytes) && vos_guarded_copy(to, from, bytes) == 0;
}

inline bool CopyToProgram(void* to, const void* from, std::size_t bytes) {
  return IsUserRange(to, bytes) && vos_guarded_copy(to, from, bytes) == 0;
}

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_COPY_H_
