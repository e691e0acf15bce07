// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/network_keeper.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <format>
#include <iostream>
#include <utility>

#include "tools/common/file_descriptor.h"
#include "tools/common/lease.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"

namespace vos {
namespace {

constexpr std::size_t kBufferSize = 65536;
constexpr std::size_t kMaxEntries = 10'000;
// Changes come in bursts: one look for all of them.
constexpr std::chrono::milliseconds kQuiet{100};
// From a lease until the supervisor hears of it.
constexpr std::chrono::milliseconds kQuietBeforeLease{2000};
// An interface that the base does not have yet may still appear.
constexpr std::chrono::milliseconds kInterfaceLimit{5000};
// For the next piece of an answer.
constexpr std::chrono::seconds kAnswerLimit{10};

using Message = std::vector<std::uint8_t>;

// ------------------------------------------------------------------ messages

template <typename Body>
const Body* BodyOf(const Message& message) {
  if (message.size() < NLMSG_LENGTH(sizeof(Body))) return nullptr;
  return reinterpret_cast<const Body*>(message.data() + NLMSG_HDRLEN);
}

// The payload of an attribute; empty if there is none.
std::string_view Attribute(const Message& message, std::size_t body, unsigned short type) {
  std::size_t at = NLMSG_LENGTH(0) + NLMSG_ALIGN(body);
  while (at + sizeof(rtattr) <= message.size()) {
    rtattr attribute;
    std::memcpy(&attribute, message.data() + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > message.size()) break;
    if ((attribute.rta_type & NLA_TYPE_MASK) == type) {
      return {reinterpret_cast<const char*>(message.data()) + at + RTA_LENGTH(0),
              attribute.rta_len - RTA_LENGTH(0)};
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  return {};
}

template <typename Number>
Number NumberAttribute(const Message& message, std::size_t body, unsigned short type,
                       Number missing) {
  const std::string_view payload = Attribute(message, body, type);
  if (payload.size() < sizeof missing) return missing;
  std::memcpy(&missing, payload.data(), sizeof missing);
  return missing;
}

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += std::format("{:02x}", static_cast<unsigned char>(byte));
  return text.empty() ? "-" : text;
}

std::string NameOf(const std::map<std::uint32_t, std::string>& names, std::uint32_t index) {
  const auto found = names.find(index);
  return found == names.end() ? std::string() : found->second;
}

void AppendAttribute(Message& message, unsigned short type, const void* payload, std::size_t size) {
  const rtattr attribute = {static_cast<unsigned short>(RTA_LENGTH(size)), type};
  const std::size_t at = message.size();
  message.resize(at + RTA_SPACE(size));
  std::memcpy(message.data() + at, &attribute, sizeof attribute);
  std::memcpy(message.data() + at + RTA_LENGTH(0), payload, size);
  const auto length = static_cast<std::uint32_t>(message.size());
  std::memcpy(message.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
}

// Only what is restored of a link: whether it is up, and its MTU.
Message LinkMessage(const ifinfomsg& link, std::uint32_t mtu) {
  Message message(NLMSG_LENGTH(sizeof(ifinfomsg)));
  nlmsghdr header = {static_cast<std::uint32_t>(message.size()), RTM_NEWLINK, 0, 0, 0};
  ifinfomsg body = {};
  body.ifi_index = link.ifi_index;
  body.ifi_flags = link.ifi_flags & IFF_UP;
  body.ifi_change = IFF_UP;
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + NLMSG_HDRLEN, &body, sizeof body);
  AppendAttribute(message, IFLA_MTU, &mtu, sizeof mtu);
  return message;
}

std::string LinkEntry(const Message& message, std::map<std::uint32_t, std::string>& names,
                      NetworkEntry& entry) {
  const auto* link = BodyOf<ifinfomsg>(message);
  if (!link || link->ifi_family != AF_UNSPEC) return {};
  std::string_view name = Attribute(message, sizeof *link, IFLA_IFNAME);
  name = name.substr(0, name.find('\0'));
  if (name.empty() || name.size() >= IFNAMSIZ) return {};
  names[link->ifi_index] = name;
  entry.interface = name;
  entry.message =
      LinkMessage(*link, NumberAttribute<std::uint32_t>(message, sizeof *link, IFLA_MTU, 1500));
  return std::format("link/{}", Printable(name, IFNAMSIZ));
}

std::string AddressEntry(const Message& message, const std::map<std::uint32_t, std::string>& names,
                         NetworkEntry& entry) {
  const auto* address = BodyOf<ifaddrmsg>(message);
  if (!address) return {};
  // Of the kernel's own making: loopback, router advertisements, link-local; and the last lease.
  constexpr unsigned short kProtocol = 11;  // IFA_PROTO
  if (NumberAttribute<std::uint8_t>(message, sizeof *address, kProtocol, 0) != 0) return {};
  // Of IPv4 the same flag says that it is not the first one of its network.
  if (address->ifa_family == AF_INET6 && (address->ifa_flags & IFA_F_TEMPORARY)) return {};
  entry.interface = NameOf(names, address->ifa_index);
  entry.message = message;
  if (entry.interface.empty()) return {};
  return std::format("address/{}/{}/{}/{}/{}", entry.interface, address->ifa_family,
                     Hex(Attribute(message, sizeof *address, IFA_ADDRESS)),
                     Hex(Attribute(message, sizeof *address, IFA_LOCAL)), address->ifa_prefixlen);
}

std::string RouteEntry(const Message& message, const std::map<std::uint32_t, std::string>& names,
                       NetworkEntry& entry) {
  const auto* route = BodyOf<rtmsg>(message);
  if (!route || (route->rtm_family != AF_INET && route->rtm_family != AF_INET6)) return {};
  if (route->rtm_protocol == RTPROT_KERNEL || route->rtm_protocol == RTPROT_RA ||
      route->rtm_protocol == RTPROT_REDIRECT || route->rtm_protocol == kLastLeaseProtocol ||
      (route->rtm_flags & RTM_F_CLONED)) {
    return {};
  }
  const auto table =
      NumberAttribute<std::uint32_t>(message, sizeof *route, RTA_TABLE, route->rtm_table);
  if (table == RT_TABLE_LOCAL) return {};
  // Several next hops have numbers of interfaces inside, which mean nothing elsewhere.
  if (!Attribute(message, sizeof *route, RTA_MULTIPATH).empty()) return {};
  const auto index = NumberAttribute<std::uint32_t>(message, sizeof *route, RTA_OIF, 0);
  entry.interface = NameOf(names, index);
  if (index != 0 && entry.interface.empty()) return {};
  entry.message = message;
  return std::format("route/{}/{}/{}/{}/{}/{}/{}/{}/{}",
                     entry.interface.empty() ? "-" : entry.interface, route->rtm_family, table,
                     Hex(Attribute(message, sizeof *route, RTA_DST)), route->rtm_dst_len,
                     route->rtm_tos, route->rtm_type,
                     NumberAttribute<std::uint32_t>(message, sizeof *route, RTA_PRIORITY, 0),
                     Hex(Attribute(message, sizeof *route, RTA_GATEWAY)));
}

// The number that an entry's interface has here, in its message.
bool Renumber(Message& message, std::uint32_t index) {
  nlmsghdr header;
  std::memcpy(&header, message.data(), sizeof header);
  switch (header.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_NEWADDR:
      // Both begin with four bytes; the number follows.
      static_assert(offsetof(ifinfomsg, ifi_index) == 4 && offsetof(ifaddrmsg, ifa_index) == 4);
      std::memcpy(message.data() + NLMSG_HDRLEN + 4, &index, sizeof index);
      return true;
    case RTM_NEWROUTE: {
      const std::string_view oif = Attribute(message, sizeof(rtmsg), RTA_OIF);
      if (oif.size() != sizeof index) return false;
      std::memcpy(const_cast<char*>(oif.data()), &index, sizeof index);
      return true;
    }
    default:
      return false;
  }
}

// A link's settings, as if it had the number of another one.
Message Renumbered(const NetworkEntry& link, const NetworkEntry& other) {
  Message message = link.message;
  std::uint32_t index = 0;
  std::memcpy(&index, other.message.data() + NLMSG_HDRLEN + offsetof(ifinfomsg, ifi_index),
              sizeof index);
  Renumber(message, index);
  return message;
}

// ------------------------------------------------------------------- sockets

class Netlink {
 public:
  static Result<Netlink> Open(std::uint32_t groups) {
    FileDescriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd) return FailErrno("netlink");
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_groups = groups;
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
      return FailErrno("netlink");
    }
    // The domain may be one that says nothing and lives.
    const timeval limit = {.tv_sec = kAnswerLimit.count(), .tv_usec = 0};
    if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) {
      return FailErrno("netlink");
    }
    return Netlink(std::move(fd));
  }

