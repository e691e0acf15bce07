// SPDX-License-Identifier: Apache-2.0
// The layout of shared memory as a peer built by another compiler, or long ago, knows it. A change
// here is a change of the ABI: VOS_ABI_VERSION goes up with it.
#include <cstddef>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "kernel/virtuos/abi/virtuos.h"

namespace {

#define FIELD(type, field) \
  {#type "." #field, offsetof(struct type, field), sizeof(((struct type*)nullptr)->field)}
#define WHOLE(type) {#type, 0, sizeof(struct type)}

struct Place {
  const char* name;
  std::size_t offset;
  std::size_t size;
  bool operator==(const Place& other) const {
    return std::string(name) == other.name && offset == other.offset && size == other.size;
  }
};

const Place kActual[] = {
    WHOLE(vos_request),
    FIELD(vos_request, handle),
    FIELD(vos_request, len),
    FIELD(vos_request, fd),
    FIELD(vos_request, arg.msg.flags),
    FIELD(vos_request, arg.msg.name_len),
    FIELD(vos_request, arg.msg.control_len),
    FIELD(vos_request, arg.msg.data),
    FIELD(vos_request, arg.msg.caps),
    FIELD(vos_request, arg.msg.linger_us),
    FIELD(vos_request, arg.msg.cookie),
    FIELD(vos_request, arg.socket.family),
    FIELD(vos_request, arg.ioctl.value),
    FIELD(vos_request, arg.plain.word),
    FIELD(vos_request, arg.file.pos),
    FIELD(vos_request, arg.file.flags),
    FIELD(vos_request, arg.file.data),
    FIELD(vos_request, arg.file.caps),
    FIELD(vos_request, arg.file.word),
    FIELD(vos_request, arg.imm),
    FIELD(vos_request, op),
    FIELD(vos_request, flags),
    FIELD(vos_request, msg_flags),
    FIELD(vos_request, turn),
    WHOLE(vos_completion),
    FIELD(vos_completion, res),
    FIELD(vos_completion, pos),
    FIELD(vos_completion, aux),
    FIELD(vos_completion, pollmask),
    FIELD(vos_completion, flags),
    FIELD(vos_completion, service_cycles),
    FIELD(vos_completion, queue_cycles),
    FIELD(vos_completion, send_credit),
    FIELD(vos_completion, imm),
    FIELD(vos_completion, turn),
    WHOLE(vos_lane_control),
    WHOLE(vos_lane_status),
    FIELD(vos_lane_status, poller),
    WHOLE(vos_user_lane_c),
    FIELD(vos_user_lane_c, request),
    WHOLE(vos_user_lane_s),
    FIELD(vos_user_lane_s, completion),
    WHOLE(vos_kernel_lane_c),
    WHOLE(vos_kernel_lane_s),
    WHOLE(vos_extent_c),
    FIELD(vos_extent_c, lane),
    WHOLE(vos_extent_s),
    FIELD(vos_extent_s, lane),
    WHOLE(vos_fdmap_entry),
    FIELD(vos_fdmap_entry, kind),
    WHOLE(vos_session_header),
    FIELD(vos_session_header, abi_version),
    FIELD(vos_session_header, features),
    FIELD(vos_session_header, dead),
    FIELD(vos_session_header, suspended),
    FIELD(vos_session_header, spin_cycles),
    FIELD(vos_session_header, fdmap_entries),
    FIELD(vos_session_header, chunk_bytes),
    FIELD(vos_session_header, extents),
    WHOLE(vos_object_state),
    FIELD(vos_object_state, sequence),
    FIELD(vos_object_state, error),
    FIELD(vos_object_state, send_credit),
    FIELD(vos_object_state, changes),
    WHOLE(vos_object_interest),
    FIELD(vos_object_interest, flags),
    WHOLE(vos_event),
    FIELD(vos_event, type),
    FIELD(vos_event, mask),
    FIELD(vos_event, data),
    WHOLE(vos_poller_status),
    FIELD(vos_poller_status, produced),
    FIELD(vos_poller_status, heartbeat),
    WHOLE(vos_poller_control),
    FIELD(vos_poller_control, armed),
    WHOLE(vos_credential),
    FIELD(vos_credential, groups),
    WHOLE(vos_extent_grant),
    WHOLE(vos_session_grant),
    FIELD(vos_session_grant, extent),
    WHOLE(vos_root),
    FIELD(vos_root, generation),
    FIELD(vos_root, region_pages),
    FIELD(vos_root, directory_ref),
};

const Place kExpected[] = {
#include "tests/unit/abi_layout.inc"
};

TEST(AbiLayout, IsTheRecordedOne) {
  for (const Place& place : kActual)
    std::printf("    {\"%s\", %zu, %zu},\n", place.name, place.offset, place.size);
  ASSERT_EQ(std::size(kActual), std::size(kExpected));
  for (std::size_t i = 0; i < std::size(kActual); i++) {
    EXPECT_EQ(kActual[i], kExpected[i])
        << kActual[i].name << " is at " << kActual[i].offset << ", size " << kActual[i].size;
  }
  EXPECT_EQ(VOS_ABI_VERSION, 3u);
}

// What is loaded or stored whole lies in one line.
TEST(AbiLayout, WordsDoNotStraddleLines) {
  for (const Place& place : kActual) {
    if (place.size > sizeof(__u64)) continue;
    EXPECT_EQ(place.offset / VOS_LINE_SIZE, (place.offset + place.size - 1) / VOS_LINE_SIZE)
        << place.name;
  }
}

TEST(Handle, KeepsItsParts) {
  for (__u32 domain : {0u, 1u, VOS_DOMAIN_STORAGE, VOS_DOMAIN_MAX}) {
    for (__u32 generation : {1u, 77u, VOS_GENERATION_MAX}) {
      for (__u32 index : {0u, 1u, VOS_MAX_OBJECTS - 1, 0xffffffffu}) {
        const __u64 handle = vos_handle_make(domain, generation, index);
        EXPECT_EQ(vos_handle_domain(handle), domain);
        EXPECT_EQ(vos_handle_generation(handle), generation);
        EXPECT_EQ(vos_handle_index(handle), index);
      }
    }
  }
}

TEST(Map, ExtentsDoNotOverlap) {
  EXPECT_EQ(VOS_MAP_EXTENT(0u), VOS_MAP_FDMAP + VOS_FDMAP_PAGES);
  for (unsigned i = 0; i + 1 < VOS_MAX_EXTENTS; i++)
    EXPECT_EQ(VOS_MAP_EXTENT(i + 1) - VOS_MAP_EXTENT(i), 2 + VOS_EXTENT_ARENA_PAGES);
  EXPECT_EQ(VOS_MAP_PAGES, VOS_MAP_EXTENT(VOS_MAX_EXTENTS));
}

TEST(Bounds, FitTogether) {
  EXPECT_LE(VOS_MAX_USER_LANES, 64u);
  EXPECT_EQ(VOS_EVENT_ENTRIES & (VOS_EVENT_ENTRIES - 1), 0u);
  // A flat list of references of all regions fits the directories.
  const unsigned pages = 2 + VOS_INTEREST_PAGES + VOS_STATE_PAGES +
                         VOS_EVENT_PAGES * VOS_MAX_POLLERS + 2 * VOS_MAX_KERNEL_LANES +
                         VOS_KERNEL_ARENA_PAGES;
  EXPECT_LE(pages, VOS_MAX_DIRECTORIES * VOS_REFS_PER_PAGE);
  EXPECT_LE(sizeof(vos_session_grant), VOS_MAX_CALL_BYTES);
}

}  // namespace
