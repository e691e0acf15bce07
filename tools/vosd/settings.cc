// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/settings.h"

#include <algorithm>
#include <filesystem>
#include <format>
#include <optional>
#include <system_error>
#include <utility>

#include "kernel/virtuos/abi/virtuos.h"
#include "tools/common/kernel_state.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"
#include "tools/vosd/pci.h"

namespace vos {
namespace {

constexpr std::uint32_t kMaxSeconds = 3600;
constexpr std::uint32_t kMaxAttempts = 1000;
constexpr std::size_t kMaxDirectory = 200;
constexpr std::size_t kMaxCpus = 64;  // characters of a list

std::optional<std::pair<std::string_view, std::string_view>> SplitAssignment(
    std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == line.npos) return std::nullopt;
  return std::pair(Trim(line.substr(0, equals)), Trim(line.substr(equals + 1)));
}

std::string_view WithoutComment(std::string_view line) {
  return Trim(line.substr(0, line.find('#')));
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

DomainSettings* FindDomain(std::string_view name, std::vector<DomainSettings>& domains) {
  const auto found = std::ranges::find(domains, name, &DomainSettings::name);
  return found == domains.end() ? nullptr : &*found;
}

// False: the value is not one of that key's; nullopt: no such key.
std::optional<bool> Store(std::string_view key, std::string_view value, DomainSettings& domain) {
  const auto in_range = [](std::optional<std::uint32_t> number, std::uint32_t max) {
    return number && *number >= 1 && *number <= max;
  };
  if (key == "kind") {
    domain.kind = DomainKind(value);
    return domain.kind != VOS_DOMAIN_NONE;
  }
  if (key == "nic" || key == "disk") {
    (key == "nic" ? domain.nic : domain.disk) = value;
    return value == "auto" || value == "none" || IsPciAddress(value);
  }
  if (key == "cpus") {
    domain.cpus = value;
    return !value.empty() && value.size() <= kMaxCpus &&
           value.find_first_not_of("0123456789,-^") == value.npos;
  }
  if (key == "restart" || key == "standby") {
    (key == "restart" ? domain.limits.restart : domain.standby) = value == "yes";
    return value == "yes" || value == "no";
  }
  if (key == "core") {
    domain.core = value == "no" ? std::string_view() : value;
    return value == "no" || (value.starts_with('/') && value.size() <= kMaxDirectory);
  }
  if (key == "connect-timeout") {
    const auto seconds = ParseDecimal<std::uint32_t>(value);
    domain.limits.connect_timeout = std::chrono::seconds(seconds.value_or(0));
    return in_range(seconds, kMaxSeconds);
  }
  if (key == "starting-weight") {
    const auto weight = ParseDecimal<std::uint16_t>(value);
    domain.starting_weight = weight.value_or(0);
    return domain.starting_weight > 0;
  }
  if (key == "max-attempts") {
    const auto attempts = ParseDecimal<std::uint32_t>(value);
    domain.limits.max_attempts = attempts.value_or(0);
    domain.limits.max_first_attempts =
        std::min(domain.limits.max_first_attempts, domain.limits.max_attempts);
    return in_range(attempts, kMaxAttempts);
  }
  return std::nullopt;
}

}  // namespace

Result<XlConfig> ParseXlConfig(std::string_view text) {
  XlConfig config;
  for (const std::string_view line : SplitLines(text)) {
    const auto assignment = SplitAssignment(WithoutComment(line));
    if (!assignment) continue;
    std::string_view value = assignment->second;
    if (value.size() >= 2 && value.front() == value.back() &&
        (value.front() == '"' || value.front() == '\'')) {
      value = value.substr(1, value.size() - 2);
    }
    if (assignment->first == "name") config.name = value;
    if (assignment->first == "type") config.type = value;
    if (assignment->first == "cpus") config.cpus = value;
    if (assignment->first == "extra") config.extra = value;
    if (assignment->first == "cpu_weight") {
      const auto weight = ParseDecimal<std::uint16_t>(value);
      if (weight.value_or(0) == 0) return Fail("`cpu_weight` is no number of 1 to 65535");
      config.weight = *weight;
    }
  }
  if (!IsName(config.name)) return Fail("no usable `name` (lower-case letters, digits, - and _)");
  // vosd hands it on between quotation marks when it adds something.
  if (config.extra.contains('"')) return Fail("`extra` holds a quotation mark");
  return config;
}

Result<void> ApplySettings(std::string_view vosd_conf, std::vector<DomainSettings>& domains) {
  DomainSettings* domain = nullptr;
  std::size_t number = 0;
  // Not SplitLines(): empty lines count.
  while (!vosd_conf.empty()) {
    const std::size_t end = std::min(vosd_conf.find('\n'), vosd_conf.size());
    const std::string_view line = WithoutComment(vosd_conf.substr(0, end));
    vosd_conf.remove_prefix(std::min(end + 1, vosd_conf.size()));
    ++number;
    if (line.empty()) continue;
    if (line.starts_with('[') && line.ends_with(']')) {
      const std::string_view name = Trim(line.substr(1, line.size() - 2));
      domain = FindDomain(name, domains);
      if (domain == nullptr) {
        return Fail(std::format("line {}: no xl configuration has the name {}", number, name));
      }
      continue;
    }
    const auto assignment = SplitAssignment(line);
    if (!assignment) return Fail(std::format("line {}: neither [DOMAIN] nor KEY = VALUE", number));
    if (domain == nullptr) return Fail(std::format("line {}: no [DOMAIN] above it", number));
    const auto [key, value] = *assignment;
    const auto stored = Store(key, value, *domain);
    if (!stored) return Fail(std::format("line {}: unknown key {}", number, key));
    if (!*stored) return Fail(std::format("line {}: {} cannot be {}", number, key, value));
  }
  return {};
}

Result<void> ApplyCommandLine(std::string_view command_line, std::vector<DomainSettings>& domains) {
  constexpr std::string_view kPrefix = "virtuos.";
  for (std::string_view word : SplitWords(Trim(command_line))) {
    if (!word.starts_with(kPrefix)) continue;
    const auto assignment = SplitAssignment(word.substr(kPrefix.size()));
    if (!assignment) continue;
    const std::string_view name = assignment->first.substr(0, assignment->first.find('.'));
    DomainSettings* domain = FindDomain(name, domains);
    if (domain == nullptr) continue;  // a setting of somebody else
    if (name != assignment->first) {
      const std::string_view key = assignment->first.substr(name.size() + 1);
      if (!Store(key, assignment->second, *domain).value_or(false)) {
        return Fail(
            std::format("kernel command line: {} is no setting of a domain", Printable(word, 80)));
      }
    } else if (assignment->second == "none") {
      domains.erase(domains.begin() + (domain - domains.data()));
    } else if (assignment->second == "pvh") {
      domain->pvh = true;
      domain->nic = "none";
      domain->disk = "none";
    } else if (assignment->second != "pv") {
      return Fail(
          std::format("kernel command line: {} is not pv, pvh or none", Printable(word, 80)));
    }
  }
  return {};
}

Result<std::vector<DomainSettings>> ReadSettings(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  if (error) return Fail(directory + ": " + error.message(), error.value());
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error) return Fail(directory + ": " + error.message(), error.value());
    if (entries->path().extension() == ".cfg") files.push_back(entries->path().string());
  }
  std::ranges::sort(files);
  if (files.empty()) return Fail("no domain is configured: " + directory + " holds no *.cfg");
  if (files.size() > kMaxDomains) return Fail("too many domains in " + directory);

  std::vector<DomainSettings> domains;
  for (const std::string& file : files) {
    const auto text = ReadTextFile(file);
    if (!text) return std::unexpected(text.error());
    const auto config = ParseXlConfig(*text);
    if (!config) return Fail(file + ": " + config.error().message);
    if (config->name.ends_with(kStandbySuffix)) {
      return Fail(std::format("{}: a name that ends in {}", file, kStandbySuffix));
    }
    if (FindDomain(config->name, domains) != nullptr) {
      return Fail(file + ": a second domain " + config->name);
    }
    DomainSettings domain;
    domain.name = config->name;
    domain.config_file = file;
    domain.kind = DomainKind(config->name);
    domain.cpus = config->cpus;
    domain.extra = config->extra;
    domain.weight = config->weight;
    if (config->type == "pvh") domain.nic = domain.disk = "none";
    domains.push_back(std::move(domain));
  }

  const std::string conf = directory + "/vosd.conf";
  const auto text = ReadTextFile(conf);
  if (!text && text.error().code != ENOENT) return std::unexpected(text.error());
  if (text) {
    if (const auto applied = ApplySettings(*text, domains); !applied) {
      return Fail(conf + ": " + applied.error().message);
    }
  }
  for (DomainSettings& domain : domains) {
    if (domain.kind == VOS_DOMAIN_NONE) {
      return Fail(conf + ": the kind of domain " + domain.name + " is not given");
    }
    if (domain.nic.empty()) domain.nic = domain.kind == VOS_DOMAIN_NETWORK ? "auto" : "none";
    if (domain.disk.empty()) domain.disk = domain.kind == VOS_DOMAIN_STORAGE ? "auto" : "none";
  }

  const auto command_line = ReadTextFile("/proc/cmdline");
  if (!command_line) return std::unexpected(command_line.error());
  if (const auto applied = ApplyCommandLine(*command_line, domains); !applied) {
    return std::unexpected(applied.error());
  }
  return domains;
}

}  // namespace vos
