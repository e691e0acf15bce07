// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/life_cycle.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <random>
#include <vector>

#include "tools/vosd/life_cycle.h"

namespace vos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = Step::Kind;
using std::chrono::milliseconds;

std::vector<Kind> Kinds(const LifeCycle::Steps& steps) {
  std::vector<Kind> kinds;
  for (const Step& step : steps) kinds.push_back(step.kind);
  return kinds;
}

LifeCycle::Steps Connect(LifeCycle& life, std::uint32_t domid) {
  life.OnPrepared();
  life.OnCreationBegun();
  life.OnCreated(domid);
  return life.OnBackendState(XenbusState::kConnected, "");
}

// It serves, and has done so for a while.
void Last(LifeCycle& life) {
  life.OnServing();
  life.OnTimer();
}

LifeCycle Connected(const LifeCycleLimits& limits, std::uint32_t domid) {
  LifeCycle life(limits);
  life.Start();
  Connect(life, domid);
  Last(life);
  return life;
}

TEST(LifeCycle, ReachesConnected) {
  LifeCycle life({});
  EXPECT_THAT(Kinds(life.Start()), ElementsAre(Kind::kSetTimer, Kind::kPrepare));
  EXPECT_THAT(Kinds(life.OnPrepared()), ElementsAre(Kind::kClearTimer, Kind::kCreate));
  EXPECT_THAT(Kinds(life.OnCreationBegun()), ElementsAre(Kind::kSetTimer));
  EXPECT_THAT(Kinds(life.OnCreated(5)), ElementsAre(Kind::kSetTimer, Kind::kConnect, Kind::kWatch));
  EXPECT_EQ(life.domid(), 5u);
  for (const XenbusState state : {XenbusState::kUnknown, XenbusState::kInitialising,
                                  XenbusState::kInitWait, XenbusState::kInitialised}) {
    EXPECT_THAT(life.OnBackendState(state, ""), IsEmpty());
  }
  EXPECT_THAT(Kinds(life.OnBackendState(XenbusState::kConnected, "")),
              ElementsAre(Kind::kSetTimer, Kind::kAttach));
  EXPECT_EQ(life.phase(), Phase::kConnected);
  EXPECT_EQ(life.restarts(), 0u);
  EXPECT_EQ(life.reason(), "");
}

TEST(LifeCycle, ADeathIsFollowedByANewIncarnationAtOnce) {
  LifeCycle life = Connected({}, 5);
  EXPECT_THAT(Kinds(life.OnFailure("it crashed")), ElementsAre(Kind::kSetTimer, Kind::kClean));
  EXPECT_EQ(life.reason(), "it crashed");
  EXPECT_THAT(life.OnFailure("later news"), IsEmpty());
  EXPECT_EQ(life.reason(), "it crashed");
  EXPECT_THAT(Kinds(life.OnCleaned(true, "")), ElementsAre(Kind::kSetTimer, Kind::kPrepare));
  EXPECT_EQ(life.domid(), 0u);
  Connect(life, 6);
  EXPECT_EQ(life.phase(), Phase::kConnected);
  EXPECT_EQ(life.restarts(), 1u);
}

TEST(LifeCycle, ALostConnectionIsAFailure) {
  for (const XenbusState state : {XenbusState::kUnknown, XenbusState::kInitWait,
                                  XenbusState::kClosing, XenbusState::kClosed}) {
    LifeCycle life = Connected({}, 5);
    EXPECT_THAT(Kinds(life.OnBackendState(state, "bad ring")),
                ElementsAre(Kind::kSetTimer, Kind::kClean));
    EXPECT_EQ(life.reason(), "bad ring");
  }
}

TEST(LifeCycle, ARefusedHandshakeTellsWhy) {
  LifeCycle life({});
  life.Start();
  life.OnPrepared();
  life.OnCreated(5);
  life.OnBackendState(XenbusState::kClosing, "ABI version 9 is not 1");
  EXPECT_EQ(life.phase(), Phase::kCleaning);
  EXPECT_EQ(life.reason(), "ABI version 9 is not 1");
}

