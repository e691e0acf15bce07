// SPDX-License-Identifier: Apache-2.0
// Files that are open when the storage domain dies go on in the next one: what was synced is there, calls during the
// outage wait and then work, a descriptor that appends appends, a mapping shows the file, a directory finds its names,
// the size is what it was, a file without a name is there until its last close, which frees its room, also if that came while there was no
// domain, and also if somebody else closed it while it lost its name. Nobody sees an error: everything was synced.
// tier: fast
// boot: shared
// variants: trap shim
// time: 240
#include <sched.h>

#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

// Until it waits in the kernel, and only to be killed.
void WaitUntilBlocked(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  int blocked = 0;
  for (const int64_t end = Milliseconds() + kSoon; Milliseconds() < end; Sleep(5)) {
    const std::string line = ReadFile(path.c_str());
    const size_t state = line.rfind(')');
    blocked = state != std::string::npos && line[state + 2] == 'D' ? blocked + 1 : 0;
    if (blocked == 4) return;
  }
  FAIL("process %d does not wait", pid);
}

// Files that have no name, each of another kind; what is in them was synced.
class Nameless {
 public:
  static constexpr size_t kSize = 4 << 20;

  explicit Nameless(const std::string& name) : name_(name) {
    Put(name + ".new", "new");
    files_.push_back(Make(".unlinked"));
    CHECK_OK(unlink((name + ".unlinked").c_str()));
    files_.push_back(Make(".replaced"));
    CHECK_OK(rename((name + ".new").c_str(), (name + ".replaced").c_str()));
    files_.push_back(Make(".one"));
    CHECK_OK(link((name + ".one").c_str(), (name + ".two").c_str()));
    CHECK_OK(unlink((name + ".one").c_str()));
    CHECK_OK(unlink((name + ".two").c_str()));
    files_.push_back(Open(".", O_TMPFILE | O_RDWR, 0600));
    Fill(files_.back());
    // Given a name, and unlinked again.
    files_.push_back(Open(".", O_TMPFILE | O_RDWR, 0600));
    Fill(files_.back());
    CHECK_OK(linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(files_.back())).c_str(), AT_FDCWD,
                    (name + ".named").c_str(), AT_SYMLINK_FOLLOW));
    CHECK_EQ(StatOf(files_.back()).st_nlink, 1);
    CHECK_OK(unlink((name + ".named").c_str()));
    CHECK_OK(syncfs(files_.back()));
    for (const Fd& file : files_) CHECK_OK(fsync(file));
    Check();
  }

  void Check() {
    for (const Fd& file : files_) {
      CHECK_EQ(StatOf(file).st_nlink, 0);
      CheckSame(ReadAt(file, kSize + 1, 0), text_, "without a name");
    }
    for (const char* gone : {".unlinked", ".one", ".two", ".named"}) CHECK(!Exists(name_ + gone));
    CheckSame(Contents(name_ + ".replaced"), "new", "what replaced it");
  }

  void Change(const std::string& piece) {
    for (const Fd& file : files_) {
      WriteAt(file, piece, 0);
      CHECK_OK(fsync(file));
    }
    text_.replace(0, piece.size(), piece);
  }

  void Close() { files_.clear(); }
  // Bytes of all of them, also after Close().
  static constexpr size_t size() { return 5 * kSize; }

 private:
  void Fill(const Fd& file) {
    WriteAt(file, text_, 0);
    CHECK_OK(fsync(file));
  }
  Fd Make(const char* suffix) {
    Fd file = Create(name_ + suffix, 0600);
    Fill(file);
    return file;
  }

  const std::string name_;
  std::string text_ = Text(kSize, 72);
  std::vector<Fd> files_;
};

// Nothing else runs on this thread's processor while it does, whoever waits there.
void RunAlone() {
  const sched_param first{1};
  CHECK_EQ(pthread_setschedparam(pthread_self(), SCHED_FIFO, &first), 0);
}

int64_t Microseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

// While this exists, calls of the kernel are not slept for as long as they may take.
class Spinning {
 public:
  Spinning() : before_(ReadFile(kTime)) { Put(kTime, "50000"); }
  ~Spinning() { Put(kTime, before_); }
  Spinning(const Spinning&) = delete;
  Spinning& operator=(const Spinning&) = delete;

