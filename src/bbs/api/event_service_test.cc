// Event streams over a real server: how they begin, continue, break, resume and end (docs/spec/bbs.md §3.3, §3.4,
// §9.4).
#include "bbs/api/event_service.h"

#include <atomic>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>

#include "base/units.h"
#include "base/work/wait.h"
#include "bbs/events/event_testing.h"
#include "net/http/http_server.h"

namespace rivera::bbs {
namespace {

using namespace std::chrono_literals;

std::string filtered_on(const std::string& cell) {
  models::EventsByCellId filter;
  filter.set_cell_id(cell);
  return filter.SerializeAsString();
}

// The hub and its routes behind a server of their own, run by two threads: connections are not on the home strand.
class EventStreams : public testing::Test {
 protected:
  template <typename Work>
  auto at_home(Work work) {
    auto there = [](Work what) -> asio::awaitable<decltype(work())> { co_return what(); };
    return asio::co_spawn(home_, there(std::move(work)), asio::use_future).get();
  }

  explicit EventStreams(std::chrono::nanoseconds write_limit = 1min) {
    api_.emplace(router_, workers_, Api::Options{[this] { return has_lock_.load(); }}, probe_, base::Logger::discard());
    hub_.emplace(home_, EventRing::Limits{1000, 256u << 20});
    service_.emplace(router_, *api_, *hub_, write_limit);
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    server_.emplace(io_.get_executor(), std::move(options), router_.handler(), base::Logger::discard());
    server_->listen();
    server_->start();
    for (std::thread& thread : threads_) thread = std::thread([this] { io_.run(); });
  }
  ~EventStreams() override {
    stop();
    at_home([this] { hub_.reset(); });
    server_.reset();
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
  }

  void stop() {
    at_home([this] { hub_->close(); });
    asio::co_spawn(home_, server_->stop(5s), asio::use_future).get();
  }

  void publish(Events events) {
    at_home([&] { hub_->publish(events); });
  }
  std::size_t subscribers() {
    return at_home([this] { return hub_->subscribers(); });
  }
  bool becomes(std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (subscribers() != count) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::unique_ptr<StreamClient> open(const std::string& path, const std::string& body = "",
                                     const std::string& last_event_id = "") {
    const bool is_get = path == "/v1/events" || path == "/v1/events.r1";
    auto client =
        std::make_unique<StreamClient>(server_->address(), is_get ? "GET" : "POST", path, body, last_event_id);
    client->head();
    return client;
  }
  // Names of the next `count` events.
  static std::vector<std::string> names(StreamClient& client, int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) {
      const auto event = client.next();
      out.push_back(event ? event->name : "(end)");
    }
    return out;
  }

