// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_OUTCOME_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_OUTCOME_H_

#include <cerrno>
#include <expected>

namespace vos::storage {

// What an operation gives, or the errno (positive) the program gets instead.
template <typename T>
using Outcome = std::expected<T, int>;

inline std::unexpected<int> Refuse(int error = errno) { return std::unexpected(error); }

// Of a call that says by -1 that it failed.
inline Outcome<void> Done(long result) {
  if (result < 0) return Refuse();
  return {};
}

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_OUTCOME_H_
