// SPDX-License-Identifier: Apache-2.0
// The faults that a service domain can be told to have, the points of the protocol at which they can
// begin, and what is expected of them. The names are those of kernel/virtuos/service/fault*.c.
#ifndef VIRTUOS_TOOLS_VOS_FAULT_MODEL_H_
#define VIRTUOS_TOOLS_VOS_FAULT_MODEL_H_

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vos {

struct FaultKind {
  std::string_view name;
  std::string_view what;
  // From its beginning until it is noticed, at most; under emulation.
  std::chrono::milliseconds bound;
  bool ends_domain;  // another domain takes its place; else the domain lives on
};

struct FaultPoint {
  std::string_view name;
  std::string_view what;
  bool next;     // passed only by a domain that begins: armed for the one after this
  bool request;  // a request is there: its class counts, and it is passed often
};

// What an armed fault may wait for at a point with a request.
inline constexpr std::string_view kAnyClass = "any";
std::span<const std::string_view> FaultClasses();

std::span<const FaultKind> FaultKinds();
std::span<const FaultPoint> FaultPoints();
// nullptr: there is none of that name.
const FaultKind* FindFaultKind(std::string_view name);
const FaultPoint* FindFaultPoint(std::string_view name);

inline constexpr std::string_view kFaultDomains[] = {"network", "storage"};

// No call of a program waits longer for a domain: docs/failure-semantics.md. Emulation adds to it.
std::chrono::milliseconds CallBound(std::string_view domain);

// Why a domain ("network", "storage") cannot have the fault there; empty: it can.
std::string_view WhyNot(std::string_view domain, const FaultKind& kind, const FaultPoint& point);

// It is noticed within this of its beginning.
std::chrono::milliseconds DetectionBound(const FaultKind& kind, const FaultPoint& point);

struct FaultPair {
  const FaultKind* kind;
  const FaultPoint* point;

  bool operator==(const FaultPair&) const = default;
};
std::vector<FaultPair> ValidPairs(std::string_view domain);

// Every pair of one domain, or of all, with the reason where it is none.
std::string FaultTable(std::string_view domain);

std::vector<std::string> FaultKindNames();
std::vector<std::string> FaultPointNames();

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_MODEL_H_
