// SPDX-License-Identifier: Apache-2.0
// `vos trace` shows what a process asks service domains for, with the shim too: its calls go by trap
// for as long as they are watched, and fast again when the tracer ends, even if that is killed. Who
// watches leaves nothing behind.
// tier: fast
// boot: shared
// variants: trap shim
#include <signal.h>
#include <sys/prctl.h>

#include <filesystem>
#include <sstream>

#include "files.h"
#include "shim_counters.h"

using namespace vos::testing;

namespace {

constexpr int kSizes = 20;

// `vos trace` of this process, and both ends of what it prints.
struct Tracer {
  pid_t pid;
  Fd output, errors;
  std::string text;
};

Tracer Start(pid_t traced) {
  int output[2], errors[2];
  CHECK_OK(pipe2(output, O_CLOEXEC));
  CHECK_OK(pipe2(errors, O_CLOEXEC));
  const pid_t pid = CHECK_OK(fork());
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(output[1], 1);
    dup2(errors[1], 2);
    unsetenv("LD_PRELOAD");
    execlp("vos", "vos", "trace", std::to_string(traced).c_str(), nullptr);
    _exit(127);
  }
  close(output[1]);
  close(errors[1]);
  return {pid, Fd(output[0]), Fd(errors[0]), {}};
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = CHECK_OK(read(fd, buffer, sizeof(buffer)))) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  return text;
}

// It says what it traces before it prints anything.
void AwaitTracing(Tracer& tracer) {
  std::string said;
  for (char c; said.find("go by trap\n") == std::string::npos; said += c)
    if (CHECK_OK(read(tracer.errors, &c, 1)) == 0) FAIL("it says: %s", said.c_str());
}

// Lines of an operation with these bytes and as many as the result, by this thread.
int Count(const std::string& text, const std::string& domain, const std::string& operation,
          int bytes) {
  int found = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string time, thread, d, o, object, size, result;
    words >> time >> thread >> d >> o >> object >> size >> result;
    found += thread == std::to_string(gettid()) && d == domain && o == operation &&
             size == std::to_string(bytes) && result == size;
  }
  return found;
}

int Instances() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/tracing/instances"))
    count += entry.path().filename().string().starts_with("vos-trace-");
  return count;
}

void CheckFast(Pair& tcp, int file) {
  if (Variant() != "shim") return;
  const auto before = ShimCounters();
  char byte;
  for (int i = 0; i < 50; i++) {
    CheckAlive(tcp.client, tcp.server);
    CHECK_EQ(pread(file, &byte, 1, 0), 1);
  }
  const auto after = ShimCounters();
  CHECK_EQ(after.trap_suspended, before.trap_suspended);
  CHECK(after.file_fast - before.file_fast >= 40);
  CHECK(after.fast - after.file_fast - (before.fast - before.file_fast) >= 40);
}

}  // namespace

int main() {
  Directory directory;
  Put("file", std::string(8192, 'f'));
  const Fd file = Open("file", O_RDWR);
  Pair tcp = TcpPair(AF_INET);
  for (int i = 0; i < 200; i++) CheckAlive(tcp.client, tcp.server);
  WarmUp(file);
  CheckFast(tcp, file);

  Tracer tracer = Start(getpid());
  AwaitTracing(tracer);
  const auto before = ShimCounters();
  std::string data(4096, 'd');
  for (int i = 0; i < kSizes; i++) {
    SendAll(tcp.client, data.data(), 100 + i);
    ReceiveAll(tcp.server, data.data(), 100 + i);
    CHECK_EQ(pread(file, data.data(), 1000 + i, i), 1000 + i);
    CHECK_EQ(pwrite(file, data.data(), 2000 + i, i), 2000 + i);
  }
  const auto after = ShimCounters();
  if (Variant() == "shim") {
    CHECK_EQ(after.fast, before.fast);
    CHECK(after.trap_suspended >= before.trap_suspended + 4 * kSizes);
  }
  CHECK_OK(kill(tracer.pid, SIGINT));
  const std::string text = ReadAll(tracer.output);
  Join(tracer.pid);
  for (int i = 0; i < kSizes; i++) {
    CHECK_EQ(Count(text, "network", "send", 100 + i), 1);
    CHECK_EQ(Count(text, "network", "recv", 100 + i), 1);
    CHECK_EQ(Count(text, "storage", "pread", 1000 + i), 1);
    CHECK_EQ(Count(text, "storage", "pwrite", 2000 + i), 1);
  }
  CHECK_EQ(Instances(), 0);
  CheckFast(tcp, file);

  // One that is killed; its buffer goes with the next one's start.
  tracer = Start(getpid());
  AwaitTracing(tracer);
  CHECK_OK(kill(tracer.pid, SIGKILL));
  CHECK_EQ(waitpid(tracer.pid, nullptr, 0), tracer.pid);
  CheckFast(tcp, file);
  CHECK_EQ(Instances(), 1);

  // The end of the traced process is the end.
  const pid_t child = CHECK_OK(fork());
  if (child == 0) {
    pause();
    _exit(0);
  }
  tracer = Start(child);
  AwaitTracing(tracer);
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(waitpid(child, nullptr, 0), child);
  Join(tracer.pid);
  CHECK_EQ(Instances(), 0);

  // Nobody, and who has no memory.
  for (const pid_t none : {4000000, 2}) {
    tracer = Start(none);
    const std::string errors = ReadAll(tracer.errors);
    Join(tracer.pid, 1);
    CHECK(errors.find(std::to_string(none)) != std::string::npos);
  }
  CHECK_EQ(Instances(), 0);
  return 0;
}
