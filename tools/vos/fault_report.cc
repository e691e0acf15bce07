// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "tools/vos/fault_campaign.h"
#include "tools/vos/fault_model.h"

namespace vos {
namespace {

using nlohmann::json;

// Of the faults that could be noticed, so many are to be recovered from.
constexpr double kRecoveredTarget = 0.99;
// Medians: until a crash or a destruction is noticed, and how long nothing is answered, with a standby
// and, beyond the time that a domain takes to boot, without.
constexpr double kCrashNoticedMs = 10;
constexpr double kStandbyOutageMs = 1500;
constexpr double kOutageBeyondBootMs = 2000;
// The faults that end a domain at once, while it serves.
constexpr std::array<std::string_view, 3> kCrashes = {"destroy", "panic", "oops"};

json ToJson(const Percentiles& p) {
  return {{"n", p.count}, {"min", p.min}, {"median", p.median},
          {"p90", p.p90}, {"p99", p.p99}, {"max", p.max}};
}

json ToJson(const FaultTotals& t) {
  return {{"rounds", t.rounds},
          {"injected", t.injected},
          {"activated", t.activated},
          {"manifested", t.manifested},
          {"recovered", t.recovered},
          {"leaks", t.leaks},
          {"wrong_data", t.wrong_data},
          {"other_domain_affected", t.other_domain_affected},
          {"primary_affected", t.primary_affected},
          {"late_calls", t.late_calls},
          {"longest_call_ms", t.longest_call_ms},
          {"violations", t.violations},
          {"detected_by", t.detected_by},
          {"in_flight", t.in_flight},
          {"detection_ms", ToJson(Percentiles::Of(t.detection_ms))},
          {"outage_ms", ToJson(Percentiles::Of(t.outage_ms))}};
}

json ToJson(const std::map<std::string, FaultTotals>& groups) {
  json all = json::object();
  for (const auto& [name, totals] : groups) all[name] = ToJson(totals);
  return all;
}

// By domain, fault and point: how often, and how often something was wrong.
json PairCounts(const FaultReport& report) {
  json counts = json::object();
  for (const auto& [domain, kinds] : report.by_pair) {
    for (const auto& [kind, points] : kinds) {
      for (const auto& [point, t] : points) {
        counts[domain][kind][point] = {{"rounds", t.rounds}, {"violations", t.violations}};
      }
    }
  }
  return counts;
}

json ToJson(const FaultTarget& target) {
  return {{"what", target.what}, {"measured", target.measured}, {"met", target.met}};
}

// What targets are measured on.
struct Crashes {
  std::vector<double> noticed_ms;
  std::vector<double> standby_outage_ms;
  std::vector<double> outage_ms;  // without a standby
  std::vector<double> boot_ms;    // the same rounds

