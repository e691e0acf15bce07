// SPDX-License-Identifier: Apache-2.0
// Descriptors passed between processes (SCM_RIGHTS).
#ifndef VIRTUOS_TESTS_SYSTEM_RIGHTS_H_
#define VIRTUOS_TESTS_SYSTEM_RIGHTS_H_

#include "testing.h"

namespace vos::testing {

// A message of one byte, with room for one descriptor.
struct RightsMessage {
  RightsMessage() {
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
  }
  RightsMessage(const RightsMessage&) = delete;
  RightsMessage& operator=(const RightsMessage&) = delete;

  char byte = '.';
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
};

inline void Pass(int through, int fd) {
  RightsMessage rights;
  cmsghdr* header = CMSG_FIRSTHDR(&rights.message);
  *header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  CHECK_EQ(sendmsg(through, &rights.message, 0), 1);
}

inline Fd Take(int through, int flags = MSG_CMSG_CLOEXEC) {
  RightsMessage rights;
  CHECK_EQ(recvmsg(through, &rights.message, flags), 1);
  const cmsghdr* header = CMSG_FIRSTHDR(&rights.message);
  CHECK(header && header->cmsg_type == SCM_RIGHTS);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  CHECK_EQ(fcntl(fd, F_GETFD), flags ? FD_CLOEXEC : 0);
  return Fd(fd);
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_RIGHTS_H_
