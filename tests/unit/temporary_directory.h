// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TESTS_UNIT_TEMPORARY_DIRECTORY_H_
#define VIRTUOS_TESTS_UNIT_TEMPORARY_DIRECTORY_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace vos {

// A directory that is removed in the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = std::filesystem::temp_directory_path() / "virtuos-test-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }
  void Write(const std::string& name, const std::string& contents) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << contents;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace vos

#endif  // VIRTUOS_TESTS_UNIT_TEMPORARY_DIRECTORY_H_
