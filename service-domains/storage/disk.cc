// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/disk.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "tools/common/file_descriptor.h"

namespace vos::storage {
namespace {

namespace fs = std::filesystem;

// Where ext4's superblock is, its first copy with blocks of 4 KiB (32768 blocks a group), and what
// is where in it.
constexpr off_t kSuperblock = 1024;
constexpr off_t kCopy = off_t{32768} * kBlockSize;
constexpr std::size_t kSuperblockSize = 1024;
constexpr std::size_t kMagicAt = 0x38;
constexpr std::uint16_t kMagic = 0xef53;
constexpr std::size_t kLabelAt = 0x78;
constexpr std::size_t kLabelSize = 16;

constexpr std::size_t kMaxOutput = 4096;

std::string ReadLine(const fs::path& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

bool IsOurKind(const std::string& name) {
  return name.starts_with("nvme") || name.starts_with("vd");
}

// The label of an ext file system whose superblock is there; nothing if there is none.
struct Label {
  int error = 0;  // errno
  std::optional<std::string> text;
};

Label ReadLabel(int device, off_t at) {
  char superblock[kSuperblockSize];
  const ssize_t size = pread(device, superblock, sizeof(superblock), at);
  if (size < 0) return {errno, std::nullopt};
  if (size < static_cast<ssize_t>(sizeof(superblock))) return {};
  std::uint16_t magic;
  std::memcpy(&magic, superblock + kMagicAt, sizeof(magic));
  if (magic != kMagic) return {};
  const char* label = superblock + kLabelAt;
  return {0, std::string(label, strnlen(label, kLabelSize))};
}

}  // namespace

std::optional<Disk> FindDisk(const std::string& classes) {
  std::optional<Disk> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(classes, error)) {
    const std::string name = entry.path().filename();
    if (!IsOurKind(name) || fs::exists(entry.path() / "partition", error)) continue;
    if (found && found->name < name) continue;
    Disk disk{name, ReadLine(entry.path() / "diskseq"), ReadLine(entry.path() / "ro") == "1", 0};
    const std::string sectors = ReadLine(entry.path() / "size");
    std::from_chars(sectors.data(), sectors.data() + sectors.size(), disk.sectors);
    // A controller's other path to the same name space has no size.
    if (disk.sectors != 0) found = disk;
  }
  return found;
}

std::optional<std::string> SignatureByBlkid(const std::string& device) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const FileDescriptor output(ends[0]);
  FileDescriptor input(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
  const char* arguments[] = {"blkid", "--probe",     "--output", "value",        "--match-tag",
                             "TYPE",  "--match-tag", "PTTYPE",   device.c_str(), nullptr};
  pid_t pid = 0;
  const int failure = posix_spawn(&pid, "/sbin/blkid", &actions, nullptr,
                                  const_cast<char* const*>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  input.Reset();
  if (failure != 0) return std::nullopt;

  std::string text;
  char buffer[kMaxOutput];
  while (text.size() < kMaxOutput) {
    const ssize_t size = read(output.get(), buffer, sizeof(buffer));
    if (size <= 0) break;
    text.append(buffer, static_cast<std::size_t>(size));
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return std::nullopt;
  for (char& character : text) {
    if (character == '\n') character = ' ';
  }
  while (text.ends_with(' ')) text.pop_back();
  // From blkid(8).
  constexpr int kFound = 0;
  constexpr int kNothing = 2;
  constexpr int kSeveral = 8;
  switch (WEXITSTATUS(status)) {
    case kFound:
      return text.empty() ? "a signature" : text;
    case kNothing:
      return "";
    case kSeveral:
      return "several signatures";
    default:
      return std::nullopt;
  }
}

Examination Examine(const std::string& device, const FindSignature& find_signature) {
  const FileDescriptor disk(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!disk) {
    const bool absent = errno == ENXIO || errno == ENOENT || errno == ENODEV;
    return {absent ? Contents::kAbsent : Contents::kDamaged, std::strerror(errno)};
  }
  const Label first = ReadLabel(disk.get(), kSuperblock);
  if (first.error != 0) {
    return {Contents::kDamaged, std::string("cannot be read: ") + std::strerror(first.error)};
  }
  if (first.text == kLabel) return {Contents::kOurs, ""};
  if (first.text)
    return {Contents::kForeign, "carries a file system labelled '" + *first.text + "'"};

  const auto signature = find_signature(device);
  if (!signature) return {Contents::kDamaged, "what it carries cannot be found out"};
  if (!signature->empty()) return {Contents::kForeign, "carries " + *signature};
  // Nothing at its place; it must not be taken for new.
  const Label copy = ReadLabel(disk.get(), kCopy);
  if (copy.error != 0) {
    return {Contents::kDamaged, std::string("cannot be read: ") + std::strerror(copy.error)};
  }
  if (copy.text == kLabel) {
    return {Contents::kDamaged, "the superblock is gone; a copy is at block 32768"};
  }
  return {Contents::kBlank, ""};
}

}  // namespace vos::storage
