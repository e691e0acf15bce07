// SPDX-License-Identifier: Apache-2.0
#include "tools/vm/diagnosis.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <format>
#include <fstream>
#include <iterator>
#include <vector>

#include "tools/vm/machine.h"

namespace vos::vm {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShownLines = 20;
constexpr std::uintmax_t kReadBytes = 4 * 1024 * 1024;

// A text in serial.log, what it means, and how many lines later the details stand. The first one
// found is told.
struct KnownCause {
  std::string_view text;
  std::string_view meaning;
  std::size_t details;
};
constexpr KnownCause kKnownCauses[] = {
    {"Kernel panic - not syncing", "the primary's kernel panicked", 0},
    {"Panic on CPU", "Xen panicked", 1},
    {"Domain 0 crashed", "the primary crashed", 0},
    {"I/O virtualisation disabled",
     "Xen runs without an IOMMU, so the service domains cannot get their devices", 0},
};

// How trouble in a service domain's kernel shows in the log of its console.
constexpr std::string_view kDomainTrouble[] = {"BUG:", "Oops:", "Kernel panic",
                                               "WARNING:", "general protection fault"};

// The log's lines from its last few MiB on, without carriage returns.
std::vector<std::string> ReadLines(const fs::path& log) {
  std::vector<std::string> lines;
  std::error_code error;
  const std::uintmax_t size = fs::file_size(log, error);
  if (error) return lines;
  std::ifstream file(log, std::ios::binary);
  if (size > kReadBytes) file.seekg(static_cast<std::streamoff>(size - kReadBytes));
  for (std::string line; std::getline(file, line);) {
    std::erase(line, '\r');
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

bool HasText(const fs::path& log) {
  std::error_code error;
  return fs::file_size(log, error) > 0 && !error;
}

std::string LastLines(const fs::path& log) {
  const std::vector<std::string> lines = ReadLines(log);
  if (lines.empty()) return "";
  std::string text = std::format("--- end of {}:\n", log.native());
  for (std::size_t i = lines.size() - std::min(lines.size(), kShownLines); i < lines.size(); ++i) {
    text += lines[i] + "\n";
  }
  return text;
}

std::string DescribeFailure(const fs::path& run, std::string_view what, LogsOf logs) {
  std::string text(what);
  const std::vector<std::string> serial = ReadLines(run / kSerialLog);
  for (const KnownCause& cause : kKnownCauses) {
    const auto line = std::ranges::find_if(
        serial, [&](const std::string& candidate) { return candidate.contains(cause.text); });
    if (serial.end() - line <= static_cast<std::ptrdiff_t>(cause.details)) continue;
    text +=
        std::format(" ({}: {})", cause.meaning, line[static_cast<std::ptrdiff_t>(cause.details)]);
    break;
  }
  text += "\n";
  if (logs == LogsOf::kDomains) {
    for (const std::string_view name : {"network", "storage"}) {
      const std::vector<std::string> domain = ReadLines(run / std::format("{}.log", name));
      const auto trouble = std::ranges::find_if(domain, [](const std::string& line) {
        return std::ranges::any_of(kDomainTrouble,
                                   [&](std::string_view sign) { return line.contains(sign); });
      });
      if (trouble != domain.end()) text += std::format("{} domain: {}\n", name, *trouble);
    }
    for (const std::string_view name : {"vosd.log", "mount.log", "network.log", "storage.log"}) {
      text += LastLines(run / name);
    }
  }
  return text + LastLines(run / kSerialLog);
}

}  // namespace vos::vm