  int fd() const { return fd_.get(); }

  // All messages of a dump.
  Result<std::vector<Message>> Dump(std::uint16_t type) {
    struct {
      nlmsghdr header;
      rtgenmsg body;
    } request = {};
    request.header = {NLMSG_LENGTH(sizeof(rtgenmsg)), type, NLM_F_REQUEST | NLM_F_DUMP, ++sequence_,
                      0};
    request.body.rtgen_family = AF_UNSPEC;
    if (send(fd_.get(), &request, request.header.nlmsg_len, 0) < 0) return FailErrno("netlink");
    std::vector<Message> messages;
    while (true) {
      auto more = Receive();
      if (!more) return std::unexpected(more.error());
      for (Message& message : *more) {
        nlmsghdr header;
        std::memcpy(&header, message.data(), sizeof header);
        if (header.nlmsg_seq != sequence_) continue;
        if (header.nlmsg_type == NLMSG_DONE) return messages;
        if (header.nlmsg_type == NLMSG_ERROR) return Fail("netlink refuses a dump");
        if (messages.size() == kMaxEntries) return Fail("more entries than are kept", E2BIG);
        messages.push_back(std::move(message));
      }
    }
  }

  // 0, or the errno of the answer.
  Result<int> Change(Message message, std::uint16_t type, std::uint16_t flags) {
    nlmsghdr header = {static_cast<std::uint32_t>(message.size()), type,
                       static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags), ++sequence_,
                       0};
    std::memcpy(message.data(), &header, sizeof header);
    if (send(fd_.get(), message.data(), message.size(), 0) < 0) return FailErrno("netlink");
    while (true) {
      const auto answers = Receive();
      if (!answers) return std::unexpected(answers.error());
      for (const Message& answer : *answers) {
        std::memcpy(&header, answer.data(), sizeof header);
        const auto* error = BodyOf<nlmsgerr>(answer);
        if (header.nlmsg_seq == sequence_ && header.nlmsg_type == NLMSG_ERROR && error) {
          return -error->error;
        }
      }
    }
  }

  // What is there, at least one datagram.
  Result<std::vector<Message>> Receive() {
    std::vector<std::uint8_t> buffer(kBufferSize);
    const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0) return FailErrno("netlink");
    std::vector<Message> messages;
    std::size_t at = 0;
    while (at + sizeof(nlmsghdr) <= static_cast<std::size_t>(size)) {
      nlmsghdr header;
      std::memcpy(&header, buffer.data() + at, sizeof header);
      if (header.nlmsg_len < sizeof header ||
          at + header.nlmsg_len > static_cast<std::size_t>(size))
        break;
      messages.emplace_back(buffer.begin() + at, buffer.begin() + at + header.nlmsg_len);
      at += NLMSG_ALIGN(header.nlmsg_len);
    }
    return messages;
  }

 private:
  explicit Netlink(FileDescriptor fd) : fd_(std::move(fd)) {}

  FileDescriptor fd_;
  std::uint32_t sequence_ = 0;
};

