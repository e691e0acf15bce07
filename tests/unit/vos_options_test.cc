// SPDX-License-Identifier: Apache-2.0
// links: tools/vos/options.cc tools/common/kernel_state.cc
// links: tools/vos/fault_model.cc tools/vos/fault_campaign.cc tools/vos/fault_record.cc
// links: tools/common/text.cc tools/common/text_file.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "kernel/virtuos/abi/control.h"
#include "tools/vos/options.h"

namespace vos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename T>
T Parsed(const std::vector<std::string>& arguments) {
  const auto command = ParseOptions(arguments);
  EXPECT_TRUE(command) << command.error().text;
  if (!command || !std::holds_alternative<T>(*command)) {
    ADD_FAILURE() << "another command";
    return T{};
  }
  return std::get<T>(*command);
}

Message Refused(const std::vector<std::string>& arguments) {
  const auto command = ParseOptions(arguments);
  EXPECT_FALSE(command);
  return command ? Message{} : command.error();
}

TEST(Options, RunLeavesTheProgramsOptionsAlone) {
  const auto run = Parsed<RunCommand>({"run", "curl", "--help", "--local", "--", "-x"});
  EXPECT_EQ(run.sockets, RunCommand::Sockets::kShim);
  EXPECT_THAT(run.command, ElementsAre("curl", "--help", "--local", "--", "-x"));
}

TEST(Options, RunEndsItsOptionsAtTwoDashes) {
  const auto run = Parsed<RunCommand>({"run", "--no-shim", "--", "-program", "--"});
  EXPECT_EQ(run.sockets, RunCommand::Sockets::kTrap);
  EXPECT_THAT(run.command, ElementsAre("-program", "--"));
}

TEST(Options, RunLocal) {
  const auto run = Parsed<RunCommand>({"run", "--local", "true"});
  EXPECT_EQ(run.sockets, RunCommand::Sockets::kLocal);
  EXPECT_THAT(run.command, ElementsAre("true"));
}

TEST(Options, RunKeepsEmptyWords) {
  EXPECT_THAT(Parsed<RunCommand>({"run", "printf", "", "a b"}).command,
              ElementsAre("printf", "", "a b"));
}

TEST(Options, RunNeedsAProgram) {
  EXPECT_EQ(Refused({"run"}).exit_status, 2);
  EXPECT_EQ(Refused({"run", "--"}).exit_status, 2);
  EXPECT_THAT(Refused({"run", "--no-shim"}).text, StartsWith("vos: run: no program"));
}

TEST(Options, RunRefusesWhatContradicts) {
  EXPECT_EQ(Refused({"run", "--local", "--no-shim", "true"}).exit_status, 2);
  EXPECT_THAT(Refused({"run", "--bogus", "true"}).text, HasSubstr("--bogus"));
}

TEST(Options, PingDefaultsAndBounds) {
  const auto ping = Parsed<PingCommand>({"ping"});
  EXPECT_EQ(ping.kind, VOS_DOMAIN_NETWORK);
  EXPECT_EQ(ping.count, 1000u);
  const auto storage = Parsed<PingCommand>({"ping", "storage", "--count", "7"});
  EXPECT_EQ(storage.kind, VOS_DOMAIN_STORAGE);
  EXPECT_EQ(storage.count, 7u);
  EXPECT_EQ(Refused({"ping", "--count", "0"}).exit_status, 2);
  EXPECT_EQ(Refused({"ping", "--count", "1000001"}).exit_status, 2);
  EXPECT_EQ(Refused({"ping", "--count", "many"}).exit_status, 2);
  EXPECT_EQ(Refused({"ping", "nowhere"}).exit_status, 2);
}

TEST(Options, NetAttachAndDetach) {
  EXPECT_TRUE(Parsed<NetworkCommand>({"net", "attach"}).attach);
  EXPECT_FALSE(Parsed<NetworkCommand>({"net", "detach"}).attach);
  EXPECT_EQ(Refused({"net"}).exit_status, 2);
  EXPECT_THAT(Refused({"net", "join"}).text, HasSubstr("no such command: join"));
}

TEST(Options, KillAndRestartNeedADomain) {
  EXPECT_EQ(Parsed<KillCommand>({"kill", "network", "--how", "destroy"}).domain, "network");
  EXPECT_EQ(Parsed<KillCommand>({"kill", "network"}).how, "destroy");
  EXPECT_EQ(Parsed<KillCommand>({"kill", "network", "--how", "irqs-off"}).how, "irqs-off");
  EXPECT_EQ(Parsed<RestartCommand>({"restart", "network"}).domain, "network");
  EXPECT_EQ(Refused({"kill"}).exit_status, 2);
  EXPECT_EQ(Refused({"restart"}).exit_status, 2);
  EXPECT_EQ(Refused({"kill", "network", "--how", "gently"}).exit_status, 2);
}

