// Runs the real program against real sockets.
#include <arpa/inet.h>
#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <sched.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process/subprocess.h"
#include "base/testing/places.h"

namespace {

using rivera::base::CommandResult;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

// Accepts connections on every address and answers each with the same bytes, after a request has come; empty: never.
// One that trickles sends a further byte every 50 ms, until its client closes the connection.
class Server {
 public:
  explicit Server(std::string answer, bool trickles = false) : answer_(std::move(answer)), trickles_(trickles) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    socklen_t length = sizeof any;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &length);
    port_ = ntohs(any.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() { stop(); }

  void stop() {
    if (listener_ < 0) return;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    listener_ = -1;
  }
  std::string port() const { return std::to_string(port_); }
  int requests() const { return requests_; }
  std::string last_request() const { return last_request_; }

 private:
  void serve() {
    std::vector<int> held;
    for (;;) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) break;
      if (answer_.empty()) {
        held.push_back(fd);
        continue;
      }
      char buffer[4096];
      const auto count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count > 0) {
        last_request_.assign(buffer, static_cast<std::size_t>(count));
        ++requests_;
        (void)!::send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
        while (trickles_ && ::send(fd, "x", 1, MSG_NOSIGNAL) == 1) ::usleep(50'000);
      }
      ::close(fd);
    }
    for (const int fd : held) ::close(fd);
  }

  std::string answer_;
  const bool trickles_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> requests_{0};
  std::string last_request_;
  std::thread thread_;
};

std::string unused_port() {
  Server server("x");
  return server.port();
}

CommandResult check(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), rivera::base::bin_dir() + "/healthcheck");
  return rivera::base::run_command(arguments);
}

// In a network of its own, which has an address beside loopback as that of a container has.
class Healthcheck : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    home_.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(home_);
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    rivera::base::must_run({"ip", "link", "set", "lo", "up"});
    rivera::base::must_run({"ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"});
    rivera::base::must_run({"ip", "address", "add", "192.0.2.1/30", "dev", "eth0"});
    rivera::base::must_run({"ip", "link", "set", "eth1", "up"});
    rivera::base::must_run({"ip", "link", "set", "eth0", "up"});
  }
  static void TearDownTestSuite() {
    ::setns(home_.get(), CLONE_NEWNET);
    home_.reset();
  }

 private:
  static inline rivera::base::UniqueFd home_;
};

TEST_F(Healthcheck, PassesWhenThePortAcceptsConnections) {
  Server server("x");
  const auto result = check({"-port=" + server.port()});
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_EQ(result.error, "");
}

TEST_F(Healthcheck, SaysWhyATcpConnectionWasRefused) {
  const auto port = unused_port();
  const auto result = check({"-port", port});
  EXPECT_EQ(result.exit_status, 4);
  EXPECT_THAT(result.error, MatchesRegex("failed to make TCP connection to [0-9.]+:" + port +
                                         ": dial tcp [0-9.]+:" + port + ": connect: connection refused\n"));
}

TEST_F(Healthcheck, RefusesAPortThatIsNone) {
  const auto result = check({"-port=-1"});
  EXPECT_EQ(result.exit_status, 4);
  EXPECT_THAT(result.error, HasSubstr("dial tcp: address -1: invalid port"));
}

TEST_F(Healthcheck, ExitsWithTwoForAnUnknownFlag) { EXPECT_EQ(check({"-nonsense=1"}).exit_status, 2); }