constexpr std::uint32_t kGroups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;

Result<NetworkEntries> ReadEntries(Netlink& netlink) {
  std::map<std::uint32_t, std::string> names;
  NetworkEntries entries;
  for (const std::uint16_t type : {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE}) {
    const auto messages = netlink.Dump(type);
    if (!messages) return std::unexpected(messages.error());
    for (const Message& message : *messages) {
      NetworkEntry entry;
      const std::string key = EntryOf(message, names, entry);
      if (!key.empty()) entries[key] = std::move(entry);
    }
  }
  return entries;
}

// Waits until an interface of this name exists; 0: it does not appear.
std::uint32_t AwaitInterface(Netlink& events, const std::string& name) {
  const auto end = std::chrono::steady_clock::now() + kInterfaceLimit;
  while (true) {
    if (const std::uint32_t index = if_nametoindex(name.c_str()); index != 0) return index;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd entry{events.fd(), POLLIN, 0};
    if (left.count() <= 0 || poll(&entry, 1, static_cast<int>(left.count())) <= 0) return 0;
    if (!events.Receive()) return 0;
  }
}

std::uint16_t TypeOf(const Message& message) {
  nlmsghdr header;
  std::memcpy(&header, message.data(), sizeof header);
  return header.nlmsg_type;
}

