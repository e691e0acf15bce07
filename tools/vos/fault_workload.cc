// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_workload.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <format>
#include <functional>
#include <iterator>
#include <thread>
#include <utility>

#include "tools/common/file_descriptor.h"

namespace vos {
namespace {

using std::chrono::milliseconds;

// A call that took longer may have waited for a domain.
constexpr SinceBootNs kNoted = 20'000'000;
constexpr std::size_t kMaxNoted = 10'000;
// Between two attempts when one failed, and between two exchanges: others want the processor, too.
constexpr milliseconds kPause{5};
// How soon a server sees that it is to end.
constexpr milliseconds kServerWait{300};
// No call of a client lasts longer, so that the workload ends in any case.
constexpr milliseconds kClientWait{30'000};
constexpr milliseconds kDatagramWait{1000};
constexpr int kExchanges = 32;
constexpr char kExport[] = "/srv";

// 64 bytes that tell a number, and whether they are whole.
using Record = std::array<char, 64>;

Record MakeRecord(std::uint64_t number) {
  Record record;
  record.fill(static_cast<char>('a' + number % 26));
  std::memcpy(record.data(), &number, sizeof(number));
  return record;
}

std::optional<std::uint64_t> NumberOf(const Record& record) {
  std::uint64_t number;
  std::memcpy(&number, record.data(), sizeof(number));
  if (MakeRecord(number) != record) return std::nullopt;
  return number;
}

// One program: a thread that makes calls until it is to end.
class Program {
 public:
  Program() = default;
  virtual ~Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  virtual void Start() {
    thread_ = std::thread([this] { Run(); });
  }
  virtual void End() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  SinceBootNs answered() const { return answered_; }
  // When it has ended.
  WorkloadReport& report() { return report_; }

 protected:
  virtual void Run() = 0;

  bool stopped() const { return stop_; }

  // Makes a call that tells errors by -1 and errno, and notes it.
  template <typename Operation>
  auto Call(std::string_view name, Operation operation) {
    const SinceBootNs start = NowNs();
    const auto result = operation();
    const int error = result < 0 ? errno : 0;
    const SinceBootNs end = NowNs();
    if ((error != 0 || end - start > kNoted) && report_.calls.size() < kMaxNoted) {
      report_.calls.push_back({name, start, end, error});
    }
    errno = error;
    return result;
  }

  void Answered() {
    const SinceBootNs now = NowNs();
    if (answered_ != 0 && now - answered_ > kNoted && report_.silences.size() < kMaxNoted) {
      report_.silences.push_back({answered_, now});
    }
    answered_ = now;
  }

  void Wrong(std::string text) {
    if (report_.wrong_data.size() < 10) report_.wrong_data.push_back(std::move(text));
  }

  static void Pause() { std::this_thread::sleep_for(kPause); }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<SinceBootNs> answered_ = 0;  // 0: never
  WorkloadReport report_;
  std::thread thread_;
};

void SetTimeout(int socket, int option, milliseconds time) {
  const timeval value{time.count() / 1000, time.count() % 1000 * 1000};
  setsockopt(socket, SOL_SOCKET, option, &value, sizeof(value));
}

// A socket of the type, bound to a port of the loopback that is chosen.
Result<std::pair<FileDescriptor, sockaddr_in>> MakeServer(int type) {
  FileDescriptor socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (!socket || bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      (type == SOCK_STREAM && listen(socket.get(), 16) != 0) ||
      getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return FailErrno("a server on the loopback");
  }
  SetTimeout(socket.get(), SO_RCVTIMEO, kServerWait);
  return std::pair(std::move(socket), address);
}

// A client and an echo server, which has a thread of its own.
class SocketProgram : public Program {
 public:
  SocketProgram(FileDescriptor server, const sockaddr_in& address)
      : server_(std::move(server)), address_(address) {}
  void Start() override {
    echo_ = std::thread([this] { Echo(); });
    Program::Start();
  }
  void End() override {
    Program::End();
    echo_end_ = true;
    if (echo_.joinable()) echo_.join();
  }

 protected:
  virtual void Echo() = 0;
  bool echo_ended() const { return echo_end_; }
  int server() const { return server_.get(); }

  FileDescriptor Connect(int type) {
    FileDescriptor client(
        Call("socket", [&] { return ::socket(AF_INET, type | SOCK_CLOEXEC, 0); }));
    if (!client) return client;
    SetTimeout(client.get(), SO_SNDTIMEO, kClientWait);
    SetTimeout(client.get(), SO_RCVTIMEO, type == SOCK_STREAM ? kClientWait : kDatagramWait);
    const auto* address = reinterpret_cast<const sockaddr*>(&address_);
    if (Call("connect", [&] { return connect(client.get(), address, sizeof(address_)); }) != 0) {
      client.Reset();
    }
    return client;
  }

 private:
  FileDescriptor server_;
  sockaddr_in address_;
  std::atomic<bool> echo_end_ = false;
  std::thread echo_;
};

class Stream : public SocketProgram {
 public:
  using SocketProgram::SocketProgram;

 private:
  void Echo() override {
    while (!echo_ended()) {
      const FileDescriptor connection(accept4(server(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) continue;
      SetTimeout(connection.get(), SO_RCVTIMEO, kServerWait);
      while (!echo_ended()) {
        char bytes[256];
        const ssize_t size = recv(connection.get(), bytes, sizeof(bytes), 0);
        if (size < 0 && errno == EAGAIN) continue;
        if (size <= 0 || send(connection.get(), bytes, size, MSG_NOSIGNAL) != size) break;
      }
    }
  }

  void Run() override {
    for (std::uint64_t number = 0; !stopped();) {
      const FileDescriptor client = Connect(SOCK_STREAM);
      for (int i = 0; client && i < kExchanges && !stopped(); ++i, ++number) {
        if (!Exchange(client.get(), number)) break;
        Answered();
        Pause();
      }
      if (!client) Pause();
    }
  }

  bool Exchange(int client, std::uint64_t number) {
    const Record sent = MakeRecord(number);
    if (Call("send", [&] { return send(client, sent.data(), sent.size(), MSG_NOSIGNAL); }) < 0) {
      return false;
    }
    Record received;
    for (std::size_t got = 0; got < received.size();) {
      const ssize_t size = Call(
          "recv", [&] { return recv(client, received.data() + got, received.size() - got, 0); });
      if (size <= 0) return false;
      got += static_cast<std::size_t>(size);
    }
    if (received != sent) Wrong(std::format("stream: exchange {} came back otherwise", number));
    return true;
  }
};

class Datagram : public SocketProgram {
 public:
  using SocketProgram::SocketProgram;

 private:
  void Echo() override {
    while (!echo_ended()) {
      Record record;
      sockaddr_in peer;
      socklen_t size = sizeof(peer);
      const ssize_t got = recvfrom(server(), record.data(), record.size(), 0,
                                   reinterpret_cast<sockaddr*>(&peer), &size);
      if (got > 0)
        sendto(server(), record.data(), got, 0, reinterpret_cast<sockaddr*>(&peer), size);
    }
  }

  void Run() override {
    FileDescriptor client = Connect(SOCK_DGRAM);
    for (std::uint64_t number = 0; !stopped(); ++number) {
      if (!client) client = Connect(SOCK_DGRAM);
      if (client && Exchange(client.get(), number)) Answered();
      Pause();
    }
  }

  bool Exchange(int client, std::uint64_t number) {
    const Record sent = MakeRecord(number);
    if (Call("send", [&] { return send(client, sent.data(), sent.size(), 0); }) < 0) return false;
    // What was late is passed over.
    while (true) {
      Record received;
      const ssize_t size =
          Call("recv", [&] { return recv(client, received.data(), received.size(), 0); });
      if (size < 0) return false;
      const auto told = NumberOf(received);
      if (size != std::ssize(received) || !told || *told > number) {
        Wrong(std::format("datagram: exchange {} brought something else", number));
        return true;
      }
      if (*told == number) return true;
    }
  }
};

// A directory of its own in the storage domain.
class FileProgram : public Program {
 public:
  explicit FileProgram(std::string directory) : directory_(std::move(directory)) {}
  void End() override {
    Program::End();
    Check();
    Remove();
    rmdir(directory_.c_str());
  }

 protected:
  // After the last call: is everything there?
  virtual void Check() = 0;
  virtual void Remove() = 0;
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

 private:
  std::string directory_;
};

// Records that are written and synced one after the other: what was acknowledged is there.
class Ledger : public FileProgram {
 public:
  using FileProgram::FileProgram;

 private:
  void Run() override {
    FileDescriptor file;
    while (!stopped()) {
      if (!file) {
        file = FileDescriptor(Call("open", [&] {
          return open(Path("ledger").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        }));
      }
      if (file && WriteNext(file.get())) {
        ++acknowledged_;
        Answered();
      } else {
        // A file that was open and is not on the disk any more fails for good.
        file.Reset();
      }
      Pause();
    }
  }

  bool WriteNext(int file) {
    const Record record = MakeRecord(acknowledged_);
    const off_t at = static_cast<off_t>(acknowledged_ * record.size());
    if (Call("pwrite", [&] { return pwrite(file, record.data(), record.size(), at); }) !=
        std::ssize(record)) {
      return false;
    }
    if (Call("fdatasync", [&] { return fdatasync(file); }) != 0) return false;
    Record earlier;
    const std::uint64_t chosen = acknowledged_ / 2;
    const ssize_t size = Call("pread", [&] {
      return pread(file, earlier.data(), earlier.size(),
                   static_cast<off_t>(chosen * sizeof(earlier)));
    });
    if (size >= 0 && (size != std::ssize(earlier) || NumberOf(earlier) != chosen)) {
      Wrong(std::format("ledger: record {} of {} is not there", chosen, acknowledged_));
    }
    return size >= 0;
  }

  void Check() override {
    const FileDescriptor file(open(Path("ledger").c_str(), O_RDONLY | O_CLOEXEC));
    for (std::uint64_t i = 0; i < acknowledged_; ++i) {
      Record record;
      if (read(file.get(), record.data(), record.size()) == std::ssize(record) &&
          NumberOf(record) == i) {
        continue;
      }
      return Wrong(std::format("ledger: acknowledged record {} of {} is lost", i, acknowledged_));
    }
  }

  void Remove() override { unlink(Path("ledger").c_str()); }

  std::uint64_t acknowledged_ = 0;
};

// Files that are written beside and renamed over their predecessors, as careful programs do it.
class Names : public FileProgram {
 public:
  using FileProgram::FileProgram;

 private:
  static constexpr std::size_t kSlots = 4;

  void Run() override {
    for (std::uint64_t number = 1; !stopped(); ++number) {
      const std::size_t slot = number % kSlots;
      attempted_[slot] = number;
      if (Replace(slot, number)) {
        durable_[slot] = number;
        Answered();
      }
      Pause();
    }
  }

  std::string Slot(std::size_t slot) const { return Path(std::format("slot-{}", slot)); }

  bool Replace(std::size_t slot, std::uint64_t number) {
    const std::string fresh = Path("new");
    FileDescriptor file(Call("create", [&] {
      return open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }));
    if (!file) {
      // An attempt that ended in the middle left it.
      if (errno == EEXIST) Call("unlink", [&] { return unlink(fresh.c_str()); });
      return false;
    }
    const Record record = MakeRecord(number);
    if (Call("write", [&] { return write(file.get(), record.data(), record.size()); }) !=
            std::ssize(record) ||
        Call("fsync", [&] { return fsync(file.get()); }) != 0 ||
        Call("rename", [&] { return rename(fresh.c_str(), Slot(slot).c_str()); }) != 0) {
      return false;
    }
    const FileDescriptor directory(
        Call("open", [&] { return open(Path("").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!directory || Call("fsync", [&] { return fsync(directory.get()); }) != 0) return false;
    return true;
  }

  void Check() override {
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      if (durable_[slot] == 0) continue;
      const FileDescriptor file(open(Slot(slot).c_str(), O_RDONLY | O_CLOEXEC));
      Record record;
      const bool whole = read(file.get(), record.data(), record.size()) == std::ssize(record);
      const auto number = whole ? NumberOf(record) : std::nullopt;
      if (!number || *number < durable_[slot] || *number > attempted_[slot]) {
        Wrong(std::format("names: {} holds {}, not {} to {}", slot, number.value_or(0),
                          durable_[slot], attempted_[slot]));
      }
    }
  }

  void Remove() override {
    unlink(Path("new").c_str());
    for (std::size_t slot = 0; slot < kSlots; ++slot) unlink(Slot(slot).c_str());
  }

  std::array<std::uint64_t, kSlots> attempted_{};
  std::array<std::uint64_t, kSlots> durable_{};
};

template <typename Kind>
Result<std::unique_ptr<Program>> MakeSocketProgram(int type) {
  auto server = MakeServer(type);
  if (!server) return std::unexpected(server.error());
  return std::make_unique<Kind>(std::move(server->first), server->second);
}

template <typename Kind>
Result<std::unique_ptr<Program>> MakeFileProgram() {
  std::string directory = std::string(kExport) + "/faults-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return FailErrno(directory);
  // The directory itself is to outlive the domain.
  const FileDescriptor parent(open(kExport, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || fsync(parent.get()) != 0) return FailErrno(kExport);
  return std::make_unique<Kind>(std::move(directory));
}

class Programs : public FaultWorkload {
 public:
  ~Programs() override { Stop(); }

  Result<void> Add(Result<std::unique_ptr<Program>> program) {
    if (!program) return std::unexpected(program.error());
    programs_.push_back(std::move(*program));
    return {};
  }
  void Start() {
    for (const auto& program : programs_) program->Start();
  }

  bool AnsweredSince(SinceBootNs time) const override {
    for (const auto& program : programs_) {
      if (program->answered() <= time) return false;
    }
    return true;
  }

  WorkloadReport Stop() override {
    WorkloadReport all;
    for (const auto& program : programs_) {
      program->End();
      WorkloadReport& one = program->report();
      std::ranges::copy(one.calls, std::back_inserter(all.calls));
      std::ranges::copy(one.silences, std::back_inserter(all.silences));
      std::ranges::copy(one.wrong_data, std::back_inserter(all.wrong_data));
    }
    programs_.clear();
    return all;
  }

 private:
  std::vector<std::unique_ptr<Program>> programs_;
};

}  // namespace

SinceBootNs NowNs() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return time.tv_sec * SinceBootNs{1'000'000'000} + time.tv_nsec;
}

Result<std::unique_ptr<FaultWorkload>> FaultWorkload::Start(const std::string& name) {
  const std::vector<std::pair<std::string_view, std::function<Result<std::unique_ptr<Program>>()>>>
      makers = {
          {"stream", [] { return MakeSocketProgram<Stream>(SOCK_STREAM); }},
          {"datagram", [] { return MakeSocketProgram<Datagram>(SOCK_DGRAM); }},
          {"ledger", [] { return MakeFileProgram<Ledger>(); }},
          {"names", [] { return MakeFileProgram<Names>(); }},
      };
  auto programs = std::make_unique<Programs>();
  for (const auto& [one, make] : makers) {
    const bool sockets = one == "stream" || one == "datagram";
    if (name != one && name != (sockets ? "sockets" : "files")) continue;
    if (auto added = programs->Add(make()); !added) return std::unexpected(added.error());
  }
  programs->Start();
  return programs;
}

}  // namespace vos
