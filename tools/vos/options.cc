// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <format>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>

#include "kernel/virtuos/abi/control.h"
#include "tools/common/kernel_state.h"
#include "tools/common/version.h"
#include "tools/vos/fault_campaign.h"
#include "tools/vos/fault_model.h"

namespace vos {
namespace {

constexpr int kUsageError = 2;

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::vector<std::string> Strings(std::span<const std::string_view> words) {
  return {words.begin(), words.end()};
}

constexpr char kRunFooter[] =
    "CMD is what follows the options; `--` ends them. Its exit status is that of `vos run`, or 127 "
    "if\n"
    "there is no such program and 126 if it cannot be executed.";

// The command of `vos run` belongs to another program: none of its words are options of ours. Takes
// it off the arguments; `--` before it is dropped.
std::vector<std::string> TakeCommand(std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] != "run") return {};
  auto first = std::find_if(arguments.begin() + 1, arguments.end(), [](const std::string& word) {
    return !word.starts_with('-') || word == "--" || word == "-";
  });
  const auto end_of_options = first;
  if (first != arguments.end() && *first == "--") ++first;
  std::vector<std::string> command(first, arguments.end());
  arguments.erase(end_of_options, arguments.end());
  return command;
}

Message UsageError(const std::string& text, std::string_view help = "vos --help") {
  return {std::format("vos: {}\nvos: see `{}`\n", text, help), kUsageError};
}

// The word that stands where a command should, if it is none; CLI11 would only miss a command.
std::optional<std::string> UnknownCommand(const CLI::App& app, std::span<const std::string> words) {
  if (words.empty() || words[0].starts_with('-')) return std::nullopt;
  const std::vector<const CLI::App*> commands = app.get_subcommands(nullptr);
  if (commands.empty()) return std::nullopt;
  const auto found = std::ranges::find(commands, words[0], &CLI::App::get_name);
  if (found == commands.end()) return words[0];
  return UnknownCommand(**found, words.subspan(1));
}

}  // namespace