TEST(LifeCycle, GivesUpSoonIfItNeverConnected) {
  LifeCycleLimits limits;
  limits.max_first_attempts = 2;
  LifeCycle life(limits);
  life.Start();
  life.OnFailure("no kernel");
  EXPECT_THAT(life.OnCleaned(true, ""), ElementsAre(Step{Kind::kSetTimer, limits.first_backoff}));
  EXPECT_EQ(life.phase(), Phase::kWaiting);
  life.OnTimer();
  life.OnFailure("no kernel either");
  EXPECT_THAT(Kinds(life.OnCleaned(true, "")), ElementsAre(Kind::kClearTimer));
  EXPECT_EQ(life.phase(), Phase::kFailed);
  EXPECT_EQ(life.reason(), "no kernel either");
}

TEST(LifeCycle, BacksOffAndGivesUpAfterManyDeathsInARow) {
  LifeCycleLimits limits;
  limits.max_attempts = 5;
  limits.first_backoff = milliseconds(100);
  limits.max_backoff = milliseconds(350);
  LifeCycle life = Connected(limits, 5);
  life.OnFailure("it crashed");
  life.OnCleaned(true, "");
  for (const int delay : {100, 200, 350, 350}) {
    life.OnFailure("it crashed early");
    EXPECT_THAT(life.OnCleaned(true, ""), ElementsAre(Step{Kind::kSetTimer, milliseconds(delay)}));
    life.OnTimer();
    EXPECT_EQ(life.phase(), Phase::kPreparing);
  }
  life.OnFailure("it crashed early");
  life.OnCleaned(true, "");
  EXPECT_EQ(life.phase(), Phase::kFailed);
}

TEST(LifeCycle, AConnectionClearsTheCount) {
  LifeCycleLimits limits;
  limits.max_attempts = 2;
  LifeCycle life = Connected(limits, 5);
  for (int i = 0; i < 10; ++i) {
    life.OnFailure("it crashed");
    life.OnCleaned(true, "");
    life.OnFailure("once before it was connected");
    life.OnCleaned(true, "");
    life.OnTimer();
    Connect(life, 6);
    ASSERT_EQ(life.phase(), Phase::kConnected);
  }
}

TEST(LifeCycle, APermanentFailureIsFinal) {
  LifeCycle life({});
  life.Start();
  life.OnFailure("the IOMMU is off", true);
  life.OnCleaned(true, "");
  EXPECT_EQ(life.phase(), Phase::kFailed);
}

TEST(LifeCycle, RestartCanBeOff) {
  LifeCycleLimits limits;
  limits.restart = false;
  LifeCycle life = Connected(limits, 5);
  life.OnFailure("it crashed");
  life.OnCleaned(true, "");
  EXPECT_EQ(life.phase(), Phase::kFailed);
}

TEST(LifeCycle, EveryPhaseThatWaitsHasALimit) {
  LifeCycle life({});
  life.Start();
  EXPECT_THAT(Kinds(life.OnTimer()), ElementsAre(Kind::kSetTimer, Kind::kClean));
  life = LifeCycle({});
  life.Start();
  life.OnPrepared();
  life.OnCreationBegun();
  EXPECT_THAT(Kinds(life.OnTimer()), ElementsAre(Kind::kSetTimer, Kind::kClean));
  life = LifeCycle({});
  life.Start();
  life.OnPrepared();
  life.OnCreated(5);
  EXPECT_THAT(Kinds(life.OnTimer()), ElementsAre(Kind::kSetTimer, Kind::kClean));
}

TEST(LifeCycle, TheLimitOfTheCreationBeginsWithIt) {
  LifeCycleLimits limits;
  LifeCycle life(limits);
  EXPECT_THAT(life.OnCreationBegun(), IsEmpty());
  life.Start();
  EXPECT_THAT(Kinds(life.OnPrepared()), ElementsAre(Kind::kClearTimer, Kind::kCreate));
  EXPECT_THAT(life.OnCreationBegun(), ElementsAre(Step{Kind::kSetTimer, limits.create_timeout}));
}

