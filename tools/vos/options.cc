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
#include "tools/vos/kill_ways.h"

namespace vos {
namespace {

constexpr int kUsageError = 2;

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

  CLI::App* run = app.add_subcommand("run", "run a program with exceptionless sockets");
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
  kill->add_option("--how", how, "one of: " + KillWaysText())
      ->check(CLI::IsMember(KillWays()))
      ->option_text("HOW [destroy]");
  kill->footer(
      "destroy: the hypervisor ends it. The others are done by the domain's own kernel, which must "
      "have\nbeen built for that (CONFIG_VIRTUOS_FAULTS).");

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
  if (*kill) return KillCommand{victim, how};
  if (*restart) return RestartCommand{restarted};
  if (*prepare) return PrepareCommand{prepared};
  if (program.empty()) {
    return std::unexpected(UsageError("run: no program to run", "vos run --help"));
  }
  const auto sockets = local     ? RunCommand::Sockets::kLocal
                       : no_shim ? RunCommand::Sockets::kTrap
                                 : RunCommand::Sockets::kShim;
  return RunCommand{sockets, program};
}

}  // namespace vos
