// Every client of this folder against a server that frames its answers as upstream's event streams are framed: in small
// chunks, each size followed by an empty extension (docs/spec/bbs.md §3.3).
#include <fstream>

#include <boost/asio/ip/tcp.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/testing/places.h"
#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "clients/auctioneer_client.h"
#include "clients/bbs_client.h"
#include "clients/garden/garden_client.h"
#include "clients/rep_client.h"
#include "net/http/http_server.h"

namespace rivera::clients {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kChunk = 31;

// A server whose answer depends on the path alone.
class ChunkingServer {
 public:
  struct Answer {
    std::string content_type;
    std::string body;
    int status = 200;
  };
  ChunkingServer(const asio::any_io_executor& executor, std::map<std::string, Answer, std::less<>> answers)
      : answers_(std::move(answers)) {
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    auto handler = [this](net::HttpExchange& exchange) { return answer(exchange); };
    server_ = std::make_unique<net::HttpServer>(executor, std::move(options), handler, base::Logger::discard());
    server_->listen();
    server_->start();
  }
  std::string url() const { return "http://" + server_->address(); }
  asio::awaitable<void> stop() { co_await server_->stop(0s); }

 private:
  asio::awaitable<void> answer(net::HttpExchange& exchange) {
    co_await exchange.read_body(1 << 20);
    const auto found = answers_.find(exchange.request().path());
    EXPECT_NE(found, answers_.end()) << exchange.request().target;
    if (found == answers_.end()) co_return;
    net::ResponseHead head;
    head.status = found->second.status;
    head.headers.add("Content-Type", found->second.content_type);
    head.headers.add("Transfer-Encoding", "chunked");
    auto stream = co_await exchange.take_over(std::move(head));
    std::string_view rest = found->second.body;
    std::string framed;
    for (int i = 0; !rest.empty(); ++i) {
      const auto piece = rest.substr(0, kChunk);
      // Other servers write names and values there.
      framed += fmt::format("{:x};{}\r\n{}\r\n", piece.size(), i % 3 == 2 ? "name=\"a value\"" : "", piece);
      rest.remove_prefix(piece.size());
    }
    framed += "0\r\n\r\n";
    co_await stream->write(framed);
  }

  std::map<std::string, Answer, std::less<>> answers_;
  std::unique_ptr<net::HttpServer> server_;
};

struct Recorded {
  std::string text;  // as on the wire
  std::vector<std::string> events;
};

// What upstream's BBS sent on its first stream (tests/golden/README.md).
Recorded recorded_events() {
  std::ifstream file(base::source_dir() + "/tests/golden/bbs-scenario-events.jsonl");
  Recorded recorded;
  std::string stream;
  for (std::string line; std::getline(file, line);) {
    const auto event = boost::json::parse(line).as_object();
    const std::string from(event.at("stream").as_string());
    if (stream.empty()) stream = from;
    if (from != stream) continue;
    const auto& id = event.at("id");
    const std::string id_text = id.is_string() ? std::string(id.as_string()) : boost::json::serialize(id);
    recorded.events.push_back(id_text + " " + std::string(event.at("event").as_string()) + " " +
                              std::string(event.at("data").as_string()));
    recorded.text += "id: " + id_text + "\nevent: " + std::string(event.at("event").as_string()) +
                     "\ndata: " + std::string(event.at("data").as_string()) + "\n\n";
  }
  return recorded;
}

TEST(UpstreamFraming, IsReadByTheBbsClient) {
  const Recorded recorded = recorded_events();
  ASSERT_GT(recorded.events.size(), 10u);
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    models::DomainsResponse domains;
    for (int i = 0; i < 100; ++i) domains.add_domains("domain-" + std::to_string(i));
    ChunkingServer server(executor, {{"/v1/domains/list", {"application/x-protobuf", domains.SerializeAsString()}},
                                     {"/v1/events/tasks.r1", {"text/event-stream", recorded.text}}});
    BbsClientOptions options;
    options.url = server.url();
    BbsClient client(executor, options);
    const auto names = co_await client.domains();
    EXPECT_EQ(names.size(), 100u);
    auto stream = co_await client.subscribe_to_task_events();
    for (const std::string& expected : recorded.events) {
      const auto event = co_await stream->next();
      EXPECT_TRUE(event.has_value());
      if (!event) co_return;
      EXPECT_EQ(event->id + " " + event->name + " " + base::to_base64(event->payload), expected);
    }
    const auto end = co_await stream->next();
    EXPECT_FALSE(end.has_value());
    co_await server.stop();
  });
}