TEST(LifeCycle, DestroyingThatTakesLongIsWaitedFor) {
  LifeCycleLimits limits;
  limits.max_clean_tries = 3;
  for (const bool in_time : {true, false}) {
    LifeCycle life = Connected(limits, 5);
    life.OnFailure("it crashed");
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(life.OnTimer(), ElementsAre(Step{Kind::kSetTimer, limits.clean_timeout}));
      EXPECT_EQ(life.phase(), Phase::kCleaning);
    }
    if (!in_time) {
      EXPECT_THAT(Kinds(life.OnTimer()), ElementsAre(Kind::kClearTimer));
      EXPECT_EQ(life.phase(), Phase::kFailed);
      EXPECT_THAT(life.OnCleaned(false, "it cannot be destroyed"), IsEmpty());
      EXPECT_EQ(life.phase(), Phase::kFailed);
    }
    EXPECT_THAT(Kinds(life.OnCleaned(true, "")), ElementsAre(Kind::kSetTimer, Kind::kPrepare));
    EXPECT_THAT(life.OnCleaned(true, "once more"), IsEmpty());
  }
}

TEST(LifeCycle, DestroyingThatFailsIsTriedAgain) {
  LifeCycleLimits limits;
  limits.max_clean_tries = 4;
  limits.first_clean_pause = milliseconds(100);
  limits.max_backoff = milliseconds(300);
  LifeCycle life = Connected(limits, 5);
  for (int round = 0; round < 2; ++round) {
    life.OnFailure("it crashed");
    for (const int pause : {100, 200, 300}) {
      EXPECT_THAT(life.OnCleaned(false, "busy"),
                  ElementsAre(Step{Kind::kSetTimer, milliseconds(pause)}));
      EXPECT_EQ(life.phase(), Phase::kWaiting);
      EXPECT_EQ(life.reason(), "it crashed");
      EXPECT_THAT(Kinds(life.OnTimer()), ElementsAre(Kind::kSetTimer, Kind::kClean));
    }
    // Each domain's tries are counted anew.
    life.OnCleaned(true, "");
    Connect(life, 6);
    Last(life);
    ASSERT_EQ(life.phase(), Phase::kConnected);
  }
}

TEST(LifeCycle, WhatAFailedCreationLeftIsDestroyedBeforeTheNextOne) {
  LifeCycleLimits limits;
  limits.max_clean_tries = 2;
  LifeCycle life(limits);
  life.Start();
  life.OnPrepared();
  life.OnFailure("xl create failed");
  ASSERT_EQ(life.domid(), 0u);
  life.OnCleaned(false, "busy");
  EXPECT_THAT(Kinds(life.OnTimer()), ElementsAre(Kind::kSetTimer, Kind::kClean));
  life.OnCleaned(false, "busy");
  ASSERT_EQ(life.phase(), Phase::kFailed);
  EXPECT_THAT(Kinds(life.Restart()), ElementsAre(Kind::kSetTimer, Kind::kClean));
}

