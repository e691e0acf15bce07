// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_campaign.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <format>
#include <fstream>
#include <iterator>
#include <random>
#include <utility>

#include "tools/common/file_descriptor.h"
#include "tools/vos/fault_model.h"

namespace vos {
namespace {

constexpr std::uint32_t kRandomRounds = 10;
// A point with a request is passed often; the fault begins at one of the first so many.
constexpr std::uint32_t kMaxPassing = 8;
// What is recovered for one program is little.
constexpr std::uint32_t kMaxRecoveryPassing = 3;

// The same everywhere, unlike the standard library's distributions.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}

  std::uint32_t Below(std::size_t limit) { return static_cast<std::uint32_t>(engine_() % limit); }

  template <typename T>
  void Shuffle(std::vector<T>& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[Below(i)]);
  }

  template <typename T>
  const T& Pick(const std::vector<T>& list) {
    return list[Below(list.size())];
  }

 private:
  std::mt19937_64 engine_;
};

template <typename T>
std::vector<FaultPair> With(const std::vector<FaultPair>& pairs, const T* FaultPair::* what,
                            const T* value) {
  std::vector<FaultPair> chosen;
  std::ranges::copy_if(pairs, std::back_inserter(chosen),
                       [&](const FaultPair& pair) { return pair.*what == value; });
  return chosen;
}

// Ends a domain at once wherever it is. What hangs before the connection stands is noticed only when
// vosd waits for it no more: that is for longer campaigns.
bool IsQuick(const FaultPair& pair) {
  return !pair.point->next || pair.point->name == "recovery" ||
         pair.kind->bound <= std::chrono::milliseconds(3000);
}

std::vector<FaultPair> Cover(const std::vector<FaultPair>& pairs, Dice& dice) {
  std::vector<FaultPair> chosen;
  const auto occurs = [&](auto what, auto value) {
    return std::ranges::any_of(chosen, [&](const FaultPair& pair) { return pair.*what == value; });
  };
  // Points of a beginning domain first: few kinds are quick there.
  for (const bool next : {true, false}) {
    for (const FaultPoint& point : FaultPoints()) {
      if (point.next != next) continue;
      std::vector<FaultPair> possible = With(pairs, &FaultPair::point, &point);
      std::erase_if(possible, [](const FaultPair& pair) { return !IsQuick(pair); });
      if (possible.empty()) continue;
      std::vector<FaultPair> fresh = possible;
      std::erase_if(fresh, [&](const FaultPair& p) { return occurs(&FaultPair::kind, p.kind); });
      // At the recovery all kinds are quick; those that are so at once are needed elsewhere.
      chosen.push_back(dice.Pick(fresh.empty() ? possible : fresh));
    }
  }
  for (const FaultKind& kind : FaultKinds()) {
    if (occurs(&FaultPair::kind, &kind)) continue;
    std::vector<FaultPair> possible = With(pairs, &FaultPair::kind, &kind);
    std::erase_if(possible, [](const FaultPair& pair) { return !IsQuick(pair); });
    if (!possible.empty()) chosen.push_back(dice.Pick(possible));
  }
  return chosen;
}

// One pass through what a mix has.
std::vector<FaultPair> OnePass(const std::string& mix, const std::vector<FaultPair>& pairs,
                               Dice& dice) {
  std::vector<FaultPair> chosen;
  if (mix == "cover") {
    chosen = Cover(pairs, dice);
  } else if (mix == "kinds") {
    for (const FaultKind& kind : FaultKinds()) {
      const auto possible = With(pairs, &FaultPair::kind, &kind);
      if (!possible.empty()) chosen.push_back(dice.Pick(possible));
    }
  } else if (mix == "points") {
    for (const FaultPoint& point : FaultPoints()) {
      const auto possible = With(pairs, &FaultPair::point, &point);
      if (!possible.empty()) chosen.push_back(dice.Pick(possible));
    }
  } else if (mix == "pairs") {
    chosen = pairs;
  } else {
    for (std::uint32_t i = 0; i < kRandomRounds; ++i) chosen.push_back(dice.Pick(pairs));
  }
  dice.Shuffle(chosen);
  return chosen;
}

}  // namespace

std::vector<std::string> FaultMixes() { return {"cover", "kinds", "points", "pairs", "random"}; }

