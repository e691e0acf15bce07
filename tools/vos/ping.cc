// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/ping.h"

#include <algorithm>
#include <cstddef>
#include <format>
#include <numeric>

#include "tools/common/control_device.h"
#include "tools/common/kernel_state.h"

namespace vos {

std::string PingSummary(const std::string& domain, std::vector<std::uint64_t> times) {
  std::ranges::sort(times);
  const auto at = [&](std::size_t percent) { return times[(times.size() - 1) * percent / 100]; };
  const std::uint64_t total = std::accumulate(times.begin(), times.end(), std::uint64_t{0});
  return std::format("{}: {} no-ops, ns: min {}, mean {}, median {}, p90 {}, p99 {}, max {}\n",
                     domain, times.size(), times.front(), total / times.size(), at(50), at(90),
                     at(99), times.back());
}

Result<std::string> Ping(const PingCommand& ping) {
  auto device = ControlDevice::Open();
  if (!device) return std::unexpected(device.error());
  std::vector<std::uint64_t> times;
  times.reserve(ping.count);
  // One at a time: the kernel gives no more than the extremes of many.
  for (std::uint32_t i = 0; i < ping.count; ++i) {
    const auto noop = device->Noop(ping.kind, 1);
    if (!noop) return std::unexpected(noop.error());
    times.push_back(noop->total_ns);
  }
  return PingSummary(DomainKindName(ping.kind), std::move(times));
}

}  // namespace vos
