// SPDX-License-Identifier: Apache-2.0
// xenstore-write NODE VALUE: set a node of this domain, for scripts.
#include <cstdio>

#include "service-domains/common/xenstore_client.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: xenstore-write NODE VALUE\n", stderr);
    return 2;
  }
  const std::string failure = vos::service::XenstoreWrite(argv[1], argv[2]);
  if (failure.empty()) return 0;
  std::fprintf(stderr, "xenstore-write %s: %s\n", argv[1], failure.c_str());
  return 1;
}
