// SPDX-License-Identifier: Apache-2.0
// links: libsyscall-shim/[!i]*.cc libsyscall-shim/copy.S -fno-sanitize=null
//
// Calls of any kind and shape, answered by the service with arbitrary completions and data. Whatever
// comes, a call returns what such a call can return, and writes nowhere but into its buffers.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "libsyscall-shim/file_transfer.h"
#include "libsyscall-shim/transfer.h"
#include "tests/fuzz/input.h"
#include "tests/unit/simulated_session.h"

namespace {

using vos::fuzz::Input;
using vos::fuzz::Require;
using vos::shim::Domain;
using vos::shim::SimulatedSession;

constexpr std::size_t kGuard = 64;
constexpr std::size_t kLargest = 70'000;
constexpr int kLastErrno = 133;
// Of one input.
constexpr int kCalls = 64;

// Made once: threads and mappings.
struct World {
  SimulatedSession network{Domain::kNetwork};
  SimulatedSession storage{Domain::kStorage};
  int socket[2];
  int file;
  Input* input = nullptr;
  char area[kGuard + kLargest + kGuard];

  World() {
    Require(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, socket) == 0);
    file = memfd_create("file", 0);
    network.Redirect(socket[0], VOS_KIND_STREAM);
    storage.Redirect(file, VOS_KIND_FILE);
    for (SimulatedSession* session : {&network, &storage}) {
      session->Earn();
      session->ServeInWait();
      session->answer = [this](const vos_request&, vos_completion& completion, std::byte* chunk) {
        Answer(completion, chunk);
      };
    }
    signal(SIGPIPE, SIG_IGN);
  }

  void Answer(vos_completion& completion, std::byte* chunk) {
    switch (input->Take<std::uint8_t>() % 4) {
      case 0:
        completion.res = input->Take<std::uint16_t>();
        break;
      case 1:
        completion.res = -static_cast<std::int64_t>(input->Take<std::uint8_t>());
        break;
      case 2:
        completion.res = static_cast<std::int64_t>(input->Take<std::uint64_t>());
        break;
      default:
        completion.res = 1;
        break;
    }
    completion.flags = input->Take<std::uint16_t>();
    completion.aux = input->Take<std::uint32_t>();
    completion.pos = input->Take<std::uint64_t>();
    std::memset(chunk, input->Take<std::uint8_t>(), kGuard);
  }

  ssize_t Call(std::size_t bytes) {
    char* const data = area + kGuard;
    const std::size_t first = input->Take<std::uint16_t>() % (bytes + 1);
    iovec parts[3] = {{data, first}, {nullptr, 0}, {data + first, bytes - first}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 3;
    const auto at = static_cast<off_t>(input->Take<std::uint32_t>());
    const int flags = input->Take<std::uint8_t>() % 2 == 0 ? MSG_DONTWAIT : MSG_WAITALL;
    switch (input->Take<std::uint8_t>() % 10) {
      case 0:
        return vos::shim::Pread(file, data, bytes, at);
      case 1:
        return vos::shim::Pwrite(file, data, bytes, at % 4096);
      case 2:
        return vos::shim::Preadv(file, parts, 3, at);
      case 3:
        return vos::shim::Pwritev2(file, parts, 3, at % 4096, 0);
      case 4:
        return vos::shim::Fsync(file);
      case 5:
        return vos::shim::Recv(socket[0], data, bytes, flags);
      case 6:
        return vos::shim::Send(socket[0], data, bytes, MSG_DONTWAIT);
      case 7:
        return vos::shim::Recvmsg(socket[0], &message, flags);
      case 8:
        return vos::shim::Readv(socket[0], parts, 3);
      default:
        return vos::shim::Write(socket[0], data, bytes);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World& world = *new World;
  Input input(data, size);
  world.input = &input;
  for (int i = 0; i < kCalls && !input.empty(); ++i) {
    const std::size_t bytes = input.Take<std::uint8_t>() % 8 == 0
                                  ? input.Take<std::uint32_t>() % kLargest
                                  : input.Take<std::uint8_t>();
    char* const guard = world.area + kGuard + bytes;
    std::fill_n(world.area, kGuard, 'g');
    std::fill_n(guard, kGuard, 'g');
    errno = 0;
    const ssize_t result = world.Call(bytes);
    Require(result >= -1 && result <= static_cast<ssize_t>(bytes));
    Require(result >= 0 || (errno > 0 && errno <= kLastErrno));
    const auto untouched = [](const char* from) {
      return std::all_of(from, from + kGuard, [](char c) { return c == 'g'; });
    };
    Require(untouched(world.area) && untouched(guard));
    char drained[4096];
    while (recv(world.socket[1], drained, sizeof(drained), MSG_DONTWAIT) > 0) continue;
  }
  return 0;
}
