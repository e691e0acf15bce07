// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/xenstore.h"

#include <cstdlib>

namespace vos {
namespace {

constexpr int kMaxCommits = 32;

struct Free {
  void operator()(void* memory) const { free(memory); }
};

}  // namespace

Result<XenStore> XenStore::Open() {
  xs_handle* handle = xs_open(0);
  if (handle == nullptr) return FailErrno("cannot reach xenstored");
  return XenStore(handle);
}

std::optional<std::string> XenStore::NextEvent() {
  const std::unique_ptr<char*, Free> event(xs_check_watch(handle_.get()));
  if (!event) return std::nullopt;
  return event.get()[XS_WATCH_TOKEN];
}

Result<void> XenStore::Watch(const std::string& path, const std::string& token) {
  if (!xs_watch(handle_.get(), path.c_str(), token.c_str())) {
    return FailErrno("cannot watch " + path + " in xenstore");
  }
  return {};
}

void XenStore::Unwatch(const std::string& path, const std::string& token) {
  xs_unwatch(handle_.get(), path.c_str(), token.c_str());
}

std::optional<std::string> XenStore::Read(const std::string& path) {
  unsigned length = 0;
  const std::unique_ptr<void, Free> value(xs_read(handle_.get(), XBT_NULL, path.c_str(), &length));
  if (!value) return std::nullopt;
  return std::string(static_cast<const char*>(value.get()), length);
}

std::vector<std::string> XenStore::List(const std::string& path) {
  unsigned count = 0;
  const std::unique_ptr<char*, Free> names(
      xs_directory(handle_.get(), XBT_NULL, path.c_str(), &count));
  std::vector<std::string> list;
  for (unsigned i = 0; names && i < count; ++i) list.emplace_back(names.get()[i]);
  return list;
}

void XenStore::Remove(const std::string& path) { xs_rm(handle_.get(), XBT_NULL, path.c_str()); }

void XenStore::Transaction::Check(bool success, const std::string& path) {
  if (!success && !error_) error_ = FailErrno("cannot write " + path + " in xenstore").error();
}

void XenStore::Transaction::MakeDirectory(const std::string& path, std::uint32_t owner,
                                          std::uint32_t reader) {
  // The first entry is the owner, and what all others may do.
  xs_permissions permissions[2] = {{.id = owner, .perms = XS_PERM_NONE},
                                   {.id = reader, .perms = XS_PERM_READ}};
  Check(xs_mkdir(handle_, id_, path.c_str()), path);
  Check(xs_set_permissions(handle_, id_, path.c_str(), permissions, 2), path);
}

void XenStore::Transaction::Write(const std::string& path, const std::string& value) {
  Check(xs_write(handle_, id_, path.c_str(), value.data(), static_cast<unsigned>(value.size())),
        path);
}

Result<void> XenStore::Commit(const std::function<void(Transaction&)>& writes) {
  for (int i = 0; i < kMaxCommits; ++i) {
    const xs_transaction_t id = xs_transaction_start(handle_.get());
    if (id == XBT_NULL) return FailErrno("cannot start a xenstore transaction");
    Transaction transaction(handle_.get(), id);
    writes(transaction);
    if (transaction.error_) {
      xs_transaction_end(handle_.get(), id, true);
      return std::unexpected(*transaction.error_);
    }
    if (xs_transaction_end(handle_.get(), id, false)) return {};
    if (errno != EAGAIN) return FailErrno("cannot end a xenstore transaction");
  }
  return Fail("xenstore is too busy for a transaction", EAGAIN);
}

}  // namespace vos
