// SPDX-License-Identifier: Apache-2.0
// Locks of files: flock by description, POSIX by process, OFD by description; ranges, waiting,
// what ends them, F_GETLK, deadlock found.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/file.h>

#include "files.h"

using namespace vos::testing;

static struct flock Range(short type, off_t start = 0, off_t size = 0) {
  struct flock range = {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = start;
  range.l_len = size;
  return range;
}

static int Lock(int fd, int command, short type, off_t start = 0, off_t size = 0) {
  struct flock range = Range(type, start, size);
  return fcntl(fd, command, &range);
}

// In another process, on a description of its own.
template <typename Body>
static void Elsewhere(Body body) {
  Join(Fork([&] {
    const Fd fd = Open("file", O_RDWR);
    body(int(fd));
  }));
}

static void TestFlock() {
  Fd first = Open("file", O_RDWR);
  const Fd second = Open("file", O_RDONLY);
  CHECK_OK(flock(first, LOCK_SH));
  CHECK_OK(flock(second, LOCK_SH | LOCK_NB));
  CHECK_FAILS(flock(first, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  CHECK_OK(flock(second, LOCK_UN));
  CHECK_OK(flock(first, LOCK_EX));
  CHECK_FAILS(flock(second, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  Elsewhere([](int fd) { CHECK_FAILS(flock(fd, LOCK_SH | LOCK_NB), EWOULDBLOCK); });
  // Shared with a child and a copy, ended by the last of them.
  Turn start;
  const pid_t child = Fork([&] { start.Take(); });
  const Fd copy(CHECK_OK(dup(first)));
  first.Reset();
  CHECK_FAILS(flock(second, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  start.Give();
  Join(child);
  CHECK_FAILS(flock(second, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  CHECK_OK(flock(copy, LOCK_UN));
  CHECK_OK(flock(second, LOCK_EX | LOCK_NB));

  // One waits until it is its turn.
  const pid_t waiter = Fork([] {
    const Fd fd = Open("file", O_RDWR);
    CHECK_OK(flock(fd, LOCK_EX));
    WriteAt(fd, "waiter", 0);
  });
  WaitUntilAsleep(waiter);
  WriteAt(copy, "before", 0);
  CHECK_OK(flock(second, LOCK_UN));
  Join(waiter);
  CheckSame(ReadAt(copy, 6, 0), "waiter", "flock");
}

static void TestPosix() {
  const Fd fd = Open("file", O_RDWR);
  CHECK_OK(Lock(fd, F_SETLK, F_WRLCK, 10, 10));
  // The process' own do not collide, and merge.
  CHECK_OK(Lock(fd, F_SETLK, F_WRLCK, 15, 15));
  Elsewhere([](int other) {
    CHECK_FAILS(Lock(other, F_SETLK, F_RDLCK, 29, 1), EAGAIN);
    CHECK_OK(Lock(other, F_SETLK, F_WRLCK, 30, 10));
    CHECK_OK(Lock(other, F_SETLK, F_WRLCK, 0, 10));
    struct flock range = Range(F_RDLCK, 0, 0);
    CHECK_OK(fcntl(other, F_GETLK, &range));
    CHECK_EQ(range.l_type, F_WRLCK);
    CHECK_EQ(range.l_start, 10);
    CHECK_EQ(range.l_len, 20);
    CHECK_EQ(range.l_pid, getppid());
  });
  CHECK_OK(Lock(fd, F_SETLK, F_UNLCK, 15, 5));
  Elsewhere([](int other) {
    CHECK_OK(Lock(other, F_SETLK, F_WRLCK, 15, 5));
    CHECK_FAILS(Lock(other, F_SETLK, F_WRLCK, 14, 1), EAGAIN);
    CHECK_FAILS(Lock(other, F_SETLK, F_WRLCK, 20, 1), EAGAIN);
  });
  // A child has none; closing any descriptor of the file ends all of the process'.
  Join(Fork([&] { CHECK_FAILS(Lock(fd, F_SETLK, F_WRLCK, 10, 1), EAGAIN); }));
  {
    const Fd other = Open("file", O_RDONLY);
  }
  Elsewhere([](int other) { CHECK_OK(Lock(other, F_SETLK, F_WRLCK)); });

  const Fd reader = Open("file", O_RDONLY), writer = Open("file", O_WRONLY);
  CHECK_FAILS(Lock(reader, F_SETLK, F_WRLCK), EBADF);
  CHECK_FAILS(Lock(writer, F_SETLK, F_RDLCK), EBADF);
  CHECK_FAILS(Lock(fd, F_SETLK, F_WRLCK, -5, 1), EINVAL);
  // Relative to the end.
  CHECK_OK(ftruncate(fd, 100));
  struct flock range = Range(F_WRLCK, -10, 5);
  range.l_whence = SEEK_END;
  CHECK_OK(fcntl(fd, F_SETLK, &range));
  Elsewhere([](int other) {
    CHECK_FAILS(Lock(other, F_SETLK, F_WRLCK, 94, 1), EAGAIN);
    CHECK_OK(Lock(other, F_SETLK, F_WRLCK, 95, 1));
  });
  CHECK_OK(Lock(fd, F_SETLK, F_UNLCK));

  // A waiter is woken, and a circle is refused.
  CHECK_OK(Lock(fd, F_SETLK, F_WRLCK, 0, 1));
  Turn ready;
  const pid_t child = Fork([&] {
    const Fd own = Open("file", O_RDWR);
    CHECK_OK(Lock(own, F_SETLK, F_WRLCK, 1, 1));
    ready.Give();
    CHECK_OK(Lock(own, F_SETLKW, F_WRLCK, 0, 1));
  });
  ready.Take();
  WaitUntilAsleep(child);
  CHECK_FAILS(Lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
  CHECK_OK(Lock(fd, F_SETLK, F_UNLCK, 0, 1));
  Join(child);
  CHECK_OK(Lock(fd, F_SETLK, F_WRLCK, 0, 2));
  CHECK_OK(Lock(fd, F_SETLK, F_UNLCK));
  // A signal ends the wait.
  const pid_t holder = Fork([&] {
    const Fd own = Open("file", O_RDWR);
    CHECK_OK(Lock(own, F_SETLK, F_WRLCK, 0, 1));
    ready.Give();
    pause();
  });
  ready.Take();
  Handle(SIGALRM, [](int) {});
  const itimerval soon{{0, 0}, {0, 100'000}};
  CHECK_OK(setitimer(ITIMER_REAL, &soon, nullptr));
  CHECK_FAILS(Lock(fd, F_SETLKW, F_WRLCK, 0, 1), EINTR);
  CHECK_OK(kill(holder, SIGKILL));
  CHECK_OK(Lock(fd, F_SETLKW, F_WRLCK, 0, 1));
  CHECK_OK(waitpid(holder, nullptr, 0));
}

static void TestDescriptions() {
  Fd first = Open("file", O_RDWR);
  const Fd second = Open("file", O_RDWR);
  CHECK_OK(Lock(first, F_OFD_SETLK, F_WRLCK, 0, 10));
  CHECK_FAILS(Lock(second, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
  CHECK_OK(Lock(second, F_OFD_SETLK, F_WRLCK, 10, 10));
  // Both kinds see each other.
  CHECK_FAILS(Lock(second, F_SETLK, F_WRLCK, 0, 1), EAGAIN);
  Join(Fork([&] { CHECK_OK(Lock(first, F_OFD_SETLK, F_WRLCK, 0, 10)); }));
  struct flock range = Range(F_WRLCK, 0, 10);
  CHECK_OK(fcntl(second, F_OFD_GETLK, &range));
  CHECK_EQ(range.l_type, F_WRLCK);
  CHECK_EQ(range.l_pid, -1);
  // Closing another description of the file does not end it; closing the last of its own does.
  {
    const Fd other = Open("file", O_RDONLY);
  }
  CHECK_FAILS(Lock(second, F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN);
  Turn locked;
  Thread waiter([&] {
    locked.Give();
    CHECK_OK(Lock(second, F_OFD_SETLKW, F_WRLCK, 0, 1));
  });
  locked.Take();
  WaitUntilAsleep(waiter.tid());
  first.Reset();
  waiter.Join();
}

int main() {
  Directory directory;
  Put("file", std::string(100, 'x'));
  TestFlock();
  TestPosix();
  TestDescriptions();

  // They count: increments under each kind of lock, by several processes with reads and writes
  // that would collide without.
  for (int kind = 0; kind < 3; kind++) {
    {
      const Fd fd = Open("count", O_RDWR | O_CREAT | O_TRUNC);
      WriteAt(fd, "\0\0\0\0", 4, 0);
    }
    pid_t children[3];
    for (pid_t& child : children)
      child = Fork([&] {
        const Fd fd = Open("count", O_RDWR);
        WarmUp(fd);
        for (int i = 0; i < 40; i++) {
          const int command = kind == 1 ? F_SETLKW : F_OFD_SETLKW;
          CHECK_OK(kind == 0 ? flock(fd, LOCK_EX) : Lock(fd, command, F_WRLCK, 0, 4));
          int count;
          CHECK_EQ(pread(fd, &count, 4, 0), 4);
          count++;
          WriteAt(fd, &count, 4, 0);
          CHECK_OK(kind == 0 ? flock(fd, LOCK_UN) : Lock(fd, command, F_UNLCK, 0, 4));
        }
      });
    for (pid_t child : children) Join(child);
    const Fd fd = Open("count", O_RDONLY);
    int count;
    CHECK_EQ(pread(fd, &count, 4, 0), 4);
    CHECK_EQ(count, 120);
  }
  return 0;
}