  void Add(const RoundRecord& round) {
    const FaultPoint* point = FindFaultPoint(round.fault.point);
    if (std::ranges::find(kCrashes, round.fault.kind) == kCrashes.end()) return;
    if (point == nullptr || point->next) return;
    if (round.detection_ms) noticed_ms.push_back(*round.detection_ms);
    if (round.outage_ms && !round.boot_ms) standby_outage_ms.push_back(*round.outage_ms);
    if (!round.outage_ms || !round.boot_ms) return;
    outage_ms.push_back(*round.outage_ms);
    boot_ms.push_back(*round.boot_ms);
  }
};

std::vector<FaultTarget> Targets(const FaultTotals& all,
                                 const std::map<std::string, Crashes>& crashes) {
  std::vector<FaultTarget> targets;
  const auto none = [&](std::string what, std::size_t rounds) {
    targets.push_back({std::move(what), std::format("{} rounds", rounds), rounds == 0});
  };
  const auto median = [&](std::string what, const std::vector<double>& values, double limit) {
    const Percentiles p = Percentiles::Of(values);
    if (p.count == 0) return;
    targets.push_back(
        {std::move(what), std::format("{:.1f} ms, n {}", p.median, p.count), p.median <= limit});
  };
  none("the primary is not affected", all.primary_affected);
  none("the other domain is not affected", all.other_domain_affected);
  const double share = all.manifested == 0 ? 1
                                           : static_cast<double>(all.recovered) /
                                                 static_cast<double>(all.manifested);
  targets.push_back(
      {std::format("at least {:.0f} % of what manifested is recovered", 100 * kRecoveredTarget),
       std::format("{:.2f} %, {} of {}", 100 * share, all.recovered, all.manifested),
       share >= kRecoveredTarget});
  none("no call lasts beyond its bound", all.late_calls);
  none("all data is right: nothing acknowledged is lost, nothing is done twice", all.wrong_data);
  none("nothing is left behind", all.leaks);
  for (const auto& [domain, c] : crashes) {
    median(std::format("{}: a crash is noticed within {:.0f} ms, median", domain, kCrashNoticedMs),
           c.noticed_ms, kCrashNoticedMs);
    median(std::format("{}: outage of a crash with a standby up to {:.0f} ms, median", domain,
                       kStandbyOutageMs),
           c.standby_outage_ms, kStandbyOutageMs);
    const double boot = Percentiles::Of(c.boot_ms).median;
    median(
        std::format("{}: outage of a crash at most {:.0f} ms beyond the {:.0f} of a boot, median",
                    domain, kOutageBeyondBootMs, boot),
        c.outage_ms, boot + kOutageBeyondBootMs);
  }
  return targets;
}

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string Short(const Percentiles& p) {
  if (p.count == 0) return "-";
  return std::format("{:.0f} / {:.0f} / {:.0f} / {:.0f}", p.median, p.p90, p.p99, p.max);
}

std::string Summary(const FaultTotals& t) {
  std::string text = std::format(
      "{} rounds: {} injected, {} activated, {} manifested, {} recovered\n"
      "leaks in {}, wrong data in {}, other domain affected in {}, primary affected in {}\n",
      t.rounds, t.injected, t.activated, t.manifested, t.recovered, t.leaks, t.wrong_data,
      t.other_domain_affected, t.primary_affected);
  const auto line = [&](const char* what, const std::vector<double>& values) {
    const Percentiles p = Percentiles::Of(values);
    if (p.count == 0) return;
    text += std::format("{}: median {:.1f} ms, p90 {:.0f}, p99 {:.0f}, max {:.0f}, n {}\n", what,
                        p.median, p.p90, p.p99, p.max, p.count);
  };
  line("detection", t.detection_ms);
  line("outage", t.outage_ms);
  for (const auto& [who, count] : t.detected_by)
    text += std::format("noticed by {}: {}\n", who, count);
  return text;
}

std::string TotalsTable(const std::string& title,
                        const std::map<std::string, FaultTotals>& groups) {
  std::string text = std::format(
      "<h2>{}</h2><table><tr><th><th>rounds<th>injected<th>activated<th>manifested<th>recovered"
      "<th>detection, ms<th>outage, ms<th>longest call, ms<th>leaks<th>wrong data<th>violations"
      "</tr>\n",
      title);
  for (const auto& [name, t] : groups) {
    text += std::format(
        "<tr><th>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{:.0f}<td>{}<td>{}"
        "<td>{}</tr>\n",
        Escape(name), t.rounds, t.injected, t.activated, t.manifested, t.recovered,
        Short(Percentiles::Of(t.detection_ms)), Short(Percentiles::Of(t.outage_ms)),
        t.longest_call_ms, t.leaks, t.wrong_data, t.violations);
  }
  return text + "</table>\n";
}

// For each fault and each point how often it was injected there; in red where something was wrong.
std::string PairTable(const std::string& domain,
                      const std::map<std::string, std::map<std::string, FaultTotals>>& kinds) {
  std::string text = "<h2>Pairs of the " + Escape(domain) + " domain</h2><table><tr><th>";
  for (const FaultPoint& point : FaultPoints()) text += std::format("<th>{}", point.name);
  text += "</tr>\n";
  for (const FaultKind& kind : FaultKinds()) {
    text += std::format("<tr><th>{}", kind.name);
    for (const FaultPoint& point : FaultPoints()) {
      const std::string_view why = WhyNot(domain, kind, point);
      const auto row = kinds.find(std::string(kind.name));
      const FaultTotals* totals = nullptr;
      if (row != kinds.end()) {
        const auto found = row->second.find(std::string(point.name));
        if (found != row->second.end()) totals = &found->second;
      }
      if (!why.empty()) {
        text += std::format("<td title=\"{}\">&ndash;", Escape(why));
      } else if (totals == nullptr) {
        text += "<td>0";
      } else {
        text += std::format("<td class=\"{}\">{}", totals->violations == 0 ? "good" : "bad",
                            totals->rounds);
      }
    }
    text += "</tr>\n";
  }
  return text + "</table>\n";
}

std::string TargetsTable(const std::vector<FaultTarget>& targets) {
  std::string text = "<h2>Targets</h2><table class=\"text\">\n";
  for (const FaultTarget& target : targets) {
    text += std::format("<tr><td>{}<td>{}<td class=\"{}\">{}</tr>\n", Escape(target.what),
                        Escape(target.measured), target.met ? "good" : "bad",
                        target.met ? "met" : "missed");
  }
  return text + "</table>\n";
}

std::string ExceptionsList(const std::vector<std::string>& exceptions) {
  std::string text = "<h2>What was not as it should be</h2><ul>\n";
  for (const std::string& exception : exceptions) text += "<li>" + Escape(exception) + "</li>\n";
  if (exceptions.empty()) text += "<li>nothing</li>\n";
  return text + "</ul>\n";
}

std::string CampaignsTable(const FaultReport& report) {
  std::string text =
      "<h2>Campaigns</h2><table class=\"text\"><tr><th>domain<th>workload<th>faults<th>seed"
      "<th>rounds</tr>\n";
  for (std::size_t i = 0; i < report.campaigns.size(); ++i) {
    const CampaignSettings& s = report.campaigns[i];
    text += std::format("<tr><td>{}<td>{}<td>{}<td>{}<td>{} of {}</tr>\n", Escape(s.domain),
                        Escape(s.workload), Escape(s.mix), s.seed, report.rounds_of[i],
                        PlanFaults(s).size());
  }
  return text + "</table>\n";
}

std::string CountsTable(const std::string& title,
                        const std::map<std::string, std::size_t>& counts) {
  std::string text = "<h2>" + title + "</h2><table>\n";
  for (const auto& [name, count] : counts) {
    text += std::format("<tr><th>{}<td>{}</tr>\n", Escape(name), count);
  }
  return text + "</table>\n";
}

constexpr int kWidth = 900;
constexpr int kLeft = 140;
constexpr int kRight = 60;
constexpr int kRow = 22;

// For each group a row with a bar of what was injected, shorter ones of what followed in it.
std::string FunnelPlot(const std::map<std::string, FaultTotals>& groups) {
  constexpr std::pair<const char*, const char*> kStages[] = {
      {"injected", "#ddd"}, {"activated", "#fb6"}, {"manifested", "#c33"}, {"recovered", "#393"}};
  std::size_t most = 1;
  for (const auto& [name, totals] : groups) most = std::max(most, totals.injected);
  std::string text = std::format("<svg width=\"{}\" height=\"{}\" role=\"img\">", kWidth,
                                 kRow * (groups.size() + 2));
  int y = 0;
  for (const auto& [name, t] : groups) {
    text += std::format("<text x=\"0\" y=\"{}\">{}</text>", y + 15, Escape(name));
    const std::size_t values[] = {t.injected, t.activated, t.manifested, t.recovered};
    for (std::size_t i = 0; i < std::size(values); ++i) {
      text += std::format(
          "<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>", kLeft,
          y + 2 + 4 * static_cast<int>(i),
          static_cast<double>(values[i]) / static_cast<double>(most) * (kWidth - kLeft - kRight), 4,
          kStages[i].second);
    }
    y += kRow;
  }
  int x = kLeft;
  for (const auto& [name, colour] : kStages) {
    text += std::format(
        "<rect x=\"{0}\" y=\"{1}\" width=\"12\" height=\"12\" fill=\"{2}\"/>"
        "<text x=\"{3}\" y=\"{4}\">{5}</text>",
        x, y + 6, colour, x + 16, y + 16, name);
    x += 120;
  }
  return text + "</svg>\n";
}

// For each group a row with a point for each value, on a logarithmic axis.
std::string DotPlot(const std::map<std::string, FaultTotals>& groups,
                    std::vector<double> FaultTotals::* values) {
  constexpr double kFrom = -1;  // 0.1 ms
  constexpr double kTo = 5;     // 100 s
  const double scale = (kWidth - kLeft - kRight) / (kTo - kFrom);
  const int height = kRow * static_cast<int>(groups.size());
  std::string text =
      std::format("<svg width=\"{}\" height=\"{}\" role=\"img\">", kWidth, height + kRow);
  for (int power = static_cast<int>(kFrom); power <= static_cast<int>(kTo); ++power) {
    const double x = kLeft + (power - kFrom) * scale;
    text += std::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\" stroke=\"#ccc\"/>"
        "<text x=\"{0:.1f}\" y=\"{2}\" text-anchor=\"middle\">{3}</text>",
        x, height, height + 15,
        power < 3 ? std::format("{:g} ms", std::pow(10, power))
                  : std::format("{:g} s", std::pow(10, power - 3)));
  }
  int y = 0;
  for (const auto& [name, totals] : groups) {
    text += std::format("<text x=\"0\" y=\"{}\">{}</text>", y + 15, Escape(name));
    for (const double value : totals.*values) {
      const double power = std::clamp(std::log10(std::max(value, 1e-3)), kFrom, kTo);
      text += std::format(
          "<circle cx=\"{:.1f}\" cy=\"{}\" r=\"4\" fill=\"#36c\" fill-opacity=\"0.4\"/>",
          kLeft + (power - kFrom) * scale, y + kRow / 2);
    }
    y += kRow;
  }
  return text + "</svg>\n";
}

}  // namespace

