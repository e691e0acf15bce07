// SPDX-License-Identifier: Apache-2.0
// links: service-domains/storage/attributes.cc service-domains/storage/directories.cc service-domains/storage/export_tree.cc service-domains/storage/extended_attributes.cc service-domains/storage/files.cc service-domains/storage/identity.cc service-domains/storage/message.cc service-domains/storage/names.cc service-domains/storage/relay.cc service-domains/storage/server.cc service-domains/storage/session.cc service-domains/storage/unnamed_files.cc -lfuse3
// Messages that are not what they should be: refused, and nothing else happens.
#include <functional>
#include <random>

#include "service-domains/storage/message.h"
#include "tests/unit/storage_client.h"

namespace vos::storage {
namespace {

class StorageMessagesTest : public StorageTest {
 protected:
  // A well-formed message of each kind, about nodes of this export only: the daemon would find any
  // other inode of the file system below it.
  std::vector<std::string> Samples() {
    const NodeId node = Lookup(kRootNode, "file");
    fuse_link_in link{};
    link.oldnodeid = node;
    fuse_rename_in rename{};
    rename.newdir = kRootNode;
    fuse_rename2_in rename2{};
    rename2.newdir = kRootNode;
    fuse_setxattr_in set_extended{};
    set_extended.size = 5;
    fuse_getxattr_in room{};
    room.size = 100;
    fuse_read_in read{};
    read.size = 4096;
    fuse_mkdir_in directory{};
    directory.mode = 0700;
    fuse_mknod_in make{};
    make.mode = S_IFREG | 0600;
    fuse_create_in create{};
    create.mode = S_IFREG | 0600;
    create.flags = O_RDWR;
    return {
        Message(FUSE_LOOKUP, kRootNode, Body().Text("file").bytes()),
        Message(FUSE_GETATTR, node, Body::Of(fuse_getattr_in{}).bytes()),
        Message(FUSE_SETATTR, node, Body::Of(fuse_setattr_in{}).bytes()),
        Message(FUSE_READLINK, node, ""),
        Message(FUSE_SYMLINK, kRootNode, Body().Text("link").Text("target").bytes()),
        Message(FUSE_MKNOD, kRootNode, Body::Of(make).Text("node").bytes()),
        Message(FUSE_MKDIR, kRootNode, Body::Of(directory).Text("directory").bytes()),
        Message(FUSE_UNLINK, kRootNode, Body().Text("link").bytes()),
        Message(FUSE_RMDIR, kRootNode, Body().Text("directory").bytes()),
        Message(FUSE_RENAME, kRootNode, Body::Of(rename).Text("node").Text("other").bytes()),
        Message(FUSE_RENAME2, kRootNode, Body::Of(rename2).Text("node").Text("other").bytes()),
        Message(FUSE_LINK, kRootNode, Body::Of(link).Text("second").bytes()),
        Message(FUSE_OPEN, node, Body::Of(fuse_open_in{}).bytes()),
        Message(FUSE_CREATE, kRootNode, Body::Of(create).Text("created").bytes()),
        Message(FUSE_TMPFILE, kRootNode, Body::Of(create).Text("/").bytes()),
        Message(FUSE_STATFS, kRootNode, ""),
        Message(FUSE_SETXATTR, node,
                Body::Of(set_extended).Text("user.name").Bytes("value").bytes()),
        Message(FUSE_GETXATTR, node, Body::Of(room).Text("user.name").bytes()),
        Message(FUSE_LISTXATTR, node, Body::Of(room).bytes()),
        Message(FUSE_REMOVEXATTR, node, Body().Text("user.name").bytes()),
        Message(FUSE_READDIR, kRootNode, Body::Of(read).bytes()),
        Message(FUSE_READDIRPLUS, kRootNode, Body::Of(read).bytes()),
        Message(FUSE_FSYNCDIR, kRootNode, Body::Of(fuse_fsync_in{}).bytes()),
        Message(FUSE_STATX, node, Body::Of(fuse_statx_in{}).bytes()),
        Message(FUSE_SYNCFS, kRootNode, Body::Of(fuse_syncfs_in{}).bytes()),
        Message(FUSE_INIT, 0, Body::Of(InitMessage()).bytes()),
    };
  }

  void SetUp() override {
    StorageTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_EQ(Create(kRootNode, "file", O_RDWR, 0600).error, 0);
  }

  static void SetLength(std::string* message, std::size_t length) {
    const auto value = static_cast<std::uint32_t>(length);
    std::memcpy(message->data() + offsetof(fuse_in_header, len), &value, sizeof(value));
  }

