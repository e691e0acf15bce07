// SPDX-License-Identifier: Apache-2.0
// inotify tells what local processes do to files and directories, also on descriptors that were
// fast before the watch came, and the fast path is right after it went.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/inotify.h>

#include "files.h"

using namespace vos::testing;

class Watcher {
 public:
  Watcher() : fd_(CHECK_OK(inotify_init1(IN_CLOEXEC | IN_NONBLOCK))) {}
  int Add(const char* name, uint32_t mask) { return CHECK_OK(inotify_add_watch(fd_, name, mask)); }
  void Remove(int watch) { CHECK_OK(inotify_rm_watch(fd_, watch)); }

  // Waits for these events, in any order among others; the cookie of the last.
  uint32_t Expect(int watch, std::vector<uint32_t> masks, const char* name = "") {
    uint32_t cookie = 0;
    for (uint32_t mask : masks) {
      bool found = false;
      for (const int64_t end = Milliseconds() + kSoon; !found;) {
        for (size_t i = 0; i < events_.size() && !found; i++)
          if (events_[i].watch == watch && (events_[i].mask & mask) && events_[i].name == name) {
            cookie = events_[i].cookie;
            events_.erase(events_.begin() + i);
            found = true;
          }
        if (found) break;
        if (Milliseconds() > end) FAIL("event %#x of %s does not come", mask, name);
        Take(200);
      }
    }
    return cookie;
  }
  void ExpectNone() {
    Take(50);
    for (const Event& event : events_)
      FAIL("unexpected event %#x of %s", event.mask, event.name.c_str());
  }
  void Forget() {
    Take(20);
    events_.clear();
  }

 private:
  struct Event {
    int watch;
    uint32_t mask, cookie;
    std::string name;
  };
  void Take(int milliseconds) {
    if (!(Poll(fd_, POLLIN, milliseconds) & POLLIN)) return;
    alignas(inotify_event) char buffer[16384];
    const ssize_t size = CHECK_OK(read(fd_, buffer, sizeof(buffer)));
    for (const char* at = buffer; at < buffer + size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      events_.push_back({event->wd, event->mask, event->cookie, event->len ? event->name : ""});
      at += sizeof(*event) + event->len;
    }
  }
  Fd fd_;
  std::vector<Event> events_;
};

int main() {
  Directory directory;
  Put("file", "text");
  const Fd fd = Open("file", O_RDWR);
  WarmUp(fd);
  Turn there, back;
  // Another process, fast before and after.
  const pid_t child = Fork([&] {
    const Fd own = Open("file", O_RDWR);
    WarmUp(own);
    back.Give();
    for (int i = 0; i < 5; i++) {
      there.Take();
      WriteAt(own, "w", i);
      back.Give();
      there.Take();
      char byte;
      CHECK_EQ(pread(own, &byte, 1, 0), 1);
      back.Give();
    }
  });
  back.Take();
  {
    Watcher watcher;
    const int file = watcher.Add("file", IN_MODIFY | IN_ACCESS);
    for (int i = 0; i < 5; i++) {
      there.Give();
      back.Take();
      watcher.Expect(file, {IN_MODIFY});
      watcher.ExpectNone();
      there.Give();
      back.Take();
      watcher.Expect(file, {IN_ACCESS});
      watcher.ExpectNone();
      // Its own, too.
      WriteAt(fd, "x", 3);
      watcher.Expect(file, {IN_MODIFY});
    }
    Join(child);
    CHECK_EQ(watcher.Add("file", IN_MODIFY | IN_ATTRIB | IN_CLOSE | IN_OPEN), file);
    watcher.Forget();
    CHECK_OK(ftruncate(fd, 100));
    watcher.Expect(file, {IN_MODIFY});
    CHECK_OK(fchmod(fd, 0600));
    watcher.Expect(file, {IN_ATTRIB});
    {
      const Fd opened = Open("file", O_RDWR);
    }
    watcher.Expect(file, {IN_OPEN, IN_CLOSE_WRITE});
    watcher.ExpectNone();
    watcher.Remove(file);
    watcher.Forget();

    const int here = watcher.Add(".", IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY | IN_CLOSE_WRITE);
    Put("new", "x");
    watcher.Expect(here, {IN_CREATE, IN_MODIFY, IN_CLOSE_WRITE}, "new");
    CHECK_OK(rename("new", "moved"));
    const uint32_t cookie = watcher.Expect(here, {IN_MOVED_FROM}, "new");
    CHECK_EQ(watcher.Expect(here, {IN_MOVED_TO}, "moved"), cookie);
    CHECK_OK(mkdir("d", 0755));
    watcher.Expect(here, {IN_CREATE}, "d");
    CHECK_OK(unlink("moved"));
    watcher.Expect(here, {IN_DELETE}, "moved");
    WriteAt(fd, "y", 0);
    watcher.Expect(here, {IN_MODIFY}, "file");
    CHECK_OK(rmdir("d"));
    watcher.Expect(here, {IN_DELETE}, "d");
    watcher.ExpectNone();

    // Oneself: deleted, at the last close.
    const int doomed = watcher.Add("file", IN_DELETE_SELF | IN_ATTRIB);
    CHECK_OK(link("file", "kept"));
    CHECK_OK(unlink("file"));
    watcher.Expect(doomed, {IN_ATTRIB});
    CHECK_OK(rename("kept", "file"));
  }
  // Nobody watches any more.
  WarmUp(fd);
  for (int i = 0; i < 100; i++) {
    WriteAt(fd, &i, sizeof(i), 50);
    int seen;
    CHECK_EQ(pread(fd, &seen, sizeof(seen), 50), ssize_t(sizeof(seen)));
    CHECK_EQ(seen, i);
  }
  return 0;
}
