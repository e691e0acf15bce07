// SPDX-License-Identifier: Apache-2.0
// The benchmarks of a file system: files BENCH VARIANT DIRECTORY.
//   pread-cached-N       N bytes at changing places of a file that is in the cache
//   pwrite-cached-4096   4 KiB at changing places, not synced
//   append-fsync         4 KiB appended, then fsync
//   open-close           of an existing file
//   stat                 of a name that is in the cache
//   create-unlink        a new empty file and its removal
//   seq-read, seq-write  1 MiB at a time around the cache, the writes with an fsync at the end
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/samples.h"

namespace vos::bench {
namespace {

constexpr int kCalls = 2'000;
constexpr int kLargeCalls = 60;
constexpr int kSyncs = 100;
constexpr int kNames = 300;
constexpr std::size_t kMebibyte = 1024 * 1024;
constexpr std::size_t kCachedBytes = 8 * kMebibyte;
constexpr std::size_t kSequentialBytes = 48 * kMebibyte;
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

void PreadCached(const char* bench, const char* variant, const std::string& directory,
                 std::size_t bytes) {
  File file(directory + "/pread", O_RDWR | O_TRUNC);
  file.Fill(kCachedBytes);
  const Buffer buffer = MakeBuffer(bytes);
  Places places(bytes);
  Measure(bench, variant, bytes >= kMebibyte ? kLargeCalls : kCalls, [&] {
    Check(pread(file.fd(), buffer.get(), bytes, places.Next()) == static_cast<ssize_t>(bytes),
          "pread");
  });
}

void PwriteCached(const char* bench, const char* variant, const std::string& directory,
                  std::size_t bytes) {
  File file(directory + "/pwrite", O_RDWR | O_TRUNC);
  file.Fill(kCachedBytes);
  const Buffer buffer = MakeBuffer(bytes);
  Places places(bytes);
  Measure(bench, variant, kCalls, [&] {
    Check(pwrite(file.fd(), buffer.get(), bytes, places.Next()) == static_cast<ssize_t>(bytes),
          "pwrite");
  });
}

void AppendFsync(const char* bench, const char* variant, const std::string& directory) {
  constexpr std::size_t kRecord = 4096;
  File file(directory + "/append", O_WRONLY | O_APPEND | O_TRUNC);
  const Buffer buffer = MakeBuffer(kRecord);
  MeasureAfter(10, bench, variant, kSyncs, [&] {
    Check(write(file.fd(), buffer.get(), kRecord) == kRecord, "write");
    Check(fsync(file.fd()) == 0, "fsync");
  });
}

void OpenClose(const char* bench, const char* variant, const std::string& directory) {
  File file(directory + "/open", O_RDWR);
  MeasureAfter(10, bench, variant, kNames, [&] {
    const int fd = open(file.path(), O_RDONLY | O_CLOEXEC);
    Check(fd >= 0, "open");
    close(fd);
  });
}

void Stat(const char* bench, const char* variant, const std::string& directory) {
  std::string name = directory + "/stat";
  {
    // Closed again: what is open for writing is asked for its size each time.
    const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode);
    Check(fd >= 0, "open");
    close(fd);
  }
  Measure(bench, variant, kCalls, [&] {
    struct stat status;
    Check(stat(name.c_str(), &status) == 0, "stat");
  });
  unlink(name.c_str());
}

void CreateUnlink(const char* bench, const char* variant, const std::string& directory) {
  const std::string name = directory + "/create";
  MeasureAfter(10, bench, variant, kNames, [&] {
    const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
    Check(fd >= 0, "open");
    close(fd);
    Check(unlink(name.c_str()) == 0, "unlink");
  });
}

// The last sample of writing carries the fsync.
void Sequential(const char* bench, const char* variant, const std::string& directory, bool out) {
  File file(directory + "/sequential", O_RDWR | O_TRUNC | O_DIRECT);
  if (!out) file.Fill(kSequentialBytes);
  const Buffer buffer = MakeBuffer(kMebibyte);
  std::size_t done = 0;
  MeasureAfter(0, bench, variant, kSequentialBytes / kMebibyte, [&] {
    const ssize_t n =
        out ? write(file.fd(), buffer.get(), kMebibyte) : read(file.fd(), buffer.get(), kMebibyte);
    Check(n == static_cast<ssize_t>(kMebibyte), out ? "write" : "read");
    done += kMebibyte;
    if (out && done == kSequentialBytes) Check(fsync(file.fd()) == 0, "fsync");
  });
}

}  // namespace
}  // namespace vos::bench

int main(int count, char** arguments) {
  using namespace vos::bench;
  if (count != 4) {
    fprintf(stderr, "usage: files BENCH VARIANT DIRECTORY\n");
    return 2;
  }
  const char* name = arguments[1];
  const std::string_view bench = name;
  const char* variant = arguments[2];
  const std::string directory = arguments[3];
  constexpr std::string_view kPread = "pread-cached-", kPwrite = "pwrite-cached-";
  if (bench.starts_with(kPread)) {
    PreadCached(name, variant, directory, strtoul(name + kPread.size(), nullptr, 10));
  } else if (bench.starts_with(kPwrite)) {
    PwriteCached(name, variant, directory, strtoul(name + kPwrite.size(), nullptr, 10));
  } else if (bench == "append-fsync") {
    AppendFsync(name, variant, directory);
  } else if (bench == "open-close") {
    OpenClose(name, variant, directory);
  } else if (bench == "stat") {
    Stat(name, variant, directory);
  } else if (bench == "create-unlink") {
    CreateUnlink(name, variant, directory);
  } else if (bench == "seq-read" || bench == "seq-write") {
    Sequential(name, variant, directory, bench == "seq-write");
  } else {
    fprintf(stderr, "no such benchmark\n");
    return 2;
  }
  return 0;
}
