// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_report.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace vos {
namespace {

using nlohmann::json;

// Of the faults that could be noticed, so many are to be recovered from.
constexpr double kRecoveredTarget = 0.99;

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

bool RecoveryTargetMet(const FaultTotals& totals) {
  return static_cast<double>(totals.recovered) >=
         kRecoveredTarget * static_cast<double>(totals.manifested);
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

std::string TotalsTable(const std::string& title,
                        const std::map<std::string, FaultTotals>& groups) {
  std::string text = std::format(
      "<h2>{}</h2><table><tr><th><th>rounds<th>injected<th>activated<th>manifested<th>recovered"
      "<th>detection, ms<th>outage, ms<th>leaks<th>wrong data<th>violations</tr>\n",
      title);
  for (const auto& [name, t] : groups) {
    text +=
        std::format("<tr><th>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>\n",
                    Escape(name), t.rounds, t.injected, t.activated, t.manifested, t.recovered,
                    Short(Percentiles::Of(t.detection_ms)), Short(Percentiles::Of(t.outage_ms)),
                    t.leaks, t.wrong_data, t.violations);
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
          static_cast<double>(values[i]) / static_cast<double>(most) * (kWidth - kLeft - 20), 4,
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
  const double scale = (kWidth - kLeft - 20) / (kTo - kFrom);
  const int height = kRow * static_cast<int>(groups.size());
  std::string text =
      std::format("<svg width=\"{}\" height=\"{}\" role=\"img\">", kWidth, height + kRow);
  for (int power = static_cast<int>(kFrom); power <= static_cast<int>(kTo); ++power) {
    const double x = kLeft + (power - kFrom) * scale;
    text += std::format(
        "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\" stroke=\"#ccc\"/>"
        "<text x=\"{0:.1f}\" y=\"{2}\" text-anchor=\"middle\">{3:g} ms</text>",
        x, height, height + 15, std::pow(10, power));
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

void FaultTotals::Add(const RoundRecord& round) {
  ++rounds;
  injected += round.injected;
  activated += round.activated;
  manifested += round.manifested;
  recovered += round.manifested && round.recovered;
  leaks += !round.leaks.empty();
  wrong_data += !round.wrong_data.empty();
  other_domain_affected += round.other_domain_affected;
  primary_affected += !round.primary_complaint.empty();
  violations += !round.violations.empty();
  if (!round.detected_by.empty()) ++detected_by[round.detected_by];
  for (const auto& [how, count] : round.in_flight) in_flight[how] += count;
  if (round.detection_ms) detection_ms.push_back(*round.detection_ms);
  if (round.outage_ms) outage_ms.push_back(*round.outage_ms);
}

FaultReport MakeFaultReport(const std::vector<CampaignRounds>& campaigns) {
  FaultReport report;
  for (const CampaignRounds& campaign : campaigns) {
    const std::string& domain = campaign.settings.domain;
    for (const RoundRecord& round : campaign.rounds) {
      report.all.Add(round);
      report.by_domain[domain].Add(round);
      report.by_kind[round.fault.kind].Add(round);
      report.by_point[round.fault.point].Add(round);
      for (const std::string& violation : round.violations) {
        report.exceptions.push_back(
            std::format("{}, seed {}, round {}, {} at {} ({} {}): {}", domain,
                        campaign.settings.seed, round.round + 1, round.fault.kind,
                        round.fault.point, round.fault.request_class, round.fault.nth, violation));
      }
    }
  }
  return report;
}

std::string FaultReportText(const FaultReport& report) {
  const FaultTotals& t = report.all;
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
  text += std::format("target: {:.0f} % of what manifested recovered: {}\n", 100 * kRecoveredTarget,
                      RecoveryTargetMet(t) ? "met" : "missed");
  for (const std::string& exception : report.exceptions) text += exception + "\n";
  return text;
}

std::string FaultReportJson(const FaultReport& report) {
  const json document = {{"all", ToJson(report.all)},
                         {"by_domain", ToJson(report.by_domain)},
                         {"by_kind", ToJson(report.by_kind)},
                         {"by_point", ToJson(report.by_point)},
                         {"recovered_target_met", RecoveryTargetMet(report.all)},
                         {"exceptions", report.exceptions}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string FaultReportHtml(const FaultReport& report) {
  std::string page =
      "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Faults of service domains"
      "</title>\n<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
      "td,th{border:1px solid #ccc;padding:2px 8px;text-align:right}th:first-child{text-align:left}"
      "svg text{font-size:12px}</style>\n<h1>Faults of service domains</h1>\n<pre>" +
      Escape(FaultReportText(report)) + "</pre>\n";
  page += "<p>Times are median / p90 / p99 / max.</p>\n";
  page += TotalsTable("By domain", report.by_domain);
  page += TotalsTable("By fault", report.by_kind) + FunnelPlot(report.by_kind);
  page += TotalsTable("By point", report.by_point) + FunnelPlot(report.by_point);
  page +=
      "<h2>Time until noticed, by fault</h2>" + DotPlot(report.by_kind, &FaultTotals::detection_ms);
  page += "<h2>Outage, by fault</h2>" + DotPlot(report.by_kind, &FaultTotals::outage_ms);
  page += "<h2>Outage, by point</h2>" + DotPlot(report.by_point, &FaultTotals::outage_ms);
  page += CountsTable("Noticed by", report.all.detected_by);
  page += CountsTable("How calls ended that were under way", report.all.in_flight);
  return page + "</html>\n";
}

}  // namespace vos
