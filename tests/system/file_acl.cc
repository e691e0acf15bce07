// SPDX-License-Identifier: Apache-2.0
// POSIX access control lists: they decide, their mask limits, a directory's default list is
// inherited, and chmod and the lists agree.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/xattr.h>

#include "files.h"

using namespace vos::testing;

// As in linux/posix_acl_xattr.h: version 2, then entries.
struct AclEntry {
  uint16_t tag, permissions;
  uint32_t id;
  bool operator==(const AclEntry&) const = default;
};
constexpr uint16_t kUserObject = 1, kUser = 2, kGroupObject = 4, kGroup = 8, kMask = 16,
                   kOther = 32;
constexpr uint32_t kNoId = ~0u;
constexpr char kAccess[] = "system.posix_acl_access", kDefault[] = "system.posix_acl_default";

static int SetAcl(const char* name, const char* kind, const std::vector<AclEntry>& entries) {
  std::vector<uint8_t> value(4 + entries.size() * sizeof(AclEntry));
  value[0] = 2;
  memcpy(value.data() + 4, entries.data(), entries.size() * sizeof(AclEntry));
  return setxattr(name, kind, value.data(), value.size(), 0);
}

static std::vector<AclEntry> GetAcl(const char* name, const char* kind) {
  uint8_t value[1024];
  const ssize_t size = getxattr(name, kind, value, sizeof(value));
  if (size < 0) {
    CHECK_EQ(errno, ENODATA);
    return {};
  }
  std::vector<AclEntry> entries((size - 4) / sizeof(AclEntry));
  memcpy(entries.data(), value + 4, size - 4);
  return entries;
}

int main() {
  NeedRoot();
  Directory directory(0777);
  Put("file", "text", 0600);
  if (SetAcl("file", kAccess,
             {{kUserObject, 6, kNoId},
              {kUser, 4, kAlice},
              {kGroupObject, 0, kNoId},
              {kGroup, 6, kSharedGroup},
              {kMask, 6, kNoId},
              {kOther, 0, kNoId}}) != 0) {
    CHECK(errno == EOPNOTSUPP && MayLack());
    SKIP("this file system has no ACLs");
  }
  CHECK_EQ(StatOf("file").st_mode, S_IFREG | 0660);
  As(kAlice, [] {
    CheckSame(Contents("file"), "text", "by a user's entry");
    CHECK_FAILS(open("file", O_RDWR), EACCES);
    CHECK_FAILS(SetAcl("file", kAccess, {{kUserObject, 7, kNoId}}), EPERM);
  });
  As(kBob, [] { CHECK_FAILS(open("file", O_RDONLY), EACCES); });
  As(kBob, {kSharedGroup}, [] { const Fd fd = Open("file", O_RDWR); });

  // The mask is the group bits of the mode, both ways.
  CHECK_OK(chmod("file", 0640));
  CHECK(GetAcl("file", kAccess)[4] == (AclEntry{kMask, 4, kNoId}));
  As(kBob, {kSharedGroup}, [] {
    CheckSame(Contents("file"), "text", "within the mask");
    CHECK_FAILS(open("file", O_RDWR), EACCES);
  });
  CHECK_OK(chmod("file", 0600));
  As(kAlice, [] { CHECK_FAILS(open("file", O_RDONLY), EACCES); });
  CHECK_OK(removexattr("file", kAccess));
  CHECK(GetAcl("file", kAccess).empty());

  // One that says no more than a mode becomes the mode.
  CHECK_OK(SetAcl("file", kAccess,
                  {{kUserObject, 6, kNoId}, {kGroupObject, 4, kNoId}, {kOther, 4, kNoId}}));
  CHECK_EQ(StatOf("file").st_mode, S_IFREG | 0644);
  CHECK(GetAcl("file", kAccess).empty());
  CHECK_FAILS(SetAcl("file", kAccess, {{kUserObject, 6, kNoId}, {kUser, 4, kAlice}}), EINVAL);
  CHECK_FAILS(SetAcl("file", kDefault, {{kUserObject, 6, kNoId}}), EACCES);

  // Defaults: the mode asked for limits them, the umask does not.
  CHECK_OK(mkdir("d", 0777));
  CHECK_OK(chmod("d", 0777));
  const std::vector<AclEntry> inherited = {{kUserObject, 7, kNoId},
                                           {kUser, 7, kAlice},
                                           {kGroupObject, 5, kNoId},
                                           {kMask, 7, kNoId},
                                           {kOther, 0, kNoId}};
  CHECK_OK(SetAcl("d", kDefault, inherited));
  CHECK(GetAcl("d", kDefault) == inherited);
  As(kBob, [&] {
    umask(077);
    Put("d/file", "bob's", 0666);
    CHECK_EQ(StatOf("d/file").st_mode, S_IFREG | 0660);
    CHECK(GetAcl("d/file", kAccess) == (std::vector<AclEntry>{{kUserObject, 6, kNoId},
                                                              {kUser, 7, kAlice},
                                                              {kGroupObject, 5, kNoId},
                                                              {kMask, 6, kNoId},
                                                              {kOther, 0, kNoId}}));
    CHECK_OK(mkdir("d/e", 0777));
    CHECK(GetAcl("d/e", kDefault) == inherited);
    CHECK(GetAcl("d/e", kAccess) == inherited);
    // Without defaults the umask holds again.
    Put("plain", "x", 0666);
    CHECK_EQ(StatOf("plain").st_mode, S_IFREG | 0600);
  });
  As(kAlice, [] {
    const Fd fd = Open("d/file", O_RDWR);
    Write(fd, "alice");
    Put("d/e/alice's", "x");
  });
  As(kBob + 1, [] { CHECK_FAILS(open("d/file", O_RDONLY), EACCES); });
  CHECK_OK(removexattr("d", kDefault));
  CHECK(GetAcl("d", kDefault).empty());
  return 0;
}
