// SPDX-License-Identifier: Apache-2.0
// Directories and special files: making, removing, listing; FIFOs, sockets and device nodes as
// such; what a mount option forbids is asked elsewhere.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  CHECK_OK(mkdir("d", 0750));
  CHECK_EQ(StatOf("d").st_mode, S_IFDIR | 0750);
  CHECK_OK(chmod("d", 0755));
  Put("d/file", "x");
  CHECK_OK(mkdir("d/sub", 0700));
  CHECK_OK(symlink("file", "d/link"));
  CHECK_OK(mkfifo("d/fifo", 0600));
  CHECK_OK(mknod("d/node", S_IFREG | 0604, 0));
  CHECK_EQ(StatOf("d/node").st_mode, S_IFREG | 0604);

  // A FIFO between two processes.
  {
    const pid_t child = Fork([] {
      const Fd fd = Open("d/fifo", O_WRONLY);
      Write(fd, "through");
    });
    const Fd fd = Open("d/fifo", O_RDONLY);
    char text[16] = {};
    CHECK_EQ(read(fd, text, sizeof(text)), 7);
    CHECK(Same(text, "through", 7));
    Join(child);
  }
  // A socket's name.
  {
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    strcpy(name.sun_path, "d/socket");
    const Fd server(CHECK_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    CHECK_OK(bind(server, reinterpret_cast<sockaddr*>(&name), sizeof(name)));
    CHECK_OK(listen(server, 1));
    CHECK(S_ISSOCK(StatOf("d/socket").st_mode));
    const Fd client(CHECK_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    CHECK_OK(connect(client, reinterpret_cast<sockaddr*>(&name), sizeof(name)));
    CHECK_FAILS(open("d/socket", O_RDONLY), ENXIO);
  }
  if (getuid() == 0 && mknod("d/null", S_IFCHR | 0666, makedev(1, 3)) == 0) {
    CHECK(S_ISCHR(StatOf("d/null").st_mode));
    CHECK_EQ(StatOf("d/null").st_rdev, makedev(1, 3));
    CHECK_OK(mknod("d/block", S_IFBLK | 0600, makedev(259, 65'537)));
    CHECK_EQ(StatOf("d/block").st_rdev, makedev(259, 65'537));
    CHECK_OK(chmod("d", 0777));
    As(kAlice, [] { CHECK_FAILS(mknod("d/alices", S_IFCHR | 0666, makedev(1, 3)), EPERM); });
  }

  // Kinds as the list tells them.
  DIR* stream = opendir("d");
  CHECK(stream);
  int entries = 0;
  while (const dirent* entry = readdir(stream)) {
    entries++;
    const struct stat status = StatOf(std::string("d/") + entry->d_name);
    if (entry->d_type != DT_UNKNOWN) CHECK_EQ(DTTOIF(entry->d_type), status.st_mode & S_IFMT);
    if (strcmp(entry->d_name, "..") != 0) CHECK_EQ(entry->d_ino, status.st_ino);
  }
  closedir(stream);
  CHECK(entries == 8 || entries == 10);

  CHECK_FAILS(rmdir("d"), ENOTEMPTY);
  CHECK_FAILS(rmdir("absent"), ENOENT);
  CHECK_FAILS(unlink("d/sub"), EISDIR);
  CHECK_OK(rmdir("d/sub"));
  // Emptied by somebody else, it goes.
  Join(Fork([] {
    for (const char* name : {"file", "link", "fifo", "node", "socket", "null", "block"})
      if (unlinkat(AT_FDCWD, (std::string("d/") + name).c_str(), 0) != 0) CHECK_EQ(errno, ENOENT);
  }));
  const Fd held = Open("d", O_RDONLY | O_DIRECTORY);
  CHECK_OK(rmdir("d"));
  CHECK(!Exists("d"));
  CHECK_EQ(StatOf(held).st_nlink, 0);

  // Processes that make and remove one name all the time: never both, never neither.
  pid_t children[3];
  for (pid_t& child : children)
    child = Fork([] {
      for (int i = 0; i < 60; i++) {
        if (mkdir("contested", 0700) == 0)
          CHECK_OK(rmdir("contested"));
        else
          CHECK_EQ(errno, EEXIST);
      }
    });
  for (pid_t child : children) Join(child);
  CHECK(!Exists("contested"));
  return 0;
}
