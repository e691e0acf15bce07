// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_model.h"

#include <algorithm>
#include <format>

namespace vos {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kClasses[] = {kAnyClass, "noop", "data", "fuse", "control"};

// The domain may live on for a while in the disorder that such a fault makes.
constexpr milliseconds kGradual{20'000};
// A domain that begins is given up then, and some more.
constexpr milliseconds kConnectLimit{50'000};

constexpr FaultKind kKinds[] = {
    {"destroy", "the hypervisor ends it", milliseconds(1000), true},
    {"panic", "its kernel panics", milliseconds(3000), true},
    {"oops", "its kernel writes to address 0", milliseconds(3000), true},
    {"hang", "its processor does nothing else any more", milliseconds(6000), true},
    {"irqs-off", "the same, without interrupts", milliseconds(6000), true},
    {"poller-stall", "its pollers look at no ring any more", milliseconds(6000), true},
    {"oom", "its kernel takes all memory", kGradual, true},
    {"corrupt-memory", "its kernel overwrites its memory at random", kGradual, true},
    {"ring-garbage", "random writes into all that it shares", kGradual, true},
    {"wild-dma", "its device is aimed at memory of the primary", milliseconds(5000), false},
    {"daemon", "the daemon of a storage domain is killed", milliseconds(5000), false},
};

constexpr FaultPoint kPoints[] = {
    {"before-fetch", "a request is there, nothing of it was copied", false, true},
    {"after-fetch", "a request was copied", false, true},
    {"before-execute", "it was admitted", false, true},
    {"after-execute", "it was executed, nothing was answered", false, true},
    {"before-completion", "the answer is about to be published", false, true},
    {"after-completion", "the answer is published, nobody was woken", false, true},
    {"before-event", "an event is about to be published", false, false},
    {"after-event", "an event was published and rung for", false, false},
    {"handshake", "the domain introduces itself", true, false},
    {"grant", "some of the primary's pages are mapped", true, false},
    {"recovery", "what the domain before had is made again", true, true},
};

template <typename T>
const T* Find(std::span<const T> all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &T::name);
  return found == all.end() ? nullptr : &*found;
}

template <typename T>
std::vector<std::string> Names(std::span<const T> all) {
  std::vector<std::string> names;
  for (const T& one : all) names.emplace_back(one.name);
  return names;
}

}  // namespace

std::span<const std::string_view> FaultClasses() { return kClasses; }
std::span<const FaultKind> FaultKinds() { return kKinds; }
std::span<const FaultPoint> FaultPoints() { return kPoints; }
const FaultKind* FindFaultKind(std::string_view name) { return Find(FaultKinds(), name); }
const FaultPoint* FindFaultPoint(std::string_view name) { return Find(FaultPoints(), name); }
std::vector<std::string> FaultKindNames() { return Names(FaultKinds()); }
std::vector<std::string> FaultPointNames() { return Names(FaultPoints()); }

std::chrono::milliseconds CallBound(std::string_view domain) {
  return milliseconds(domain == "network" ? 25'000 : 35'000);
}

std::string_view WhyNot(std::string_view domain, const FaultKind& kind, const FaultPoint& point) {
  const bool before_connection = point.name == "handshake" || point.name == "grant";
  if (kind.name == "daemon" && domain != "storage") return "the domain has no daemon";
  if (kind.name == "daemon" && point.next) {
    return "the daemon only begins then: its end would be nothing but a later beginning";
  }
  if (kind.name == "poller-stall" && before_connection) return "no poller runs yet";
  if (kind.name == "ring-garbage" && before_connection) {
    return "no page that it could write is mapped yet";
  }
  if (kind.name == "wild-dma" && point.next) {
    return "the page that is aimed at is shown to a domain that runs; the next one does not yet";
  }
  return {};
}

std::chrono::milliseconds DetectionBound(const FaultKind& kind, const FaultPoint& point) {
  // What is at an end at once is noticed in the handshake as it is later. The other kinds may leave a
  // domain that begins with something to do that is no step of it, and vosd waits for its connection.
  const bool at_once = kind.bound < kGradual;
  return kind.bound + (point.next && !at_once ? kConnectLimit : milliseconds(0));
}

std::vector<FaultPair> ValidPairs(std::string_view domain) {
  std::vector<FaultPair> pairs;
  for (const FaultKind& kind : FaultKinds()) {
    for (const FaultPoint& point : FaultPoints()) {
      if (WhyNot(domain, kind, point).empty()) pairs.push_back({&kind, &point});
    }
  }
  return pairs;
}

std::string FaultTable(std::string_view domain) {
  std::string text = "faults:\n";
  for (const FaultKind& kind : FaultKinds()) {
    text += std::format("  {:<18}{}\n", kind.name, kind.what);
  }
  text += "points:\n";
  for (const FaultPoint& point : FaultPoints()) {
    text += std::format("  {:<18}{}{}\n", point.name, point.what,
                        point.next ? " (armed for the next domain)" : "");
  }
  for (const std::string_view one : kFaultDomains) {
    if (!domain.empty() && domain != one) continue;
    text += std::format("{}: {} valid pairs of a fault and a point; not valid are\n", one,
                        ValidPairs(one).size());
    for (const FaultKind& kind : FaultKinds()) {
      for (const FaultPoint& point : FaultPoints()) {
        const std::string_view why = WhyNot(one, kind, point);
        if (!why.empty()) text += std::format("  {:<16}{:<18}{}\n", kind.name, point.name, why);
      }
    }
  }
  return text;
}

}  // namespace vos
