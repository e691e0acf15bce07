// SPDX-License-Identifier: Apache-2.0
// sendfile from a file, splice from and to a pipe, tee and copies: all bytes, in order.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 30
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "testing.h"

using namespace vos::testing;

int main() {
  const size_t size = 300'001;
  const auto bytes = Pattern(size, 9);
  const Fd file(CHECK_OK(memfd_create("data", MFD_CLOEXEC)));
  CHECK_EQ(write(file, bytes.data(), size), size);

  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    std::vector<uint8_t> received(size);
    {
      Thread sender([&] {
        off_t offset = 0;
        while (offset < static_cast<off_t>(size))
          CHECK(CHECK_OK(sendfile(tcp.client, file, &offset, size - offset)) > 0);
      });
      ReceiveAll(tcp.server, received.data(), size);
    }
    CHECK(received == bytes);
    // Its own position, and the end of the file.
    CHECK_EQ(lseek(file, size - 100, SEEK_SET), size - 100);
    CHECK_EQ(sendfile(tcp.client, file, nullptr, 5000), 100);
    ReceiveAll(tcp.server, received.data(), 100);
    CHECK(memcmp(received.data(), bytes.data() + size - 100, 100) == 0);
    CHECK_EQ(sendfile(tcp.client, file, nullptr, 5000), 0);

    // Socket to pipe to socket.
    Pair onward = TcpPair(family);
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    const Fd pipe_read(ends[0]), pipe_write(ends[1]);
    {
      Thread source([&] {
        SendAll(tcp.client, bytes.data(), size);
        CHECK_OK(shutdown(tcp.client, SHUT_WR));
      });
      Thread mover([&] {
        for (;;) {
          const ssize_t in =
              CHECK_OK(splice(tcp.server, nullptr, pipe_write, nullptr, 65536, SPLICE_F_MOVE));
          if (in == 0) break;
          for (ssize_t out = 0; out < in;)
            out += CHECK_OK(
                splice(pipe_read, nullptr, onward.client, nullptr, in - out, SPLICE_F_MORE));
        }
      });
      memset(received.data(), 0, size);
      ReceiveAll(onward.server, received.data(), size);
    }
    CHECK(received == bytes);
    SetNonblocking(onward.server);
    CHECK_FAILS(splice(onward.server, nullptr, pipe_write, nullptr, 100, SPLICE_F_NONBLOCK),
                EAGAIN);

    // Datagrams too.
    Pair udp = UdpPair(family);
    off_t offset = 1000;
    CHECK_EQ(sendfile(udp.client, file, &offset, 1200), 1200);
    CHECK_EQ(recv(udp.server, received.data(), received.size(), 0), 1200);
    CHECK(memcmp(received.data(), bytes.data() + 1000, 1200) == 0);
  }
  return 0;
}
