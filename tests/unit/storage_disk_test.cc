// SPDX-License-Identifier: Apache-2.0
// links: service-domains/storage/disk.cc
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "service-domains/storage/disk.h"

namespace vos::storage {
namespace {

namespace fs = std::filesystem;

class DiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/disk-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    directory_ = pattern;
    image_ = directory_ / "image";
  }
  void TearDown() override { fs::remove_all(directory_); }

  void AddDevice(const std::string& name, const std::string& size, const std::string& read_only,
                 bool partition = false) {
    const fs::path device = directory_ / "block" / name;
    fs::create_directories(device);
    std::ofstream(device / "size") << size << '\n';
    std::ofstream(device / "ro") << read_only << '\n';
    std::ofstream(device / "diskseq") << "7\n";
    if (partition) std::ofstream(device / "partition") << "1\n";
  }
  std::optional<Disk> Find() { return FindDisk(directory_ / "block"); }

  void MakeImage(off_t bytes) {
    std::ofstream(image_).close();
    ASSERT_EQ(truncate(image_.c_str(), bytes), 0);
  }
  // Small, but with a second block group.
  void MakeFileSystem(const std::string& options) {
    MakeImage(off_t{256} << 20);
    const std::string command = "/usr/sbin/mke2fs -q -t ext4 -b 4096 " + options + " " +
                                image_.string() + " >/dev/null 2>&1 </dev/null";
    ASSERT_EQ(system(command.c_str()), 0);
  }
  void Write(off_t at, const std::string& bytes) {
    const int fd = open(image_.c_str(), O_WRONLY);
    EXPECT_EQ(pwrite(fd, bytes.data(), bytes.size(), at), static_cast<ssize_t>(bytes.size()));
    close(fd);
  }
  Examination ExamineImage() { return Examine(image_, SignatureByBlkid); }

  fs::path directory_;
  fs::path image_;
};

TEST_F(DiskTest, FindsTheOneThatCounts) {
  EXPECT_FALSE(Find());
  AddDevice("ram0", "100", "0");
  AddDevice("dm-0", "100", "0");
  EXPECT_FALSE(Find());
  AddDevice("vda1", "100", "0", true);
  AddDevice("nvme0c0n1", "0", "0");
  EXPECT_FALSE(Find());
  AddDevice("vda", "4096", "1");
  ASSERT_TRUE(Find());
  EXPECT_EQ(Find()->name, "vda");
  EXPECT_EQ(Find()->sectors, 4096u);
  EXPECT_EQ(Find()->sequence, "7");
  EXPECT_TRUE(Find()->read_only);
  AddDevice("nvme1n1", "5000", "0");
  AddDevice("nvme0n1", "6000", "0");
  EXPECT_EQ(Find()->name, "nvme0n1");
  EXPECT_FALSE(Find()->read_only);
}

TEST_F(DiskTest, OursIsKnownByItsLabel) {
  MakeFileSystem("-L virtuos");
  EXPECT_EQ(ExamineImage().contents, Contents::kOurs);
  MakeFileSystem("-L virtuos2");
  EXPECT_EQ(ExamineImage().contents, Contents::kForeign);
  MakeFileSystem("");
  EXPECT_EQ(ExamineImage().contents, Contents::kForeign);
}

TEST_F(DiskTest, NothingIsBlank) {
  MakeImage(off_t{256} << 20);
  EXPECT_EQ(ExamineImage().contents, Contents::kBlank);
  // Too small for a superblock.
  MakeImage(512);
  EXPECT_EQ(ExamineImage().contents, Contents::kBlank);
}

TEST_F(DiskTest, WhatOthersWroteIsForeign) {
  MakeImage(off_t{64} << 20);
  ASSERT_EQ(system(("/usr/sbin/mkswap -q " + image_.string() + " >/dev/null 2>&1").c_str()), 0);
  const Examination found = ExamineImage();
  EXPECT_EQ(found.contents, Contents::kForeign);
  EXPECT_NE(found.detail.find("swap"), std::string::npos) << found.detail;
}

TEST_F(DiskTest, PartitionTablesAreForeign) {
  MakeImage(off_t{64} << 20);
  // A master boot record with one partition: Linux, sectors 2048 to 100000.
  std::string record(512, '\0');
  record[446 + 4] = '\x83';
  record[446 + 9] = '\x08';
  record[446 + 12] = '\xa0';
  record[446 + 13] = '\x86';
  record[446 + 14] = '\x01';
  record[510] = '\x55';
  record[511] = '\xaa';
  Write(0, record);
  const Examination found = ExamineImage();
  EXPECT_EQ(found.contents, Contents::kForeign);
  EXPECT_NE(found.detail.find("dos"), std::string::npos) << found.detail;
}

TEST_F(DiskTest, OursWithoutItsBeginningIsNotBlank) {
  MakeFileSystem("-L virtuos");
  Write(0, std::string(65536, '\0'));
  const Examination found = ExamineImage();
  EXPECT_EQ(found.contents, Contents::kDamaged);
  EXPECT_NE(found.detail.find("superblock"), std::string::npos) << found.detail;
}

TEST_F(DiskTest, WhatCannotBeExaminedIsNotBlank) {
  MakeImage(1 << 20);
  const auto unknown = [](const std::string&) -> std::optional<std::string> {
    return std::nullopt;
  };
  EXPECT_EQ(Examine(image_, unknown).contents, Contents::kDamaged);
  EXPECT_EQ(Examine(directory_, SignatureByBlkid).contents, Contents::kDamaged);
  EXPECT_EQ(Examine(directory_ / "none", SignatureByBlkid).contents, Contents::kAbsent);
}

}  // namespace
}  // namespace vos::storage
