// SPDX-License-Identifier: Apache-2.0
// Programs run and shared libraries load from the file system: binaries, scripts, permissions,
// ETXTBSY, a program replaced while it runs.
// tier: fast
// boot: shared
// variants: trap shim local
#include <dlfcn.h>

#include "files.h"

using namespace vos::testing;

static void Copy(const std::string& from, const std::string& to, mode_t mode) {
  const std::string bytes = Contents(from);
  CHECK(bytes.size() > 1000);
  const Fd fd = Open(to, O_WRONLY | O_CREAT | O_TRUNC, mode);
  Write(fd, bytes);
  CHECK_OK(fchmod(fd, mode));
}

static int Run(const char* program, const char* argument) {
  const pid_t child = Fork([&] {
    execl(program, program, argument, nullptr);
    _exit(errno == EACCES ? 100 : errno == ETXTBSY ? 101 : errno == ENOEXEC ? 102 : 103);
  });
  int status;
  CHECK_OK(waitpid(child, &status, 0));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int main(int argc, char** argv) {
  // The copies of this very program.
  if (argc >= 2 && !strcmp(argv[1], "seven")) return 7;
  if (argc >= 2 && !strcmp(argv[1], "wait")) {
    char byte;
    return read(STDIN_FILENO, &byte, 1) == 0 ? 9 : 1;
  }
  Directory directory;
  Copy("/proc/self/exe", "program", 0755);
  CHECK_EQ(Run("./program", "seven"), 7);
  CHECK_OK(chmod("program", 0644));
  CHECK_EQ(Run("./program", "seven"), 100);
  CHECK_OK(chmod("program", 0755));
  Put("script", "#!/bin/sh\nexit $1\n", 0755);
  CHECK_EQ(Run("./script", "33"), 33);
  Put("interpreted", "#!" + directory.path("program") + " seven\n", 0755);
  CHECK_EQ(Run("./interpreted", nullptr), 7);
  Put("nonsense",
      std::string("\x7f"
                  "ELF nonsense"),
      0755);
  CHECK_EQ(Run("./nonsense", nullptr), 102);
  CHECK_OK(chmod("program", 0711));
  if (getuid() == 0) As(kAlice, [] { CHECK_EQ(Run("./program", "seven"), 7); });

  // Open for writing, it does not run; while it runs, it is not opened for writing.
  {
    const Fd writer = Open("program", O_RDWR);
    CHECK_EQ(Run("./program", "seven"), 101);
  }
  int ends[2];
  CHECK_OK(pipe2(ends, O_CLOEXEC));
  Fd input(ends[0]), output(ends[1]);
  const pid_t running = Fork([&] {
    CHECK_OK(dup2(input, STDIN_FILENO));
    execl("./program", "program", "wait", nullptr);
    _exit(103);
  });
  WaitUntilAsleep(running);
  CHECK_FAILS(open("program", O_RDWR), ETXTBSY);
  CHECK_FAILS(truncate("program", 0), ETXTBSY);
  // But replaced.
  Copy("/proc/self/exe", "new", 0755);
  CHECK_OK(rename("new", "program"));
  CHECK_EQ(Run("./program", "seven"), 7);
  CHECK_OK(unlink("program"));
  output.Reset();
  Join(running, 9);

  // By descriptor.
  Copy("/proc/self/exe", "program", 0755);
  const pid_t by_descriptor = Fork([] {
    const Fd fd = Open("program", O_RDONLY);
    char name[] = "program", argument[] = "seven";
    char* arguments[] = {name, argument, nullptr};
    fexecve(fd, arguments, environ);
    _exit(103);
  });
  Join(by_descriptor, 7);

  // A shared library: the mathematical one, under another name.
  std::string library;
  {
    void* handle = dlopen("libm.so.6", RTLD_NOW);
    CHECK(handle);
    Dl_info info;
    CHECK(dladdr(dlsym(handle, "cbrt"), &info));
    library = info.dli_fname;
    dlclose(handle);
  }
  Copy(library, "libcopy.so", 0644);
  void* handle = dlopen(directory.path("libcopy.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) FAIL("dlopen: %s", dlerror());
  const auto root = reinterpret_cast<double (*)(double)>(dlsym(handle, "cbrt"));
  Dl_info info;
  CHECK(dladdr(reinterpret_cast<void*>(root), &info));
  CHECK(strstr(info.dli_fname, "libcopy.so"));
  CHECK_EQ(root(27.0), 3);
  // Goes on without its name.
  CHECK_OK(unlink("libcopy.so"));
  CHECK_EQ(root(64.0), 4);
  Join(Fork([&] { CHECK_EQ(root(125.0), 5); }));
  return 0;
}
