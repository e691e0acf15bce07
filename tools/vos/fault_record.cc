// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_record.h"

#include <nlohmann/json.hpp>

namespace vos {
namespace {

using nlohmann::json;

std::string Line(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

json Optional(const std::optional<double>& value) { return value ? json(*value) : json(); }

std::optional<double> Optional(const json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<double>();
}

// `parse` throws what is wrong: inside this file alone.
template <typename T, typename Parse>
Result<T> Parsed(std::string_view line, Parse parse) {
  try {
    return parse(json::parse(line));
  } catch (const json::exception& error) {
    return Fail(error.what());
  }
}

}  // namespace

std::string FormatSettings(const CampaignSettings& s) {
  return Line({{"domain", s.domain},
               {"workload", s.workload},
               {"mix", s.mix},
               {"rounds", s.rounds},
               {"seed", s.seed}});
}

Result<CampaignSettings> ParseSettings(std::string_view line) {
  return Parsed<CampaignSettings>(line, [](const json& from) {
    CampaignSettings s;
    from.at("domain").get_to(s.domain);
    from.at("workload").get_to(s.workload);
    from.at("mix").get_to(s.mix);
    from.at("rounds").get_to(s.rounds);
    from.at("seed").get_to(s.seed);
    return s;
  });
}

std::string FormatRound(const RoundRecord& r) {
  return Line({{"round", r.round},
               {"kind", r.fault.kind},
               {"point", r.fault.point},
               {"nth", r.fault.nth},
               {"class", r.fault.request_class},
               {"argument", r.fault.argument},
               {"injected", r.injected},
               {"activated", r.activated},
               {"manifested", r.manifested},
               {"recovered", r.recovered},
               {"detected_by", r.detected_by},
               {"reason", r.reason},
               {"detection_ms", Optional(r.detection_ms)},
               {"outage_ms", Optional(r.outage_ms)},
               {"in_flight", r.in_flight},
               {"errors", r.errors},
               {"longest_call_ms", r.longest_call_ms},
               {"iommu_faults", r.iommu_faults},
               {"leaks", r.leaks},
               {"wrong_data", r.wrong_data},
               {"other_domain_affected", r.other_domain_affected},
               {"primary_complaint", r.primary_complaint},
               {"violations", r.violations}});
}

Result<RoundRecord> ParseRound(std::string_view line) {
  return Parsed<RoundRecord>(line, [](const json& from) {
    RoundRecord r;
    from.at("round").get_to(r.round);
    from.at("kind").get_to(r.fault.kind);
    from.at("point").get_to(r.fault.point);
    from.at("nth").get_to(r.fault.nth);
    from.at("class").get_to(r.fault.request_class);
    from.at("argument").get_to(r.fault.argument);
    from.at("injected").get_to(r.injected);
    from.at("activated").get_to(r.activated);
    from.at("manifested").get_to(r.manifested);
    from.at("recovered").get_to(r.recovered);
    from.at("detected_by").get_to(r.detected_by);
    from.at("reason").get_to(r.reason);
    r.detection_ms = Optional(from.at("detection_ms"));
    r.outage_ms = Optional(from.at("outage_ms"));
    from.at("in_flight").get_to(r.in_flight);
    from.at("errors").get_to(r.errors);
    from.at("longest_call_ms").get_to(r.longest_call_ms);
    from.at("iommu_faults").get_to(r.iommu_faults);
    from.at("leaks").get_to(r.leaks);
    from.at("wrong_data").get_to(r.wrong_data);
    from.at("other_domain_affected").get_to(r.other_domain_affected);
    from.at("primary_complaint").get_to(r.primary_complaint);
    from.at("violations").get_to(r.violations);
    return r;
  });
}

}  // namespace vos
