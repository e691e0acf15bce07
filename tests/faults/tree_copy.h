// SPDX-License-Identifier: Apache-2.0
// A tree is copied into the storage domain, each file and each name synced, while that domain dies
// again and again. The copier does what docs/failure-semantics.md asks of a program: what failed
// with EIO is made again from where nothing is in doubt. In the end both trees are compared.
#ifndef VIRTUOS_TESTS_FAULTS_TREE_COPY_H_
#define VIRTUOS_TESTS_FAULTS_TREE_COPY_H_

#include <sys/random.h>
#include <sys/sysmacros.h>

#include <map>
#include <random>

#include "tests/faults/domain.h"
#include "tests/system/files.h"

namespace vos::testing {

struct TreeEntry {
  mode_t type;  // S_IFDIR, S_IFREG, S_IFLNK; S_IFMT: a second name of a file
  mode_t mode;
  std::string data;  // of a file; what a link says or a second name stands for
  timespec changed;
};
// In the order in which they are made: a directory before what is in it.
using Tree = std::vector<std::pair<std::string, TreeEntry>>;

inline Tree MakeTree(uint64_t seed, int entries) {
  std::mt19937_64 chance(seed);
  Tree tree;
  std::vector<std::string> directories = {""}, files;
  for (int i = 0; i < entries; i++) {
    const std::string path =
        directories[chance() % directories.size()] + "entry-" + std::to_string(i);
    const timespec changed = {static_cast<time_t>(1'000'000'000 + chance() % 500'000'000),
                              static_cast<long>(chance() % 1'000'000'000)};
    const unsigned kind = chance() % 20;
    if (kind < 3) {
      tree.push_back({path, {S_IFDIR, 0755, "", {}}});
      directories.push_back(path + "/");
    } else if (kind == 3) {
      tree.push_back({path, {S_IFLNK, 0, "to/" + std::to_string(chance()), {}}});
    } else if (kind == 4 && !files.empty()) {
      tree.push_back({path, {S_IFMT, 0, files[chance() % files.size()], {}}});
    } else {
      // Most are small, some are empty, a few are large.
      const size_t limits[] = {1, 200, 8'000, 8'000, 40'000, 200'000};
      tree.push_back({path,
                      {S_IFREG, static_cast<mode_t>(chance() % 2 ? 0644 : 0600),
                       Text(chance() % limits[chance() % 6], chance()), changed}});
      files.push_back(path);
    }
  }
  return tree;
}

// Shared between the copier and the test.
struct CopyProgress {
  std::atomic<int> done, again;
};

class TreeCopier {
 public:
  TreeCopier(const std::string& base, CopyProgress& progress) : base_(base), progress_(progress) {}

  void Copy(const Tree& tree) {
    for (const auto& [path, entry] : tree) {
      const std::string target = base_ + "/" + path;
      for (int tries = 1; !Make(target, entry); tries++) {
        // EIO may have more causes than one in a death, but there is an end of it.
        if (tries == kMostTries) FAIL("%s: failed %d times", path.c_str(), tries);
        progress_.again++;
      }
      progress_.done++;
    }
  }

 private:
  static constexpr int kMostTries = 20;
  static constexpr size_t kPiece = 16'384;

  // What the table says may fail; anything else is a failure of the test.
  static bool Failed(const char* what) {
    if (errno != EIO) FAIL("%s", what);
    return false;
  }

  static bool SyncDirectoryOf(const std::string& path) {
    const Fd directory(
        open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory < 0) return Failed("opening a directory");
    return fsync(directory) == 0 || Failed("fsync of a directory");
  }

  // Nobody else makes names here: one that is there was made by the call that failed.
  static bool Done(int result, const char* what) {
    return result == 0 || errno == EEXIST || Failed(what);
  }

  bool Make(const std::string& path, const TreeEntry& entry) {
    switch (entry.type) {
      case S_IFDIR:
        return Done(mkdir(path.c_str(), entry.mode), "mkdir") && SyncDirectoryOf(path);
      case S_IFLNK:
        return Done(symlink(entry.data.c_str(), path.c_str()), "symlink") && SyncDirectoryOf(path);
      case S_IFMT:
        return Done(link((base_ + "/" + entry.data).c_str(), path.c_str()), "link") &&
               SyncDirectoryOf(path);
      default:
        return MakeFile(path, entry);
    }
  }

  // Under another name until it is whole.
  static bool MakeFile(const std::string& path, const TreeEntry& entry) {
    const std::string part = path + ".part";
    Fd fd(open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (fd < 0) return Failed("creating a file");
    for (size_t at = 0; at < entry.data.size();) {
      const ssize_t count =
          write(fd, entry.data.data() + at, std::min(kPiece, entry.data.size() - at));
      if (count < 0) return Failed("write");
      at += count;
    }
    const timespec times[] = {entry.changed, entry.changed};
    if (fchmod(fd, entry.mode) < 0) return Failed("fchmod");
    if (futimens(fd, times) < 0) return Failed("futimens");
    if (fsync(fd) < 0) return Failed("fsync");
    if (close(fd.Release()) < 0) return Failed("close");
    if (rename(part.c_str(), path.c_str()) < 0) {
      // It was done, perhaps, by the call that said EIO before: then the file is made once more.
      return Failed("rename");
    }
    return SyncDirectoryOf(path);
  }

  std::string base_;
  CopyProgress& progress_;
};

inline void CompareTree(const std::string& base, const Tree& tree) {
  for (const auto& [path, entry] : tree) {
    const std::string target = base + "/" + path;
    if (!Exists(target)) FAIL("%s is not there", path.c_str());
    const struct stat status = StatOf(target);
    if (entry.type == S_IFMT) {
      CHECK_EQ(status.st_ino, StatOf(base + "/" + entry.data).st_ino);
      continue;
    }
    CHECK_EQ(status.st_mode & S_IFMT, entry.type);
    if (entry.type == S_IFLNK) {
      char text[256];
      const ssize_t size = CHECK_OK(readlink(target.c_str(), text, sizeof(text)));
      CheckSame(std::string(text, size), entry.data, path.c_str());
    } else if (entry.type == S_IFREG) {
      CHECK_EQ(status.st_mode & 07777, entry.mode);
      CheckSame(Contents(target), entry.data, path.c_str());
      CHECK_EQ(status.st_mtim.tv_sec, entry.changed.tv_sec);
      CHECK_EQ(status.st_mtim.tv_nsec, entry.changed.tv_nsec);
    }
  }
  // Nothing else is there.
  static size_t found;
  found = 0;
  CHECK_OK(nftw(
      base.c_str(), [](const char*, const struct stat*, int, FTW*) { return found++, 0; }, 64,
      FTW_PHYS));
  CHECK_EQ(found, tree.size() + 1);
}

inline int CopyTreeAcross(int entries, int deaths) {
  NeedRoot();
  uint64_t seed;
  if (const char* given = getenv("VOS_TEST_SEED"))
    seed = strtoull(given, nullptr, 0);
  else
    CHECK_EQ(getrandom(&seed, sizeof(seed), 0), static_cast<ssize_t>(sizeof(seed)));
  printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  const Tree tree = MakeTree(seed, entries);
  auto* progress = static_cast<CopyProgress*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(progress != MAP_FAILED);
  CHECK_OK(mkdir("tree", 0755));
  sync();

  const pid_t copier = Fork([&] { TreeCopier(directory.path("tree"), *progress).Copy(tree); });
  for (int death = 1; death <= deaths; death++) {
    // Anywhere in its part of the work.
    const int from = static_cast<int>((death - 0.5) * entries / deaths);
    for (const int64_t end = Milliseconds() + 2 * kRecovered; progress->done < from; Sleep(5)) {
      if (HasEnded(copier)) Join(copier);  // tells why
      if (Milliseconds() > end) FAIL("the copier does not go on after %d", progress->done.load());
    }
    const DomainState before = DomainNamed("storage");
    const int64_t start = Milliseconds();
    const int done = progress->done;
    Kill("destroy", "storage");
    AwaitRecovery(before);
    printf("death %d after %d of %d entries, another domain %lld ms later, made again %d\n", death,
           done, entries, static_cast<long long>(Milliseconds() - start), progress->again.load());
  }
  Join(copier);
  // One death may be told by a name, by data and by their syncs, and once more by a late close.
  CHECK(progress->again <= 4 * deaths);
  // What is read now is what the disk has.
  Outage([] {}, {"storage"});
  CompareTree(directory.path("tree"), tree);
  return 0;
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_FAULTS_TREE_COPY_H_
