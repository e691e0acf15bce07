// SPDX-License-Identifier: Apache-2.0
#include "tools/vm/job.h"

#include <format>
#include <iterator>
#include <map>
#include <system_error>

#include "tools/vm/command.h"

namespace vos::vm {
namespace {

namespace fs = std::filesystem;

// True if FILE names a file of the host that is to be copied, not a command of the primary.
bool IsHostFile(const fs::path& file) {
  if (file.is_absolute()) {
    const std::string top = std::next(file.begin())->native();
    if (top == "bin" || top == "lib" || top == "sbin" || top == "usr") return false;
  }
  std::error_code error;
  return fs::is_regular_file(file, error);
}

// The directory that the job's files are copied into.
class JobDirectory {
 public:
  explicit JobDirectory(const fs::path& path) : path_(path) {}

  // Where the file or directory is now. One that is named twice is copied once.
  std::expected<fs::path, std::string> Add(const fs::path& file) {
    fs::path from = fs::absolute(file).lexically_normal();
    if (!from.has_filename()) from = from.parent_path();
    const fs::path to = path_ / from.filename();
    std::error_code error;
    if (const auto [other, is_new] = origin_.try_emplace(to, from); !is_new) {
      if (fs::equivalent(from, other->second, error)) return to;
      return std::unexpected(std::format("{} and {} have one name, and would be one file there",
                                         other->second.native(), from.native()));
    }
    fs::copy(from, to, fs::copy_options::recursive, error);
    if (error) return std::unexpected(std::format("{}: {}", file.native(), error.message()));
    return to;
  }

 private:
  const fs::path path_;
  std::map<fs::path, fs::path> origin_;
};

}  // namespace

std::expected<void, std::string> PackJob(Options& options, const fs::path& run,
                                         const fs::path& archive) {
  const fs::path directory = run / "job";
  std::error_code error;
  fs::create_directory(directory, error);
  JobDirectory job(directory);
  for (const fs::path& file : options.put) {
    if (const auto copied = job.Add(file); !copied) return std::unexpected(copied.error());
  }
  if (const fs::path file = options.command[0]; IsHostFile(file)) {
    const auto copied = job.Add(file);
    if (!copied) return std::unexpected(copied.error());
    fs::permissions(*copied, fs::perms::owner_all, fs::perm_options::add, error);
    options.command[0] = "./" + copied->filename().native();
  }
  const auto packed = CommandOutput(
      {"tar", "-C", directory, "--owner=0", "--group=0", "-cf", archive, "."}, kTarLimit);
  if (!packed) return std::unexpected("packing the job: " + packed.error());
  fs::remove_all(directory, error);
  return {};
}

}  // namespace vos::vm
