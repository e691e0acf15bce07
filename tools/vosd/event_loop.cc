// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/event_loop.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace vos {

Result<EventLoop> EventLoop::Create() {
  FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return FailErrno("epoll_create1");
  return EventLoop(std::move(epoll));
}

Result<void> EventLoop::Add(int fd, Callback callback, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return FailErrno("epoll_ctl");
  callbacks_[fd] = std::make_shared<const Callback>(std::move(callback));
  return {};
}

void EventLoop::Remove(int fd) {
  if (callbacks_.erase(fd) > 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Result<void> EventLoop::Run() {
  while (!stopped_) {
    // One event at a time: a callback may close descriptors whose events would come next.
    epoll_event event{};
    const int count = epoll_wait(epoll_.get(), &event, 1, -1);
    if (count < 0 && errno != EINTR) return FailErrno("epoll_wait");
    if (count <= 0) continue;
    const auto found = callbacks_.find(event.data.fd);
    if (found == callbacks_.end()) continue;
    const std::shared_ptr<const Callback> callback = found->second;
    (*callback)();
  }
  return {};
}

Result<Timer> Timer::Create(EventLoop& loop, EventLoop::Callback callback) {
  FileDescriptor timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return FailErrno("timerfd_create");
  const int fd = timer.get();
  const auto added = loop.Add(fd, [fd, callback = std::move(callback)] {
    std::uint64_t expirations = 0;
    // Nothing to read: it was set anew in the meantime.
    if (read(fd, &expirations, sizeof expirations) == sizeof expirations) callback();
  });
  if (!added) return std::unexpected(added.error());
  return Timer(loop, std::move(timer));
}

Timer::~Timer() {
  if (timer_) loop_->Remove(timer_.get());
}

void Timer::Set(std::chrono::milliseconds delay) {
  // Zero would clear it.
  const auto ns = std::chrono::nanoseconds(std::max(delay, std::chrono::milliseconds(1)));
  itimerspec time{};
  time.it_value.tv_sec = static_cast<time_t>(ns.count() / 1'000'000'000);
  time.it_value.tv_nsec = static_cast<long>(ns.count() % 1'000'000'000);
  timerfd_settime(timer_.get(), 0, &time, nullptr);
}

void Timer::Clear() {
  const itimerspec never{};
  timerfd_settime(timer_.get(), 0, &never, nullptr);
}

}  // namespace vos
