// SPDX-License-Identifier: Apache-2.0
// report LINES DIRECTORY: from the lines that the benchmarks printed, the tables on standard output
// and in DIRECTORY results.json, targets.json and a plot, results.svg. Exit status 0 whether the
// targets are met or missed.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <format>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

struct Result {
  std::string bench, variant, unit;
  unsigned long n;
  double min, median, p90, p99, max;
  // Of a round, where they were counted: what counts.h prints.
  std::map<std::string, double> each;

  // The shim's own system calls are counted apart from the program's.
  std::optional<double> SystemCalls() const {
    const auto program = each.find("system-calls"), shim = each.find("shim-calls");
    if (program == each.end()) return std::nullopt;
    return program->second + (shim == each.end() ? 0 : shim->second);
  }
  std::optional<double> Each(const char* what) const {
    const auto found = each.find(what);
    return found == each.end() ? std::nullopt : std::optional(found->second);
  }
};

// `measured` / `reference` of the medians is at most (or at least) `bound`; or, of the outages, the
// first is at most `beyond` ns more than the second, if there is one.
struct Target {
  const char* text;
  const char *bench, *variant;
  const char *reference_bench, *reference_variant;
  bool at_most;
  double bound;
  double beyond = 0;
};
constexpr Target kTargets[] = {
    {"noop-user is at most 2 x floor", "noop-user", "shim", "floor", "trap", true, 2},
    {"ring-host is at most 1.5 x floor-host", "ring-host", "native", "floor-host", "native", true,
     1.5},
    {"tcp-pingpong-1 with the shim is at least 3 x faster than local", "tcp-pingpong-1", "local",
     "tcp-pingpong-1", "shim", false, 3},
    {"pread-cached-512 with the shim is at most a quarter of local", "pread-cached-512", "shim",
     "pread-cached-512", "local", true, 0.25},
    {"pread-cached-4096 with the shim is at most a quarter of local", "pread-cached-4096", "shim",
     "pread-cached-4096", "local", true, 0.25},
    {"append-fsync is at least as fast as through the driver domain", "append-fsync", "shim",
     "append-fsync", "driver-domain", true, 1},
    {"seq-read is at least as fast as through the driver domain", "seq-read", "shim", "seq-read",
     "driver-domain", true, 1},
    {"seq-write is at least as fast as through the driver domain", "seq-write", "shim", "seq-write",
     "driver-domain", true, 1},
    {"stat of a cached name is at most 1.2 x local", "stat", "shim", "stat", "local", true, 1.2},
    {"a network domain's end is detected within 10 ms", "detection-network", "event", nullptr,
     nullptr, true, 0, 10e6},
    {"a storage domain's end is detected within 10 ms", "detection-storage", "event", nullptr,
     nullptr, true, 0, 10e6},
    {"outage of the network with a standby at most 1.5 s", "outage-network", "standby", nullptr,
     nullptr, true, 0, 1.5e9},
    {"outage of storage with a standby at most 1.5 s", "outage-storage", "standby", nullptr,
     nullptr, true, 0, 1.5e9},
    {"outage of the network without at most 2 s more than its boot", "outage-network", "cold",
     "boot-network", "cold", true, 1, 2e9},
    {"outage of storage without at most 2 s more than its boot", "outage-storage", "cold",
     "boot-storage", "cold", true, 1, 2e9},
};

constexpr std::pair<const char*, const char*> kTrapTargets[] = {
    {"ready-1", "a ready 1-byte recv or send with the shim makes 0 traps, 0 events"},
    {"pread-cached-512", "a cached pread of 512 bytes with the shim makes 0 traps"},
    {"pread-cached-4096", "a cached pread of 4 KiB with the shim makes 0 traps"},
};

// Calls of the shim and their traps; see counts.h.
struct Traps {
  unsigned long calls, traps, events, late_calls, late_traps;
};

struct Lines {
  std::vector<Result> results;  // all variants of a benchmark in a row, as the first ones came
  std::map<std::string, Traps> traps;
};