  std::atomic<bool> has_lock_ = true;
  asio::io_context io_{2};
  asio::any_io_executor home_ = asio::make_strand(io_);
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  base::Metrics metrics_{"bbs"};
  BbsProbe probe_{metrics_, {}};
  base::WorkerPool workers_{1};
  net::HttpRouter router_;
  std::optional<Api> api_;
  std::optional<EventHub> hub_;
  std::optional<EventService> service_;
  std::optional<net::HttpServer> server_;
  std::array<std::thread, 2> threads_;
};

using Names = std::vector<std::string>;

TEST_F(EventStreams, BeginWithTheHeadBeforeAnyEventAndStaySilent) {
  const auto client = open(kInstanceStream);
  EXPECT_EQ(client->head(),
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: text/event-stream; charset=utf-8\r\n"
            "Cache-Control: no-cache, no-store, must-revalidate\r\n"
            "Connection: keep-alive\r\n"
            "Transfer-Encoding: chunked\r\n\r\n");
  ASSERT_TRUE(becomes(1));
  publish({task_created()});
  publish({created_on("a")});
  const auto event = client->next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->name, "actual_lrp_instance_created") << "nothing before it";
  EXPECT_TRUE(client->is_silent());
}

TEST_F(EventStreams, CarryTheEventsOfTheirHubsInTheirForm) {
  const auto groups = open("/v1/events.r1"), groups_r0 = open("/v1/events");
  const auto instances = open(kInstanceStream), instances_r0 = open("/v1/events/lrp_instances");
  const auto tasks = open(kTaskStream), tasks_r0 = open("/v1/events/tasks", "\xff not looked at");
  auto lrp = models::testing::a_desired_lrp("p").build();
  lrp.set_start_timeout_ms(7000);
  const ActualLRPPtr running = record(models::testing::an_actual_lrp("p", 0).running_on("a", "i"));
  publish({{Hub::kDesired, DesiredLRPEvent{nullptr, make_desired_lrp(lrp, 0), "trace"}},
           group_event({}, {running, nullptr}),
           instance_event(nullptr, running, "trace"),
           task_created()});
  for (StreamClient* client : {groups.get(), groups_r0.get(), instances.get(), instances_r0.get()}) {
    const auto desired = client->next();
    ASSERT_TRUE(desired);
    EXPECT_EQ(desired->name, "desired_lrp_created");
    const auto message = message_in<models::DesiredLRPCreatedEvent>(*desired);
    EXPECT_EQ(message.trace_id(), "trace");
    const bool is_r0 = client == groups_r0.get() || client == instances_r0.get();
    EXPECT_EQ(message.desired_lrp().deprecated_start_timeout_s(), is_r0 ? 7u : 0u);
  }
  for (StreamClient* client : {groups.get(), groups_r0.get()})
    EXPECT_EQ(names(*client, 1), Names({"actual_lrp_created"}));
  for (StreamClient* client : {instances.get(), instances_r0.get()}) {
    EXPECT_EQ(names(*client, 1), Names({"actual_lrp_instance_created"}));
  }
  for (StreamClient* client : {tasks.get(), tasks_r0.get()}) EXPECT_EQ(names(*client, 1), Names({"task_created"}));
}

TEST_F(EventStreams, FilterByCellAllButDesiredEvents) {
  const auto instances = open(kInstanceStream, filtered_on("a"));
  const auto groups = open("/v1/events.r1", filtered_on("a"));
  const ActualLRPPtr a = record(models::testing::an_actual_lrp("p", 0).running_on("a", "i"));
  const ActualLRPPtr b = record(models::testing::an_actual_lrp("p", 1).running_on("b", "j"));
  publish({instance_event(nullptr, b), group_event({}, {b, nullptr}), desired_created(), instance_event(nullptr, a),
           group_event({}, {a, nullptr})});
  EXPECT_EQ(names(*instances, 2), Names({"desired_lrp_created", "actual_lrp_instance_created"}));
  EXPECT_EQ(names(*groups, 2), Names({"desired_lrp_created", "actual_lrp_created"}));
}

TEST_F(EventStreams, GiveTheEventsOfOneHubInTheOrderOfTheirCommits) {
  const auto client = open(kInstanceStream);
  for (int i = 0; i < 300; ++i) publish({created_on("a", 2 * i), created_on("b", 2 * i + 1)});
  EventId last = 0;
  for (int i = 0; i < 600; ++i) {
    const auto event = client->next();
    ASSERT_TRUE(event);
    EXPECT_EQ(message_in<models::ActualLRPInstanceCreatedEvent>(*event).actual_lrp().actual_lrp_key().index(), i);
    EXPECT_GT(std::stoull(event->id), last);
    last = std::stoull(event->id);
  }
}

TEST_F(EventStreams, AreRefusedForABodyThatCannotBeRead) {
  for (const char* path : {"/v1/events.r1", "/v1/events", "/v1/events/lrp_instances.r1", "/v1/events/lrp_instances"}) {
    const auto client = open(path, "\xff");
    EXPECT_EQ(client->status(), 500);
    EXPECT_NE(client->head().find("Content-Length: 0\r\n"), std::string::npos);
  }
  EXPECT_EQ(subscribers(), 0u);
}

TEST_F(EventStreams, AreRefusedWithoutTheLock) {
  has_lock_ = false;
  EXPECT_EQ(open(kTaskStream)->status(), 503);
}

TEST_F(EventStreams, EndCleanlyWhenTheHubCloses) {
  const auto client = open(kInstanceStream);
  publish({created_on("a")});
  stop();
  EXPECT_EQ(names(*client, 2), Names({"actual_lrp_instance_created", "(end)"}));
  EXPECT_TRUE(client->is_closed_by_server());
}

TEST_F(EventStreams, AreTakenUpAfterABreakWithoutLossOrRepetition) {
  auto client = open(kInstanceStream, filtered_on("a"));
  publish({created_on("a", 0), created_on("b", 1), created_on("a", 2)});
  const auto first = client->next();
  ASSERT_TRUE(first);
  client.reset();
  ASSERT_TRUE(becomes(0));
  publish({created_on("a", 3), created_on("b", 4), desired_created()});

  const auto indices = [](StreamClient& from, int count) {
    std::vector<int> out;
    for (int i = 0; i < count; ++i) {
      const auto event = from.next();
      if (!event || event->name != "actual_lrp_instance_created") return out;
      out.push_back(message_in<models::ActualLRPInstanceCreatedEvent>(*event).actual_lrp().actual_lrp_key().index());
    }
    return out;
  };
  client = open(kInstanceStream, filtered_on("a"), first->id);
  EXPECT_EQ(indices(*client, 2), std::vector<int>({2, 3}));
  EXPECT_EQ(names(*client, 1), Names({"desired_lrp_created"}));
  const auto wider = open(kInstanceStream, "", first->id);
  EXPECT_EQ(indices(*wider, 4), std::vector<int>({1, 2, 3, 4})) << "with another filter";
  const auto other = open(kInstanceStream, filtered_on("b"), first->id);
  EXPECT_EQ(indices(*other, 2), std::vector<int>({1, 4}));

  ASSERT_TRUE(becomes(3));
  publish({created_on("a", 5)});
  EXPECT_EQ(indices(*client, 1), std::vector<int>({5})) << "and it continues";
}

TEST_F(EventStreams, BeginNowWithAnEmptyLastEventId) {
  publish({created_on("a", 0)});
  const auto client = open(kInstanceStream);
  publish({created_on("a", 1)});
  const auto event = client->next();
  ASSERT_TRUE(event);
  EXPECT_EQ(message_in<models::ActualLRPInstanceCreatedEvent>(*event).actual_lrp().actual_lrp_key().index(), 1);
}

TEST_F(EventStreams, EndCleanlyWhereTheyCannotBeTakenUp) {
  auto client = open(kInstanceStream);
  publish({created_on("a")});
  const auto old = client->next();
  ASSERT_TRUE(old);
  publish(Events(1001, created_on("a")));
  for (const std::string& id : {old->id, std::string("0"), std::string("1234567890123456789"), std::string("x-1")}) {
    const auto again = open(kInstanceStream, "", id);
    EXPECT_EQ(again->status(), 200);
    EXPECT_FALSE(again->next()) << id;
    EXPECT_TRUE(again->is_closed_by_server());
  }
}

TEST_F(EventStreams, OfADisconnectedClientAreRemoved) {
  auto waiting = open(kInstanceStream), halfway = open(kTaskStream);
  ASSERT_TRUE(becomes(2));
  waiting.reset();
  EXPECT_TRUE(becomes(1));
  publish({task_created()});
  ASSERT_TRUE(halfway->next());
  halfway.reset();
  EXPECT_TRUE(becomes(0));
}

TEST_F(EventStreams, IgnoreWhatTheirClientSays) {
  const auto client = open(kInstanceStream);
  for (int i = 0; i < 10; ++i) client->send_bytes(std::string(1000, 'x'));
  ASSERT_TRUE(becomes(1));
  publish({created_on("a")});
  EXPECT_TRUE(client->next());
}

class SlowClients : public EventStreams {
 protected:
  using EventStreams::EventStreams;