Percentiles Percentiles::Of(std::vector<double> values) {
  Percentiles p;
  if (values.empty()) return p;
  std::ranges::sort(values);
  const auto at = [&](double share) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    return values[std::clamp(rank, std::size_t{1}, values.size()) - 1];
  };
  p.count = values.size();
  p.min = values.front();
  p.median = at(0.5);
  p.p90 = at(0.9);
  p.p99 = at(0.99);
  p.max = values.back();
  return p;
}

void FaultTotals::Add(const RoundRecord& round, std::string_view domain) {
  ++rounds;
  injected += round.injected;
  activated += round.activated;
  manifested += round.manifested;
  recovered += round.manifested && round.recovered;
  leaks += !round.leaks.empty();
  wrong_data += !round.wrong_data.empty();
  other_domain_affected += round.other_domain_affected;
  primary_affected += !round.primary_complaint.empty();
  late_calls += round.longest_call_ms > static_cast<double>(CallBound(domain).count());
  longest_call_ms = std::max(longest_call_ms, round.longest_call_ms);
  violations += !round.violations.empty();
  if (!round.detected_by.empty()) ++detected_by[round.detected_by];
  for (const auto& [how, count] : round.in_flight) in_flight[how] += count;
  if (round.detection_ms) detection_ms.push_back(*round.detection_ms);
  if (round.outage_ms) outage_ms.push_back(*round.outage_ms);
}

