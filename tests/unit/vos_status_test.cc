// SPDX-License-Identifier: Apache-2.0
// links: tools/vos/status.cc tools/common/kernel_state.cc tools/common/supervisor_state.cc
// links: tools/common/text.cc tools/common/text_file.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tools/vos/status.h"

namespace vos {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kKernelState[] =
    "domain=network domid=3 generation=2 state=connected pollers=1 lanes=1 objects=12 sessions=2 "
    "noop_ns=700 reason=\"\"\n"
    "domain=storage domid=4 generation=1 state=failed pollers=1 lanes=1 objects=0 sessions=0 "
    "future=7 reason=\"it wrote a = into a ring\"\n"
    "attached=init_net\n";

SupervisorState Supervised(const std::string& phase, std::uint32_t domid) {
  SupervisedDomain domain;
  domain.name = "network";
  domain.kind = "network";
  domain.phase = phase;
  domain.domid = domid;
  domain.restarts = 1;
  domain.nic = "0000:00:10.0";
  domain.reason = "it was destroyed";
  domain.ended_at = milliseconds(9'000);
  domain.core = "/var/crash/network.1.core";
  domain.connected_at = milliseconds(10'000);
  return {.pid = 77, .domains = {domain}};
}

TEST(KernelState, Parse) {
  const auto state = ParseKernelState(kKernelState);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->attached, "init_net");
  ASSERT_EQ(state->connections.size(), 2u);
  EXPECT_EQ(state->connections[0].domain, "network");
  EXPECT_EQ(state->connections[0].domid, 3u);
  EXPECT_EQ(state->connections[0].generation, 2u);
  EXPECT_EQ(state->connections[0].objects, 12u);
  EXPECT_EQ(state->connections[0].noop_ns, 700u);
  EXPECT_EQ(state->connections[0].reason, "");
  EXPECT_EQ(state->connections[1].state, "failed");
  EXPECT_EQ(state->connections[1].reason, "it wrote a = into a ring");
}

TEST(KernelState, Malformed) {
  EXPECT_FALSE(ParseKernelState("domain=network domid=x\n"));
  EXPECT_FALSE(ParseKernelState("domain=network reason=\"no end\n"));
  EXPECT_FALSE(ParseKernelState("words\n"));
  EXPECT_TRUE(ParseKernelState(""));
}

TEST(KernelStats, Parse) {
  const auto counters = ParseKernelStats("network.kernel_calls 18446744073709551615\n");
  ASSERT_TRUE(counters);
  ASSERT_EQ(counters->size(), 1u);
  EXPECT_EQ((*counters)[0].domain, "network");
  EXPECT_EQ((*counters)[0].name, "kernel_calls");
  EXPECT_EQ((*counters)[0].value, 18446744073709551615u);
  EXPECT_EQ(nlohmann::json::parse(StatsJson(*counters))["network"]["kernel_calls"],
            18446744073709551615u);
  EXPECT_FALSE(ParseKernelStats("network.kernel_calls -1\n"));
  EXPECT_FALSE(ParseKernelStats("kernel_calls 1\n"));
  EXPECT_FALSE(ParseKernelStats("network.kernel_calls\n"));
}

TEST(SupervisorState, SurvivesItsFile) {
  const SupervisorState state = Supervised("connected", 3);
  const auto read = ParseSupervisorState(FormatSupervisorState(state));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->pid, 77);
  ASSERT_EQ(read->domains.size(), 1u);
  EXPECT_EQ(read->domains[0].name, "network");
  EXPECT_EQ(read->domains[0].phase, "connected");
  EXPECT_EQ(read->domains[0].restarts, 1u);
  EXPECT_EQ(read->domains[0].connected_at, milliseconds(10'000));
  EXPECT_EQ(read->domains[0].ended_at, milliseconds(9'000));
  EXPECT_EQ(read->domains[0].core, "/var/crash/network.1.core");
}

TEST(SupervisorState, Malformed) {
  for (const char* text : {"", "[]", "{}", "{\"domains\": 3}", "{\"domains\": [3]}", "{"}) {
    EXPECT_FALSE(ParseSupervisorState(text)) << text;
  }
  // Fields of another type count as absent.
  const auto state = ParseSupervisorState(
      R"({"pid": "x", "domains": [{"name": 1, "domid": -1, "restarts": 1e99}]})");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->pid, 0);
  EXPECT_EQ(state->domains[0].name, "");
  EXPECT_EQ(state->domains[0].domid, 0u);
}

TEST(Status, PutsBothViewsTogether) {
  const auto kernel = ParseKernelState(kKernelState);
  ASSERT_TRUE(kernel);
  const Status status = MakeStatus(Supervised("connected", 3), true, *kernel, milliseconds(75'500));
  ASSERT_EQ(status.domains.size(), 2u);
  EXPECT_EQ(status.domains[0].state, "connected");
  EXPECT_EQ(status.domains[0].uptime, std::chrono::seconds(65));
  EXPECT_EQ(status.domains[0].connection.objects, 12u);
  EXPECT_EQ(status.domains[0].nic, "0000:00:10.0");
  EXPECT_EQ(status.domains[1].name, "storage");
  EXPECT_EQ(status.domains[1].state, "failed");

  const std::string table = StatusTable(status);
  EXPECT_THAT(table, HasSubstr("0:01:05"));
  EXPECT_THAT(table, HasSubstr("network: the last one ended, 0:01:06 ago: it was destroyed\n"));
  EXPECT_THAT(table, HasSubstr("network: memory of a dead one: /var/crash/network.1.core\n"));
  EXPECT_THAT(table, HasSubstr("attached: init_net\n"));
  EXPECT_THAT(table, Not(HasSubstr("does not run")));

  const auto document = nlohmann::json::parse(StatusJson(status));
  EXPECT_EQ(document["supervisor"]["pid"], 77);
  EXPECT_EQ(document["attached"], "init_net");
  EXPECT_EQ(document["domains"][0]["uptime_seconds"], 65);
  EXPECT_EQ(document["domains"][0]["generation"], 2);
  EXPECT_EQ(document["domains"][0]["ended_at_ms"], 9000);
  EXPECT_EQ(document["domains"][0]["core"], "/var/crash/network.1.core");
  EXPECT_TRUE(document["domains"][1]["ended_at_ms"].is_null());
  EXPECT_TRUE(document["domains"][1]["uptime_seconds"].is_null());
}

SupervisorState WithDisk(const std::string& state, const std::string& detail) {
  SupervisorState supervisor = Supervised("connected", 4);
  SupervisedDomain& domain = supervisor.domains[0];
  domain.name = domain.kind = "storage";
  domain.nic = "";
  domain.disk = "0000:00:11.0";
  domain.disk_state = state;
  domain.disk_detail = detail;
  return supervisor;
}

TEST(Status, TellsTheStateOfADisk) {
  const auto kernel = ParseKernelState("domain=storage domid=4 generation=1 state=connected\n");
  ASSERT_TRUE(kernel);
  const auto read =
      ParseSupervisorState(FormatSupervisorState(WithDisk("foreign", "an xfs file system")));
  ASSERT_TRUE(read);
  const Status status = MakeStatus(*read, true, *kernel, milliseconds(75'500));
  const std::string table = StatusTable(status);
  EXPECT_THAT(table, HasSubstr("0000:00:11.0"));
  EXPECT_THAT(table, HasSubstr("storage: disk: foreign: an xfs file system\n"));
  const auto document = nlohmann::json::parse(StatusJson(status));
  EXPECT_EQ(document["domains"][0]["disk"], "0000:00:11.0");
  EXPECT_EQ(document["domains"][0]["disk_state"], "foreign");
  EXPECT_EQ(document["domains"][0]["disk_detail"], "an xfs file system");
  EXPECT_EQ(document["domains"][0]["nic"], "");
  EXPECT_THAT(StatusTable(MakeStatus(WithDisk("serving", ""), true, *kernel, milliseconds(1))),
              HasSubstr("storage: disk: serving\n"));
}

TEST(Status, TellsOfTheStandby) {
  SupervisorState supervisor = Supervised("connected", 3);
  EXPECT_TRUE(nlohmann::json::parse(StatusJson(
      MakeStatus(supervisor, true, std::nullopt, milliseconds(1))))["domains"][0]["standby"]
                  .is_null());
  supervisor.domains[0].standby_state = kParked;
  supervisor.domains[0].standby_domid = 8;
  supervisor.domains[0].standby_reason = "it took over";
  const auto read = ParseSupervisorState(FormatSupervisorState(supervisor));
  ASSERT_TRUE(read);
  Status status = MakeStatus(*read, true, std::nullopt, milliseconds(1));
  EXPECT_THAT(StatusTable(status), HasSubstr("network: standby: parked, domain 8\n"));
  const auto document = nlohmann::json::parse(StatusJson(status));
  EXPECT_EQ(document["domains"][0]["standby"]["state"], "parked");
  EXPECT_EQ(document["domains"][0]["standby"]["domid"], 8);
  supervisor.domains[0].standby_state = "waiting";
  supervisor.domains[0].standby_domid = 0;
  supervisor.domains[0].standby_reason = "it crashed";
  status = MakeStatus(supervisor, true, std::nullopt, milliseconds(1));
  EXPECT_THAT(StatusTable(status),
              HasSubstr("network: standby: waiting (the last one: it crashed)\n"));
}

TEST(Status, ADeadDomainServesNoDisk) {
  const auto kernel = ParseKernelState(
      "domain=storage domid=4 generation=1 state=failed reason=\"it was destroyed\"\n");
  ASSERT_TRUE(kernel);
  const Status status = MakeStatus(WithDisk("serving", ""), true, *kernel, milliseconds(75'500));
  EXPECT_EQ(status.domains[0].disk_state, "");
  EXPECT_THAT(StatusTable(status), Not(HasSubstr("serving")));
}

TEST(Status, TheKernelKnowsOfAFailureFirst) {
  auto kernel = *ParseKernelState(kKernelState);
  kernel.connections[0].state = "failed";
  kernel.connections[0].reason = "completion without a request";
  kernel.connections[0].failed_ns = 70'123'456'789;
  const Status status = MakeStatus(Supervised("connected", 3), true, kernel, milliseconds(75'500));
  EXPECT_EQ(status.domains[0].state, "failed");
  EXPECT_EQ(status.domains[0].reason, "completion without a request");
  EXPECT_EQ(status.domains[0].ended_at, milliseconds(70'123));
  EXPECT_THAT(StatusTable(status), HasSubstr("network: reason, 0:00:05 ago: completion without"));
  EXPECT_FALSE(status.domains[0].uptime);
}

TEST(Status, AnOldConnectionSaysNothingOfTheNewDomain) {
  const auto kernel = ParseKernelState(kKernelState);
  const Status status =
      MakeStatus(Supervised("connecting", 9), true, *kernel, milliseconds(75'500));
  EXPECT_EQ(status.domains[0].state, "connecting");
  EXPECT_EQ(status.domains[0].connection.domid, 9u);
  EXPECT_FALSE(status.domains[0].uptime);
}

TEST(Status, WithoutTheKernelOrVosd) {
  const Status only_vosd =
      MakeStatus(Supervised("failed", 0), false, std::nullopt, milliseconds(75'500));
  EXPECT_EQ(only_vosd.attached, "unknown");
  EXPECT_THAT(StatusTable(only_vosd), HasSubstr("vosd does not run\n"));
  EXPECT_EQ(only_vosd.supervisor, 0);
  Status explained = only_vosd;
  explained.supervisor_reason = "xenstored has ended";
  EXPECT_THAT(StatusTable(explained), HasSubstr("vosd does not run: xenstored has ended\n"));
  const Status only_kernel =
      MakeStatus(std::nullopt, false, *ParseKernelState(kKernelState), milliseconds(75'500));
  EXPECT_EQ(only_kernel.domains[0].state, "connected");
}

}  // namespace
}  // namespace vos
