// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/settings.cc tools/vosd/pci.cc
// links: tools/common/kernel_state.cc tools/common/text.cc
// links: tools/common/text_file.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "kernel/virtuos/abi/virtuos.h"
#include "tools/vosd/pci.h"
#include "tools/vosd/settings.h"

namespace vos {
namespace {

using ::testing::HasSubstr;

// A directory that is removed in the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "vosd-test-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  void Write(const std::string& name, const std::string& contents) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << contents;
  }
  void AddDevice(const std::string& address, const std::string& device_class,
                 const std::string& driver) const {
    const std::string directory = "bus/pci/devices/" + address;
    Write(directory + "/class", device_class + "\n");
    if (!driver.empty()) {
      std::filesystem::create_symlink("../../drivers/" + driver, path_ / directory / "driver");
    }
  }

 private:
  std::filesystem::path path_;
};

std::vector<DomainSettings> NetworkAndStorage() {
  std::vector<DomainSettings> domains(2);
  domains[0].name = "network";
  domains[0].kind = VOS_DOMAIN_NETWORK;
  domains[0].nic = "auto";
  domains[1].name = "storage";
  domains[1].kind = VOS_DOMAIN_STORAGE;
  domains[1].nic = "none";
  return domains;
}

TEST(XlConfig, NameAndType) {
  const auto config = ParseXlConfig("# name = \"no\"\nname = \"network\"  # yes\ntype='pvh'\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->name, "network");
  EXPECT_EQ(config->type, "pvh");
  EXPECT_FALSE(ParseXlConfig("kernel = \"x\"\n"));
  EXPECT_FALSE(ParseXlConfig("name = \"../x\"\n"));
  EXPECT_FALSE(ParseXlConfig("name = \"\"\n"));
}

TEST(VosdConf, ChangesTheDomainsItNames) {
  auto domains = NetworkAndStorage();
  const auto applied = ApplySettings(
      "# comment\n\n[network]\nnic = 0000:01:00.1\nrestart=no\nconnect-timeout = 7\n"
      "[ storage ]\nmax-attempts = 1 # strict\n",
      domains);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(domains[0].nic, "0000:01:00.1");
  EXPECT_FALSE(domains[0].limits.restart);
  EXPECT_EQ(domains[0].limits.connect_timeout, std::chrono::seconds(7));
  EXPECT_EQ(domains[1].limits.max_attempts, 1u);
  EXPECT_EQ(domains[1].limits.max_first_attempts, 1u);
  EXPECT_TRUE(domains[1].limits.restart);
}

TEST(VosdConf, NamesTheLineThatIsWrong) {
  const struct {
    const char* text;
    const char* problem;
  } cases[] = {
      {"[nowhere]\n", "line 1: no xl configuration has the name nowhere"},
      {"\nnic = auto\n", "line 2: no [DOMAIN]"},
      {"[network]\nnic\n", "line 2: neither"},
      {"[network]\ncolour = blue\n", "line 2: unknown key colour"},
      {"[network]\n\nnic = 1:2\n", "line 3: nic cannot be 1:2"},
      {"[network]\nrestart = maybe\n", "restart cannot be maybe"},
      {"[network]\nconnect-timeout = 0\n", "connect-timeout cannot be 0"},
      {"[network]\nconnect-timeout = 99999999999\n", "cannot be"},
      {"[network]\nkind = tape\n", "kind cannot be tape"},
  };
  for (const auto& [text, problem] : cases) {
    auto domains = NetworkAndStorage();
    const auto applied = ApplySettings(text, domains);
    ASSERT_FALSE(applied) << text;
    EXPECT_THAT(applied.error().message, HasSubstr(problem));
  }
}

TEST(CommandLine, ChoosesHowADomainRuns) {
  auto domains = NetworkAndStorage();
  ASSERT_TRUE(ApplyCommandLine("ro virtuos.network=pvh virtuos.domains=all quiet\n", domains));
  EXPECT_TRUE(domains[0].pvh);
  EXPECT_EQ(domains[0].nic, "none");

  domains = NetworkAndStorage();
  ASSERT_TRUE(ApplyCommandLine("virtuos.network=none virtuos.storage=pv", domains));
  ASSERT_EQ(domains.size(), 1u);
  EXPECT_EQ(domains[0].name, "storage");

  EXPECT_FALSE(ApplyCommandLine("virtuos.storage=hvm", domains));
}

TEST(ReadSettings, DefaultsWithoutVosdConf) {
  const TemporaryDirectory directory;
  directory.Write("network.cfg", "name = \"network\"\n");
  directory.Write("storage.cfg", "name = \"storage\"\n");
  directory.Write("README", "not a domain\n");
  const auto domains = ReadSettings(directory.path());
  ASSERT_TRUE(domains) << domains.error().message;
  ASSERT_EQ(domains->size(), 2u);
  EXPECT_EQ((*domains)[0].name, "network");
  EXPECT_EQ((*domains)[0].kind, VOS_DOMAIN_NETWORK);
  EXPECT_EQ((*domains)[0].nic, "auto");
  EXPECT_EQ((*domains)[1].kind, VOS_DOMAIN_STORAGE);
  EXPECT_EQ((*domains)[1].nic, "none");
}

TEST(ReadSettings, APvhDomainGetsNoDevice) {
  const TemporaryDirectory directory;
  directory.Write("network.cfg", "name = \"network\"\ntype = \"pvh\"\n");
  const auto domains = ReadSettings(directory.path());
  ASSERT_TRUE(domains);
  EXPECT_EQ((*domains)[0].nic, "none");
}

TEST(ReadSettings, Problems) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(ReadSettings(directory.path() / "absent"));
  EXPECT_FALSE(ReadSettings(directory.path()));
  directory.Write("a.cfg", "name = \"other\"\n");
  const auto unknown_kind = ReadSettings(directory.path());
  ASSERT_FALSE(unknown_kind);
  EXPECT_THAT(unknown_kind.error().message, HasSubstr("kind"));
  directory.Write("vosd.conf", "[other]\nkind = storage\n");
  EXPECT_TRUE(ReadSettings(directory.path()));
  directory.Write("b.cfg", "name = \"other\"\n");
  EXPECT_FALSE(ReadSettings(directory.path()));
}

