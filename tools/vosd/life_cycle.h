// SPDX-License-Identifier: Apache-2.0
// What happens to one service domain, and when: the decisions alone, without any system call.
// The supervisor tells what it sees, and carries out the steps that come back, in their order.
//
//   stopped -> preparing -> creating -> connecting -> connected
//                 ^             |            |    ^       |
//                 |             +------------+    |       |  failure
//               waiting  <--------- cleaning <----|-------+
//                                   ^    |    taking over <+  failure, and there is a standby
//                                   |    |         |
//                                   +----|---------+
//                                        +---> failed  (given up, until an operator restarts it)
//
// What cannot be destroyed waits, too, and is cleaned up again before anything else.
//
// A parked standby has a life cycle of its own. It is "connected" once it has booted and waits, and
// it ends not in a failure but by Yield() when it takes over; what remains of the dead domain is then
// its own to Replace().
#ifndef VIRTUOS_TOOLS_VOSD_LIFE_CYCLE_H_
#define VIRTUOS_TOOLS_VOSD_LIFE_CYCLE_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace vos {

enum class Phase {
  kStopped,
  kPreparing,   // looking for the device and taking it from the primary
  kCreating,    // the toolstack builds the domain, or will when it is the domain's turn
  kConnecting,  // it boots; the drivers shake hands
  kConnected,
  kTakingOver,  // the standby gets the device and the connection of the domain that failed
  kCleaning,    // destroying what is left of it
  kWaiting,     // before the next attempt
  kFailed,      // given up
};

const char* PhaseName(Phase phase);

// State of a xenbus device, as in xen/io/xenbus.h; 0 also when its node is gone.
enum class XenbusState : std::uint32_t {
  kUnknown = 0,
  kInitialising = 1,
  kInitWait = 2,
  kInitialised = 3,
  kConnected = 4,
  kClosing = 5,
  kClosed = 6,
};

struct LifeCycleLimits {
  std::chrono::milliseconds prepare_timeout{20'000};
  std::chrono::milliseconds create_timeout{60'000};
  std::chrono::milliseconds connect_timeout{45'000};
  std::chrono::milliseconds clean_timeout{30'000};
  // Of destroying what is left; each has clean_timeout. One that failed is followed by a pause, and
  // by another try; one that takes long is waited for. Given up after that, unless it ends later.
  std::uint32_t max_clean_tries = 6;
  std::chrono::milliseconds first_clean_pause{1000};
  // From the failure until the standby, perhaps still booting, has what it needs; and from then on
  // until it is connected.
  std::chrono::milliseconds take_over_timeout{15'000};
  std::chrono::milliseconds first_backoff{200};
  std::chrono::milliseconds max_backoff{30'000};
  // Incarnations in a row that may end before they were connected; fewer while none ever was,
  // because then something is set up wrongly and the boot waits for the answer.
  std::uint32_t max_attempts = 5;
  std::uint32_t max_first_attempts = 2;
  // One that ends so soon after it was connected, or before it served, died of its beginning: of the
  // disk it found, perhaps. After so many in a row there is a pause before the next one.
  std::chrono::milliseconds brief_life{500};
  std::uint32_t max_brief_lives = 5;
  // One that ends sooner after it was connected counts as if it never had been.
  std::chrono::milliseconds stable_after{0};
  bool restart = true;  // after a failure, by itself
};

struct Step {
  enum class Kind {
    kPrepare,   // ends in OnPrepared() or OnFailure()
    kCreate,    // OnCreationBegun() when it does; ends in OnCreated() or OnFailure()
    kConnect,   // write the xenbus nodes of the domain
    kWatch,     // tell OnBackendState() and OnFailure() from now on
    kAttach,    // the domain is connected: attach what it serves; OnServing() once it does
    kTakeOver,  // give the standby what the domain had; ends in OnTakenOver() or OnFailure()
    kClean,  // end a running step, watch no longer, destroy the domain, remove the nodes; ends in
             // OnCleaned()
    kSetTimer,  // OnTimer() after `delay`; one timer, the last setting counts
    kClearTimer,
  };
  Kind kind;
  std::chrono::milliseconds delay{0};

  bool operator==(const Step&) const = default;
};

class LifeCycle {
 public:
  explicit LifeCycle(const LifeCycleLimits& limits) : limits_(limits) {}

  using Steps = std::vector<Step>;

  // Starts the domain; the toolstack has none of its name.
  Steps Start();
  // A domain of its name runs already and its connection stands.
  Steps Adopt(std::uint32_t domid);
  // A domain of its name exists, but is of no use: it is destroyed after `delay`. 0: perhaps none does.
  Steps Replace(std::uint32_t domid, std::string reason,
                std::chrono::milliseconds delay = std::chrono::milliseconds(0));

  Steps OnPrepared();
  Steps OnCreationBegun();
  Steps OnCreated(std::uint32_t domid);
  Steps OnBackendState(XenbusState state, std::string reason);
  // It has found what it is to serve.
  void OnServing();
  // A step failed, the domain died, or its connection did. `permanent`: trying again is of no use.
  Steps OnFailure(std::string reason, bool permanent = false);
  // `gone`: no domain of ours exists any more; also when that comes after it was given up.
  Steps OnCleaned(bool gone, std::string reason);
  Steps OnTimer();
  // The operator wants a new incarnation; clears the count of attempts. `anew`: not the standby.
  Steps Restart(bool anew = false);
  // The standby `domid` has got what the domain had.
  Steps OnTakenOver(std::uint32_t domid);

  // There is a standby that can take over, now or soon; else not.
  void SetStandby(bool available) { standby_ = available; }
  // Of a standby: it is another's now.
  Steps Yield();

  Phase phase() const { return phase_; }
  // 0: there is no domain.
  std::uint32_t domid() const { return domid_; }
  // Why the last incarnation ended; empty: none did.
  const std::string& reason() const { return reason_; }
  // It did so by itself, not because an operator wanted it.
  bool died() const { return died_; }
  // Something may be left of it.
  bool remains() const { return remains_; }
  // Incarnations started after the first one.
  std::uint32_t restarts() const { return incarnations_ > 0 ? incarnations_ - 1 : 0; }
  bool ever_connected() const { return ever_connected_; }

 private:
  Steps Prepare();
  Steps TakeOver();
  Steps Clean();
  // Trying to destroy it failed, or takes long.
  Steps CleanLater(std::string reason, bool goes_on);
  // What follows once nothing is left of the last incarnation.
  Steps Next();

  LifeCycleLimits limits_;
  Phase phase_ = Phase::kStopped;
  std::uint32_t domid_ = 0;
  std::string reason_;
  bool died_ = false;
  std::uint32_t incarnations_ = 0;
  std::uint32_t attempts_ = 0;     // incarnations in a row that ended before they were connected
  std::uint32_t brief_lives_ = 0;  // incarnations in a row that ended soon after it
  std::uint32_t clean_tries_ = 0;  // that failed, since the last domain ended
  bool remains_ = false;           // something may be left of the last domain
  bool serving_ = false;           // OnServing() was called
  bool lasting_ = false;           // brief_life is over
  bool ever_connected_ = false;
  bool give_up_ = false;
  bool standby_ = false;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_LIFE_CYCLE_H_
