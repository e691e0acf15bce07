// SPDX-License-Identifier: Apache-2.0
// One FUSE session, from its FUSE_INIT on: libfuse's callbacks over the operations of a FileSystem.
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_SESSION_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_SESSION_H_

#include <atomic>
#include <memory>
#include <span>

#include "service-domains/storage/file_system.h"
#include "service-domains/storage/message.h"
#include "service-domains/storage/outcome.h"
#include "service-domains/storage/relay.h"

struct fuse_session;

namespace vos::storage {

// Seconds for which the primary may believe names and attributes: it is their only client.
inline constexpr double kValidity = 3600.0;

class Session {
 public:
  // Both outlive it.
  static Outcome<std::unique_ptr<Session>> Create(FileSystem& files, Relay& relay);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Carries out a message that Inspect() found fit to be served, and answers it, once. Any thread.
  void Serve(std::span<const char> message, const Inspection& inspection);

  // Its FUSE_INIT came and was agreed upon.
  bool initialised() const { return initialised_; }
  void set_initialised() { initialised_ = true; }

  FileSystem& files() { return files_; }
  Relay& relay() { return relay_; }

 private:
  Session(FileSystem& files, Relay& relay) : files_(files), relay_(relay) {}

  FileSystem& files_;
  Relay& relay_;
  fuse_session* session_ = nullptr;
  std::atomic<bool> initialised_ = false;
};

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_SESSION_H_