TEST(UpstreamFraming, IsReadByTheClientsOfCellsAuctioneerAndGarden) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    ChunkingServer server(executor,
                          {{"/state", {"application/json", "{\"cell_id\":\"" + std::string(100, 'c') + "\"}"}},
                           {"/v1/lrps", {"application/json", std::string(100, ' ') + "{}", 202}},
                           {"/capacity",
                            {"application/json",
                             "{\"memory_in_bytes\":1000000000,\"disk_in_bytes\":2000000000,\"max_containers\":250}"}}});
    const RepClientFactory reps(executor, {});
    const RepClient rep = reps.at("", server.url());
    const auto state = co_await rep.state();
    EXPECT_EQ(state.cell_id, std::string(100, 'c'));

    AuctioneerClientOptions auctioneer_options;
    auctioneer_options.url = server.url();
    AuctioneerClient auctioneer(executor, auctioneer_options);
    co_await auctioneer.request_lrp_auctions({}, "");

    GardenClientOptions garden_options;
    garden_options.address = server.url();
    GardenClient garden(executor, garden_options);
    const auto capacity = co_await garden.capacity();
    EXPECT_EQ(capacity.max_containers, 250u);
    co_await server.stop();
  });
}

// A BBS that has been stopped: its kernel accepts connections, and nothing more is said on any.
class StoppedBbs {
 public:
  explicit StoppedBbs(const asio::any_io_executor& executor)
      : acceptor_(executor, {asio::ip::address_v4::loopback(), 0}) {}
  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  // Begins one event stream; then it is stopped.
  asio::awaitable<void> begin_stream() {
    stream_.emplace(co_await acceptor_.async_accept(asio::use_awaitable));
    const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    co_await stream_->async_send(asio::buffer(head), asio::use_awaitable);
  }

 private:
  asio::ip::tcp::acceptor acceptor_;
  std::optional<asio::ip::tcp::socket> stream_;
};

TEST(BbsClient, NoticesThatTheServerOfAQuietEventStreamHasStopped) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    StoppedBbs bbs(executor);
    base::TaskGroup group(executor, base::Logger("test"));
    group.spawn("stream", bbs.begin_stream());
    BbsClientOptions options;
    options.url = bbs.url();
    options.quiet_limit = 100ms;
    options.ping_limit = 200ms;
    BbsClient client(executor, options);
    auto stream = co_await client.subscribe_to_task_events();
    std::string failure;
    const auto begun = std::chrono::steady_clock::now();
    try {
      co_await stream->next();
    } catch (const net::TransportError& e) {
      failure = e.what();
    }
    EXPECT_EQ(failure.rfind("the BBS at 127.0.0.1:", 0), 0u) << failure;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
    co_await group.stop();
  });
}

TEST(BbsClient, KeepsAQuietEventStreamWhoseServerAnswers) {
  base::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    base::Condition pinged(executor);
    int pings = 0;
    net::HttpServerOptions server_options;
    server_options.address = "127.0.0.1:0";
    auto handler = [&](net::HttpExchange& exchange) -> asio::awaitable<void> {
      co_await exchange.read_body(1 << 20);
      if (exchange.request().path() == "/v1/ping") {
        ++pings;
        pinged.notify_all();
        co_await exchange.respond(net::text_response(200, ""));
        co_return;
      }
      net::ResponseHead head;
      co_await exchange.begin_response(std::move(head));
      while (pings < 3) co_await pinged.wait();
      co_await exchange.write_body("id: 0\nevent: task_created\ndata: YQ==\n\n");
      co_await exchange.end_response();
    };
    net::HttpServer server(executor, server_options, handler, base::Logger::discard());
    server.listen();
    server.start();
    BbsClientOptions options;
    options.url = "http://" + server.address();
    options.quiet_limit = 20ms;
    BbsClient client(executor, options);
    auto stream = co_await client.subscribe_to_task_events();
    const auto event = co_await stream->next();
    EXPECT_TRUE(event.has_value());
    if (event) {
      EXPECT_EQ(event->payload, "a");
    }
    co_await server.stop(1s);
  });
}

}  // namespace
}  // namespace rivera::clients
