#include "net/testing/test_name_server.h"

#include <arpa/inet.h>
#include <atomic>
#include <cstdint>
#include <netinet/in.h>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "net/names/resolver.h"

namespace rivera::net {
namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr int kTypeA = 1;

struct Question {
  std::string name;
  int type = 0;
  std::size_t end = 0;  // of it in the message
};

// The first question of a message (RFC 1035 §4.1).
std::optional<Question> first_question(const std::string& message) {
  Question question;
  std::size_t at = kHeaderSize;
  while (at < message.size() && message[at] != 0) {
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(message[at]));
    if (!question.name.empty()) question.name += '.';
    question.name += message.substr(at + 1, length);
    at += length + 1;
  }
  if (at + 5 > message.size()) return std::nullopt;
  question.type = static_cast<unsigned char>(message[at + 1]) << 8 | static_cast<unsigned char>(message[at + 2]);
  question.end = at + 5;
  return question;
}

std::vector<std::string> split_addresses(const std::string& list) {
  std::vector<std::string> out;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) out.push_back(part);
  return out;
}

// `addresses`: null if the name does not exist.
std::string answer_to(const std::string& message, const Question& question, const std::string* addresses) {
  std::vector<std::string> given;
  if (addresses != nullptr && question.type == kTypeA) given = split_addresses(*addresses);
  std::string answer = message.substr(0, question.end);
  answer[2] = static_cast<char>(0x81);
  answer[3] = static_cast<char>(addresses == nullptr ? 0x83 : 0x80);  // NXDOMAIN or no error
  answer[7] = static_cast<char>(given.size());
  answer[8] = answer[9] = answer[10] = answer[11] = 0;
  for (const std::string& address : given) {
    answer += std::string("\xc0\x0c\0\1\0\1\0\0\0\0\0\4", 12);  // the question's name, A, IN, TTL 0, 4 bytes
    in_addr bytes{};
    ::inet_pton(AF_INET, address.c_str(), &bytes);
    answer.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
  }
  return answer;
}

}  // namespace

struct TestNameServer::State {
  State(std::map<std::string, std::string> known, bool is_silent) : addresses(std::move(known)), silent(is_silent) {
    socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    if (::bind(socket, reinterpret_cast<sockaddr*>(&here), size) != 0 ||
        ::getsockname(socket, reinterpret_cast<sockaddr*>(&here), &size) != 0) {
      ::close(socket);
      throw std::runtime_error("no port for a name server");
    }
    own = here;
    thread = std::thread([this] { serve(); });
    use_name_servers("127.0.0.1:" + std::to_string(ntohs(here.sin_port)));
  }
  ~State() {
    use_name_servers("");
    stopping = true;
    release();
    ::sendto(socket, "", 0, 0, reinterpret_cast<const sockaddr*>(&own), sizeof own);
    thread.join();
    ::close(socket);
  }

  void release() {
    is_holding = false;
    is_holding.notify_all();
  }

  void serve() {
    char buffer[2048];
    while (!stopping) {
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const auto n = ::recvfrom(socket, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n <= 0) continue;
      const std::string message(buffer, static_cast<std::size_t>(n));
      const auto question = first_question(message);
      if (!question) continue;
      if (question->type == kTypeA) ++questions;
      if (silent) continue;
      is_holding.wait(true);
      const auto found = addresses.find(question->name);
      const std::string answer = answer_to(message, *question, found == addresses.end() ? nullptr : &found->second);
      ::sendto(socket, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  const std::map<std::string, std::string> addresses;
  const bool silent;
  int socket = -1;
  sockaddr_in own{};
  std::atomic<bool> stopping{false};
  std::atomic<bool> is_holding{false};
  std::atomic<int> questions{0};
  std::thread thread;
};

TestNameServer::TestNameServer(std::map<std::string, std::string> addresses)
    : state_(std::make_unique<State>(std::move(addresses), false)) {}
TestNameServer::TestNameServer(Silent) : state_(std::make_unique<State>(std::map<std::string, std::string>(), true)) {}
TestNameServer::~TestNameServer() = default;

void TestNameServer::hold_answers() { state_->is_holding = true; }
void TestNameServer::release_answers() { state_->release(); }
int TestNameServer::questions() const { return state_->questions; }

}  // namespace rivera::net