std::expected<Command, Message> ParseOptions(const std::vector<std::string>& arguments) {
  std::vector<std::string> own = arguments;
  const std::vector<std::string> program = TakeCommand(own);

  CLI::App app("Shows and steers VirtuOS in the primary domain.", "vos");
  app.set_version_flag("--version", std::format("vos {}, ABI {}", kVersion, VOS_ABI_VERSION));
  app.require_subcommand(1);
  app.footer("Exit status: 0; 1 if it failed; 2 for wrong usage. `vos COMMAND --help` tells more.");
  bool json = false;

  CLI::App* status = app.add_subcommand("status", "the service domains and their connections");
  status->add_flag("--json", json, "as JSON");

  CLI::App* stats = app.add_subcommand("stats", "counters of each connection since it began");
  stats->add_flag("--json", json, "as JSON");

  CLI::App* ping = app.add_subcommand("ping", "time of no-op calls through a kernel lane");
  const CLI::IsMember kinds({"network", "storage"});
  std::string domain = "network";
  std::uint32_t count = 1000;
  ping->add_option("DOMAIN", domain, "service domain")
      ->check(kinds)
      ->option_text("network|storage [network]");
  ping->add_option("--count", count, "number of calls")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{VOS_NOOP_MAX}))
      ->option_text("N [1000]");

  CLI::App* run = app.add_subcommand("run", "run a program with exceptionless calls");
  run->usage("vos run [--no-shim | --local] [--] CMD [ARG]...");
  run->footer(kRunFooter);
  bool no_shim = false;
  bool local = false;
  CLI::Option* no_shim_option =
      run->add_flag("--no-shim", no_shim, "preload nothing: sockets work by system calls");
  run->add_flag("--local", local,
                "in the network namespace `local`, on the primary's own stack: loopback only, the\n"
                "same one for all; preloads nothing")
      ->excludes(no_shim_option);

  CLI::App* net = app.add_subcommand(
      "net", "attach this network namespace to the network domain, or detach it");
  net->require_subcommand(1);
  CLI::App* attach = net->add_subcommand("attach", "new sockets live in the network domain");
  CLI::App* detach = net->add_subcommand("detach", "new sockets live on the primary's own stack");

  CLI::App* kill = app.add_subcommand("kill", "kill a service domain, to see what happens");
  std::string victim;
  std::string how = "destroy";
  kill->add_option("DOMAIN", victim, "its name")->required();
  kill->add_option("--how", how, "one of: " + Join(FaultKindNames()))
      ->check(CLI::IsMember(FaultKindNames()))
      ->option_text("HOW [destroy]");
  std::string point;
  CLI::Option* at = kill->add_option("--at", point, "not now, but at: " + Join(FaultPointNames()))
                        ->check(CLI::IsMember(FaultPointNames()))
                        ->option_text("POINT");
  std::uint32_t nth = 1;
  kill->add_option("--nth", nth, "the N-th time that the point is passed")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{1'000'000'000}))
      ->needs(at)
      ->option_text("N [1]");
  std::string request_class(kAnyClass);
  kill->add_option("--by", request_class, "by a request of: " + Join(Strings(FaultClasses())))
      ->check(CLI::IsMember(Strings(FaultClasses())))
      ->needs(at)
      ->option_text("CLASS [any]");
  kill->footer(
      "destroy: the hypervisor ends it. The others, and everything at a point, are done by the "
      "domain's own\nkernel, which has no fault injection if it was built with CONFIG=release. "
      "`vos faults list` tells more.");

  CLI::App* faults = app.add_subcommand("faults", "campaigns of injected faults");
  faults->require_subcommand(1);
  const std::vector<std::string> domains = Strings(kFaultDomains);
  CLI::App* faults_list =
      faults->add_subcommand("list", "faults, points of the protocol, and which go together");
  std::string fault_domain;
  faults_list->add_option("--domain", fault_domain, "only of this one")
      ->check(CLI::IsMember(domains))
      ->option_text("network|storage");
  CLI::App* faults_run = faults->add_subcommand(
      "run", "inject faults one after the other under a workload, and see what comes of them");
  CampaignRun campaign;
  faults_run->add_option("--domain", campaign.settings.domain, "which is to fail")
      ->check(CLI::IsMember(domains))
      ->required()
      ->option_text("network|storage");
  faults_run
      ->add_option("--workload", campaign.settings.workload,
                   "network: " + Join(FaultWorkloads("network")) +
                       "; storage: " + Join(FaultWorkloads("storage")))
      ->option_text("NAME [the first one]");
  campaign.settings.mix = "cover";
  faults_run
      ->add_option("--mix", campaign.settings.mix,
                   "cover: each fault and each point at least once; kinds, points, pairs: each\n"
                   "once; random")
      ->check(CLI::IsMember(FaultMixes()))
      ->option_text("MIX [cover]");
  faults_run->add_option("--rounds", campaign.settings.rounds, "how many")
      ->check(CLI::Range(std::uint32_t{0}, std::uint32_t{100'000}))
      ->option_text("N [as many as the mix has]");
  faults_run->add_option("--seed", campaign.settings.seed, "the same seed makes the same rounds")
      ->option_text("N [1]");
  faults_run
      ->add_option("--resume", campaign.directory,
                   "where the rounds are kept; goes on with what is there")
      ->option_text("DIR [faults-DOMAIN]");
  std::uint32_t campaign_seconds = 0;
  CLI::Option* campaign_limit =
      faults_run->add_option("--for", campaign_seconds, "begin no round after this time")
          ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{1'000'000}))
          ->option_text("SECONDS");
  faults_run->add_flag("--json", campaign.json,
                       "what is added to DIR/rounds.jsonl on standard output too, line by line");
  faults_run->footer(
      "Exit status: 1 if a round was not as it should be, 3 if time was up before the last one.");
  CLI::App* faults_report = faults->add_subcommand("report", "what campaigns add up to");
  FaultsReportCommand report;
  faults_report->add_option("DIR", report.directories, "of campaigns")->required();
  report.output = ".";
  faults_report->add_option("--output", report.output, "where faults.json and faults.html go")
      ->option_text("DIR [.]");

  CLI::App* restart = app.add_subcommand(
      "restart", "replace a service domain by a new one, and wait until that is connected");
  std::string restarted;
  restart->add_option("DOMAIN", restarted, "its name")->required();

  CLI::App* prepare = app.add_subcommand(
      "prepare",
      "make a file system on a storage domain's empty disk, and wait until it is served");
  prepare->footer(
      "The domain is restarted for it. A disk that holds anything is refused and left as it is.");
  std::string prepared;
  prepare->add_option("DOMAIN", prepared, "its name")->required();

  CLI::App* trace =
      app.add_subcommand("trace", "show the calls that a process makes of service domains");
  trace->footer(
      "Prints each call when it is over, until ^C or the process's end: the thread, the domain, "
      "the\noperation, its object (a handle) and bytes, the result and the time it took. Meanwhile "
      "the calls of the\nshim go by trap, or they would not be seen. Children are other "
      "processes.");
  TraceCommand traced{};
  trace->add_option("PID", traced.process, "its id")
      ->required()
      ->check(CLI::Range(1, 1 << 22))
      ->option_text("PID");
  std::uint32_t trace_seconds = 0;
  CLI::Option* trace_limit = trace->add_option("--for", trace_seconds, "end after this time")
                                 ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{1'000'000}))
                                 ->option_text("SECONDS");

  if (const auto unknown = UnknownCommand(app, own)) {
    return std::unexpected(UsageError("no such command: " + *unknown));
  }
  try {
    // CLI11 takes the words from the back.
    app.parse(std::vector<std::string>(own.rbegin(), own.rend()));
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream problem;
    if (app.exit(error, out, problem) == 0) return std::unexpected(Message{out.str(), 0});
    return std::unexpected(UsageError(error.what()));
  }

  if (*status) return StatusCommand{json};
  if (*stats) return StatsCommand{json};
  if (*ping) return PingCommand{DomainKind(domain), count};
  if (*attach || *detach) return NetworkCommand{static_cast<bool>(*attach)};
  if (*kill) return KillCommand{victim, how, point, nth, request_class};
  if (*faults_list) return FaultsListCommand{fault_domain};
  if (*faults_report) return report;
  if (*faults_run) {
    CampaignSettings& settings = campaign.settings;
    const std::vector<std::string> workloads = FaultWorkloads(settings.domain);
    if (settings.workload.empty()) settings.workload = workloads.front();
    if (std::ranges::find(workloads, settings.workload) == workloads.end()) {
      return std::unexpected(UsageError(
          "faults run: workloads of this domain are " + Join(workloads), "vos faults run --help"));
    }
    if (campaign.directory.empty()) campaign.directory = "faults-" + settings.domain;
    if (*campaign_limit) campaign.limit = std::chrono::seconds(campaign_seconds);
    return campaign;
  }
  if (*restart) return RestartCommand{restarted};
  if (*prepare) return PrepareCommand{prepared};
  if (*trace) {
    if (*trace_limit) traced.limit = std::chrono::seconds(trace_seconds);
    return traced;
  }
  if (program.empty()) {
    return std::unexpected(UsageError("run: no program to run", "vos run --help"));
  }
  const auto sockets = local     ? RunCommand::Sockets::kLocal
                       : no_shim ? RunCommand::Sockets::kTrap
                                 : RunCommand::Sockets::kShim;
  return RunCommand{sockets, program};
}

}  // namespace vos
