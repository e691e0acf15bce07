// SPDX-License-Identifier: Apache-2.0
// Processes that misuse their own sessions, 20,000 times in random ways, while using them: what
// they get is errors or the loss of the session. Other processes and the network domain go on, and
// no byte of theirs changes.
// tier: fast
// boot: shared
// time: 180
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <random>

#include "kernel/virtuos/abi/virtuos.h"
#include "repetitions.h"
#include "testing.h"

using namespace vos::testing;

namespace {

constexpr int kMisuses = 20'000;
constexpr int kMisusesOfProcess = 1'000;
// The session with the network domain, as the calls name it.
const uint64_t kNetwork = vos_call_arg(VOS_DOMAIN_NETWORK, 0, 0, 0);

struct Report {
  int misuses;
  int refused;  // system calls that gave an error
  bool lost;    // the session died
};

sigjmp_buf after_fault;
volatile sig_atomic_t jump_allowed;

void OnFault(int) {
  if (!jump_allowed) _exit(9);
  siglongjmp(after_fault, 1);
}

long Virtuos(unsigned long op, unsigned long argument) {
  return syscall(SYS_prctl, PR_VIRTUOS, op, argument, 0, 0);
}

class Attacker {
 public:
  Attacker(unsigned seed, Report* report)
      : random_(seed), report_(*report), tcp_(TcpPair(AF_INET)) {
    SetNonblocking(tcp_.client);
    SetNonblocking(tcp_.server);
    vos_enter enter = {};
    enter.abi_version = VOS_ABI_VERSION;
    enter.domain = VOS_DOMAIN_NETWORK;
    CHECK_OK(Virtuos(VOS_CALL_ENTER, reinterpret_cast<unsigned long>(&enter)));
    base_ = reinterpret_cast<uint8_t*>(enter.base);
    extents_ = enter.extents;
    CHECK(extents_ >= 1 && extents_ <= VOS_MAX_EXTENTS);
    CHECK_EQ(Header().magic, VOS_MAGIC);
    for (Position& position : positions_) position = {0, 1};
  }

  void Run() {
    CheckProtection();
    while (report_.misuses < kMisusesOfProcess) {
      report_.misuses++;
      jump_allowed = 1;
      // A page it took from itself.
      if (sigsetjmp(after_fault, 1) == 0) Misuse();
      jump_allowed = 0;
      if (sigsetjmp(after_fault, 1) == 0) {
        jump_allowed = 1;
        if (__atomic_load_n(&Header().dead, __ATOMIC_RELAXED)) {
          report_.lost = true;
          return;
        }
      }
      jump_allowed = 0;
    }
  }

 private:
  struct Position {
    uint32_t entry, turn;
  };

  uint32_t Any(uint32_t below) { return random_() % below; }
  uint64_t Word() {
    // Small numbers, near limits, and anything.
    static constexpr uint64_t kTelling[] = {
        0,     1,     2,          7,          63,         64,         4095,  4096,
        65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, ~0ull, 1ull << 63};
    switch (Any(3)) {
      case 0:
        return kTelling[Any(std::size(kTelling))];
      case 1:
        return Any(256);
      default:
        return (uint64_t{random_()} << 32) | random_();
    }
  }
  vos_session_header& Header() { return *reinterpret_cast<vos_session_header*>(base_); }
  uint8_t* Page(uint32_t page) { return base_ + size_t{page} * VOS_PAGE_SIZE; }
  vos_extent_c& C(uint32_t extent) {
    return *reinterpret_cast<vos_extent_c*>(Page(VOS_MAP_EXTENT(extent)));
  }

  // What the service and the kernel write is read-only here, and stays so.
  void CheckProtection() {
    const Fd zero(CHECK_OK(open("/dev/zero", O_RDONLY | O_CLOEXEC)));
    for (uint32_t page : {VOS_MAP_HEADER, VOS_MAP_FDMAP, VOS_MAP_EXTENT(0) + 1}) {
      CHECK_FAILS(read(zero, Page(page), 8), EFAULT);
      CHECK_FAILS(mprotect(Page(page), VOS_PAGE_SIZE, PROT_READ | PROT_WRITE), EACCES);
      CHECK_FAILS(read(zero, Page(page), 8), EFAULT);
    }
  }

