// SPDX-License-Identifier: Apache-2.0
// storage-daemon TOP DIRECTORY: serve the primary's file system messages with the files below
// DIRECTORY, of the file system mounted at TOP. Ends only if it cannot go on; the domain's first
// process starts it again, and nothing is lost, because it remembers nothing.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "kernel/virtuos/abi/relay.h"
#include "service-domains/storage/export_tree.h"
#include "service-domains/storage/file_system.h"
#include "service-domains/storage/relay.h"
#include "service-domains/storage/server.h"
#include "service-domains/storage/unnamed_files.h"

namespace {

constexpr char kDevice[] = "/dev/" VOS_RELAY_DEVICE;

int Fail(const char* what, int error) {
  std::fprintf(stderr, "storage-daemon: %s: %s\n", what, std::strerror(error));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace vos::storage;
  if (argc != 3) {
    std::fputs("usage: storage-daemon TOP DIRECTORY\n", stderr);
    return 2;
  }
  auto tree = ExportTree::Open(argv[2]);
  if (!tree) return Fail(argv[2], tree.error());
  auto unnamed = UnnamedFiles::Open(argv[1]);
  if (!unnamed) Fail("files without a name", unnamed.error());
  FileSystem files(std::move(*tree), unnamed ? std::move(*unnamed) : nullptr);
  vos::FileDescriptor device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return Fail(kDevice, errno);
  RelayDevice relay(std::move(device));
  // A fresh process is better than one that misses threads.
  Server server(files, relay, [](int error) { _exit(Fail(kDevice, error)); });
  server.Run();
  return 0;
}
