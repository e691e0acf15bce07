// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_run.h"

#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <format>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "tools/common/kernel_state.h"
#include "tools/common/text.h"
#include "tools/vos/fault_campaign.h"
#include "tools/vos/fault_model.h"
#include "tools/vos/fault_observer.h"
#include "tools/vos/fault_order.h"
#include "tools/vos/fault_workload.h"
#include "tools/vos/granted_page.h"

namespace vos {
namespace {

using std::chrono::milliseconds;

constexpr SinceBootNs kMillisecond = 1'000'000;

// Between two looks.
constexpr milliseconds kLook{4};
// Both domains serve again within this.
constexpr milliseconds kServes{90'000};
// The workload has its first answers, and passes an armed point, within this.
constexpr milliseconds kUnderWay{20'000};
// From an end of a domain until the next one passes an armed point.
constexpr milliseconds kNextBegins{60'000};
// From what is noticed until the workload goes on.
constexpr milliseconds kRecovers{90'000};
// What is taken apart in the background is gone by then.
constexpr milliseconds kSettles{15'000};
// A transfer that the IOMMU refuses is told of, and the device answers, within this.
constexpr milliseconds kDeviceAnswers{3000};

void Sleep(milliseconds time) { std::this_thread::sleep_for(time); }

double Ms(SinceBootNs from, SinceBootNs to) {
  return static_cast<double>(to - from) / static_cast<double>(kMillisecond);
}

SinceBootNs In(milliseconds time) { return NowNs() + time.count() * kMillisecond; }

template <typename Condition>
bool Await(milliseconds limit, Condition condition) {
  for (const SinceBootNs end = In(limit); !condition(); Sleep(kLook)) {
    if (NowNs() > end) return false;
  }
  return true;
}

std::string Other(const std::string& domain) { return domain == "network" ? "storage" : "network"; }

std::string ErrorName(int error) {
  const char* name = strerrorname_np(error);
  return error == 0 ? "succeeded" : name != nullptr ? name : std::to_string(error);
}

// The time-stamp counter, the same in all domains (tsc_mode = "native"), on the clock of NowNs().
class CycleClock {
 public:
  // When it stood at `cycles`, not long ago.
  SinceBootNs TimeOf(std::uint64_t cycles) const {
    const Reading now;
    const double ns_per_cycle = static_cast<double>(now.time - first_.time) /
                                static_cast<double>(now.cycles - first_.cycles);
    const auto since = static_cast<std::int64_t>(now.cycles - cycles);
    return now.time - static_cast<SinceBootNs>(static_cast<double>(since) * ns_per_cycle);
  }

 private:
  struct Reading {
    SinceBootNs time = NowNs();
    std::uint64_t cycles = __rdtsc();
  };
  Reading first_;  // long before those that follow, so that their distance is exact
};

// "fault: KIND at POINT, as ordered, cycle 1234"
std::optional<std::uint64_t> CycleOf(std::string_view line) {
  constexpr std::string_view kCycle = ", cycle ";
  const std::size_t at = line.find(kCycle);
  if (at == line.npos) return std::nullopt;
  return ParseDecimal<std::uint64_t>(Trim(line.substr(at + kCycle.size())));
}

std::uint64_t BoundChannels() {
  std::ifstream file("/proc/interrupts");
  std::uint64_t bound = 0;
  for (std::string line; std::getline(file, line);) bound += line.contains("virtuos");
  return bound;
}

class Campaign {
 public:
  Campaign(CampaignSettings settings, FaultOrders orders, HypervisorLog hypervisor,
           PrimaryLog primary)
      : settings_(std::move(settings)),
        orders_(std::move(orders)),
        hypervisor_(std::move(hypervisor)),
        primary_(std::move(primary)) {}

  Result<RoundRecord> RunRound(std::uint32_t number, const PlannedFault& fault);

 private:
  struct Course;

  Result<DomainView> AwaitService(const std::string& domain);
  Result<void> Inject(Course& course);
  // Sees the fault through until the workload goes on, or nothing can be expected any more.
  void Follow(Course& course);
  void LookAtConsole(Course& course);
  void LookAtDomain(Course& course);
  bool IsOver(const Course& course) const;
  void NoteCalls(const WorkloadReport& report, Course& course) const;
  void Judge(Course& course) const;
  HeldResources Held();
  void CompareResources(RoundRecord& record);

  const CampaignSettings settings_;
  FaultOrders orders_;
  HypervisorLog hypervisor_;
  PrimaryLog primary_;
  const CycleClock cycles_;
  std::optional<HeldResources> baseline_;  // after the first round
};

// One round while it runs.
struct Campaign::Course {
  Course(const std::string& domain, const PlannedFault& fault)
      : kind(FindFaultKind(fault.kind)), point(FindFaultPoint(fault.point)), console(domain) {
    record.fault = fault;
  }

  const FaultKind* kind;
  const FaultPoint* point;
  RoundRecord record;
  ConsoleTail console;
  Connection before;  // of the domain that served
  Connection other;
  std::unique_ptr<FaultWorkload> workload;
  std::optional<GrantedPage> page;

  SinceBootNs injected = 0;
  SinceBootNs activated = 0;  // when that was seen; 0: not yet
  SinceBootNs begun = 0;      // when it began, says the domain
  SinceBootNs failed = 0;     // when what served did not any more; 0: it still does
  SinceBootNs noticed = 0;    // the fault; 0: not yet
  SinceBootNs aimed = 0;      // when the device had made its transfer; 0: it did not
  SinceBootNs created = 0;    // when the last domain after it was begun; 0: none was
  SinceBootNs served = 0;     // by a domain after the fault; 0: not yet
  bool creating = false;      // was seen in the making at the last look
  // At a point of a beginning domain: the one that has the fault.
  std::uint32_t victim = 0;

  void Notice(std::string_view by, std::string reason, SinceBootNs when) {
    if (noticed != 0) return;
    noticed = when;
    record.manifested = true;
    record.detected_by = by;
    record.reason = Printable(reason, 120);
  }
};

Result<DomainView> Campaign::AwaitService(const std::string& domain) {
  Result<DomainView> view = Fail("");
  if (Await(kServes, [&] { return (view = ViewOf(domain)) && view->Serves(); })) return view;
  if (!view) return view;
  return Fail(std::format("the {} domain does not serve: {} {} {}", domain, view->connection.state,
                          view->supervised.phase, view->supervised.disk_state));
}

HeldResources Campaign::Held() {
  HeldResources held;
  if (const auto kernel = ReadKernelState()) {
    held.pages = kernel->pages;
    held.grants = kernel->grants;
  }
  held.channels = BoundChannels();
  held.nodes = orders_.CountNodes("/local/domain/0/backend");
  held.domains = orders_.CountChildren("/local/domain");
  return held;
}

void Campaign::CompareResources(RoundRecord& record) {
  HeldResources held = Held();
  if (baseline_) {
    // What is put away in the background gets its time.
    Await(kSettles, [&] { return (held = Held()) == *baseline_; });
    record.leaks = Differences(*baseline_, held);
    return;
  }
  HeldResources last;
  Await(kSettles, [&] {
    last = std::exchange(held, Held());
    Sleep(milliseconds(1000));
    return last == held;
  });
  baseline_ = held;
}

Result<void> Campaign::Inject(Course& course) {
  const std::string& domain = settings_.domain;
  const std::uint32_t domid = course.before.domid;
  if (auto able = orders_.Check(domid, domain, course.kind->name); !able) return able;
  if (course.kind->name == "wild-dma") {
    auto page = GrantedPage::Create(domid);
    if (!page) return std::unexpected(page.error());
    course.page.emplace(std::move(*page));
    course.record.fault.argument = course.page->reference();
  }
  const std::string order = FaultAt(course.record.fault);
  course.injected = NowNs();
  if (!course.point->next) return orders_.Give(domid, order);
  if (auto left = orders_.Leave(domain, order); !left) return left;
  return EndDomain(domid);
}

void Campaign::LookAtConsole(Course& course) {
  const PlannedFault& fault = course.record.fault;
  for (const std::string& line : course.console.NewLines()) {
    if (line.contains(std::format("fault: {} armed", fault.kind))) {
      course.record.injected = true;
    }
    if (line.contains(std::format("fault: {} at ", fault.kind)) && course.activated == 0) {
      course.record.activated = true;
      course.activated = NowNs();
      // The console comes later than what it tells of.
      const auto cycle = CycleOf(line);
      course.begun = cycle ? cycles_.TimeOf(*cycle) : course.activated;
      course.begun = std::clamp(course.begun, course.injected, course.activated);
    }
    if (fault.kind == "daemon" && course.activated != 0 && line.contains("daemon: ended")) {
      course.Notice("init", "the daemon ended", NowNs());
    }
    if (fault.kind == "wild-dma" && line.contains("was aimed at")) course.aimed = NowNs();
  }
  if (fault.kind != "wild-dma") return;
  course.record.iommu_faults += hypervisor_.NewIommuFaults();
  if (course.record.iommu_faults > 0) {
    course.Notice("iommu", "a transfer was refused, says the hypervisor", NowNs());
  }
}

void Campaign::LookAtDomain(Course& course) {
  const auto view = ViewOf(settings_.domain);
  if (!view) return;
  const Connection& now = view->connection;
  const SinceBootNs failed = now.failed_ns != 0 ? static_cast<SinceBootNs>(now.failed_ns) : NowNs();
  const bool gone = now.generation != course.before.generation || now.state == "failed";
  if (gone && course.failed == 0) {
    course.failed = failed;
    if (!course.point->next) course.Notice("kernel", now.reason, failed);
  }
  const bool another = now.generation != course.before.generation;
  if (course.point->next && course.activated != 0) {
    // The victim is the first one after; whoever says first that it is over noticed.
    if (course.victim == 0) course.victim = view->supervised.domid;
    const bool over = now.state == "failed" && now.domid == course.victim && another;
    if (over) course.Notice("kernel", now.reason, failed);
    const std::string& phase = view->supervised.phase;
    if (view->supervised.domid != course.victim || phase == "cleaning" || phase == "waiting") {
      course.Notice("vosd", view->supervised.reason, NowNs());
    }
  }
  if (course.failed != 0 && course.served == 0) {
    const bool begins = view->supervised.phase == "creating";
    if (begins && !course.creating) course.created = NowNs();
    course.creating = begins;
  }
  const bool fresh =
      course.point->next ? now.domid != course.victim && course.noticed != 0 : another;
  if (course.served == 0 && view->Serves() && (fresh || !course.kind->ends_domain)) {
    course.served = NowNs();
    if (course.created != 0) course.record.boot_ms = Ms(course.created, course.served);
  }
}

bool Campaign::IsOver(const Course& course) const {
  if (course.activated == 0 && course.failed == 0) return false;
  // A refused transfer is not told of by every IOMMU.
  const SinceBootNs noticed = course.noticed != 0 ? course.noticed : course.aimed;
  if (noticed == 0 || course.served == 0) return false;
  return course.workload->AnsweredSince(std::max(noticed, course.failed));
}

void Campaign::Follow(Course& course) {
  const bool next = course.point->next;
  const milliseconds begins = next ? kNextBegins : kUnderWay;
  const milliseconds noticed = DetectionBound(*course.kind, *course.point);
  SinceBootNs limit = In(begins);
  int stage = 0;
  while (NowNs() < limit) {
    LookAtConsole(course);
    LookAtDomain(course);
    if (IsOver(course)) break;
    // Each stage has its time.
    const bool begun = course.activated != 0 || (!next && course.failed != 0);
    const int reached = course.noticed != 0 || course.aimed != 0 ? 2 : begun ? 1 : 0;
    if (reached > stage) {
      stage = reached;
      limit = In(stage == 2 ? kRecovers : noticed + milliseconds(2000));
    }
    Sleep(kLook);
  }
  // The last lines of a domain that is no more may come late.
  Await(milliseconds(500), [&] {
    LookAtConsole(course);
    return course.activated != 0;
  });
  course.record.recovered = IsOver(course);
  if (course.page) {
    const SinceBootNs settled = NowNs();
    Sleep(milliseconds(300));
    LookAtConsole(course);
    if (!course.page->Intact()) {
      course.record.wrong_data.push_back("the device changed memory of the primary");
    }
    course.record.recovered = course.record.recovered && Await(kDeviceAnswers, [&] {
                                return course.workload->AnsweredSince(settled);
                              });
  }
}

void Campaign::NoteCalls(const WorkloadReport& report, Course& course) const {
  RoundRecord& record = course.record;
  const SinceBootNs struck = course.failed != 0 ? course.failed : course.activated;
  for (const NotedCall& call : report.calls) {
    const std::string how = std::format("{}: {}", call.name, ErrorName(call.error));
    record.longest_call_ms = std::max(record.longest_call_ms, Ms(call.start, call.end));
    if (call.error != 0) ++record.errors[how];
    if (struck != 0 && call.start <= struck && call.end >= struck) ++record.in_flight[how];
  }
  for (const Silence& silence : report.silences) {
    if (struck == 0 || silence.first < struck || silence.last > struck) continue;
    record.outage_ms = std::max(record.outage_ms.value_or(0), Ms(silence.last, silence.first));
  }
  std::ranges::copy(report.wrong_data, std::back_inserter(record.wrong_data));
}

void Campaign::Judge(Course& course) const {
  RoundRecord& record = course.record;
  auto& violations = record.violations;
  if (!record.activated && !record.manifested) violations.push_back("the fault did not begin");
  // The console of a domain that is destroyed may lose its last line; what came of it did not.
  record.activated = record.activated || record.manifested;
  record.injected = record.injected || record.activated;
  if (course.noticed != 0) {
    const SinceBootNs begun = course.begun != 0 ? course.begun : course.injected;
    record.detection_ms = std::max(0.0, Ms(begun, course.noticed));
    const auto bound = DetectionBound(*course.kind, *course.point);
    if (*record.detection_ms > static_cast<double>(bound.count())) {
      violations.push_back(std::format("noticed after {:.0f} ms, more than {}",
                                       *record.detection_ms, bound.count()));
    }
  }
  if ((record.manifested || course.aimed != 0) && !record.recovered)
    violations.push_back("the workload does not go on");
  if (record.longest_call_ms > static_cast<double>(CallBound(settings_.domain).count())) {
    violations.push_back(std::format("a call took {:.0f} ms", record.longest_call_ms));
  }
  if (course.kind->name == "wild-dma" && course.aimed == 0) {
    violations.push_back("the device was not aimed at the primary");
  }
  for (const std::string& text : record.wrong_data) violations.push_back(text);
  for (const std::string& text : record.leaks) violations.push_back("leak: " + text);
  if (record.other_domain_affected) violations.push_back("the other domain was affected");
  if (!record.primary_complaint.empty()) {
    violations.push_back("the primary complains: " + record.primary_complaint);
  }
}

Result<RoundRecord> Campaign::RunRound(std::uint32_t number, const PlannedFault& fault) {
  const std::string other = Other(settings_.domain);
  Course course(settings_.domain, fault);
  course.record.round = number;
  const auto before = AwaitService(settings_.domain);
  if (!before) return std::unexpected(before.error());
  course.before = before->connection;
  // There may be no other domain.
  const auto beside = ViewOf(other);
  if (beside && beside->Serves()) course.other = beside->connection;
  hypervisor_.NewIommuFaults();
  primary_.Trouble();

  const SinceBootNs start = NowNs();
  auto workload = FaultWorkload::Start(settings_.workload);
  if (!workload) return std::unexpected(workload.error());
  course.workload = std::move(*workload);
  if (!Await(kUnderWay, [&] { return course.workload->AnsweredSince(start); })) {
    return Fail("the workload has no answers before anything is injected");
  }
  if (auto injected = Inject(course); !injected) return std::unexpected(injected.error());
  Follow(course);
  if (course.point->next) orders_.Withdraw(settings_.domain);
  // Something is wrong in it that nobody noticed: the next round is to begin with a sound one.
  const bool unsound = course.activated != 0 && course.noticed == 0 && course.aimed == 0;
  if (const auto view = ViewOf(settings_.domain); unsound && view)
    EndDomain(view->connection.domid);

  const auto after = AwaitService(settings_.domain);
  NoteCalls(course.workload->Stop(), course);
  course.page.reset();
  CompareResources(course.record);
  if (course.other.generation != 0) {
    const auto then = ViewOf(other);
    course.record.other_domain_affected =
        !then || then->connection.generation != course.other.generation || !then->Serves();
  }
  course.record.primary_complaint = primary_.Trouble();
  Judge(course);
  if (!after) course.record.violations.push_back(after.error().message);
  return course.record;
}

void Tell(std::FILE* to, const RoundRecord& record, std::size_t rounds) {
  const auto number = [](const std::optional<double>& value) {
    return value ? std::format("{:.0f} ms", *value) : std::string("-");
  };
  std::string line = std::format(
      "{}/{} {} at {} ({} {}): {}{}", record.round + 1, rounds, record.fault.kind,
      record.fault.point, record.fault.request_class, record.fault.nth,
      record.detected_by.empty() ? "not noticed" : "noticed by " + record.detected_by + " after ",
      record.detected_by.empty() ? "" : number(record.detection_ms));
  line += std::format(", outage {}, {}\n", number(record.outage_ms),
                      record.recovered ? "recovered" : "NOT RECOVERED");
  for (const std::string& text : record.violations) line += "  violation: " + text + "\n";
  std::fputs(line.c_str(), to);
  std::fflush(to);
}

// Whoever reads it has the whole line at once.
void PrintLine(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

Result<CampaignEnd> RunFaults(const CampaignRun& run) {
  const CampaignSettings& settings = run.settings;
  const SinceBootNs end = run.limit ? In(*run.limit) : std::numeric_limits<SinceBootNs>::max();
  auto kept = CampaignDirectory::Open(run.directory, settings);
  if (!kept) return std::unexpected(kept.error());
  if (run.json && kept->fresh()) PrintLine(FormatSettings(settings));
  auto orders = FaultOrders::Open();
  if (!orders) return std::unexpected(orders.error());
  auto hypervisor = HypervisorLog::Open();
  if (!hypervisor) return std::unexpected(hypervisor.error());
  auto primary = PrimaryLog::Open();
  if (!primary) return std::unexpected(primary.error());
  Campaign campaign(settings, std::move(*orders), std::move(*hypervisor), std::move(*primary));

  const std::vector<PlannedFault> plan = PlanFaults(settings);
  for (auto i = static_cast<std::uint32_t>(kept->rounds().size()); i < plan.size(); ++i) {
    if (NowNs() >= end) return CampaignEnd::kTimeUp;
    const auto record = campaign.RunRound(i, plan[i]);
    if (!record) return std::unexpected(record.error());
    if (auto appended = kept->Append(*record); !appended) return std::unexpected(appended.error());
    if (run.json) PrintLine(FormatRound(*record));
    Tell(run.json ? stderr : stdout, *record, plan.size());
  }
  const bool good = std::ranges::all_of(kept->rounds(), &std::vector<std::string>::empty,
                                        &RoundRecord::violations);
  return good ? CampaignEnd::kGood : CampaignEnd::kViolations;
}

}  // namespace vos
