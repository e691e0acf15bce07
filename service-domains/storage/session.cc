// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/session.h"

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 17)
#include <dirent.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "kernel/virtuos/abi/relay.h"
#include "service-domains/storage/identity.h"

namespace vos::storage {
namespace {

// Bytes of one write of the primary's; its data do not come here, but the limit is said here.
constexpr unsigned kMaxWrite = 1 << 20;
constexpr unsigned kMaxBackground = 64;
// Bytes of directory entries in one answer.
constexpr std::size_t kMaxEntries = 1 << 20;
// How much longer an entry becomes by its attributes, on average.
constexpr std::size_t kEntryGrowth = 4;

// What libfuse does not pass on of the message that this thread carries out.
thread_local const Inspection* current_message = nullptr;

Session& SessionOf(fuse_req_t request) {
  return *static_cast<Session*>(fuse_req_userdata(request));
}

// The one place where an outcome becomes an answer: acts for the caller, does it, and answers.
template <typename Operation, typename Answer>
void Carry(fuse_req_t request, Operation operation, Answer answer) {
  const fuse_ctx* context = fuse_req_ctx(request);
  if (auto acting = ActAs({.uid = context->uid,
                           .gid = context->gid,
                           .umask = context->umask,
                           .clears_set_id = current_message->clears_set_id});
      !acting) {
    fuse_reply_err(request, acting.error());
    return;
  }
  const auto outcome = operation(SessionOf(request).files());
  if (!outcome) {
    fuse_reply_err(request, outcome.error());
  } else if constexpr (std::is_void_v<typename decltype(outcome)::value_type>) {
    answer();
  } else {
    answer(*outcome);
  }
}

// Operations that give nothing but success.
template <typename Operation>
void CarryPlain(fuse_req_t request, Operation operation) {
  Carry(request, operation, [request] { fuse_reply_err(request, 0); });
}

fuse_entry_param ToFuse(const Entry& entry) {
  fuse_entry_param result{};
  result.ino = entry.node;
  result.generation = entry.node >> 32;
  result.attr = entry.attributes;
  result.attr_timeout = kValidity;
  result.entry_timeout = kValidity;
  return result;
}

template <typename Operation>
void CarryEntry(fuse_req_t request, Operation operation) {
  Carry(request, operation, [request](const Entry& entry) {
    const fuse_entry_param answer = ToFuse(entry);
    fuse_reply_entry(request, &answer);
  });
}

void OnInit(void* session, fuse_conn_info* connection) {
  constexpr std::uint64_t kWanted[] = {
      FUSE_CAP_POSIX_ACL,
      FUSE_CAP_DONT_MASK,
      FUSE_CAP_PARALLEL_DIROPS,
      FUSE_CAP_ASYNC_READ,
      FUSE_CAP_ASYNC_DIO,
      FUSE_CAP_ATOMIC_O_TRUNC,
      FUSE_CAP_DIRECT_IO_ALLOW_MMAP,
      FUSE_CAP_READDIRPLUS,
      FUSE_CAP_READDIRPLUS_AUTO,
      FUSE_CAP_HANDLE_KILLPRIV_V2,
      FUSE_CAP_SETXATTR_EXT,
  };
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t flag = std::uint64_t{1} << bit;
    if (std::ranges::find(kWanted, flag) == std::end(kWanted)) {
      fuse_unset_feature_flag(connection, flag);
    } else {
      fuse_set_feature_flag(connection, flag);  // does nothing if the primary has not got it
    }
  }
  connection->max_write = kMaxWrite;
  connection->max_background = kMaxBackground;
  connection->congestion_threshold = kMaxBackground * 3 / 4;
  static_cast<Session*>(session)->set_initialised();
}

void OnLookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  CarryEntry(request, [=](FileSystem& files) -> Outcome<Entry> {
    auto entry = files.Lookup(parent, name);
    // Node 0: that there is no such name may be remembered.
    if (!entry && entry.error() == ENOENT) return Entry{};
    return entry;
  });
}

void OnGetAttributes(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
  Carry(
      request, [=](FileSystem& files) { return files.GetAttributes(node); },
      [request](const struct stat& attributes) {
        fuse_reply_attr(request, &attributes, kValidity);
      });
}

