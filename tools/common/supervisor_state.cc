// SPDX-License-Identifier: Apache-2.0
#include "tools/common/supervisor_state.h"

#include <time.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace vos {
namespace {

using nlohmann::json;

std::string StringOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

template <typename T>
T NumberOf(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return 0;
  const auto number = found->get<std::int64_t>();
  return number < 0 || number > std::numeric_limits<T>::max() ? 0 : static_cast<T>(number);
}

}  // namespace

std::string FormatSupervisorState(const SupervisorState& state) {
  json domains = json::array();
  for (const SupervisedDomain& domain : state.domains) {
    json entry = {{"name", domain.name},
                  {"kind", domain.kind},
                  {"phase", domain.phase},
                  {"domid", domain.domid},
                  {"nic", domain.nic},
                  {"disk", domain.disk},
                  {"disk_state", domain.disk_state},
                  {"disk_detail", domain.disk_detail},
                  {"restarts", domain.restarts},
                  {"reason", domain.reason},
                  {"core", domain.core},
                  {"standby_state", domain.standby_state},
                  {"standby_domid", domain.standby_domid},
                  {"standby_reason", domain.standby_reason}};
    if (domain.connected_at) entry["connected_at_ms"] = domain.connected_at->count();
    if (domain.ended_at) entry["ended_at_ms"] = domain.ended_at->count();
    domains.push_back(std::move(entry));
  }
  const json document = {{"pid", state.pid}, {"domains", std::move(domains)}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<SupervisorState> ParseSupervisorState(std::string_view text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto domains = document.is_object() ? document.find("domains") : document.end();
  if (!document.is_object() || domains == document.end() || !domains->is_array()) {
    return Fail("vosd's state is malformed");
  }
  SupervisorState state;
  state.pid = NumberOf<pid_t>(document, "pid");
  for (const json& entry : *domains) {
    if (!entry.is_object()) return Fail("vosd's state is malformed");
    SupervisedDomain domain;
    domain.name = StringOf(entry, "name");
    domain.kind = StringOf(entry, "kind");
    domain.phase = StringOf(entry, "phase");
    domain.domid = NumberOf<std::uint32_t>(entry, "domid");
    domain.nic = StringOf(entry, "nic");
    domain.disk = StringOf(entry, "disk");
    domain.disk_state = StringOf(entry, "disk_state");
    domain.disk_detail = StringOf(entry, "disk_detail");
    domain.restarts = NumberOf<std::uint32_t>(entry, "restarts");
    domain.reason = StringOf(entry, "reason");
    domain.core = StringOf(entry, "core");
    domain.standby_state = StringOf(entry, "standby_state");
    domain.standby_domid = NumberOf<std::uint32_t>(entry, "standby_domid");
    domain.standby_reason = StringOf(entry, "standby_reason");
    if (entry.contains("connected_at_ms")) {
      domain.connected_at =
          std::chrono::milliseconds(NumberOf<std::int64_t>(entry, "connected_at_ms"));
    }
    if (entry.contains("ended_at_ms")) {
      domain.ended_at = std::chrono::milliseconds(NumberOf<std::int64_t>(entry, "ended_at_ms"));
    }
    state.domains.push_back(std::move(domain));
  }
  return state;
}

std::chrono::milliseconds SinceBoot() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

}  // namespace vos