TEST(Pci, Address) {
  EXPECT_TRUE(IsPciAddress("0000:00:1f.7"));
  for (const char* text : {"", "00:1f.7", "0000:00:1f.8", "0000:00:1F.7", "0000:00:1f.7 ",
                           "0000:00:1f/7", "000g:00:1f.7"}) {
    EXPECT_FALSE(IsPciAddress(text)) << text;
  }
}

TEST(Pci, ChoosesTheFirstNetworkDeviceThatIsNoInterface) {
  const TemporaryDirectory sysfs;
  sysfs.AddDevice("0000:00:02.0", "0x010000", "");
  sysfs.AddDevice("0000:00:03.0", "0x020000", "e1000e");
  sysfs.Write("bus/pci/devices/0000:00:03.0/net/eth0/mtu", "1500\n");
  sysfs.AddDevice("0000:00:04.0", "0x020000", "virtio-pci");
  sysfs.Write("bus/pci/devices/0000:00:04.0/virtio0/net/eth1/mtu", "1500\n");
  sysfs.AddDevice("0000:00:10.0", "0x020000", "");
  sysfs.AddDevice("0000:00:05.0", "0x028000", "virtio-pci");
  sysfs.Write("bus/pci/devices/0000:00:05.0/virtio1/status", "0x00000001\n");
  const auto device = FindNetworkDevice(sysfs.path(), "auto");
  ASSERT_TRUE(device) << device.error().message;
  EXPECT_EQ(device->address, "0000:00:05.0");
  EXPECT_FALSE(device->assignable);
}

TEST(Pci, PcibackMakesADeviceAssignable) {
  const TemporaryDirectory sysfs;
  sysfs.AddDevice("0000:00:03.0", "0x020000", "pciback");
  const auto device = FindNetworkDevice(sysfs.path(), "auto");
  ASSERT_TRUE(device);
  EXPECT_TRUE(device->assignable);
}

TEST(Pci, SaysWhyThereIsNone) {
  const TemporaryDirectory sysfs;
  EXPECT_FALSE(FindNetworkDevice(sysfs.path(), "auto"));
  sysfs.AddDevice("0000:00:02.0", "0x010000", "");
  EXPECT_FALSE(FindNetworkDevice(sysfs.path(), "auto"));
  EXPECT_FALSE(FindNetworkDevice(sysfs.path(), "0000:00:02.0"));
  sysfs.AddDevice("0000:00:03.0", "0x020000", "e1000e");
  sysfs.Write("bus/pci/devices/0000:00:03.0/net/eth0/mtu", "1500\n");
  const auto taken = FindNetworkDevice(sysfs.path(), "0000:00:03.0");
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message, HasSubstr("0000:00:03.0 (eth0)"));
}

}  // namespace
}  // namespace vos
