// SPDX-License-Identifier: Apache-2.0
// Orders to the storage domain's first process, which takes them in kernels built for fault injection:
// see service-domains/storage/init.cc.
#ifndef VIRTUOS_TESTS_FAULTS_STORAGE_DOMAIN_H_
#define VIRTUOS_TESTS_FAULTS_STORAGE_DOMAIN_H_

#include "tests/system/files.h"

namespace vos::testing {

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
