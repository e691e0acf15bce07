// SPDX-License-Identifier: Apache-2.0
#include "tests/model/checker.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "tests/model/generator.h"

namespace vos::model {
namespace {

constexpr int kHistory = 30;        // operations told of a mismatch
constexpr int kInspectEvery = 700;  // operations
// Of which breakage starts after a while, as a rare error would.
constexpr int kHealthyOperations = 20;

bool Put(int fd, const void* data, size_t size) {
  for (const char* from = static_cast<const char*>(data); size > 0;) {
    const ssize_t put = send(fd, from, size, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    from += put;
    size -= static_cast<size_t>(put);
  }
  return true;
}

bool Get(int fd, void* data, size_t size) {
  for (char* to = static_cast<char*>(data); size > 0;) {
    const ssize_t got = recv(fd, to, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

// A process that does what it is sent.
class Worker {
 public:
  Worker(const Settings& settings, const std::string& directory, Breakage breakage) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(ends[0]);
      Serve(ends[1], directory, breakage,
            settings.breakage == Breakage::kNone ? 0 : kHealthyOperations);
      _exit(0);
    }
    close(ends[1]);
    socket_ = ends[0];
  }
  ~Worker() {
    if (socket_ >= 0) Disconnect();
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  bool Begin(const std::vector<Operation>& operations) {
    const uint32_t count = static_cast<uint32_t>(operations.size());
    return Put(socket_, &count, sizeof(count)) &&
           Put(socket_, operations.data(), count * sizeof(Operation));
  }
  bool Next(Result& result) {
    Head head;
    if (!Get(socket_, &head, sizeof(head))) return false;
    result.value = head.value;
    result.error = head.error;
    result.data.resize(head.size);
    return Get(socket_, result.data.data(), head.size);
  }
  // How it ended, for a message.
  std::string End() {
    int status = 0;
    if (socket_ >= 0) Disconnect();
    if (waitpid(std::exchange(pid_, -1), &status, 0) < 0) return "it cannot be started";
    return WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status))
                               : "ended with status " + std::to_string(WEXITSTATUS(status));
  }

 private:
  struct Head {
    int64_t value;
    int32_t error;
    uint32_t size;
  };

  // Workers started later hold copies of it, so closing alone says nothing to this one.
  void Disconnect() {
    shutdown(socket_, SHUT_RDWR);
    close(std::exchange(socket_, -1));
  }

  static void Serve(int socket, const std::string& directory, Breakage breakage, int healthy) {
    Executor executor(directory, breakage, healthy);
    uint32_t count;
    while (Get(socket, &count, sizeof(count))) {
      std::vector<Operation> operations(count);
      if (!Get(socket, operations.data(), count * sizeof(Operation))) return;
      std::vector<Result> results;
      results.reserve(count);
      for (const Operation& operation : operations) results.push_back(executor.Run(operation));
      for (const Result& result : results) {
        const Head head{result.value, result.error, static_cast<uint32_t>(result.data.size())};
        if (!Put(socket, &head, sizeof(head)) ||
            !Put(socket, result.data.data(), result.data.size()))
          return;
      }
    }
  }

  int socket_ = -1;
  pid_t pid_ = -1;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

class Checker {
 public:
  explicit Checker(const Settings& settings)
      : settings_(settings),
        generator_(settings.seed,
                   CanMoveRanges(settings.directory) &&
                       (settings.reference.empty() || CanMoveRanges(settings.reference))) {}

  std::expected<Summary, std::string> Run() {
    for (const std::string* directory : {&settings_.directory, &settings_.reference}) {
      if (directory->empty()) continue;
      for (int i = 1; i < kDirectories; i++)
        mkdir((*directory + "/" + DirectoryOf(i)).c_str(), 0755);
    }
    for (int i = 0; i < kWorkers; i++) {
      subjects_.push_back(
          std::make_unique<Worker>(settings_, settings_.directory, settings_.breakage));
      if (!settings_.reference.empty())
        references_.push_back(
            std::make_unique<Worker>(settings_, settings_.reference, Breakage::kNone));
    }
    if (!Do(generator_.Beginning())) return std::unexpected(report_);
    int inspected = 0;
    while (summary_.operations < settings_.operations) {
      const Round round = generator_.Next();
      if (!Do(round)) return std::unexpected(report_);
      summary_.operations += static_cast<int>(round.steps.size());
      summary_.rounds_at_once += round.at_once;
      if (summary_.operations - inspected < kInspectEvery) continue;
      inspected = summary_.operations;
      if (!Do(generator_.Inspection(inspected % kWorkers))) return std::unexpected(report_);
    }
    for (int worker = 0; worker < kWorkers; worker++)
      if (!Do(generator_.Inspection(worker))) return std::unexpected(report_);
    return summary_;
  }

 private:
  // False, with a report, if a result is not what it must be.
  bool Do(const Round& round) {
    // What one process does in a row.
    std::vector<std::vector<const Step*>> runs;
    for (const Step& step : round.steps) {
      if (runs.empty() || runs.back().back()->operation.worker != step.operation.worker)
        runs.emplace_back();
      runs.back().push_back(&step);
    }
    if (round.at_once)
      for (const auto& run : runs)
        if (!Begin(run)) return false;
    for (const auto& run : runs)
      if ((!round.at_once && !Begin(run)) || !Collect(run, round.at_once)) return false;
    return true;
  }

  bool Begin(const std::vector<const Step*>& run) {
    std::vector<Operation> operations;
    for (const Step* step : run) operations.push_back(step->operation);
    const int worker = operations[0].worker;
    if (!subjects_[worker]->Begin(operations)) return Died(*subjects_[worker], worker);
    return references_.empty() || references_[worker]->Begin(operations) ||
           Died(*references_[worker], worker);
  }

  bool Collect(const std::vector<const Step*>& run, bool at_once) {
    for (const Step* step : run) {
      const int worker = step->operation.worker;
      Result result, other;
      if (!subjects_[worker]->Next(result)) return Died(*subjects_[worker], worker);
      if (!references_.empty() && !references_[worker]->Next(other))
        return Died(*references_[worker], worker);
      history_.push_back((at_once ? "  at once: " : "  ") + Describe(step->operation) + ": " +
                         Describe(result));
      if (history_.size() > kHistory) history_.pop_front();
      summary_.compared++;
      std::string wrong = step->expected.Judge(result);
      const std::string wrong_there = references_.empty() ? "" : step->expected.Judge(other);
      if (wrong.empty() && wrong_there.empty()) continue;
      if (!wrong_there.empty())
        wrong =
            (wrong.empty() ? "" : wrong + "; ") + std::string("in the reference it ") + wrong_there;
      return Report(Describe(step->operation) + "\n  " + wrong);
    }
    return true;
  }

  bool Died(Worker& worker, int number) {
    return Report("process " + std::to_string(number) + ": " + worker.End());
  }

  bool Report(const std::string& what) {
    report_ = "seed " + std::to_string(settings_.seed) + ", after " +
              std::to_string(summary_.operations) + " operations and some: " + what +
              "\nthe last " + std::to_string(history_.size()) + ":\n";
    for (const std::string& line : history_) report_ += line + "\n";
    return false;
  }

  const Settings settings_;
  Generator generator_;
  Workers subjects_, references_;
  std::deque<std::string> history_;
  Summary summary_;
  std::string report_;
};

}  // namespace

std::expected<Summary, std::string> Check(const Settings& settings) {
  return Checker(settings).Run();
}

}  // namespace vos::model
