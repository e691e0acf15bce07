// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_record.h"

#include <nlohmann/json.hpp>

// null: there is no value.
template <typename T>
struct nlohmann::adl_serializer<std::optional<T>> {
  static void to_json(json& to, const std::optional<T>& from) { to = from ? json(*from) : json(); }
  static void from_json(const json& from, std::optional<T>& to) {
    to = from.is_null() ? std::nullopt : std::optional(from.get<T>());
  }
};

namespace vos {

// All members, by their names.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(CampaignSettings, domain, workload, mix, rounds, seed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PlannedFault, kind, point, nth, request_class, argument)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RoundRecord, round, fault, injected, activated, manifested,
                                   recovered, detected_by, reason, detection_ms, outage_ms, boot_ms,
                                   in_flight, errors, longest_call_ms, iommu_faults, leaks,
                                   wrong_data, other_domain_affected, primary_complaint, violations)

namespace {

using nlohmann::json;

std::string Line(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

// The library throws what is wrong: inside this file alone.
template <typename T>
Result<T> Parsed(std::string_view line) {
  try {
    return json::parse(line).get<T>();
  } catch (const json::exception& error) {
    return Fail(error.what());
  }
}

}  // namespace

std::string FormatSettings(const CampaignSettings& settings) { return Line(settings); }
Result<CampaignSettings> ParseSettings(std::string_view line) {
  return Parsed<CampaignSettings>(line);
}
std::string FormatRound(const RoundRecord& round) { return Line(round); }
Result<RoundRecord> ParseRound(std::string_view line) { return Parsed<RoundRecord>(line); }

}  // namespace vos
