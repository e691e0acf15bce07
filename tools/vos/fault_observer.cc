// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_observer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <format>
#include <iterator>
#include <string_view>
#include <utility>

#include "tools/common/text.h"
#include "tools/common/text_file.h"

namespace vos {
namespace {

constexpr char kConsoles[] = "/var/log/xen/console";
constexpr char kMessages[] = "/dev/kmsg";
// AMD-Vi and VT-d.
constexpr std::string_view kIommuFaults[] = {"IO_PAGE_FAULT", "DMAR:[DMA"};
constexpr std::string_view kTrouble[] = {"BUG", "WARNING:", "Oops", "Call Trace", "stall"};
// Longer lines are nothing that is waited for.
constexpr std::size_t kMaxLine = 4096;

// Takes the complete lines off `text`; what remains stays in it.
std::vector<std::string> TakeLines(std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t end; (end = text.find('\n')) != text.npos; text.erase(0, end + 1)) {
    lines.push_back(text.substr(0, end));
  }
  if (text.size() > kMaxLine) text.clear();
  return lines;
}

}  // namespace

ConsoleTail::ConsoleTail(const std::string& domain) : prefix_("guest-" + domain) { NewLines(); }

std::vector<std::string> ConsoleTail::NewLines() {
  std::vector<std::string> lines;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kConsoles, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(prefix_)) continue;
    const FileDescriptor file(open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    Console& console = consoles_[name];
    char buffer[16384];
    ssize_t size;
    while (file && (size = pread(file.get(), buffer, sizeof(buffer),
                                 static_cast<off_t>(console.position))) > 0) {
      console.rest.append(buffer, static_cast<std::size_t>(size));
      console.position += static_cast<std::uint64_t>(size);
    }
    std::ranges::move(TakeLines(console.rest), std::back_inserter(lines));
  }
  return lines;
}

Result<HypervisorLog> HypervisorLog::Open() {
  xc_interface* xen = xc_interface_open(nullptr, nullptr, 0);
  if (xen == nullptr) return FailErrno("cannot reach the hypervisor");
  HypervisorLog log(xen);
  log.NewIommuFaults();
  return log;
}

std::uint32_t HypervisorLog::NewIommuFaults() {
  std::uint32_t faults = 0;
  while (true) {
    char buffer[16384];
    unsigned int size = sizeof(buffer);
    if (xc_readconsolering(xen_.get(), buffer, &size, 0, 1, &index_) != 0 || size == 0) break;
    rest_.append(buffer, size);
    for (const std::string& line : TakeLines(rest_)) {
      for (const std::string_view fault : kIommuFaults) faults += line.contains(fault);
    }
  }
  return faults;
}

Result<PrimaryLog> PrimaryLog::Open() {
  FileDescriptor log(open(kMessages, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!log || lseek(log.get(), 0, SEEK_END) < 0) return FailErrno(kMessages);
  return PrimaryLog(std::move(log));
}

std::string PrimaryLog::Trouble() {
  std::string trouble;
  char record[8192];
  ssize_t size;
  while ((size = read(log_.get(), record, sizeof(record))) > 0 || (size < 0 && errno == EPIPE)) {
    if (size < 0) continue;  // some were overwritten before they were read
    const std::string_view text(record, static_cast<std::size_t>(size));
    const std::string_view line = text.substr(0, text.find('\n'));
    for (const std::string_view word : kTrouble) {
      if (trouble.empty() && line.contains(word)) trouble = Printable(line, 200);
    }
  }
  return trouble;
}

std::vector<std::string> Differences(const HeldResources& before, const HeldResources& after) {
  const struct {
    const char* name;
    std::uint64_t HeldResources::* value;
  } all[] = {{"pages", &HeldResources::pages},
             {"grants", &HeldResources::grants},
             {"event channels", &HeldResources::channels},
             {"xenstore nodes", &HeldResources::nodes},
             {"domains", &HeldResources::domains}};
  std::vector<std::string> differences;
  for (const auto& one : all) {
    const std::uint64_t was = before.*one.value;
    const std::uint64_t is = after.*one.value;
    if (was == is) continue;
    differences.push_back(is > was ? std::format("{}: {} more", one.name, is - was)
                                   : std::format("{}: {} fewer", one.name, was - is));
  }
  return differences;
}

bool DomainView::Serves() const {
  if (connection.state != "connected" || supervised.phase != "connected") return false;
  if (supervised.domid != connection.domid) return false;
  return supervised.kind != "storage" || supervised.disk_state == "serving";
}

Result<DomainView> ViewOf(const std::string& kind) {
  const auto text = ReadTextFile(kStateFile);
  if (!text) return Fail("vosd does not run");
  const auto supervisor = ParseSupervisorState(*text);
  if (!supervisor) return std::unexpected(supervisor.error());
  const auto kernel = ReadKernelState();
  if (!kernel) return std::unexpected(kernel.error());
  DomainView view;
  for (const SupervisedDomain& domain : supervisor->domains) {
    if (domain.kind == kind) view.supervised = domain;
  }
  for (const Connection& connection : kernel->connections) {
    if (connection.domain == kind) view.connection = connection;
  }
  if (view.supervised.name.empty()) return Fail("vosd has no " + kind + " domain");
  return view;
}

}  // namespace vos
