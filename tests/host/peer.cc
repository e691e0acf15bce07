// SPDX-License-Identifier: Apache-2.0
// What stands beside the machine in application tests and the demo, on loopback, where the machine
// finds it at 10.0.2.2.
//   TCP 8000  HTTP: /hello, and /bytes/N: N bytes, byte i being (31 * i + 7) mod 256
//   TCP 7000  a line "requests PORT COUNT PARALLEL PATH" makes it do that many HTTP requests to the
//   forwarded PORT;
//             the answer is "COUNT ok, SIZE bytes each", or what was wrong with the first that
//             failed
//   TCP 7100  ledgers, of what programs inside were told: a line "NAME NUMBER" is entered, a line
//             "= NAME" is answered by one line with all numbers of that ledger
//   UDP 53    name service: NAME.virtuos.test is 192.0.2.1 and 2001:db8::1, any other name does not
//   exist
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr uint16_t kHttpPort = 8000, kLoadPort = 7000, kLedgerPort = 7100, kNamePort = 53;
constexpr int kMaxParallel = 64;
constexpr size_t kMaxRequest = 8192;
constexpr size_t kMaxBytes = 64 << 20;
constexpr size_t kMaxEntries = 1'000'000;  // of all ledgers
constexpr int kTimeoutSeconds = 60;
// How long a server inside may take to listen.
constexpr int kConnectTries = 150;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int Bind(int type, uint16_t port) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Loopback(port);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0 ||
      (type == SOCK_STREAM && listen(fd, 256) < 0)) {
    perror("peer: bind");
    exit(1);
  }
  return fd;
}

bool SendAll(int fd, const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += count;
  }
  return true;
}

