// SPDX-License-Identifier: Apache-2.0
// Extended attributes: set, replaced, listed, removed, their sizes and limits, who may see which.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/xattr.h>

#include "files.h"

using namespace vos::testing;

static std::string Get(const char* name, const char* key) {
  char value[4096];
  const ssize_t size = CHECK_OK(getxattr(name, key, value, sizeof(value)));
  return std::string(value, size);
}

static int Set(const char* name, const char* key, const std::string& value, int flags = 0) {
  return setxattr(name, key, value.data(), value.size(), flags);
}

// Keys of the user's own, in whatever order they come.
static int CountUserKeys(const char* name) {
  char list[65536];
  const ssize_t size = CHECK_OK(listxattr(name, list, sizeof(list)));
  int count = 0;
  for (const char* key = list; key < list + size; key += strlen(key) + 1)
    count += strncmp(key, "user.", 5) == 0;
  return count;
}

int main() {
  Directory directory(0777);
  Put("file", "x", 0666);
  if (Set("file", "user.a", "value of a") != 0) {
    CHECK(errno == EOPNOTSUPP && MayLack());
    SKIP("this file system has no extended attributes");
  }
  CheckSame(Get("file", "user.a"), "value of a", "user.a");
  CHECK_EQ(getxattr("file", "user.a", nullptr, 0), 10);
  char small[4];
  CHECK_FAILS(getxattr("file", "user.a", small, sizeof(small)), ERANGE);
  CHECK_FAILS(getxattr("file", "user.b", small, sizeof(small)), ENODATA);
  CHECK_FAILS(Set("file", "user.a", "x", XATTR_CREATE), EEXIST);
  CHECK_FAILS(Set("file", "user.b", "x", XATTR_REPLACE), ENODATA);
  CHECK_OK(Set("file", "user.a", "another", XATTR_REPLACE));
  CHECK_OK(Set("file", "user.b", "", XATTR_CREATE));
  CheckSame(Get("file", "user.a"), "another", "user.a");
  CheckSame(Get("file", "user.b"), "", "an empty one");
  CHECK_EQ(CountUserKeys("file"), 2);
  CHECK_FAILS(listxattr("file", small, 1), ERANGE);

  // All bytes, and nearly a block of them.
  const std::string blob = Text(3000, 5);
  CHECK_OK(Set("file", "user.blob", blob));
  CheckSame(Get("file", "user.blob"), blob, "3,000 bytes");
  CHECK_OK(removexattr("file", "user.blob"));
  CHECK_FAILS(removexattr("file", "user.blob"), ENODATA);
  for (int i = 0; i < 20; i++)
    CHECK_OK(Set("file", ("user.many-" + std::to_string(i)).c_str(), std::to_string(i * i)));
  CHECK_EQ(CountUserKeys("file"), 22);
  for (int i = 0; i < 20; i++)
    CheckSame(Get("file", ("user.many-" + std::to_string(i)).c_str()), std::to_string(i * i),
              "many");

  CHECK_FAILS(Set("file", ("user." + std::string(251, 'k')).c_str(), "x"), ERANGE);
  CHECK_OK(Set("file", ("user." + std::string(200, 'k')).c_str(), "x"));
  CHECK_FAILS(Set("file", "user.huge", std::string(65537, 'h')), E2BIG);
  CHECK_FAILS(Set("file", "unknown.space", "x"), EOPNOTSUPP);
  CHECK_FAILS(Set("absent", "user.a", "x"), ENOENT);

  // By descriptor, and they belong to the file, not to a name.
  {
    const Fd fd = Open("file", O_RDWR);
    CHECK_OK(fsetxattr(fd, "user.fd", "fd", 2, 0));
    CHECK_OK(rename("file", "moved"));
    CheckSame(Get("moved", "user.fd"), "fd", "after a rename");
    CHECK_OK(unlink("moved"));
    CHECK_EQ(fgetxattr(fd, "user.fd", nullptr, 0), 2);
    CHECK_OK(fremovexattr(fd, "user.fd"));
  }
  CHECK_OK(mkdir("d", 0755));
  CHECK_OK(Set("d", "user.d", "directory"));
  CheckSame(Get("d", "user.d"), "directory", "of a directory");
  CHECK_OK(symlink("d", "link"));
  CheckSame(Get("link", "user.d"), "directory", "through a link");
  CHECK_FAILS(lsetxattr("link", "user.l", "x", 1, 0), EPERM);

  if (getuid() != 0) return 0;
  Put("owned", "x", 0644);
  CHECK_OK(Set("owned", "user.a", "readable"));
  CHECK_OK(Set("owned", "trusted.t", "roots"));
  // Not every kernel lets its ext4 keep these.
  const bool labels = Set("owned", "security.s", "a label") == 0;
  CHECK(labels || (errno == EOPNOTSUPP && !InStorageDomain()));
  CheckSame(Get("owned", "trusted.t"), "roots", "trusted");
  As(kAlice, [&] {
    CheckSame(Get("owned", "user.a"), "readable", "by another user");
    CHECK_FAILS(Set("owned", "user.a", "x"), EACCES);
    CHECK_FAILS(removexattr("owned", "user.a"), EACCES);
    CHECK_FAILS(Set("owned", "trusted.t", "x"), EPERM);
    CHECK_FAILS(getxattr("owned", "trusted.t", nullptr, 0), ENODATA);
    char list[4096];
    const ssize_t size = CHECK_OK(listxattr("owned", list, sizeof(list)));
    CHECK(!memmem(list, size, "trusted.", 8));
    if (!labels) return;
    CheckSame(Get("owned", "security.s"), "a label", "security");
    CHECK_FAILS(Set("owned", "security.s", "x"), EPERM);
  });
  CHECK_OK(chmod("owned", 0600));
  As(kAlice, [] { CHECK_FAILS(getxattr("owned", "user.a", nullptr, 0), EACCES); });
  return 0;
}
