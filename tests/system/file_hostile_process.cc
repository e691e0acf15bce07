// SPDX-License-Identifier: Apache-2.0
// A process that writes requests of its own into its session with the storage domain: handles it
// does not hold, descriptors opened for less, closed ones, places outside its memory, operations
// that are the kernel's. It never gets or alters a byte that its descriptors do not give; random
// misuse afterwards harms nobody else.
// tier: fast
// boot: shared
// variants: trap
// time: 90
#include <setjmp.h>
#include <sys/mman.h>

#include <random>

#include "files.h"
#include "kernel/virtuos/abi/virtuos.h"

using namespace vos::testing;

namespace {

constexpr int kRandomMisuses = 1'500;
constexpr char kSecret[] = "the victim's secret, never to be seen";

long Virtuos(unsigned long op, unsigned long argument) {
  return syscall(SYS_prctl, PR_VIRTUOS, op, argument, 0, 0);
}

// A session with the storage domain, driven by hand: lane 0 alone.
class Session {
 public:
  Session() {
    vos_enter enter = {};
    enter.abi_version = VOS_ABI_VERSION;
    enter.domain = VOS_DOMAIN_STORAGE;
    CHECK_OK(Virtuos(VOS_CALL_ENTER, reinterpret_cast<unsigned long>(&enter)));
    base_ = reinterpret_cast<uint8_t*>(enter.base);
    CHECK_EQ(reinterpret_cast<vos_session_header*>(base_)->magic, VOS_MAGIC);
  }

  uint64_t HandleOf(int fd) const {
    const auto* map = reinterpret_cast<const vos_fdmap_entry*>(Page(VOS_MAP_FDMAP));
    return __atomic_load_n(&map[fd].handle, __ATOMIC_ACQUIRE);
  }
  vos_extent_c* control() { return reinterpret_cast<vos_extent_c*>(Page(VOS_MAP_EXTENT(0))); }
  char* arena() { return reinterpret_cast<char*>(Page(VOS_MAP_EXTENT(0) + 2)); }
  uint8_t* Page(uint32_t page) const { return base_ + size_t{page} * VOS_PAGE_SIZE; }
  bool dead() const {
    return __atomic_load_n(&reinterpret_cast<vos_session_header*>(base_)->dead, __ATOMIC_RELAXED);
  }

