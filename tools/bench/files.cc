// SPDX-License-Identifier: Apache-2.0
// The benchmarks of a file system: files BENCH VARIANT DIRECTORY.
//   pread-cached-N       N bytes at changing places of a file that is in the cache
//   pwrite-cached-4096   4 KiB at changing places, not synced
//   append-fsync         4 KiB appended, then fsync
//   open-close           of an existing file
//   stat                 of a name that is in the cache
//   create-unlink        a new empty file and its removal
//   seq-read, seq-write  1 MiB at a time around the cache, the writes with an fsync at the end
//   sqlite-insert        one row, a transaction of its own
//   pgbench              one transaction of pgbench's, one client, of a server that runs already
// Each runs in a child, whose system calls are counted in rounds of their own after those that are
// timed: "BENCH VARIANT each system-calls N".
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <format>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/counts.h"
#include "tools/bench/samples.h"
#include "tools/common/system_call_trace.h"

namespace vos::bench {
namespace {

constexpr int kCalls = 4'000;
constexpr int kLargeCalls = 60;
constexpr int kSyncs = 150;
constexpr int kNames = 300;
constexpr int kFewWarmUp = 10;
constexpr int kTracedRounds = 10;
constexpr std::size_t kMebibyte = 1024 * 1024;
constexpr std::size_t kCachedBytes = 8 * kMebibyte;
constexpr int kSequentialCalls = 150;
constexpr std::size_t kDirectAlignment = 4096;
constexpr mode_t kMode = 0600;

[[noreturn]] void Die(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

void Check(bool good, const char* what) {
  if (!good) Die(what);
}

// Memory that reads and writes around the cache accept.
struct Free {
  void operator()(char* memory) const { free(memory); }
};
using Buffer = std::unique_ptr<char, Free>;

Buffer MakeBuffer(std::size_t bytes) {
  void* memory = nullptr;
  errno = posix_memalign(&memory, kDirectAlignment, bytes);
  Check(errno == 0, "memory");
  memset(memory, 'f', bytes);
  return Buffer(static_cast<char*>(memory));
}

// A file of its own that is gone when the benchmark ends.
class File {
 public:
  File(std::string path, int flags) : path_(std::move(path)) {
    fd_ = open(path_.c_str(), flags | O_CREAT | O_CLOEXEC, kMode);
    Check(fd_ >= 0, path_.c_str());
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    close(fd_);
    unlink(path_.c_str());
  }

  void Fill(std::size_t bytes) {
    const Buffer buffer = MakeBuffer(kMebibyte);
    for (std::size_t at = 0; at < bytes; at += kMebibyte)
      Check(pwrite(fd_, buffer.get(), kMebibyte, static_cast<off_t>(at)) == kMebibyte, "filling");
    Check(fsync(fd_) == 0, "fsync");
  }
  int fd() const { return fd_; }
  const char* path() const { return path_.c_str(); }

 private:
  std::string path_;
  int fd_;
};

// Steps through a file in an order that neither repeats soon nor runs sequentially.
class Places {
 public:
  explicit Places(std::size_t bytes) : slots_(kCachedBytes / bytes), bytes_(bytes) {}
  off_t Next() {
    slot_ = (slot_ + kStep) % slots_;
    return static_cast<off_t>(slot_ * bytes_);
  }

 private:
  static constexpr std::size_t kStep = 7919;
  std::size_t slots_, bytes_, slot_ = 0;
};

// What is to be measured, and by which process.
struct Subject {
  const char* bench;
  const char* variant;
  std::string directory;
  const TracedProcess& process;

  template <typename Round>
  void Measure(int warm_up, int count, Round round) const {
    MeasureCounted(warm_up, bench, variant, count, round);
    process.Begin();
    for (int i = 0; i < kTracedRounds; i++) round();
    process.End();
  }
};

// N bytes at changing places of a file that is in the cache.
void Cached(const Subject& subject, std::size_t bytes, bool out) {
  File file(subject.directory + "/cached", O_RDWR | O_TRUNC);
  file.Fill(kCachedBytes);
  const Buffer buffer = MakeBuffer(bytes);
  Places places(bytes);
  subject.Measure(kWarmUp, bytes >= kMebibyte ? kLargeCalls : kCalls, [&] {
    const ssize_t done = out ? pwrite(file.fd(), buffer.get(), bytes, places.Next())
                             : pread(file.fd(), buffer.get(), bytes, places.Next());
    Check(done == static_cast<ssize_t>(bytes), out ? "pwrite" : "pread");
  });
}

void AppendFsync(const Subject& subject) {
  constexpr std::size_t kRecord = 4096;
  File file(subject.directory + "/append", O_WRONLY | O_APPEND | O_TRUNC);
  const Buffer buffer = MakeBuffer(kRecord);
  subject.Measure(kFewWarmUp, kSyncs, [&] {
    Check(write(file.fd(), buffer.get(), kRecord) == kRecord, "write");
    Check(fsync(file.fd()) == 0, "fsync");
  });
}

void OpenClose(const Subject& subject) {
  File file(subject.directory + "/open", O_RDWR);
  subject.Measure(kFewWarmUp, kNames, [&] {
    const int fd = open(file.path(), O_RDONLY | O_CLOEXEC);
    Check(fd >= 0, "open");
    close(fd);
  });
}

void Stat(const Subject& subject) {
  const std::string name = subject.directory + "/stat";
  {
    // Closed again: what is open for writing is asked for its size each time.
    const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode);
    Check(fd >= 0, "open");
    close(fd);
  }
  subject.Measure(kWarmUp, kCalls, [&] {
    struct stat status;
    Check(stat(name.c_str(), &status) == 0, "stat");
  });
  unlink(name.c_str());
}

void CreateUnlink(const Subject& subject) {
  const std::string name = subject.directory + "/create";
  subject.Measure(kFewWarmUp, kNames, [&] {
    const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
    Check(fd >= 0, "open");
    close(fd);
    Check(unlink(name.c_str()) == 0, "unlink");
  });
}

// The last sample of writing carries the fsync.
void Sequential(const Subject& subject, bool out) {
  File file(subject.directory + "/sequential", O_RDWR | O_TRUNC | O_DIRECT);
  if (!out) file.Fill((kSequentialCalls + kTracedRounds) * kMebibyte);
  const Buffer buffer = MakeBuffer(kMebibyte);
  int done = 0;
  subject.Measure(0, kSequentialCalls, [&] {
    const ssize_t n =
        out ? write(file.fd(), buffer.get(), kMebibyte) : read(file.fd(), buffer.get(), kMebibyte);
    Check(n == static_cast<ssize_t>(kMebibyte), out ? "write" : "read");
    if (out && ++done == kSequentialCalls) Check(fsync(file.fd()) == 0, "fsync");
  });
}

// The library's interface, which is fixed; it is there without its header.
struct Sqlite {
  Sqlite() : library(dlopen("libsqlite3.so.0", RTLD_NOW)) {
    if (!library) {
      fprintf(stderr, "%s\n", dlerror());
      exit(1);
    }
    Find(open, "sqlite3_open");
    Find(close, "sqlite3_close");
    Find(execute, "sqlite3_exec");
  }
  void* library;
  int (*open)(const char* name, void** database);
  int (*close)(void* database);
  int (*execute)(void* database, const char* statement, void*, void*, char** error);