  // A request as the service would take it, of arbitrary content.
  void Forge(uint32_t lane) {
    vos_extent_c& c = C(lane / VOS_EXTENT_LANES);
    Position& position = positions_[lane];
    vos_request& slot = c.lane[lane % VOS_EXTENT_LANES].request[position.entry];
    vos_request request;
    for (size_t i = 0; i < sizeof(request) / 8; i++)
      reinterpret_cast<uint64_t*>(&request)[i] = Word();
    const auto* map = reinterpret_cast<const vos_fdmap_entry*>(Page(VOS_MAP_FDMAP));
    switch (Any(5)) {
      case 0:  // somebody's handle, perhaps
        request.handle = vos_handle_make(VOS_DOMAIN_NETWORK, 1 + Any(500), Any(64));
        request.fd = tcp_.client;
        break;
      case 1:  // its own handle under another number
        request.handle = map[int(tcp_.client)].handle;
        request.fd = static_cast<int32_t>(Word());
        break;
      default:  // its own socket: only the rest is nonsense
        request.handle = map[int(tcp_.client)].handle;
        request.fd = tcp_.client;
        break;
    }
    if (Any(3)) request.op = static_cast<uint8_t>(Any(2) ? VOS_OP_SEND : VOS_OP_RECV);
    if (Any(4) == 0) request.op = static_cast<uint8_t>(Any(VOS_OP_MAX));
    if (Any(2)) request.len = Any(80);
    if (Any(2)) request.flags = static_cast<uint8_t>(Any(4));
    request.turn = Any(10) ? position.turn : static_cast<uint32_t>(Word());
    memcpy(&slot, &request, sizeof(request) - 4);
    __atomic_store_n(&slot.turn, request.turn, __ATOMIC_RELEASE);
    if (request.turn == position.turn && ++position.entry == VOS_USER_LANE_DEPTH) {
      position.entry = 0;
      position.turn++;
    }
    C(0).doorbell[lane]++;
    if (Any(2)) Count(Virtuos(VOS_CALL_KICK, vos_call_arg(VOS_DOMAIN_NETWORK, lane, 0, 0)));
  }

  void Count(long result) { report_.refused += result < 0; }

