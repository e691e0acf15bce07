// SPDX-License-Identifier: Apache-2.0
// vfork, posix_spawn and clone children that rearrange their descriptors in the parent's memory,
// while the parent's other threads go on: nobody's data goes to the wrong socket.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 40
#include <sched.h>
#include <spawn.h>

#include "testing.h"

using namespace vos::testing;

extern char** environ;

constexpr int kThreads = 4;

// The child has descriptors of its own in the same memory, and writes to one before exec.
static pid_t SpawnByVfork(const char* name, const Pair& given, const Pair& decoy) {
  const pid_t child = vfork();
  if (child != 0) return child;
  dup2(given.client, decoy.client);
  if (write(decoy.client, "child", 5) != 5) _exit(1);
  close(given.client);
  for (int fd = 80; fd < 90; fd++) dup2(decoy.server, fd);
  dup2(decoy.client, 70);
  execl("/proc/self/exe", name, "vfork", nullptr);
  _exit(2);
}

int main(int count, char** arguments) {
  if (count == 2) {
    // The spawned program: its descriptor 70 is the socket it was given.
    SendAll(70, arguments[1], strlen(arguments[1]));
    return 0;
  }
  std::atomic<bool> stop = false;
  std::atomic<long> rounds = 0;
  // Threads under traffic; each connection carries only its own bytes.
  const auto pingpong = [&](int id) {
    Pair tcp = TcpPair(kFamilies[id % 2]);
    uint8_t out[20], in[20];
    memset(out, id, sizeof(out));
    while (!stop) {
      SendAll(tcp.client, out, sizeof(out));
      ReceiveAll(tcp.server, in, sizeof(in));
      for (uint8_t byte : in) CHECK_EQ(byte, id);
      rounds++;
    }
  };
  {
    Thread threads[kThreads] = {Thread([&] { pingpong(1); }), Thread([&] { pingpong(2); }),
                                Thread([&] { pingpong(3); }), Thread([&] { pingpong(4); })};
    while (rounds < 200) Sleep(1);
    Pair given = TcpPair(AF_INET), decoy = TcpPair(AF_INET);
    for (int i = 0; i < 40; i++) CheckAlive(given.client, given.server);
    char buffer[16];

    for (int i = 0; i < 8; i++) {
      const pid_t child = SpawnByVfork(arguments[0], given, decoy);
      CHECK(child > 0);
      ReceiveAll(given.server, buffer, 10);
      CHECK(memcmp(buffer, "childvfork", 10) == 0);
      Join(child);
      CHECK_EQ(Poll(decoy.server, POLLIN, 0), 0);
      CheckAlive(given.client, given.server);
      CheckAlive(decoy.client, decoy.server);

      posix_spawn_file_actions_t actions;
      CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
      CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, given.client, 70), 0);
      CHECK_EQ(posix_spawn_file_actions_addclose(&actions, decoy.client), 0);
      pid_t spawned;
      char word[] = "spawn";
      char* const words[] = {arguments[0], word, nullptr};
      CHECK_EQ(posix_spawn(&spawned, "/proc/self/exe", &actions, nullptr, words, environ), 0);
      CHECK_EQ(posix_spawn_file_actions_destroy(&actions), 0);
      ReceiveAll(given.server, buffer, 5);
      CHECK(memcmp(buffer, "spawn", 5) == 0);
      Join(spawned);
      CheckAlive(decoy.client, decoy.server);
    }
    stop = true;
  }
  printf("%ld rounds beside\n", rounds.load());
  return 0;
}
