// SPDX-License-Identifier: Apache-2.0
// vos: the command line of VirtuOS in the primary domain.
#include <cstring>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include "tools/common/control_device.h"
#include "tools/common/kernel_state.h"
#include "tools/common/result.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"
#include "tools/vos/fault_campaign.h"
#include "tools/vos/fault_model.h"
#include "tools/vos/fault_report.h"
#include "tools/vos/fault_run.h"
#include "tools/vos/kill.h"
#include "tools/vos/options.h"
#include "tools/vos/ping.h"
#include "tools/vos/run.h"
#include "tools/vos/status.h"
#include "tools/vos/supervisor_client.h"
#include "tools/vos/trace.h"

namespace vos {
namespace {

constexpr std::size_t kMaxReason = 300;  // characters

int Finish(const Result<std::string>& output) {
  if (!output) {
    std::cerr << "vos: " << output.error().message << "\n";
    return 1;
  }
  std::cout << *output << std::flush;
  return std::cout ? 0 : 1;
}

int Finish(const Result<void>& done) {
  return Finish(done.transform([] { return std::string(); }));
}

int Execute(const StatusCommand& command) {
  const auto supervisor = ReadSupervisorState();
  if (!supervisor) return Finish(Result<void>(std::unexpected(supervisor.error())));
  const auto kernel = ReadKernelState();
  // vosd's view alone is worth showing, to a user without privileges too.
  if (!kernel && !*supervisor) return Finish(Result<void>(std::unexpected(kernel.error())));
  if (!kernel) std::cerr << "vos: " << kernel.error().message << "\n";
  Status status =
      MakeStatus(*supervisor, SupervisorRuns(),
                 kernel ? std::optional<KernelState>(*kernel) : std::nullopt, SinceBoot());
  if (!status.supervised) {
    if (const auto reason = ReadTextFile(kFailedFile)) {
      status.supervisor_reason = Printable(Trim(*reason), kMaxReason);
    }
  }
  return Finish(command.json ? StatusJson(status) : StatusTable(status));
}

int Execute(const StatsCommand& command) {
  return Finish(ReadKernelStats().transform([&](const std::vector<Counter>& counters) {
    return command.json ? StatsJson(counters) : StatsTable(counters);
  }));
}

int Execute(const PingCommand& command) { return Finish(Ping(command)); }

int Execute(const RunCommand& command) { return Run(command); }

int Execute(const NetworkCommand& command) {
  return Finish(ControlDevice::Open().and_then([&](ControlDevice device) {
    return command.attach ? device.AttachNetwork() : device.DetachNetwork();
  }));
}

// Past vosd: what vosd and the kernel notice is what they notice of any death.
int Execute(const KillCommand& command) {
  const auto supervisor = ReadSupervisorState();
  if (!supervisor) return Finish(Result<void>(std::unexpected(supervisor.error())));
  std::uint32_t domid = 0;
  if (*supervisor) {
    for (const SupervisedDomain& domain : (*supervisor)->domains) {
      if (domain.name == command.domain) domid = domain.domid;
    }
  }
  if (domid == 0) {
    return Finish(Result<void>(Fail("no service domain " + command.domain + " runs")));
  }
  return Finish(Kill(domid, command));
}

int Execute(const FaultsListCommand& command) {
  return Finish(Result<std::string>(FaultTable(command.domain)));
}

int Execute(const CampaignRun& command) {
  const auto end = RunFaults(command);
  if (!end) return Finish(Result<void>(std::unexpected(end.error())));
  switch (*end) {
    case CampaignEnd::kGood:
      return 0;
    case CampaignEnd::kViolations:
      return 1;
    case CampaignEnd::kTimeUp:
      break;
  }
  return 3;
}

int Execute(const FaultsReportCommand& command) {
  std::vector<CampaignRounds> campaigns;
  for (const std::string& path : command.directories) {
    const auto kept = CampaignDirectory::Read(path);
    if (!kept) return Finish(Result<void>(std::unexpected(kept.error())));
    campaigns.push_back({kept->settings(), kept->rounds()});
  }
  const FaultReport report = MakeFaultReport(campaigns);
  return Finish(WriteTextFile(command.output + "/faults.json", FaultReportJson(report))
                    .and_then([&] {
                      return WriteTextFile(command.output + "/faults.html",
                                           FaultReportHtml(report));
                    })
                    .transform([&] { return FaultReportText(report); }));
}

int Execute(const RestartCommand& command) {
  return Finish(AskSupervisor("restart " + command.domain));
}

int Execute(const PrepareCommand& command) {
  return Finish(AskSupervisor("prepare " + command.domain));
}

int Execute(const TraceCommand& command) { return Finish(Trace(command)); }

}  // namespace
}  // namespace vos

int main(int argc, char** argv) {
  const auto command = vos::ParseOptions(std::vector<std::string>(argv + 1, argv + argc));
  if (!command) {
    (command.error().exit_status == 0 ? std::cout : std::cerr) << command.error().text;
    return command.error().exit_status;
  }
  return std::visit([](const auto& chosen) { return vos::Execute(chosen); }, *command);
}
