// SPDX-License-Identifier: Apache-2.0
// A peer that misuses the handshake: front-ends made up in xenstore against the primary, back-ends
// made up against the network domain. Missing and malformed keys, versions and numbers out of
// range, states out of order, peers that vanish at each step, seeded random sequences. Each is
// refused with a message on both sides, none holds up other devices, nothing is left behind, and a
// connection through the network domain goes on.
// tier: fast
// boot: own
// time: 240
// vm: --storage none --linux virtuos.storage=none
// links: tools/vosd/xenstore.cc -lxenstore
#include <dirent.h>

#include <format>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>

#include "kernel/virtuos/abi/virtuos.h"
#include "tests/system/testing.h"
#include "tools/vosd/xenstore.h"

using namespace vos::testing;
using vos::XenStore;

namespace {

constexpr int kSequences = 150;
constexpr int kStepsOfSequence = 24;
// Well before a call to a domain that does not answer gives up.
constexpr int kPrompt = 6000;
constexpr int kCallLimit = 30000;
constexpr int kInitialising = 1, kInitWait = 2, kInitialised = 3, kConnected = 4, kClosing = 5,
              kClosed = 6;

XenStore* store;
long misuses = 0;

void Write(const std::string& path, const std::string& value) {
  const auto written = store->Commit([&](XenStore::Transaction& t) { t.Write(path, value); });
  if (!written) FAIL("%s", written.error().message.c_str());
}

// Waits for a node of xenstore to satisfy `done`; false: it did not within the limit.
bool Await(const std::string& path, int limit,
           const std::function<bool(const std::optional<std::string>&)>& done) {
  CHECK(store->Watch(path, path).has_value());
  bool satisfied = false;
  for (const int64_t end = Milliseconds() + limit; !satisfied;) {
    satisfied = done(store->Read(path));
    const int64_t left = end - Milliseconds();
    if (satisfied || left <= 0) break;
    Poll(store->events(), POLLIN, static_cast<int>(left));
    while (store->NextEvent()) continue;
  }
  store->Unwatch(path, path);
  while (store->NextEvent()) continue;
  return satisfied;
}

// Waits for something that tells nobody when it happens.
bool Becomes(const std::function<bool()>& done, int limit = kPrompt) {
  for (const int64_t end = Milliseconds() + limit; Milliseconds() < end; Sleep(10))
    if (done()) return true;
  return done();
}

int State(const std::optional<std::string>& text) { return text ? atoi(text->c_str()) : 0; }

// ---------------------------------------------------------------------- logs

// What a log says from now on.
class Log {
 public:
  explicit Log(const char* path) : path_(path) { Skip(); }
  void Skip() {
    std::ifstream file(path_, std::ios::ate);
    if (file) at_ = file.tellg();
  }
  bool Says(const std::string& text) {
    return Becomes([&] {
      std::ifstream file(path_);
      file.seekg(at_);
      return std::string(std::istreambuf_iterator<char>(file), {}).find(text) != std::string::npos;
    });
  }

 private:
  const char* path_;
  std::streamoff at_ = 0;
};

// The primary's kernel log.
class KernelLog {
 public:
  KernelLog() : fd_(CHECK_OK(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC))) { Skip(); }
  void Skip() {
    CHECK_OK(lseek(fd_, 0, SEEK_END));
    text_.clear();
  }
  bool Says(const std::string& text) {
    return Becomes([&] {
      char record[8192];
      for (ssize_t size; (size = read(fd_, record, sizeof(record))) > 0;)
        text_.append(record, size);
      return text_.find(text) != std::string::npos;
    });
  }

 private:
  Fd fd_;
  std::string text_;
};

// --------------------------------------------------------------------- leaks

// What every refused or vanished front-end must give back.
struct Holdings {
  int devices = 0;
  int interrupts = 0;
  int mappings = 0;
  long grants = 0;
  bool operator==(const Holdings&) const = default;
};

int CountLines(const char* path, std::string_view word) {
  std::ifstream file(path);
  int count = 0;
  for (std::string line; std::getline(file, line);) count += line.find(word) != line.npos;
  return count;
}

