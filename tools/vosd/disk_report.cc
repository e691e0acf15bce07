// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/disk_report.h"

#include "tools/common/text.h"

namespace vos {
namespace {

constexpr std::string_view kUnprepared = "unprepared";
constexpr std::string_view kForeign = "foreign";
constexpr std::string_view kChecking = "checking";
constexpr std::string_view kCorrupt = "corrupt";
constexpr std::string_view kServing = "serving";
constexpr std::string_view kReadOnly = "read-only";

}  // namespace

DiskReport MakeDiskReport(std::string_view state, std::string_view detail) {
  return {Printable(Trim(state), kMaxDiskState), Printable(Trim(detail), kMaxDiskDetail)};
}

std::string Describe(const DiskReport& report) {
  return report.detail.empty() ? report.state : report.state + ": " + report.detail;
}

bool IsSettled(const DiskReport& report) {
  return !report.state.empty() && report.state != kNoDisk && report.state != kChecking;
}

bool IsServed(const DiskReport& report) {
  return report.state == kServing || report.state == kReadOnly;
}

std::string RefusalToPrepare(const DiskReport& report) {
  const std::string detail = report.detail.empty() ? "" : " (" + report.detail + ")";
  if (report.state == kUnprepared) return {};
  if (IsServed(report)) return "its disk is prepared already and being served";
  if (report.state == kChecking) return "its disk is being made ready" + detail;
  if (report.state == kCorrupt) {
    return "its disk is prepared already, but the file system is damaged" + detail;
  }
  if (report.state == kForeign) return "its disk holds something else and is left alone" + detail;
  if (report.state == kNoDisk || report.state.empty()) return "it has not found its disk yet";
  return "its disk cannot be used: " + Describe(report);
}

}  // namespace vos
