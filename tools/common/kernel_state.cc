// SPDX-License-Identifier: Apache-2.0
#include "tools/common/kernel_state.h"

#include <format>
#include <optional>

#include "kernel/virtuos/abi/control.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"

namespace vos {
namespace {

const std::string kDirectory = "/sys/kernel/debug/" VOS_DEBUGFS_DIRECTORY "/";

// Takes `key=value` or `key="value"` off the front of a line. Nothing: the line is over or
// malformed.
struct Field {
  std::string_view key;
  std::string_view value;
};

std::optional<Field> TakeField(std::string_view& line) {
  const std::size_t equals = line.find('=');
  if (equals == line.npos || equals == 0) return std::nullopt;
  const std::string_view key = line.substr(0, equals);
  line.remove_prefix(equals + 1);
  std::string_view value;
  if (line.starts_with('"')) {
    const std::size_t end = line.find('"', 1);
    if (end == line.npos) return std::nullopt;
    value = line.substr(1, end - 1);
    line.remove_prefix(end + 1);
  } else {
    value = line.substr(0, line.find(' '));
    line.remove_prefix(value.size());
  }
  line = Trim(line);
  return Field{key, value};
}

bool StoreField(const Field& field, Connection& connection) {
  const struct {
    std::string_view key;
    std::uint32_t* value;
  } numbers[] = {
      {"domid", &connection.domid},     {"generation", &connection.generation},
      {"pollers", &connection.pollers}, {"lanes", &connection.lanes},
      {"objects", &connection.objects}, {"sessions", &connection.sessions},
      {"noop_ns", &connection.noop_ns},
  };
  for (const auto& number : numbers) {
    if (field.key != number.key) continue;
    const auto parsed = ParseDecimal<std::uint32_t>(field.value);
    if (!parsed) return false;
    *number.value = *parsed;
    return true;
  }
  if (field.key == "failed_ns") {
    const auto parsed = ParseDecimal<std::uint64_t>(field.value);
    if (!parsed) return false;
    connection.failed_ns = *parsed;
  }
  if (field.key == "domain") connection.domain = field.value;
  if (field.key == "state") connection.state = field.value;
  if (field.key == "reason") connection.reason = field.value;
  return true;
}

Result<std::string> ReadDebugFile(const char* name) {
  auto text = ReadTextFile(kDirectory + name);
  if (text) return text;
  if (text.error().code == EACCES) return Fail("only root sees the kernel's state", EACCES);
  if (text.error().code == ENOENT) {
    return Fail(kDirectory + name + " is missing: not a VirtuOS primary kernel, or no debugfs",
                ENOENT);
  }
  return text;
}

}  // namespace

Result<KernelState> ParseKernelState(std::string_view text) {
  KernelState state;
  for (const std::string_view line : SplitLines(text)) {
    std::string_view rest = Trim(line);
    Connection connection;
    while (!rest.empty()) {
      const auto field = TakeField(rest);
      if (!field || !StoreField(*field, connection)) {
        return Fail(std::format("the kernel's state is malformed: {}", Printable(line, 200)));
      }
      if (field->key == "attached") state.attached = field->value;
      if (field->key == "pages")
        state.pages = ParseDecimal<std::uint64_t>(field->value).value_or(0);
      if (field->key == "grants") {
        state.grants = ParseDecimal<std::uint64_t>(field->value).value_or(0);
      }
    }
    if (!connection.domain.empty()) state.connections.push_back(connection);
  }
  return state;
}

Result<std::vector<Counter>> ParseKernelStats(std::string_view text) {
  std::vector<Counter> counters;
  for (const std::string_view line : SplitLines(text)) {
    const auto words = SplitWords(line);
    const auto value =
        words.size() == 2 ? ParseDecimal<std::uint64_t>(words[1]) : std::optional<std::uint64_t>();
    const std::size_t dot = words.empty() ? line.npos : words[0].find('.');
    if (!value || dot == line.npos) {
      return Fail(std::format("the kernel's counters are malformed: {}", Printable(line, 200)));
    }
    counters.push_back(
        {std::string(words[0].substr(0, dot)), std::string(words[0].substr(dot + 1)), *value});
  }
  return counters;
}

Result<KernelState> ReadKernelState() {
  return ReadDebugFile("state").and_then([](const std::string& s) { return ParseKernelState(s); });
}

Result<std::vector<Counter>> ReadKernelStats() {
  return ReadDebugFile("stats").and_then([](const std::string& s) { return ParseKernelStats(s); });
}

std::uint32_t DomainKind(std::string_view name) {
  if (name == "network") return VOS_DOMAIN_NETWORK;
  if (name == "storage") return VOS_DOMAIN_STORAGE;
  return VOS_DOMAIN_NONE;
}

const char* DomainKindName(std::uint32_t kind) {
  switch (kind) {
    case VOS_DOMAIN_NETWORK:
      return "network";
    case VOS_DOMAIN_STORAGE:
      return "storage";
    default:
      return "unknown";
  }
}

}  // namespace vos