FaultReport MakeFaultReport(const std::vector<CampaignRounds>& campaigns) {
  FaultReport report;
  std::map<std::string, Crashes> crashes;
  for (const CampaignRounds& campaign : campaigns) {
    const std::string& domain = campaign.settings.domain;
    report.campaigns.push_back(campaign.settings);
    report.rounds_of.push_back(campaign.rounds.size());
    for (const RoundRecord& round : campaign.rounds) {
      const PlannedFault& fault = round.fault;
      for (FaultTotals* totals :
           {&report.all, &report.by_domain[domain], &report.by_kind[fault.kind],
            &report.by_point[fault.point], &report.by_pair[domain][fault.kind][fault.point]}) {
        totals->Add(round, domain);
      }
      crashes[domain].Add(round);
      for (const std::string& violation : round.violations) {
        report.exceptions.push_back(
            std::format("{}, {}, seed {}, round {}, {} at {} ({} {}): {}", domain,
                        campaign.settings.mix, campaign.settings.seed, round.round + 1, fault.kind,
                        fault.point, fault.request_class, fault.nth, violation));
      }
    }
  }
  report.targets = Targets(report.all, crashes);
  return report;
}

std::string FaultReportText(const FaultReport& report) {
  std::string text = Summary(report.all);
  for (const FaultTarget& target : report.targets) {
    text += std::format("target {}: {}: {}\n", target.met ? "met" : "missed", target.what,
                        target.measured);
  }
  for (const std::string& exception : report.exceptions) text += exception + "\n";
  return text;
}

