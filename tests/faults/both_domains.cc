// SPDX-License-Identifier: Apache-2.0
// Both service domains die at once. While there is none, what the primary itself answers is answered
// at once: local sockets, pipes, its own files, programs, descriptors of sockets and files of the
// domains, their ends; and a call into a dead domain that cannot wait says so. Then both come
// back, and what was open goes on.
// tier: fast
// boot: shared
// variants: trap shim
// time: 90
#include <spawn.h>

#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

// Anything that is answered in the primary, however busy an emulated one is.
constexpr int kAtOnce = 1500;

template <typename Body>
void AtOnce(const char* what, Body body) {
  const int64_t start = Milliseconds();
  body();
  const int64_t took = Milliseconds() - start;
  if (took > kAtOnce) FAIL("%s took %lld ms", what, static_cast<long long>(took));
}

// The exit status of a program.
int Execute(std::vector<const char*> command) {
  command.push_back(nullptr);
  pid_t pid;
  CHECK_EQ(posix_spawnp(&pid, command[0], nullptr, nullptr,
                        const_cast<char* const*>(command.data()), environ),
           0);
  int status;
  CHECK_OK(waitpid(pid, &status, 0));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  Put("file", "what was synced");
  sync();
  const Fd file = Open("file", O_RDWR), listener = Listening(AF_INET),
           datagrams = Bound(AF_INET, SOCK_DGRAM);
  WarmUp(file);
  Fd closed_file = Open("file", O_RDONLY), closed_socket = Bound(AF_INET, SOCK_DGRAM);
  const Pair stream = TcpPair(AF_INET);
  std::string local = "/var/tmp/both_domains-XXXXXX";
  const Fd local_file(mkostemp(local.data(), O_CLOEXEC));
  CHECK(local_file >= 0);

  const auto during = [&] {
    AtOnce("a local socket", [] {
      int ends[2];
      CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
      const Fd a(ends[0]), b(ends[1]);
      CheckAlive(a, b);
    });
    AtOnce("a pipe", [] {
      int ends[2];
      CHECK_OK(pipe2(ends, O_CLOEXEC));
      const Fd a(ends[0]), b(ends[1]);
      Write(b, "x");
      char byte;
      CHECK_EQ(read(a, &byte, 1), 1);
    });
    AtOnce("a file of the primary", [&] {
      Write(local_file, "local");
      CHECK_OK(fsync(local_file));
      CheckSame(ReadAt(local_file, 5, 0), "local", "a file of the primary");
    });
    AtOnce("a program", [] { CHECK_EQ(Execute({"true"}), 0); });
    AtOnce("descriptors", [&] {
      for (const int fd : {+file, +listener, +datagrams, +stream.client}) {
        const Fd copy(CHECK_OK(dup(fd)));
        const int flags = CHECK_OK(fcntl(copy, F_GETFL));
        CHECK_OK(fcntl(copy, F_SETFL, flags | O_NONBLOCK));
        CHECK_OK(fcntl(copy, F_SETFL, flags));
      }
      CHECK_EQ(Option(listener, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
      CHECK_EQ(Option(datagrams, SOL_SOCKET, SO_DOMAIN), AF_INET);
      const timeval limit = {5, 0};
      CHECK_OK(setsockopt(datagrams, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
    });
    AtOnce("the position of a file", [&] { CHECK_EQ(lseek(file, 3, SEEK_SET), 3); });
    AtOnce("the ends of a file and a socket", [&] {
      CHECK_OK(close(closed_file.Release()));
      CHECK_OK(close(closed_socket.Release()));
    });
    AtOnce("a reset stream", [&] {
      char byte;
      CHECK_FAILS(recv(stream.client, &byte, 1, 0), ECONNRESET);
      CHECK_EQ(recv(stream.client, &byte, 1, 0), 0);
    });
    AtOnce("a datagram", [&] {
      Address self = Loopback(AF_INET, 9);
      CHECK_FAILS(sendto(datagrams, "x", 1, 0, self.get(), self.size), ENETDOWN);
    });
    AtOnce("vos ping", [] { CHECK(Execute({"sh", "-c", "vos ping >/dev/null 2>&1"}) != 0); });
    AtOnce("vos status", [] { CHECK_EQ(Execute({"sh", "-c", "vos status >/dev/null"}), 0); });
  };
  Outage(during, {"network", "storage"});
  CheckSame(ReadAt(file, 15, 0), "what was synced", "the file");
  WriteAt(file, "written after it", 0);
  CHECK_OK(fsync(file));
  const Fd client = Connected(NameOf(listener));
  const Fd server(CHECK_OK(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)));
  CheckAlive(client, server);
  CHECK_EQ(Execute({"sh", "-c", "vos ping >/dev/null"}), 0);
  CHECK_OK(unlink(local.c_str()));
  return 0;
}
