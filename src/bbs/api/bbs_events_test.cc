// Events of the whole BBS, over mutual TLS: requests cause their events, and none is sent before it is durable.
#include <future>

#include <boost/asio/post.hpp>

#include "base/testing/test_run.h"
#include "bbs/events/event_testing.h"
#include "bbs/program/bbs_harness.h"

namespace rivera::bbs {
namespace {

using models::testing::a_desired_lrp;

class BbsEvents : public BbsHarness {
 protected:
  ~BbsEvents() override { run(drop_streams()); }
  asio::awaitable<void> drop_streams() {
    streams_.reset();
    co_return;
  }

  // Lives on the home strand.
  using Stream = std::shared_ptr<net::SseReader>;
  Stream subscribe(const std::string& path, const std::string& last_event_id = "") {
    net::HttpRequest request;
    request.method = path.starts_with("/v1/events.") ? "GET" : "POST";
    request.target = path;
    request.headers.set("Last-Event-ID", last_event_id);
    return run(open(std::move(request)));
  }
  asio::awaitable<Stream> open(net::HttpRequest request) {
    if (!streams_) streams_ = std::make_unique<net::HttpClient>(home_, client_options());
    auto opening = streams_->open(net::Endpoint::parse("https://" + address_), std::move(request));
    auto incoming = co_await std::move(opening);
    EXPECT_EQ(incoming->head().status, 200);
    co_return Stream(new net::SseReader(std::move(incoming)),
                     [home = home_](net::SseReader* reader) { asio::post(home, [reader] { delete reader; }); });
  }
  std::optional<net::ServerSentEvent> next(const Stream& stream) { return run(stream->next()); }

  template <typename Response, typename Request>
  void send_traced(const std::string& path, const Request& message) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = path;
    request.body = message.SerializeAsString();
    request.headers.set("X-Vcap-Request-Id", "trace-id");
    Response response;
    ASSERT_TRUE(response.ParseFromString(run(send(std::move(request))).body));
    EXPECT_FALSE(response.has_error()) << response.error().message();
  }

  void desire(const std::string& guid) {
    models::DesireLRPRequest request;
    *request.mutable_desired_lrp() = a_desired_lrp(guid).with_instances(1);
    send_traced<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", request);
  }
  void claim_and_start(const std::string& guid) {
    const auto key = models::actual_lrp_key(guid, 0, a_desired_lrp(guid).build().domain());
    const auto instance_key = models::actual_lrp_instance_key("i", "cell");
    models::ClaimActualLRPRequest claim;
    claim.set_process_guid(guid);
    *claim.mutable_actual_lrp_instance_key() = instance_key;
    send_traced<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/claim", claim);
    models::StartActualLRPRequest start;
    *start.mutable_actual_lrp_key() = key;
    *start.mutable_actual_lrp_instance_key() = instance_key;
    start.mutable_actual_lrp_net_info()->set_address("10.0.0.1");
    send_traced<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/start.r1", start);
  }
  void remove(const std::string& guid) {
    models::RemoveDesiredLRPRequest desired;
    desired.set_process_guid(guid);
    send_traced<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/remove", desired);
    models::RemoveActualLRPRequest actual;
    actual.set_process_guid(guid);
    send_traced<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/remove", actual);
  }

  asio::awaitable<std::string> address_once_it_listens() {
    co_await base::eventually("the BBS listens", [&] { return static_cast<bool>(active_); });
    co_return active_->address();
  }

  std::unique_ptr<net::HttpClient> streams_;
};

TEST_F(BbsEvents, ShowTheLifeOfAnLRPInOrderWithTheTracesOfItsRequests) {
  start();
  Stream stream = subscribe(kInstanceStream);
  desire("p");
  claim_and_start("p");
  remove("p");
  const auto event = [&](const std::string& name) {
    const auto got = next(stream);
    EXPECT_TRUE(got);
    EXPECT_EQ(got->name, name);
    return *got;
  };
  EXPECT_EQ(message_in<models::DesiredLRPCreatedEvent>(event("desired_lrp_created")).trace_id(), "trace-id");
  EXPECT_EQ(message_in<models::ActualLRPInstanceCreatedEvent>(event("actual_lrp_instance_created")).trace_id(),
            "trace-id");
  const auto claimed = message_in<models::ActualLRPInstanceChangedEvent>(event("actual_lrp_instance_changed"));
  EXPECT_EQ(claimed.after().state(), "CLAIMED");
  EXPECT_EQ(claimed.trace_id(), "");
  const auto running = message_in<models::ActualLRPInstanceChangedEvent>(event("actual_lrp_instance_changed"));
  EXPECT_EQ(running.before().state(), "CLAIMED");
  EXPECT_EQ(running.after().state(), "RUNNING");
  EXPECT_EQ(running.actual_lrp_instance_key().cell_id(), "cell");
  EXPECT_EQ(message_in<models::DesiredLRPRemovedEvent>(event("desired_lrp_removed")).trace_id(), "trace-id");
  EXPECT_EQ(message_in<models::ActualLRPInstanceRemovedEvent>(event("actual_lrp_instance_removed")).trace_id(), "");
}

TEST_F(BbsEvents, ResumeAfterADisconnectButNotAfterARestart) {
  start();
  Stream stream = subscribe("/v1/events.r1");
  desire("p");
  const auto first = next(stream);
  ASSERT_TRUE(first);
  stream.reset();
  desire("q");
  const Stream again = subscribe("/v1/events.r1", first->id);
  for (const char* name : {"actual_lrp_created", "desired_lrp_created", "actual_lrp_created"}) {
    const auto event = next(again);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->name, name);
  }
  stop();
  EXPECT_FALSE(next(again)) << "a clean end";
  start();
  desire("r");
  const Stream after = subscribe("/v1/events.r1", first->id);
  EXPECT_FALSE(next(after)) << "the consumer is to list again";
}

TEST_F(BbsEvents, AreRefusedWhileTheRecordsAreLoaded) {
  std::promise<void> gate;
  const std::shared_future<void> opened = gate.get_future().share();
  std::vector<std::future<void>> busy;
  for (int i = 0; i < 2; ++i) {  // every worker
    auto hold = [](base::WorkerPool& workers, std::shared_future<void> until) -> asio::awaitable<void> {
      auto waiting = [until] { until.wait(); };
      co_await workers.run(std::move(waiting));
    };
    busy.push_back(asio::co_spawn(home_, hold(workers_, opened), asio::use_future));
  }
  auto starting = std::async(std::launch::async, [this] { start(); });
  address_ = run(address_once_it_listens());
  for (const char* path : {"/v1/events.r1", "/v1/events", "/v1/events/lrp_instances.r1", "/v1/events/tasks.r1"}) {
    net::HttpRequest request;
    request.method = std::string(path).starts_with("/v1/events/") ? "POST" : "GET";
    request.target = path;
    const auto response = run(send(std::move(request)));
    EXPECT_EQ(response.status, 503) << path;
    EXPECT_EQ(response.body, "");
  }
  gate.set_value();
  starting.get();
  for (auto& worker : busy) worker.get();
  Stream stream = subscribe(kInstanceStream);
  desire("p");
  EXPECT_TRUE(next(stream));
}

}  // namespace
}  // namespace rivera::bbs
