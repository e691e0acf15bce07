// SPDX-License-Identifier: Apache-2.0
// sendfile and splice from a file to a redirected socket and from there to a file, also when the
// file changes underneath and the fast path is warm.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 30
#include <sys/sendfile.h>

#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  constexpr size_t kSize = 300'001;
  const std::string text = Text(kSize, 11);
  Put("file", text);
  const Fd file = Open("file", O_RDWR);
  WarmUp(file);
  std::string received(kSize, '\0');
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    {
      Thread sender([&] {
        off_t offset = 0;
        while (offset < off_t(kSize))
          CHECK(CHECK_OK(sendfile(tcp.client, file, &offset, kSize - offset)) > 0);
      });
      ReceiveAll(tcp.server, received.data(), kSize);
    }
    CheckSame(received, text, "sendfile");
    // Its own position, and the end of the file.
    CHECK_EQ(lseek(file, kSize - 100, SEEK_SET), kSize - 100);
    CHECK_EQ(sendfile(tcp.client, file, nullptr, 5000), 100);
    ReceiveAll(tcp.server, received.data(), 100);
    CHECK(Same(received.data(), text.data() + kSize - 100, 100));
    CHECK_EQ(lseek(file, 0, SEEK_CUR), kSize);
    CHECK_EQ(sendfile(tcp.client, file, nullptr, 5000), 0);

    // What was written a moment ago, by a call of any kind and by another process.
    for (int i = 0; i < 20; i++) {
      const std::string fresh(1000, char('a' + i));
      if (i % 3 == 0)
        WriteAt(file, fresh, 5000);
      else
        Join(Fork([&] {
          const Fd own = Open("file", O_RDWR);
          WriteAt(own, fresh, 5000);
        }));
      off_t offset = 5000;
      CHECK_EQ(sendfile(tcp.client, file, &offset, 1000), 1000);
      ReceiveAll(tcp.server, received.data(), 1000);
      CheckSame(received.substr(0, 1000), fresh, "just written");
    }
    WriteAt(file, text.substr(5000, 1000), 5000);

    // From the socket into a file, by a pipe.
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    const Fd pipe_read(ends[0]), pipe_write(ends[1]), into = Open("into", O_RDWR | O_CREAT);
    CHECK_OK(ftruncate(into, 0));
    {
      Thread source([&] {
        SendAll(tcp.client, text.data(), kSize);
        CHECK_OK(shutdown(tcp.client, SHUT_WR));
      });
      loff_t position = 0;
      for (;;) {
        ssize_t in = CHECK_OK(splice(tcp.server, nullptr, pipe_write, nullptr, 65536, 0));
        if (in == 0) break;
        while (in > 0) in -= CHECK_OK(splice(pipe_read, nullptr, into, &position, in, 0));
      }
    }
    CheckSame(Contents("into"), text, "spliced into a file");
  }
  return 0;
}