std::string FaultReportJson(const FaultReport& report) {
  json campaigns = json::array();
  for (std::size_t i = 0; i < report.campaigns.size(); ++i) {
    const CampaignSettings& s = report.campaigns[i];
    campaigns.push_back({{"domain", s.domain},
                         {"workload", s.workload},
                         {"mix", s.mix},
                         {"seed", s.seed},
                         {"rounds", report.rounds_of[i]}});
  }
  json targets = json::array();
  for (const FaultTarget& target : report.targets) targets.push_back(ToJson(target));
  const json document = {
      {"all", ToJson(report.all)},         {"by_domain", ToJson(report.by_domain)},
      {"by_kind", ToJson(report.by_kind)}, {"by_point", ToJson(report.by_point)},
      {"by_pair", PairCounts(report)},     {"campaigns", std::move(campaigns)},
      {"targets", std::move(targets)},     {"exceptions", report.exceptions}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string FaultReportHtml(const FaultReport& report) {
  std::string page =
      "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Faults of service domains"
      "</title>\n<style>body{font:13px sans-serif;margin:2em}table{border-collapse:collapse}"
      "td,th{border:1px solid #ccc;padding:2px 6px;text-align:right}"
      "td,th:first-child{white-space:nowrap}th:first-child{text-align:left}"
      ".text td,.text th{text-align:left}.good{background:#dfd}.bad{background:#fcc}"
      "pre{white-space:pre-wrap}svg{display:block;margin:1em 0}svg text{font-size:12px}</style>\n"
      "<h1>Faults of service domains</h1>\n<pre>" +
      Escape(Summary(report.all)) + "</pre>\n";
  page += TargetsTable(report.targets) + ExceptionsList(report.exceptions) + CampaignsTable(report);
  page += "<p>Times are median / p90 / p99 / max.</p>\n";
  page += TotalsTable("By domain", report.by_domain);
  page += TotalsTable("By fault", report.by_kind) + FunnelPlot(report.by_kind);
  page += TotalsTable("By point", report.by_point) + FunnelPlot(report.by_point);
  for (const auto& [domain, kinds] : report.by_pair) page += PairTable(domain, kinds);
  page +=
      "<h2>Time until noticed, by fault</h2>" + DotPlot(report.by_kind, &FaultTotals::detection_ms);
  page += "<h2>Outage, by fault</h2>" + DotPlot(report.by_kind, &FaultTotals::outage_ms);
  page += "<h2>Outage, by point</h2>" + DotPlot(report.by_point, &FaultTotals::outage_ms);
  page += CountsTable("Noticed by", report.all.detected_by);
  page += CountsTable("How calls ended that were under way", report.all.in_flight);
  return page + "</html>\n";
}

}  // namespace vos
