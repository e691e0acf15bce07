// SPDX-License-Identifier: Apache-2.0
// The storage domain's daemon over a directory of this machine, and a client that sends it FUSE
// messages as the relay would.
#ifndef VIRTUOS_TESTS_UNIT_STORAGE_CLIENT_H_
#define VIRTUOS_TESTS_UNIT_STORAGE_CLIENT_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "service-domains/storage/export_tree.h"
#include "service-domains/storage/file_system.h"
#include "service-domains/storage/relay.h"
#include "service-domains/storage/server.h"
#include "service-domains/storage/unnamed_files.h"
#include "tools/common/file_descriptor.h"

namespace vos::storage {

// Keeps what is attached, as the kernel would.
class SocketRelay : public Relay {
 public:
  using Relay::Relay;

  Outcome<void> Attach(std::uint64_t unique, FileDescriptor file) override {
    const std::lock_guard lock(mutex_);
    if (refuse_) return Refuse(EINVAL);
    files_[unique] = std::move(file);
    return {};
  }

  FileDescriptor Take(std::uint64_t unique) {
    const std::lock_guard lock(mutex_);
    FileDescriptor file = std::move(files_[unique]);
    files_.erase(unique);
    return file;
  }

  void RefuseFiles() {
    const std::lock_guard lock(mutex_);
    refuse_ = true;
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, FileDescriptor> files_;
  bool refuse_ = false;
};

// Whom a message is from.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct Answer {
  std::uint64_t unique = 0;
  int error = 0;  // positive
  std::vector<char> body;