TEST(Options, AFaultCanWaitForAPoint) {
  const auto kill = Parsed<KillCommand>(
      {"kill", "network", "--how", "oops", "--at", "after-fetch", "--nth", "3", "--by", "data"});
  EXPECT_EQ(kill.point, "after-fetch");
  EXPECT_EQ(kill.nth, 3u);
  EXPECT_EQ(kill.request_class, "data");
  EXPECT_EQ(Parsed<KillCommand>({"kill", "network"}).point, "");
  EXPECT_EQ(Refused({"kill", "network", "--at", "noon"}).exit_status, 2);
  EXPECT_EQ(Refused({"kill", "network", "--nth", "3"}).exit_status, 2);
}

TEST(Options, Faults) {
  EXPECT_EQ(Parsed<FaultsListCommand>({"faults", "list"}).domain, "");
  const auto run = Parsed<CampaignRun>({"faults", "run", "--domain", "storage", "--mix", "random",
                                        "--rounds", "300", "--seed", "9"});
  EXPECT_EQ(run.settings, (CampaignSettings{"storage", "files", "random", 300, 9}));
  EXPECT_EQ(run.directory, "faults-storage");
  EXPECT_FALSE(run.limit.has_value() || run.json);
  const auto part =
      Parsed<CampaignRun>({"faults", "run", "--domain", "storage", "--for", "9", "--json"});
  EXPECT_EQ(part.limit, std::chrono::seconds(9));
  EXPECT_TRUE(part.json);
  EXPECT_EQ(
      Parsed<CampaignRun>({"faults", "run", "--domain", "network", "--resume", "d"}).directory,
      "d");
  EXPECT_EQ(Refused({"faults", "run"}).exit_status, 2);
  EXPECT_EQ(Refused({"faults", "run", "--domain", "network", "--workload", "files"}).exit_status,
            2);
  const auto report = Parsed<FaultsReportCommand>({"faults", "report", "a", "b", "--output", "c"});
  EXPECT_EQ(report.directories, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(report.output, "c");
  EXPECT_EQ(Refused({"faults", "report"}).exit_status, 2);
}

TEST(Options, TraceNeedsAProcess) {
  EXPECT_EQ(Parsed<TraceCommand>({"trace", "412"}).process, 412);
  EXPECT_FALSE(Parsed<TraceCommand>({"trace", "412"}).limit);
  EXPECT_EQ(Parsed<TraceCommand>({"trace", "412", "--for", "5"}).limit, std::chrono::seconds(5));
  for (const auto& wrong : {"", "0", "-1", "x", "99999999999"}) {
    EXPECT_EQ(Refused({"trace", wrong}).exit_status, 2) << wrong;
  }
  EXPECT_EQ(Refused({"trace"}).exit_status, 2);
  EXPECT_EQ(Refused({"trace", "412", "--for", "0"}).exit_status, 2);
}

TEST(Options, PrepareNeedsADomain) {
  EXPECT_EQ(Parsed<PrepareCommand>({"prepare", "storage"}).domain, "storage");
  EXPECT_EQ(Refused({"prepare"}).exit_status, 2);
  EXPECT_EQ(Refused({"prepare", "storage", "--force"}).exit_status, 2);
}

TEST(Options, Json) {
  EXPECT_TRUE(Parsed<StatusCommand>({"status", "--json"}).json);
  EXPECT_FALSE(Parsed<StatusCommand>({"status"}).json);
  EXPECT_TRUE(Parsed<StatsCommand>({"stats", "--json"}).json);
}

TEST(Options, HelpAndVersionAreNoErrors) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"run", "--help"}, {"net", "--help"}, {"--version"}}) {
    const Message message = Refused(arguments);
    EXPECT_EQ(message.exit_status, 0);
    EXPECT_FALSE(message.text.empty());
  }
}

TEST(Options, ErrorsNameTheProgram) {
  EXPECT_THAT(Refused({}).text, StartsWith("vos: "));
  EXPECT_THAT(Refused({"frobnicate"}).text, StartsWith("vos: no such command: frobnicate\n"));
  EXPECT_THAT(Refused({"status", "more"}).text, StartsWith("vos: "));
}

}  // namespace
}  // namespace vos