 private:
  template <typename Function>
  void Find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    Check(function, name);
  }
};

void SqliteInsert(const Subject& subject) {
  const Sqlite sqlite;
  const std::string name = subject.directory + "/bench.sqlite";
  void* database = nullptr;
  unlink(name.c_str());
  Check(sqlite.open(name.c_str(), &database) == 0, "sqlite3_open");
  const auto execute = [&](const std::string& statement) {
    Check(sqlite.execute(database, statement.c_str(), nullptr, nullptr, nullptr) == 0,
          statement.c_str());
  };
  execute("CREATE TABLE t (i INTEGER PRIMARY KEY, v TEXT)");
  int row = 0;
  subject.Measure(kFewWarmUp, kSyncs,
                  [&] { execute(std::format("INSERT INTO t (v) VALUES ('row {}')", row++)); });
  sqlite.close(database);
  unlink(name.c_str());
}

// Runs a command for what it leaves in files.
void Run(std::vector<std::string> words) {
  std::vector<char*> command;
  for (std::string& word : words) command.push_back(word.data());
  command.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid;
  errno = posix_spawnp(&pid, command[0], &actions, nullptr, command.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  Check(errno == 0, command[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) Check(errno == EINTR, command[0]);
  if (status != 0) {
    fprintf(stderr, "%s ended with status %#x\n", command[0], status);
    exit(1);
  }
}

// pgbench's log has a line a transaction: client, number, microseconds, ...
void Pgbench(const Subject& subject) {
  const std::filesystem::path log = std::filesystem::temp_directory_path() / "pgbench-log";
  const auto transactions = [&](int count) {
    Run({"pgbench", "--client=1", std::format("--transactions={}", count), "--no-vacuum", "--log",
         "--log-prefix=" + log.string()});
    std::vector<double> samples;
    for (const auto& entry : std::filesystem::directory_iterator(log.parent_path())) {
      if (!entry.path().filename().string().starts_with(log.filename().string())) continue;
      std::ifstream file(entry.path());
      double client, number, microseconds;
      for (std::string rest; file >> client >> number >> microseconds; std::getline(file, rest))
        samples.push_back(microseconds * 1000);
      file.close();
      std::filesystem::remove(entry.path());
    }
    return samples;
  };
  transactions(kFewWarmUp);
  const Counters counters;
  const Reading before = counters.Read();
  std::vector<double> samples = transactions(kSyncs);
  const Reading after = counters.Read();
  Check(samples.size() == kSyncs, "pgbench's log");
  Print(subject.bench, subject.variant, std::move(samples));
  PrintCost(subject.bench, subject.variant, before, after, kSyncs);
}

void Measure(const Subject& subject) {
  const std::string_view bench = subject.bench;
  constexpr std::string_view kPread = "pread-cached-", kPwrite = "pwrite-cached-";
  const auto size_after = [&](std::string_view prefix) {
    return strtoul(subject.bench + prefix.size(), nullptr, 10);
  };
  if (bench.starts_with(kPread)) {
    Cached(subject, size_after(kPread), false);
  } else if (bench.starts_with(kPwrite)) {
    Cached(subject, size_after(kPwrite), true);
  } else if (bench == "append-fsync") {
    AppendFsync(subject);
  } else if (bench == "open-close") {
    OpenClose(subject);
  } else if (bench == "stat") {
    Stat(subject);
  } else if (bench == "create-unlink") {
    CreateUnlink(subject);
  } else if (bench == "seq-read" || bench == "seq-write") {
    Sequential(subject, bench == "seq-write");
  } else if (bench == "sqlite-insert") {
    SqliteInsert(subject);
  } else if (bench == "pgbench") {
    Pgbench(subject);
  } else {
    fprintf(stderr, "no such benchmark\n");
    exit(2);
  }
}

}  // namespace
}  // namespace vos::bench

int main(int count, char** arguments) {
  using namespace vos::bench;
  if (count != 4) {
    fprintf(stderr, "usage: files BENCH VARIANT DIRECTORY\n");
    return 2;
  }
  const char* bench = arguments[1];
  const char* variant = arguments[2];
  const pid_t child = fork();
  Check(child >= 0, "fork");
  if (child == 0) {
    const vos::TracedProcess self;
    Measure({bench, variant, arguments[3], self});
    return 0;
  }
  // What the shim calls for itself depends on how long a call takes, so not here: it counts that.
  int calls = 0;
  bool counted = false;
  const int status = vos::FollowSystemCalls(
      child, [&](bool) { counted = true; }, [&](long number) { calls += number != SYS_prctl; });
  Check(status >= 0, "ptrace");
  if (status != 0) return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  if (counted)
    printf("%s %s each system-calls %.3f\n", bench, variant,
           static_cast<double>(calls) / kTracedRounds);
  return 0;
}
