// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/pci.cc tools/common/text.cc tools/common/text_file.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/temporary_directory.h"
#include "tools/vosd/pci.h"

namespace vos {
namespace {

using ::testing::HasSubstr;

class Sysfs : public TemporaryDirectory {
 public:
  void AddDevice(const std::string& address, const std::string& device_class,
                 const std::string& driver) const {
    const std::string directory = "bus/pci/devices/" + address;
    Write(directory + "/class", device_class + "\n");
    if (!driver.empty()) {
      std::filesystem::create_symlink("../../drivers/" + driver, path() / directory / "driver");
    }
  }
  void AddVirtioDisk(const std::string& address, const std::string& number) const {
    AddDevice(address, "0x010000", "virtio-pci");
    Write("bus/pci/devices/" + address + "/vendor", "0x1af4\n");
    Write("bus/pci/devices/" + address + "/device", number + "\n");
  }
  // `below` leads from the PCI device to the block device.
  void AddBlockDevice(const std::string& address, const std::string& below,
                      const std::string& name) const {
    std::filesystem::create_directories(path() / "class/block");
    std::filesystem::create_symlink(
        "../../devices/pci0000:00/" + address + "/" + below + "/" + name,
        path() / "class/block" / name);
  }
};

// Tells of certain block devices that they are held.
IsHeld Held(std::set<std::string> names) {
  return [names = std::move(names)](const std::string& name) { return names.contains(name); };
}

TEST(Pci, Address) {
  EXPECT_TRUE(IsPciAddress("0000:00:1f.7"));
  for (const char* text : {"", "00:1f.7", "0000:00:1f.8", "0000:00:1F.7", "0000:00:1f.7 ",
                           "0000:00:1f/7", "000g:00:1f.7"}) {
    EXPECT_FALSE(IsPciAddress(text)) << text;
  }
}

TEST(Pci, ChoosesTheFirstNetworkDeviceThatIsNoInterface) {
  const Sysfs sysfs;
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
  const Sysfs sysfs;
  sysfs.AddDevice("0000:00:03.0", "0x020000", "pciback");
  const auto device = FindNetworkDevice(sysfs.path(), "auto");
  ASSERT_TRUE(device);
  EXPECT_TRUE(device->assignable);
}

TEST(Pci, SaysWhyThereIsNone) {
  const Sysfs sysfs;
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

TEST(StorageDevice, IsTheFirstDiskThatNothingHolds) {
  const Sysfs sysfs;
  sysfs.AddDevice("0000:00:03.0", "0x020000", "");
  sysfs.AddVirtioDisk("0000:00:04.0", "0x1001");
  sysfs.AddBlockDevice("0000:00:04.0", "virtio0/block", "vda");
  sysfs.AddDevice("0000:00:05.0", "0x010802", "nvme");
  sysfs.AddBlockDevice("0000:00:05.0", "nvme/nvme0", "nvme0n1");
  sysfs.AddBlockDevice("0000:00:05.0", "nvme/nvme0/nvme0n1", "nvme0n1p2");
  sysfs.AddVirtioDisk("0000:00:06.0", "0x1042");
  sysfs.AddBlockDevice("0000:00:06.0", "virtio1/block", "vdb");
  sysfs.AddDevice("0000:00:11.0", "0x010802", "");
  const auto disk = FindStorageDevice(sysfs.path(), "auto", Held({"vda", "nvme0n1p2"}));
  ASSERT_TRUE(disk) << disk.error().message;
  EXPECT_EQ(disk->address, "0000:00:06.0");
  EXPECT_FALSE(disk->assignable);

  const auto next = FindStorageDevice(sysfs.path(), "auto", Held({"vda", "nvme0n1", "vdb"}));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->address, "0000:00:11.0");
}

TEST(StorageDevice, TheOneThatIsAskedFor) {
  const Sysfs sysfs;
  sysfs.AddVirtioDisk("0000:00:06.0", "0x1042");
  sysfs.AddDevice("0000:00:11.0", "0x010802", "pciback");
  const auto disk = FindStorageDevice(sysfs.path(), "0000:00:11.0", Held({}));
  ASSERT_TRUE(disk);
  EXPECT_EQ(disk->address, "0000:00:11.0");
  EXPECT_TRUE(disk->assignable);
}

TEST(StorageDevice, SaysWhyThereIsNone) {
  const Sysfs sysfs;
  const auto none = FindStorageDevice(sysfs.path(), "auto", Held({}));
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("no PCI NVMe or virtio disk"));
  // Neither virtio-blk nor NVMe: another class, another vendor, another virtio device.
  sysfs.AddDevice("0000:00:02.0", "0x010601", "ahci");
  sysfs.AddDevice("0000:00:03.0", "0x010000", "");
  sysfs.AddVirtioDisk("0000:00:05.0", "0x1004");
  EXPECT_FALSE(FindStorageDevice(sysfs.path(), "auto", Held({})));
  EXPECT_FALSE(FindStorageDevice(sysfs.path(), "0000:00:02.0", Held({})));
  sysfs.AddVirtioDisk("0000:00:04.0", "0x1001");
  sysfs.AddBlockDevice("0000:00:04.0", "virtio0/block", "vda");
  const auto taken = FindStorageDevice(sysfs.path(), "auto", Held({"vda"}));
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message, HasSubstr("0000:00:04.0 (vda)"));
}

TEST(StorageDevice, WhatCannotBeOpenedIsLeftAlone) {
  EXPECT_TRUE(IsHeldByKernel("no-such-device"));
}

TEST(PciNumber, PutsTheFieldsTogether) {
  EXPECT_EQ(PciNumber("0000:00:10.0"), 0x80u);
  EXPECT_EQ(PciNumber("0001:02:1f.7"), 0x102ffu);
}

TEST(PciResources, RangesThatTheDeviceHas) {
  EXPECT_EQ(ParseResources("0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
                           "0x00000000feb00000 0x00000000feb00fff 0x0000000000040200\n"
                           "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                           "garbage\n"
                           "0x00000000feb10000 0x00000000feb0ffff 0x0000000000040200\n"),
            (std::vector<PciResource>{{0xc000, 0x20, true}, {0xfeb00000, 0x1000, false}}));
  EXPECT_TRUE(ParseResources("").empty());
  // The windows of a bridge, which follow, are not the device's.
  std::string lines;
  for (int i = 0; i < 17; ++i) lines += "0x1000 0x1fff 0x200\n";
  EXPECT_EQ(ParseResources(lines).size(), 7u);
}

}  // namespace
}  // namespace vos
