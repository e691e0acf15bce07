// SPDX-License-Identifier: Apache-2.0
#include "tools/common/text.h"

namespace vos {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

namespace {

std::vector<std::string_view> SplitAny(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> pieces;
  while (true) {
    const std::size_t start = text.find_first_not_of(separators);
    if (start == text.npos) return pieces;
    text.remove_prefix(start);
    const std::string_view piece = text.substr(0, text.find_first_of(separators));
    pieces.push_back(piece);
    text.remove_prefix(piece.size());
  }
}

}  // namespace

std::vector<std::string_view> SplitLines(std::string_view text) { return SplitAny(text, "\r\n"); }

std::vector<std::string_view> SplitWords(std::string_view text) { return SplitAny(text, " \t"); }

std::string Printable(std::string_view text, std::size_t limit) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  std::string printable(text.substr(0, limit));
  for (char& c : printable) {
    if (c < ' ' || c > '~') c = '?';
  }
  return printable;
}

}  // namespace vos
