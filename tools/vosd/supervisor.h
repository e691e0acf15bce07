// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_SUPERVISOR_H_
#define VIRTUOS_TOOLS_VOSD_SUPERVISOR_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/common/supervisor_state.h"
#include "tools/vosd/child.h"
#include "tools/vosd/connection_nodes.h"
#include "tools/vosd/control_socket.h"
#include "tools/vosd/event_loop.h"
#include "tools/vosd/hang_watch.h"
#include "tools/vosd/hypervisor.h"
#include "tools/vosd/life_cycle.h"
#include "tools/vosd/log.h"
#include "tools/vosd/network_namespace.h"
#include "tools/vosd/pci.h"
#include "tools/vosd/settings.h"
#include "tools/vosd/toolstack_nodes.h"
#include "tools/vosd/xenstore.h"

namespace vos {

// The start is not held up longer than this, from the connection on, by what a domain still has to
// find out: the addresses of a NIC, the contents of a disk.
inline constexpr std::chrono::seconds kSettleLimit{10};
// From the request to prepare a disk until the domain serves it.
inline constexpr std::chrono::seconds kPrepareDiskLimit{180};

// Carries out what the LifeCycle of each domain says, and tells it what happens.
class Supervisor {
 public:
  // What it works with; all of it outlives the supervisor.
  struct Tools {
    EventLoop& loop;
    const Log& log;
    XenStore& store;
    Hypervisor& hypervisor;
    const NetworkNamespace& network;
  };

  static Result<std::unique_ptr<Supervisor>> Create(const Tools& tools,
                                                    std::vector<DomainSettings> settings);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  // Starts the domains or takes over those that run; the event loop does the rest.
  void Start();

 private:
  struct Domain;

  explicit Supervisor(const Tools& tools);

  Result<std::unique_ptr<Domain>> MakeDomain(DomainSettings settings);
  // What its LifeCycle asked to be told of is due.
  void OnLifeTimer(Domain& domain);
  // kSettleLimit is over.
  void OnSettleLimit(Domain& domain);
  // Takes over the domain if it runs, or starts it.
  void StartDomain(Domain& domain);
  void Say(const Domain& domain, std::string_view text) const;
  // Carries out steps, and those that follow from them.
  void Do(Domain& domain, LifeCycle::Steps steps);
  LifeCycle::Steps DoStep(Domain& domain, const Step& step);
  LifeCycle::Steps Prepare(Domain& domain);
  // The domain's device, and its taking from the primary.
  LifeCycle::Steps TakeDevice(Domain& domain, const PciDevice& device);
  // One domain at a time: the toolstack is busy computing, and the first one boots beside the
  // making of the second.
  LifeCycle::Steps CreateDomain(Domain& domain);
  // From now on it has its whole share of the processor, and the toolstack's work for it too.
  void Hurry(Domain& domain);
  void SetWeight(const Domain& domain, std::uint16_t weight);
  // The toolstack is done with the domain, which perhaps had not had its turn yet.
  void EndCreation(Domain& domain);
  LifeCycle::Steps WriteNodes(Domain& domain);
  // Tells a new domain, before it has its NIC or asks for a lease, what the last one had.
  void GiveLease(const Domain& domain, std::uint32_t domid);
  LifeCycle::Steps Watch(Domain& domain);
  LifeCycle::Steps Attach(Domain& domain);
  // The namespace, to the network domain, unless that was done before in this boot: what an operator
  // changed since stays.
  void AttachNamespace(Domain& domain);
  LifeCycle::Steps TakeOver(Domain& domain);
  void EndTakeover(Domain& domain, const Result<void>& done);
  // Something happened to a standby; whose it is may wait for that.
  void OnStandbyChange(Domain& standby);
  // What it says and does matters no more.
  void Leave(Domain& domain);
  LifeCycle::Steps Clean(Domain& domain);
  // No xl runs for the domain any more.
  LifeCycle::Steps Destroy(Domain& domain);
  // Keeps its memory first, if that is possible.
  LifeCycle::Steps DumpCore(Domain& domain, std::uint32_t domid);
  LifeCycle::Steps RunDestroy(Domain& domain, std::uint32_t domid);
  // Nothing of the domain is left for the hypervisor.
  LifeCycle::Steps Cleaned(Domain& domain, std::uint32_t domid);
  // Of domains that were gone before this supervisor came, what is left in xenstore.
  void ForgetTheGone();

  // Runs xl, one at a time for each domain; `next` gives the steps that follow from its exit status.
  LifeCycle::Steps RunXl(Domain& domain, std::vector<std::string> arguments,
                         std::function<LifeCycle::Steps(int status)> next);

  void OnXenStoreEvents();
  LifeCycle::Steps OnBackendChange(Domain& domain);
  // Looks for hangs of a domain until it is connected.
  Result<void> WatchHandshake(Domain& domain);
  void LeaveHandshake(Domain& domain);
  void OnBooted(Domain& standby);
  void OnResolverChange(Domain& domain);
  void OnDiskChange(Domain& domain);
  // What has to be found out is found out, or is waited for no longer.
  void Settle(Domain& domain);
  void OnReleasedDomain();
  void CheckHealth(Domain& domain);
  // Addresses and routes are as they were.
  void NetworkSettled(const Domain& domain);
  void OnRequest(int client, std::string_view request);
  void OnPrepareRequest(Domain& domain, int client);
  void AnswerAll(std::vector<int>& clients, const std::string& answer);

  // Why the connection of a domain failed, from the kernel or the drivers' nodes.
  std::string FailureText(Domain& domain);

  void Publish();
  // Says once whether the start succeeded.
  void ReportStart();
  void WriteFile(const char* path, const std::string& contents) const;

  const Tools tools_;
  ControlSocket control_;
  std::unique_ptr<HangWatch> hang_watch_;
  std::uint32_t primary_ = 0;  // the domain this runs in
  std::optional<ToolstackNodes> toolstack_;
  std::vector<std::unique_ptr<Domain>> domains_;
  Domain* created_ = nullptr;          // whose creation runs
  std::deque<Domain*> to_be_created_;  // wait for their turn
  bool weightless_ = false;            // the hypervisor knows no weights, and the log told
  std::string published_;
  std::optional<std::string> ready_;  // contents of kReadyFile; nothing: it was not written yet
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_SUPERVISOR_H_
