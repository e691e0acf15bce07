// SPDX-License-Identifier: Apache-2.0
// links: service-domains/storage/attributes.cc service-domains/storage/directories.cc service-domains/storage/export_tree.cc service-domains/storage/extended_attributes.cc service-domains/storage/files.cc service-domains/storage/identity.cc service-domains/storage/message.cc service-domains/storage/names.cc service-domains/storage/relay.cc service-domains/storage/server.cc service-domains/storage/session.cc service-domains/storage/unnamed_files.cc -lfuse3
// What the storage daemon does for each operation, message by message.
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cstdio>
#include <set>

#include "kernel/virtuos/abi/relay.h"
#include "tests/unit/storage_client.h"

namespace vos::storage {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(StorageTest, AgreesOnWhatItKeeps) {
  EXPECT_EQ(init_.major, static_cast<unsigned>(FUSE_KERNEL_VERSION));
  const std::uint64_t flags = init_.flags | static_cast<std::uint64_t>(init_.flags2) << 32;
  for (const std::uint64_t wanted :
       {std::uint64_t{FUSE_POSIX_ACL}, std::uint64_t{FUSE_DONT_MASK},
        std::uint64_t{FUSE_PARALLEL_DIROPS}, std::uint64_t{FUSE_ASYNC_READ},
        std::uint64_t{FUSE_ASYNC_DIO}, std::uint64_t{FUSE_ATOMIC_O_TRUNC},
        std::uint64_t{FUSE_HANDLE_KILLPRIV_V2}, std::uint64_t{FUSE_SETXATTR_EXT},
        std::uint64_t{FUSE_DO_READDIRPLUS}, std::uint64_t{FUSE_READDIRPLUS_AUTO},
        std::uint64_t{FUSE_DIRECT_IO_ALLOW_MMAP}}) {
    EXPECT_EQ(flags & wanted, wanted) << std::hex << wanted;
  }
  for (const std::uint64_t unwanted :
       {std::uint64_t{FUSE_WRITEBACK_CACHE}, std::uint64_t{FUSE_POSIX_LOCKS},
        std::uint64_t{FUSE_FLOCK_LOCKS}, std::uint64_t{FUSE_NO_OPEN_SUPPORT},
        std::uint64_t{FUSE_EXPORT_SUPPORT}, std::uint64_t{FUSE_SECURITY_CTX},
        std::uint64_t{FUSE_CREATE_SUPP_GROUP}}) {
    EXPECT_EQ(flags & unwanted, 0u) << std::hex << unwanted;
  }
  EXPECT_EQ(init_.max_write, 1u << 20);
}

TEST_F(StorageTest, ASecondInitBeginsASecondSession) {
  Initialise();
  EXPECT_EQ(Attributes(kRootNode).nlink, 2u);
}

TEST_F(StorageTest, NamesAreFoundAndMissingOnesRemembered) {
  EXPECT_EQ(Create(kRootNode, "file", O_RDWR, 0644).error, 0);
  const Answer found = Call(FUSE_LOOKUP, kRootNode, Body().Text("file"));
  struct stat attributes;
  ASSERT_EQ(stat(Path("file").c_str(), &attributes), 0);
  const auto entry = found.As<fuse_entry_out>();
  EXPECT_EQ(entry.nodeid & 0xffffffff, attributes.st_ino);
  EXPECT_EQ(entry.attr.ino, attributes.st_ino);
  EXPECT_EQ(entry.entry_valid, 3600u);
  EXPECT_EQ(entry.attr_valid, 3600u);
  const auto missing = Call(FUSE_LOOKUP, kRootNode, Body().Text("none")).As<fuse_entry_out>();
  EXPECT_EQ(missing.nodeid, 0u);
  EXPECT_EQ(missing.entry_valid, 3600u);
}

TEST_F(StorageTest, NothingLeadsOutOfTheExport) {
  for (const char* name : {"..", ".", "", "../x", "/etc", "a/b"}) {
    EXPECT_EQ(Call(FUSE_LOOKUP, kRootNode, Body().Text(name)).error, EINVAL) << name;
    EXPECT_EQ(MakeDirectory(kRootNode, name).error, EINVAL) << name;
    EXPECT_EQ(Create(kRootNode, name, O_RDWR, 0644).error, EINVAL) << name;
    EXPECT_EQ(Call(FUSE_UNLINK, kRootNode, Body().Text(name)).error, EINVAL) << name;
    EXPECT_EQ(Call(FUSE_RMDIR, kRootNode, Body().Text(name)).error, EINVAL) << name;
    EXPECT_EQ(Rename(kRootNode, "x", kRootNode, name).error, EINVAL) << name;
    EXPECT_EQ(Rename(kRootNode, name, kRootNode, "x").error, EINVAL) << name;
  }
  // The root of the file system that the export lies on.
  EXPECT_EQ(Call(FUSE_GETATTR, 2, Body::Of(fuse_getattr_in{})).error, ESTALE);
  // A symbolic link is not followed.
  ASSERT_EQ(symlink("/etc/passwd", Path("link").c_str()), 0);
  const NodeId link = Lookup(kRootNode, "link");
  EXPECT_TRUE(S_ISLNK(Attributes(link).mode));
  EXPECT_NE(Open(link, O_RDONLY).error, 0);
  EXPECT_EQ(Create(kRootNode, "link", O_RDWR, 0644).error, ELOOP);
}

TEST_F(StorageTest, ANewFileBelongsToItsCallerAndIsGivenAway) {
  const Answer answer = Create(kRootNode, "file", O_RDWR | O_APPEND, 0666, kUser, 027);
  ASSERT_EQ(answer.error, 0);
  const auto entry = answer.As<fuse_entry_out>();
  EXPECT_EQ(entry.attr.uid, kUser.uid);
  EXPECT_EQ(entry.attr.gid, kUser.gid);
  EXPECT_EQ(entry.attr.mode, S_IFREG | 0640u);
  fuse_open_out opened;
  ASSERT_EQ(answer.body.size(), sizeof(entry) + sizeof(opened));
  std::memcpy(&opened, answer.body.data() + sizeof(entry), sizeof(opened));
  EXPECT_EQ(opened.open_flags, static_cast<unsigned>(FOPEN_DIRECT_IO));

  ASSERT_TRUE(last_file_);
  EXPECT_EQ(fcntl(last_file_.get(), F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
  EXPECT_EQ(write(last_file_.get(), "hello", 5), 5);
  EXPECT_EQ(Attributes(entry.nodeid).size, 5u);
}

TEST_F(StorageTest, CreatingWhatExists) {
  ASSERT_EQ(Create(kRootNode, "file", O_RDWR, 0600).error, 0);
  EXPECT_EQ(write(last_file_.get(), "hello", 5), 5);
  EXPECT_EQ(Create(kRootNode, "file", O_RDWR | O_EXCL, 0600).error, EEXIST);
  EXPECT_FALSE(last_file_);
  EXPECT_EQ(Create(kRootNode, "file", O_RDWR, 0600).As<fuse_entry_out>().attr.size, 5u);
  EXPECT_EQ(Create(kRootNode, "file", O_RDWR | O_TRUNC, 0600).As<fuse_entry_out>().attr.size, 0u);
  ASSERT_EQ(MakeDirectory(kRootNode, "directory").error, 0);
  EXPECT_EQ(Create(kRootNode, "directory", O_RDWR, 0600).error, ELOOP);
}

TEST_F(StorageTest, AFileThatIsNotTakenIsNotOpen) {
  ASSERT_EQ(Create(kRootNode, "file", O_RDWR, 0600).error, 0);
  daemon_->relay().RefuseFiles();
  EXPECT_EQ(Open(Lookup(kRootNode, "file"), O_RDONLY).error, EINVAL);
  EXPECT_EQ(Create(kRootNode, "other", O_RDWR, 0600).error, EINVAL);
}

TEST_F(StorageTest, OpenFlagsReachTheFile) {
  const NodeId file = Create(kRootNode, "file", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  EXPECT_EQ(write(last_file_.get(), "hello", 5), 5);
  ASSERT_EQ(Open(file, O_WRONLY | O_SYNC | O_NOATIME).error, 0);
  EXPECT_EQ(fcntl(last_file_.get(), F_GETFL) & (O_ACCMODE | O_SYNC | O_NOATIME),
            O_WRONLY | O_SYNC | O_NOATIME);
  ASSERT_EQ(Open(file, O_RDONLY | O_DIRECT).error, 0);
  EXPECT_NE(fcntl(last_file_.get(), F_GETFL) & O_DIRECT, 0);
  ASSERT_EQ(Open(file, O_RDWR | O_DSYNC).error, 0);
  EXPECT_EQ(fcntl(last_file_.get(), F_GETFL) & O_SYNC, O_DSYNC);
  // What Linux has of its own in there: FMODE_EXEC.
  ASSERT_EQ(Open(file, O_RDONLY | 0x20).error, 0);
  ASSERT_EQ(Open(file, O_RDWR | O_TRUNC).error, 0);
  EXPECT_EQ(Attributes(file).size, 0u);
}

TEST_F(StorageTest, OnlyRegularFilesAreOpened) {
  fuse_mknod_in make{};
  make.mode = S_IFIFO | 0600;
  const Answer made = Call(FUSE_MKNOD, kRootNode, Body::Of(make).Text("fifo"));
  ASSERT_EQ(made.error, 0);
  EXPECT_EQ(Open(made.As<fuse_entry_out>().nodeid, O_RDONLY).error, ELOOP);
  EXPECT_EQ(Create(kRootNode, "fifo", O_WRONLY, 0600).error, ELOOP);
}

TEST_F(StorageTest, UnnamedFilesCanBeNamed) {
  fuse_create_in create{};
  create.flags = O_RDWR;
  create.mode = S_IFREG | 0600;
  const Answer made = Call(FUSE_TMPFILE, kRootNode, Body::Of(create).Text("/"), kUser);
  ASSERT_EQ(made.error, 0);
  const auto entry = made.As<fuse_entry_out>();
  EXPECT_EQ(entry.attr.nlink, 0u);
  EXPECT_EQ(entry.attr.uid, kUser.uid);
  const FileDescriptor file = daemon_->relay().Take(made.unique);
  EXPECT_EQ(write(file.get(), "hello", 5), 5);
  EXPECT_EQ(Attributes(entry.nodeid).size, 5u);
  fuse_link_in link{};
  link.oldnodeid = entry.nodeid;
  const Answer linked = Call(FUSE_LINK, kRootNode, Body::Of(link).Text("named"));
  ASSERT_EQ(linked.error, 0);
  EXPECT_EQ(linked.As<fuse_entry_out>().nodeid, entry.nodeid);
  EXPECT_EQ(linked.As<fuse_entry_out>().attr.nlink, 1u);
  EXPECT_EQ(Lookup(kRootNode, "named"), entry.nodeid);
}

TEST_F(StorageTest, AnUnlinkedFileLivesAsLongAsItIsOpen) {
  const NodeId file = Create(kRootNode, "file", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  ASSERT_EQ(Call(FUSE_UNLINK, kRootNode, Body().Text("file")).error, 0);
  EXPECT_EQ(Lookup(kRootNode, "file"), 0u);
  EXPECT_EQ(Attributes(file).nlink, 0u);
  Restart();
  EXPECT_EQ(Attributes(file).nlink, 0u);
  last_file_.Reset();
  EXPECT_EQ(Call(FUSE_GETATTR, file, Body::Of(fuse_getattr_in{})).error, ESTALE);
}

TEST_F(StorageTest, NodesMeanTheSameAfterARestart) {
  const NodeId directory = MakeDirectory(kRootNode, "directory").As<fuse_entry_out>().nodeid;
  const NodeId file = Create(directory, "file", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  Restart();
  EXPECT_EQ(Lookup(directory, "file"), file);
  EXPECT_EQ(Open(file, O_RDONLY).error, 0);
}

TEST_F(StorageTest, DirectoriesAreMadeAndRemoved) {
  const Answer made = MakeDirectory(kRootNode, "directory", 02777);
  ASSERT_EQ(made.error, 0);
  const auto directory = made.As<fuse_entry_out>();
  EXPECT_EQ(MakeDirectory(kRootNode, "directory").error, EEXIST);
  ASSERT_EQ(chown(Path("directory").c_str(), 0, 777), 0);
  ASSERT_EQ(chmod(Path("directory").c_str(), 02777), 0);
  // Its group is inherited.
  const auto inner = MakeDirectory(directory.nodeid, "inner", 0755, kUser).As<fuse_entry_out>();
  EXPECT_EQ(inner.attr.gid, 777u);
  EXPECT_EQ(inner.attr.mode, S_IFDIR | 02755u);
  EXPECT_EQ(inner.attr.uid, kUser.uid);
  EXPECT_EQ(Call(FUSE_RMDIR, kRootNode, Body().Text("directory")).error, ENOTEMPTY);
  EXPECT_EQ(Call(FUSE_UNLINK, kRootNode, Body().Text("directory")).error, EISDIR);
  EXPECT_EQ(Call(FUSE_RMDIR, directory.nodeid, Body().Text("inner")).error, 0);
  EXPECT_EQ(Call(FUSE_RMDIR, kRootNode, Body().Text("directory")).error, 0);
  EXPECT_NE(Call(FUSE_LOOKUP, directory.nodeid, Body().Text("x")).error, 0);
}

TEST_F(StorageTest, ARemovedDirectoryIsNotHeld) {
  // Used, so that the daemon has it open; the inode must go all the same.
  const NodeId directory = MakeDirectory(kRootNode, "directory").As<fuse_entry_out>().nodeid;
  EXPECT_EQ(Lookup(directory, "x"), 0u);
  ASSERT_EQ(Call(FUSE_RMDIR, kRootNode, Body().Text("directory")).error, 0);
  EXPECT_EQ(Call(FUSE_GETATTR, directory, Body::Of(fuse_getattr_in{})).error, ESTALE);
  const NodeId replaced = MakeDirectory(kRootNode, "replaced").As<fuse_entry_out>().nodeid;
  EXPECT_EQ(Lookup(replaced, "x"), 0u);
  ASSERT_EQ(MakeDirectory(kRootNode, "other").error, 0);
  ASSERT_EQ(Rename(kRootNode, "other", kRootNode, "replaced").error, 0);
  EXPECT_EQ(Call(FUSE_GETATTR, replaced, Body::Of(fuse_getattr_in{})).error, ESTALE);
}

TEST_F(StorageTest, SpecialFilesAndLinks) {
  fuse_mknod_in make{};
  make.mode = S_IFCHR | 0600;
  make.rdev = makedev(1, 3);
  const auto device = Call(FUSE_MKNOD, kRootNode, Body::Of(make).Text("null"));
  ASSERT_EQ(device.error, 0);
  EXPECT_EQ(device.As<fuse_entry_out>().attr.rdev, makedev(1, 3));
  EXPECT_EQ(device.As<fuse_entry_out>().attr.mode, S_IFCHR | 0600u);

  const std::string target(4000, 't');
  const Answer link = Call(FUSE_SYMLINK, kRootNode, Body().Text("link").Text(target), kUser);
  ASSERT_EQ(link.error, 0);
  EXPECT_EQ(link.As<fuse_entry_out>().attr.uid, kUser.uid);
  const Answer read = Call(FUSE_READLINK, link.As<fuse_entry_out>().nodeid);
  EXPECT_EQ(std::string(read.body.begin(), read.body.end()), target);
  EXPECT_EQ(Call(FUSE_READLINK, kRootNode).error, EINVAL);

  ASSERT_EQ(Create(kRootNode, "file", O_RDWR, 0600).error, 0);
  fuse_link_in hard{};
  hard.oldnodeid = Lookup(kRootNode, "file");
  EXPECT_EQ(Call(FUSE_LINK, kRootNode, Body::Of(hard).Text("second")).error, 0);
  EXPECT_EQ(Attributes(hard.oldnodeid).nlink, 2u);
  EXPECT_EQ(Call(FUSE_LINK, kRootNode, Body::Of(hard).Text("second")).error, EEXIST);
  // A link to a symbolic link is to the link itself.
  hard.oldnodeid = link.As<fuse_entry_out>().nodeid;
  EXPECT_EQ(Call(FUSE_LINK, kRootNode, Body::Of(hard).Text("third")).error, 0);
}

TEST_F(StorageTest, RenamingWithFlags) {
  ASSERT_EQ(Create(kRootNode, "a", O_RDWR, 0600).error, 0);
  ASSERT_EQ(Create(kRootNode, "b", O_RDWR, 0600).error, 0);
  const NodeId a = Lookup(kRootNode, "a");
  const NodeId b = Lookup(kRootNode, "b");
  EXPECT_EQ(Rename(kRootNode, "a", kRootNode, "b", RENAME_NOREPLACE).error, EEXIST);
  EXPECT_EQ(Rename(kRootNode, "a", kRootNode, "b", RENAME_EXCHANGE).error, 0);
  EXPECT_EQ(Lookup(kRootNode, "a"), b);
  EXPECT_EQ(Lookup(kRootNode, "b"), a);
  EXPECT_EQ(Rename(kRootNode, "a", kRootNode, "b", RENAME_WHITEOUT).error, 0);
  EXPECT_TRUE(S_ISCHR(Attributes(Lookup(kRootNode, "a")).mode));
  EXPECT_EQ(Rename(kRootNode, "a", kRootNode, "b", 1u << 30).error, EINVAL);
  const NodeId directory = MakeDirectory(kRootNode, "directory").As<fuse_entry_out>().nodeid;
  EXPECT_EQ(Rename(kRootNode, "b", directory, "moved").error, 0);
  EXPECT_EQ(Lookup(directory, "moved"), b);
  fuse_rename_in plain{};
  plain.newdir = kRootNode;
  EXPECT_EQ(Call(FUSE_RENAME, directory, Body::Of(plain).Text("moved").Text("back")).error, 0);
  EXPECT_EQ(Lookup(kRootNode, "back"), b);
}

TEST_F(StorageTest, LongNames) {
  const std::string longest(255, 'n');
  EXPECT_EQ(Create(kRootNode, longest.c_str(), O_RDWR, 0600).error, 0);
  EXPECT_NE(Lookup(kRootNode, longest.c_str()), 0u);
  EXPECT_EQ(Create(kRootNode, (longest + "n").c_str(), O_RDWR, 0600).error, ENAMETOOLONG);
}

TEST_F(StorageTest, AttributesAreSet) {
  const NodeId file = Create(kRootNode, "file", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  fuse_setattr_in set{};
  set.valid = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME;
  set.mode = S_IFREG | 04751;
  set.uid = 12;
  set.gid = 34;
  set.size = 5'000'000'000;
  set.atime = 1000;
  set.atimensec = 123456789;
  set.mtime = 2000;
  set.mtimensec = 987654321;
  const Answer answer = Call(FUSE_SETATTR, file, Body::Of(set), kUser);
  ASSERT_EQ(answer.error, 0);
  const fuse_attr attributes = answer.As<fuse_attr_out>().attr;
  EXPECT_EQ(answer.As<fuse_attr_out>().attr_valid, 3600u);
  EXPECT_EQ(attributes.mode, S_IFREG | 04751u);
  EXPECT_EQ(attributes.uid, 12u);
  EXPECT_EQ(attributes.gid, 34u);
  EXPECT_EQ(attributes.size, 5'000'000'000u);
  EXPECT_EQ(attributes.atime, 1000u);
  EXPECT_EQ(attributes.atimensec, 123456789u);
  EXPECT_EQ(attributes.mtime, 2000u);
  EXPECT_EQ(attributes.mtimensec, 987654321u);

  set.valid = FATTR_ATIME | FATTR_ATIME_NOW;
  const fuse_attr now = Call(FUSE_SETATTR, file, Body::Of(set)).As<fuse_attr_out>().attr;
  EXPECT_GT(now.atime, 1'000'000u);
  EXPECT_EQ(now.mtime, 2000u);

  set.valid = FATTR_SIZE;
  set.size = ~std::uint64_t{0};
  EXPECT_EQ(Call(FUSE_SETATTR, file, Body::Of(set)).error, EINVAL);
  set.size = 0;
  EXPECT_EQ(
      Call(FUSE_SETATTR, MakeDirectory(kRootNode, "d").As<fuse_entry_out>().nodeid, Body::Of(set))
          .error,
      EISDIR);
}

TEST_F(StorageTest, TheTimeOfBirthIsTold) {
  const NodeId file = Create(kRootNode, "file", O_RDWR, 0640).As<fuse_entry_out>().nodeid;
  const Answer answer = Call(FUSE_STATX, file, Body::Of(fuse_statx_in{}));
  ASSERT_EQ(answer.error, 0);
  const auto told = answer.As<fuse_statx_out>();
  struct statx expected;
  ASSERT_EQ(statx(AT_FDCWD, Path("file").c_str(), 0, STATX_BASIC_STATS | STATX_BTIME, &expected),
            0);
  EXPECT_EQ(told.attr_valid, 3600u);
  EXPECT_EQ(told.stat.mask, expected.stx_mask);
  EXPECT_EQ(told.stat.mode, S_IFREG | 0640);
  EXPECT_EQ(told.stat.ino, expected.stx_ino);
  EXPECT_EQ(told.stat.btime.tv_sec, expected.stx_btime.tv_sec);
  EXPECT_EQ(told.stat.btime.tv_nsec, expected.stx_btime.tv_nsec);
  EXPECT_EQ(told.stat.mtime.tv_nsec, expected.stx_mtime.tv_nsec);
  EXPECT_EQ(Call(FUSE_STATX, 2, Body::Of(fuse_statx_in{})).error, ESTALE);
}

TEST_F(StorageTest, SetIdBitsGoWhenTheCallerMayNotKeepThem) {
  const NodeId file = Create(kRootNode, "file", O_RDWR, 0755).As<fuse_entry_out>().nodeid;
  const auto reset = [&] { ASSERT_EQ(chmod(Path("file").c_str(), 06755), 0); };
  fuse_setattr_in set{};
  set.valid = FATTR_SIZE;
  reset();
  EXPECT_EQ(Call(FUSE_SETATTR, file, Body::Of(set), kUser).As<fuse_attr_out>().attr.mode,
            S_IFREG | 06755u);
  set.valid |= FATTR_KILL_SUIDGID;
  EXPECT_EQ(Call(FUSE_SETATTR, file, Body::Of(set), kUser).As<fuse_attr_out>().attr.mode,
            S_IFREG | 0755u);
  reset();
  EXPECT_EQ(Open(file, O_WRONLY | O_TRUNC).error, 0);
  EXPECT_EQ(Attributes(file).mode, S_IFREG | 06755u);
  EXPECT_EQ(Open(file, O_WRONLY | O_TRUNC, FUSE_OPEN_KILL_SUIDGID).error, 0);
  EXPECT_EQ(Attributes(file).mode, S_IFREG | 0755u);
  reset();
  EXPECT_EQ(Create(kRootNode, "file", O_WRONLY | O_TRUNC, 0755, kUser, 022, FUSE_OPEN_KILL_SUIDGID)
                .As<fuse_entry_out>()
                .attr.mode,
            S_IFREG | 0755u);
  // Changing the owner clears them for everybody.
  reset();
  set.valid = FATTR_UID;
  set.uid = 5;
  EXPECT_EQ(Call(FUSE_SETATTR, file, Body::Of(set)).As<fuse_attr_out>().attr.mode, S_IFREG | 0755u);
}

struct Listing {
  std::vector<std::string> names;
  std::vector<std::uint64_t> offsets;
  std::map<std::string, std::uint64_t> inodes;
  std::map<std::string, fuse_entry_out> entries;  // READDIRPLUS
};

class StorageDirectoryTest : public StorageTest {
 protected:
  // One request; returns how many entries came.
  int ReadOnce(NodeId node, std::uint64_t offset, std::uint32_t size, bool plus, Listing* into) {
    fuse_read_in read{};
    read.offset = offset;
    read.size = size;
    const Answer answer = Call(plus ? FUSE_READDIRPLUS : FUSE_READDIR, node, Body::Of(read));
    EXPECT_EQ(answer.error, 0);
    EXPECT_LE(answer.body.size(), size);
    int count = 0;
    for (std::size_t at = 0; at < answer.body.size(); ++count) {
      fuse_entry_out entry{};
      if (plus) {
        std::memcpy(&entry, answer.body.data() + at, sizeof(entry));
        at += sizeof(entry);
      }
      fuse_dirent head;
      std::memcpy(&head, answer.body.data() + at, offsetof(fuse_dirent, name));
      std::string name(answer.body.data() + at + offsetof(fuse_dirent, name), head.namelen);
      into->names.push_back(name);
      into->offsets.push_back(head.off);
      into->inodes[name] = head.ino;
      into->entries[name] = entry;
      at += FUSE_DIRENT_ALIGN(offsetof(fuse_dirent, name) + head.namelen);
    }
    return count;
  }

  Listing ReadAll(NodeId node, std::uint32_t size, bool plus) {
    Listing listing;
    std::uint64_t offset = 0;
    while (ReadOnce(node, offset, size, plus, &listing) > 0) offset = listing.offsets.back();
    return listing;
  }
};

TEST_F(StorageDirectoryTest, EveryEntryComesOnce) {
  constexpr int kEntries = 3000;
  const NodeId directory = MakeDirectory(kRootNode, "directory").As<fuse_entry_out>().nodeid;
  std::set<std::string> expected{".", ".."};
  for (int i = 0; i < kEntries; ++i) {
    const std::string name = "entry-" + std::to_string(i) + std::string(i % 100, 'x');
    ASSERT_EQ(mknod(Path("directory/" + name).c_str(), S_IFREG | 0600, 0), 0);
    expected.insert(name);
  }
  for (const bool plus : {false, true}) {
    const Listing listing = ReadAll(directory, 4096, plus);
    EXPECT_EQ(listing.names.size(), expected.size());
    EXPECT_EQ(std::set(listing.names.begin(), listing.names.end()), expected);
    // From where any entry ended, the rest follows.
    const std::size_t middle = listing.names.size() / 2;
    Listing rest;
    ReadOnce(directory, listing.offsets[middle], 4096, plus, &rest);
    EXPECT_EQ(rest.names.front(), listing.names[middle + 1]);
  }
}

TEST_F(StorageDirectoryTest, EntriesHaveTheirAttributes) {
  ASSERT_EQ(Create(kRootNode, "file", O_RDWR, 0600, kUser).error, 0);
  ASSERT_EQ(symlink("nowhere", Path("link").c_str()), 0);
  const Listing listing = ReadAll(kRootNode, 4096, true);
  EXPECT_EQ(listing.entries.at("file").nodeid, Lookup(kRootNode, "file"));
  EXPECT_EQ(listing.entries.at("file").attr.uid, kUser.uid);
  EXPECT_EQ(listing.entries.at("file").entry_valid, 3600u);
  EXPECT_TRUE(S_ISLNK(listing.entries.at("link").attr.mode));
  EXPECT_EQ(listing.entries.at(".").nodeid, 0u);
  EXPECT_EQ(listing.entries.at("..").nodeid, 0u);
  // Of the directory above the export nothing is told.
  EXPECT_EQ(listing.inodes.at(".."), listing.inodes.at("."));
}

TEST_F(StorageDirectoryTest, AnEntryThatDoesNotFitWaits) {
  ASSERT_EQ(Create(kRootNode, std::string(255, 'n').c_str(), O_RDWR, 0600).error, 0);
  const Listing listing = ReadAll(kRootNode, 300, false);
  EXPECT_EQ(listing.names.size(), 3u);
  Listing nothing;
  EXPECT_EQ(ReadOnce(kRootNode, 0, 0, false, &nothing), 0);
  fuse_read_in read{};
  read.size = 4096;
  const NodeId file = Create(kRootNode, "file", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  EXPECT_EQ(Call(FUSE_READDIR, file, Body::Of(read)).error, ENOTDIR);
}

TEST_F(StorageTest, ManyDirectoriesAreKeptOpenOnlyInPart) {
  for (int i = 0; i < 200; ++i) {
    const std::string name = "directory-" + std::to_string(i);
    const NodeId node = MakeDirectory(kRootNode, name.c_str()).As<fuse_entry_out>().nodeid;
    EXPECT_EQ(Lookup(node, "x"), 0u);
  }
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  EXPECT_LT(std::distance(begin(descriptors), end(descriptors)), 110);
}

TEST_F(StorageTest, ExtendedAttributes) {
  const NodeId file = Create(kRootNode, "file", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  const std::string value("a\0b", 3);
  ASSERT_EQ(SetExtended(file, "user.name", value).error, 0);
  EXPECT_EQ(SetExtended(file, "user.name", value, XATTR_CREATE).error, EEXIST);
  EXPECT_EQ(SetExtended(file, "user.other", value, XATTR_REPLACE).error, ENODATA);
  EXPECT_EQ(GetExtended(file, "user.name", 0).As<fuse_getxattr_out>().size, 3u);
  EXPECT_EQ(GetExtended(file, "user.name", 2).error, ERANGE);
  const Answer got = GetExtended(file, "user.name", 100);
  EXPECT_EQ(std::string(got.body.begin(), got.body.end()), value);
  EXPECT_EQ(GetExtended(file, "user.none", 100).error, ENODATA);

  ASSERT_EQ(SetExtended(file, "trusted.secret", "x").error, 0);
  fuse_getxattr_in list{};
  list.size = 1000;
  const auto names = [&](Identity identity) {
    const Answer answer = Call(FUSE_LISTXATTR, file, Body::Of(list), identity);
    EXPECT_EQ(answer.error, 0);
    std::set<std::string> found;
    for (auto at = answer.body.begin(); at != answer.body.end();) {
      const auto zero = std::find(at, answer.body.end(), '\0');
      found.emplace(at, zero);
      at = zero + 1;
    }
    return found;
  };
  EXPECT_THAT(names({}), Contains("trusted.secret"));
  EXPECT_THAT(names(kUser), Contains("user.name"));
  EXPECT_THAT(names(kUser), Not(Contains("trusted.secret")));
  list.size = 3;
  EXPECT_EQ(Call(FUSE_LISTXATTR, file, Body::Of(list)).error, ERANGE);
  list.size = 0;
  EXPECT_EQ(Call(FUSE_LISTXATTR, file, Body::Of(list), kUser).As<fuse_getxattr_out>().size, 10u);

  EXPECT_EQ(Call(FUSE_REMOVEXATTR, file, Body().Text("user.name")).error, 0);
  EXPECT_EQ(Call(FUSE_REMOVEXATTR, file, Body().Text("user.name")).error, ENODATA);
  // Of a symbolic link, not of what it points to.
  ASSERT_EQ(symlink("file", Path("link").c_str()), 0);
  const NodeId link = Lookup(kRootNode, "link");
  EXPECT_EQ(SetExtended(link, "trusted.link", "x").error, 0);
  EXPECT_EQ(GetExtended(file, "trusted.link", 100).error, ENODATA);
}

// An ACL as Linux stores it: version 2, then tag, permissions and id of each entry.
std::string Acl(const std::vector<std::array<unsigned, 3>>& entries) {
  Body acl = Body::Of(std::uint32_t{2});
  for (const auto& [tag, permissions, id] : entries) {
    acl.Add(static_cast<std::uint16_t>(tag)).Add(static_cast<std::uint16_t>(permissions)).Add(id);
  }
  return acl.bytes();
}

TEST_F(StorageTest, DefaultAclsTakeThePlaceOfTheUmask) {
  const NodeId directory = MakeDirectory(kRootNode, "directory").As<fuse_entry_out>().nodeid;
  const std::string acl =
      Acl({{0x01, 7, ~0u}, {0x02, 6, 42}, {0x04, 5, ~0u}, {0x10, 7, ~0u}, {0x20, 4, ~0u}});
  const Answer set = SetExtended(directory, "system.posix_acl_default", acl);
  if (set.error == EOPNOTSUPP) GTEST_SKIP() << "no ACLs here";
  ASSERT_EQ(set.error, 0);
  const auto made = Create(directory, "file", O_RDWR, 0666, kUser, 077).As<fuse_entry_out>();
  EXPECT_EQ(made.attr.mode, S_IFREG | 0664u);
  EXPECT_EQ(GetExtended(made.nodeid, "system.posix_acl_access", 1000).body.size(), acl.size());
  // Without one the umask counts.
  EXPECT_EQ(Create(kRootNode, "file", O_RDWR, 0666, kUser, 077).As<fuse_entry_out>().attr.mode,
            S_IFREG | 0600u);
}

TEST_F(StorageTest, AnAclMayCostTheSetGroupIdBit) {
  const NodeId file = Create(kRootNode, "file", O_RDWR, 0755).As<fuse_entry_out>().nodeid;
  const std::string acl = Acl({{0x01, 7, ~0u}, {0x04, 5, ~0u}, {0x20, 5, ~0u}});
  for (const bool kill : {false, true}) {
    ASSERT_EQ(chmod(Path("file").c_str(), 02755), 0);
    const Answer set = SetExtended(file, "system.posix_acl_access", acl, 0,
                                   kill ? FUSE_SETXATTR_ACL_KILL_SGID : 0, kUser);
    if (set.error == EOPNOTSUPP) GTEST_SKIP() << "no ACLs here";
    ASSERT_EQ(set.error, 0);
    EXPECT_EQ(Attributes(file).mode, S_IFREG | (kill ? 0755u : 02755u));
  }
}

TEST_F(StorageTest, TheWholeFileSystem) {
  const auto statistics = Call(FUSE_STATFS, kRootNode).As<fuse_statfs_out>().st;
  struct statvfs expected;
  ASSERT_EQ(statvfs(directory_.c_str(), &expected), 0);
  EXPECT_EQ(statistics.blocks, expected.f_blocks);
  EXPECT_EQ(statistics.bsize, expected.f_bsize);
  EXPECT_EQ(statistics.namelen, expected.f_namemax);
  fuse_fsync_in synchronize{};
  EXPECT_EQ(Call(FUSE_FSYNCDIR, kRootNode, Body::Of(synchronize)).error, 0);
  synchronize.fsync_flags = FUSE_FSYNC_FDATASYNC;
  EXPECT_EQ(Call(FUSE_FSYNCDIR, kRootNode, Body::Of(synchronize)).error, 0);
  EXPECT_EQ(Call(FUSE_SYNCFS, kRootNode, Body::Of(fuse_syncfs_in{})).error, 0);
}

// What the domain of the next test keeps without a name, and where.
std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

TEST_F(StorageTest, AnOpenFileWithoutANameIsFoundByTheNextDomain) {
  const std::string now = Top() + "/unnamed", before = Top() + "/unnamed-before";
  const NodeId unlinked = Create(kRootNode, "unlinked", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  const NodeId replaced = Create(kRootNode, "replaced", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  const NodeId linked = Create(kRootNode, "linked", O_RDWR, 0600).As<fuse_entry_out>().nodeid;
  ASSERT_EQ(Create(kRootNode, "other", O_RDWR, 0600).error, 0);
  std::filesystem::create_hard_link(Path("linked"), Path("link"));
  fuse_create_in create{};
  create.flags = O_RDWR | O_EXCL;
  create.mode = S_IFREG | 0600;
  const Answer made = Call(FUSE_TMPFILE, kRootNode, Body::Of(create).Text("/"));
  ASSERT_EQ(made.error, 0);
  const NodeId nameless = made.As<fuse_entry_out>().nodeid;
  daemon_->relay().Take(made.unique).Reset();
  EXPECT_EQ(Attributes(nameless).nlink, 0u);

  padding_ = VOS_FUSE_KEEP;
  ASSERT_EQ(Call(FUSE_UNLINK, kRootNode, Body().Text("unlinked")).error, 0);
  ASSERT_EQ(Call(FUSE_UNLINK, kRootNode, Body().Text("linked")).error, 0);
  EXPECT_EQ(Rename(kRootNode, "none", kRootNode, "replaced").error, ENOENT);
  EXPECT_EQ(Attributes(replaced).nlink, 1u);
  ASSERT_EQ(Rename(kRootNode, "other", kRootNode, "replaced").error, 0);
  padding_ = 0;
  last_file_.Reset();
  for (const bool domain : {false, true, true}) {
    Restart(domain);
    for (const NodeId node : {unlinked, replaced, nameless}) {
      EXPECT_EQ(Attributes(node).nlink, 0u);
      EXPECT_EQ(Open(node, O_RDONLY).error, 0);
      last_file_.Reset();
    }
    EXPECT_EQ(Attributes(linked).nlink, 1u);
    EXPECT_EQ(NamesIn(now).size(), 3u);
    EXPECT_THAT(NamesIn(before), IsEmpty());
    EXPECT_EQ(Call(FUSE_RMDIR, VOS_FUSE_UNNAMED, Body().Text(VOS_FUSE_BEFORE)).error, 0);
    EXPECT_EQ(NamesIn(now).size(), 3u);
  }

  // Given a name, closed, and never asked for again.
  fuse_link_in link{};
  link.oldnodeid = nameless;
  EXPECT_EQ(Call(FUSE_LINK, kRootNode, Body::Of(link).Text("link")).error, EEXIST);
  EXPECT_EQ(Call(FUSE_LINK, kRootNode, Body::Of(link).Text("named")).error, 0);
  EXPECT_EQ(Attributes(nameless).nlink, 1u);
  char name[17];
  std::snprintf(name, sizeof(name), "%016llx", static_cast<unsigned long long>(unlinked));
  EXPECT_EQ(Call(FUSE_UNLINK, VOS_FUSE_UNNAMED, Body().Text(name)).error, 0);
  EXPECT_EQ(Call(FUSE_UNLINK, VOS_FUSE_UNNAMED, Body().Text(name)).error, ENOENT);
  EXPECT_EQ(Call(FUSE_UNLINK, VOS_FUSE_UNNAMED, Body().Text("../export")).error, EINVAL);
  EXPECT_EQ(Open(unlinked, O_RDONLY).error, ESTALE);
  Restart(true);
  EXPECT_EQ(NamesIn(before).size(), 1u);
  EXPECT_EQ(Call(FUSE_RMDIR, VOS_FUSE_UNNAMED, Body().Text(VOS_FUSE_BEFORE)).error, 0);
  EXPECT_THAT(NamesIn(before), IsEmpty());
  EXPECT_EQ(Open(replaced, O_RDONLY).error, ESTALE);
}

TEST_F(StorageTest, FilesThatNobodyAskedForAreFreedSomeAtATime) {
  constexpr std::size_t kFiles = 2 * UnnamedFiles::kSweepAtOnce + 1;
  padding_ = VOS_FUSE_KEEP;
  for (std::size_t i = 0; i < kFiles; ++i) {
    ASSERT_EQ(Create(kRootNode, "file", O_RDWR, 0600).error, 0);
    ASSERT_EQ(Call(FUSE_UNLINK, kRootNode, Body().Text("file")).error, 0);
  }
  Restart(true);
  const Body sweep = Body().Text(VOS_FUSE_BEFORE);
  EXPECT_EQ(Call(FUSE_RMDIR, VOS_FUSE_UNNAMED, sweep).error, ENOTEMPTY);
  EXPECT_EQ(NamesIn(Top() + "/unnamed-before").size(), kFiles - UnnamedFiles::kSweepAtOnce);
  EXPECT_EQ(Call(FUSE_RMDIR, VOS_FUSE_UNNAMED, sweep).error, ENOTEMPTY);
  EXPECT_EQ(Call(FUSE_RMDIR, VOS_FUSE_UNNAMED, sweep).error, 0);
  EXPECT_THAT(NamesIn(Top() + "/unnamed-before"), IsEmpty());
}

TEST_F(StorageTest, ManyRequestsAtOnceAreAnsweredOnceEach) {
  constexpr int kRequests = 2000;
  constexpr int kAtOnce = 32;
  std::set<std::uint64_t> waiting;
  int sent = 0;
  while (sent < kRequests || !waiting.empty()) {
    while (sent < kRequests && waiting.size() < kAtOnce) {
      fuse_create_in create{};
      create.flags = O_RDWR | O_EXCL;
      create.mode = S_IFREG | 0644;
      const Identity identity{static_cast<uid_t>(sent % 7), static_cast<gid_t>(sent % 5)};
      const std::string name = std::to_string(identity.uid) + "-" + std::to_string(sent);
      daemon_->Send(Message(FUSE_CREATE, kRootNode, Body::Of(create).Text(name).bytes(), identity));
      waiting.insert(next_unique_);
      ++sent;
    }
    Answer answer;
    ASSERT_TRUE(daemon_->Receive(&answer, kAnswerMilliseconds));
    ASSERT_EQ(answer.error, 0);
    ASSERT_EQ(waiting.erase(answer.unique), 1u);
    daemon_->relay().Take(answer.unique);
  }
  Answer none;
  EXPECT_FALSE(daemon_->Receive(&none, kSilenceMilliseconds));
  // Threads did not take each other's identity.
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    struct stat attributes;
    ASSERT_EQ(stat(entry.path().c_str(), &attributes), 0);
    EXPECT_EQ(std::to_string(attributes.st_uid), entry.path().filename().string().substr(0, 1));
  }
}

}  // namespace
}  // namespace vos::storage