  // Sends it; there must be one answer, with this number.
  Answer Exchange(const std::string& message) {
    fuse_in_header header;
    std::memcpy(&header, message.data(), sizeof(header));
    daemon_->Send(message);
    Answer answer;
    EXPECT_TRUE(daemon_->Receive(&answer, kAnswerMilliseconds)) << "opcode " << header.opcode;
    EXPECT_EQ(answer.unique, header.unique) << "opcode " << header.opcode;
    daemon_->relay().Take(answer.unique);
    return answer;
  }
};

TEST_F(StorageMessagesTest, CutShortAnywhereTheyAreRefused) {
  for (const std::string& sample : Samples()) {
    for (std::size_t size = sizeof(fuse_in_header); size < sample.size(); ++size) {
      std::string message = sample.substr(0, size);
      EXPECT_EQ(Exchange(message).error, EINVAL);
      SetLength(&message, size);
      EXPECT_EQ(Exchange(message).error, EINVAL) << "cut to " << size;
    }
  }
}

TEST_F(StorageMessagesTest, ALengthThatIsNotTheirsIsRefused) {
  for (std::string message : Samples()) {
    for (const std::size_t length : {std::size_t{0}, message.size() + 1, std::size_t{~0u}}) {
      SetLength(&message, length);
      EXPECT_EQ(Exchange(message).error, EINVAL);
    }
  }
}

TEST_F(StorageMessagesTest, WhatIsNotServedIsNotImplemented) {
  for (const std::uint32_t opcode :
       {FUSE_READ, FUSE_WRITE, FUSE_RELEASE, FUSE_FSYNC, FUSE_FLUSH, FUSE_OPENDIR, FUSE_RELEASEDIR,
        FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW, FUSE_ACCESS, FUSE_BMAP, FUSE_IOCTL, FUSE_POLL,
        FUSE_NOTIFY_REPLY, FUSE_FALLOCATE, FUSE_LSEEK, FUSE_COPY_FILE_RANGE, FUSE_SETUPMAPPING}) {
    EXPECT_EQ(Call(opcode, kRootNode, Body().Bytes(std::string(200, '\0'))).error, ENOSYS)
        << opcode;
  }
  for (const std::uint32_t opcode : {0u, 7u, 1000u, 4096u, ~0u}) {
    EXPECT_EQ(Call(opcode, kRootNode).error, ENOSYS) << opcode;
  }
}

TEST_F(StorageMessagesTest, SomeAreNotAnswered) {
  daemon_->Send(Message(FUSE_FORGET, kRootNode, Body::Of(fuse_forget_in{}).bytes()));
  daemon_->Send(Message(FUSE_BATCH_FORGET, 0, ""));
  daemon_->Send(Message(FUSE_INTERRUPT, 0, ""));
  daemon_->Send("short");
  Answer none;
  EXPECT_FALSE(daemon_->Receive(&none, kSilenceMilliseconds));
  EXPECT_EQ(Attributes(kRootNode).nlink, 2u);
}

TEST_F(StorageMessagesTest, NothingIsServedBeforeInit) {
  daemon_.reset();
  auto tree = ExportTree::Open(directory_);
  ASSERT_TRUE(tree);
  daemon_ = std::make_unique<Daemon>(std::move(*tree), nullptr);
  EXPECT_EQ(Call(FUSE_GETATTR, kRootNode, Body::Of(fuse_getattr_in{})).error, EIO);
  Initialise();
  EXPECT_EQ(Attributes(kRootNode).nlink, 2u);
}

TEST_F(StorageMessagesTest, AnOldProtocolIsRefused) {
  fuse_init_in init = InitMessage();
  init.major = 6;
  EXPECT_NE(Call(FUSE_INIT, 0, Body::Of(init)).error, 0);
  // The session there was goes on.
  EXPECT_EQ(Attributes(kRootNode).nlink, 2u);
}

TEST_F(StorageMessagesTest, UnknownNodes) {
  for (const NodeId node : {NodeId{0}, NodeId{2}, NodeId{8}, NodeId{0xffffffff}}) {
    EXPECT_EQ(Call(FUSE_GETATTR, node, Body::Of(fuse_getattr_in{})).error, ESTALE) << node;
  }
  const NodeId file = Lookup(kRootNode, "file");
  EXPECT_EQ(Call(FUSE_GETATTR, file ^ (NodeId{1} << 40), Body::Of(fuse_getattr_in{})).error,
            ESTALE);
  EXPECT_EQ(Call(FUSE_LOOKUP, file, Body().Text("x")).error, ENOTDIR);
}

// What a mutation may touch: not the node ids of a message, for the reason above, and not the
// fields that name whom to act for or how long it is.
bool MayChange(const std::string& message, std::size_t at) {
  if (at < sizeof(fuse_in_header)) return false;
  fuse_in_header header;
  std::memcpy(&header, message.data(), sizeof(header));
  switch (header.opcode) {
    case FUSE_LINK:
    case FUSE_RENAME:
    case FUSE_RENAME2:
      return at >= sizeof(fuse_in_header) + sizeof(std::uint64_t);
    default:
      return true;
  }
}

TEST_F(StorageMessagesTest, RandomOnesAreAnsweredOnce) {
  constexpr int kMessages = 20'000;
  std::mt19937 random(20260801);
  const auto below = [&random](std::size_t limit) { return random() % limit; };
  std::vector<std::string> samples = Samples();
  for (int i = 0; i < kMessages; ++i) {
    if (i % 1000 == 0) {
      // The file may be gone or renamed by now.
      ASSERT_LE(Create(kRootNode, "file", O_RDWR, 0600).error, ELOOP);
      samples = Samples();
    }
    std::string message = samples[below(samples.size())];
    const std::uint64_t unique = next_unique_ += 2;
    std::memcpy(message.data() + offsetof(fuse_in_header, unique), &unique, sizeof(unique));
    for (std::size_t change = below(4); change > 0; --change) {
      const std::size_t at = below(message.size());
      if (MayChange(message, at)) message[at] = static_cast<char>(random());
    }
    if (below(8) == 0) message.resize(sizeof(fuse_in_header) + below(message.size()), 'x');
    if (below(8) != 0) SetLength(&message, message.size());
    Exchange(message);
    if (HasFailure()) {
      fuse_in_header header;
      std::memcpy(&header, message.data(), sizeof(header));
      FAIL() << "message " << i << ", opcode " << header.opcode;
    }
  }
  Initialise();
  EXPECT_GE(Attributes(kRootNode).nlink, 2u);
}

}  // namespace
}  // namespace vos::storage
