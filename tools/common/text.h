// SPDX-License-Identifier: Apache-2.0
// Pieces of text: splitting, numbers, and making what an untrusted domain wrote fit to print.
#ifndef VIRTUOS_TOOLS_COMMON_TEXT_H_
#define VIRTUOS_TOOLS_COMMON_TEXT_H_

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace vos {

std::string_view Trim(std::string_view text);
std::vector<std::string_view> SplitLines(std::string_view text);
// Pieces between blanks and tabs, none empty.
std::vector<std::string_view> SplitWords(std::string_view text);

// The first `limit` characters, without line breaks at the end; what is not printable ASCII becomes
// '?'.
std::string Printable(std::string_view text, std::size_t limit);

// A decimal number that fills `text` and fits.
template <typename T>
std::optional<T> ParseDecimal(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_TEXT_H_
