// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/trace_line.h"

#include <cstring>
#include <format>
#include <vector>

#include "tools/common/text.h"

namespace vos {
namespace {

constexpr std::string_view kEvent = ": virtuos_call: ";

// The text of "NAME=text" among words.
std::string_view Field(const std::vector<std::string_view>& words, std::string_view name) {
  for (const std::string_view word : words) {
    if (word.size() > name.size() && word.starts_with(name) && word[name.size()] == '=') {
      return word.substr(name.size() + 1);
    }
  }
  return {};
}

// "NAME-THREAD", where the name may be anything.
std::optional<std::int32_t> ThreadOf(std::string_view task) {
  const std::size_t dash = task.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  return ParseDecimal<std::int32_t>(task.substr(dash + 1));
}

std::string ResultText(std::int64_t result) {
  const char* const name = result < 0 ? strerrorname_np(static_cast<int>(-result)) : nullptr;
  return name != nullptr ? std::format("-{}", name) : std::format("{}", result);
}

}  // namespace

// "     NAME-THREAD    [CPU] FLAGS  SECONDS: virtuos_call: FIELD=..."
std::optional<TracedCall> ParseTracedCall(std::string_view line) {
  const std::size_t event = line.rfind(kEvent);
  if (event == std::string_view::npos) return std::nullopt;
  const std::string_view head = line.substr(0, event);
  // A name may hold blanks and brackets; the last bracket is the processor's.
  const std::size_t processor = head.rfind(" [");
  if (processor == std::string_view::npos) return std::nullopt;
  const auto thread = ThreadOf(Trim(head.substr(0, processor)));
  const std::size_t time = head.rfind(' ') + 1;
  const auto seconds = ParseDecimal<double>(head.substr(time));

  const std::vector<std::string_view> words = SplitWords(line.substr(event + kEvent.size()));
  const std::string_view object_text = Field(words, "object");
  std::uint64_t object = 0;
  const auto [end, error] =
      std::from_chars(object_text.data(), object_text.data() + object_text.size(), object, 16);
  const auto bytes = ParseDecimal<std::uint32_t>(Field(words, "bytes"));
  const auto result = ParseDecimal<std::int64_t>(Field(words, "result"));
  const auto ns = ParseDecimal<std::uint64_t>(Field(words, "ns"));
  if (!thread || !seconds || error != std::errc() ||
      end != object_text.data() + object_text.size() || !bytes || !result || !ns) {
    return std::nullopt;
  }
  return TracedCall{.seconds = *seconds,
                    .thread = *thread,
                    .domain = std::string(Field(words, "domain")),
                    .operation = std::string(Field(words, "op")),
                    .object = object,
                    .bytes = *bytes,
                    .result = *result,
                    .ns = *ns};
}

// "CPU:0 [LOST 123 EVENTS]"
std::optional<std::uint64_t> ParseLostEvents(std::string_view line) {
  constexpr std::string_view kLost = "[LOST ";
  const std::size_t lost = line.find(kLost);
  if (!line.starts_with("CPU:") || lost == std::string_view::npos) return std::nullopt;
  const std::string_view number = line.substr(lost + kLost.size());
  return ParseDecimal<std::uint64_t>(number.substr(0, number.find(' ')));
}

std::string TraceHeading() {
  return std::format("{:>12}  {:>7}  {:<8} {:<14} {:>12} {:>9}  {:<14} {:>10}\n", "seconds",
                     "thread", "domain", "operation", "object", "bytes", "result", "us");
}

std::string TraceLine(const TracedCall& call) {
  return std::format("{:>12.6f}  {:>7}  {:<8} {:<14} {:>12x} {:>9}  {:<14} {:>10.1f}\n",
                     call.seconds, call.thread, call.domain, call.operation, call.object,
                     call.bytes, ResultText(call.result), static_cast<double>(call.ns) / 1000);
}

}  // namespace vos
