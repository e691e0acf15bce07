// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/server.h"

#include <linux/fuse.h>

#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "kernel/virtuos/abi/relay.h"
#include "service-domains/storage/identity.h"

namespace vos::storage {

void Server::Run() {
  std::vector<std::jthread> threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([this] {
      if (const int error = Work(); error != 0) on_failure_(error);
    });
  }
}

int Server::Work() {
  if (auto prepared = PrepareIdentity(); !prepared) return prepared.error();
  std::vector<char> buffer(VOS_RELAY_MESSAGE_MAX);
  while (true) {
    const ssize_t size = relay_.Next(buffer);
    if (size == 0) return 0;
    if (size > 0) {
      Handle(std::span(buffer).first(static_cast<std::size_t>(size)));
    } else if (errno != EINTR && errno != EAGAIN && errno != ENOENT) {
      return errno;
    }
  }
}

void Server::Handle(std::span<const char> message) {
  const Inspection inspection = Inspect(message);
  switch (inspection.verdict) {
    case Verdict::kServe:
      if (inspection.header.opcode == FUSE_INIT) return Begin(message, inspection);
      if (const std::shared_ptr<Session> session = session_.load()) {
        return session->Serve(message, inspection);
      }
      return relay_.Answer(inspection.header.unique, EIO);
    case Verdict::kRefuse:
      return relay_.Answer(inspection.header.unique, inspection.error);
    case Verdict::kDrop:
      return;
  }
}

void Server::Begin(std::span<const char> message, const Inspection& inspection) {
  auto created = Session::Create(files_, relay_);
  if (!created) return relay_.Answer(inspection.header.unique, created.error());
  const std::shared_ptr<Session> session = std::move(*created);
  // What follows the answer may be read by another thread at once; it needs a session then, and any
  // that came to be will do.
  const std::shared_ptr<Session> last = session_.load();
  if (!last || !last->initialised()) session_.store(session);
  session->Serve(message, inspection);
  if (session->initialised()) session_.store(session);
}

}  // namespace vos::storage
