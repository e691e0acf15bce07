// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_EVENT_LOOP_H_
#define VIRTUOS_TOOLS_VOSD_EVENT_LOOP_H_

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "tools/common/file_descriptor.h"
#include "tools/common/result.h"

namespace vos {

// Calls back when descriptors become readable (or `events` of epoll) or hang up. Level-triggered; one thread.
class EventLoop {
 public:
  using Callback = std::function<void()>;

  static Result<EventLoop> Create();

  // The descriptor must be removed before it is closed. A callback may add and remove any, its own
  // too.
  Result<void> Add(int fd, Callback callback, std::uint32_t events = EPOLLIN);
  void Remove(int fd);

  // Returns after Stop(), or with the error that makes waiting impossible.
  Result<void> Run();
  void Stop() { stopped_ = true; }

 private:
  explicit EventLoop(FileDescriptor epoll) : epoll_(std::move(epoll)) {}

  FileDescriptor epoll_;
  std::map<int, std::shared_ptr<const Callback>> callbacks_;
  bool stopped_ = false;
};

// Calls back once after each Set(). The loop must outlive it.
class Timer {
 public:
  static Result<Timer> Create(EventLoop& loop, EventLoop::Callback callback);
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&&) = delete;
  ~Timer();

  void Set(std::chrono::milliseconds delay);
  void Clear();

 private:
  Timer(EventLoop& loop, FileDescriptor timer) : loop_(&loop), timer_(std::move(timer)) {}

  EventLoop* loop_;
  FileDescriptor timer_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_EVENT_LOOP_H_