void OnSetAttributes(fuse_req_t request, fuse_ino_t node, struct stat* attributes, int valid,
                     fuse_file_info*) {
  AttributeChange change;
  if (valid & FUSE_SET_ATTR_UID) change.uid = attributes->st_uid;
  if (valid & FUSE_SET_ATTR_GID) change.gid = attributes->st_gid;
  if (valid & FUSE_SET_ATTR_MODE) change.mode = attributes->st_mode;
  if (valid & FUSE_SET_ATTR_SIZE) change.size = attributes->st_size;
  constexpr timespec kNow{.tv_sec = 0, .tv_nsec = UTIME_NOW};
  if (valid & FUSE_SET_ATTR_ATIME) {
    change.access_time = valid & FUSE_SET_ATTR_ATIME_NOW ? kNow : attributes->st_atim;
  }
  if (valid & FUSE_SET_ATTR_MTIME) {
    change.modification_time = valid & FUSE_SET_ATTR_MTIME_NOW ? kNow : attributes->st_mtim;
  }
  Carry(
      request, [&](FileSystem& files) { return files.SetAttributes(node, change); },
      [request](const struct stat& result) { fuse_reply_attr(request, &result, kValidity); });
}

void OnReadLink(fuse_req_t request, fuse_ino_t node) {
  Carry(
      request, [=](FileSystem& files) { return files.ReadLink(node); },
      [request](const std::string& target) { fuse_reply_readlink(request, target.c_str()); });
}

void OnMakeNode(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
                dev_t device) {
  CarryEntry(request,
             [=](FileSystem& files) { return files.MakeNode(parent, name, mode, device); });
}

void OnMakeDirectory(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  CarryEntry(request, [=](FileSystem& files) { return files.MakeDirectory(parent, name, mode); });
}

void OnSymbolicLink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  CarryEntry(request,
             [=](FileSystem& files) { return files.MakeSymbolicLink(parent, name, target); });
}

void OnLink(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char* name) {
  CarryEntry(request, [=](FileSystem& files) { return files.Link(node, parent, name); });
}

// Is a file open that this message may take the last name from?
bool TakesNameOfOpenFile() { return (current_message->header.padding & VOS_FUSE_KEEP) != 0; }

void OnUnlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  const bool keep = TakesNameOfOpenFile();
  CarryPlain(request, [=](FileSystem& files) {
    return parent == VOS_FUSE_UNNAMED ? files.CloseUnnamed(name) : files.Unlink(parent, name, keep);
  });
}

void OnRemoveDirectory(fuse_req_t request, fuse_ino_t parent, const char* name) {
  CarryPlain(request, [=](FileSystem& files) {
    return parent == VOS_FUSE_UNNAMED ? files.SweepUnnamed() : files.RemoveDirectory(parent, name);
  });
}

void OnRename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
              const char* new_name, unsigned flags) {
  const bool keep = TakesNameOfOpenFile();
  CarryPlain(request, [=](FileSystem& files) {
    return files.Rename(parent, name, new_parent, new_name, flags, keep);
  });
}

// The file becomes the primary's object before the answer says that it is open.
Outcome<void> GiveAway(fuse_req_t request, FileDescriptor file) {
  return SessionOf(request).relay().Attach(current_message->header.unique, std::move(file));
}

fuse_file_info OpenAnswer(int flags) {
  fuse_file_info answer{};
  answer.flags = flags;
  // Data are cached here, not in the primary.
  answer.direct_io = 1;
  return answer;
}

void OnOpen(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
  const int flags = info->flags;
  Carry(
      request,
      [=](FileSystem& files) {
        return files.Open(node, flags).and_then([=](FileDescriptor&& file) {
          return GiveAway(request, std::move(file));
        });
      },
      [=] {
        const fuse_file_info answer = OpenAnswer(flags);
        fuse_reply_open(request, &answer);
      });
}

template <typename Operation>
void CarryCreation(fuse_req_t request, int flags, Operation operation) {
  Carry(
      request,
      [&](FileSystem& files) -> Outcome<Entry> {
        Outcome<Opened> opened = operation(files);
        if (!opened) return std::unexpected(opened.error());
        if (auto given = GiveAway(request, std::move(opened->file)); !given)
          return Refuse(given.error());
        return opened->entry;
      },
      [=](const Entry& entry) {
        const fuse_entry_param answer = ToFuse(entry);
        const fuse_file_info info = OpenAnswer(flags);
        fuse_reply_create(request, &answer, &info);
      });
}

void OnCreate(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
              fuse_file_info* info) {
  CarryCreation(request, info->flags,
                [=](FileSystem& files) { return files.Create(parent, name, info->flags, mode); });
}

