// SPDX-License-Identifier: Apache-2.0
// What the machine sends over its port, cut anywhere: frames come out whole, in order, bounded, or
// the stream is broken.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tools/vm/frame_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vos::vm::FrameParser parser;
  const char* bytes = reinterpret_cast<const char*>(data);
  std::string again;
  std::size_t position = 0;
  for (std::size_t piece = 1; position < size; piece = piece * 3 % 1021) {
    const std::size_t count = std::min(piece, size - position);
    parser.Append({bytes + position, count});
    position += count;
    while (const auto frame = parser.Next()) {
      if (parser.broken() || frame->payload.size() > vos::vm::kMaxPayload) abort();
      // Not AppendFrames(): it has no empty piece at the end of a large payload either.
      const vos::vm::FrameHeader header{static_cast<std::uint32_t>(frame->payload.size()),
                                        frame->type};
      again.append(reinterpret_cast<const char*>(&header), sizeof(header));
      again.append(frame->payload);
    }
    if (parser.broken()) break;
  }
  // What came out is a prefix of what went in.
  if (again.size() > size || std::memcmp(again.data(), bytes, again.size()) != 0) abort();
  return 0;
}
