// SPDX-License-Identifier: Apache-2.0
// Errors as values: one line for the user, and the errno behind it where there is one.
#ifndef VIRTUOS_TOOLS_COMMON_RESULT_H_
#define VIRTUOS_TOOLS_COMMON_RESULT_H_

#include <cerrno>
#include <cstring>
#include <expected>
#include <string>
#include <utility>

namespace vos {

struct Error {
  std::string message;
  int code = 0;  // errno, 0 if none
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> Fail(std::string message, int code = 0) {
  return std::unexpected(Error{std::move(message), code});
}

// "WHAT: description of errno".
inline std::unexpected<Error> FailErrno(const std::string& what, int code = errno) {
  return Fail(what + ": " + strerror(code), code);
}

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_RESULT_H_