Holdings Held() {
  Holdings held;
  DIR* directory = opendir("/sys/bus/xen-backend/devices");
  CHECK(directory != nullptr);
  while (const dirent* entry = readdir(directory))
    held.devices += std::string_view(entry->d_name).starts_with("vos-");
  closedir(directory);
  held.interrupts = CountLines("/proc/interrupts", "virtuos");
  held.mappings = CountLines("/proc/vmallocinfo", "vos_memory_alloc");
  std::ifstream stats("/sys/kernel/debug/virtuos/stats");
  for (std::string name; stats >> name;)
    if (name == "primary.granted_pages") stats >> held.grants;
  return held;
}

void CheckNothingLeft(const Holdings& before) {
  if (Becomes([&] { return Held() == before; })) return;
  const Holdings now = Held();
  FAIL("left behind: %d devices, %d interrupts, %d mappings, %ld granted pages",
       now.devices - before.devices, now.interrupts - before.interrupts,
       now.mappings - before.mappings, now.grants - before.grants);
}

// ----------------------------------------------------------------- front-end

using Keys = std::vector<std::pair<std::string, std::string>>;

Keys GoodKeys() {
  return {{VOS_KEY_ABI, std::to_string(VOS_ABI_VERSION)},
          {VOS_KEY_FEATURES, "0"},
          {VOS_KEY_POLLERS, "1"}};
}

// The primary's device of a front-end that exists only here. Its directory is no place where a
// domain's drivers look.
class FrontEnd {
 public:
  FrontEnd(unsigned domid, int index, const std::string& kind = std::to_string(VOS_DOMAIN_STORAGE))
      : back_(std::format("/local/domain/0/backend/vos/{}/{}", domid, index)),
        front_(std::format("/local/domain/0/data/misuse/{}-{}", domid, index)),
        device_(std::format("/sys/devices/vos-{}-{}", domid, index)),
        name_(std::format("vos-{}-{}", domid, index)) {
    const auto made = store->Commit([&](XenStore::Transaction& t) {
      t.MakeDirectory(front_, 0, 0);
      t.Write(front_ + "/backend", back_);
      t.Write(front_ + "/backend-id", "0");
      t.Write(front_ + "/state", std::to_string(kInitialising));
      t.MakeDirectory(back_, 0, 0);
      t.Write(back_ + "/frontend", front_);
      t.Write(back_ + "/frontend-id", std::to_string(domid));
      t.Write(back_ + "/online", "1");
      if (!kind.empty()) t.Write(back_ + "/" VOS_KEY_KIND, kind);
      t.Write(back_ + "/state", std::to_string(kInitialising));
    });
    if (!made) FAIL("%s", made.error().message.c_str());
  }
  ~FrontEnd() { Remove(); }

  void Remove() {
    if (back_.empty()) return;
    RemoveBack();
    store->Remove(front_);
    back_.clear();
  }
  void RemoveFront() { store->Remove(front_); }
  // The toolstack takes the device away. Its directory there goes once its driver has let go of it:
  // the last thing that writes is a state.
  void RemoveBack() {
    store->Remove(back_);
    if (!Becomes([&] { return access(device_.c_str(), F_OK) != 0; }))
      FAIL("the device %s stays", name_.c_str());
  }
  void Say(const std::string& key, const std::string& value) {
    Write(front_ + "/" + key, value);
    misuses++;
  }
  void Forget(const std::string& key) {
    store->Remove(front_ + "/" + key);
    misuses++;
  }
  void Go(int state) { Say("state", std::to_string(state)); }
  void Introduce(const Keys& keys) {
    for (const auto& [key, value] : keys) Say(key, value);
    Go(kInitialised);
  }
  // The primary gets to this state in time.
  void Reaches(int state, int limit = kPrompt) {
    if (Await(back_ + "/state", limit, [&](const auto& text) { return State(text) == state; }))
      return;
    FAIL("%s: the primary is in state %d, not %d", name_.c_str(),
         State(store->Read(back_ + "/state")), state);
  }
  // It gives up, and says why to the front-end and in its log.
  void IsRefused(KernelLog& log, const std::string& why, int limit = kPrompt) {
    if (!Await(back_ + "/state", limit, [](const auto& text) { return State(text) >= kClosing; }))
      FAIL("%s is not refused: %s", name_.c_str(), why.c_str());
    const std::string said = store->Read(back_ + "/" VOS_KEY_ERROR).value_or("");
    if (said.find(why) == said.npos)
      FAIL("%s is told \"%s\", not \"%s\"", name_.c_str(), said.c_str(), why.c_str());
    if (!log.Says(why)) FAIL("the primary's log does not say: %s", why.c_str());
    log.Skip();
  }
  // A front-end goes along, as Xen's drivers do. The primary watches those that it looked at.
  void GoesAlong() {
    Go(kClosed);
    Reaches(kClosed);
  }

