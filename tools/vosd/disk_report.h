// SPDX-License-Identifier: Apache-2.0
// What a storage domain tells of its disk, in data/storage/{state,detail} of its part of xenstore,
// and what follows from it. The domain is not trusted: its words are shown, and decide over nothing
// but its own disk.
//
//   no-disk      there is none; passing, unless it was given none
//   unprepared   the disk is empty; `vos prepare` makes a file system on it
//   foreign      the disk holds something that is not VirtuOS's, and is left alone
//   checking     passing: the file system is being made or checked
//   corrupt      the file system on it cannot be repaired without losing something
//   serving      programs in the primary may mount it
//   read-only    so they may, but it cannot be written to
#ifndef VIRTUOS_TOOLS_VOSD_DISK_REPORT_H_
#define VIRTUOS_TOOLS_VOSD_DISK_REPORT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace vos {

inline constexpr std::size_t kMaxDiskState = 32;    // characters
inline constexpr std::size_t kMaxDiskDetail = 200;  // characters

inline constexpr std::string_view kNoDisk = "no-disk";

struct DiskReport {
  std::string state;   // empty: nothing was told yet
  std::string detail;  // one line; may be empty

  bool operator==(const DiskReport&) const = default;
};

// What the domain wrote, bounded and fit to print.
DiskReport MakeDiskReport(std::string_view state, std::string_view detail);

// "STATE: DETAIL", or STATE alone.
std::string Describe(const DiskReport& report);

// Of a domain that was given a disk: nothing more is to be expected before something happens to
// the disk or the domain.
bool IsSettled(const DiskReport& report);

bool IsServed(const DiskReport& report);

// Why the disk of a domain that was given one cannot be prepared; empty: it can.
std::string RefusalToPrepare(const DiskReport& report);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_DISK_REPORT_H_