Lines Read(const char* path) {
  std::ifstream file(path);
  Lines lines;
  std::map<std::pair<std::string, std::string>, std::map<std::string, double>> each;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Result one;
    words >> one.bench >> one.variant >> one.unit;
    if (one.unit == "ns") {
      if (!(words >> one.n >> one.min >> one.median >> one.p90 >> one.p99 >> one.max)) continue;
      const auto same = std::find_if(lines.results.rbegin(), lines.results.rend(),
                                     [&](const Result& other) { return other.bench == one.bench; });
      lines.results.insert(same == lines.results.rend() ? lines.results.end() : same.base(),
                           std::move(one));
    } else if (one.unit == "each") {
      std::string what;
      double value;
      if (words >> what >> value) each[{one.bench, one.variant}][what] = value;
    } else if (one.unit == "traps") {
      Traps traps;
      if (words >> traps.calls >> traps.traps >> traps.events >> traps.late_calls >>
          traps.late_traps)
        lines.traps[one.bench] = traps;
    }
  }
  for (Result& one : lines.results) one.each = each[{one.bench, one.variant}];
  return lines;
}

std::optional<double> Median(const std::vector<Result>& results, std::string_view bench,
                             std::string_view variant) {
  for (const Result& one : results)
    if (one.bench == bench && one.variant == variant) return one.median;
  return std::nullopt;
}

void WriteResults(const std::vector<Result>& results, const std::string& path) {
  std::ofstream file(path);
  const auto number = [](const std::optional<double>& value) {
    return value ? std::format("{:.3f}", *value) : std::string("null");
  };
  file << "[\n";
  for (const Result& one : results) {
    file << std::format(
        "  {{\"bench\": \"{}\", \"variant\": \"{}\", \"unit\": \"{}\", \"n\": {}, \"min\": {:.1f}, "
        "\"median\": {:.1f}, \"p90\": {:.1f}, \"p99\": {:.1f}, \"max\": {:.1f}, "
        "\"system_calls\": {}, \"interrupts\": {}, \"hypercalls\": {}}}{}\n",
        one.bench, one.variant, one.unit, one.n, one.min, one.median, one.p90, one.p99, one.max,
        number(one.SystemCalls()), number(one.Each("interrupts")), number(one.Each("hypercalls")),
        &one == &results.back() ? "" : ",");
  }
  file << "]\n";
}

// Calls in whose time no processor stood still make no system call and no event; most are of that
// kind.
void JudgeTraps(const std::map<std::string, Traps>& measured, std::ofstream& file) {
  for (const auto& [bench, text] : kTrapTargets) {
    const auto found = measured.find(bench);
    const Traps counts = found == measured.end() ? Traps{} : found->second;
    const bool met = counts.traps == 0 && counts.events == 0 && counts.calls > 0 &&
                     counts.calls >= counts.late_calls;
    std::cout << (met ? "met    " : "missed ") << text << ": "
              << (found == measured.end()
                      ? std::string("not measured\n")
                      : std::format("{} traps in {} calls, {} events; {} traps in {} calls beside "
                                    "which a processor stood still\n",
                                    counts.traps, counts.calls, counts.events, counts.late_traps,
                                    counts.late_calls));
    file << std::format(
        "  {{\"target\": \"{}\", \"bound\": 0, \"value\": {}, \"met\": {}}},\n", text,
        found == measured.end() ? "null" : std::to_string(counts.traps + counts.events), met);
  }
}

void JudgeTargets(const std::vector<Result>& results, const std::map<std::string, Traps>& traps,
                  const std::string& path) {
  std::ofstream file(path);
  file << "[\n";
  JudgeTraps(traps, file);
  for (const Target& target : kTargets) {
    const auto value = Median(results, target.bench, target.variant);
    const auto reference = target.reference_bench == nullptr
                               ? std::optional(0.0)
                               : Median(results, target.reference_bench, target.reference_variant);
    const bool absolute = target.beyond > 0;
    const bool measured = value && reference && (absolute || *reference > 0);
    // Of the outages: of what is allowed.
    const double against = !measured  ? 1
                           : absolute ? target.bound * *reference + target.beyond
                                      : *reference;
    const double ratio = measured ? *value / against : 0;
    const double bound = absolute ? 1 : target.bound;
    const bool met = measured && (target.at_most ? ratio <= bound : ratio >= bound);
    std::cout << (met ? "met    " : "missed ") << target.text << ": "
              << (!measured  ? std::string("not measured\n")
                  : absolute ? std::format("{:.1f} of {:.1f} ms\n", *value / 1e6, against / 1e6)
                             : std::format("{:.2f}\n", ratio));
    file << std::format("  {{\"target\": \"{}\", \"bound\": {}, \"value\": {}, \"met\": {}}}{}\n",
                        target.text, bound,
                        measured ? std::format("{:.3f}", ratio) : std::string("null"), met,
                        &target == std::end(kTargets) - 1 ? "" : ",");
  }
  file << "]\n";
}

