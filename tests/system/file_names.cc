// SPDX-License-Identifier: Apache-2.0
// Names: of 255 bytes, of any bytes, one more refused; paths up to their limit, deep directories,
// . and .., trailing slashes, getcwd, openat2.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/openat2.h>

#include "files.h"

using namespace vos::testing;

static int OpenAt2(int at, const char* name, uint64_t flags, uint64_t resolve) {
  open_how how = {};
  how.flags = flags;
  how.resolve = resolve;
  return static_cast<int>(syscall(SYS_openat2, at, name, &how, sizeof(how)));
}

int main() {
  Directory directory;
  const std::string longest(255, 'n'), longer(256, 'n');
  Put(longest, "longest");
  CheckSame(Contents(longest), "longest", "255 bytes");
  CHECK_FAILS(open(longer.c_str(), O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
  CHECK_FAILS(mkdir(longer.c_str(), 0700), ENAMETOOLONG);
  CHECK_FAILS(rename(longest.c_str(), longer.c_str()), ENAMETOOLONG);
  CHECK_FAILS(symlink("x", longer.c_str()), ENAMETOOLONG);
  struct stat status;
  CHECK_FAILS(stat(longer.c_str(), &status), ENAMETOOLONG);
  CHECK_OK(link(longest.c_str(), std::string(255, 'm').c_str()));

  // Any byte but / and 0; case counts; nothing is trimmed.
  std::vector<std::string> names = {"\n", " ",   "  ",      "\\", "*",        "-rf",   "a\tb", "A",
                                    "a",  "...", ".hidden", "ä",  "\xff\xfe", "tail ", "tail"};
  std::string all;
  for (int c = 1; c < 256; c++)
    if (c != '/') all += static_cast<char>(c);
  names.push_back(all);
  for (const std::string& name : names) Put(name, "text of " + name);
  for (const std::string& name : names) CheckSame(Contents(name), "text of " + name, "by its name");
  {
    DIR* stream = opendir(".");
    size_t found = 0;
    while (const dirent* entry = readdir(stream))
      for (const std::string& name : names) found += name == entry->d_name;
    closedir(stream);
    CHECK_EQ(found, names.size());
  }

  // Deep, and back by getcwd.
  const std::string part(200, 'p');
  std::string deep = directory.path();
  for (int i = 0; i < 15; i++) {
    CHECK_OK(mkdir(part.c_str(), 0755));
    CHECK_OK(chdir(part.c_str()));
    deep += "/" + part;
  }
  char where[PATH_MAX];
  CHECK(getcwd(where, sizeof(where)));
  CheckSame(where, deep, "getcwd");
  Put("bottom", "deep");
  CheckSame(Contents(deep + "/bottom"), "deep", "by a long path");
  std::string too_long = deep;
  while (too_long.size() < PATH_MAX) too_long += "/.";
  CHECK_FAILS(open((too_long + "/bottom").c_str(), O_RDONLY), ENAMETOOLONG);
  CHECK_OK(chdir(directory.path().c_str()));

  CHECK_OK(mkdir("d", 0755));
  CHECK_OK(mkdir("d/e", 0755));
  Put("d/file", "x");
  CheckSame(Contents("d/./e/../file"), "x", "with dots");
  CHECK_EQ(StatOf("d/e/..").st_ino, StatOf("d").st_ino);
  CHECK_EQ(StatOf("d/").st_ino, StatOf("d").st_ino);
  CHECK_EQ(StatOf("d///e").st_ino, StatOf("d/e").st_ino);
  CHECK_FAILS(open("d/file/", O_RDONLY), ENOTDIR);
  CHECK_FAILS(open("new/", O_RDWR | O_CREAT, 0600), EISDIR);
  CHECK_OK(mkdir("new/", 0700));
  CHECK_FAILS(rmdir("d/."), EINVAL);
  CHECK_FAILS(rmdir("d/e/.."), ENOTEMPTY);
  CHECK_FAILS(rmdir("d"), ENOTEMPTY);
  CHECK_FAILS(rmdir("d/file"), ENOTDIR);
  CHECK_FAILS(mkdir("d", 0700), EEXIST);
  CHECK_FAILS(mkdir("d/file/x", 0700), ENOTDIR);
  CHECK_FAILS(mkdir("absent/x", 0700), ENOENT);
  CHECK_FAILS(open("", O_RDONLY), ENOENT);

  // Resolution that stays below.
  const Fd d = Open("d", O_RDONLY | O_DIRECTORY);
  CHECK_OK(symlink("../", "d/up"));
  CHECK_OK(symlink("file", "d/link"));
  CHECK_FAILS(OpenAt2(d, "up/d/file", O_RDONLY, RESOLVE_BENEATH), EXDEV);
  CHECK_FAILS(OpenAt2(d, "link", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  const Fd beneath(CHECK_OK(OpenAt2(d, "link", O_RDONLY | O_CLOEXEC, RESOLVE_BENEATH)));
  const Fd rooted(CHECK_OK(OpenAt2(d, "../../file", O_RDONLY | O_CLOEXEC, RESOLVE_IN_ROOT)));
  CHECK_EQ(StatOf(rooted).st_ino, StatOf(beneath).st_ino);

  // A directory that is removed under somebody who is in it.
  CHECK_OK(mkdir("gone", 0755));
  CHECK_OK(chdir("gone"));
  CHECK_OK(rmdir("../gone"));
  CHECK(getcwd(where, sizeof(where)) == nullptr && errno == ENOENT);
  CHECK_FAILS(open("x", O_RDWR | O_CREAT, 0600), ENOENT);
  CHECK_OK(chdir(directory.path().c_str()));
  return 0;
}