  // Without a fault so far.
  void Handshake(int state) {
    Reaches(kInitWait);
    if (state < kInitialised) return;
    Introduce(GoodKeys());
    Reaches(kInitialised);
    if (state == kConnected) Go(kConnected);
  }

 private:
  std::string back_, front_, device_, name_;
};

void RefuseKeys(unsigned domid, KernelLog& log) {
  const std::string wrong[] = {"",
                               "x",
                               "1x",
                               "-1",
                               "+1",
                               " 1",
                               "0x1",
                               "4294967296",
                               "4294967297",
                               "99999999999999999999999",
                               std::string(2000, '7'),
                               "1\x01\x7f"};
  for (const auto& [key, good] : GoodKeys()) {
    const std::string why = key == VOS_KEY_ABI        ? "ABI version"
                            : key == VOS_KEY_FEATURES ? "features"
                                                      : "number of pollers";
    const auto refused = [&](const Keys& keys) {
      FrontEnd front(domid, 7);
      front.Handshake(kInitWait);
      front.Introduce(keys);
      front.IsRefused(log, why);
      front.GoesAlong();
    };
    Keys keys = GoodKeys();
    std::erase_if(keys, [&](const auto& one) { return one.first == key; });
    refused(keys);
    keys.emplace_back(key, "");
    for (const std::string& value : wrong) {
      keys.back().second = value;
      refused(keys);
    }
    const auto numbers = key == VOS_KEY_ABI ? std::initializer_list<const char*>{"0", "4294967295"}
                         : key == VOS_KEY_POLLERS
                             ? std::initializer_list<const char*>{"0", "9", "4294967295"}
                             : std::initializer_list<const char*>{};
    for (const char* value : numbers) {
      keys.back().second = value;
      refused(keys);
    }
  }
  for (const char* kind : {"", "0", "3", "16", "x", "4294967298", "-1"}) {
    FrontEnd front(domid, 7, kind);
    front.IsRefused(log, "kind missing or unknown");
  }
  FrontEnd second(domid, 7, std::to_string(VOS_DOMAIN_NETWORK));
  second.IsRefused(log, "serves this kind already");
}

// States out of order. What a front-end may say next: see the end of abi/virtuos.h.
void RefuseStates(unsigned domid, KernelLog& log) {
  const std::pair<int, std::vector<const char*>> wrong[] = {
      {kInitWait, {"2", "4", "7", "8", "9", "77", "-3", "2147483647"}},
      {kInitialised, {"1", "2", "7", "99"}},
  };
  for (const auto& [reached, states] : wrong) {
    for (const char* state : states) {
      FrontEnd front(domid, 7);
      front.Handshake(reached);
      front.Say("state", state);
      front.IsRefused(log, "the service domain goes to state");
      front.GoesAlong();
    }
  }
  // No number at all is no front-end.
  for (const int reached : {kInitWait, kInitialised}) {
    FrontEnd front(domid, 7);
    front.Handshake(reached);
    front.Say("state", "connected");
    front.Reaches(kClosed);
  }
  // Once refused, nothing helps.
  FrontEnd front(domid, 7);
  front.Handshake(kInitWait);
  front.Go(kConnected);
  front.IsRefused(log, "the service domain goes to state");
  for (const int state : {kInitialising, kInitialised, kConnected, kClosing, kInitialising})
    front.Go(state);
  front.Reaches(kClosed);
}

// A front-end that explains itself is quoted, whatever bytes it uses.
void QuoteRefusal(unsigned domid, KernelLog& log) {
  FrontEnd front(domid, 7);
  front.Handshake(kInitialised);
  front.Say(VOS_KEY_ERROR, "no room\n\x1b[2J" + std::string(1000, 'r'));
  front.Go(kClosing);
  front.Reaches(kClosed);
  CHECK(log.Says("the domain closed its end: no room??[2Jrrr"));
}