TEST(LifeCycle, WhoDiesOfItsBeginningAgainAndAgainIsGivenPauses) {
  LifeCycleLimits limits;
  limits.max_brief_lives = 3;
  limits.first_backoff = milliseconds(100);
  limits.max_backoff = milliseconds(350);
  for (const bool serves : {false, true}) {
    LifeCycle life = Connected(limits, 5);
    life.SetStandby(false);
    life.OnFailure("it crashed after a long life");
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(Kinds(life.OnCleaned(true, "")), ElementsAre(Kind::kSetTimer, Kind::kPrepare));
      Connect(life, 6);
      // Soon after it was connected, or later, and before it served.
      if (serves) {
        life.OnServing();
      } else {
        EXPECT_THAT(life.OnTimer(), IsEmpty());
      }
      life.OnFailure("it crashed soon");
    }
    EXPECT_EQ(life.phase(), Phase::kCleaning);
    life.OnCleaned(true, "");
    Connect(life, 6);
    // No standby is to be wasted on it either.
    life.SetStandby(true);
    EXPECT_THAT(Kinds(life.OnFailure("it crashed soon")),
                ElementsAre(Kind::kSetTimer, Kind::kClean));
    for (const int delay : {100, 200, 350, 350}) {
      EXPECT_THAT(life.OnCleaned(true, ""),
                  ElementsAre(Step{Kind::kSetTimer, milliseconds(delay)}));
      EXPECT_EQ(life.phase(), Phase::kWaiting);
      life.OnTimer();
      Connect(life, 7);
      ASSERT_EQ(life.phase(), Phase::kConnected);
      life.OnFailure("it crashed soon");
    }
    // One that lasts clears the count.
    life.OnCleaned(true, "");
    life.OnTimer();
    Connect(life, 8);
    Last(life);
    EXPECT_THAT(Kinds(life.OnFailure("it crashed")), ElementsAre(Kind::kSetTimer, Kind::kTakeOver));
  }
}

TEST(LifeCycle, TellsADeathFromAnOperatorsWish) {
  LifeCycle life = Connected({}, 5);
  life.OnFailure("it crashed");
  EXPECT_TRUE(life.died());
  life.OnCleaned(true, "");
  Connect(life, 6);
  life.Restart();
  EXPECT_FALSE(life.died());
}

TEST(LifeCycle, AnOperatorsRestart) {
  LifeCycle life = Connected({}, 5);
  EXPECT_THAT(Kinds(life.Restart()), ElementsAre(Kind::kSetTimer, Kind::kClean));
  life.OnCleaned(true, "");
  EXPECT_EQ(life.phase(), Phase::kPreparing);
  life.OnFailure("the IOMMU is off", true);
  life.OnCleaned(true, "");
  ASSERT_EQ(life.phase(), Phase::kFailed);
  life.Restart();
  EXPECT_EQ(life.phase(), Phase::kPreparing);
}

TEST(LifeCycle, WhatCannotBeDestroyedIsLeftToAnOperator) {
  LifeCycleLimits limits;
  limits.max_clean_tries = 1;
  LifeCycle life = Connected(limits, 5);
  life.OnFailure("it crashed");
  EXPECT_THAT(Kinds(life.OnCleaned(false, "it cannot be destroyed")),
              ElementsAre(Kind::kClearTimer));
  EXPECT_EQ(life.phase(), Phase::kFailed);
  EXPECT_EQ(life.domid(), 5u);
  EXPECT_THAT(Kinds(life.Restart()), ElementsAre(Kind::kSetTimer, Kind::kClean));
}

TEST(LifeCycle, TakesOverOrReplacesWhatRuns) {
  LifeCycle adopted({});
  EXPECT_THAT(Kinds(adopted.Adopt(7)), ElementsAre(Kind::kWatch, Kind::kAttach));
  EXPECT_EQ(adopted.phase(), Phase::kConnected);
  EXPECT_EQ(adopted.restarts(), 0u);
  LifeCycle replaced({});
  EXPECT_THAT(Kinds(replaced.Replace(7, "not connected")),
              ElementsAre(Kind::kSetTimer, Kind::kClean));
  EXPECT_EQ(replaced.domid(), 7u);
  replaced.OnCleaned(true, "");
  EXPECT_EQ(replaced.phase(), Phase::kPreparing);
}

TEST(LifeCycle, AStandbyTakesOver) {
  LifeCycle life = Connected({}, 5);
  life.SetStandby(true);
  EXPECT_THAT(Kinds(life.OnFailure("it crashed")), ElementsAre(Kind::kSetTimer, Kind::kTakeOver));
  EXPECT_EQ(life.phase(), Phase::kTakingOver);
  EXPECT_EQ(life.domid(), 5u);
  EXPECT_EQ(life.reason(), "it crashed");
  EXPECT_EQ(life.restarts(), 1u);
  EXPECT_THAT(life.OnBackendState(XenbusState::kClosing, "the old connection"), IsEmpty());
  EXPECT_THAT(Kinds(life.OnTakenOver(9)), ElementsAre(Kind::kSetTimer, Kind::kWatch));
  EXPECT_EQ(life.domid(), 9u);
  EXPECT_THAT(Kinds(life.OnBackendState(XenbusState::kConnected, "")),
              ElementsAre(Kind::kSetTimer, Kind::kAttach));
  EXPECT_EQ(life.phase(), Phase::kConnected);
}

