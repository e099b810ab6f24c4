// Clients that keep to the rules of HTTP/2 and gRPC, and clients that do not.
#include "net/grpc/grpc_server.h"

#include <gtest/gtest.h>

#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "net/stream/endpoint.h"
#include "net/testing/http2_frames.h"
#include "net/testing/test_certificates.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;
using http2::Frame;
using Call = std::shared_ptr<const GrpcServerCall>;

constexpr int kResourceExhausted = 8;

// One connection, with everything that the server has sent on it.
class RawClient {
 public:
  static asio::awaitable<std::unique_ptr<RawClient>> connect(std::string address, TlsFiles tls,
                                                             std::string begin = http2::preface()) {
    auto client = std::make_unique<RawClient>();
    client->stream_ = co_await net::connect(Endpoint::parse("https://" + address), TlsContext::client(tls), 10s);
    if (!begin.empty()) co_await client->stream_->write(begin);
    co_return client;
  }

  asio::awaitable<void> send(std::string bytes) { co_await stream_->write(bytes); }

  // Reads until a frame is as `wanted` says, which it gives; an empty one if the server ends the connection first.
  asio::awaitable<Frame> read_until(std::function<bool(const Frame&)> wanted) {
    std::vector<char> buffer(16384);
    for (;;) {
      for (; next_ < frames_.size(); ++next_) {
        if (wanted(frames_[next_])) co_return frames_[next_++];
      }
      std::size_t size = 0;
      try {
        size = co_await stream_->read_some(buffer);
      } catch (const boost::system::system_error&) {  // reset
      }
      if (size == 0) co_return Frame{.type = 255};
      for (Frame& one : reader_.take({buffer.data(), size})) frames_.push_back(std::move(one));
    }
  }

  // "0" and the like; "" if the connection ends before.
  asio::awaitable<std::string> status_of(std::uint32_t stream) {
    const Frame end = co_await read_until([stream](const Frame& frame) {
      return frame.type == http2::kHeaders && frame.stream == stream && (frame.flags & http2::kEndStream) != 0;
    });
    co_return end.fields.contains("grpc-status") ? end.fields.at("grpc-status") : "";
  }

  asio::awaitable<bool> is_ended() {
    const Frame end = co_await read_until([](const Frame&) { return false; });
    co_return end.type == 255;
  }

  const std::vector<Frame>& frames() const { return frames_; }

 private:
  std::unique_ptr<Stream> stream_;
  http2::FrameReader reader_;
  std::vector<Frame> frames_;
  std::size_t next_ = 0;
};

class GrpcServerTest : public ::testing::Test {
 protected:
  // "/echo" gives the message back, "/large" 300,000 bytes, "/hang" nothing until it is let go.
  asio::awaitable<GrpcReply> serve(Call call) {
    calls_.push_back(call);
    if (call->path == "/large") co_return GrpcReply{.message = std::string(300'000, 'x')};
    if (call->path == "/fail") throw std::runtime_error("a secret");
    if (call->path == "/refuse") co_return GrpcReply{.code = 5, .text = "no 100 %\n"};
    while (call->path == "/hang" && !is_let_go_) co_await base::sleep_for(2ms);
    co_return GrpcReply{.message = call->message};
  }

  void with_server(std::function<asio::awaitable<void>(std::string address)> test) {
    base::run([this, test](asio::any_io_executor executor) -> asio::awaitable<void> {
      options_.address = "127.0.0.1:0";
      options_.tls = TlsContext::mutual_server(certificates_.server(), "h2");
      GrpcServer server(
          executor, options_, [this](Call call) { return serve(std::move(call)); }, base::Logger::discard());
      server.start();
      co_await test(server.address());
      is_let_go_ = true;
      co_await server.stop(5s);
    });
  }

  asio::awaitable<std::unique_ptr<RawClient>> client(std::string address, std::string begin = http2::preface()) {
    return RawClient::connect(std::move(address), certificates_.client(), std::move(begin));
  }

  static std::string whole_call(std::uint32_t stream, std::string_view path, std::string_view bytes = "hello") {
    return http2::call_head(stream, path) + http2::message(stream, bytes);
  }

  // Not within a coroutine: g++ 12 cannot keep their lists there.
  static std::string call_with_metadata() {
    return http2::call_head(1, "/echo", {{"uuid", "u-1"}, {"grpc-timeout", "5S"}}) + http2::message(1, "hello");
  }
  static std::string call_with_little_time() {
    return http2::call_head(1, "/hang", {{"grpc-timeout", "1m"}}) + http2::message(1, "x");
  }

  TestCertificates certificates_;
  GrpcServerOptions options_{.address = "", .tls = TlsContext::client({}, true, true)};
  std::vector<Call> calls_;
  bool is_let_go_ = false;
};

TEST_F(GrpcServerTest, AnswersACallWithItsMessageAndMetadata) {
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(call_with_metadata());
    const Frame data = co_await one->read_until([](const Frame& frame) { return frame.type == http2::kData; });
    EXPECT_EQ(data.payload, std::string("\0\0\0\0\5hello", 10));
    const std::string status = co_await one->status_of(1);
    EXPECT_EQ(status, "0");
    EXPECT_EQ(calls_.at(0)->metadata_of("uuid"), "u-1");
    EXPECT_EQ(calls_.at(0)->metadata_of("other"), "");
    EXPECT_LE(calls_.at(0)->deadline, std::chrono::steady_clock::now() + 5s);
  });
}