// Links, then addresses, the first of each network before the others, then routes: of those the ones
// without gateway first, which lead to the others'.
constexpr int kLastRank = 4;
int Rank(const Message& message) {
  switch (TypeOf(message)) {
    case RTM_NEWLINK:
      return 0;
    case RTM_NEWADDR: {
      const auto* address = BodyOf<ifaddrmsg>(message);
      return address != nullptr && (address->ifa_flags & IFA_F_SECONDARY) != 0 ? 2 : 1;
    }
    default:
      return Attribute(message, sizeof(rtmsg), RTA_GATEWAY).empty() ? 3 : kLastRank;
  }
}

Result<void> Apply(Netlink& events, Netlink& requests, const NetworkEntry& entry, bool remove) {
  Message message = entry.message;
  if (!entry.interface.empty()) {
    const std::uint32_t index =
        remove ? if_nametoindex(entry.interface.c_str()) : AwaitInterface(events, entry.interface);
    if (index == 0) return Fail(entry.interface + " does not exist", ENODEV);
    if (!Renumber(message, index)) return Fail("a message that makes no sense");
  }
  const std::uint16_t type = TypeOf(message);
  const bool link = type == RTM_NEWLINK;
  if (link && remove) return {};
  // rtnetlink(7) numbers its messages in groups: RTM_NEW of something, RTM_DEL, RTM_GET.
  const auto error = requests.Change(message, remove ? type + 1 : type,
                                     remove || link ? 0 : NLM_F_CREATE | NLM_F_REPLACE);
  if (!error) return std::unexpected(error.error());
  if (*error != 0 && *error != EEXIST && !remove) return Fail("netlink", *error);
  return {};
}

Result<void> ApplyAll(Netlink& events, Netlink& requests, const NetworkChanges& changes) {
  for (const auto& [key, entry] : changes.removed) {
    if (const auto done = Apply(events, requests, entry, true);
        !done && done.error().code == ENETDOWN) {
      return done;
    }
  }
  for (int rank = 0; rank <= kLastRank; ++rank) {
    for (const auto& [key, entry] : changes.added) {
      if (Rank(entry.message) != rank) continue;
      const auto done = Apply(events, requests, entry, false);
      if (!done && done.error().code == ENETDOWN) return done;
      if (!done) std::cout << "not restored: " << key << ": " << done.error().message << "\n";
    }
  }
  return {};
}

}  // namespace

// ------------------------------------------------------------------- entries

std::string EntryOf(const Message& message, std::map<std::uint32_t, std::string>& names,
                    NetworkEntry& entry) {
  if (message.size() < NLMSG_HDRLEN) return {};
  switch (TypeOf(message)) {
    case RTM_NEWLINK:
      return LinkEntry(message, names, entry);
    case RTM_NEWADDR:
      return AddressEntry(message, names, entry);
    case RTM_NEWROUTE:
      return RouteEntry(message, names, entry);
    default:
      return {};
  }
}

NetworkChanges Difference(const NetworkEntries& base, const NetworkEntries& now) {
  NetworkChanges changes;
  for (const auto& [key, entry] : now) {
    const auto before = base.find(key);
    const bool link = key.starts_with("link/");
    // Of a link the settings count; addresses and routes carry counters and ages.
    const bool changed = link && before != base.end() && before->second.message != entry.message;
    if (before == base.end() || changed) changes.added.emplace(key, entry);
    if (changed) changes.removed.emplace(key, before->second);
  }
  for (const auto& [key, entry] : base) {
    if (!now.contains(key)) changes.removed.emplace(key, entry);
  }
  return changes;
}

