// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_TERMINAL_H_
#define VIRTUOS_TOOLS_VM_TERMINAL_H_

#include <termios.h>

#include "tools/vm/guest_protocol.h"

namespace vos::vm {

// The caller's terminal: raw while this object lives, if standard input is a terminal.
class RawTerminal {
 public:
  RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  bool changed_ = false;
  termios before_;
};

// Size of the terminal on standard input, or the usual one if there is none.
WindowSize TerminalSize();

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_TERMINAL_H_
