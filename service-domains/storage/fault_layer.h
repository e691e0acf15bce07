// SPDX-License-Identifier: Apache-2.0
// A layer of the device mapper between the file system and the disk, that fails where it is told
// to. For the tests: only in kernels with CONFIG_VIRTUOS_FAULTS, and only if the kernel command line
// has virtuos.fault_layer=1.
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_FAULT_LAYER_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_FAULT_LAYER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "service-domains/storage/outcome.h"
#include "tools/common/file_descriptor.h"

namespace vos::storage {

// In sectors of 512 bytes.
struct Range {
  std::uint64_t first = 0;
  std::uint64_t count = 0;

  bool operator==(const Range&) const = default;
};

// One target of a device-mapper table.
struct Target {
  Range range;
  std::string type;
  std::string parameters;

  bool operator==(const Target&) const = default;
};

// The table over a disk of that many sectors, failing in the ranges and passing the rest on. Ranges
// may overlap and lie beyond the end.
std::vector<Target> FaultTable(const std::string& disk, std::uint64_t sectors,
                               std::vector<Range> ranges);

// Where the data of an open file is on its disk; what is not on the disk is put there first.
Outcome<std::vector<Range>> RangesOfFile(int file);

class FaultLayer {
 public:
  // Named `layer`, over the disk at this path. Nothing fails yet.
  static Outcome<FaultLayer> Create(const std::string& layer, const std::string& disk,
                                    std::uint64_t sectors);

  // The name of its block device: dm-N.
  const std::string& name() const { return name_; }

  // Fails there and nowhere else from now on; waits for what is under way.
  Outcome<void> Fail(const std::vector<Range>& ranges);
  // Answers nothing, until Fail() is called.
  Outcome<void> Hold();

 private:
  FaultLayer(FileDescriptor control, std::string layer, std::string disk, std::uint64_t sectors,
             std::string name)
      : control_(std::move(control)),
        layer_(std::move(layer)),
        disk_(std::move(disk)),
        sectors_(sectors),
        name_(std::move(name)) {}

  FileDescriptor control_;
  std::string layer_;
  std::string disk_;
  std::uint64_t sectors_;
  std::string name_;
};

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_FAULT_LAYER_H_