TEST_F(GrpcServerTest, SaysWhyACallFails) {
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(whole_call(1, "/refuse"));
    const Frame refused = co_await one->read_until([](const Frame& frame) { return frame.stream == 1; });
    EXPECT_EQ(refused.fields.at("grpc-status"), "5");
    EXPECT_EQ(refused.fields.at("grpc-message"), "no 100 %25%0A");
    co_await one->send(whole_call(3, "/fail"));
    const Frame failed = co_await one->read_until([](const Frame& frame) { return frame.stream == 3; });
    EXPECT_EQ(failed.fields.at("grpc-status"), "13");
    EXPECT_EQ(failed.fields.at("grpc-message"), "internal error");
  });
}

TEST_F(GrpcServerTest, RefusesWhatIsNoUnaryCall) {
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(http2::call_head(1, "/echo") + http2::message(1, "x", true));
    const std::string compressed = co_await one->status_of(1);
    EXPECT_EQ(compressed, "12");
    co_await one->send(http2::call_head(3, "/echo", {}, http2::kEndStream));
    const std::string empty = co_await one->status_of(3);
    EXPECT_EQ(empty, "13");
    const std::string two(10, '\0');
    co_await one->send(http2::call_head(5, "/echo") + http2::frame(http2::kData, http2::kEndStream, 5, two));
    const std::string several = co_await one->status_of(5);
    EXPECT_EQ(several, "13");
    EXPECT_TRUE(calls_.empty());
  });
}

TEST_F(GrpcServerTest, RefusesAMessageThatIsTooLargeAndKeepsTheConnection) {
  options_.largest_message = 1000;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(whole_call(1, "/echo", std::string(20'000, 'x')) + whole_call(3, "/echo"));
    const std::string large = co_await one->status_of(1);
    EXPECT_EQ(large, std::to_string(kResourceExhausted));
    const std::string usual = co_await one->status_of(3);
    EXPECT_EQ(usual, "0");
  });
}

// Though the client has not acknowledged the limit.
TEST_F(GrpcServerTest, RefusesStreamsBeyondTheLimitOfAConnection) {
  options_.calls_of_connection = 10;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    std::string many;
    for (std::uint32_t i = 0; i < 12; ++i) many += whole_call(2 * i + 1, "/hang");
    co_await one->send(many);
    for (int i = 0; i < 2; ++i) {
      const Frame refused = co_await one->read_until([](const Frame& frame) { return frame.type == http2::kReset; });
      EXPECT_GT(refused.stream, 20u);
    }
    EXPECT_EQ(calls_.size(), 10u);
  });
}

TEST_F(GrpcServerTest, EndsTheConnectionOfAClientThatResetsItsStreams) {
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    std::string flood;
    for (std::uint32_t i = 0; i < 5000; ++i) flood += http2::call_head(2 * i + 1, "/echo") + http2::reset(2 * i + 1);
    try {
      co_await one->send(flood);
    } catch (const boost::system::system_error&) {  // ended before it was all sent
    }
    const bool is_ended = co_await one->is_ended();
    EXPECT_TRUE(is_ended);
    auto another = co_await client(address);
    co_await another->send(whole_call(1, "/echo"));
    const std::string status = co_await another->status_of(1);
    EXPECT_EQ(status, "0");
  });
}

TEST_F(GrpcServerTest, EndsRequestsThatDoNotComeInTime) {
  options_.limits.body = 100ms;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(http2::call_head(1, "/echo"));
    const std::string status = co_await one->status_of(1);
    EXPECT_EQ(status, "4");
  });
}

TEST_F(GrpcServerTest, EndsAConnectionOnWhichHttp2DoesNotBegin) {
  options_.limits.handshake = 300ms;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto silent = co_await client(address, "");
    bool is_ended = co_await silent->is_ended();
    EXPECT_TRUE(is_ended);
    auto other = co_await client(address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    is_ended = co_await other->is_ended();
    EXPECT_TRUE(is_ended);
  });
}

TEST_F(GrpcServerTest, EndsAConnectionWhoseClientTakesNoResponses) {
  options_.limits.write = 300ms;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address, http2::preface(1000));
    co_await one->send(whole_call(1, "/large"));
    const bool is_ended = co_await one->is_ended();
    EXPECT_TRUE(is_ended);
  });
}