  void Misuse() {
    const uint32_t lane = Any(extents_ * VOS_EXTENT_LANES);
    switch (Any(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        Forge(lane);
        break;
      case 5:  // anywhere in a page of its own
        reinterpret_cast<volatile uint32_t*>(&C(lane / VOS_EXTENT_LANES))[Any(1024)] =
            static_cast<uint32_t>(Word());
        break;
      case 6:  // the data area, all of it
        memset(Page(VOS_MAP_EXTENT(lane / VOS_EXTENT_LANES) + 2), static_cast<int>(Word()),
               VOS_EXTENT_ARENA_PAGES * VOS_PAGE_SIZE);
        break;
      case 7:
        C(0).doorbell[Any(64)] = static_cast<uint8_t>(Word());
        break;
      case 8:
        Count(
            Virtuos(VOS_CALL_KICK, Any(2) ? vos_call_arg(VOS_DOMAIN_NETWORK, lane, 0, 0) : Word()));
        break;
      case 9:  // a timer ends the wait for what never comes
        Count(Virtuos(VOS_CALL_WAIT,
                      Any(2) ? vos_call_arg(VOS_DOMAIN_NETWORK, lane, Any(8), Any(4)) : Word()));
        break;
      case 10:
        if (Any(20) == 0) {
          const bool own = Any(2);
          const long extent = Virtuos(VOS_CALL_EXTEND, own ? kNetwork : Word());
          Count(extent);
          if (extent >= 0 && own) extents_ = static_cast<uint32_t>(extent) + 1;
        } else {
          Count(Virtuos(Word(), Word()));
        }
        break;
      case 11: {
        vos_enter enter = {Any(2) ? VOS_ABI_VERSION : static_cast<uint32_t>(Word()), Any(4), 0, 0,
                           0};
        Count(Virtuos(VOS_CALL_ENTER, Any(2) ? reinterpret_cast<unsigned long>(&enter) : Word()));
        break;
      }
      case 12: {  // no code of this program lies where these say
        vos_copy_range range = {8 + Any(64), 128 + Any(64), Word()};
        Count(Virtuos(VOS_CALL_COPY_RANGE,
                      Any(2) ? reinterpret_cast<unsigned long>(&range) : Word()));
        break;
      }
      case 13: {  // its sockets come and go under the requests
        const int number = tcp_.client;
        const int copy = dup(tcp_.client);
        close(number);
        dup2(copy, number);
        close(copy);
        break;
      }
      case 14:  // a piece of the mapping, rarely, moved, locked or thrown away
        if (Any(40) == 0) {
          uint8_t* piece = Page(Any(VOS_MAP_PAGES));
          switch (Any(4)) {
            case 0:
              Count(munmap(piece, VOS_PAGE_SIZE));
              break;
            case 1:
              Count(mprotect(piece, VOS_PAGE_SIZE, PROT_NONE));
              break;
            case 2:
              Count(madvise(piece, VOS_PAGE_SIZE, MADV_DONTNEED));
              break;
            default:
              if (mremap(piece, VOS_PAGE_SIZE, 2 * VOS_PAGE_SIZE, MREMAP_MAYMOVE) == MAP_FAILED)
                Count(-1);
          }
        }
        break;
      default: {  // and ordinary use
        char bytes[64];
        send(tcp_.client, bytes, 1 + Any(64), MSG_NOSIGNAL);
        recv(tcp_.server, bytes, sizeof(bytes), 0);
        break;
      }
    }
  }

  std::mt19937 random_;
  Report& report_;
  Pair tcp_;
  uint8_t* base_ = nullptr;
  uint32_t extents_ = 0;
  Position positions_[VOS_MAX_USER_LANES];
};

// Goes on with its own connections and looks at every byte.
void Witness(const std::atomic<bool>& stop, int id, std::atomic<long>& rounds) {
  Pair tcp = TcpPair(kFamilies[id % 2]), udp = UdpPair(kFamilies[id % 2]);
  for (int i = 0; !stop; i++) {
    const auto out = Pattern(1 + i * 37 % 3000, id * 100'000 + i);
    std::vector<uint8_t> in(out.size());
    SendAll(tcp.client, out.data(), out.size());
    ReceiveAll(tcp.server, in.data(), in.size());
    CHECK(in == out);
    CHECK_EQ(send(udp.client, out.data(), out.size(), 0), out.size());
    CHECK_EQ(recv(udp.server, in.data(), in.size(), 0), out.size());
    CHECK(in == out);
    rounds++;
    Sleep(1);
  }
  // Nothing came that was not sent.
  CHECK_EQ(Poll(tcp.server, POLLIN, 0) | Poll(udp.server, POLLIN, 0), 0);
}

}  // namespace

int main() {
  {
    vos_enter enter = {VOS_ABI_VERSION + 1, VOS_DOMAIN_NETWORK, 0, 0, 0};
    const long result = Virtuos(VOS_CALL_ENTER, reinterpret_cast<unsigned long>(&enter));
    if (result == -1 && errno == EINVAL) SKIP("this kernel has no user sessions");
    CHECK_EQ(result, -1);
    CHECK_EQ(errno, EPROTONOSUPPORT);
  }
  auto* report = static_cast<Report*>(
      mmap(nullptr, VOS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(report != MAP_FAILED);
  std::atomic<bool> stop = false;
  std::atomic<long> rounds = 0;
  int misuses = 0, processes = 0, refused = 0, lost = 0, killed = 0;
  {
    // In a process of its own and with the threads of this one.
    Thread beside([&] { Witness(stop, 1, rounds); });
    for (unsigned seed = 1; misuses < Times(kMisuses); seed++) {
      *report = {};
      const pid_t child = Fork([&] {
        Handle(SIGALRM, [](int) {});
        Handle(SIGSEGV, OnFault, SA_NODEFER);
        Handle(SIGBUS, OnFault, SA_NODEFER);
        const itimerval timer{{0, 5000}, {0, 5000}};
        Attacker attacker(seed, report);
        CHECK_OK(setitimer(ITIMER_REAL, &timer, nullptr));
        attacker.Run();
      });
      int status = 0;
      CHECK_OK(waitpid(child, &status, 0));
      // Harming itself is allowed, but for a failed check (status 1).
      if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0) {
        killed++;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 1) return 1;
      }
      // A process whose session is lost at once still counts for something.
      misuses += std::max(report->misuses, 1);
      refused += report->refused;
      lost += report->lost;
      processes++;
    }
    stop = true;
  }
  printf("%d misuses by %d processes: %d calls refused, %d sessions lost, %d processes killed\n",
         misuses, processes, refused, lost, killed);
  printf("%ld rounds beside them\n", rounds.load());
  CHECK(rounds > 0);
  // Afterwards all is as before for those who behave.
  Pair tcp = TcpPair(AF_INET6);
  for (int i = 0; i < 200; i++) CheckAlive(tcp.client, tcp.server);
  CHECK_EQ(system("vos ping --count 10"), 0);
  return 0;
}