  template <typename T>
  T As() const {
    T value{};
    EXPECT_GE(body.size(), sizeof(T));
    if (body.size() >= sizeof(T)) std::memcpy(&value, body.data(), sizeof(T));
    return value;
  }
};

class Body {
 public:
  template <typename T>
  static Body Of(const T& value) {
    return Body().Add(value);
  }
  template <typename T>
  Body& Add(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Body& Text(std::string_view text) {
    bytes_.append(text).append(1, '\0');
    return *this;
  }
  Body& Bytes(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// For how long an answer may take, and for how long there must be none.
inline constexpr int kAnswerMilliseconds = 20'000;
inline constexpr int kSilenceMilliseconds = 100;

class Daemon {
 public:
  Daemon(std::unique_ptr<ExportTree> tree, std::unique_ptr<UnnamedFiles> unnamed)
      : files_(std::move(tree), std::move(unnamed)) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    client_ = FileDescriptor(ends[0]);
    relay_ = std::make_unique<SocketRelay>(FileDescriptor(ends[1]));
    server_ = std::make_unique<Server>(files_, *relay_, [](int error) {
      ADD_FAILURE() << "a thread of the daemon failed: " << std::strerror(error);
    });
    thread_ = std::jthread([this] { server_->Run(); });
  }
  ~Daemon() { shutdown(client_.get(), SHUT_RDWR); }

  void Send(std::string_view message) {
    ASSERT_EQ(send(client_.get(), message.data(), message.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(message.size()));
  }

  // False: there was none.
  bool Receive(Answer* answer, int milliseconds) {
    pollfd ready{client_.get(), POLLIN, 0};
    if (poll(&ready, 1, milliseconds) != 1) return false;

    const ssize_t size = recv(client_.get(), buffer_.data(), buffer_.size(), 0);
    fuse_out_header header{};
    EXPECT_GE(size, static_cast<ssize_t>(sizeof(header)));
    if (size < static_cast<ssize_t>(sizeof(header))) return false;
    std::memcpy(&header, buffer_.data(), sizeof(header));
    EXPECT_EQ(header.len, size);
    answer->unique = header.unique;
    answer->error = -header.error;
    answer->body.assign(buffer_.begin() + sizeof(header), buffer_.begin() + size);
    return true;
  }

  SocketRelay& relay() { return *relay_; }

 private:
  FileSystem files_;
  FileDescriptor client_;
  std::vector<char> buffer_ = std::vector<char>(128 * 1024);
  std::unique_ptr<SocketRelay> relay_;
  std::unique_ptr<Server> server_;
  std::jthread thread_;
};

// Skips where the process may not open files by handle or the checkout is not on a file system of the ext family.
class StorageTest : public ::testing::Test {
 protected:
  static constexpr Identity kUser{1000, 1001};

  void SetUp() override {
    std::string pattern = std::filesystem::current_path() / "build/tests/storage-XXXXXX";
    std::filesystem::create_directories("build/tests");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr) << std::strerror(errno);
    directory_ = pattern;
    auto tree = ExportTree::Open(directory_);
    if (!tree) {
      GTEST_SKIP() << "files of " << directory_
                   << " cannot be opened by handle: " << std::strerror(tree.error());
    }
    std::filesystem::create_directories(Top());
    ASSERT_TRUE(UnnamedFiles::Begin(Top()));
    auto unnamed = UnnamedFiles::Open(Top());
    ASSERT_TRUE(unnamed);
    daemon_ = std::make_unique<Daemon>(std::move(*tree), std::move(*unnamed));
    Initialise();
  }

  void TearDown() override {
    daemon_.reset();
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
    std::filesystem::remove_all(Top(), error);
  }

  // Another daemon in the place of the first, in another domain if `begin`.
  void Restart(bool begin = false) {
    daemon_.reset();
    auto tree = ExportTree::Open(directory_);
    ASSERT_TRUE(tree);
    if (begin) {
      ASSERT_TRUE(UnnamedFiles::Begin(Top()));
    }
    auto unnamed = UnnamedFiles::Open(Top());
    ASSERT_TRUE(unnamed);
    daemon_ = std::make_unique<Daemon>(std::move(*tree), std::move(*unnamed));
    Initialise();
  }

  static fuse_init_in InitMessage() {
    fuse_init_in init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = FUSE_KERNEL_MINOR_VERSION;
    init.max_readahead = 131072;
    init.flags = ~0u;
    init.flags2 = ~0u;
    return init;
  }

  void Initialise() {
    const Answer answer = Call(FUSE_INIT, 0, Body::Of(InitMessage()));
    ASSERT_EQ(answer.error, 0);
    init_ = answer.As<fuse_init_out>();
  }

  std::string Message(std::uint32_t opcode, NodeId node, const std::string& body,
                      Identity identity = {}) {
    fuse_in_header header{};
    header.len = static_cast<std::uint32_t>(sizeof(header) + body.size());
    header.opcode = opcode;
    header.unique = next_unique_ += 2;
    header.nodeid = node;
    header.uid = identity.uid;
    header.gid = identity.gid;
    header.padding = padding_;
    return std::string(reinterpret_cast<const char*>(&header), sizeof(header)) + body;
  }

  Answer Call(std::uint32_t opcode, NodeId node, const Body& body = {}, Identity identity = {}) {
    daemon_->Send(Message(opcode, node, body.bytes(), identity));
    Answer answer;
    EXPECT_TRUE(daemon_->Receive(&answer, kAnswerMilliseconds)) << "opcode " << opcode;
    EXPECT_EQ(answer.unique, next_unique_);
    return answer;
  }

  // 0: there is none, and the answer says so.
  NodeId Lookup(NodeId parent, const char* name) {
    const Answer answer = Call(FUSE_LOOKUP, parent, Body().Text(name));
    EXPECT_EQ(answer.error, 0) << name;
    return answer.As<fuse_entry_out>().nodeid;
  }

  fuse_attr Attributes(NodeId node) {
    const Answer answer = Call(FUSE_GETATTR, node, Body::Of(fuse_getattr_in{}));
    EXPECT_EQ(answer.error, 0);
    return answer.As<fuse_attr_out>().attr;
  }

  // A file made by the daemon; `last_file_` is what it attached.
  Answer Create(NodeId parent, const char* name, int flags, mode_t mode, Identity identity = {},
                mode_t mask = 022, std::uint32_t open_flags = 0) {
    fuse_create_in create{};
    create.flags = static_cast<std::uint32_t>(flags);
    create.mode = S_IFREG | mode;
    create.umask = mask;
    create.open_flags = open_flags;
    Answer answer = Call(FUSE_CREATE, parent, Body::Of(create).Text(name), identity);
    last_file_ = daemon_->relay().Take(answer.unique);
    return answer;
  }

  Answer Open(NodeId node, int flags, std::uint32_t open_flags = 0) {
    fuse_open_in open{};
    open.flags = static_cast<std::uint32_t>(flags);
    open.open_flags = open_flags;
    Answer answer = Call(FUSE_OPEN, node, Body::Of(open));
    last_file_ = daemon_->relay().Take(answer.unique);
    return answer;
  }

  Answer MakeDirectory(NodeId parent, const char* name, mode_t mode = 0755,
                       Identity identity = {}) {
    fuse_mkdir_in make{};
    make.mode = S_IFDIR | mode;
    make.umask = 022;
    return Call(FUSE_MKDIR, parent, Body::Of(make).Text(name), identity);
  }

  Answer Rename(NodeId parent, const char* name, NodeId new_parent, const char* new_name,
                std::uint32_t flags = 0) {
    fuse_rename2_in rename{};
    rename.newdir = new_parent;
    rename.flags = flags;
    return Call(FUSE_RENAME2, parent, Body::Of(rename).Text(name).Text(new_name));
  }

  Answer SetExtended(NodeId node, const char* name, std::string_view value, std::uint32_t flags = 0,
                     std::uint32_t more_flags = 0, Identity identity = {}) {
    fuse_setxattr_in set{};
    set.size = static_cast<std::uint32_t>(value.size());
    set.flags = flags;
    set.setxattr_flags = more_flags;
    return Call(FUSE_SETXATTR, node, Body::Of(set).Text(name).Bytes(value), identity);
  }

  Answer GetExtended(NodeId node, const char* name, std::uint32_t room) {
    fuse_getxattr_in get{};
    get.size = room;
    return Call(FUSE_GETXATTR, node, Body::Of(get).Text(name));
  }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  // Where files without a name are: no part of the export.
  std::string Top() const { return directory_ + "-top"; }

  std::string directory_;
  std::unique_ptr<Daemon> daemon_;
  fuse_init_out init_{};
  FileDescriptor last_file_;
  std::uint64_t next_unique_ = 0;
  std::uint16_t padding_ = 0;  // of the headers of messages
};

}  // namespace vos::storage

#endif  // VIRTUOS_TESTS_UNIT_STORAGE_CLIENT_H_
