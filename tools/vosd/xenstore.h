// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_XENSTORE_H_
#define VIRTUOS_TOOLS_VOSD_XENSTORE_H_

// The header is for C.
extern "C" {
#include <xenstore.h>
}

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/result.h"

namespace vos {

// xenstored's watches for domains that appear or end.
inline constexpr char kReleaseDomain[] = "@releaseDomain";

class XenStore {
 public:
  static Result<XenStore> Open();

  // Readable when NextEvent() has something.
  int events() const { return xs_fileno(handle_.get()); }
  // Token of a watch that fired; nothing: none did. A watch fires once when it is set. It may still
  // fire once after Unwatch().
  std::optional<std::string> NextEvent();
  Result<void> Watch(const std::string& path, const std::string& token);
  void Unwatch(const std::string& path, const std::string& token);

  // Nothing: there is no such node.
  std::optional<std::string> Read(const std::string& path);
  // Names of the nodes below a path; empty if there is none.
  std::vector<std::string> List(const std::string& path);
  // With everything below it; nothing happens if it does not exist.
  void Remove(const std::string& path);

  // Writes of one transaction; the first failure is kept.
  class Transaction {
   public:
    // A node owned by one domain, which another one may read; nodes written below it inherit that.
    void MakeDirectory(const std::string& path, std::uint32_t owner, std::uint32_t reader);
    void Write(const std::string& path, const std::string& value);

   private:
    friend class XenStore;
    Transaction(xs_handle* handle, xs_transaction_t id) : handle_(handle), id_(id) {}
    void Check(bool success, const std::string& path);

    xs_handle* handle_;
    xs_transaction_t id_;
    std::optional<Error> error_;
  };
  // Runs `writes` again when somebody else's change interfered.
  Result<void> Commit(const std::function<void(Transaction&)>& writes);

 private:
  struct Close {
    void operator()(xs_handle* handle) const { xs_close(handle); }
  };
  explicit XenStore(xs_handle* handle) : handle_(handle) {}

  std::unique_ptr<xs_handle, Close> handle_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_XENSTORE_H_
