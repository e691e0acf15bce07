// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/settings.cc tools/vosd/pci.cc
// links: tools/common/kernel_state.cc tools/common/text.cc
// links: tools/common/text_file.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "kernel/virtuos/abi/virtuos.h"
#include "tests/unit/temporary_directory.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"
#include "tools/vosd/settings.h"

namespace vos {
namespace {

using ::testing::HasSubstr;

std::vector<DomainSettings> NetworkAndStorage() {
  std::vector<DomainSettings> domains(2);
  domains[0].name = "network";
  domains[0].kind = VOS_DOMAIN_NETWORK;
  domains[0].nic = "auto";
  domains[0].disk = "none";
  domains[1].name = "storage";
  domains[1].kind = VOS_DOMAIN_STORAGE;
  domains[1].nic = "none";
  domains[1].disk = "auto";
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

TEST(XlConfig, Extra) {
  const auto config =
      ParseXlConfig("name = \"storage\"\nextra = \"console=hvc0 a=b\"\n# extra = \"no\"\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->extra, "console=hvc0 a=b");
  EXPECT_FALSE(ParseXlConfig("name = \"storage\"\nextra = 'a=\"b c\"'\n"));
}

TEST(XlConfig, Weight) {
  const auto config = ParseXlConfig("name = \"network\"\ncpu_weight = 512\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->weight, 512);
  EXPECT_EQ(ParseXlConfig("name = \"network\"\n")->weight, kDefaultWeight);
  EXPECT_FALSE(ParseXlConfig("name = \"network\"\ncpu_weight = 0\n"));
  EXPECT_FALSE(ParseXlConfig("name = \"network\"\ncpu_weight = 65536\n"));
}

TEST(VosdConf, ChangesTheDomainsItNames) {
  auto domains = NetworkAndStorage();
  const auto applied = ApplySettings(
      "# comment\n\n[network]\nnic = 0000:01:00.1\nrestart=no\nconnect-timeout = 7\n"
      "[ storage ]\nmax-attempts = 1 # strict\ndisk = 0000:02:00.0\ncpus = 2-3,^2\n"
      "standby = yes\nstarting-weight = 100\ncore = /var/crash\n",
      domains);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(domains[0].nic, "0000:01:00.1");
  EXPECT_FALSE(domains[0].limits.restart);
  EXPECT_EQ(domains[0].limits.connect_timeout, std::chrono::seconds(7));
  EXPECT_EQ(domains[1].limits.max_attempts, 1u);
  EXPECT_EQ(domains[1].limits.max_first_attempts, 1u);
  EXPECT_TRUE(domains[1].limits.restart);
  EXPECT_TRUE(domains[1].standby);
  EXPECT_FALSE(domains[0].standby);
  EXPECT_EQ(domains[1].disk, "0000:02:00.0");
  EXPECT_EQ(domains[1].cpus, "2-3,^2");
  EXPECT_EQ(domains[1].core, "/var/crash");
  EXPECT_EQ(domains[0].core, "");
  EXPECT_EQ(domains[1].starting_weight, 100);
  EXPECT_EQ(domains[0].starting_weight, kStartingWeight);
}

// What is in the image, with its comments made settings.
TEST(VosdConf, TheImagesHasTheDefaults) {
  const auto text = ReadTextFile("tools/image/vosd.conf");
  ASSERT_TRUE(text) << text.error().message;
  auto unchanged = NetworkAndStorage();
  EXPECT_TRUE(ApplySettings(*text, unchanged));
  std::string settings;
  for (const std::string_view line : SplitLines(*text)) {
    const bool setting = line.starts_with("# [") || line.contains(" = ");
    if (setting && line.starts_with("# ")) {
      settings += line.substr(2, line.find("  ", 2) - 2);
      settings += '\n';
    }
  }
  auto domains = NetworkAndStorage();
  const auto applied = ApplySettings(settings, domains);
  ASSERT_TRUE(applied) << applied.error().message << "\n" << settings;
  const LifeCycleLimits defaults;
  EXPECT_EQ(domains[0].kind, VOS_DOMAIN_NETWORK);
  EXPECT_EQ(domains[0].nic, "auto");
  EXPECT_EQ(domains[0].disk, "none");
  EXPECT_EQ(domains[0].limits.restart, defaults.restart);
  EXPECT_EQ(domains[0].limits.connect_timeout, defaults.connect_timeout);
  EXPECT_EQ(domains[0].limits.max_attempts, defaults.max_attempts);
  EXPECT_EQ(domains[0].standby, DomainSettings().standby);
  EXPECT_EQ(domains[0].core, DomainSettings().core);
  EXPECT_EQ(domains[0].starting_weight, DomainSettings().starting_weight);
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
      {"[network]\nstarting-weight = 0\n", "line 2: starting-weight cannot be 0"},
      {"[network]\n\nnic = 1:2\n", "line 3: nic cannot be 1:2"},
      {"[storage]\ndisk = /dev/sda\n", "line 2: disk cannot be /dev/sda"},
      {"[storage]\ncpus =\n", "line 2: cpus cannot be"},
      {"[storage]\ncpus = 1\" memory=\"9\n", "line 2: cpus cannot be"},
      {"[network]\nrestart = maybe\n", "restart cannot be maybe"},
      {"[network]\nstandby = 2\n", "standby cannot be 2"},
      {"[network]\nconnect-timeout = 0\n", "connect-timeout cannot be 0"},
      {"[network]\nconnect-timeout = 99999999999\n", "cannot be"},
      {"[network]\ncore = yes\n", "core cannot be yes"},
      {"[network]\ncore =\n", "core cannot be"},
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

  EXPECT_EQ(domains[0].disk, "auto");
  ASSERT_TRUE(ApplyCommandLine("virtuos.storage=pvh", domains));
  EXPECT_EQ(domains[0].disk, "none");

  EXPECT_FALSE(ApplyCommandLine("virtuos.storage=hvm", domains));
}

TEST(CommandLine, SettingsOfADomain) {
  auto domains = NetworkAndStorage();
  ASSERT_TRUE(ApplyCommandLine(
      "virtuos.storage.disk=0000:00:11.0 virtuos.storage.cpus=2 virtuos.service_cpus=2 "
      "virtuos.network.core=/core virtuos.storage.core=no "
      "virtuos.absent.disk=auto virtuos.needs=storage",
      domains));
  EXPECT_EQ(domains[1].disk, "0000:00:11.0");
  EXPECT_EQ(domains[1].cpus, "2");
  EXPECT_EQ(domains[0].disk, "none");
  EXPECT_EQ(domains[0].core, "/core");
  EXPECT_EQ(domains[1].core, "");
  for (const char* text :
       {"virtuos.storage.disk=vda", "virtuos.storage.colour=blue", "virtuos.storage.=1"}) {
    EXPECT_FALSE(ApplyCommandLine(text, domains)) << text;
  }
}

TEST(ReadSettings, DefaultsWithoutVosdConf) {
  const TemporaryDirectory directory;
  directory.Write("network.cfg", "name = \"network\"\n");
  directory.Write("storage.cfg", "name = \"storage\"\ncpus = '1'\nextra = \"console=hvc0\"\n");
  directory.Write("README", "not a domain\n");
  const auto domains = ReadSettings(directory.path());
  ASSERT_TRUE(domains) << domains.error().message;
  ASSERT_EQ(domains->size(), 2u);
  EXPECT_EQ((*domains)[0].name, "network");
  EXPECT_EQ((*domains)[0].kind, VOS_DOMAIN_NETWORK);
  EXPECT_EQ((*domains)[0].nic, "auto");
  EXPECT_EQ((*domains)[1].kind, VOS_DOMAIN_STORAGE);
  EXPECT_EQ((*domains)[1].nic, "none");
  EXPECT_EQ((*domains)[0].disk, "none");
  EXPECT_EQ((*domains)[1].disk, "auto");
  EXPECT_EQ((*domains)[1].cpus, "1");
  EXPECT_EQ((*domains)[1].extra, "console=hvc0");
}

TEST(ReadSettings, APvhDomainGetsNoDevice) {
  const TemporaryDirectory directory;
  directory.Write("network.cfg", "name = \"network\"\ntype = \"pvh\"\n");
  directory.Write("storage.cfg", "name = \"storage\"\ntype = \"pvh\"\n");
  const auto domains = ReadSettings(directory.path());
  ASSERT_TRUE(domains);
  EXPECT_EQ((*domains)[0].nic, "none");
  EXPECT_EQ((*domains)[1].disk, "none");
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
  directory.Write("b.cfg", "name = \"other-standby\"\n");
  EXPECT_FALSE(ReadSettings(directory.path()));
  directory.Write("b.cfg", "name = \"other\"\n");
  EXPECT_FALSE(ReadSettings(directory.path()));
}

}  // namespace
}  // namespace vos
