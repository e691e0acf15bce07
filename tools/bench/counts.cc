// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/counts.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cctype>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <string_view>

namespace vos::bench {
namespace {

constexpr std::string_view kHypercalls = "hypercalls";

// Rows of interrupts proper have a number; those with a name are processors' own affairs.
std::uint64_t Interrupts() {
  std::ifstream file("/proc/interrupts");
  std::uint64_t sum = 0;
  std::string line;
  std::getline(file, line);
  // One column a processor.
  std::istringstream head(line);
  std::size_t processors = 0;
  for (std::string word; head >> word;) processors++;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string number;
    if (!(words >> number) || !std::isdigit(static_cast<unsigned char>(number[0])) ||
        line.contains("timer"))
      continue;
    std::uint64_t count;
    for (std::size_t i = 0; i < processors && words >> count; i++) sum += count;
  }
  return sum;
}

std::uint64_t ReadyEvents() {
  std::ifstream stats("/sys/kernel/debug/virtuos/stats");
  std::uint64_t value, sum = 0;
  for (std::string name; stats >> name >> value;)
    if (name.ends_with(".events_ready")) sum += value;
  return sum;
}

xc_hypercall_buffer_t Unallocated() {
  xc_hypercall_buffer_t buffer = {};
  buffer.ubuf = reinterpret_cast<void*>(-1);
  return buffer;
}

}  // namespace

Counters::Counters()
    : descriptions_(Unallocated()),
      values_(Unallocated()),
      shim_(reinterpret_cast<decltype(shim_)>(dlsym(RTLD_DEFAULT, "vos_shim_counters"))) {
  if (access("/dev/xen/privcmd", F_OK) != 0) return;
  xen_.reset(xc_interface_open(nullptr, nullptr, 0));
  int counters, values;
  if (!xen_ || xc_perfc_query_number(xen_.get(), &counters, &values) != 0) return;
  if (xc__hypercall_buffer_alloc(xen_.get(), &descriptions_, counters * sizeof(xc_perfc_desc_t)) &&
      xc__hypercall_buffer_alloc(xen_.get(), &values_, values * sizeof(xc_perfc_val_t)))
    counters_ = counters;
}

Counters::~Counters() {
  for (xc_hypercall_buffer_t* buffer : {&descriptions_, &values_})
    if (buffer->hbuf) xc__hypercall_buffer_free(xen_.get(), buffer);
}

Reading Counters::Read() const {
  Reading now = {Interrupts(), ReadyEvents(), std::nullopt};
  // The library asks for these as it made them.
  auto descriptions = descriptions_, values = values_;
  if (counters_ == 0 || xc_perfc_query(xen_.get(), &descriptions, &values) != 0) return now;
  const auto* description = static_cast<const xc_perfc_desc_t*>(descriptions_.hbuf);
  const auto* value = static_cast<const xc_perfc_val_t*>(values_.hbuf);
  for (int i = 0; i < counters_; value += description[i++].nr_vals)
    if (description[i].name == kHypercalls)
      now.hypercalls = std::accumulate(value, value + description[i].nr_vals, std::uint32_t{0});
  return now;
}

std::optional<struct vos_shim_counters> Counters::Shim() const {
  if (!shim_) return std::nullopt;
  struct vos_shim_counters now;
  shim_(&now);
  return now;
}

std::uint64_t OwnCalls(const struct vos_shim_counters& shim) {
  return shim.kicks + shim.waits + shim.yields;
}

std::uint64_t LeftCalls(const struct vos_shim_counters& shim) {
  return shim.trap_no_session + shim.trap_suspended + shim.trap_arguments + shim.trap_size +
         shim.trap_fault + shim.trap_busy + shim.trap_no_lane + shim.trap_would_block +
         shim.trap_end + shim.trap_service + shim.trap_lost;
}

void PrintCost(const char* bench, const char* variant, const Reading& before, const Reading& after,
               std::size_t rounds) {
  const auto print = [&](const char* what, std::uint64_t count) {
    std::printf("%s %s each %s %.3f\n", bench, variant, what,
                static_cast<double>(count) / static_cast<double>(rounds));
  };
  print("interrupts", after.interrupts - before.interrupts);
  if (before.hypercalls && after.hypercalls)
    print("hypercalls", *after.hypercalls - *before.hypercalls);
  std::fflush(stdout);
}

}  // namespace vos::bench
