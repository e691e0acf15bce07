// SPDX-License-Identifier: Apache-2.0
// What the system tests share. A test is a program of its own: it exits with 0 if the behaviour
// holds, 1 if not, and 77, after a line with the reason, if it cannot say. Any failing check ends
// the whole process at once.
#ifndef VIRTUOS_TESTS_SYSTEM_TESTING_H_
#define VIRTUOS_TESTS_SYSTEM_TESTING_H_

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

namespace vos::testing {

[[noreturn, gnu::format(printf, 3, 4)]] inline void Fail(const char* file, int line,
                                                         const char* format, ...) {
  const int error = errno;
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s:%d: ", file, line);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, " (errno %d, %s)\n", error, strerror(error));
  va_end(arguments);
  fflush(nullptr);
  _exit(1);
}

#define FAIL(...) ::vos::testing::Fail(__FILE__, __LINE__, __VA_ARGS__)

// Condition holds.
#define CHECK(condition)                                    \
  do {                                                      \
    if (!(condition)) FAIL("%s does not hold", #condition); \
  } while (0)

// Two integers are equal; both are printed if not.
#define CHECK_EQ(actual, expected)                                                       \
  do {                                                                                   \
    const long long actual_ = static_cast<long long>(actual);                            \
    const long long expected_ = static_cast<long long>(expected);                        \
    if (actual_ != expected_) FAIL("%s is %lld, not %lld", #actual, actual_, expected_); \
  } while (0)

// A system call succeeds; its value.
#define CHECK_OK(call)                         \
  ({                                           \
    errno = 0;                                 \
    const auto result_ = (call);               \
    if (result_ < 0) FAIL("%s failed", #call); \
    result_;                                   \
  })

// A system call fails with this very errno.
#define CHECK_FAILS(call, error)                                                    \
  do {                                                                              \
    errno = 0;                                                                      \
    const long long result_ = static_cast<long long>(call);                         \
    if (result_ != -1) FAIL("%s gives %lld, not error %s", #call, result_, #error); \
    if (errno != (error)) FAIL("%s fails otherwise than with %s", #call, #error);   \
  } while (0)

#define SKIP(reason)                   \
  do {                                 \
    printf("skipped: %s\n", (reason)); \
    fflush(nullptr);                   \
    _exit(77);                         \
  } while (0)

// How the runner started this test: "trap", "shim", "local", or "native" on a Linux of its own.
inline std::string Variant() {
  const char* variant = getenv("VOS_TEST_VARIANT");
  return variant ? variant : "native";
}

// True where the sockets of this process live in the network domain.
inline bool InNetworkDomain() { return Variant() == "trap" || Variant() == "shim"; }

// A descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~Fd() { Reset(); }

  operator int() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// ----------------------------------------------------------------- addresses

inline constexpr int kFamilies[] = {AF_INET, AF_INET6};

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  sockaddr_in& v4() { return reinterpret_cast<sockaddr_in&>(storage); }
  sockaddr_in6& v6() { return reinterpret_cast<sockaddr_in6&>(storage); }
  uint16_t port() const {
    return ntohs(family() == AF_INET ? reinterpret_cast<const sockaddr_in&>(storage).sin_port
                                     : reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  }
  bool operator==(const Address& other) const {
    return size == other.size && memcmp(&storage, &other.storage, size) == 0;
  }
};

inline Address Loopback(int family, uint16_t port = 0) {
  Address address;
  if (family == AF_INET) {
    address.v4() = {};
    address.v4().sin_family = AF_INET;
    address.v4().sin_port = htons(port);
    address.v4().sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.size = sizeof(sockaddr_in);
  } else {
    address.v6() = {};
    address.v6().sin6_family = AF_INET6;
    address.v6().sin6_port = htons(port);
    address.v6().sin6_addr = in6addr_loopback;
    address.size = sizeof(sockaddr_in6);
  }
  return address;
}

inline Address NameOf(int fd) {
  Address address;
  CHECK_OK(getsockname(fd, address.get(), &address.size));
  return address;
}

inline Address PeerOf(int fd) {
  Address address;
  CHECK_OK(getpeername(fd, address.get(), &address.size));
  return address;
}

// ------------------------------------------------------------------- sockets

inline int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  CHECK_OK(getsockopt(fd, level, name, &value, &size));
  return value;
}

inline void SetOption(int fd, int level, int name, int value) {
  CHECK_OK(setsockopt(fd, level, name, &value, sizeof(value)));
}

inline void SetNonblocking(int fd, bool on = true) {
  const int flags = CHECK_OK(fcntl(fd, F_GETFL));
  CHECK_OK(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

// A socket bound to the loopback address and a port of the kernel's choice.
inline Fd Bound(int family, int type) {
  Fd fd(CHECK_OK(socket(family, type | SOCK_CLOEXEC, 0)));
  const Address address = Loopback(family);
  CHECK_OK(bind(fd, address.get(), address.size));
  return fd;
}

inline Fd Listening(int family, int backlog = 64) {
  Fd fd = Bound(family, SOCK_STREAM);
  CHECK_OK(listen(fd, backlog));
  return fd;
}

inline Fd Connected(const Address& address, int type = SOCK_STREAM) {
  Fd fd(CHECK_OK(socket(address.family(), type | SOCK_CLOEXEC, 0)));
  CHECK_OK(connect(fd, address.get(), address.size));
  return fd;
}

// Two ends of one connection, or two connected datagram sockets.
struct Pair {
  Fd client;
  Fd server;
};

inline Pair TcpPair(int family) {
  const Fd listener = Listening(family);
  Pair pair;
  pair.client = Connected(NameOf(listener));
  pair.server = Fd(CHECK_OK(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)));
  return pair;
}

inline Pair UdpPair(int family) {
  Pair pair{Bound(family, SOCK_DGRAM), Bound(family, SOCK_DGRAM)};
  const Address client = NameOf(pair.client);
  const Address server = NameOf(pair.server);
  CHECK_OK(connect(pair.client, server.get(), server.size));
  CHECK_OK(connect(pair.server, client.get(), client.size));
  return pair;
}

// An address of loopback where nobody listens.
inline Address Refusing(int family) { return NameOf(Bound(family, SOCK_STREAM)); }

inline void SendAll(int fd, const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t sent = CHECK_OK(send(fd, from, size, MSG_NOSIGNAL));
    CHECK(sent > 0);
    from += sent;
    size -= sent;
  }
}

inline void ReceiveAll(int fd, void* data, size_t size) {
  char* to = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t received = CHECK_OK(recv(fd, to, size, 0));
    if (received == 0) FAIL("the stream ends %zu bytes early", size);
    to += received;
    size -= received;
  }
}

// One byte there and back: the connection works.
inline void CheckAlive(int a, int b) {
  char byte = 'x';
  SendAll(a, "a", 1);
  ReceiveAll(b, &byte, 1);
  CHECK_EQ(byte, 'a');
  SendAll(b, "b", 1);
  ReceiveAll(a, &byte, 1);
  CHECK_EQ(byte, 'b');
}

// poll()'s revents of one descriptor, after at most `milliseconds`.
inline int Poll(int fd, int events, int milliseconds) {
  pollfd entry{fd, static_cast<short>(events), 0};
  CHECK_OK(poll(&entry, 1, milliseconds));
  return entry.revents;
}

// Sends on a non-blocking stream until it is full and stays so: acknowledgements make buffers grow
// for a while. Returns how many bytes it took; what they are only `bytes` tells, sent over and
// over.
inline size_t FillUp(int fd, const std::vector<uint8_t>& bytes) {
  size_t queued = 0;
  for (int full = 0; full < 3;) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      CHECK_EQ(errno, EAGAIN);
      full = Poll(fd, POLLOUT, 30) ? 0 : full + 1;
    } else {
      queued += sent;
    }
  }
  return queued;
}

// Bytes that no other seed gives.
inline std::vector<uint8_t> Pattern(size_t size, uint64_t seed) {
  std::vector<uint8_t> bytes(size);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
  for (uint8_t& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<uint8_t>(state >> 32);
  }
  return bytes;
}

// ---------------------------------------------- time, processes, threads, signals

// An upper limit for "soon": generous, because an emulated machine stalls now and then.
inline constexpr int kSoon = 8000;

inline int64_t Milliseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

inline void Sleep(int milliseconds) { poll(nullptr, 0, milliseconds); }

// Runs body in a child, whose exit status is 0 if body returns.
template <typename Body>
pid_t Fork(Body body) {
  fflush(nullptr);
  const pid_t pid = CHECK_OK(fork());
  if (pid == 0) {
    body();
    fflush(nullptr);
    _exit(0);
  }
  return pid;
}

// The child exited with this status.
inline void Join(pid_t pid, int expected = 0) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
  if (!WIFEXITED(status)) FAIL("child %d was ended by signal %d", pid, WTERMSIG(status));
  CHECK_EQ(WEXITSTATUS(status), expected);
}

// The child has ended, and is still to be joined.
inline bool HasEnded(pid_t pid) {
  siginfo_t info = {};
  CHECK_OK(waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT));
  return info.si_pid == pid;
}