void OnCreateUnnamed(fuse_req_t request, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  CarryCreation(request, info->flags,
                [=](FileSystem& files) { return files.CreateUnnamed(parent, info->flags, mode); });
}

bool IsDotOrDotDot(const char* name) {
  return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

// One entry into `to`, with its attributes if wanted. Returns its size, which is more than `room` if
// it did not fit.
std::size_t Put(fuse_req_t request, int directory, const DirectoryEntry& entry, bool attributes,
                char* to, std::size_t room) {
  fuse_entry_param answer{};
  answer.attr.st_ino = entry.inode;
  answer.attr.st_mode = DTTOIF(entry.type);
  if (!attributes)
    return fuse_add_direntry(request, to, room, entry.name, &answer.attr, entry.offset);
  // Node 0, for what has no attributes here: the name alone. If the name is gone since, looking it
  // up says so.
  if (!IsDotOrDotDot(entry.name) &&
      fuse_add_direntry_plus(request, nullptr, 0, entry.name, &answer, 0) <= room) {
    if (auto found = FileSystem::EntryOf(directory, entry.name)) answer = ToFuse(*found);
  }
  return fuse_add_direntry_plus(request, to, room, entry.name, &answer, entry.offset);
}

void ReadEntries(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset,
                 bool attributes) {
  std::vector<char> answer(std::min(size, kMaxEntries));
  std::size_t used = 0;
  const std::size_t room = attributes ? answer.size() / kEntryGrowth : answer.size();
  Carry(
      request,
      [&](FileSystem& files) {
        return files.ReadDirectory(
            node, offset, room, [&](int directory, const DirectoryEntry& entry) {
              const std::size_t left = answer.size() - used;
              const std::size_t needed =
                  Put(request, directory, entry, attributes, answer.data() + used, left);
              if (needed > left) return false;
              used += needed;
              return true;
            });
      },
      [&] { fuse_reply_buf(request, answer.data(), used); });
}

void OnReadDirectory(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset,
                     fuse_file_info*) {
  ReadEntries(request, node, size, offset, false);
}

void OnReadDirectoryPlus(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset,
                         fuse_file_info*) {
  ReadEntries(request, node, size, offset, true);
}

void OnSynchronizeDirectory(fuse_req_t request, fuse_ino_t node, int only_data, fuse_file_info*) {
  CarryPlain(request,
             [=](FileSystem& files) { return files.SynchronizeDirectory(node, only_data != 0); });
}

void OnStatistics(fuse_req_t request, fuse_ino_t) {
  Carry(
      request, [](FileSystem& files) { return files.Statistics(); },
      [request](const struct statvfs& statistics) { fuse_reply_statfs(request, &statistics); });
}

void OnSetExtendedAttribute(fuse_req_t request, fuse_ino_t node, const char* name,
                            const char* value, std::size_t size, int flags) {
  CarryPlain(request, [=](FileSystem& files) {
    return files.SetExtendedAttribute(node, name, {value, size}, flags);
  });
}

template <typename Operation>
void CarryValue(fuse_req_t request, std::size_t room, Operation operation) {
  Carry(request, operation, [=](const FileSystem::Value& value) {
    if (room == 0) {
      fuse_reply_xattr(request, value.size);
    } else {
      fuse_reply_buf(request, value.value.data(), value.value.size());
    }
  });
}

void OnGetExtendedAttribute(fuse_req_t request, fuse_ino_t node, const char* name,
                            std::size_t room) {
  CarryValue(request, room,
             [=](FileSystem& files) { return files.GetExtendedAttribute(node, name, room); });
}

void OnListExtendedAttributes(fuse_req_t request, fuse_ino_t node, std::size_t room) {
  const bool trusted = fuse_req_ctx(request)->uid == 0;
  CarryValue(request, room,
             [=](FileSystem& files) { return files.ListExtendedAttributes(node, room, trusted); });
}

void OnRemoveExtendedAttribute(fuse_req_t request, fuse_ino_t node, const char* name) {
  CarryPlain(request, [=](FileSystem& files) { return files.RemoveExtendedAttribute(node, name); });
}

constexpr fuse_lowlevel_ops kOperations = {
    .init = OnInit,
    .lookup = OnLookup,
    .getattr = OnGetAttributes,
    .setattr = OnSetAttributes,
    .readlink = OnReadLink,
    .mknod = OnMakeNode,
    .mkdir = OnMakeDirectory,
    .unlink = OnUnlink,
    .rmdir = OnRemoveDirectory,
    .symlink = OnSymbolicLink,
    .rename = OnRename,
    .link = OnLink,
    .open = OnOpen,
    .readdir = OnReadDirectory,
    .fsyncdir = OnSynchronizeDirectory,
    .statfs = OnStatistics,
    .setxattr = OnSetExtendedAttribute,
    .getxattr = OnGetExtendedAttribute,
    .listxattr = OnListExtendedAttributes,
    .removexattr = OnRemoveExtendedAttribute,
    .create = OnCreate,
    .readdirplus = OnReadDirectoryPlus,
    .tmpfile = OnCreateUnnamed,
};

ssize_t WriteAnswer(int, iovec* parts, int count, void* session) {
  return static_cast<Session*>(session)->relay().Send({parts, static_cast<std::size_t>(count)});
}

// Messages are read by the server, which looks at them first.
ssize_t ReadNothing(int, void*, std::size_t, void*) {
  errno = ENOSYS;
  return -1;
}

constexpr fuse_custom_io kTransport = {.writev = WriteAnswer, .read = ReadNothing};

fuse_statx_out ToFuseStatus(const struct statx& status) {
  const auto time = [](const statx_timestamp& from) {
    return fuse_sx_time{.tv_sec = from.tv_sec, .tv_nsec = from.tv_nsec};
  };
  return {.attr_valid = static_cast<std::uint64_t>(kValidity),
          .stat = {.mask = status.stx_mask,
                   .blksize = status.stx_blksize,
                   .attributes = status.stx_attributes,
                   .nlink = status.stx_nlink,
                   .uid = status.stx_uid,
                   .gid = status.stx_gid,
                   .mode = status.stx_mode,
                   .ino = status.stx_ino,
                   .size = status.stx_size,
                   .blocks = status.stx_blocks,
                   .attributes_mask = status.stx_attributes_mask,
                   .atime = time(status.stx_atime),
                   .btime = time(status.stx_btime),
                   .ctime = time(status.stx_ctime),
                   .mtime = time(status.stx_mtime),
                   .rdev_major = status.stx_rdev_major,
                   .rdev_minor = status.stx_rdev_minor,
                   .dev_major = status.stx_dev_major,
                   .dev_minor = status.stx_dev_minor}};
}

// For what libfuse does not know.
void AnswerDirectly(Relay& relay, std::uint64_t unique, const Outcome<void>& outcome) {
  relay.Answer(unique, outcome ? 0 : outcome.error());
}

void AnswerDirectly(Relay& relay, std::uint64_t unique, const Outcome<struct statx>& outcome) {
  if (!outcome) return relay.Answer(unique, outcome.error());
  const fuse_statx_out answer = ToFuseStatus(*outcome);
  relay.Answer(unique, 0, std::as_bytes(std::span(&answer, 1)));
}

}  // namespace