 private:
  static constexpr char kTime[] = "/sys/module/virtuos/parameters/kernel_spin_us";
  static void Put(const char* name, const std::string& text) {
    const Fd file(CHECK_OK(open(name, O_WRONLY | O_CLOEXEC)));
    CHECK_EQ(write(file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  const std::string before_;
};

// Files of two names. One is taken by who has the file open and closes it then, the other, while he does, by who has
// just opened it: at any moment of the closing, whose kernel is made to wait there. Those that are open still.
std::vector<Fd> Raced(const std::string& text) {
  constexpr int kRounds = 300;
  const std::string one = "raced.one", two = "raced.two";
  cpu_set_t processor;
  CPU_ZERO(&processor);
  CPU_SET(0, &processor);
  std::vector<Fd> files;
  Turn close_soon, opened;
  std::atomic<int64_t> at = 0;
  const Spinning spinning;
  Thread opener([&] {
    CHECK_OK(sched_setaffinity(0, sizeof(processor), &processor));
    RunAlone();
    for (int round = 0; round < kRounds; round++) {
      close_soon.Take();
      const timespec when{at / 1'000'000, at % 1'000'000 * 1000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
      files.push_back(Open(two, O_RDWR));
      CHECK_OK(unlink(two.c_str()));
      opened.Give();
    }
  });
  Thread closer([&] {
    CHECK_OK(sched_setaffinity(0, sizeof(processor), &processor));
    int64_t took = 1000;
    for (int round = 0; round < kRounds; round++) {
      Fd file = Create(one);
      WriteAt(file, text, 0);
      CHECK_OK(link(one.c_str(), two.c_str()));
      CHECK_OK(unlink(one.c_str()));
      const int64_t begin = Microseconds() + 500;
      // Now and then not at all during it, to know how long it takes.
      const bool apart = round % 16 == 0;
      at = begin + (apart ? 20'000 : took * (round % 16) / 16 + round % 7 * took / 112);
      close_soon.Give();
      while (Microseconds() < begin) {
      }
      file.Reset();
      if (apart) took = std::min<int64_t>(Microseconds() - begin, 20'000);
      opened.Take();
    }
  });
  opener.Join();
  closer.Join();
  return files;
}

size_t Room() {
  struct statfs where;
  CHECK_OK(statfs(".", &where));
  return where.f_bfree * where.f_bsize;
}

// What has been freed counts once the journal has it.
void AwaitRoom(size_t room) {
  const Fd here = Open(".", O_RDONLY | O_DIRECTORY);
  for (const int64_t end = Milliseconds() + kSoon; Room() < room; Sleep(20)) {
    if (Milliseconds() > end) FAIL("%zu bytes are free, not %zu", Room(), room);
    CHECK_OK(syncfs(here));
  }
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  const std::string text = Text(100'000, 71);
  std::string expected = text, log = "first\n";
  Put("file", text);
  Put("log", log);
  CHECK_OK(mkdir("d", 0755));
  Put("d/inside", "inside");
  const Fd file = Open("file", O_RDWR), append = Open("log", O_WRONLY | O_APPEND),
           here = Open(".", O_RDONLY | O_DIRECTORY), mapped = Open("d/inside", O_RDONLY);
  CHECK_OK(fchmod(file, 0400));
  WarmUp(file);
  const Mapping mapping(mapped, 6, PROT_READ, MAP_SHARED);
  CHECK(Same(mapping.data(), "inside", 6));
  CHECK_OK(syncfs(file));
  CHECK_OK(fsync(file));
  CHECK_OK(fsync(append));

  const std::string far = Text(3'000'000, 73);
  Put("far", far);
  const Fd far_file = Open("far", O_RDONLY);
  CHECK_OK(fsync(far_file));
  const Mapping far_mapping(far_file, far.size(), PROT_READ, MAP_SHARED);
  Nameless nameless("nameless"), abandoned("abandoned");
  std::vector<Fd> raced;
  if (Variant() == "trap") raced = Raced(text.substr(0, 4096));
  const Fd top = Open(".", O_RDONLY | O_DIRECTORY);
  CHECK_OK(syncfs(top));
  const size_t room = Room();

  auto* stop = static_cast<std::atomic<bool>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(stop != MAP_FAILED);
  Turn started;
  const pid_t reader = Fork([&] {
    const Fd own = Open("file", O_RDONLY);
    WarmUp(own);
    started.Give();
    long calls = 0;
    int64_t longest = 0;
    for (; !*stop; calls++) {
      const int64_t begin = Milliseconds();
      CheckSame(ReadAt(own, 1000, 70'000), text.substr(70'000, 1000), "read all the time");
      longest = std::max(longest, Milliseconds() - begin);
    }
    printf("%ld reads, the longest took %ld ms\n", calls, static_cast<long>(longest));
  });
  started.Take();

  Put("grown", text);
  const Fd grown = Open("grown", O_RDWR);
  WarmUp(grown);
  off_t end = text.size();

  for (int round = 0; round < 2; round++) {
    pid_t waiting = 0, faulting = 0, asking = 0;
    // By the fast path, after the size was asked for: nobody but the domain knows the new one when it dies.
    CHECK_EQ(lseek(grown, 0, SEEK_END), end);
    WriteAt(grown, "longer", end);
    end += 6;
    CHECK_OK(fsync(grown));
    Outage(
        [&] {
          asking = Fork([&] {
            CHECK_EQ(lseek(grown, 0, SEEK_END), end);
            CHECK_EQ(StatOf("grown").st_size, end);
          });
          // A page that is not in memory is waited for, as a read is.
          faulting = Fork([&] {
            const size_t at = 1'000'000 * (round + 1);
            CHECK(Same(far_mapping.data() + at, far.data() + at, 5000));
          });
          waiting = Fork([&] {
            WriteAt(file, "while it is gone", 50'000);
            CHECK_OK(fsync(file));
            const std::string name = "new" + std::to_string(round);
            const Fd fresh = Create(name);
            WriteAt(fresh, "made while it is gone", 0);
            CHECK_OK(fsync(fresh));
          });
          WaitUntilBlocked(waiting);
          WaitUntilBlocked(faulting);
          if (round == 0) abandoned.Close();
        },
        {"storage"});
    Join(asking);
    Join(waiting);
    Join(faulting);
    WarmUp(grown);
    expected.replace(50'000, 16, "while it is gone");
    CheckSame(Contents("new" + std::to_string(round)), "made while it is gone", "a new file");

    CheckSame(ReadAt(file, expected.size() + 1, 0), expected, "what was synced");
    WarmUp(file);
    WriteAt(file, "afterwards", 10'000 * round);
    expected.replace(10'000 * round, 10, "afterwards");
    CHECK_OK(fsync(file));
    Write(append, "more\n");
    log += "more\n";
    CHECK_OK(fsync(append));
    CheckSame(Contents("log"), log, "what was appended");
    CHECK_EQ(static_cast<size_t>(StatOf(append).st_size), log.size());
    CHECK(Same(mapping.data(), "inside", 6));
    const Fd again(CHECK_OK(openat(here, "d/inside", O_RDONLY | O_CLOEXEC)));
    CheckSame(ReadAt(again, 100, 0), "inside", "below a directory that was open");
    nameless.Check();
    nameless.Change("round " + std::to_string(round));
    nameless.Check();
    for (size_t i = 0; i < raced.size(); i++) {
      char piece[16];
      if (pread(raced[i], piece, sizeof(piece), 0) != sizeof(piece))
        FAIL("file %zu is gone with its last name", i);
      CHECK(Same(piece, text.data(), sizeof(piece)));
    }
  }
  *stop = true;
  Join(reader);
  // The others' room came back in the second domain, though they were closed while there was none.
  AwaitRoom(room + abandoned.size() - Nameless::kSize);
  nameless.Close();
  AwaitRoom(room + abandoned.size() + nameless.size() - Nameless::kSize);
  CheckSame(Contents("file"), expected, "by its name");
  CHECK_EQ(StatOf("file").st_mode & 07777u, 0400u);
  return 0;
}