TEST_F(GrpcServerTest, HoldsSoManyBytesOfResponses) {
  options_.connection_responses = 400'000;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address, http2::preface(0));
    co_await one->send(whole_call(1, "/large") + whole_call(3, "/large"));
    const std::string status = co_await one->status_of(3);
    EXPECT_EQ(status, std::to_string(kResourceExhausted));
    co_await one->send(http2::reset(1) + whole_call(5, "/large") + whole_call(7, "/large"));
    const std::string later = co_await one->status_of(7);
    EXPECT_EQ(later, std::to_string(kResourceExhausted));
    for (const Frame& frame : one->frames()) EXPECT_FALSE(frame.stream == 5 && frame.fields.contains("grpc-status"));
  });
}

TEST_F(GrpcServerTest, HoldsSoManyBytesOfRequests) {
  options_.requests_limit = 100'000;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    const std::string part(16'000, '\0');
    const auto begin = [&](std::uint32_t stream) {
      return http2::call_head(stream, "/echo") + http2::frame(http2::kData, 0, stream, part);
    };
    std::string parts;
    for (std::uint32_t stream = 1; stream <= 13; stream += 2) parts += begin(stream);
    co_await one->send(parts);
    const Frame end = co_await one->read_until([](const Frame& frame) { return frame.fields.contains("grpc-status"); });
    EXPECT_EQ(end.stream, 13u) << "there is room for six";
    EXPECT_EQ(end.fields.at("grpc-status"), std::to_string(kResourceExhausted));
    co_await one->send(http2::reset(1) + begin(15) + http2::frame(http2::kPing, 0, 0, "12345678"));
    co_await one->read_until([](const Frame& frame) { return frame.type == http2::kPing; });
    for (const Frame& frame : one->frames()) EXPECT_NE(frame.stream, 15u);
  });
}

TEST_F(GrpcServerTest, TellsTheHandlerThatItsCallWasCancelled) {
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(whole_call(1, "/hang"));
    co_await base::eventually("the call", [this] { return calls_.size() == 1; });
    EXPECT_FALSE(calls_[0]->is_cancelled());
    co_await one->send(http2::reset(1));
    co_await base::eventually("cancelled", [this] { return calls_[0]->is_cancelled(); });
    EXPECT_FALSE(calls_[0]->is_late());
    co_await one->send(whole_call(3, "/hang"));
    co_await base::eventually("the second call", [this] { return calls_.size() == 2; });
    one.reset();
    co_await base::eventually("cancelled", [this] { return calls_[1]->is_cancelled(); });
  });
}

TEST_F(GrpcServerTest, CountsCallsThatWereAbandonedAsLongAsTheyRun) {
  options_.calls_of_connection = 2;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(whole_call(1, "/hang") + http2::reset(1) + whole_call(3, "/hang") + http2::reset(3));
    co_await one->send(whole_call(5, "/echo"));
    const std::string third = co_await one->status_of(5);
    EXPECT_EQ(third, std::to_string(kResourceExhausted));
    auto another = co_await client(address);
    co_await another->send(whole_call(1, "/echo"));
    const std::string others = co_await another->status_of(1);
    EXPECT_EQ(others, "0");
  });
}

TEST_F(GrpcServerTest, AnswersLateCallsWithTheirDeadline) {
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(call_with_little_time());
    co_await base::eventually("late", [this] { return !calls_.empty() && calls_[0]->is_late(); });
    is_let_go_ = true;
    const std::string status = co_await one->status_of(1);
    EXPECT_EQ(status, "4");
  });
}

TEST_F(GrpcServerTest, HandlesSoManyCallsAtOnce) {
  options_.most_calls = 2;
  with_server([this](std::string address) -> asio::awaitable<void> {
    auto one = co_await client(address);
    co_await one->send(whole_call(1, "/hang") + whole_call(3, "/hang") + whole_call(5, "/hang"));
    const std::string third = co_await one->status_of(5);
    EXPECT_EQ(third, std::to_string(kResourceExhausted));
    is_let_go_ = true;
    const std::string first = co_await one->status_of(1);
    EXPECT_EQ(first, "0");
  });
}

TEST_F(GrpcServerTest, AnswersCallsUnderWayWhenItStops) {
  base::run([this](asio::any_io_executor executor) -> asio::awaitable<void> {
    options_.address = "127.0.0.1:0";
    options_.tls = TlsContext::mutual_server(certificates_.server(), "h2");
    GrpcServer server(
        executor, options_, [this](Call call) { return serve(std::move(call)); }, base::Logger::discard());
    server.start();
    auto one = co_await client(server.address());
    co_await one->send(whole_call(1, "/hang"));
    co_await base::eventually("the call", [this] { return calls_.size() == 1; });
    base::TaskGroup tasks(executor, base::Logger::discard());
    tasks.spawn("stop", server.stop(20s));
    const Frame leave = co_await one->read_until([](const Frame& frame) { return frame.type == http2::kGoAway; });
    EXPECT_EQ(leave.type, http2::kGoAway);
    is_let_go_ = true;
    const std::string status = co_await one->status_of(1);
    EXPECT_EQ(status, "0");
    one.reset();
    co_await tasks.join();
  });
}

}  // namespace
}  // namespace rivera::net