void Vanish(unsigned domid) {
  for (const int reached : {kInitWait, kInitialised, kConnected}) {
    for (const bool whole : {false, true}) {
      FrontEnd front(domid, 7);
      front.Handshake(reached);
      misuses++;
      if (whole) {
        front.Remove();
      } else {
        front.RemoveFront();
        front.Reaches(kClosed);
      }
    }
    for (const int state : {kClosing, kClosed}) {
      FrontEnd front(domid, 7);
      front.Handshake(reached);
      front.Go(state);
      front.Reaches(kClosed);
    }
  }
  // Before the primary has looked.
  FrontEnd(domid, 7).RemoveFront();
}

// It says that it is connected, and nobody polls: other devices do not wait for it.
void SayConnectedAndSleep(unsigned domid, KernelLog& log) {
  FrontEnd sleeper(domid, 7);
  sleeper.Handshake(kConnected);
  {
    FrontEnd other(domid, 8);
    other.Handshake(kInitialised);
  }
  sleeper.Reaches(kClosing, kCallLimit);
  CHECK(log.Says("no sign of life"));
}

// What a random front-end does next; the first steps are often the right ones.
void RandomSequence(unsigned domid, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return random() % n; };
  const auto number = [&]() -> std::string {
    switch (below(6)) {
      case 0:
        return std::to_string(random());
      case 1:
        return std::to_string(static_cast<int>(random()));
      case 2:
        return std::string(below(64), static_cast<char>('0' + below(10)));
      case 3:
        return std::string(1, static_cast<char>(1 + below(255)));
      default:
        return std::to_string(below(10));
    }
  };
  FrontEnd front(domid, 7);
  bool gone = false;
  if (below(4) != 0) front.Handshake(static_cast<int>(kInitWait + below(3)));
  for (int step = 0; step < kStepsOfSequence && !gone; step++) {
    const Keys keys = GoodKeys();
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
        front.Say("state", number());
        break;
      case 3:
      case 4:
        front.Go(static_cast<int>(1 + below(6)));
        break;
      case 5:
        front.Say(keys[below(keys.size())].first, number());
        break;
      case 6:
        front.Forget(keys[below(keys.size())].first);
        break;
      case 7:
        front.Introduce(keys);
        break;
      case 8:
        front.Say(VOS_KEY_ERROR, number());
        break;
      default:
        if (below(8) == 0) {
          front.RemoveFront();
          gone = true;
        } else if (below(2) == 0) {
          Sleep(static_cast<int>(below(8)));
        }
    }
  }
}

// ------------------------------------------------------------------ back-end

// A device of the network domain whose back-end exists only here.
class BackEnd {
 public:
  explicit BackEnd(unsigned domid)
      : front_(std::format("/local/domain/{}/device/vos/{}", domid, ++last_)),
        back_(std::format("/local/domain/0/data/misuse/back-{}", last_)) {
    const auto made = store->Commit([&](XenStore::Transaction& t) {
      t.MakeDirectory(back_, 0, domid);
      t.Write(back_ + "/frontend", front_);
      t.Write(back_ + "/frontend-id", std::to_string(domid));
      t.Write(back_ + "/state", std::to_string(kInitialising));
      t.MakeDirectory(front_, domid, 0);
      t.Write(front_ + "/backend", back_);
      t.Write(front_ + "/backend-id", "0");
      t.Write(front_ + "/state", std::to_string(kInitialising));
    });
    if (!made) FAIL("%s", made.error().message.c_str());
  }
  ~BackEnd() {
    store->Remove(front_);
    store->Remove(back_);
  }
  void Say(const std::string& key, const std::string& value) {
    Write(back_ + "/" + key, value);
    misuses++;
  }
  void Go(int state) { Say("state", std::to_string(state)); }
  void Reaches(int state) {
    if (Await(front_ + "/state", kSoon, [&](const auto& text) { return State(text) == state; }))
      return;
    FAIL("the domain is in state %d, not %d", State(store->Read(front_ + "/state")), state);
  }
  void IsRefused(Log& log, const std::string& why) {
    Reaches(kClosing);
    const std::string said = store->Read(front_ + "/" VOS_KEY_ERROR).value_or("");
    if (said.find(why) == said.npos)
      FAIL("the primary is told \"%s\", not \"%s\"", said.c_str(), why.c_str());
    if (!log.Says(why)) FAIL("the domain's log does not say: %s", why.c_str());
    log.Skip();
    Go(kClosed);
    Reaches(kClosed);
  }

