// SPDX-License-Identifier: Apache-2.0
#include "tests/model/operation.h"

#include <cstdio>
#include <cstring>

namespace vos::model {
namespace {

constexpr const char* kKindNames[] = {"open",      "close",     "dup",        "pread",
                                      "pwrite",    "read",      "write",      "lseek",
                                      "seek-data", "load",      "store",      "map",
                                      "unmap",     "load-held", "store-held", "msync",
                                      "ftruncate", "truncate",  "fallocate",  "copy_file_range",
                                      "rename",    "link",      "unlink",     "fstat",
                                      "stat",      "list",      "fsync"};
static_assert(sizeof(kKindNames) / sizeof(*kKindNames) == static_cast<size_t>(Kind::kCount));

constexpr const char* kNameTable[kNames] = {"n0",   "n1",   "n2",   "n3",   "a/n4",  "a/n5",
                                            "a/n6", "a/n7", "b/n8", "b/n9", "b/n10", "striped"};

}  // namespace

const char* DirectoryOf(int directory) {
  constexpr const char* kTable[kDirectories] = {"", "a/", "b/"};
  return kTable[directory];
}

const char* NameOf(int name) { return kNameTable[name]; }

std::string Describe(const Operation& o) {
  char line[256];
  snprintf(line, sizeof(line),
           "process %d: %s%s slot %d, %d; names %s, %s; offset %lld, %lld; size %u in %d; flags "
           "%#x; seed %llx",
           o.worker, kKindNames[static_cast<int>(o.kind)], o.bare ? " (bare)" : "", o.slot, o.slot2,
           o.kind == Kind::kList ? DirectoryOf(o.name) : NameOf(o.name), NameOf(o.name2),
           static_cast<long long>(o.offset), static_cast<long long>(o.offset2), o.size, o.pieces,
           static_cast<unsigned>(o.flags), static_cast<unsigned long long>(o.seed));
  return line;
}

std::string Describe(const Result& r) {
  std::string text = std::to_string(r.value);
  if (r.value < 0) text += std::string(", ") + strerror(r.error);
  if (!r.data.empty()) text += ", " + std::to_string(r.data.size()) + " bytes";
  return text;
}

std::string Bytes(uint64_t seed, size_t size) {
  Random random(seed);
  std::string bytes((size + 7) / 8 * 8, '\0');
  for (size_t i = 0; i < bytes.size(); i += 8) {
    const uint64_t word = random.Next();
    memcpy(bytes.data() + i, &word, 8);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace vos::model