const char* Colour(std::string_view variant) {
  if (variant == "shim") return "#2a7f3f";
  if (variant == "trap") return "#4a7ebb";
  if (variant == "driver-domain") return "#c77f2a";
  return "#999";
}

// Bars of the medians on a logarithmic axis, with marks at 90 and 99 per cent.
void Plot(const std::vector<Result>& results, const std::string& path) {
  constexpr double kLeft = 230, kWidth = 560, kRow = 22, kTop = 30;
  constexpr int kFirstDecade = 1, kLastDecade = 10;
  const auto x = [&](double ns) {
    const double decades = ns > 0 ? __builtin_log10(ns) : kFirstDecade;
    const double part = (decades - kFirstDecade) / (kLastDecade - kFirstDecade);
    return kLeft + kWidth * (part < 0 ? 0 : part > 1 ? 1 : part);
  };
  const double height = kTop + kRow * static_cast<double>(results.size()) + 30;
  std::ofstream file(path);
  file << std::format(
      "<svg xmlns=\"http:"
      // The name of a format, not a place to fetch from.
      "//www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kLeft + kWidth + 40, height);
  for (int decade = kFirstDecade; decade <= kLastDecade; decade++) {
    const double at = kLeft + kWidth * (decade - kFirstDecade) / (kLastDecade - kFirstDecade);
    file << std::format(
        "<line x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#ddd\"/>\n"
        "<text x=\"{0}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
        at, kTop - 5, height - 25, height - 10,
        decade < 3   ? std::format("{} ns", decade == 1 ? 10 : 100)
        : decade < 6 ? std::format("{} µs", decade == 3   ? 1
                                            : decade == 4 ? 10
                                                          : 100)
        : decade < 9 ? std::format("{} ms", decade == 6   ? 1
                                            : decade == 7 ? 10
                                                          : 100)
                     : std::format("{} s", decade == 9 ? 1 : 10));
  }
  double y = kTop;
  for (const Result& one : results) {
    file << std::format(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} {}</text>\n"
        "<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n",
        kLeft - 8, y + 14, one.bench, one.variant, kLeft, y + 3, x(one.median) - kLeft, kRow - 6,
        Colour(one.variant));
    for (double mark : {one.p90, one.p99})
      file << std::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#333\"/>\n", x(mark),
          y + 3, y + kRow - 3);
    y += kRow;
  }
  file << "</svg>\n";
}

}  // namespace

int main(int words, char** arguments) {
  if (words != 3) {
    std::cerr << "usage: report LINES DIRECTORY\n";
    return 2;
  }
  const Lines lines = Read(arguments[1]);
  const std::vector<Result>& results = lines.results;
  const std::string directory = arguments[2];
  if (results.empty()) {
    std::cerr << "no benchmark gave a result\n";
    return 1;
  }
  const auto count = [](const std::optional<double>& value) {
    return value ? std::format("{:.2f}", *value) : std::string("-");
  };
  constexpr std::string_view kRow =
      "{:<24} {:<13} {:>6} {:>11} {:>11} {:>11} {:>11} {:>11} {:>8} {:>8} {:>8}\n";
  std::cout << std::format(kRow, "ns; of each round:", "", "n", "min", "median", "p90", "p99",
                           "max", "calls", "events", "hyperc.");
  for (const Result& one : results)
    std::cout << std::format(kRow, one.bench, one.variant, one.n, std::format("{:.1f}", one.min),
                             std::format("{:.1f}", one.median), std::format("{:.1f}", one.p90),
                             std::format("{:.1f}", one.p99), std::format("{:.1f}", one.max),
                             count(one.SystemCalls()), count(one.Each("interrupts")),
                             count(one.Each("hypercalls")));
  std::cout << '\n';
  WriteResults(results, directory + "/results.json");
  JudgeTargets(results, lines.traps, directory + "/targets.json");
  Plot(results, directory + "/results.svg");
  return 0;
}