Outcome<std::unique_ptr<Session>> Session::Create(FileSystem& files, Relay& relay) {
  std::unique_ptr<Session> session(new Session(files, relay));
  char program[] = "storage-daemon";
  char* arguments[] = {program, nullptr};
  fuse_args settings{.argc = 1, .argv = arguments, .allocated = 0};
  session->session_ = fuse_session_new(&settings, &kOperations, sizeof(kOperations), session.get());
  fuse_opt_free_args(&settings);
  if (session->session_ == nullptr) return Refuse(ENOMEM);
  // libfuse closes the descriptor it is given.
  const int own = fcntl(relay.descriptor(), F_DUPFD_CLOEXEC, 0);
  if (own < 0) return Refuse();
  const int failure =
      fuse_session_custom_io(session->session_, &kTransport, sizeof(kTransport), own);
  if (failure != 0) {
    close(own);
    return Refuse(-failure);
  }
  return session;
}

Session::~Session() {
  if (session_ != nullptr) fuse_session_destroy(session_);
}

void Session::Serve(std::span<const char> message, const Inspection& inspection) {
  const fuse_in_header& header = inspection.header;
  switch (header.opcode) {
    case FUSE_SYNCFS:
      return AnswerDirectly(relay_, header.unique, files_.Synchronize());
    case FUSE_STATX:
      return AnswerDirectly(relay_, header.unique, files_.GetExtendedStatus(header.nodeid));
    default:
      break;
  }
  current_message = &inspection;
  const fuse_buf buffer{.size = message.size(),
                        .flags = static_cast<fuse_buf_flags>(0),
                        .mem = const_cast<char*>(message.data())};
  fuse_session_process_buf(session_, &buffer);
  current_message = nullptr;
}

}  // namespace vos::storage
