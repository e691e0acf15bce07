// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/status.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <format>
#include <nlohmann/json.hpp>

namespace vos {
namespace {

using nlohmann::json;

std::string Dump(const json& document) {
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string Duration(std::chrono::seconds time) {
  const auto total = time.count();
  return std::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

// Columns as wide as their widest entry, two blanks apart.
template <std::size_t kColumns>
std::string Table(const std::vector<std::array<std::string, kColumns>>& rows) {
  std::array<std::size_t, kColumns> width{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) width[i] = std::max(width[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < kColumns; ++i) line += std::format("{:<{}}  ", row[i], width[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

std::optional<std::chrono::milliseconds> FailedAt(const Connection& connection) {
  if (connection.failed_ns == 0) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::nanoseconds(connection.failed_ns));
}

void AddKernelState(const KernelState& kernel, bool running, Status& status) {
  for (const Connection& connection : kernel.connections) {
    const auto found =
        std::ranges::find(status.domains, connection.domain,
                          [](const DomainStatus& domain) { return domain.connection.domain; });
    if (found == status.domains.end()) {
      DomainStatus one;
      one.name = connection.domain;
      one.state = connection.state;
      one.connection = connection;
      one.reason = connection.reason;
      one.ended_at = FailedAt(connection);
      status.domains.push_back(std::move(one));
      continue;
    }
    // The kernel keeps telling of a connection whose domain was replaced or destroyed since.
    const bool same_domain = found->connection.domid == connection.domid;
    const std::uint32_t domid = found->connection.domid;
    found->connection = connection;
    found->connection.domid = domid;
    if (!same_domain) continue;
    // What vosd has not noticed yet, or cannot because it does not run.
    if (found->state == "connected" || !running) {
      if (connection.state != "connected") {
        found->uptime.reset();
        found->disk_state.clear();
        found->disk_detail.clear();
      }
      found->state = connection.state;
    }
    if (connection.reason.empty()) continue;
    found->reason = connection.reason;
    found->ended_at = FailedAt(connection);
  }
}

}  // namespace

Status MakeStatus(const std::optional<SupervisorState>& supervisor, bool running,
                  const std::optional<KernelState>& kernel, std::chrono::milliseconds now) {
  Status status;
  status.supervised = running;
  status.attached = kernel ? kernel->attached : "unknown";
  if (supervisor) {
    if (running) status.supervisor = supervisor->pid;
    for (const SupervisedDomain& domain : supervisor->domains) {
      DomainStatus one;
      one.name = domain.name;
      one.state = domain.phase;
      one.connection.domain = domain.kind;
      one.connection.domid = domain.domid;
      one.restarts = domain.restarts;
      one.nic = domain.nic;
      one.disk = domain.disk;
      one.disk_state = domain.disk_state;
      one.disk_detail = domain.disk_detail;
      one.reason = domain.reason;
      one.ended_at = domain.ended_at;
      one.core = domain.core;
      one.standby_state = domain.standby_state;
      one.standby_domid = domain.standby_domid;
      one.standby_reason = domain.standby_reason;
      if (domain.connected_at && domain.phase == "connected") {
        one.uptime = std::chrono::duration_cast<std::chrono::seconds>(now - *domain.connected_at);
      }
      status.domains.push_back(std::move(one));
    }
  }
  if (kernel) AddKernelState(*kernel, running, status);
  for (DomainStatus& domain : status.domains) {
    if (domain.reason.empty()) domain.ended_at.reset();
    if (domain.ended_at && *domain.ended_at <= now) {
      domain.ended_since = std::chrono::duration_cast<std::chrono::seconds>(now - *domain.ended_at);
    }
  }
  return status;
}

std::string StatusTable(const Status& status) {
  std::vector<std::array<std::string, 9>> rows = {{"DOMAIN", "DOMID", "STATE", "GENERATION",
                                                   "OBJECTS", "SESSIONS", "RESTARTS", "UP",
                                                   "DEVICE"}};
  std::string disks;
  std::string standbys;
  std::string cores;
  std::string reasons;
  for (const DomainStatus& domain : status.domains) {
    const Connection& connection = domain.connection;
    rows.push_back({domain.name, connection.domid == 0 ? "-" : std::to_string(connection.domid),
                    domain.state, std::to_string(connection.generation),
                    std::to_string(connection.objects), std::to_string(connection.sessions),
                    std::to_string(domain.restarts),
                    domain.uptime ? Duration(*domain.uptime) : std::string("-"),
                    OrDash(domain.nic + domain.disk)});
    if (!domain.disk_state.empty()) {
      disks += std::format("{}: disk: {}{}{}\n", domain.name, domain.disk_state,
                           domain.disk_detail.empty() ? "" : ": ", domain.disk_detail);
    }
    if (!domain.standby_state.empty()) {
      standbys += std::format("{}: standby: {}", domain.name, domain.standby_state);
      if (domain.standby_domid != 0) standbys += std::format(", domain {}", domain.standby_domid);
      if (domain.standby_state != kParked && !domain.standby_reason.empty()) {
        standbys += std::format(" (the last one: {})", domain.standby_reason);
      }
      standbys += "\n";
    }
    if (!domain.core.empty()) {
      cores += std::format("{}: memory of a dead one: {}\n", domain.name, domain.core);
    }
    if (domain.reason.empty()) continue;
    const char* what = domain.state == "connected" ? "the last one ended" : "reason";
    const std::string when =
        domain.ended_since ? std::format(", {} ago", Duration(*domain.ended_since)) : "";
    reasons += std::format("{}: {}{}: {}\n", domain.name, what, when, domain.reason);
  }
  std::string text = Table(rows) + disks + standbys + cores + reasons;
  text += std::format("attached: {}\n", OrDash(status.attached));
  if (!status.supervised) {
    const std::string& reason = status.supervisor_reason;
    text += std::format("vosd does not run{}{}\n", reason.empty() ? "" : ": ", reason);
  }
  return text;
}

std::string StatusJson(const Status& status) {
  json domains = json::array();
  for (const DomainStatus& domain : status.domains) {
    const Connection& connection = domain.connection;
    json entry = {{"name", domain.name},
                  {"kind", connection.domain},
                  {"domid", connection.domid},
                  {"state", domain.state},
                  {"generation", connection.generation},
                  {"pollers", connection.pollers},
                  {"lanes", connection.lanes},
                  {"objects", connection.objects},
                  {"sessions", connection.sessions},
                  {"noop_ns", connection.noop_ns},
                  {"restarts", domain.restarts},
                  {"nic", domain.nic},
                  {"disk", domain.disk},
                  {"disk_state", domain.disk_state},
                  {"disk_detail", domain.disk_detail},
                  {"reason", domain.reason},
                  {"core", domain.core}};
    entry["standby"] = domain.standby_state.empty() ? json(nullptr)
                                                    : json({{"state", domain.standby_state},
                                                            {"domid", domain.standby_domid},
                                                            {"reason", domain.standby_reason}});
    entry["ended_at_ms"] = domain.ended_at ? json(domain.ended_at->count()) : json(nullptr);
    entry["uptime_seconds"] = domain.uptime ? json(domain.uptime->count()) : json(nullptr);
    domains.push_back(std::move(entry));
  }
  return Dump({{"supervisor",
                {{"running", status.supervised},
                 {"pid", status.supervisor},
                 {"reason", status.supervisor_reason}}},
               {"attached", status.attached},
               {"domains", std::move(domains)}});
}

std::string StatsTable(const std::vector<Counter>& counters) {
  std::vector<std::array<std::string, 3>> rows = {{"DOMAIN", "COUNTER", "VALUE"}};
  for (const Counter& counter : counters) {
    rows.push_back({counter.domain, counter.name, std::to_string(counter.value)});
  }
  return Table(rows);
}

std::string StatsJson(const std::vector<Counter>& counters) {
  json document = json::object();
  for (const Counter& counter : counters) document[counter.domain][counter.name] = counter.value;
  return Dump(document);
}

}  // namespace vos
