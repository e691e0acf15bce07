// SPDX-License-Identifier: Apache-2.0
// Orders to the storage domain's first process, which takes them in kernels built for fault injection:
// see service-domains/storage/init.cc.
#ifndef VIRTUOS_TESTS_FAULTS_STORAGE_DOMAIN_H_
#define VIRTUOS_TESTS_FAULTS_STORAGE_DOMAIN_H_

#include <sys/mount.h>

#include "tests/system/files.h"

namespace vos::testing {

inline void Shell(const std::string& command) {
  if (system(command.c_str()) != 0) FAIL("%s", command.c_str());
}

// A domain whose kernel has a layer above the disk that fails.
inline void RestartWithFaultLayer() {
  CHECK_OK(umount2("/srv", MNT_DETACH));
  Shell(
      "sed -i 's/^extra = \"\\(.*\\)\"/extra = \"\\1 virtuos.fault_layer=1\"/' "
      "/etc/virtuos/storage.cfg");
  Shell("vos restart storage");
  for (const int64_t end = Milliseconds() + 8 * kSoon;; Sleep(100)) {
    struct statfs where;
    if (statfs("/srv", &where) == 0 && where.f_type == kFuseMagic) return;
    // Whoever mounts it at boot may be first.
    if (mount("storage:/", "/srv", "vosfs", 0, nullptr) == 0) return;
    if (Milliseconds() > end) FAIL("/srv cannot be mounted after a restart");
  }
}

// What a command prints, without the end of the line; empty if it fails.
inline std::string Output(const std::string& command) {
  FILE* stream = popen((command + " 2>/dev/null").c_str(), "r");
  CHECK(stream);
  std::string text;
  char buffer[4096];
  while (const size_t size = fread(buffer, 1, sizeof(buffer), stream)) text.append(buffer, size);
  const int status = pclose(stream);
  while (text.ends_with('\n')) text.pop_back();
  return status == 0 ? text : "";
}

class StorageDomain {
 public:
  StorageDomain() {
    const std::string id = Output("xl domid storage");
    if (id.empty()) SKIP("there is no storage domain");
    node_ = "/local/domain/" + id + "/data/storage/";
  }

  // A key of what it reports.
  std::string Told(const std::string& key) const { return Output("xenstore-read " + node_ + key); }

  // Gives an order and waits until it is done.
  void Order(const std::string& order) const {
    Run("xenstore-rm " + node_ + "fault-done");
    Run("xenstore-write " + node_ + "fault '" + order + "'");
    for (const int64_t end = Milliseconds() + kSoon; Milliseconds() < end; Sleep(20)) {
      const std::string done = Told("fault-done");
      if (done == order + ": done") return;
      if (!done.empty()) FAIL("%s", done.c_str());
    }
    FAIL("the domain does not take the order %s", order.c_str());
  }

  // Waits for a state that it reports.
  void Await(const std::string& state) const {
    for (const int64_t end = Milliseconds() + 4 * kSoon; Told("state") != state; Sleep(50))
      if (Milliseconds() > end)
        FAIL("the state is %s, not %s", Told("state").c_str(), state.c_str());
  }

 private:
  static void Run(const std::string& command) {
    if (system((command + " >/dev/null 2>&1").c_str()) == -1) FAIL("%s", command.c_str());
  }
  std::string node_;
};

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_FAULTS_STORAGE_DOMAIN_H_
