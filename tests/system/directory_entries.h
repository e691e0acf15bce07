// SPDX-License-Identifier: Apache-2.0
// A directory of many entries, of a given number.
#ifndef VIRTUOS_TESTS_SYSTEM_DIRECTORY_ENTRIES_H_
#define VIRTUOS_TESTS_SYSTEM_DIRECTORY_ENTRIES_H_

#include "files.h"

namespace vos::testing {

inline std::string EntryName(int i) {
  char name[32];
  snprintf(name, sizeof(name), "entry-%06d", i);
  return name;
}

// The rest of a directory: which of `count` names come, how often.
inline std::vector<uint8_t> Rest(DIR* stream, int count) {
  std::vector<uint8_t> seen(count);
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    int i;
    if (sscanf(entry->d_name, "entry-%d", &i) != 1) continue;
    CHECK(i >= 0 && i < count);
    if (entry->d_type != DT_UNKNOWN) CHECK_EQ(entry->d_type, DT_REG);
    seen[i]++;
  }
  CHECK_EQ(errno, 0);
  return seen;
}

inline void CheckEach(const std::vector<uint8_t>& seen, int from, int to, int times) {
  for (int i = from; i < to; i++)
    if (seen[i] != times) FAIL("entry %d came %d times, not %d", i, seen[i], times);
}

// Makes them as links to one file, which is quick; reads them once, again from places in between,
// while some are removed and others made; finds each by its name; removes them.
inline void TestDirectoryOf(int count) {
  Put("file", "x");
  CHECK_OK(mkdir("d", 0755));
  const Fd d = Open("d", O_RDONLY | O_DIRECTORY);
  // A file has 65,000 names at most.
  constexpr int kNamesOfFile = 50'000;
  for (int i = 0; i < count; i++) {
    if (i % kNamesOfFile == 0) {
      CHECK_OK(unlink("file"));
      Put("file", "x");
    }
    CHECK_OK(linkat(AT_FDCWD, "file", d, EntryName(i).c_str(), 0));
  }

  DIR* stream = fdopendir(CHECK_OK(openat(d, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  CHECK(stream);
  CheckEach(Rest(stream, count), 0, count, 1);
  CHECK(readdir(stream) == nullptr);
  rewinddir(stream);

  // From a place in the middle on comes what came from there on before.
  std::vector<long> places;
  std::vector<std::string> names;
  while (const dirent* entry = readdir(stream)) {
    names.push_back(entry->d_name);
    places.push_back(telldir(stream));
  }
  CHECK_EQ(names.size(), count + 2);
  for (const size_t at : {names.size() / 3, names.size() * 2 / 3, size_t{5}, names.size() - 2}) {
    seekdir(stream, places[at]);
    const dirent* entry = readdir(stream);
    CHECK(entry);
    if (names[at + 1] != entry->d_name)
      FAIL("after a seek %s comes, not %s", entry->d_name, names[at + 1].c_str());
  }
  seekdir(stream, places.back());
  CHECK(readdir(stream) == nullptr);

  // While it is read, every third goes and as many come: the others still come once each.
  rewinddir(stream);
  for (int i = 0; i < count / 2; i++) CHECK(readdir(stream));
  const long middle = telldir(stream);
  for (int i = 0; i < count; i += 3) CHECK_OK(unlinkat(d, EntryName(i).c_str(), 0));
  CHECK_OK(unlink("file"));
  Put("file", "x");
  for (int i = 0; i < count / 3; i++)
    CHECK_OK(linkat(AT_FDCWD, "file", d, ("other-" + std::to_string(i)).c_str(), 0));
  seekdir(stream, middle);
  Rest(stream, count);
  rewinddir(stream);
  {
    const auto seen = Rest(stream, count);
    for (int i = 0; i < count; i++)
      if (seen[i] != (i % 3 != 0)) FAIL("entry %d came %d times", i, seen[i]);
  }
  closedir(stream);

  struct stat status;
  for (int i = 0; i < count; i += count / 500) {
    const std::string name = EntryName(i);
    if (i % 3 == 0)
      CHECK_FAILS(fstatat(d, name.c_str(), &status, 0), ENOENT);
    else
      CHECK_OK(fstatat(d, name.c_str(), &status, 0));
  }
  CHECK_FAILS(rmdir("d"), ENOTEMPTY);
  for (int i = 0; i < count; i++)
    if (i % 3) CHECK_OK(unlinkat(d, EntryName(i).c_str(), 0));
  for (int i = 0; i < count / 3; i++)
    CHECK_OK(unlinkat(d, ("other-" + std::to_string(i)).c_str(), 0));
  CHECK_OK(rmdir("d"));
  // Removed, but still open: empty.
  CHECK_FAILS(openat(d, "new", O_RDWR | O_CREAT, 0600), ENOENT);
  CHECK_OK(fstat(d, &status));
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_DIRECTORY_ENTRIES_H_
