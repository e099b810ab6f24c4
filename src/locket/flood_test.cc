// A client with a good certificate that makes the port work for nothing: the program holds little for it, and serves
// others meanwhile.
#include <fstream>

#include <fmt/format.h>

#include "base/process/child_process.h"
#include "base/testing/places.h"
#include "locket/testing/locket_harness.h"
#include "net/stream/endpoint.h"
#include "net/testing/http2_frames.h"

namespace rivera::locket {
namespace {

namespace http2 = net::http2;
using std::chrono::seconds;

constexpr std::size_t kMostGrowth = 96u << 20;  // bytes resident, a sanitizer's share among them
constexpr int kConnections = 4;
constexpr std::uint32_t kStreams = 20'000;  // on each connection

// Uses only the certificates, the event loop and the client of the harness; the server is the program.
class Flood : public LocketHarness {
 protected:
  Flood() {
    const auto end = std::chrono::steady_clock::now() + kTestLimit;
    while (base::read_file(log_).find("locket.started") == std::string::npos) {
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("locket does not start");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  base::ChildProcess start_program() {
    stop();
    const auto config = directory_.path() / "locket.json";
    std::ofstream(config) << R"({"listen_address": ")" << config_.listen_address << R"(", "ca_file": ")"
                          << config_.tls.ca_file << R"(", "cert_file": ")" << config_.tls.certificate_file
                          << R"(", "key_file": ")" << config_.tls.key_file
                          << R"(", "database_driver": "sqlite3", "database_connection_string": ")"
                          << config_.database.connection_string << R"("})";
    base::ChildOptions options;
    options.variables = {{"ASAN_OPTIONS", "quarantine_size_mb=1"}};  // what is freed is not held back
    return base::start_logged({base::bin_dir() + "/locket", "-config", config.string()}, log_, options);
  }

  // "VmRSS" or, since begin_to_measure(), "VmHWM", in bytes.
  std::size_t memory(const std::string& field) const {
    std::ifstream status(fmt::format("/proc/{}/status", process_.pid()));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1)) * 1024;
    }
    ADD_FAILURE() << "no " << field;
    return 0;
  }
  std::size_t begin_to_measure() const {
    std::ofstream(fmt::format("/proc/{}/clear_refs", process_.pid())) << "5";
    return memory("VmRSS");
  }

  // Connections, one after the other, on each of which `piece(stream)` is sent for one stream after the other, until
  // the server ends it. What it answers is not read.
  asio::awaitable<void> attack(std::function<std::string(std::uint32_t stream)> piece) {
    for (int i = 0; i < kConnections; ++i) {
      auto stream = co_await net::connect(net::Endpoint::parse("https://" + config_.listen_address),
                                          net::TlsContext::client(certificates_.client()), seconds(10));
      connections_.push_back(std::move(stream));
      co_await send_streams(*connections_.back(), piece);
      auto served = lock_honestly();
      co_await std::move(served);
    }
  }

  asio::awaitable<void> lock_honestly() {
    clients::LocketResource resource{.key = "honest", .owner = "o"};
    return client().lock(std::move(resource), seconds(60));
  }

  static asio::awaitable<void> send_streams(net::Stream& stream, std::function<std::string(std::uint32_t)> piece) {
    stream.set_timeout(seconds(2));  // a server that reads no further has ended the attack, too
    try {
      co_await stream.write(http2::preface());
      for (std::uint32_t i = 0; i < kStreams;) {
        std::string bytes;
        for (; bytes.size() < 64'000 && i < kStreams; ++i) bytes += piece(2 * i + 1);
        co_await stream.write(bytes);
      }
    } catch (const boost::system::system_error&) {
    }
  }

  void expect_little_growth(std::function<std::string(std::uint32_t)> piece) {
    run(lock_honestly());
    const std::size_t before = begin_to_measure();
    run(attack(std::move(piece)));
    const std::size_t most = memory("VmHWM");
    EXPECT_LT(most - std::min(most, before), kMostGrowth) << "from " << before << " to " << most;
    run(close_all());
  }

  asio::awaitable<void> close_all() {
    connections_.clear();
    co_return;
  }

  const std::filesystem::path log_ = directory_.path() / "log";
  base::ChildProcess process_ = start_program();
  std::vector<std::unique_ptr<net::Stream>> connections_;
};

TEST_F(Flood, OfStreamsThatAreReset) {
  expect_little_growth(
      [](std::uint32_t stream) { return http2::call_head(stream, "/models.Locket/Lock") + http2::reset(stream); });
}

TEST_F(Flood, OfStreamsThatOnlyBegin) {
  expect_little_growth([](std::uint32_t stream) { return http2::call_head(stream, "/models.Locket/Lock"); });
}

TEST_F(Flood, OfCallsThatAreResetWhileTheyRun) {
  expect_little_growth([](std::uint32_t stream) {
    return http2::call_head(stream, "/models.Locket/FetchAll") + http2::message(stream, "") + http2::reset(stream);
  });
}

TEST_F(Flood, OfCallsWhoseAnswersAreNotRead) {
  expect_little_growth([](std::uint32_t stream) {
    return http2::call_head(stream, "/models.Locket/Fetch") + http2::message(stream, "");
  });
}

TEST_F(Flood, OfPings) {
  expect_little_growth([](std::uint32_t) { return http2::frame(http2::kPing, 0, 0, "12345678"); });
}

}  // namespace
}  // namespace rivera::locket