NetworkEntries BaseOf(NetworkEntries found, const NetworkChanges& changes) {
  for (const auto& [key, entry] : changes.added) {
    const auto here = found.find(key);
    if (here == found.end()) continue;
    if (!key.starts_with("link/")) {
      found.erase(here);
      continue;
    }
    // Every domain has the link; only if it is set up like this, its settings are not its own.
    if (here->second.message != Renumbered(entry, here->second)) continue;
    const auto original = changes.removed.find(key);
    if (original == changes.removed.end()) {
      found.erase(here);
    } else {
      here->second.message = Renumbered(original->second, here->second);
    }
  }
  for (const auto& [key, entry] : changes.removed) found.emplace(key, entry);
  return found;
}

std::string FormatChanges(const NetworkChanges& changes) {
  std::string text;
  const auto append = [&text](char sign, const NetworkEntries& entries) {
    for (const auto& [key, entry] : entries) {
      text += std::format(
          "{} {} {} {}\n", sign, key, entry.interface.empty() ? "-" : entry.interface,
          Hex({reinterpret_cast<const char*>(entry.message.data()), entry.message.size()}));
    }
  };
  append('-', changes.removed);
  append('+', changes.added);
  return text;
}

Result<NetworkChanges> ParseChanges(std::string_view text) {
  NetworkChanges changes;
  for (const std::string_view line : SplitLines(text)) {
    const auto words = SplitWords(line);
    if (words.empty()) continue;
    if (words.size() != 4 || (words[0] != "+" && words[0] != "-") || words[3].size() % 2 != 0 ||
        words[3].size() < 2 * NLMSG_LENGTH(sizeof(rtmsg))) {
      return Fail("malformed: " + Printable(line, 100));
    }
    NetworkEntry entry;
    if (words[2] != "-") entry.interface = words[2];
    for (std::size_t at = 0; at < words[3].size(); at += 2) {
      std::uint8_t byte = 0;
      const char* first = words[3].data() + at;
      const auto [end, error] = std::from_chars(first, first + 2, byte, 16);
      if (error != std::errc() || end != first + 2)
        return Fail("malformed: " + Printable(line, 100));
      entry.message.push_back(byte);
    }
    (words[0] == "+" ? changes.added : changes.removed).emplace(words[1], std::move(entry));
  }
  return changes;
}

// ------------------------------------------------------------------ keeping

Result<void> KeepNetwork(const std::string& file, bool before_lease) {
  const auto quiet = static_cast<int>((before_lease ? kQuietBeforeLease : kQuiet).count());
  // Before the base is read, so that no change is missed.
  auto events = Netlink::Open(kGroups);
  if (!events) return std::unexpected(events.error());
  // One for all requests: it is this domain's, also if the namespace is detached later.
  auto requests = Netlink::Open(0);
  if (!requests) return std::unexpected(requests.error());
  auto base = ReadEntries(*requests);
  if (!base) return std::unexpected(base.error());
  if (const auto text = ReadTextFile(file)) {
    const auto changes = ParseChanges(*text);
    if (!changes) return std::unexpected(changes.error());
    if (const auto applied = ApplyAll(*events, *requests, *changes); !applied) return applied;
    *base = BaseOf(std::move(*base), *changes);
  }
  std::cout << kKeeperSettled << std::endl;

  while (true) {
    // The first change, and what follows it at once; the end of who reads standard output is ours.
    pollfd entries[] = {{events->fd(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
    for (int limit = -1; poll(entries, 2, limit) > 0; limit = quiet) {
      if (entries[1].revents != 0) return {};
      const auto received = events->Receive();
      // Too many to be told one by one, or the domain is gone, which reading finds out.
      if (!received && received.error().code != ENOBUFS) return std::unexpected(received.error());
    }
    const auto now = ReadEntries(*requests);
    if (!now) return std::unexpected(now.error());
    if (const auto written = WriteTextFile(file, FormatChanges(Difference(*base, *now)));
        !written) {
      return written;
    }
  }
}

}  // namespace vos
