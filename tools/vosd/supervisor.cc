// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/supervisor.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <deque>
#include <format>
#include <iterator>
#include <utility>

#include "kernel/virtuos/abi/virtuos.h"
#include "tools/common/control_device.h"
#include "tools/common/kernel_state.h"
#include "tools/common/lease.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"
#include "tools/vosd/core_files.h"
#include "tools/vosd/disk_report.h"
#include "tools/vosd/handshake_watch.h"
#include "tools/vosd/keeper_process.h"
#include "tools/vosd/resolver.h"
#include "tools/vosd/takeover.h"

namespace vos {
namespace {

constexpr char kResolverFile[] = "/etc/resolv.conf";
// Exists once the namespace was attached in this boot.
constexpr char kAttachedFile[] = "/run/virtuos/attached";
constexpr char kBackendToken[] = "backend ";
constexpr char kFrontendToken[] = "frontend ";
constexpr char kResolverToken[] = "resolver ";
constexpr char kDiskToken[] = "disk ";
constexpr char kBootedToken[] = "booted ";
constexpr std::size_t kMaxReason = 300;

// What is left of a dead domain is destroyed, and the next standby made, only so long after its
// successor serves, or if that takes longer than the limit: both need the primary's processor.
constexpr std::chrono::milliseconds kRespite{1000};
constexpr std::chrono::milliseconds kRespiteLimit{15'000};
// A domain that boots in the place of another, and the toolstack while it makes it, get a small share
// of a processor that others want, too: those go on. That ends when the domain begins to shake hands,
// and after these times in any case: the limits it has to keep are connect-timeout, the toolstack's
// and, of a standby that is waited for, take_over_timeout.
constexpr std::chrono::milliseconds kPatience{10'000};
constexpr std::chrono::milliseconds kTakeOverPatience{5000};
// A parked domain that dies sooner was no good.
constexpr std::chrono::seconds kStandbyStable{60};
// Whoever was restarted more often than this is not waited for by the others' standbys.
constexpr std::uint32_t kFirstRestarts = 1;
// Keeping the memory of a dead domain.
constexpr std::chrono::seconds kCoreLimit{60};
// Exit status of what could not be started, as a shell gives it.
constexpr int kNotStarted = 127;

// However long a domain says that it has it.
std::uint64_t LongestLease() {
  return static_cast<std::uint64_t>(std::time(nullptr)) + 24 * 60 * 60;
}

// Ends what is sent to a client or written to a file as one line.
std::string OneLine(std::string_view text) { return Printable(text, kMaxReason); }

}  // namespace

struct Supervisor::Domain {
  explicit Domain(DomainSettings s) : settings(std::move(s)), life(settings.limits) {}

  const DomainSettings settings;
  LifeCycle life;

  std::unique_ptr<Domain> standby;  // none unless the settings want one
  std::unique_ptr<Takeover> takeover;
  // It is cleaned up, but its standby, which may have the device, is not.
  bool awaits_standby = false;
  // Of a standby:
  Domain* parked_for = nullptr;  // whose it is; none: it is none
  bool has_device = false;       // perhaps, because it was taking over
  std::string booted_path;       // watched; empty: not

  std::optional<Timer> timer;
  std::optional<Timer> settle_timer;
  std::optional<Timer> prepare_disk_timer;
  std::optional<Timer> core_timer;
  std::optional<Timer> patience_timer;
  bool hurries = false;  // see Hurry()
  std::deque<Step> steps;
  bool doing = false;
  Phase said = Phase::kStopped;  // phase the log told last

  std::string device;         // PCI address of its NIC or disk; empty: none
  std::unique_ptr<Child> xl;  // runs, or was killed and has not ended
  std::function<LifeCycle::Steps(int status)> xl_next;
  std::string xl_complaint;  // the last line xl wrote
  std::optional<ConnectionNodes> nodes;
  std::unique_ptr<HandshakeWatch> handshake;
  std::string resolver_path;              // watched; empty: not
  std::string resolver_text;              // written to resolv.conf last
  std::optional<Lease> lease;             // of the last domain that had one
  std::unique_ptr<KeeperProcess> keeper;  // of its addresses and routes; none: it has none
  bool core_wanted = false;               // of what is left of a domain, whatever life.died() says
  std::uint32_t core_tried = 0;           // domain whose memory was kept, or could not be
  std::string core;                       // the last file
  std::string disk_path;                  // watched; empty: not
  std::string no_disk;                    // why it has none
  DiskReport disk;
  bool prepare_disk = false;  // the next incarnation is asked to
  bool settled = false;       // once, see kSettleLimit
  std::string attach_error;
  std::optional<std::chrono::milliseconds> connected_at;
  std::optional<std::chrono::milliseconds> ended_at;
  std::optional<std::chrono::milliseconds> started_at;  // not known of one taken over
  std::vector<int> clients;                             // wait until it is connected or failed
  std::vector<int> prepare_clients;                     // wait until its disk is served
};

Result<std::unique_ptr<Supervisor>> Supervisor::Create(const Tools& tools,
                                                       std::vector<DomainSettings> settings) {
  std::unique_ptr<Supervisor> supervisor(new Supervisor(tools));
  Supervisor* self = supervisor.get();

  const auto primary = tools.store.Read("domid");
  const auto domid = primary ? ParseDecimal<std::uint32_t>(*primary) : std::nullopt;
  if (!domid) return Fail("xenstore does not tell the domain this is; did xen-init-dom0 run?");
  self->primary_ = *domid;
  self->toolstack_.emplace(tools.store, *domid);

  for (DomainSettings& one : settings) {
    DomainSettings parked = one;
    auto domain = self->MakeDomain(std::move(one));
    if (!domain) return std::unexpected(domain.error());
    if ((*domain)->settings.standby && (*domain)->settings.limits.restart) {
      parked.name += kStandbySuffix;
      parked.limits.stable_after = kStandbyStable;
      parked.limits.max_first_attempts = parked.limits.max_attempts;
      auto standby = self->MakeDomain(std::move(parked));
      if (!standby) return std::unexpected(standby.error());
      (*standby)->parked_for = domain->get();
      (*domain)->standby = std::move(*standby);
    }
    self->domains_.push_back(std::move(*domain));
  }

  if (auto listening = self->control_.Listen(
          kSocket,
          [self](int client, std::string_view request) { self->OnRequest(client, request); });
      !listening) {
    return std::unexpected(listening.error());
  }
  auto hang_watch = HangWatch::Create(tools.loop, tools.hypervisor, [self](std::uint32_t kind) {
    for (const auto& domain : self->domains_) {
      if (domain->settings.kind == kind) return domain->life.domid();
    }
    return std::uint32_t{0};
  });
  if (!hang_watch) return std::unexpected(hang_watch.error());
  self->hang_watch_ = std::move(*hang_watch);
  if (auto watching = tools.store.Watch(kReleaseDomain, kReleaseDomain); !watching) {
    return std::unexpected(watching.error());
  }
  if (auto added = tools.loop.Add(tools.store.events(), [self] { self->OnXenStoreEvents(); });
      !added) {
    return std::unexpected(added.error());
  }
  return supervisor;
}

Result<std::unique_ptr<Supervisor::Domain>> Supervisor::MakeDomain(DomainSettings settings) {
  auto domain = std::make_unique<Domain>(std::move(settings));
  Domain* d = domain.get();
  struct {
    std::optional<Timer>& timer;
    EventLoop::Callback callback;
  } timers[] = {
      {d->timer, [this, d] { OnLifeTimer(*d); }},
      {d->settle_timer, [this, d] { OnSettleLimit(*d); }},
      {d->prepare_disk_timer,
       [this, d] {
         AnswerAll(d->prepare_clients, std::format("error its disk is not served after {} s",
                                                   kPrepareDiskLimit.count()));
       }},
      {d->core_timer,
       [this, d] {
         Say(*d, std::format("xl dump-core is ended after {} s", kCoreLimit.count()));
         if (d->xl) d->xl->Kill();
       }},
      {d->patience_timer, [this, d] { Hurry(*d); }},
  };
  for (auto& [timer, callback] : timers) {
    auto made = Timer::Create(tools_.loop, std::move(callback));
    if (!made) return std::unexpected(made.error());
    timer.emplace(std::move(*made));
  }
  if (d->settings.kind == VOS_DOMAIN_NETWORK) {
    auto keeper = KeeperProcess::Create(
        tools_.loop, tools_.network,
        {[this, d](std::string_view text) { Say(*d, text); }, [this, d] { NetworkSettled(*d); }});
    if (!keeper) return std::unexpected(keeper.error());
    d->keeper = std::move(*keeper);
  }
  if (!d->settings.core.empty()) {
    const auto cores = CoreFiles(d->settings.core, d->settings.name).List();
    if (!cores.empty()) d->core = cores.back();
  }
  return domain;
}

void Supervisor::OnLifeTimer(Domain& domain) {
  const bool cleaning = domain.life.phase() == Phase::kCleaning;
  LifeCycle::Steps steps = domain.life.OnTimer();
  if (cleaning && domain.life.phase() == Phase::kCleaning) {
    Say(domain, "it is still being destroyed");
  }
  Do(domain, std::move(steps));
}

void Supervisor::OnSettleLimit(Domain& domain) {
  if (!domain.settled) {
    Say(domain, std::format("{}, going on", domain.keeper ? "its name servers are not known yet"
                                                          : "its disk is not served yet"));
  } else if (domain.keeper && !domain.keeper->runs()) {
    Say(domain, "no lease yet, going on");
  }
  Settle(domain);
  if (domain.keeper) domain.keeper->Start(/*before_lease=*/true);
}

Supervisor::Supervisor(const Tools& tools) : tools_(tools), control_(tools.loop) {}

Supervisor::~Supervisor() { tools_.loop.Remove(tools_.store.events()); }

void Supervisor::Start() {
  ForgetTheGone();
  for (const auto& domain : domains_) StartDomain(*domain);
  Publish();
  ReportStart();
}

void Supervisor::StartDomain(Domain& domain) {
  const auto domid = toolstack_->FindByName(domain.settings.name);
  const bool runs =
      domid && tools_.hypervisor.Health(*domid).alive &&
      ConnectionNodes(primary_, *domid).BackendState(tools_.store) == XenbusState::kConnected;
  // Whatever the last vosd was doing with its standby: it ends, and its device is free then.
  const auto parked = toolstack_->FindByName(domain.settings.name + kStandbySuffix);
  if (parked && !domain.standby) {
    Say(domain, std::format("domain {} was its standby and is not wanted any more; xl destroy ends "
                            "it",
                            *parked));
  }
  if (parked && domain.standby) {
    domain.standby->has_device = !runs;
    Do(*domain.standby, domain.standby->life.Replace(*parked, "vosd started anew"));
  }
  if (runs) {
    Say(domain, std::format("domain {} runs already, taking it over", *domid));
    domain.nodes.emplace(primary_, *domid);
    domain.device = OneLine(
        tools_.store.Read(std::format("/local/domain/{}/backend/pci/{}/0/dev-0", primary_, *domid))
            .value_or(""));
    domain.no_disk = "it was created without one";
    Do(domain, domain.life.Adopt(*domid));
    // It may have been starting when the last vosd ended.
    Hurry(domain);
  } else if (domid || (parked && domain.standby)) {
    if (domid) {
      Say(domain, std::format("replacing domain {}, which is not connected", *domid));
      domain.core_wanted = !tools_.hypervisor.Health(*domid).alive;
      domain.nodes.emplace(primary_, *domid);
    }
    Do(domain, domain.life.Replace(domid.value_or(0), "it was not connected when vosd started"));
  } else {
    Do(domain, domain.life.Start());
  }
}

void Supervisor::Say(const Domain& domain, std::string_view text) const {
  tools_.log.Write(std::format("{}: {}", domain.settings.name, text));
}

void Supervisor::Do(Domain& domain, LifeCycle::Steps steps) {
  std::ranges::copy(steps, std::back_inserter(domain.steps));
  if (domain.doing) return;
  domain.doing = true;
  while (true) {
    if (const Phase phase = domain.life.phase(); phase != domain.said) {
      const bool ended =
          phase == Phase::kCleaning || phase == Phase::kFailed || phase == Phase::kTakingOver;
      const bool ended_before = domain.said == Phase::kCleaning ||
                                domain.said == Phase::kTakingOver ||
                                domain.said == Phase::kWaiting || domain.said == Phase::kFailed;
      if (ended && !ended_before) domain.ended_at = SinceBoot();
      Say(domain, ended ? std::format("{}: {}", PhaseName(phase), domain.life.reason())
                        : std::string(PhaseName(phase)));
      domain.said = phase;
    }
    if (domain.steps.empty()) break;
    const Step step = domain.steps.front();
    domain.steps.pop_front();
    std::ranges::copy(DoStep(domain, step), std::back_inserter(domain.steps));
  }
  domain.doing = false;
  if (domain.parked_for != nullptr) OnStandbyChange(domain);

  if (domain.life.phase() == Phase::kFailed || domain.life.phase() == Phase::kConnected) {
    std::string answer = "ok";
    if (domain.life.phase() == Phase::kFailed) answer = "error " + OneLine(domain.life.reason());
    if (!domain.attach_error.empty()) answer = "error " + OneLine(domain.attach_error);
    AnswerAll(domain.clients, answer);
  }
  if (domain.life.phase() == Phase::kFailed) {
    AnswerAll(domain.prepare_clients, "error " + OneLine(domain.life.reason()));
  }
  Publish();
  ReportStart();
}

LifeCycle::Steps Supervisor::DoStep(Domain& domain, const Step& step) {
  switch (step.kind) {
    case Step::Kind::kPrepare:
      return Prepare(domain);
    case Step::Kind::kCreate:
      return CreateDomain(domain);
    case Step::Kind::kConnect:
      return WriteNodes(domain);
    case Step::Kind::kWatch:
      return Watch(domain);
    case Step::Kind::kAttach:
      return Attach(domain);
    case Step::Kind::kTakeOver:
      return TakeOver(domain);
    case Step::Kind::kClean:
      return Clean(domain);
    case Step::Kind::kSetTimer:
      domain.timer->Set(step.delay);
      return {};
    case Step::Kind::kClearTimer:
      domain.timer->Clear();
      return {};
  }
  return {};
}

LifeCycle::Steps Supervisor::Prepare(Domain& domain) {
  domain.started_at = SinceBoot();
  domain.device.clear();
  // Beside its first start there is nobody yet.
  const bool parked = domain.parked_for != nullptr;
  domain.hurries = !parked && !domain.life.ever_connected();
  // Nobody waits for a standby.
  if (parked) return domain.life.OnPrepared();
  if (!domain.hurries) domain.patience_timer->Set(kPatience);
  const DomainSettings& settings = domain.settings;
  const bool can_pass_through = tools_.hypervisor.CanPassThrough();
  if (settings.nic != "none") {
    if (!can_pass_through) {
      return domain.life.OnFailure(
          "the IOMMU is off or absent: a service domain cannot own the NIC (see Xen's option "
          "iommu=)",
          /*permanent=*/true);
    }
    const auto nic = FindNetworkDevice("/sys", settings.nic);
    if (!nic) return domain.life.OnFailure(nic.error().message, /*permanent=*/true);
    return TakeDevice(domain, *nic);
  }
  if (settings.kind != VOS_DOMAIN_STORAGE) return domain.life.OnPrepared();

  // A storage domain without disk runs and says so: it has nothing to serve.
  const auto disk = settings.disk == "none" ? Fail("none is configured")
                    : !can_pass_through
                        ? Fail("the IOMMU is off or absent (see Xen's option iommu=)")
                        : FindStorageDevice("/sys", settings.disk, IsHeldByKernel);
  if (disk) return TakeDevice(domain, *disk);
  domain.no_disk = disk.error().message;
  Say(domain, "no disk: " + domain.no_disk);
  return domain.life.OnPrepared();
}

LifeCycle::Steps Supervisor::TakeDevice(Domain& domain, const PciDevice& device) {
  domain.device = device.address;
  if (device.assignable) return domain.life.OnPrepared();
  return RunXl(domain, {"pci-assignable-add", device.address}, [&domain](int status) {
    if (status == 0) return domain.life.OnPrepared();
    return domain.life.OnFailure(std::format("the device {} cannot be taken from the primary: {}",
                                             domain.device, domain.xl_complaint));
  });
}

LifeCycle::Steps Supervisor::CreateDomain(Domain& domain) {
  if (created_ != nullptr) {
    to_be_created_.push_back(&domain);
    return {};
  }
  created_ = &domain;
  LifeCycle::Steps steps = domain.life.OnCreationBegun();
  const DomainSettings& settings = domain.settings;
  // -e: no process of xl's own stays to wait for the domain's end.
  std::vector<std::string> arguments = {"create", "-e", settings.config_file};
  if (domain.parked_for != nullptr) {
    arguments.push_back(std::format("name=\"{}\"", settings.name));
    arguments.push_back("pci=[]");
    // Its domain's device is perhaps not known yet.
    const bool device = settings.nic != "none" || settings.disk != "none";
    if (device && tools_.hypervisor.CanPassThrough()) {
      // What a domain that is created with a device has by itself: the IOMMU, and room for the device's
      // registers among its addresses.
      arguments.push_back("passthrough=\"enabled\"");
      arguments.push_back("e820_host=1");
    }
  } else if (!domain.device.empty()) {
    arguments.push_back(std::format("pci=[\"{},permissive=1\"]", domain.device));
  } else if (settings.kind == VOS_DOMAIN_STORAGE) {
    arguments.push_back("pci=[]");  // whatever its configuration says
  }
  if (!settings.cpus.empty()) arguments.push_back(std::format("cpus=\"{}\"", settings.cpus));
  if (settings.pvh) {
    arguments.push_back("type=\"pvh\"");
    // An emulated processor offers such a guest no other one.
    arguments.push_back("tsc_mode=\"native\"");
  }
  std::string extra = settings.extra;
  if (std::exchange(domain.prepare_disk, false)) extra += " virtuos.prepare=1";
  if (extra != settings.extra) arguments.push_back(std::format("extra=\"{}\"", extra));
  const auto created = [this, &domain](int status) {
    EndCreation(domain);
    if (status != 0) {
      return domain.life.OnFailure("xl create failed: " + domain.xl_complaint);
    }
    const auto domid = toolstack_->FindByName(domain.settings.name);
    if (!domid) return domain.life.OnFailure("it ended as soon as it was created");
    LifeCycle::Steps next = domain.life.OnCreated(*domid);
    if (!domain.hurries) SetWeight(domain, domain.settings.starting_weight);
    return next;
  };
  std::ranges::copy(RunXl(domain, std::move(arguments), created), std::back_inserter(steps));
  return steps;
}

void Supervisor::Hurry(Domain& domain) {
  domain.patience_timer->Clear();
  if (std::exchange(domain.hurries, true)) return;
  if (domain.xl) domain.xl->SetPriority(Child::Priority::kNormal);
  if (domain.takeover) {
    // What it waits for is the standby.
    Hurry(*domain.standby);
  } else {
    SetWeight(domain, domain.settings.weight);
  }
}

void Supervisor::SetWeight(const Domain& domain, std::uint16_t weight) {
  if (domain.life.domid() == 0 || weightless_) return;
  const auto set = tools_.hypervisor.SetWeight(domain.life.domid(), weight);
  // One that is gone has none.
  if (set || !tools_.hypervisor.Health(domain.life.domid()).alive) return;
  weightless_ = true;
  Say(domain, "domains that start take their whole share: " + set.error().message);
}

void Supervisor::EndCreation(Domain& domain) {
  std::erase(to_be_created_, &domain);
  if (created_ != &domain) return;
  created_ = nullptr;
  if (to_be_created_.empty()) return;
  Domain& next = *to_be_created_.front();
  to_be_created_.pop_front();
  Do(next, CreateDomain(next));
}

LifeCycle::Steps Supervisor::WriteNodes(Domain& domain) {
  if (domain.parked_for != nullptr) return {};
  domain.nodes.emplace(primary_, domain.life.domid());
  const auto written = domain.nodes->Write(tools_.store, domain.settings.kind);
  if (!written) return domain.life.OnFailure(written.error().message);
  GiveLease(domain, domain.life.domid());
  return {};
}

void Supervisor::GiveLease(const Domain& domain, std::uint32_t domid) {
  if (!domain.lease) return;
  Lease lease = *domain.lease;
  lease.until = std::min(lease.until, LongestLease());
  const auto written = tools_.store.Commit([&](XenStore::Transaction& transaction) {
    transaction.Write(std::format("/local/domain/{}/{}", domid, kLastLeaseNode),
                      FormatLease(lease));
  });
  if (!written) Say(domain, "its lease: " + written.error().message);
}

LifeCycle::Steps Supervisor::Watch(Domain& domain) {
  const std::string& name = domain.settings.name;
  if (domain.parked_for != nullptr) {
    domain.booted_path = std::format("/local/domain/{}/data/booted", domain.life.domid());
    const auto watching = tools_.store.Watch(domain.booted_path, kBootedToken + name);
    return watching ? LifeCycle::Steps() : domain.life.OnFailure(watching.error().message);
  }
  if (auto watching = tools_.store.Watch(domain.nodes->backend_state_path(), kBackendToken + name);
      !watching) {
    return domain.life.OnFailure(watching.error().message);
  }
  if (domain.life.phase() == Phase::kConnecting) {
    if (auto watching = WatchHandshake(domain); !watching) {
      return domain.life.OnFailure(watching.error().message);
    }
  }
  if (domain.settings.kind == VOS_DOMAIN_NETWORK) {
    domain.resolver_path = std::format("/local/domain/{}/data/resolv", domain.life.domid());
    if (auto watching = tools_.store.Watch(domain.resolver_path, kResolverToken + name);
        !watching) {
      return domain.life.OnFailure(watching.error().message);
    }
  }
  if (domain.settings.kind == VOS_DOMAIN_STORAGE) {
    domain.disk_path = std::format("/local/domain/{}/data/storage", domain.life.domid());
    if (auto watching = tools_.store.Watch(domain.disk_path, kDiskToken + name); !watching) {
      return domain.life.OnFailure(watching.error().message);
    }
  }
  return {};
}

Result<void> Supervisor::WatchHandshake(Domain& domain) {
  auto watch = HandshakeWatch::Begin(
      tools_.loop, tools_.hypervisor, tools_.store, *domain.nodes, domain.life.domid(),
      [this, d = &domain](std::string why) { Do(*d, d->life.OnFailure(std::move(why))); });
  if (!watch) return std::unexpected(watch.error());
  domain.handshake = std::move(*watch);
  return tools_.store.Watch(domain.nodes->frontend_path(), kFrontendToken + domain.settings.name);
}

void Supervisor::LeaveHandshake(Domain& domain) {
  if (!std::exchange(domain.handshake, nullptr)) return;
  tools_.store.Unwatch(domain.nodes->frontend_path(), kFrontendToken + domain.settings.name);
}

LifeCycle::Steps Supervisor::Attach(Domain& domain) {
  LeaveHandshake(domain);
  domain.connected_at = SinceBoot();
  if (domain.parked_for != nullptr) {
    Say(domain, std::format("domain {} waits", domain.life.domid()));
    return {};
  }
  if (domain.started_at) {
    Say(domain, std::format("domain {} serves, {} ms after its start", domain.life.domid(),
                            (*domain.connected_at - *domain.started_at).count()));
  }
  const bool network = domain.settings.kind == VOS_DOMAIN_NETWORK;
  if (network) AttachNamespace(domain);
  if (domain.device.empty()) {
    Settle(domain);  // nothing to find out
    if (domain.keeper) domain.keeper->Start(/*before_lease=*/false);
  }
  if (!domain.settled || (domain.keeper && !domain.keeper->runs())) {
    domain.settle_timer->Set(kSettleLimit);
  }
  if (network || domain.device.empty() || IsSettled(domain.disk)) domain.life.OnServing();
  return {};
}

void Supervisor::AttachNamespace(Domain& domain) {
  domain.attach_error.clear();
  if (access(kAttachedFile, F_OK) == 0) return;
  const auto attached = tools_.network.Attach();
  if (!attached) Say(domain, attached.error().message);
  // EOPNOTSUPP: an operator attached another one.
  if (attached || attached.error().code == EOPNOTSUPP) {
    WriteFile(kAttachedFile, "");
  } else if (attached.error().code != ENOTCONN) {
    // That would have been a domain that is gone again: its successor will do.
    domain.attach_error = attached.error().message;
  }
}

LifeCycle::Steps Supervisor::TakeOver(Domain& domain) {
  Leave(domain);
  domain.started_at = SinceBoot();
  domain.hurries = false;
  domain.patience_timer->Set(kTakeOverPatience);
  Domain* d = &domain;
  auto takeover = Takeover::Begin({tools_.loop, tools_.store, tools_.hypervisor, primary_,
                                   [this, d](std::string_view text) { Say(*d, text); }},
                                  {domain.life.domid(), *domain.nodes, domain.device,
                                   domain.settings.name, domain.settings.kind},
                                  [this, d](const Result<void>& done) { EndTakeover(*d, done); });
  if (!takeover) return domain.life.OnFailure(takeover.error().message);
  domain.takeover = std::move(*takeover);
  OnStandbyChange(*domain.standby);
  return {};
}

void Supervisor::OnStandbyChange(Domain& standby) {
  Domain& domain = *standby.parked_for;
  const Phase phase = standby.life.phase();
  const bool coming = phase == Phase::kCreating || phase == Phase::kConnecting;
  domain.life.SetStandby(coming || phase == Phase::kConnected);
  if (!domain.takeover || coming) return;
  if (phase != Phase::kConnected) {
    Do(domain, domain.life.OnFailure("its standby failed: " + standby.life.reason()));
  } else if (domain.takeover->heir() == 0) {
    GiveLease(domain, standby.life.domid());
    domain.takeover->SetHeir(standby.life.domid());
    Hurry(domain);
  }
}

void Supervisor::EndTakeover(Domain& domain, const Result<void>& done) {
  Domain& standby = *domain.standby;
  const std::uint32_t dead = domain.life.domid();
  const std::uint32_t heir = domain.takeover->heir();
  Result<void> ended = done;
  if (ended)
    ended = toolstack_->Rename({{heir, domain.settings.name}, {dead, standby.settings.name}});
  if (!ended) {
    Say(domain, "taking over: " + ended.error().message);
    Do(domain, domain.life.OnFailure(ended.error().message));
    return;
  }
  domain.takeover.reset();
  Leave(standby);
  standby.core_wanted = domain.life.died();
  standby.nodes = std::exchange(domain.nodes, ConnectionNodes(primary_, heir));
  // First the new domain: the dead one has time.
  LifeCycle::Steps next = standby.life.Yield();
  Do(domain, domain.life.OnTakenOver(heir));
  std::ranges::copy(standby.life.Replace(dead, "it took over", kRespiteLimit),
                    std::back_inserter(next));
  Do(standby, std::move(next));
}

void Supervisor::Leave(Domain& domain) {
  const std::string& name = domain.settings.name;
  LeaveHandshake(domain);
  if (domain.keeper) domain.keeper->Stop();
  domain.connected_at.reset();
  domain.settle_timer->Clear();
  if (domain.nodes) {
    tools_.store.Unwatch(domain.nodes->backend_state_path(), kBackendToken + name);
  }
  if (!domain.resolver_path.empty()) {
    tools_.store.Unwatch(domain.resolver_path, kResolverToken + name);
    domain.resolver_path.clear();
  }
  if (!domain.disk_path.empty()) {
    tools_.store.Unwatch(domain.disk_path, kDiskToken + name);
    domain.disk_path.clear();
    domain.disk = {};
  }
  if (!domain.booted_path.empty()) {
    tools_.store.Unwatch(domain.booted_path, kBootedToken + name);
    domain.booted_path.clear();
  }
}

LifeCycle::Steps Supervisor::Clean(Domain& domain) {
  EndCreation(domain);
  Leave(domain);
  domain.hurries = false;
  domain.awaits_standby = false;
  if (domain.takeover) {
    // The standby may have got something already, and nobody else gets that before it is gone.
    const bool touched = domain.takeover->heir() != 0;
    domain.takeover.reset();
    Domain& standby = *domain.standby;
    if (touched) {
      Do(standby, standby.life.OnFailure("it could not take over"));
      standby.has_device = standby.life.remains();
    }
  }
  if (!domain.xl) return Destroy(domain);
  // What it is doing to the domain is over only when it has ended, and if it sleeps where nothing
  // interrupts it, that takes as long as it takes.
  domain.core_timer->Clear();
  domain.xl_next = [this, &domain](int) { return Destroy(domain); };
  domain.xl->Kill();
  return {};
}

LifeCycle::Steps Supervisor::Destroy(Domain& domain) {
  // The name finds what a failed creation may have left.
  std::uint32_t domid = domain.life.domid();
  if (domid == 0) domid = toolstack_->FindByName(domain.settings.name).value_or(0);
  if (domid == 0) return Cleaned(domain, domid);
  if (!domain.nodes) domain.nodes.emplace(primary_, domid);
  const DomainHealth health = tools_.hypervisor.Health(domid);
  // Somebody else destroyed it by the toolstack, which would find nothing to destroy now.
  if (health.gone) return Cleaned(domain, domid);
  // At once, whatever it does; destroying it takes the toolstack a while.
  if (health.alive) tools_.hypervisor.Stop(domid);
  const bool core = std::exchange(domain.core_tried, domid) != domid && domain.life.domid() != 0 &&
                    (domain.core_wanted || domain.life.died());
  if (core && !domain.settings.core.empty()) return DumpCore(domain, domid);
  return RunDestroy(domain, domid);
}

LifeCycle::Steps Supervisor::DumpCore(Domain& domain, std::uint32_t domid) {
  Domain& whose = domain.parked_for != nullptr ? *domain.parked_for : domain;
  const CoreFiles cores(domain.settings.core, whose.settings.name);
  const auto file = cores.Begin(std::chrono::system_clock::now());
  if (!file) {
    Say(whose, std::format("the memory of domain {} is not kept: {}", domid, file.error().message));
    return RunDestroy(domain, domid);
  }
  domain.core_timer->Set(kCoreLimit);
  return RunXl(domain, {"dump-core", std::to_string(domid), *file},
               [this, &domain, &whose, domid, cores, file = *file](int status) {
                 domain.core_timer->Clear();
                 const auto kept = status == 0 ? cores.Keep(file) : Fail(domain.xl_complaint);
                 if (kept) {
                   whose.core = *kept;
                   Say(whose, std::format("the memory of domain {} is in {}", domid, *kept));
                 } else {
                   cores.Drop(file);
                   Say(whose, std::format("the memory of domain {} is not kept: {}", domid,
                                          kept.error().message));
                 }
                 return RunDestroy(domain, domid);
               });
}

LifeCycle::Steps Supervisor::RunDestroy(Domain& domain, std::uint32_t domid) {
  // libxl asks the domain to let go of its device, and would wait ten seconds for the answer of one
  // that runs no more, unless the back-end has no state.
  tools_.store.Remove(std::format("/local/domain/{}/backend/pci/{}/0/state", primary_, domid));
  return RunXl(domain, {"destroy", std::to_string(domid)}, [this, &domain, domid](int status) {
    const bool gone = tools_.hypervisor.Health(domid).gone;
    // Somebody else may have destroyed it meanwhile, and xl found nothing.
    if (status == 0 || gone) return Cleaned(domain, domid);
    return domain.life.OnCleaned(false, "it cannot be destroyed: " + domain.xl_complaint);
  });
}

LifeCycle::Steps Supervisor::Cleaned(Domain& domain, std::uint32_t domid) {
  // Only now: until the domain is gone it may still use what the back-end shares with it.
  if (domain.nodes) domain.nodes->Remove(tools_.store);
  domain.nodes.reset();
  domain.core_wanted = false;
  if (domid != 0) toolstack_->Forget(domid);
  const Domain* standby = domain.standby.get();
  if (standby != nullptr && standby->has_device) {
    domain.awaits_standby = true;
    return {};
  }
  if (Domain* other = domain.parked_for; other != nullptr) {
    domain.has_device = false;
    if (std::exchange(other->awaits_standby, false)) Do(*other, other->life.OnCleaned(true, {}));
  }
  return domain.life.OnCleaned(true, {});
}

void Supervisor::ForgetTheGone() {
  for (const std::uint32_t domid : toolstack_->WithConnection()) {
    if (!tools_.hypervisor.Health(domid).gone) continue;
    tools_.log.Write(std::format("removing what is left of domain {}", domid));
    toolstack_->Forget(domid);
  }
}

LifeCycle::Steps Supervisor::RunXl(Domain& domain, std::vector<std::string> arguments,
                                   std::function<LifeCycle::Steps(int status)> next) {
  const std::string action = "xl " + arguments[0];
  arguments.insert(arguments.begin(), "xl");
  domain.xl_complaint = "no explanation was given";
  domain.xl_next = std::move(next);
  Domain* d = &domain;
  auto child = Child::Start(
      tools_.loop, arguments,
      [this, d, action](std::string_view line) {
        d->xl_complaint = OneLine(Trim(line));
        Say(*d, action + ": " + d->xl_complaint);
      },
      [this, d, action](int status) {
        const std::unique_ptr<Child> ended = std::move(d->xl);
        if (status != 0) Say(*d, std::format("{}: exit status {}", action, status));
        const auto next = std::move(d->xl_next);
        Do(*d, next(status));
      });
  if (!child) {
    domain.xl_complaint = "cannot run it: " + child.error().message;
    Say(domain, action + ": " + domain.xl_complaint);
    const auto then = std::move(domain.xl_next);
    return then(kNotStarted);
  }
  domain.xl = std::move(*child);
  if (!domain.hurries) domain.xl->SetPriority(Child::Priority::kLow);
  return {};
}

std::string Supervisor::FailureText(Domain& domain) {
  if (const auto state = ReadKernelState()) {
    for (const Connection& connection : state->connections) {
      if (connection.domid == domain.life.domid() && !connection.reason.empty()) {
        return OneLine(connection.reason);
      }
    }
  }
  return domain.nodes ? domain.nodes->ErrorText(tools_.store) : std::string();
}

void Supervisor::OnXenStoreEvents() {
  while (const auto token = tools_.store.NextEvent()) {
    if (*token == kReleaseDomain) {
      OnReleasedDomain();
      continue;
    }
    for (const auto& domain : domains_) {
      if (domain->standby && *token == kBootedToken + domain->standby->settings.name) {
        OnBooted(*domain->standby);
      }
      const bool backend = *token == kBackendToken + domain->settings.name;
      if (backend) Do(*domain, OnBackendChange(*domain));
      if (domain->handshake && (backend || *token == kFrontendToken + domain->settings.name)) {
        domain->handshake->Look();
        // The primary waits for its answers now.
        if (domain->handshake && domain->handshake->begun()) Hurry(*domain);
      }
      if (*token == kResolverToken + domain->settings.name) OnResolverChange(*domain);
      if (*token == kDiskToken + domain->settings.name) OnDiskChange(*domain);
    }
  }
}

LifeCycle::Steps Supervisor::OnBackendChange(Domain& domain) {
  if (!domain.nodes || domain.life.domid() == 0) return {};
  const XenbusState state = domain.nodes->BackendState(tools_.store);
  const bool usual = state == XenbusState::kInitialising || state == XenbusState::kInitWait ||
                     state == XenbusState::kInitialised || state == XenbusState::kConnected;
  if (usual) return domain.life.OnBackendState(state, {});
  // A domain that died takes its connection with it, and that is the better explanation.
  const DomainHealth health = tools_.hypervisor.Health(domain.life.domid());
  return domain.life.OnBackendState(state, health.alive ? FailureText(domain) : health.reason);
}

void Supervisor::OnBooted(Domain& standby) {
  if (standby.booted_path.empty() || !tools_.store.Read(standby.booted_path)) return;
  Do(standby, standby.life.OnBackendState(XenbusState::kConnected, {}));
}

void Supervisor::OnResolverChange(Domain& domain) {
  if (domain.resolver_path.empty()) return;
  const auto value = tools_.store.Read(domain.resolver_path);
  if (!value) return;
  const std::string directory = std::format("/local/domain/{}/", domain.life.domid());
  domain.lease = ParseLease(tools_.store.Read(directory + kLeaseNode).value_or(""));
  const ResolverConfiguration configuration = MakeResolverConfiguration(*value);
  if (configuration.rejected > 0) {
    Say(domain, std::format("left out {} unusable pieces of its resolver settings",
                            configuration.rejected));
  }
  if (!configuration.text.empty() && configuration.text != domain.resolver_text) {
    WriteFile(kResolverFile, configuration.text);
    domain.resolver_text = configuration.text;
    Say(domain, "its name servers are in /etc/resolv.conf");
  }
  Settle(domain);
  if (domain.keeper) domain.keeper->OnLease();
}

void Supervisor::OnDiskChange(Domain& domain) {
  // Without a device vosd knows better than the domain.
  if (domain.disk_path.empty() || domain.device.empty()) return;
  const DiskReport report =
      MakeDiskReport(tools_.store.Read(domain.disk_path + "/state").value_or(""),
                     tools_.store.Read(domain.disk_path + "/detail").value_or(""));
  if (report == domain.disk) return;
  if (report.state != domain.disk.state) Say(domain, "its disk: " + Describe(report));
  domain.disk = report;
  if (IsSettled(report)) {
    AnswerAll(domain.prepare_clients,
              IsServed(report) ? "ok" : "error its disk: " + OneLine(Describe(report)));
    Settle(domain);
    domain.life.OnServing();
  }
  Publish();
}

void Supervisor::Settle(Domain& domain) {
  domain.settled = true;
  Hurry(domain);
  const Domain* standby = domain.standby.get();
  // It waits because of what is left of the last domain.
  if (standby != nullptr && standby->life.phase() == Phase::kWaiting &&
      standby->life.domid() != 0) {
    domain.standby->timer->Set(kRespite);
  }
  ReportStart();
}

void Supervisor::NetworkSettled(const Domain& domain) {
  const auto told =
      ControlDevice::Open().and_then([](ControlDevice device) { return device.NetworkSettled(); });
  if (!told) Say(domain, told.error().message);
}

void Supervisor::OnReleasedDomain() {
  for (const auto& domain : domains_) {
    CheckHealth(*domain);
    if (domain->standby) CheckHealth(*domain->standby);
  }
}

void Supervisor::CheckHealth(Domain& domain) {
  const std::uint32_t domid = domain.life.domid();
  const Phase phase = domain.life.phase();
  // These two are about one that is dead.
  if (domid == 0 || phase == Phase::kCleaning || phase == Phase::kTakingOver) return;
  const DomainHealth health = tools_.hypervisor.Health(domid);
  if (health.alive) return;
  // What the kernel saw before, such as a broken protocol, tells more than the end itself.
  const std::string text = FailureText(domain);
  Do(domain, domain.life.OnFailure(text.empty() ? health.reason : health.reason + ": " + text));
}

void Supervisor::OnRequest(int client, std::string_view request) {
  const auto words = SplitWords(request);
  if (words.size() != 2 || (words[0] != "restart" && words[0] != "prepare")) {
    control_.Answer(client, "error vosd does not know this request");
    return;
  }
  for (const auto& domain : domains_) {
    if (domain->settings.name != words[1]) continue;
    if (words[0] == "prepare") {
      OnPrepareRequest(*domain, client);
      return;
    }
    Say(*domain, "an operator asks for a restart");
    const LifeCycle::Steps steps = domain->life.Restart();
    domain->clients.push_back(client);
    Do(*domain, steps);
    if (domain->standby && domain->standby->life.phase() == Phase::kFailed) {
      Do(*domain->standby, domain->standby->life.Restart());
    }
    return;
  }
  control_.Answer(client, "error no service domain has the name " + OneLine(words[1]));
}

void Supervisor::OnPrepareRequest(Domain& domain, int client) {
  std::string refusal;
  if (domain.settings.kind != VOS_DOMAIN_STORAGE) {
    refusal = "it is no storage domain";
  } else if (domain.life.phase() != Phase::kConnected) {
    refusal = std::format("it is not connected ({})", PhaseName(domain.life.phase()));
  } else if (domain.device.empty()) {
    refusal = "it has no disk: " + domain.no_disk;
  } else {
    refusal = RefusalToPrepare(domain.disk);
  }
  if (!refusal.empty()) {
    control_.Answer(client, "error " + domain.settings.name + ": " + OneLine(refusal));
    return;
  }
  Say(domain, "an operator asks to prepare its disk");
  // The domain does it when it starts, and not unless it finds the disk empty then.
  domain.prepare_disk = true;
  domain.prepare_clients.push_back(client);
  domain.prepare_disk_timer->Set(kPrepareDiskLimit);
  Do(domain, domain.life.Restart(/*anew=*/true));
}

void Supervisor::AnswerAll(std::vector<int>& clients, const std::string& answer) {
  for (const int client : std::exchange(clients, {})) control_.Answer(client, answer);
}

void Supervisor::Publish() {
  SupervisorState state;
  state.pid = getpid();
  for (const auto& domain : domains_) {
    SupervisedDomain one;
    one.name = domain->settings.name;
    one.kind = DomainKindName(domain->settings.kind);
    one.phase = PhaseName(domain->life.phase());
    one.domid = domain->life.domid();
    one.restarts = domain->life.restarts();
    if (domain->settings.kind == VOS_DOMAIN_STORAGE) {
      one.disk = domain->device;
      const bool missing = domain->device.empty() && domain->life.phase() == Phase::kConnected;
      one.disk_state = missing ? kNoDisk : domain->disk.state;
      one.disk_detail = missing ? domain->no_disk : domain->disk.detail;
    } else {
      one.nic = domain->device;
    }
    one.reason = domain->attach_error.empty() ? domain->life.reason() : domain->attach_error;
    one.connected_at = domain->connected_at;
    one.ended_at = domain->ended_at;
    one.core = domain->core;
    if (const Domain* standby = domain->standby.get(); standby != nullptr) {
      const bool parked = standby->life.phase() == Phase::kConnected;
      one.standby_state = parked ? kParked : PhaseName(standby->life.phase());
      one.standby_domid = standby->life.domid();
      one.standby_reason = standby->life.reason();
    }
    state.domains.push_back(std::move(one));
  }
  const std::string text = FormatSupervisorState(state);
  if (text == published_) return;
  WriteFile(kStateFile, text);
  published_ = text;
}

void Supervisor::ReportStart() {
  std::string failure;
  std::string disks;
  bool all_serve = true;
  bool over = true;
  for (const auto& domain : domains_) {
    const bool failed = domain->life.phase() == Phase::kFailed;
    const bool serves = domain->life.phase() == Phase::kConnected && domain->settled;
    all_serve = all_serve && serves;
    over = over && (serves || failed || domain->life.restarts() > kFirstRestarts);
    if (failure.empty() && (failed || !domain->attach_error.empty())) {
      failure = domain->settings.name + ": " +
                OneLine(failed ? domain->life.reason() : domain->attach_error) + "\n";
    }
    if (domain->settings.kind != VOS_DOMAIN_STORAGE) continue;
    const std::string_view state = domain->device.empty() ? kNoDisk : domain->disk.state;
    disks += std::format("{} {}\n", domain->settings.name, state);
  }
  if (!failure.empty()) {
    if (access(kReadyFile, F_OK) != 0 && access(kFailedFile, F_OK) != 0) {
      WriteFile(kFailedFile, failure);
    }
  } else if (all_serve && ready_ != disks) {
    unlink(kFailedFile);
    WriteFile(kReadyFile, disks);
    if (!ready_) tools_.log.Write("ready");
    ready_ = disks;
  }
  // Only when the start is over, so that they hold up nobody; one that failed has none to hold up.
  if (!over) return;
  for (const auto& domain : domains_) {
    if (domain->standby && domain->standby->life.phase() == Phase::kStopped &&
        domain->life.phase() == Phase::kConnected && domain->settled) {
      Do(*domain->standby, domain->standby->life.Start());
    }
  }
}

void Supervisor::WriteFile(const char* path, const std::string& contents) const {
  if (const auto written = WriteTextFile(path, contents); !written) {
    tools_.log.Write(written.error().message);
  }
}

}  // namespace vos