 private:
  // Each one another: nobody tells when the domain has noticed that a device is gone.
  static inline int last_ = 8;
  std::string front_, back_;
};

void MisuseTheDomain(unsigned domid, Log& log) {
  const std::string version = std::to_string(VOS_ABI_VERSION);
  const std::string kind = std::to_string(VOS_DOMAIN_NETWORK);
  for (const std::string& wrong : {std::string(), std::string("99"), version + "x",
                                   std::string("4294967297"), std::string("-1")}) {
    BackEnd back(domid);
    if (!wrong.empty()) back.Say(VOS_KEY_ABI, wrong);
    back.Go(kInitWait);
    back.IsRefused(log, "ABI version");
  }
  for (const char* wrong : {"", "2", "16", "x", "4294967297"}) {
    BackEnd back(domid);
    back.Say(VOS_KEY_ABI, version);
    if (*wrong) back.Say(VOS_KEY_KIND, wrong);
    back.Go(kInitWait);
    back.IsRefused(log, "cannot serve kind");
  }
  for (const char* wrong : {"", "x", "-1", "4294967296", "99999999999999999999"}) {
    BackEnd back(domid);
    back.Say(VOS_KEY_ABI, version);
    back.Say(VOS_KEY_KIND, kind);
    back.Go(kInitWait);
    back.Reaches(kInitialised);
    if (*wrong) back.Say(VOS_KEY_ROOT_REF, wrong);
    back.Go(kInitialised);
    back.IsRefused(log, "connecting to the primary");
  }
  BackEnd back(domid);
  back.Say(VOS_KEY_ABI, version);
  back.Say(VOS_KEY_KIND, kind);
  back.Go(kInitWait);
  back.Reaches(kInitialised);
  back.Say(VOS_KEY_ERROR, "not today\x1b");
  back.Go(kClosing);
  back.Reaches(kClosed);
  CHECK(log.Says("the primary closed its end: not today?"));
}

}  // namespace

int main() {
  auto opened = XenStore::Open();
  if (!opened) FAIL("%s", opened.error().message.c_str());
  store = &*opened;
  unsigned network = 0;
  for (const std::string& domid : store->List("/local/domain"))
    if (store->Read("/local/domain/" + domid + "/name") == "network") network = atoi(domid.c_str());
  CHECK(network != 0);
  std::ifstream kernel_state("/sys/kernel/debug/virtuos/state");
  for (std::string line; std::getline(kernel_state, line);)
    if (line.starts_with("domain=storage")) SKIP("there is no kind of domain that nobody serves");

  const Pair witness = TcpPair(AF_INET);
  const auto goes_on = [&] { CheckAlive(witness.client, witness.server); };
  KernelLog log;
  Log console("/var/log/xen/console/guest-network.log");
  const Holdings before = Held();
  // A domain that lives, and one that never was.
  for (const unsigned domid : {network, 32000u}) {
    RefuseKeys(domid, log);
    RefuseStates(domid, log);
    QuoteRefusal(domid, log);
    goes_on();
    Vanish(domid);
    goes_on();
    CheckNothingLeft(before);
  }
  SayConnectedAndSleep(network, log);
  CheckNothingLeft(before);
  for (int seed = 1; seed <= kSequences; seed++) {
    RandomSequence(seed % 2 ? network : 32000, seed);
    if (seed % 10 == 0) goes_on();
  }
  CheckNothingLeft(before);
  MisuseTheDomain(network, console);
  goes_on();
  // New connections, too.
  const Pair fresh = TcpPair(AF_INET6);
  CheckAlive(fresh.client, fresh.server);
  CheckNothingLeft(before);
  printf("%ld misuses\n", misuses);
  return 0;
}