void LimitTime(int fd) {
  const timeval limit = {kTimeoutSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

// Receives up to and with `end`; empty if it does not come.
std::string ReceiveUntil(int fd, const char* end) {
  std::string text;
  char piece[1024];
  while (text.find(end) == text.npos) {
    const ssize_t count = recv(fd, piece, sizeof(piece), 0);
    if (count <= 0 || text.size() > kMaxRequest) return "";
    text.append(piece, count);
  }
  return text;
}

// -------------------------------------------------------------- HTTP server

void ServeHttp(int fd) {
  LimitTime(fd);
  const std::string request = ReceiveUntil(fd, "\r\n\r\n");
  std::string body, status = "200 OK";
  unsigned long size = 0;
  if (request.starts_with("GET /hello ")) {
    body = "hello from beside the machine\n";
  } else if (sscanf(request.c_str(), "GET /bytes/%lu ", &size) == 1 && size <= kMaxBytes) {
    body.resize(size);
    for (size_t i = 0; i < size; i++) body[i] = static_cast<char>(31 * i + 7);
  } else {
    status = "404 Not Found";
  }
  SendAll(fd, "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
                  "\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n" + body);
  shutdown(fd, SHUT_WR);
  char rest;
  while (recv(fd, &rest, 1, 0) > 0) continue;
  close(fd);
}

// -------------------------------------------------------------- HTTP client

int ConnectForwarded(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  LimitTime(fd);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

// One request on a connection of its own; the body's size, or -1 and what was wrong.
long Request(uint16_t port, const std::string& path, std::string& wrong) {
  const int fd = ConnectForwarded(port);
  if (fd < 0) {
    wrong = "no connection";
    return -1;
  }
  SendAll(fd, "GET " + path + " HTTP/1.1\r\nHost: virtuos\r\nConnection: close\r\n\r\n");
  std::string answer;
  char piece[16384];
  ssize_t count;
  while ((count = recv(fd, piece, sizeof(piece), 0)) > 0) answer.append(piece, count);
  close(fd);
  const size_t end = answer.find("\r\n\r\n");
  if (count < 0 || end == answer.npos || answer.size() < 12 || answer.compare(9, 3, "200") != 0) {
    wrong = count < 0 ? strerror(errno) : "answer: " + answer.substr(0, answer.find('\r'));
    return -1;
  }
  return static_cast<long>(answer.size() - end - 4);
}

std::string Load(uint16_t port, int count, int parallel, const std::string& path) {
  // The first one waits for the server; a connection that QEMU accepts and the machine refuses is
  // just closed.
  std::string wrong;
  long size = -1;
  for (int tries = 0; tries < kConnectTries && size < 0; tries++) {
    if (tries > 0) usleep(200'000);
    size = Request(port, path, wrong);
  }
  if (size < 0) return "no answer: " + wrong + "\n";
  std::atomic<int> left = count - 1, done = 1;
  std::mutex lock;
  std::string first_wrong;
  std::vector<std::thread> threads;
  for (int i = 0; i < parallel; i++)
    threads.emplace_back([&] {
      while (left.fetch_sub(1) > 0) {
        std::string why;
        const long got = Request(port, path, why);
        if (got == size) {
          done++;
          continue;
        }
        const std::scoped_lock guard(lock);
        if (first_wrong.empty())
          first_wrong = got < 0 ? why : "another size: " + std::to_string(got);
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (done != count)
    return std::to_string(done) + " of " + std::to_string(count) + ": " + first_wrong + "\n";
  return std::to_string(count) + " ok, " + std::to_string(size) + " bytes each\n";
}

void ServeLoad(int fd) {
  const std::string line = ReceiveUntil(fd, "\n");
  unsigned port = 0, count = 0, parallel = 0;
  char path[256] = "";
  std::string answer = "what?\n";
  if (sscanf(line.c_str(), "requests %u %u %u %255s", &port, &count, &parallel, path) == 4 &&
      port <= 65535 && count >= 1 && parallel >= 1 && parallel <= kMaxParallel)
    answer = Load(static_cast<uint16_t>(port), static_cast<int>(count), static_cast<int>(parallel),
                  path);
  SendAll(fd, answer);
  printf("peer: %s -> %s", line.c_str(), answer.c_str());
  fflush(stdout);
  close(fd);
}

// ------------------------------------------------------------------ ledgers

// What lasts as long as the machine, whatever dies in it.
std::mutex ledgers_lock;
std::map<std::string, std::string> ledgers;  // name -> numbers, blanks between them
size_t ledger_entries = 0;

// False: the line makes no sense.
bool HandleLedgerLine(int fd, const std::string& line) {
  char name[64] = "";
  unsigned long long number = 0;
  const std::scoped_lock guard(ledgers_lock);
  if (sscanf(line.c_str(), "= %63s", name) == 1) return SendAll(fd, ledgers[name] + "\n");
  if (sscanf(line.c_str(), "%63s %llu", name, &number) != 2 || ++ledger_entries > kMaxEntries)
    return false;
  std::string& ledger = ledgers[name];
  ledger += (ledger.empty() ? "" : " ") + std::to_string(number);
  return true;
}

// No limit of time: programs may have nothing to enter for long.
void ServeLedger(int fd) {
  std::string text;
  char piece[4096];
  bool good = true;
  while (good && text.size() <= kMaxRequest) {
    const ssize_t count = recv(fd, piece, sizeof(piece), 0);
    if (count <= 0) break;
    text.append(piece, count);
    for (size_t end; good && (end = text.find('\n')) != text.npos; text.erase(0, end + 1))
      good = HandleLedgerLine(fd, text.substr(0, end));
  }
  close(fd);
}

// ------------------------------------------------------------- name service

void ServeNames(int fd) {
  for (;;) {
    unsigned char packet[512];
    sockaddr_in from;
    socklen_t from_size = sizeof(from);
    const ssize_t size =
        recvfrom(fd, packet, sizeof(packet), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 12) continue;
    std::string name;
    ssize_t at = 12;
    while (at < size && packet[at] != 0 && packet[at] < 64 && at + 1 + packet[at] < size) {
      name += std::string(reinterpret_cast<char*>(packet) + at + 1, packet[at]) + ".";
      at += 1 + packet[at];
    }
    if (at + 5 > size || packet[at] != 0) continue;
    const unsigned type = packet[at + 1] * 256u + packet[at + 2];
    const bool known = name.ends_with(".virtuos.test.");
    std::string answer(reinterpret_cast<char*>(packet), at + 5);
    answer[2] = static_cast<char>(0x84 | (packet[2] & 1));
    answer[3] = static_cast<char>(0x80 | (known ? 0 : 3));
    memset(answer.data() + 4, 0, 8);
    answer[5] = 1;
    const bool v4 = known && type == 1, v6 = known && type == 28;
    if (v4 || v6) {
      answer[7] = 1;
      // A pointer to the question's name, type, class, a minute to live, the address.
      answer += std::string{'\xc0', 12, 0, static_cast<char>(type),       0, 1, 0, 0,
                            0,      60, 0, static_cast<char>(v4 ? 4 : 16)};
      unsigned char address[16];
      inet_pton(v4 ? AF_INET : AF_INET6, v4 ? "192.0.2.1" : "2001:db8::1", address);
      answer.append(reinterpret_cast<char*>(address), v4 ? 4 : 16);
    }
    sendto(fd, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), from_size);
  }
}

}  // namespace

int main() {
  signal(SIGPIPE, SIG_IGN);
  const int http = Bind(SOCK_STREAM, kHttpPort), load = Bind(SOCK_STREAM, kLoadPort),
            ledger = Bind(SOCK_STREAM, kLedgerPort), names = Bind(SOCK_DGRAM, kNamePort);
  std::thread(ServeNames, names).detach();
  for (;;) {
    pollfd listeners[] = {{http, POLLIN, 0}, {load, POLLIN, 0}, {ledger, POLLIN, 0}};
    if (poll(listeners, 3, -1) < 0) continue;
    for (const pollfd& listener : listeners) {
      if (!(listener.revents & POLLIN)) continue;
      const int fd = accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      std::thread(listener.fd == http   ? ServeHttp
                  : listener.fd == load ? ServeLoad
                                        : ServeLedger,
                  fd)
          .detach();
    }
  }
}
