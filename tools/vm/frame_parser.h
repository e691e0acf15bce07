// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_FRAME_PARSER_H_
#define VIRTUOS_TOOLS_VM_FRAME_PARSER_H_

#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tools/vm/guest_protocol.h"

namespace vos::vm {

struct Frame {
  FrameType type;
  std::string payload;
};

// Appends one or more frames that carry `payload` to `to`.
inline void AppendFrames(std::string& to, FrameType type, std::string_view payload) {
  do {
    const std::string_view piece = payload.substr(0, kMaxPayload);
    const FrameHeader header{static_cast<std::uint32_t>(piece.size()), type};
    to.append(reinterpret_cast<const char*>(&header), sizeof(header));
    to.append(piece);
    payload.remove_prefix(piece.size());
  } while (!payload.empty());
}

// Cuts a stream of bytes into frames.
class FrameParser {
 public:
  void Append(std::span<const char> bytes) { buffer_.append(bytes.data(), bytes.size()); }

  // The next whole frame, if there is one.
  std::optional<Frame> Next() {
    const std::string_view rest = std::string_view(buffer_).substr(consumed_);
    FrameHeader header;
    if (rest.size() < sizeof(header)) return Compact();
    std::memcpy(&header, rest.data(), sizeof(header));
    if (header.length > kMaxPayload) {
      broken_ = true;
      return std::nullopt;
    }
    if (rest.size() < sizeof(header) + header.length) return Compact();
    consumed_ += sizeof(header) + header.length;
    return Frame{header.type, std::string(rest.substr(sizeof(header), header.length))};
  }

  // True once the peer has sent an impossible header; no frame can be found any more.
  bool broken() const { return broken_; }

 private:
  std::optional<Frame> Compact() {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
    return std::nullopt;
  }

  std::string buffer_;
  std::size_t consumed_ = 0;
  bool broken_ = false;
};

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_FRAME_PARSER_H_
