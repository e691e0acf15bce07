// SPDX-License-Identifier: Apache-2.0
#include "tools/vm/options.h"

#include <getopt.h>

#include <charconv>
#include <format>
#include <string_view>
#include <system_error>
#include <utility>

namespace vos::vm {

const char kUsage[] =
    R"(usage: tools/vm/vm-run [OPTION]... FILE [ARG]...

Boot Xen, the primary domain and the service domains under QEMU, run FILE as root in the primary once
the domains are connected and the storage domain's files are mounted on /srv, and end the machine with it.

FILE is taken from here if it exists here, except below /bin, /lib, /sbin and /usr; what does not exist
here is a command of the primary. Its working directory holds FILE and the --put files. What it leaves
in the directory $OUT comes back to build/vm/last/out. stdout and stderr carry its bytes only.

  --packages "A B"      Debian packages it needs, beside those of configs/packages/primary.list
  --put FILE            copy FILE (or a directory) into its working directory
  --host FILE           run FILE beside the machine, ended with it. What it serves on its loopback
                        the machine reaches at 10.0.2.2, name service also by the machine's own resolver
  --forward HOST:GUEST  TCP port of the loopback beside the machine, leading to a port of the machine;
                        udp:HOST:GUEST for UDP
  --disk IMG            add a raw disk to the primary, written in place: /dev/vdb and on
  --storage IMG         the storage domain's disk, raw, written in place, whatever it holds; the domain is
                        shut down after FILE. Default: a prepared, empty one whose contents are dropped
  --storage blank       one that is not prepared, dropped too
  --storage none        no disk for the storage domain
  --config NAME         kernels to boot: test (default), release or debug
  --timeout SECONDS     end FILE after this time (default 600; none with --tty or --gdb)
  --smp N               processors of the machine (default 2): the second is the service domains', of four
                        and more the storage domain has the third; the others are the primary's
  --mem SIZE            memory of the machine, such as 3G or 2048M (default 3G)
  --domain pv|pvh       network domain with the NIC passed through (pv, default), or without NIC (pvh)
  --iommu amd|intel     of an emulated machine (default amd, which boots faster; intel reports faults)
  --no-domains          start no service domain and wait for none
  --no-xen              boot the primary's kernel by itself, on all processors and memory, to compare with;
                        no service domain and no disk for one
  --xen ARG             add to Xen's command line
  --linux ARG           add to the primary kernel's command line
  --qemu ARG            add to QEMU's command line, one word each
  --gdb                 stop before the first instruction, with a gdb stub at build/vm/last/gdb.sock
  --tty                 connect the terminal to FILE; Ctrl-] ends the machine
  --help                show this