TEST(LifeCycle, WithoutAStandbyItBeginsAnew) {
  LifeCycle life = Connected({}, 5);
  life.SetStandby(true);
  life.SetStandby(false);
  EXPECT_THAT(Kinds(life.OnFailure("it crashed")), ElementsAre(Kind::kSetTimer, Kind::kClean));
}

TEST(LifeCycle, ATakeoverThatFailsOrTakesTooLongEndsInANewDomain) {
  for (const bool late : {false, true}) {
    LifeCycle life = Connected({}, 5);
    life.SetStandby(true);
    life.OnFailure("it crashed");
    EXPECT_THAT(Kinds(late ? life.OnTimer() : life.OnFailure("its standby failed")),
                ElementsAre(Kind::kSetTimer, Kind::kClean));
    EXPECT_EQ(life.reason(), "it crashed");
    EXPECT_THAT(life.OnTakenOver(9), IsEmpty());
    EXPECT_EQ(Kinds(life.OnCleaned(true, "")), std::vector{Kind::kSetTimer});
    EXPECT_THAT(Kinds(life.OnTimer()), ElementsAre(Kind::kSetTimer, Kind::kPrepare));
  }
}

TEST(LifeCycle, AnHeirThatDoesNotConnectIsReplaced) {
  LifeCycleLimits limits;
  limits.take_over_timeout = milliseconds(700);
  LifeCycle life = Connected(limits, 5);
  life.SetStandby(true);
  life.OnFailure("it crashed");
  EXPECT_EQ(life.OnTakenOver(9)[0], (Step{Kind::kSetTimer, milliseconds(700)}));
  EXPECT_THAT(Kinds(life.OnTimer()), ElementsAre(Kind::kSetTimer, Kind::kClean));
  EXPECT_EQ(life.domid(), 9u);
}

TEST(LifeCycle, AnOperatorsRestartWithAStandby) {
  LifeCycle life = Connected({}, 5);
  life.SetStandby(true);
  EXPECT_THAT(Kinds(life.Restart()), ElementsAre(Kind::kSetTimer, Kind::kTakeOver));
  LifeCycle anew = Connected({}, 5);
  anew.SetStandby(true);
  EXPECT_THAT(Kinds(anew.Restart(/*anew=*/true)), ElementsAre(Kind::kSetTimer, Kind::kClean));
}

TEST(LifeCycle, NoTakeoverWithoutRestart) {
  LifeCycleLimits limits;
  limits.restart = false;
  LifeCycle life = Connected(limits, 5);
  life.SetStandby(true);
  EXPECT_THAT(Kinds(life.OnFailure("it crashed")), ElementsAre(Kind::kSetTimer, Kind::kClean));
}

