// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_SERVER_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "service-domains/storage/file_system.h"
#include "service-domains/storage/message.h"
#include "service-domains/storage/relay.h"
#include "service-domains/storage/session.h"

namespace vos::storage {

// Reads messages and has them answered, each exactly once.
class Server {
 public:
  // More only wait for the same disk.
  static constexpr int kThreads = 8;

  // A thread cannot go on; called in it. The others do.
  using OnFailure = std::function<void(int error)>;

  // Both outlive it.
  Server(FileSystem& files, Relay& relay, OnFailure on_failure)
      : files_(files), relay_(relay), on_failure_(std::move(on_failure)) {}

  // Serves in kThreads threads, until each has read the end of the messages or failed.
  void Run();

 private:
  // Returns why it ended: 0 at the end of the messages, else an errno.
  int Work();
  void Handle(std::span<const char> message);
  // Sessions follow one another: each FUSE_INIT that is agreed upon begins a new one.
  void Begin(std::span<const char> message, const Inspection& inspection);

  FileSystem& files_;
  Relay& relay_;
  OnFailure on_failure_;
  std::atomic<std::shared_ptr<Session>> session_;
};

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_SERVER_H_
