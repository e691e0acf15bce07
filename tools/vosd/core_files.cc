// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/core_files.h"

#include <algorithm>
#include <filesystem>
#include <format>
#include <system_error>
#include <utility>

namespace vos {
namespace {

namespace fs = std::filesystem;

constexpr char kComplete[] = ".core";
constexpr char kBegun[] = ".core.new";

}  // namespace

Result<std::string> CoreFiles::Begin(std::chrono::system_clock::time_point now) const {
  std::error_code error;
  // Memory of a domain is nobody else's business.
  if (fs::create_directories(directory_, error)) {
    fs::permissions(directory_, fs::perms::owner_all, error);
  }
  if (error) return Fail(directory_ + ": " + error.message(), error.value());
  for (const std::string& left : Find(kBegun)) Drop(left);
  const auto time = std::chrono::time_point_cast<std::chrono::milliseconds>(now);
  return std::format("{}/{}.{:%Y%m%dT%H%M%S}{}", directory_, domain_, time, kBegun);
}

Result<std::string> CoreFiles::Keep(const std::string& begun) const {
  const std::string kept = begun.substr(0, begun.size() - (sizeof kBegun - sizeof kComplete));
  std::error_code error;
  fs::rename(begun, kept, error);
  if (error) return Fail(begun + ": " + error.message(), error.value());
  const auto files = List();
  for (std::size_t i = 0; i + kMaxCoreFiles < files.size(); ++i) fs::remove(files[i], error);
  return kept;
}

void CoreFiles::Drop(const std::string& begun) const {
  std::error_code error;
  fs::remove(begun, error);
}

std::vector<std::string> CoreFiles::List() const { return Find(kComplete); }

std::vector<std::string> CoreFiles::Find(const std::string& ending) const {
  std::vector<std::string> files;
  std::error_code error;
  // A name of a domain holds no dot, so no other domain's begins like this.
  const std::string beginning = domain_ + ".";
  for (fs::directory_iterator entries(directory_, error);
       !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename();
    if (name.starts_with(beginning) && name.ends_with(ending)) {
      files.push_back(directory_ + "/" + name);
    }
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace vos