std::vector<std::string> FaultWorkloads(std::string_view domain) {
  if (domain == "network") return {"sockets", "stream", "datagram"};
  return {"files", "ledger", "names"};
}

std::vector<PlannedFault> PlanFaults(const CampaignSettings& settings) {
  const std::vector<FaultPair> pairs = ValidPairs(settings.domain);
  // What requests of the workload are there to wait for.
  const std::vector<std::string_view> classes =
      settings.domain == "network" ? std::vector<std::string_view>{"any", "data", "control"}
                                   : std::vector<std::string_view>{"any", "data", "fuse"};
  Dice dice(settings.seed);
  std::vector<PlannedFault> plan;
  do {
    for (const FaultPair& pair : OnePass(settings.mix, pairs, dice)) {
      PlannedFault fault;
      fault.kind = pair.kind->name;
      fault.point = pair.point->name;
      fault.request_class = kAnyClass;
      fault.nth = 1;
      if (pair.point->next && pair.point->request) fault.nth = 1 + dice.Below(kMaxRecoveryPassing);
      if (!pair.point->next) fault.nth = 1 + dice.Below(kMaxPassing);
      const std::string_view drawn = dice.Pick(classes);
      if (pair.point->request && !pair.point->next) fault.request_class = drawn;
      fault.argument = dice.Below(1u << 31);
      plan.push_back(fault);
    }
  } while (plan.size() < settings.rounds);
  if (settings.rounds != 0) plan.resize(settings.rounds);
  return plan;
}

Result<void> CampaignDirectory::Write(const std::string& line, int flags) const {
  const FileDescriptor file(open(file_.c_str(), O_WRONLY | O_CLOEXEC | flags, 0644));
  if (!file) return FailErrno(file_);
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t wrote = write(file.get(), line.data() + done, line.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return FailErrno(file_);
    done += static_cast<std::size_t>(wrote);
  }
  if (fdatasync(file.get()) != 0) return FailErrno(file_);
  return {};
}

Result<CampaignDirectory> CampaignDirectory::Read(const std::string& path) {
  CampaignDirectory directory(path + "/rounds.jsonl");
  std::ifstream file(directory.file_);
  std::string line;
  if (!std::getline(file, line)) return Fail(directory.file_ + ": no campaign is there", ENOENT);
  auto settings = ParseSettings(line);
  if (!settings) return Fail(directory.file_ + ": " + settings.error().message);
  directory.settings_ = *settings;
  while (std::getline(file, line)) {
    auto round = ParseRound(line);
    // The last line of what was ended in mid-write has no end.
    if (!round && file.eof()) break;
    if (!round) return Fail(directory.file_ + ": " + round.error().message);
    if (round->round != directory.rounds_.size()) {
      return Fail(std::format("{}: round {} stands where round {} belongs", directory.file_,
                              round->round, directory.rounds_.size()));
    }
    directory.rounds_.push_back(std::move(*round));
  }
  return directory;
}

Result<CampaignDirectory> CampaignDirectory::Open(const std::string& path,
                                                  const CampaignSettings& settings) {
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return FailErrno(path);
  auto found = Read(path);
  if (!found && found.error().code != ENOENT) return found;
  if (found && found->settings_ != settings) {
    return Fail(path +
                " holds a campaign with other settings: " + FormatSettings(found->settings_));
  }
  CampaignDirectory directory =
      found ? std::move(*found) : CampaignDirectory(path + "/rounds.jsonl");
  directory.settings_ = settings;
  directory.fresh_ = !found;
  // Anew, without what was not written to its end.
  std::string text = FormatSettings(settings) + "\n";
  for (const RoundRecord& round : directory.rounds_) text += FormatRound(round) + "\n";
  const std::string file = std::exchange(directory.file_, directory.file_ + ".new");
  if (auto written = directory.Write(text, O_CREAT | O_TRUNC); !written) {
    return std::unexpected(written.error());
  }
  if (rename(directory.file_.c_str(), file.c_str()) != 0) return FailErrno(file);
  directory.file_ = file;
  return directory;
}

Result<void> CampaignDirectory::Append(const RoundRecord& round) {
  if (auto written = Write(FormatRound(round) + "\n", O_APPEND); !written) return written;
  rounds_.push_back(round);
  return {};
}

}  // namespace vos
