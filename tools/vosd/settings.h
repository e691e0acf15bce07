// SPDX-License-Identifier: Apache-2.0
// What vosd is told: the xl configurations and vosd.conf in its directory, and the kernel command
// line.
//
// Every NAME.cfg is the xl configuration of a domain; a domain of type "pvh" gets no device.
// vosd.conf, which may be missing, has a section for each domain that differs from the defaults
// (docs/configuration.md tells operators the same):
//
//   [network]
//   kind = network         network or storage; default: the domain's name
//   nic = auto             auto, none, or a PCI address; default: auto for kind network, else none
//   disk = auto            the same for kind storage
//   cpus = 1               processors it may run on, as xl has them; default: its configuration's
//   restart = yes          after a failure, by itself
//   connect-timeout = 45   seconds from its creation to the connection
//   max-attempts = 5       incarnations in a row that may end before they were connected
//   starting-weight = 25   its weight with the hypervisor's scheduler while it boots in the place of
//                          one that failed, or as a standby, so that other domains on its processor
//                          go on; afterwards, or if it takes long, cpu_weight of its configuration
//                          (256)
//   core = no              directory for the memory of domains that died, the last three of this one
//                          (xl dump-core); absolute. Without a standby the next domain waits for it
//   standby = no           keep a second domain booted, without device and idle, that takes over when
//                          this one fails; costs the memory of another domain of its configuration
//
// On the kernel command line, stronger than vosd.conf:
//   virtuos.NAME=pv|pvh|none  as configured with its device passed through (pv, default); as a PVH
//                             guest without device; not at all
//   virtuos.NAME.KEY=VALUE    a setting of vosd.conf
#ifndef VIRTUOS_TOOLS_VOSD_SETTINGS_H_
#define VIRTUOS_TOOLS_VOSD_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"
#include "tools/vosd/life_cycle.h"

namespace vos {

inline constexpr std::size_t kMaxDomains = 8;

// Of the domain NAME, this is its standby; no other may be called so.
inline constexpr char kStandbySuffix[] = "-standby";

// Xen's own default, and a tenth of it.
inline constexpr std::uint16_t kDefaultWeight = 256;
inline constexpr std::uint16_t kStartingWeight = 25;

struct DomainSettings {
  std::string name;
  std::string config_file;
  std::uint32_t kind = 0;  // VOS_DOMAIN_*
  std::string nic;         // "auto", "none", or a PCI address
  std::string disk;        // likewise
  std::string cpus;        // empty: any
  std::string extra;       // its kernel's command line, as its configuration has it
  bool pvh = false;        // whatever its configuration says
  bool standby = false;
  std::string core;  // directory; empty: no cores are kept
  // With the hypervisor's scheduler: of its configuration, and while it boots.
  std::uint16_t weight = kDefaultWeight;
  std::uint16_t starting_weight = kStartingWeight;
  LifeCycleLimits limits;
};

// What vosd itself needs of an xl configuration.
struct XlConfig {
  std::string name;
  std::string type;   // empty: not given
  std::string cpus;   // likewise
  std::string extra;  // likewise
  std::uint16_t weight = kDefaultWeight;
};
Result<XlConfig> ParseXlConfig(std::string_view text);

// Changes the domains named in vosd.conf.
Result<void> ApplySettings(std::string_view vosd_conf, std::vector<DomainSettings>& domains);

// Changes or removes domains as the kernel command line says.
Result<void> ApplyCommandLine(std::string_view command_line, std::vector<DomainSettings>& domains);

Result<std::vector<DomainSettings>> ReadSettings(const std::string& directory);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_SETTINGS_H_
