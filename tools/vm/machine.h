// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_MACHINE_H_
#define VIRTUOS_TOOLS_VM_MACHINE_H_

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/vm/options.h"
#include "tools/vm/sandbox.h"

namespace vos::vm {

// Names in the run's directory.
inline constexpr char kSerialLog[] = "serial.log";
inline constexpr char kQemuLog[] = "qemu.log";

// What the machine boots.
struct BootFiles {
  std::filesystem::path xen;
  std::filesystem::path kernel;
  std::filesystem::path root_image;
  std::filesystem::path storage_image;  // empty: no disk for the storage domain
};

// The files of a build, or which one is missing.
std::expected<BootFiles, std::string> FindBootFiles(const std::filesystem::path& checkout,
                                                    const Options& options,
                                                    std::filesystem::path root_image,
                                                    std::filesystem::path storage_image);

// QEMU as the user or the build root provides it, up to and without options of the machine.
std::expected<std::vector<std::string>, std::string> FindQemu(
    const std::filesystem::path& checkout);

// The emulated machine, to be run in the directory `run`, into which links to the boot files are
// put. `guest` is the connected socket that becomes the virtio-serial port.
std::expected<Program, std::string> MakeMachine(const Options& options, const BootFiles& files,
                                                std::vector<std::string> qemu,
                                                const std::filesystem::path& run, int guest);

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_MACHINE_H_