  // Events of 20 KB.
  static Event large_event(int index) {
    models::ActualLRP lrp = models::testing::an_actual_lrp("p", index).running_on("a", "i");
    (*lrp.mutable_metric_tags())["padding"] = std::string(15'000, 'x');
    return instance_event(nullptr, record(lrp));
  }
  std::unique_ptr<StreamClient> open_slow() {
    auto client =
        std::make_unique<StreamClient>(server_->address(), "POST", kInstanceStream, "", "", 64 * base::kKibibyte);
    client->head();
    return client;
  }
  void publish_large(int count) {
    for (int i = 0; i < count; ++i) publish({large_event(i)});
  }
};

class StuckClients : public SlowClients {
 protected:
  StuckClients() : SlowClients(300ms) {}
};

TEST_F(StuckClients, AreCutOff) {
  const auto stuck = open_slow();
  const auto healthy = open(kInstanceStream, filtered_on("b"));
  ASSERT_TRUE(becomes(2));
  publish_large(900);  // 18 MB, more than any socket takes
  EXPECT_TRUE(becomes(1)) << "after the write limit";
  EXPECT_FALSE(stuck->drains_to("0\r\n\r\n")) << "it must not look like a clean end";
  publish({created_on("b")});
  EXPECT_TRUE(healthy->next());
}

TEST_F(SlowClients, GetEverythingIfTheRingStillHasIt) {
  const auto slow = open_slow();
  ASSERT_TRUE(becomes(1));
  publish_large(900);
  for (int i = 0; i < 900; ++i) {
    const auto event = slow->next();
    ASSERT_TRUE(event) << i;
    ASSERT_EQ(message_in<models::ActualLRPInstanceCreatedEvent>(*event).actual_lrp().actual_lrp_key().index(), i);
  }
}

TEST_F(SlowClients, EndCleanlyWhenTheRingOvertakesThem) {
  const auto slow = open_slow();
  ASSERT_TRUE(becomes(1));
  publish_large(500);  // fills the connection
  Events many;
  for (int i = 0; i < 1500; ++i) many.push_back(created_on("a", 500 + i));
  publish(many);
  int next = 0;
  while (const auto event = slow->next()) {
    ASSERT_EQ(message_in<models::ActualLRPInstanceCreatedEvent>(*event).actual_lrp().actual_lrp_key().index(), next);
    ++next;
  }
  EXPECT_LT(next, 500) << "no event behind the gap";
}

}  // namespace
}  // namespace rivera::bbs
