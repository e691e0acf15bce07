// SPDX-License-Identifier: Apache-2.0
// report LINES DIRECTORY: from the lines that the benchmarks printed, the tables on standard output
// and in DIRECTORY results.json, targets.json and a plot, results.svg. Exit status 0 whether the
// targets are met or missed.
#include <cstdio>
#include <fstream>
#include <format>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Result {
  std::string bench, variant, unit;
  unsigned long n;
  double min, median, p90, p99, max;
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
     "append-fsync", "driver", true, 1},
    {"seq-read is at least as fast as through the driver domain", "seq-read", "shim", "seq-read",
     "driver", true, 1},
    {"seq-write is at least as fast as through the driver domain", "seq-write", "shim", "seq-write",
     "driver", true, 1},
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

std::vector<Result> Read(const char* path) {
  std::ifstream file(path);
  std::vector<Result> results;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Result one;
    if (words >> one.bench >> one.variant >> one.unit >> one.n >> one.min >> one.median >>
            one.p90 >> one.p99 >> one.max &&
        one.unit == "ns")
      results.push_back(std::move(one));
  }
  return results;
}

// What ready-1 counted; see guest.cc.
struct Counts {
  unsigned long calls, traps, events, late_calls, late_traps;
};

std::optional<Counts> ReadCounts(const char* path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string bench, variant, unit;
    Counts counts;
    if (words >> bench >> variant >> unit >> counts.calls >> counts.traps >> counts.events >>
            counts.late_calls >> counts.late_traps &&
        bench == "ready-1" && unit == "count")
      return counts;
  }
  return std::nullopt;
}

std::optional<double> Median(const std::vector<Result>& results, std::string_view bench,
                             std::string_view variant) {
  for (const Result& one : results)
    if (one.bench == bench && one.variant == variant) return one.median;
  return std::nullopt;
}

void WriteResults(const std::vector<Result>& results, const std::string& path) {
  std::ofstream file(path);
  file << "[\n";
  for (const Result& one : results) {
    file << std::format(
        "  {{\"bench\": \"{}\", \"variant\": \"{}\", \"unit\": \"{}\", \"n\": {}, \"min\": {:.1f}, "
        "\"median\": {:.1f}, \"p90\": {:.1f}, \"p99\": {:.1f}, \"max\": {:.1f}}}{}\n",
        one.bench, one.variant, one.unit, one.n, one.min, one.median, one.p90, one.p99, one.max,
        &one == &results.back() ? "" : ",");
  }
  file << "]\n";
}

// Calls in whose time no processor stood still make no system call and no event; most are of that
// kind.
void JudgeCounts(const std::optional<Counts>& counts, std::ofstream& file) {
  constexpr char kText[] = "a ready 1-byte recv or send with the shim makes 0 traps, 0 events";
  const bool met =
      counts && counts->traps == 0 && counts->events == 0 && counts->calls >= counts->late_calls;
  std::cout << (met ? "met    " : "missed ") << kText << ": "
            << (counts ? std::format("{} traps in {} calls, {} events; {} traps in {} calls beside "
                                     "which a processor stood still\n",
                                     counts->traps, counts->calls, counts->events,
                                     counts->late_traps, counts->late_calls)
                       : std::string("not measured\n"));
  file << std::format("  {{\"target\": \"{}\", \"bound\": 0, \"value\": {}, \"met\": {}}},\n",
                      kText, counts ? std::to_string(counts->traps + counts->events) : "null", met);
}

void JudgeTargets(const std::vector<Result>& results, const std::optional<Counts>& counts,
                  const std::string& path) {
  std::ofstream file(path);
  file << "[\n";
  JudgeCounts(counts, file);
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

// Bars of the medians on a logarithmic axis, with marks at 90 and 99 per cent.
void Plot(const std::vector<Result>& results, const std::string& path) {
  constexpr double kLeft = 190, kWidth = 560, kRow = 22, kTop = 30;
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
        "<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"#4a7ebb\"/>\n",
        kLeft - 8, y + 14, one.bench, one.variant, kLeft, y + 3, x(one.median) - kLeft, kRow - 6);
    for (double mark : {one.p90, one.p99})
      file << std::format(
          "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#333\"/>\n", x(mark),
          y + 3, y + kRow - 3);
    y += kRow;
  }
  file << "</svg>\n";
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: report LINES DIRECTORY\n";
    return 2;
  }
  const std::vector<Result> results = Read(arguments[1]);
  const std::string directory = arguments[2];
  if (results.empty()) {
    std::cerr << "no benchmark gave a result\n";
    return 1;
  }
  std::cout << std::format("{:<24} {:<7} {:>8} {:>12} {:>12} {:>12} {:>12} {:>12}\n", "ns", "", "n",
                           "min", "median", "p90", "p99", "max");
  for (const Result& one : results)
    std::cout << std::format(
        "{:<24} {:<7} {:>8} {:>12.1f} {:>12.1f} {:>12.1f} {:>12.1f} {:>12.1f}\n", one.bench,
        one.variant, one.n, one.min, one.median, one.p90, one.p99, one.max);
  std::cout << '\n';
  WriteResults(results, directory + "/results.json");
  JudgeTargets(results, ReadCounts(arguments[1]), directory + "/targets.json");
  Plot(results, directory + "/results.svg");
  return 0;
}
