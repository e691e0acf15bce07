// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/message.h"

#include <cerrno>
#include <cstring>
#include <optional>

namespace vos::storage {
namespace {

// What follows the header of a request: a structure, then strings.
struct Layout {
  std::size_t fixed;
  int strings;
};

// Of what the daemon serves. Data of open files never comes here: the domain's kernel has it.
std::optional<Layout> LayoutOf(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_REMOVEXATTR:
      return Layout{0, 1};
    case FUSE_SYMLINK:
      return Layout{0, 2};
    case FUSE_READLINK:
    case FUSE_STATFS:
    case FUSE_DESTROY:
      return Layout{0, 0};
    case FUSE_GETATTR:
      return Layout{sizeof(fuse_getattr_in), 0};
    case FUSE_SETATTR:
      return Layout{sizeof(fuse_setattr_in), 0};
    case FUSE_MKNOD:
      return Layout{sizeof(fuse_mknod_in), 1};
    case FUSE_MKDIR:
      return Layout{sizeof(fuse_mkdir_in), 1};
    case FUSE_RENAME:
      return Layout{sizeof(fuse_rename_in), 2};
    case FUSE_RENAME2:
      return Layout{sizeof(fuse_rename2_in), 2};
    case FUSE_LINK:
      return Layout{sizeof(fuse_link_in), 1};
    case FUSE_OPEN:
      return Layout{sizeof(fuse_open_in), 0};
    case FUSE_CREATE:
    case FUSE_TMPFILE:
      return Layout{sizeof(fuse_create_in), 1};
    case FUSE_SETXATTR:
      return Layout{sizeof(fuse_setxattr_in), 1};
    case FUSE_GETXATTR:
      return Layout{sizeof(fuse_getxattr_in), 1};
    case FUSE_LISTXATTR:
      return Layout{sizeof(fuse_getxattr_in), 0};
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return Layout{sizeof(fuse_read_in), 0};
    case FUSE_FSYNCDIR:
      return Layout{sizeof(fuse_fsync_in), 0};
    case FUSE_STATX:
      return Layout{sizeof(fuse_statx_in), 0};
    case FUSE_SYNCFS:
      return Layout{sizeof(fuse_syncfs_in), 0};
    case FUSE_INIT:
      return Layout{sizeof(fuse_init_in), 0};
    default:
      return std::nullopt;
  }
}

bool ExpectsNoAnswer(std::uint32_t opcode) {
  return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

// Where the string that begins at `start` ends, its zero included; 0 if it does not.
std::size_t EndOfString(std::span<const char> body, std::size_t start) {
  if (start >= body.size()) return 0;
  const void* zero = std::memchr(body.data() + start, '\0', body.size() - start);
  if (zero == nullptr) return 0;
  return static_cast<std::size_t>(static_cast<const char*>(zero) - body.data()) + 1;
}

template <typename T>
T Read(std::span<const char> body) {
  T value;
  std::memcpy(&value, body.data(), sizeof(value));
  return value;
}

// The caller has checked that the structure is there.
bool ClearsSetId(std::uint32_t opcode, std::span<const char> body) {
  switch (opcode) {
    case FUSE_SETATTR:
      return (Read<fuse_setattr_in>(body).valid & FATTR_KILL_SUIDGID) != 0;
    case FUSE_OPEN:
      return (Read<fuse_open_in>(body).open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
    case FUSE_CREATE:
    case FUSE_TMPFILE:
      return (Read<fuse_create_in>(body).open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
    case FUSE_SETXATTR:
      return (Read<fuse_setxattr_in>(body).setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID) != 0;
    default:
      return false;
  }
}

}  // namespace

Inspection Inspect(std::span<const char> message) {
  Inspection result;
  if (message.size() < sizeof(fuse_in_header)) return result;
  result.header = Read<fuse_in_header>(message);
  const std::uint32_t opcode = result.header.opcode;
  if (ExpectsNoAnswer(opcode)) return result;

  result.verdict = Verdict::kRefuse;
  result.error = EINVAL;
  // Extensions are not negotiated.
  if (result.header.len != message.size() || result.header.total_extlen != 0) return result;
  const auto layout = LayoutOf(opcode);
  if (!layout) {
    result.error = ENOSYS;
    return result;
  }
  const auto body = message.subspan(sizeof(fuse_in_header));
  if (body.size() < layout->fixed) return result;
  std::size_t end = layout->fixed;
  for (int string = 0; string < layout->strings; ++string) {
    end = EndOfString(body, end);
    if (end == 0) return result;
  }
  if (opcode == FUSE_SETXATTR && body.size() - end < Read<fuse_setxattr_in>(body).size) {
    return result;
  }
  result.clears_set_id = ClearsSetId(opcode, body);
  result.verdict = Verdict::kServe;
  result.error = 0;
  return result;
}

}  // namespace vos::storage