QEMU and the --host files share a network namespace of their own: nothing leaves it.
Logs stream to build/vm/last: serial.log (Xen and the primary), primary.log (the primary's kernel),
network.log and storage.log (the domains' consoles), vosd.log, mount.log, host-N.log.

Exit status: that of FILE (128 + N if signal N ended it); 124 out of time; 125 vm-run failed;
126 the boot or a domain failed.

Environment: VIRTUOS_CACHE, VIRTUOS_QEMU (the QEMU to run), VIRTUOS_ACCEL (kvm or tcg, default the
better one that works).
)";

namespace {

constexpr unsigned kMaxCpus = 64;
constexpr std::size_t kMaxDisks = 8;
constexpr std::uint64_t kMinMemoryMib = 1536;
constexpr std::uint64_t kMaxMemoryMib = 1024 * 1024;

template <typename T>
bool ParseNumber(std::string_view text, T min, T max, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= min && number <= max;
}

bool ParseMemory(std::string_view text, std::uint64_t& mib) {
  std::uint64_t unit = 1;
  if (text.ends_with('G')) unit = 1024;
  if (text.ends_with('G') || text.ends_with('M')) text.remove_suffix(1);
  if (!ParseNumber<std::uint64_t>(text, 1, kMaxMemoryMib, mib)) return false;
  mib *= unit;
  return mib >= kMinMemoryMib && mib <= kMaxMemoryMib;
}

bool ParseForward(std::string_view text, Forward& forward) {
  forward.udp = text.starts_with("udp:");
  if (forward.udp || text.starts_with("tcp:")) text.remove_prefix(4);
  const std::size_t colon = text.find(':');
  return colon != text.npos &&
         ParseNumber<std::uint16_t>(text.substr(0, colon), 1, 65535, forward.host_port) &&
         ParseNumber<std::uint16_t>(text.substr(colon + 1), 1, 65535, forward.guest_port);
}

}  // namespace

std::expected<Options, std::string> ParseOptions(int argc, char** argv) {
  enum {
    kPackages = 1,
    kPut,
    kHost,
    kForward,
    kDisk,
    kStorage,
    kConfig,
    kTimeout,
    kSmp,
    kMem,
    kDomain,
    kIommu,
    kNoDomains,
    kNoXen,
    kXen,
    kLinux,
    kQemu,
    kGdb,
    kTty,
    kHelp
  };
  static const option long_options[] = {
      {"packages", required_argument, nullptr, kPackages},
      {"put", required_argument, nullptr, kPut},
      {"host", required_argument, nullptr, kHost},
      {"forward", required_argument, nullptr, kForward},
      {"disk", required_argument, nullptr, kDisk},
      {"storage", required_argument, nullptr, kStorage},
      {"config", required_argument, nullptr, kConfig},
      {"timeout", required_argument, nullptr, kTimeout},
      {"smp", required_argument, nullptr, kSmp},
      {"mem", required_argument, nullptr, kMem},
      {"domain", required_argument, nullptr, kDomain},
      {"iommu", required_argument, nullptr, kIommu},
      {"no-domains", no_argument, nullptr, kNoDomains},
      {"no-xen", no_argument, nullptr, kNoXen},
      {"xen", required_argument, nullptr, kXen},
      {"linux", required_argument, nullptr, kLinux},
      {"qemu", required_argument, nullptr, kQemu},
      {"gdb", no_argument, nullptr, kGdb},
      {"tty", no_argument, nullptr, kTty},
      {"help", no_argument, nullptr, kHelp},
      {},
  };

  Options options;
  const auto bad = [](std::string_view name, std::string_view expected) {
    return std::unexpected(std::format("{} {}: {} expected", name, optarg, expected));
  };
  // '+': options end at FILE, what follows is FILE's. ':': no message of getopt's own.
  for (int found; (found = getopt_long(argc, argv, "+:h", long_options, nullptr)) != -1;) {
    switch (found) {
      case kPackages:
        if (std::string_view(optarg).find_first_not_of(
                "abcdefghijklmnopqrstuvwxyz0123456789+-. ") != std::string_view::npos) {
          return bad("--packages", "names of Debian packages");
        }
        options.packages = options.packages.empty() ? optarg : options.packages + " " + optarg;
        break;
      case kPut:
        options.put.emplace_back(optarg);
        break;
      case kHost:
        options.host.emplace_back(optarg);
        break;
      case kForward: {
        Forward forward;
        if (!ParseForward(optarg, forward)) return bad("--forward", "HOST:GUEST, two ports,");
        options.forward.push_back(forward);
        break;
      }
      case kDisk:
        if (options.disks.size() == kMaxDisks) return bad("--disk", "at most 8 of them");
        options.disks.emplace_back(optarg);
        break;
      case kStorage:
        if (*optarg == '\0') return bad("--storage", "an image, blank or none");
        options.storage = std::string_view(optarg) == "none"    ? StorageDisk::kNone
                          : std::string_view(optarg) == "blank" ? StorageDisk::kBlank
                                                                : StorageDisk::kImage;
        options.storage_image = options.storage == StorageDisk::kImage ? optarg : "";
        break;
      case kConfig:
        options.config = optarg;
        if (options.config != "test" && options.config != "release" && options.config != "debug") {
          return bad("--config", "test, release or debug");
        }
        break;
      case kTimeout: {
        unsigned seconds;
        if (!ParseNumber(optarg, 1u, 1'000'000u, seconds)) return bad("--timeout", "seconds");
        options.timeout = std::chrono::seconds(seconds);
        break;
      }
      case kSmp:
        if (!ParseNumber(optarg, 2u, kMaxCpus, options.cpus)) return bad("--smp", "2 to 64");
        break;
      case kMem:
        if (!ParseMemory(optarg, options.memory_mib)) return bad("--mem", "at least 1536M");
        break;
      case kIommu:
        if (std::string_view(optarg) == "intel") {
          options.iommu = EmulatedIommu::kIntel;
        } else if (std::string_view(optarg) != "amd") {
          return bad("--iommu", "amd or intel");
        }
        break;
      case kDomain:
        if (std::string_view(optarg) == "pv") {
          options.network_domain = NetworkDomain::kPv;
        } else if (std::string_view(optarg) == "pvh") {
          options.network_domain = NetworkDomain::kPvh;
        } else {
          return bad("--domain", "pv or pvh");
        }
        break;
      case kNoDomains:
        options.network_domain = NetworkDomain::kNone;
        break;
      case kNoXen:
        options.without_xen = true;
        options.network_domain = NetworkDomain::kNone;
        options.storage = StorageDisk::kNone;
        break;
      case kXen:
        options.xen.emplace_back(optarg);
        break;
      case kLinux:
        options.linux_arguments.emplace_back(optarg);
        break;
      case kQemu:
        options.qemu.emplace_back(optarg);
        break;
      case kGdb:
        options.gdb = true;
        break;
      case kTty:
        options.tty = true;
        break;
      case kHelp:
      case 'h':
        options.help = true;
        return options;
      case ':':
        return std::unexpected(std::format("{} needs a value", argv[optind - 1]));
      default:
        return std::unexpected(std::format("no such option: {}", argv[optind - 1]));
    }
  }
  options.command.assign(argv + optind, argv + argc);
  if (options.command.empty()) return std::unexpected("no FILE to run given");
  if (!options.timeout && !options.tty && !options.gdb) options.timeout = std::chrono::seconds(600);
  return options;
}

}  // namespace vos::vm