TEST_F(Healthcheck, PassesAnHttpCheckForStatus200Only) {
  Server good("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(check({"-uri=/ping", "-port=" + good.port()}).exit_status, 0);
  good.stop();
  EXPECT_THAT(good.last_request(), StartsWith("GET /ping HTTP/1.1\r\n"));
  EXPECT_THAT(good.last_request(), HasSubstr("User-Agent: diego-healthcheck\r\n"));
  EXPECT_THAT(good.last_request(), HasSubstr("X-Forwarded-Proto: https\r\n"));

  Server bad("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
  const auto result = check({"-uri=/ping", "-port=" + bad.port()});
  EXPECT_EQ(result.exit_status, 6);
  EXPECT_THAT(result.error, MatchesRegex("failed to make HTTP request to '/ping' on port [0-9]+: received status code "
                                         "500 in [0-9]+ms\n"));
}

TEST_F(Healthcheck, ReadsAChunkedBody) {
  Server server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
  EXPECT_EQ(check({"-uri=/", "-port=" + server.port()}).exit_status, 0);
}

TEST_F(Healthcheck, FollowsNineRedirectsAndFailsAtTheTenth) {
  Server server("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(check({"-uri=/", "-port=" + server.port()}).exit_status, 5);
  EXPECT_EQ(server.requests(), 10);
}

TEST_F(Healthcheck, CallsEveryHttpConnectionErrorRefused) {
  const auto port = unused_port();
  const auto result = check({"-uri=/ping", "-port=" + port});
  EXPECT_EQ(result.exit_status, 5);
  EXPECT_EQ(result.error, "failed to make HTTP request to '/ping' on port " + port + ": connection refused\n");
}

TEST_F(Healthcheck, TimesOutOnAServerThatSaysNothing) {
  Server silent("");
  const auto result = check({"-uri=/ping", "-port=" + silent.port(), "-timeout=200ms"});
  EXPECT_EQ(result.exit_status, 65);
  EXPECT_THAT(result.error, HasSubstr("timed out after 0.20 seconds"));
}

TEST_F(Healthcheck, TimesOutOnAServerThatTrickles) {
  const auto begun = std::chrono::steady_clock::now();
  Server head("HTTP/1.1 200 OK\r\nX-Slow: ", true);
  EXPECT_EQ(check({"-uri=/ping", "-port=" + head.port(), "-timeout=300ms"}).exit_status, 65);
  // The status counts; a body is read for no longer than the check may take.
  for (const char* framing : {"Content-Length: 99999\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1;"}) {
    Server body("HTTP/1.1 200 OK\r\n" + std::string(framing), true);
    EXPECT_EQ(check({"-uri=/ping", "-port=" + body.port(), "-timeout=300ms"}).exit_status, 0) << framing;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(15));
}

TEST_F(Healthcheck, GivesUpStartingAfterItsTimeWithTheLastResult) {
  Server bad("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
  const auto result = check({"-uri=/", "-port=" + bad.port(), "-startup-interval=100ms", "-startup-timeout=450ms"});
  EXPECT_EQ(result.exit_status, 6);
  EXPECT_THAT(
      result.error,
      MatchesRegex("Timed out after 450ms \\([0-9]+ attempts\\) waiting for startup check to succeed: failed to "
                   "make HTTP request.*"));
  EXPECT_GE(bad.requests(), 2);
}

TEST_F(Healthcheck, SurvivesAStartupTimeoutWhileTheFirstAttemptHangs) {
  Server silent("");
  const auto result =
      check({"-uri=/", "-port=" + silent.port(), "-timeout=5s", "-startup-interval=100ms", "-startup-timeout=300ms"});
  EXPECT_EQ(result.exit_status, 65);
  EXPECT_THAT(result.error, StartsWith("Timed out after 300ms"));
}

TEST_F(Healthcheck, StartsWellOnceTheServerIsThere) {
  Server server("x");
  EXPECT_EQ(check({"-port=" + server.port(), "-startup-interval=50ms", "-startup-timeout=0"}).exit_status, 0);
  EXPECT_EQ(check({"-port=" + server.port(), "-until-ready-interval=50ms"}).exit_status, 0);
}

TEST_F(Healthcheck, EndsALivenessCheckAtTheFirstFailure) {
  Server bad("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  const auto liveness = check({"-uri=/", "-port=" + bad.port(), "-liveness-interval=50ms"});
  EXPECT_EQ(liveness.exit_status, 6);
  EXPECT_THAT(liveness.error, StartsWith("Liveness check unsuccessful: failed to make HTTP request"));
  const auto readiness = check({"-uri=/", "-port=" + bad.port(), "-readiness-interval=50ms"});
  EXPECT_THAT(readiness.error, StartsWith("Readiness check unsuccessful: "));
}

TEST_F(Healthcheck, KeepsCheckingWhileAllIsWell) {
  Server server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  std::thread end([&server] {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (server.requests() < 3 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    server.stop();
  });
  const auto result = check({"-uri=/", "-port=" + server.port(), "-liveness-interval=20ms"});
  end.join();
  EXPECT_EQ(result.exit_status, 5);
  EXPECT_GE(server.requests(), 3);
}

}  // namespace