  // Makes one request and waits for its completion.
  vos_completion Call(const vos_request& request) {
    auto* c = control();
    const auto* s = reinterpret_cast<const vos_extent_s*>(Page(VOS_MAP_EXTENT(0) + 1));
    vos_request& slot = c->lane[0].request[entry_];
    const vos_completion& result = s->lane[0].completion[entry_];
    memcpy(&slot, &request, offsetof(vos_request, turn));
    __atomic_store_n(&slot.turn, turn_, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    c->doorbell[0]++;
    CHECK_OK(Virtuos(VOS_CALL_KICK, vos_call_arg(VOS_DOMAIN_STORAGE, 0, 0, 0)));
    while (Virtuos(VOS_CALL_WAIT, vos_call_arg(VOS_DOMAIN_STORAGE, 0, entry_, turn_)) < 0)
      if (errno != EINTR) FAIL("the session dies of one request");
    CHECK_EQ(__atomic_load_n(&result.turn, __ATOMIC_ACQUIRE), turn_);
    if (++entry_ == VOS_USER_LANE_DEPTH) entry_ = 0, turn_++;
    return result;
  }

 private:
  uint8_t* base_;
  uint32_t entry_ = 0, turn_ = 1;
};

constexpr size_t kArenaBytes = VOS_EXTENT_ARENA_PAGES * VOS_PAGE_SIZE;

vos_request Request(uint8_t op, uint64_t handle, int fd, uint32_t len, uint64_t position) {
  vos_request request = {};
  request.op = op;
  request.handle = handle;
  request.fd = fd;
  request.len = len;
  request.arg.file.pos = position;
  return request;
}

// Nothing was done: an error, or "make the system call".
void CheckRefused(Session& session, const vos_request& request, const char* what) {
  memset(session.arena(), 0, kArenaBytes);
  const vos_completion completion = session.Call(request);
  if (completion.res >= 0 && !(completion.flags & VOS_CPL_TRAP))
    FAIL("%s: result %lld", what, static_cast<long long>(completion.res));
  for (size_t i = 0; i < kArenaBytes; i++)
    if (session.arena()[i]) FAIL("%s: bytes come all the same", what);
}

// Misuses whose refusal is certain, with the victim's handle known.
void Targeted(uint64_t victims_handle) {
  Session session;
  Put("mine", std::string(10'000, 'm'));
  const Fd mine = Open("mine", O_RDWR), reader = Open("mine", O_RDONLY),
           writer = Open("mine", O_WRONLY), appender = Open("mine", O_RDWR | O_APPEND);
  WarmUp(mine);
  const uint64_t handle = session.HandleOf(mine);
  CHECK(handle != VOS_HANDLE_NONE);
  CHECK_EQ(vos_handle_domain(handle), VOS_DOMAIN_STORAGE);

  // It works as it should before anything else is said about it.
  vos_completion done = session.Call(Request(VOS_OP_PREAD, handle, mine, 100, 0));
  CHECK_EQ(done.res, 100);
  CHECK_EQ(done.flags & VOS_CPL_TRAP, 0);
  CHECK(std::string(session.arena(), 100) == std::string(100, 'm'));
  memcpy(session.arena(), "ring", 4);
  CHECK_EQ(session.Call(Request(VOS_OP_PWRITE, handle, mine, 4, 50)).res, 4);
  CheckSame(ReadAt(mine, 4, 50), "ring", "written by the ring");
  CHECK_EQ(session.Call(Request(VOS_OP_SYNC, handle, mine, 0, 0)).res, 0);

  // Somebody else's.
  for (uint8_t op : {VOS_OP_PREAD, VOS_OP_PWRITE, VOS_OP_SYNC}) {
    for (int fd : {int(mine), -1, 0, 1000, 5000, INT32_MAX, INT32_MIN})
      CheckRefused(session, Request(op, victims_handle, fd, 100, 0), "the victim's handle");
    // Its own under another number, and neighbours of it.
    for (int fd : {int(reader), -1, 1023, 1024, 1 << 20, INT32_MIN})
      CheckRefused(session, Request(op, handle, fd, 100, 0), "the handle of another number");
    for (uint64_t change : {1ull, 1ull << 32, 3ull << 60, 1ull << 31})
      CheckRefused(session, Request(op, handle ^ change, mine, 100, 0), "a handle nearby");
    CheckRefused(session, Request(op, VOS_HANDLE_NONE, mine, 100, 0), "no handle");
  }
  // Opened for less.
  memset(session.arena(), 'h', 100);
  done = session.Call(Request(VOS_OP_PWRITE, session.HandleOf(reader), reader, 100, 0));
  CHECK(done.res < 0 || (done.flags & VOS_CPL_TRAP));
  CheckRefused(session, Request(VOS_OP_PREAD, session.HandleOf(writer), writer, 100, 0),
               "a read of a description for writing");
  memset(session.arena(), 'h', 100);
  done = session.Call(Request(VOS_OP_PWRITE, session.HandleOf(appender), appender, 100, 0));
  CHECK(done.res < 0 || (done.flags & VOS_CPL_TRAP));
  CheckSame(Contents("mine"), std::string(50, 'm') + "ring" + std::string(9'946, 'm'),
            "the file nobody wrote to");

  // Places and lengths that are not.
  for (uint32_t data : {VOS_USER_CHUNK_PAGES * VOS_PAGE_SIZE, 0x7fff'ffffu, ~0u, 0x8000'0000u}) {
    vos_request request = Request(VOS_OP_PREAD, handle, mine, 100, 0);
    request.arg.file.data = data;
    CheckRefused(session, request, "data outside of the lane's");
  }
  for (uint32_t len : {VOS_USER_CHUNK_PAGES * VOS_PAGE_SIZE + 1, VOS_MAX_TRANSFER + 1, ~0u})
    CheckRefused(session, Request(VOS_OP_PREAD, handle, mine, len, 0), "too many bytes");
  for (uint64_t position : {1ull << 63, ~0ull})
    CheckRefused(session, Request(VOS_OP_PREAD, handle, mine, 10, position), "no position");
  CHECK(session.Call(Request(VOS_OP_PWRITE, handle, mine, 10, ~0ull >> 1)).res < 0);

  // Flags and operations that are the kernel's.
  for (uint32_t flags = 1; flags <= 128; flags *= 2) {
    vos_request request = Request(VOS_OP_PWRITE, handle, mine, 10, 0);
    request.arg.file.flags = flags;
    CheckRefused(session, request, "flags of the kernel's");
    request = Request(VOS_OP_PREAD, handle, mine, 10, 0);
    request.arg.file.flags = flags;
    CheckRefused(session, request, "flags of the kernel's");
  }
  for (int op = VOS_OP_SYNC + 1; op < 256; op++)
    CheckRefused(session, Request(static_cast<uint8_t>(op), handle, mine, 64, 0),
                 "an operation of the kernel's");

  // A file with set-user-id bits is for system calls, whatever the request says of capabilities.
  CHECK_OK(fchmod(mine, 06777));
  vos_request request = Request(VOS_OP_PWRITE, handle, mine, 1, 0);
  request.arg.file.caps = ~0u;
  memcpy(session.arena(), "s", 1);
  done = session.Call(request);
  CHECK(done.res < 0 && (done.flags & VOS_CPL_TRAP));
  CHECK_EQ(StatOf("mine").st_mode & 07777, 06777);
  WriteAt(mine, "s", 0);
  CHECK_EQ(StatOf("mine").st_mode & 07777, 0777);

  // Closed, replaced.
  const uint64_t old = session.HandleOf(reader);
  {
    const Fd moved(CHECK_OK(dup(reader)));
    CHECK_OK(dup2(mine, reader));
    CheckRefused(session, Request(VOS_OP_PREAD, old, reader, 100, 0), "a replaced descriptor");
  }
  CheckRefused(session, Request(VOS_OP_PREAD, old, reader, 100, 0), "a closed description");
  // After all that the session is as good as new.
  CHECK(!session.dead());
  CHECK_EQ(session.Call(Request(VOS_OP_PREAD, handle, mine, 100, 1'000)).res, 100);
}

sigjmp_buf after_fault;

void StoreIntoMapping(int fd) {
  Mapping mapping(fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
  // The file may be empty.
  if (sigsetjmp(after_fault, 1) == 0) mapping.data()[0]++;
}

// Anything, at any lane, while its files come and go.
void Random(unsigned seed) {
  std::mt19937 random(seed);
  const auto any = [&](uint32_t below) { return static_cast<uint32_t>(random() % below); };
  const auto word = [&]() -> uint64_t {
    static constexpr uint64_t kTelling[] = {0,      1,          4095,       4096,  65'536,
                                            65'537, 0x7fffffff, 0x80000000, ~0ull, 1ull << 63};
    return any(2) ? kTelling[any(std::size(kTelling))] : uint64_t{random()} << 32 | random();
  };
  Session session;
  std::vector<Fd> files;
  for (int i = 0; i < 4; i++)
    files.push_back(Open("random-" + std::to_string(i), O_RDWR | O_CREAT));
  struct {
    uint32_t entry = 0, turn = 1;
  } position[VOS_EXTENT_LANES];
  const itimerval timer{{0, 5'000}, {0, 5'000}};
  CHECK_OK(setitimer(ITIMER_REAL, &timer, nullptr));
  for (int i = 0; i < kRandomMisuses && !session.dead(); i++) {
    const uint32_t lane = any(VOS_EXTENT_LANES), which = any(4);
    vos_request request = {};
    for (size_t w = 0; w < sizeof(request) / 8; w++)
      reinterpret_cast<uint64_t*>(&request)[w] = word();
    request.handle = session.HandleOf(files[which]);
    request.fd = files[which];
    if (any(4) == 0) request.handle = vos_handle_make(VOS_DOMAIN_STORAGE, 1 + any(3'000), any(64));
    if (any(3)) request.op = static_cast<uint8_t>(VOS_OP_PREAD + any(3));
    if (any(2)) request.len = any(70'000), request.arg.file.pos = any(100'000);
    if (any(3)) request.flags = 0, request.arg.file.flags = 0, request.arg.file.data = any(66'000);
    auto& at = position[lane];
    request.turn = any(12) ? at.turn : static_cast<uint32_t>(word());
    vos_request& slot = session.control()->lane[lane].request[at.entry];
    memcpy(&slot, &request, offsetof(vos_request, turn));
    __atomic_store_n(&slot.turn, request.turn, __ATOMIC_RELEASE);
    if (request.turn == at.turn && ++at.entry == VOS_USER_LANE_DEPTH) at.entry = 0, at.turn++;
    session.control()->doorbell[lane]++;
    switch (any(6)) {
      case 0:
        files[which] = Open("random-" + std::to_string(which), O_RDWR);
        break;
      case 1:
        CHECK_OK(ftruncate(files[which], any(50'000)));
        break;
      case 2:  // mapped, so that the rings are withheld, with requests in flight
        StoreIntoMapping(files[which]);
        break;
      case 3:  // ended by the timer, if it never comes
        Virtuos(VOS_CALL_WAIT, vos_call_arg(VOS_DOMAIN_STORAGE, lane, any(8), any(4)));
        break;
      default:
        Virtuos(VOS_CALL_KICK, any(8) ? vos_call_arg(VOS_DOMAIN_STORAGE, lane, 0, 0) : word());
        break;
    }
    memset(session.arena() + any(kArenaBytes - 100), static_cast<int>(random()), 100);
  }
}

}  // namespace

int main() {
  NeedRoot();
  Directory directory(0777);
  {
    vos_enter enter = {VOS_ABI_VERSION + 1, VOS_DOMAIN_STORAGE, 0, 0, 0};
    const long result = Virtuos(VOS_CALL_ENTER, reinterpret_cast<unsigned long>(&enter));
    if (result == -1 && errno == EINVAL) SKIP("this kernel has no user sessions");
    CHECK_EQ(result, -1);
    CHECK_EQ(errno, EPROTONOSUPPORT);
  }
  Put("secret", kSecret, 0600);
  const std::string text = Text(100'000, 16);

  // The victim tells its handle, which no real one would, and goes on with its own work.
  int ends[2];
  CHECK_OK(pipe2(ends, O_CLOEXEC));
  const Fd from_victim(ends[0]), to_attacker(ends[1]);
  auto* stop = static_cast<std::atomic<bool>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(stop != MAP_FAILED);
  const pid_t victim = Fork([&] {
    Session session;
    const Fd secret = Open("secret", O_RDWR), work = Open("work", O_RDWR | O_CREAT);
    WarmUp(secret);
    const uint64_t handle = session.HandleOf(secret);
    CHECK(handle != VOS_HANDLE_NONE);
    Write(to_attacker, &handle, sizeof(handle));
    for (int i = 0; !*stop || i < 20; i++) {
      WriteAt(work, text, 0);
      CheckSame(ReadAt(work, text.size() + 1, 0), text, "the victim's work");
      const vos_completion done =
          session.Call(Request(VOS_OP_PREAD, handle, secret, sizeof(kSecret), 0));
      CHECK_EQ(done.res, sizeof(kSecret) - 1);
      CHECK(Same(session.arena(), kSecret, sizeof(kSecret) - 1));
    }
  });
  uint64_t handle;
  CHECK_EQ(read(from_victim, &handle, sizeof(handle)), ssize_t(sizeof(handle)));
  As(kAlice, [&] { Targeted(handle); });
  for (unsigned seed = 1; seed <= 4; seed++) {
    const pid_t child = Fork([&] {
      Handle(SIGALRM, [](int) {});
      Handle(SIGBUS, [](int) { siglongjmp(after_fault, 1); }, SA_NODEFER);
      CHECK_OK(setgroups(0, nullptr));
      CHECK_OK(setresgid(kAlice, kAlice, kAlice));
      CHECK_OK(setresuid(kAlice, kAlice, kAlice));
      Random(seed);
    });
    Join(child);
  }
  *stop = true;
  Join(victim);
  CheckSame(Contents("secret"), kSecret, "the victim's file");
  CheckSame(Contents("work"), text, "the victim's work");
  return 0;
}
