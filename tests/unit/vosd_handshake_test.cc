// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/handshake.cc tools/vosd/silence.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "tools/vosd/handshake.h"

namespace vos {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr HandshakeStep kBoots{XenbusState::kInitialising, XenbusState::kInitWait, 3, false, false};
constexpr HandshakeStep kIntroduces{XenbusState::kInitialising, XenbusState::kInitWait, 4, true,
                                    false};
constexpr HandshakeStep kOffered{XenbusState::kInitialised, XenbusState::kInitialised, 6, true,
                                 false};

// A domain with one processor.
class Handshake {
 public:
  // Time passes, of which the domain runs so much; it stands at `step`. Returns why it hangs.
  std::optional<std::string> Pass(const HandshakeStep& step, milliseconds time, milliseconds ran,
                                  bool blocked = false) {
    std::optional<std::string> why;
    const int steps = static_cast<int>(time.count() / 50);
    for (int i = 0; i < steps && !why; ++i) {
      now_ += milliseconds(50);
      used_ += ran / steps;
      why = count_.Add(step, DomainSample{false, {{blocked, used_}}}, now_);
    }
    return why;
  }

 private:
  HandshakeCount count_;
  HandshakeCount::Clock::time_point now_;
  std::chrono::nanoseconds used_{0};
};

TEST(HandshakeStep, IsTheDomainsOnceItHasBegun) {
  EXPECT_FALSE(kBoots.IsDomains());
  EXPECT_TRUE(kIntroduces.IsDomains());
  EXPECT_TRUE(kOffered.IsDomains());
  // The primary makes its offer.
  EXPECT_FALSE(
      (HandshakeStep{XenbusState::kInitialised, XenbusState::kInitWait, 6, true}).IsDomains());
  // The primary's kernel looks at the pollers.
  EXPECT_FALSE(
      (HandshakeStep{XenbusState::kConnected, XenbusState::kInitialised, 6, true}).IsDomains());
  EXPECT_FALSE(HandshakeStep().IsDomains());
}

TEST(HandshakeCount, AKernelThatBootsTakesItsTime) {
  Handshake handshake;
  EXPECT_FALSE(handshake.Pass(kBoots, milliseconds(40'000), milliseconds(40'000)));
}

TEST(HandshakeCount, AStepInWhichItRunsForASecondHangs) {
  for (const HandshakeStep& step : {kIntroduces, kOffered}) {
    Handshake handshake;
    EXPECT_FALSE(handshake.Pass(step, milliseconds(950), milliseconds(950)));
    const auto why = handshake.Pass(step, milliseconds(200), milliseconds(200));
    ASSERT_TRUE(why);
    EXPECT_THAT(*why, HasSubstr("it hangs in the handshake"));
  }
}

TEST(HandshakeCount, AStepInWhichItIdlesHangs) {
  Handshake handshake;
  EXPECT_TRUE(handshake.Pass(kOffered, milliseconds(1200), milliseconds(0), /*blocked=*/true));
}

TEST(HandshakeCount, ADomainThatDoesNotGetToRunHasMoreTime) {
  Handshake handshake;
  EXPECT_FALSE(handshake.Pass(kOffered, milliseconds(4500), milliseconds(450)));
  EXPECT_TRUE(handshake.Pass(kOffered, milliseconds(1000), milliseconds(100)));
}

TEST(HandshakeCount, EachStepHasItsTime) {
  Handshake handshake;
  HandshakeStep step = kIntroduces;
  for (; step.keys < 10; ++step.keys) {
    EXPECT_FALSE(handshake.Pass(step, milliseconds(900), milliseconds(900)));
  }
  EXPECT_FALSE(handshake.Pass(kOffered, milliseconds(900), milliseconds(900)));
}

TEST(HandshakeCount, FindingADeviceMayTakeLonger) {
  HandshakeStep step = kOffered;
  step.finds_device = true;
  Handshake handshake;
  EXPECT_FALSE(handshake.Pass(step, milliseconds(14'000), milliseconds(14'000)));
  EXPECT_TRUE(handshake.Pass(step, milliseconds(2000), milliseconds(2000)));
}

TEST(HandshakeCount, OfADomainThatIsGoneOthersTell) {
  HandshakeCount count;
  const HandshakeCount::Clock::time_point start;
  EXPECT_FALSE(count.Add(kOffered, std::nullopt, start));
  EXPECT_FALSE(count.Add(kOffered, std::nullopt, start + std::chrono::seconds(60)));
}

}  // namespace
}  // namespace vos
