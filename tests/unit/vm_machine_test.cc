// SPDX-License-Identifier: Apache-2.0
// links: tools/vm/machine.cc tools/vm/command.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/temporary_directory.h"
#include "tools/vm/machine.h"

namespace vos::vm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// QEMU's command line for a machine, one word a line.
std::string CommandOf(const Options& options, const std::filesystem::path& storage_image = {}) {
  const TemporaryDirectory run;
  setenv("VIRTUOS_ACCEL", "tcg", 1);
  const BootFiles files{"/build/xen", "/build/bzImage", "/build/root.img", storage_image};
  const auto machine = MakeMachine(options, files, {"qemu"}, run.path(), 9);
  EXPECT_TRUE(machine) << machine.error();
  std::string text;
  if (machine) {
    for (const std::string& word : machine->command) text += word + "\n";
  }
  return text;
}

TEST(Machine, TheStorageDomainsDiskIsDroppedByDefault) {
  const std::string command = CommandOf(Options{}, "/build/storage.img");
  EXPECT_THAT(command, HasSubstr("file=storage.img,if=none,id=storage,format=raw,snapshot=on"));
  EXPECT_THAT(command, HasSubstr("nvme,drive=storage,serial=virtuos,addr=0x11\n"));
  EXPECT_THAT(command, HasSubstr("virtuos.needs=storage"));
  EXPECT_THAT(command, Not(HasSubstr("virtuos.keeps")));
  EXPECT_THAT(command, Not(HasSubstr("virtuos.storage.disk")));
}

TEST(Machine, AnImageForStorageIsWrittenInPlace) {
  Options options;
  options.storage = StorageDisk::kImage;
  options.storage_image = "/images/a, b.img";
  const std::string command = CommandOf(options, options.storage_image);
  EXPECT_THAT(command, HasSubstr("file=storage.img,if=none,id=storage,format=raw\n"));
  EXPECT_THAT(command, HasSubstr("virtuos.keeps=storage"));
  EXPECT_THAT(command, Not(HasSubstr("virtuos.needs")));
}

TEST(Machine, ABlankDiskForStorage) {
  Options options;
  options.storage = StorageDisk::kBlank;
  const std::string command = CommandOf(options, "/run/blank.img");
  EXPECT_THAT(command, HasSubstr("file=storage.img,if=none,id=storage,format=raw,snapshot=on"));
  EXPECT_THAT(command, Not(HasSubstr("virtuos.needs")));
  EXPECT_THAT(command, Not(HasSubstr("virtuos.keeps")));
}

TEST(Machine, WithoutStorage) {
  Options options;
  options.storage = StorageDisk::kNone;
  const std::string command = CommandOf(options);
  EXPECT_THAT(command, Not(HasSubstr("nvme")));
  EXPECT_THAT(command, Not(HasSubstr("storage")));
}

TEST(Machine, TheStorageDomainLeavesThePrimarysDisksAlone) {
  Options options;
  options.disks = {"/images/one.img"};
  const std::string command = CommandOf(options, "/build/storage.img");
  EXPECT_THAT(command, HasSubstr("virtio-blk-pci,drive=disk0,addr=0x6"));
  EXPECT_THAT(command, HasSubstr("virtuos.storage.disk=0000:00:11.0"));
}

TEST(Machine, TheIommuIsThatOfTheProcessor) {
  Options options;
  EXPECT_THAT(CommandOf(options), HasSubstr("amd-iommu"));
  options.iommu = EmulatedIommu::kIntel;
  const std::string command = CommandOf(options);
  EXPECT_THAT(command, HasSubstr("intel-iommu"));
  EXPECT_THAT(command, HasSubstr("vendor=GenuineIntel"));
  EXPECT_THAT(command, Not(HasSubstr("amd-iommu")));
}

TEST(Machine, ProcessorsOfTheDomains) {
  const struct {
    unsigned cpus;
    const char* primary;
    bool apart;
  } cases[] = {
      {2, "dom0_max_vcpus=1 ", false},
      {3, "dom0_max_vcpus=2 ", false},
      {4, "dom0_max_vcpus=2 ", true},
      {8, "dom0_max_vcpus=6 ", true},
  };
  for (const auto& [cpus, primary, apart] : cases) {
    Options options;
    options.cpus = cpus;
    const std::string command = CommandOf(options, "/build/storage.img");
    EXPECT_THAT(command, HasSubstr(primary)) << cpus;
    EXPECT_EQ(command.contains(" virtuos.service_cpus=2 virtuos.storage.cpus=2"), apart) << cpus;
  }
}

TEST(Machine, ThePrimaryLeavesMemoryForTheDomains) {
  Options options;
  options.memory_mib = 1536;
  // 1024 MiB are left for Xen, and for domains of 96 and 384 MiB.
  EXPECT_THAT(CommandOf(options), HasSubstr("dom0_mem=512M,max:512M"));
  options.memory_mib = 3072;
  EXPECT_THAT(CommandOf(options), HasSubstr("dom0_mem=1280M,max:1280M"));
}

TEST(Machine, WithoutXenThePrimarysKernelIsWhatBoots) {
  Options options;
  options.without_xen = true;
  options.network_domain = NetworkDomain::kNone;
  options.storage = StorageDisk::kNone;
  options.cpus = 8;
  options.linux_arguments = {"debug"};
  const std::string command = CommandOf(options);
  EXPECT_THAT(command, HasSubstr("-kernel\nkernel\n-append\nconsole=hvc0 "));
  EXPECT_THAT(command, HasSubstr(" debug\n"));
  EXPECT_THAT(command, HasSubstr("\n-smp\n8\n"));
  EXPECT_THAT(command, HasSubstr("virtconsole"));
  EXPECT_THAT(command, Not(HasSubstr("-initrd")));
  EXPECT_THAT(command, Not(HasSubstr("dom0_")));
  EXPECT_THAT(command, Not(HasSubstr("service_cpus")));
}

TEST(Machine, TheCallersWordsComeLast) {
  Options options;
  options.linux_arguments = {"virtuos.storage=none"};
  options.qemu = {"-device", "edu"};
  const std::string command = CommandOf(options, "/build/storage.img");
  EXPECT_THAT(command, HasSubstr("virtuos.needs=storage virtuos.storage=none\n"));
  EXPECT_TRUE(command.ends_with("-device\nedu\n")) << command;
}

TEST(Machine, RefusesAnUnknownAccelerator) {
  const TemporaryDirectory run;
  setenv("VIRTUOS_ACCEL", "magic", 1);
  EXPECT_FALSE(MakeMachine(Options{}, BootFiles{}, {"qemu"}, run.path(), 9));
}

}  // namespace
}  // namespace vos::vm
