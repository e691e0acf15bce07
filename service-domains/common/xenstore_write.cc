// SPDX-License-Identifier: Apache-2.0
// xenstore-write NODE VALUE...: set nodes of this domain, one after the other, for scripts.
#include <cstdio>

#include "service-domains/common/xenstore_client.h"

int main(int argc, char** argv) {
  if (argc < 3 || argc % 2 == 0) {
    std::fputs("usage: xenstore-write NODE VALUE [NODE VALUE]...\n", stderr);
    return 2;
  }
  for (int i = 1; i < argc; i += 2) {
    const std::string failure = vos::service::XenstoreWrite(argv[i], argv[i + 1]);
    if (failure.empty()) continue;
    std::fprintf(stderr, "xenstore-write %s: %s\n", argv[i], failure.c_str());
    return 1;
  }
  return 0;
}
