// SPDX-License-Identifier: Apache-2.0
// links: tools/vm/options.cc
#include <getopt.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tools/vm/options.h"

namespace vos::vm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::expected<Options, std::string> Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "vm-run");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  optind = 0;  // from the beginning, for getopt of the GNU C library
  return ParseOptions(static_cast<int>(words.size()), argv.data());
}

Options Parsed(std::vector<std::string> words) {
  const auto options = Parse(std::move(words));
  EXPECT_TRUE(options) << options.error();
  return options.value_or(Options{});
}

std::string Refused(std::vector<std::string> words) {
  const auto options = Parse(std::move(words));
  EXPECT_FALSE(options);
  return options ? "" : options.error();
}

TEST(VmRunOptions, Defaults) {
  const Options options = Parsed({"true"});
  EXPECT_EQ(options.cpus, 2u);
  EXPECT_EQ(options.memory_mib, 3072u);
  EXPECT_EQ(options.config, "test");
  EXPECT_EQ(options.timeout, std::chrono::seconds(600));
  EXPECT_EQ(options.network_domain, NetworkDomain::kPv);
  EXPECT_EQ(options.storage, StorageDisk::kFresh);
  EXPECT_THAT(options.command, ElementsAre("true"));
}

TEST(VmRunOptions, StorageIsAnImageOrNone) {
  const Options image = Parsed({"--storage", "disk.img", "true"});
  EXPECT_EQ(image.storage, StorageDisk::kImage);
  EXPECT_EQ(image.storage_image, "disk.img");
  const Options none = Parsed({"--storage=none", "true"});
  EXPECT_EQ(none.storage, StorageDisk::kNone);
  EXPECT_EQ(none.storage_image, "");
  EXPECT_EQ(Parsed({"--storage", "blank", "true"}).storage, StorageDisk::kBlank);
  EXPECT_EQ(Parsed({"--storage", "blank", "true"}).storage_image, "");
  // The last one counts, wholly.
  EXPECT_EQ(Parsed({"--storage", "disk.img", "--storage", "none", "true"}).storage_image, "");
  EXPECT_EQ(Parsed({"--storage", "./none", "true"}).storage, StorageDisk::kImage);
  EXPECT_THAT(Refused({"--storage", "", "true"}), HasSubstr("--storage"));
  EXPECT_THAT(Refused({"--storage"}), HasSubstr("needs a value"));
}

TEST(VmRunOptions, DisksAreThePrimarys) {
  const Options options = Parsed({"--disk", "a.img", "--disk", "b.img", "true"});
  EXPECT_THAT(options.disks, ElementsAre("a.img", "b.img"));
  EXPECT_EQ(options.storage, StorageDisk::kFresh);
  std::vector<std::string> many;
  for (int i = 0; i < 9; ++i) many.insert(many.end(), {"--disk", "x.img"});
  many.push_back("true");
  EXPECT_THAT(Refused(many), HasSubstr("at most 8"));
}

TEST(VmRunOptions, OptionsEndAtFile) {
  const Options options = Parsed({"--smp", "4", "ls", "--storage", "none", "--help"});
  EXPECT_EQ(options.cpus, 4u);
  EXPECT_EQ(options.storage, StorageDisk::kFresh);
  EXPECT_FALSE(options.help);
  EXPECT_THAT(options.command, ElementsAre("ls", "--storage", "none", "--help"));
}

TEST(VmRunOptions, Memory) {
  EXPECT_EQ(Parsed({"--mem", "4G", "true"}).memory_mib, 4096u);
  EXPECT_EQ(Parsed({"--mem", "2048M", "true"}).memory_mib, 2048u);
  EXPECT_EQ(Parsed({"--mem", "1536", "true"}).memory_mib, 1536u);
  for (const char* size : {"1535M", "1G", "4T", "", "-4G", "99999999999999999999G"}) {
    EXPECT_THAT(Refused({"--mem", size, "true"}), HasSubstr("--mem")) << size;
  }
}

TEST(VmRunOptions, Forward) {
  const Options options = Parsed({"--forward", "8080:80", "--forward", "udp:53:5353", "true"});
  ASSERT_EQ(options.forward.size(), 2u);
  EXPECT_FALSE(options.forward[0].udp);
  EXPECT_EQ(options.forward[0].host_port, 8080);
  EXPECT_EQ(options.forward[0].guest_port, 80);
  EXPECT_TRUE(options.forward[1].udp);
  for (const char* ports : {"80", "0:80", "80:65536", "sctp:1:2", ":"}) {
    EXPECT_THAT(Refused({"--forward", ports, "true"}), HasSubstr("--forward")) << ports;
  }
}

TEST(VmRunOptions, WithoutXenThereAreNoDomains) {
  const Options options = Parsed({"--no-xen", "true"});
  EXPECT_TRUE(options.without_xen);
  EXPECT_EQ(options.network_domain, NetworkDomain::kNone);
  EXPECT_EQ(options.storage, StorageDisk::kNone);
}

TEST(VmRunOptions, Mistakes) {
  EXPECT_THAT(Refused({}), HasSubstr("no FILE"));
  EXPECT_THAT(Refused({"--frobnicate", "true"}), HasSubstr("no such option: --frobnicate"));
  for (const char* number : {"1", "65", "two", "2.5"}) {
    EXPECT_THAT(Refused({"--smp", number, "true"}), HasSubstr("--smp")) << number;
  }
  EXPECT_THAT(Refused({"--timeout", "0", "true"}), HasSubstr("--timeout"));
  EXPECT_THAT(Refused({"--config", "fast", "true"}), HasSubstr("test, release or debug"));
  EXPECT_THAT(Refused({"--iommu", "arm", "true"}), HasSubstr("amd or intel"));
  EXPECT_THAT(Refused({"--domain", "hvm", "true"}), HasSubstr("pv or pvh"));
  EXPECT_THAT(Refused({"--packages", "a;b", "true"}), HasSubstr("--packages"));
}

TEST(VmRunOptions, NoTimeLimitForPeople) {
  EXPECT_FALSE(Parsed({"--tty", "bash"}).timeout);
  EXPECT_FALSE(Parsed({"--gdb", "true"}).timeout);
  EXPECT_EQ(Parsed({"--tty", "--timeout", "5", "bash"}).timeout, std::chrono::seconds(5));
}

TEST(VmRunOptions, EveryOptionIsInTheHelp) {
  EXPECT_TRUE(Parsed({"--help"}).help);
  for (const char* option : {"--packages", "--put", "--host", "--forward", "--disk", "--storage",
                             "--config", "--timeout", "--smp", "--mem", "--domain", "--no-domains",
                             "--no-xen", "--xen", "--linux", "--qemu", "--gdb", "--tty"}) {
    EXPECT_THAT(kUsage, HasSubstr(std::string("\n  ") + option)) << option;
  }
}

}  // namespace
}  // namespace vos::vm