// Waits until a thread of any process sleeps in the kernel, and still does a little later.
inline void WaitUntilAsleep(pid_t tid) {
  const std::string path = "/proc/" + std::to_string(tid) + "/stat";
  int asleep = 0;
  for (const int64_t end = Milliseconds() + kSoon; Milliseconds() < end; Sleep(5)) {
    char line[512] = {};
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file < 0) continue;
    if (read(file, line, sizeof(line) - 1) < 0) FAIL("reading %s failed", path.c_str());
    const char* state = strrchr(line, ')');
    asleep = state && state[2] == 'S' ? asleep + 1 : 0;
    if (asleep == 4) return;
  }
  FAIL("thread %d does not go to sleep", tid);
}

// A joined-at-the-end thread; not std::thread, whose header takes longer to compile than most
// tests.
class Thread {
 public:
  template <typename Body>
  explicit Thread(Body body) {
    struct Start {
      Thread* thread;
      Body body;
    };
    CHECK_EQ(pthread_create(
                 &handle_, nullptr,
                 [](void* argument) -> void* {
                   Start* start = static_cast<Start*>(argument);
                   start->thread->tid_ = gettid();
                   start->body();
                   delete start;
                   return nullptr;
                 },
                 new Start{this, std::move(body)}),
             0);
  }
  ~Thread() { Join(); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  void Join() {
    if (!joined_) CHECK_EQ(pthread_join(handle_, nullptr), 0);
    joined_ = true;
  }
  // Waits until it runs.
  pid_t tid() {
    while (tid_ == 0) Sleep(1);
    return tid_;
  }
  pthread_t handle() const { return handle_; }

 private:
  std::atomic<pid_t> tid_ = 0;
  bool joined_ = false;
  pthread_t handle_;
};

inline void Handle(int signal_number, void (*handler)(int), int flags = 0) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  CHECK_OK(sigaction(signal_number, &action, nullptr));
}

inline void RaiseFileLimit(rlim_t wanted) {
  rlimit limit;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  if (limit.rlim_max < wanted) limit.rlim_max = wanted;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) SKIP("the limit of open files cannot be raised");
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_TESTING_H_