TEST(LifeCycle, AParkedDomainThatDiesEarlyIsReplacedWithBackoff) {
  LifeCycleLimits limits;
  limits.stable_after = milliseconds(60'000);
  limits.max_attempts = limits.max_first_attempts = 3;
  LifeCycle parked(limits);
  parked.Start();
  for (int death = 1; death <= 3; ++death) {
    EXPECT_THAT(Connect(parked, 7),
                ElementsAre(Step{Kind::kSetTimer, limits.stable_after}, Step{Kind::kAttach}));
    parked.OnFailure("it crashed");
    parked.OnCleaned(true, "");
    EXPECT_EQ(parked.phase(), death < 3 ? Phase::kWaiting : Phase::kFailed);
    parked.OnTimer();
  }
  // One that lasted does not count.
  LifeCycle lasting(limits);
  lasting.Start();
  for (int death = 1; death <= 10; ++death) {
    Connect(lasting, 7);
    EXPECT_THAT(lasting.OnTimer(), IsEmpty());
    lasting.OnFailure("it crashed");
    lasting.OnCleaned(true, "");
    ASSERT_EQ(lasting.phase(), Phase::kWaiting);
    lasting.OnTimer();
  }
}

TEST(LifeCycle, AfterATakeoverWhatIsLeftIsDestroyedLater) {
  LifeCycle parked({});
  parked.Start();
  Connect(parked, 7);
  EXPECT_THAT(Kinds(parked.Yield()), ElementsAre(Kind::kClearTimer));
  EXPECT_EQ(parked.domid(), 0u);
  EXPECT_THAT(parked.Replace(5, "it took over", milliseconds(2000)),
              ElementsAre(Step{Kind::kSetTimer, milliseconds(2000)}));
  EXPECT_EQ(parked.phase(), Phase::kWaiting);
  EXPECT_THAT(parked.OnFailure("it is dead, of course"), IsEmpty());
  EXPECT_THAT(Kinds(parked.OnTimer()), ElementsAre(Kind::kSetTimer, Kind::kClean));
  EXPECT_EQ(parked.domid(), 5u);
  EXPECT_THAT(Kinds(parked.OnCleaned(true, "")), ElementsAre(Kind::kSetTimer, Kind::kPrepare));
}

// Whatever happens in whatever order: a domain is created only when none is left of the one before,
// and every phase but the settled ones has a timer.
TEST(LifeCycle, AnyOrderOfEvents) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    LifeCycle life({});
    bool domain_may_exist = false;
    bool timer = false;
    bool begun = false;
    const auto follow = [&](const LifeCycle::Steps& steps) {
      for (const Step& step : steps) {
        if (step.kind == Kind::kSetTimer) timer = true;
        if (step.kind == Kind::kClearTimer) timer = false;
        if (step.kind != Kind::kCreate) continue;
        ASSERT_FALSE(domain_may_exist) << "seed " << seed;
        domain_may_exist = true;
      }
    };
    follow(life.Start());
    for (int i = 0; i < 300; ++i) {
      switch (random() % 12) {
        case 0:
          follow(life.OnPrepared());
          break;
        case 1:
          follow(life.OnCreated(1 + random() % 100));
          break;
        case 2:
          follow(life.OnBackendState(static_cast<XenbusState>(random() % 7), "state"));
          break;
        case 3:
          follow(life.OnFailure("failure", random() % 16 == 0));
          break;
        case 4:
          // Perhaps late.
          if (life.phase() == Phase::kCleaning || life.phase() == Phase::kWaiting ||
              life.phase() == Phase::kFailed) {
            domain_may_exist = false;
          }
          follow(life.OnCleaned(true, ""));
          break;
        case 5:
          if (random() % 4 == 0) follow(life.OnCleaned(false, "stuck"));
          break;
        case 6:
          if (timer) {
            timer = false;
            follow(life.OnTimer());
          }
          break;
        case 8:
          life.SetStandby(random() % 2 == 0);
          break;
        case 9:
          follow(life.OnTakenOver(101 + random() % 100));
          break;
        case 7:
          if (random() % 4 == 0) follow(life.Restart());
          break;
        case 10:
          if (life.phase() == Phase::kCreating) begun = true;
          follow(life.OnCreationBegun());
          break;
        case 11:
          life.OnServing();
          break;
      }
      if (life.phase() != Phase::kCreating) begun = false;
      // Waiting for its turn is bounded by those whose turn it is.
      const bool waits = life.phase() != Phase::kConnected && life.phase() != Phase::kFailed &&
                         (life.phase() != Phase::kCreating || begun);
      ASSERT_TRUE(timer || !waits) << "seed " << seed << ", phase " << PhaseName(life.phase());
      ASSERT_FALSE(timer && life.phase() == Phase::kFailed) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace vos
