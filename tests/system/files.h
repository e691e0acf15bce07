// SPDX-License-Identifier: Apache-2.0
// What the tests of files share. They run in a directory of their own, made below $VOS_TEST_FILES or,
// without it, below /srv (the storage domain) where the runner started them as "trap" or "shim",
// below /var/tmp (the primary's own ext4) as "local", and below $TMPDIR on another Linux. So each
// test says of a local file system what it says of the storage domain's.
#ifndef VIRTUOS_TESTS_SYSTEM_FILES_H_
#define VIRTUOS_TESTS_SYSTEM_FILES_H_

#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "testing.h"

namespace vos::testing {

// Users nobody is; in some tests one is a member of the other's group.
inline constexpr uid_t kAlice = 61001, kBob = 61002;
inline constexpr gid_t kSharedGroup = 61100;

inline std::string FilesBase() {
  if (const char* base = getenv("VOS_TEST_FILES")) return base;
  const std::string variant = Variant();
  if (variant == "trap" || variant == "shim") return "/srv";
  if (variant == "local") return "/var/tmp";
  const char* base = getenv("TMPDIR");
  return base ? base : "/tmp";
}

// What statfs() says of FUSE, of which vosfs is one kind.
inline constexpr long kFuseMagic = 0x65735546;

// True where the files of this test live in the storage domain.
inline bool InStorageDomain() {
  struct statfs where;
  CHECK_OK(statfs(".", &where));
  return where.f_type == kFuseMagic;
}

// The file system lacks something that neither ext4 nor the storage domain may lack: tmpfs, here
// and there.
inline bool MayLack() {
  struct statfs where;
  CHECK_OK(statfs(".", &where));
  return where.f_type != kFuseMagic && where.f_type != 0xef53;
}

// Makes a directory of the test's own and goes there; removes it, with all in it, at the end of a
// test that passes.
class Directory {
 public:
  explicit Directory(mode_t mode = 0755) {
    const std::string base = FilesBase();
    if (Variant() == "trap" || Variant() == "shim") {
      struct statfs where;
      CHECK_OK(statfs(base.c_str(), &where));
      // Nothing would be tested on the directory that the mount should cover.
      if (!getenv("VOS_TEST_FILES") && where.f_type != kFuseMagic)
        FAIL("%s is not the storage domain's", base.c_str());
    }
    path_ = base + "/test-XXXXXX";
    CHECK(mkdtemp(path_.data()));
    CHECK_OK(chmod(path_.c_str(), mode));
    CHECK_OK(chdir(path_.c_str()));
    umask(022);
    owner_ = getpid();
  }
  ~Directory() {
    if (getpid() != owner_) return;
    CHECK_OK(chdir("/"));
    nftw(
        path_.c_str(), [](const char* path, const struct stat*, int, FTW*) { return remove(path); },
        64, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  const std::string& path() const { return path_; }
  std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  pid_t owner_;
};

inline Fd Open(const std::string& name, int flags, mode_t mode = 0644) {
  const int fd = open(name.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) FAIL("open(%s, %#x)", name.c_str(), flags);
  return Fd(fd);
}

inline Fd Create(const std::string& name, mode_t mode = 0644) {
  return Open(name, O_RDWR | O_CREAT | O_EXCL, mode);
}

inline void Write(int fd, const void* data, size_t size) {
  CHECK_EQ(write(fd, data, size), static_cast<ssize_t>(size));
}
inline void Write(int fd, const std::string& text) { Write(fd, text.data(), text.size()); }

inline void WriteAt(int fd, const void* data, size_t size, off_t position) {
  CHECK_EQ(pwrite(fd, data, size, position), static_cast<ssize_t>(size));
}
inline void WriteAt(int fd, const std::string& text, off_t position) {
  WriteAt(fd, text.data(), text.size(), position);
}

// A new file with this text.
inline void Put(const std::string& name, const std::string& text, mode_t mode = 0644) {
  const Fd fd = Open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
  Write(fd, text);
}

// Up to size bytes at a position: fewer only at the end of the file.
inline std::string ReadAt(int fd, size_t size, off_t position) {
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = CHECK_OK(pread(fd, text.data() + done, size - done, position + done));
    if (got == 0) break;
    done += got;
  }
  text.resize(done);
  return text;
}

inline struct stat StatOf(int fd) {
  struct stat status;
  CHECK_OK(fstat(fd, &status));
  return status;
}
inline struct stat StatOf(const std::string& name) {
  struct stat status;
  if (lstat(name.c_str(), &status) != 0) FAIL("lstat(%s)", name.c_str());
  return status;
}

inline std::string Contents(const std::string& name) {
  const Fd fd = Open(name, O_RDONLY);
  return ReadAt(fd, static_cast<size_t>(StatOf(fd).st_size) + 1, 0);
}

inline bool Exists(const std::string& name) {
  struct stat status;
  if (lstat(name.c_str(), &status) == 0) return true;
  CHECK_EQ(errno, ENOENT);
  return false;
}

inline bool Same(const void* a, const void* b, size_t size) { return memcmp(a, b, size) == 0; }

// Two strings or blobs are equal; where not, the first difference is told.
inline void CheckSame(const std::string& actual, const std::string& expected, const char* what) {
  if (actual == expected) return;
  size_t at = 0;
  while (at < actual.size() && at < expected.size() && actual[at] == expected[at]) at++;
  FAIL("%s: %zu bytes, not %zu, different from byte %zu on (%#x, not %#x)", what, actual.size(),
       expected.size(), at, at < actual.size() ? actual[at] & 255 : -1,
       at < expected.size() ? expected[at] & 255 : -1);
}

inline std::string Text(size_t size, uint64_t seed) {
  const auto bytes = Pattern(size, seed);
  return std::string(bytes.begin(), bytes.end());
}

// Makes the data calls that give the process its fast path, if there is one for it.
inline void WarmUp(int fd) {
  char byte;
  for (int i = 0; i < 200; i++) CHECK_OK(pread(fd, &byte, 1, 0));
}

inline void NeedRoot() {
  if (getuid() != 0) SKIP("needs root");
}

// Runs body in a child that is this user, with these supplementary groups and no capability.
template <typename Body>
void As(uid_t user, std::vector<gid_t> groups, Body body) {
  Join(Fork([&] {
    CHECK_OK(setgroups(groups.size(), groups.data()));
    CHECK_OK(setresgid(user, user, user));
    CHECK_OK(setresuid(user, user, user));
    body();
  }));
}
template <typename Body>
void As(uid_t user, Body body) {
  As(user, {}, body);
}

// Two processes that take turns: one waits for what the other signals.
class Turn {
 public:
  Turn() { CHECK_OK(pipe2(ends_, O_CLOEXEC)); }
  ~Turn() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void Give() { CHECK_EQ(write(ends_[1], "t", 1), 1); }
  void Take() {
    char byte;
    if (!(Poll(ends_[0], POLLIN, 2 * kSoon) & POLLIN)) FAIL("the other process does not answer");
    CHECK_EQ(read(ends_[0], &byte, 1), 1);
  }

 private:
  int ends_[2];
};

inline long PageSize() { return sysconf(_SC_PAGESIZE); }

// A mapping of a file that ends with it.
class Mapping {
 public:
  Mapping(int fd, size_t size, int protection, int flags, off_t offset = 0) : size_(size) {
    address_ = static_cast<char*>(mmap(nullptr, size, protection, flags, fd, offset));
    if (address_ == MAP_FAILED) FAIL("mmap of %zu bytes", size);
  }
  ~Mapping() { munmap(address_, size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  char* data() const { return address_; }
  size_t size() const { return size_; }

 private:
  char* address_;
  size_t size_;
};

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_FILES_H_
