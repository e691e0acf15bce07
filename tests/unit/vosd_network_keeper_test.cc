// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/network_keeper.cc tools/common/text.cc tools/common/text_file.cc
#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>
#include <random>

#include "tools/common/lease.h"
#include "tools/vosd/network_keeper.h"

namespace vos {
namespace {

using Message = std::vector<std::uint8_t>;

template <typename Body>
Message Make(std::uint16_t type, const Body& body) {
  Message message(NLMSG_LENGTH(sizeof(Body)));
  const nlmsghdr header = {static_cast<std::uint32_t>(message.size()), type, 0, 0, 0};
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + NLMSG_HDRLEN, &body, sizeof body);
  return message;
}

template <typename Value>
void Append(Message& message, unsigned short type, const Value& value) {
  const rtattr attribute = {RTA_LENGTH(sizeof value), type};
  const std::size_t at = message.size();
  message.resize(at + RTA_SPACE(sizeof value));
  std::memcpy(message.data() + at, &attribute, sizeof attribute);
  std::memcpy(message.data() + at + RTA_LENGTH(0), &value, sizeof value);
  const auto length = static_cast<std::uint32_t>(message.size());
  std::memcpy(message.data(), &length, sizeof length);
}

template <std::size_t kSize>
Message Link(int index, const char (&name)[kSize], unsigned flags, std::uint32_t mtu) {
  ifinfomsg body = {};
  body.ifi_index = index;
  body.ifi_flags = flags;
  Message message = Make(RTM_NEWLINK, body);
  Append(message, IFLA_IFNAME, name);
  Append(message, IFLA_MTU, mtu);
  return message;
}

Message Address(std::uint32_t index, std::uint32_t address, unsigned char flags = 0,
                unsigned char family = AF_INET) {
  ifaddrmsg body = {};
  body.ifa_family = family;
  body.ifa_flags = flags;
  body.ifa_prefixlen = 24;
  body.ifa_index = index;
  Message message = Make(RTM_NEWADDR, body);
  Append(message, IFA_LOCAL, address);
  return message;
}

Message Route(unsigned char protocol, std::uint32_t index, std::uint32_t destination) {
  rtmsg body = {};
  body.rtm_family = AF_INET;
  body.rtm_dst_len = 32;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = protocol;
  body.rtm_type = RTN_UNICAST;
  Message message = Make(RTM_NEWROUTE, body);
  Append(message, RTA_DST, destination);
  Append(message, RTA_OIF, index);
  return message;
}

NetworkEntries Entries(const std::vector<Message>& messages) {
  std::map<std::uint32_t, std::string> names;
  NetworkEntries entries;
  for (const Message& message : messages) {
    NetworkEntry entry;
    const std::string key = EntryOf(message, names, entry);
    if (!key.empty()) entries[key] = entry;
  }
  return entries;
}

TEST(NetworkKeeper, NamesDoNotDependOnNumbers) {
  const auto one =
      Entries({Link(2, "eth0", IFF_UP, 1500), Address(2, 5), Route(RTPROT_BOOT, 2, 9)});
  const auto two =
      Entries({Link(7, "eth0", IFF_UP, 1500), Address(7, 5), Route(RTPROT_BOOT, 7, 9)});
  ASSERT_EQ(one.size(), 3u);
  for (const auto& [key, entry] : one) EXPECT_TRUE(two.contains(key)) << key;
  EXPECT_EQ(one.at("link/eth0").interface, "eth0");
}

TEST(NetworkKeeper, LeavesOutWhatNobodySet) {
  EXPECT_EQ(Entries({Link(2, "eth0", 0, 1500), Route(RTPROT_KERNEL, 2, 1), Route(RTPROT_RA, 2, 2)})
                .size(),
            1u);
  Message address = Address(2, 5);
  Append(address, 11, std::uint8_t{3});  // IFA_PROTO: link-local, by the kernel
  EXPECT_EQ(Entries({Link(2, "eth0", 0, 1500), address}).size(), 1u);
  Message last_lease = Address(2, 5);
  Append(last_lease, 11, kLastLeaseProtocol);
  EXPECT_EQ(Entries({Link(2, "eth0", 0, 1500), last_lease, Route(kLastLeaseProtocol, 2, 0)}).size(),
            1u);
  EXPECT_EQ(Entries({Link(2, "eth0", 0, 1500), Address(2, 5, IFA_F_TEMPORARY, AF_INET6)}).size(),
            1u);
  // Not the first one of its network, but somebody's.
  EXPECT_EQ(
      Entries({Link(2, "eth0", 0, 1500), Address(2, 5), Address(2, 6, IFA_F_SECONDARY)}).size(),
      3u);
  // Of an interface nobody knows.
  EXPECT_EQ(Entries({Address(9, 5)}).size(), 0u);
}

TEST(NetworkKeeper, FindsDifferences) {
  const auto base = Entries({Link(2, "eth0", IFF_UP, 1500), Address(2, 5)});
  EXPECT_TRUE(Difference(base, base).added.empty());
  const auto now = Entries({Link(2, "eth0", IFF_UP, 1400), Address(2, 6)});
  const NetworkChanges changes = Difference(base, now);
  EXPECT_EQ(changes.added.size(), 2u);
  EXPECT_TRUE(changes.added.contains("link/eth0"));
  // The address, and what the link was.
  EXPECT_EQ(changes.removed.size(), 2u);
}

// What is in the file after `now` was seen, and read again by another keeper.
NetworkChanges Saved(const NetworkEntries& base, const NetworkEntries& now) {
  return *ParseChanges(FormatChanges(Difference(base, now)));
}

TEST(NetworkKeeper, ChangesRemainDifferencesForTheNextKeeperOfADomain) {
  const auto base = Entries({Link(1, "lo", IFF_UP, 65536), Link(2, "eth0", IFF_UP, 1500),
                             Address(2, 5), Route(RTPROT_BOOT, 2, 9)});
  const auto now = Entries({Link(1, "lo", 0, 65536), Link(2, "eth0", IFF_UP, 1400), Address(2, 6),
                            Route(RTPROT_BOOT, 2, 9)});
  const NetworkChanges saved = Saved(base, now);
  const NetworkEntries again = BaseOf(now, saved);
  EXPECT_EQ(FormatChanges(Difference(again, now)), FormatChanges(saved));
  // And what is set back is one no more.
  EXPECT_EQ(FormatChanges(Difference(again, base)), "");
}

TEST(NetworkKeeper, ANewDomainHasABaseOfItsOwn) {
  const auto base = Entries({Link(2, "eth0", IFF_UP, 1500), Address(2, 5)});
  const auto now = Entries({Link(2, "eth0", IFF_UP, 1400), Address(2, 5), Address(2, 6)});
  const NetworkChanges saved = Saved(base, now);
  // Its link has another number, and an MTU that its lease gave it.
  const auto found = Entries({Link(7, "eth0", IFF_UP, 1490), Address(7, 5)});
  const NetworkEntries own = BaseOf(found, saved);
  EXPECT_EQ(own.at("link/eth0").message, found.at("link/eth0").message);
  const auto restored = Entries({Link(7, "eth0", IFF_UP, 1400), Address(7, 5), Address(7, 6)});
  const NetworkChanges changes = Difference(own, restored);
  EXPECT_EQ(changes.added.size(), 2u);
  EXPECT_EQ(changes.removed.size(), 1u);
  // The changes were made there by an earlier keeper, which vosd knows from their being there.
  EXPECT_EQ(FormatChanges(Difference(BaseOf(restored, changes), restored)), FormatChanges(changes));
}

TEST(NetworkKeeper, WritesWhatItReads) {
  const auto now =
      Entries({Link(2, "eth0", IFF_UP, 1400), Address(2, 6), Route(RTPROT_STATIC, 2, 9)});
  NetworkChanges changes = Difference({}, now);
  changes.removed = Entries({Link(2, "eth0", IFF_UP, 1400), Address(2, 77)});
  const std::string text = FormatChanges(changes);
  const auto read = ParseChanges(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(FormatChanges(*read), text);
  EXPECT_EQ(read->added.size(), 3u);
}

TEST(NetworkKeeper, RefusesNonsense) {
  for (const char* text : {"+", "* a b 00", "+ link/eth0 eth0 0", "+ link/eth0 eth0 zz",
                           "+ link/eth0 eth0 0011", "+ a b c d e"}) {
    EXPECT_FALSE(ParseChanges(text)) << text;
  }
  EXPECT_TRUE(ParseChanges(""));
}

TEST(NetworkKeeper, AnyBytesAreReadSafely) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    Message message = round % 2 ? Address(2, random()) : Route(RTPROT_BOOT, 2, random());
    for (int i = 0; i < 4; ++i) message[random() % message.size()] = random();
    message.resize(random() % (message.size() + 1));
    std::map<std::uint32_t, std::string> names = {{2, "eth0"}};
    NetworkEntry entry;
    EntryOf(message, names, entry);
  }
}

}  // namespace
}  // namespace vos
