// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_CHILD_H_
#define VIRTUOS_TOOLS_VOSD_CHILD_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/file_descriptor.h"
#include "tools/common/result.h"
#include "tools/vosd/event_loop.h"

namespace vos {

// A program that runs beside the supervisor; killed if it is destroyed before it ended. Nothing here
// waits for a program that was killed: it may be in a sleep that nothing interrupts. The loop, which
// must be where it was, reaps it when it ends.
class Child {
 public:
  // A line of its standard output or error.
  using OnLine = std::function<void(std::string_view line)>;
  // Its exit status as a shell gives it (128 + N for signal N); may destroy the Child.
  using OnExit = std::function<void(int status)>;

  // `command` is the program, looked up in PATH, and its arguments.
  static Result<std::unique_ptr<Child>> Start(EventLoop& loop,
                                              const std::vector<std::string>& command,
                                              OnLine on_line, OnExit on_exit);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  // Its end is told as any other, when it comes.
  void Kill();
  // Low: about a tenth of a processor that others want, too, and none is taken from them at once.
  // Holds for what it starts from then on.
  enum class Priority { kLow, kNormal };
  void SetPriority(Priority priority);

 private:
  Child(EventLoop& loop, pid_t pid, FileDescriptor output, OnLine on_line, OnExit on_exit);
  // False: there is no more for now.
  bool ReadOutput();
  void Reap();

  EventLoop& loop_;
  pid_t pid_;  // 0: reaped
  FileDescriptor process_;
  FileDescriptor output_;
  std::string partial_line_;
  OnLine on_line_;
  OnExit on_exit_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_CHILD_H_
