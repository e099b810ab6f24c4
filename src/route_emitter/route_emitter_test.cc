#include "route_emitter/route_emitter.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/work/wait.h"
#include "models/nouns/actual_lrp.h"
#include "net/http/http_router.h"
#include "net/sse/sse.h"
#include "net/testing/nats_test_server.h"
#include "routing/registry_message.h"

namespace rivera::route_emitter {
namespace {

using namespace std::chrono_literals;
using models::ActualLRP;

constexpr char kRoutes[] = R"([{"hostnames":["app.example.com"],"port":8080}])";

models::DesiredLRP desired(const std::string& guid, const std::string& routes, std::uint32_t index = 1,
                           int instances = 3) {
  models::DesiredLRP lrp;
  lrp.set_process_guid(guid);
  lrp.set_domain("d");
  lrp.set_log_guid("log");
  lrp.set_instances(instances);
  lrp.mutable_modification_tag()->set_epoch("e");
  lrp.mutable_modification_tag()->set_index(index);
  (*lrp.mutable_routes()->mutable_routes())["cf-router"] = routes;
  return lrp;
}

ActualLRP running(const std::string& guid, int lrp_index, std::uint32_t port, std::uint32_t index = 1) {
  ActualLRP lrp;
  *lrp.mutable_actual_lrp_key() = models::actual_lrp_key(guid, lrp_index, "d");
  *lrp.mutable_actual_lrp_instance_key() =
      models::actual_lrp_instance_key(fmt::format("{}-{}", guid, lrp_index), "cell");
  lrp.set_state(std::string(models::kRunning));
  lrp.mutable_actual_lrp_net_info()->set_address("10.0.0.1");
  auto* mapping = lrp.mutable_actual_lrp_net_info()->add_ports();
  mapping->set_container_port(8080);
  mapping->set_host_port(port);
  lrp.mutable_modification_tag()->set_epoch("a");
  lrp.mutable_modification_tag()->set_index(index);
  lrp.set_since(77);
  return lrp;
}

clients::BbsEvent event(std::string name, const google::protobuf::Message& message) {
  return {"1", std::move(name), message.SerializeAsString()};
}

clients::BbsEvent changed(const ActualLRP& before, const ActualLRP& after) {
  models::ActualLRPInstanceChangedEvent e;
  *e.mutable_actual_lrp_key() = after.actual_lrp_key();
  *e.mutable_actual_lrp_instance_key() = after.actual_lrp_instance_key();
  *e.mutable_before() = models::info_of(before);
  *e.mutable_after() = models::info_of(after);
  return event("actual_lrp_instance_changed", e);
}

std::string text(const std::vector<TableChange>& changes) {
  std::string out;
  for (const auto& change : changes) {
    if (std::holds_alternative<SetRoutes>(change)) out += "set ";
    if (std::holds_alternative<RemoveRoutes>(change)) out += "unset ";
    if (const auto* add = std::get_if<AddInstance>(&change))
      out += fmt::format("+{} ", static_cast<int>(add->lrp.presence()));
    if (const auto* gone = std::get_if<RemoveInstance>(&change))
      out += fmt::format("-{} ", static_cast<int>(gone->lrp.presence()));
  }
  return out;
}

TEST(ChangesOf, FollowsTheTableOfTheSpecification) {
  auto up = running("p", 0, 1);
  auto claimed = up;
  claimed.set_state(std::string(models::kClaimed));
  auto evacuating = up;
  evacuating.set_presence(ActualLRP::EVACUATING);
  auto suspect = up;
  suspect.set_presence(ActualLRP::SUSPECT);
  auto hidden = up;
  hidden.set_routable(false);
  auto shown = up;
  shown.set_routable(true);
  EXPECT_EQ(text(changes_of(changed(claimed, up))), "+0 ");
  EXPECT_EQ(text(changes_of(changed(up, claimed))), "-0 ");
  EXPECT_EQ(text(changes_of(changed(claimed, claimed))), "");
  EXPECT_EQ(text(changes_of(changed(up, evacuating))), "+1 -0 ");
  EXPECT_EQ(text(changes_of(changed(suspect, up))), "+0 ");
  EXPECT_EQ(text(changes_of(changed(shown, hidden))), "-0 ");
  EXPECT_EQ(text(changes_of(changed(up, hidden))), "-0 ") << "unset to false: upstream would wait for a fetch";
  EXPECT_EQ(text(changes_of(changed(hidden, shown))), "+0 ");
  models::ActualLRPInstanceCreatedEvent created;
  *created.mutable_actual_lrp() = up;
  EXPECT_EQ(text(changes_of(event("actual_lrp_instance_created", created))), "+0 ");
  *created.mutable_actual_lrp() = claimed;
  EXPECT_EQ(text(changes_of(event("actual_lrp_instance_created", created))), "");
  models::ActualLRPInstanceRemovedEvent removed;
  *removed.mutable_actual_lrp() = up;
  EXPECT_EQ(text(changes_of(event("actual_lrp_instance_removed", removed))), "-0 ");
  EXPECT_EQ(text(changes_of(event("desired_lrp_created", models::DesiredLRPCreatedEvent()))), "set ");
  EXPECT_EQ(text(changes_of(event("desired_lrp_removed", models::DesiredLRPRemovedEvent()))), "unset ");
  EXPECT_EQ(text(changes_of(event("actual_lrp_crashed", models::ActualLRPCrashedEvent()))), "");
  EXPECT_THROW(changes_of({"1", "desired_lrp_created", "\xff\xff"}), std::runtime_error);
}

TEST(ParseRouterInterval, TakesPositiveSecondsOnly) {
  EXPECT_EQ(parse_router_interval(R"({"minimumRegisterIntervalInSeconds":5,"pruneThresholdInSeconds":120})"), 5s);
  for (const char* bad :
       {"", "[]", "{}", R"({"minimumRegisterIntervalInSeconds":0})", R"({"minimumRegisterIntervalInSeconds":"5"})",
        R"({"minimumRegisterIntervalInSeconds":-1})"}) {
    EXPECT_EQ(parse_router_interval(bad), std::nullopt) << bad;
  }
}

// The part of a BBS that an emitter uses: three lists and a stream. Tests choose how it fails.
class StandInBbs {
 public:
  StandInBbs(asio::any_io_executor executor, std::string address) {
    add("/v1/domains/list", [](const std::string&) {
      models::DomainsResponse response;
      response.add_domains("d");
      return response.SerializeAsString();
    });
    add("/v1/actual_lrps/list", [this](const std::string& body) {
      models::ActualLRPsRequest request;
      request.ParseFromString(body);
      cell_asked_for = request.cell_id();
      ++syncs;
      models::ActualLRPsResponse response;
      for (const auto& lrp : instances) *response.add_actual_lrps() = lrp;
      return response.SerializeAsString();
    });
    add("/v1/desired_lrp_routing_infos/list", [this](const std::string& body) {
      models::DesiredLRPsRequest request;
      request.ParseFromString(body);
      models::DesiredLRPsResponse response;
      const auto& wanted = request.process_guids();
      for (const auto& lrp : desired) {
        const bool named = std::find(wanted.begin(), wanted.end(), lrp.process_guid()) != wanted.end();
        if (wanted.empty() || named) *response.add_desired_lrps() = lrp;
      }
      return response.SerializeAsString();
    });
    router_.add("POST", "/v1/events/lrp_instances.r1",
                [this](net::HttpExchange& exchange, const net::PathParameters&) { return stream(exchange); });
    net::HttpServerOptions options;
    options.address = std::move(address);
    server_ = std::make_unique<net::HttpServer>(executor, options, router_.handler(), base::Logger::discard());
    server_->listen();
    server_->start();
  }

  std::string address() const { return server_->address(); }
  asio::awaitable<void> stop() { return server_->stop(0s); }

  void say(const clients::BbsEvent& e) {
    said_.push_back(net::format_event({e.id, e.name, base::to_base64(e.payload)}));
  }

  std::vector<models::DesiredLRP> desired;
  std::vector<ActualLRP> instances;
  std::string cell_asked_for;
  int syncs = 0;
  int subscribers = 0;

 private:
  template <typename Answer>
  void add(const char* path, Answer answer) {
    router_.add_simple(
        "POST", path,
        [answer](net::HttpRequest request, const net::PathParameters&) -> asio::awaitable<net::HttpResponse> {
          net::HttpResponse response;
          response.headers.set("Content-Type", "application/x-protobuf");
          response.body = answer(request.body);
          co_return response;
        });
  }

  asio::awaitable<void> stream(net::HttpExchange& exchange) {
    co_await exchange.read_body(1000);
    net::ResponseHead head;
    head.headers.set("Content-Type", "text/event-stream; charset=utf-8");
    std::size_t at = said_.size();
    co_await exchange.begin_response(std::move(head));
    ++subscribers;
    for (;;) {
      while (at == said_.size()) co_await base::sleep_for(1ms);
      const std::string piece = said_[at++];
      co_await exchange.write_body(piece);
    }
  }

  std::vector<std::string> said_;
  net::HttpRouter router_;
  std::unique_ptr<net::HttpServer> server_;
};

class RouteEmitterTest : public ::testing::Test {
 protected:
  RouteEmitterTest() {
    config_.cell_id = "cell";
    config_.nats_addresses = {nats_.address()};
    config_.healthcheck_address = "127.0.0.1:0";
    config_.sync_interval = 1h;
    config_.jitter_factor = 0;
    config_.unregistration_interval = 20ms;
    config_.unregistration_send_count = 3;
  }

  // Starts an emitter beside a BBS and a bus listener, runs the body, stops everything.
  void with_emitter(std::function<asio::awaitable<void>()> body, std::function<void(StandInBbs&)> prepare = {}) {
    asio::io_context io;
    executor_ = asio::make_strand(io);
    std::exception_ptr failure;
    auto work = [&]() -> asio::awaitable<void> {
      bbs_ = std::make_unique<StandInBbs>(executor_, "127.0.0.1:0");
      if (prepare) prepare(*bbs_);
      config_.bbs.url = "http://" + bbs_->address();
      net::NatsClientOptions options;
      options.servers = {nats_.address()};
      options.reconnect_wait = 10ms;
      bus_ = std::make_unique<net::NatsClient>(executor_, options, base::Logger::discard());
      co_await bus_->connect();
      listen();
      co_await bus_->flush(10s);
      emitter_ = std::make_unique<RouteEmitter>(executor_, config_, base::Logger::discard(),
                                                [this](int s) { exit_status_ = s; });
      emitter_->start();
      co_await body();
    };
    auto guarded = [&]() -> asio::awaitable<void> {
      std::exception_ptr inner;
      try {
        co_await base::within(60s, "the test", work());
      } catch (...) {
        inner = std::current_exception();
      }
      if (emitter_) co_await emitter_->stop();
      subscriptions_.clear();
      if (bus_) co_await bus_->close();
      if (bbs_) co_await bbs_->stop();
      if (inner) std::rethrow_exception(inner);
    };
    asio::co_spawn(executor_, guarded(), [&](std::exception_ptr e) {
      failure = e;
      io.stop();
    });
    io.run();
    emitter_.reset();
    bus_.reset();
    bbs_.reset();
    executor_ = {};
    if (failure) std::rethrow_exception(failure);
  }

  // Records "register 10.0.0.1:61001 host", and replies to greetings as a router does.
  void listen() {
    subscriptions_.push_back(bus_->subscribe("router.*", [this](const net::NatsMessage& m) {
      if (m.subject == "router.greet") {
        ++greetings_;
        bus_->publish(m.reply, start_message_);
      }
      if (m.subject != "router.register" && m.subject != "router.unregister") return;
      const auto body = routing::parse_registry_message(m.payload);
      heard_.push_back(fmt::format("{} {}:{} {}", m.subject.substr(7), body.host, body.port, body.uris.at(0)));
    }));
  }

  static asio::awaitable<void> until(std::function<bool()> condition) {
    while (!condition()) co_await base::sleep_for(2ms);
  }
  std::ptrdiff_t count(const std::string& what) const { return std::count(heard_.begin(), heard_.end(), what); }

  net::NatsTestServer nats_;
  Config config_;
  asio::any_io_executor executor_;
  std::unique_ptr<StandInBbs> bbs_;
  std::unique_ptr<net::NatsClient> bus_;
  std::unique_ptr<RouteEmitter> emitter_;
  std::vector<net::NatsSubscription> subscriptions_;
  std::vector<std::string> heard_;
  int greetings_ = 0;
  int exit_status_ = -1;
  std::string start_message_ = R"({"minimumRegisterIntervalInSeconds":3600})";
};

const std::string kRegister1 = "register 10.0.0.1:61001 app.example.com";
const std::string kUnregister1 = "unregister 10.0.0.1:61001 app.example.com";

TEST_F(RouteEmitterTest, RegistersWhatItFindsAtTheStart) {
  with_emitter(
      [&]() -> asio::awaitable<void> {
        co_await until([&] { return count(kRegister1) == 1; });
        EXPECT_EQ(bbs_->cell_asked_for, "cell");
        EXPECT_EQ(exit_status_, -1);
        co_await until([&] { return greetings_ == 1; });
      },
      [](StandInBbs& bbs) {
        bbs.desired = {desired("p", kRoutes)};
        bbs.instances = {running("p", 0, 61001)};
      });
}

TEST_F(RouteEmitterTest, FollowsEvents) {
  with_emitter([&]() -> asio::awaitable<void> {
    co_await until([&] { return bbs_->subscribers == 1 && bbs_->syncs > 0; });
    // The process was desired earlier and runs on other cells: its routes are looked up when an instance is added on
    // this cell.
    bbs_->desired = {desired("p", kRoutes)};
    auto up = running("p", 0, 61001);
    auto before = up;
    before.set_state(std::string(models::kClaimed));
    bbs_->say(changed(before, up));
    co_await until([&] { return count(kRegister1) == 1; });

    models::DesiredLRPChangedEvent renamed;
    *renamed.mutable_after() = desired("p", R"([{"hostnames":["app.example.com","new"],"port":8080}])", 2);
    bbs_->say(event("desired_lrp_changed", renamed));
    co_await until([&] { return count("register 10.0.0.1:61001 new") == 1; });
    EXPECT_EQ(count(kRegister1), 1);

    models::DesiredLRPChangedEvent scaled;
    *scaled.mutable_after() = desired("p", kRoutes, 3, 0);
    bbs_->say(event("desired_lrp_changed", scaled));
    co_await until([&] { return count(kUnregister1) > 0; });
  });
}

TEST_F(RouteEmitterTest, IgnoresProcessesOfOtherCells) {
  with_emitter([&]() -> asio::awaitable<void> {
    co_await until([&] { return bbs_->subscribers == 1 && bbs_->syncs > 0; });
    models::DesiredLRPCreatedEvent created;
    *created.mutable_desired_lrp() = desired("foreign", kRoutes);
    bbs_->say(event("desired_lrp_created", created));
    bbs_->desired = {desired("p", kRoutes)};
    auto up = running("p", 0, 61001);
    auto before = up;
    before.set_state(std::string(models::kClaimed));
    bbs_->say(changed(before, up));
    co_await until([&] { return count(kRegister1) == 1; });
    EXPECT_EQ(heard_.size(), 1u);
  });
}

TEST_F(RouteEmitterTest, RepeatsAnUnregistrationUntilTheRouteIsRegisteredAgain) {
  with_emitter(
      [&]() -> asio::awaitable<void> {
        co_await until([&] { return count(kRegister1) == 1 && bbs_->subscribers == 1; });
        models::ActualLRPInstanceRemovedEvent removed;
        *removed.mutable_actual_lrp() = running("p", 0, 61001);
        bbs_->say(event("actual_lrp_instance_removed", removed));
        co_await until([&] { return count(kUnregister1) == 4; });  // once, and three times more
        co_await base::sleep_for(200ms);
        EXPECT_EQ(count(kUnregister1), 4);

        auto again = running("p", 1, 61001, 5);
        models::ActualLRPInstanceCreatedEvent created;
        *created.mutable_actual_lrp() = again;
        bbs_->say(event("actual_lrp_instance_created", created));
        co_await until([&] { return count(kRegister1) == 2; });
        *removed.mutable_actual_lrp() = again;
        bbs_->say(event("actual_lrp_instance_removed", removed));
        co_await until([&] { return count(kUnregister1) >= 5; });
        *created.mutable_actual_lrp() = running("p", 2, 61001, 6);
        bbs_->say(event("actual_lrp_instance_created", created));
        co_await until([&] { return heard_.back() == kRegister1; });
        const auto so_far = count(kUnregister1);
        co_await base::sleep_for(200ms);
        EXPECT_EQ(count(kUnregister1), so_far);
      },
      [](StandInBbs& bbs) {
        bbs.desired = {desired("p", kRoutes)};
        bbs.instances = {running("p", 0, 61001)};
      });
}

TEST_F(RouteEmitterTest, BroadcastsAtTheRequestedIntervalAndWhenARouterStarts) {
  start_message_ = R"({"minimumRegisterIntervalInSeconds":1})";
  with_emitter(
      [&]() -> asio::awaitable<void> {
        co_await until([&] { return count(kRegister1) == 3; });
        start_message_ = R"({"minimumRegisterIntervalInSeconds":3600})";
        const auto before = count(kRegister1);
        bus_->publish("router.start", start_message_);
        co_await until([&] { return count(kRegister1) > before; });
        EXPECT_EQ(count(kUnregister1), 0);
      },
      [](StandInBbs& bbs) {
        bbs.desired = {desired("p", kRoutes)};
        bbs.instances = {running("p", 0, 61001)};
      });
}

TEST_F(RouteEmitterTest, RecoversAfterTheBbsWasUnavailable) {
  with_emitter(
      [&]() -> asio::awaitable<void> {
        co_await until([&] { return count(kRegister1) == 1 && bbs_->subscribers == 1; });
        const std::string address = bbs_->address();
        co_await bbs_->stop();
        bbs_ = std::make_unique<StandInBbs>(executor_, address);
        bbs_->desired = {desired("p", kRoutes)};
        bbs_->instances = {running("p", 1, 61002)};
        co_await until(
            [&] { return count("register 10.0.0.1:61002 app.example.com") == 1 && count(kUnregister1) > 0; });
      },
      [](StandInBbs& bbs) {
        bbs.desired = {desired("p", kRoutes)};
        bbs.instances = {running("p", 0, 61001)};
      });
}

TEST_F(RouteEmitterTest, RecoversAfterTheBusWasDisconnected) {
  with_emitter(
      [&]() -> asio::awaitable<void> {
        co_await until([&] { return count(kRegister1) == 1 && bbs_->subscribers == 1 && greetings_ == 1; });
        nats_.stop();
        models::ActualLRPInstanceCreatedEvent created;
        *created.mutable_actual_lrp() = running("p", 1, 61002);
        bbs_->say(event("actual_lrp_instance_created", created));
        co_await base::sleep_for(50ms);
        nats_.start();
        co_await until([&] { return bus_->is_connected(); });
        // A router.start after the reconnection makes the emitter publish everything again.
        bus_->publish("router.start", start_message_);
        co_await until([&] { return count("register 10.0.0.1:61002 app.example.com") >= 1; });
        EXPECT_EQ(exit_status_, -1);
      },
      [](StandInBbs& bbs) {
        bbs.desired = {desired("p", kRoutes)};
        bbs.instances = {running("p", 0, 61001)};
      });
}

TEST_F(RouteEmitterTest, LeavesOutInstancesThatAreNotRoutable) {
  with_emitter(
      [&]() -> asio::awaitable<void> {
        co_await until([&] { return count(kRegister1) == 1; });
        EXPECT_EQ(heard_.size(), 1u);
      },
      [](StandInBbs& bbs) {
        bbs.desired = {desired("p", kRoutes)};
        auto hidden = running("p", 1, 61002);
        hidden.set_routable(false);
        auto claimed = running("p", 2, 61003);
        claimed.set_state(std::string(models::kClaimed));
        bbs.instances = {hidden, claimed, running("p", 0, 61001)};
      });
}

TEST_F(RouteEmitterTest, EndsWhenThereIsNoBusAtTheStart) {
  nats_.stop();
  asio::io_context io;
  config_.bbs.url = "http://127.0.0.1:1";
  RouteEmitter emitter(io.get_executor(), config_, base::Logger::discard(), [&](int status) {
    exit_status_ = status;
    io.stop();
  });
  emitter.start();
  io.run_for(20s);
  EXPECT_EQ(exit_status_, 1);
  EXPECT_EQ(emitter.health_address(), "");
}

TEST(RouteEmitterConfig, NamesWhatIsWrong) {
  base::TemporaryDirectory directory;
  const auto file = directory.path() / "config.json";
  const auto failure = [&](const std::string& json) -> std::string {
    base::write_file_atomically(file, json);
    try {
      load_config(file.string());
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  };
  const std::string common = R"({"bbs_address":"https://b","nats_addresses":"a:1, b:2")";
  EXPECT_EQ(failure(common + R"(,"cell_id":"c"})"), "");
  EXPECT_NE(failure(common + "}").find("uuid"), std::string::npos);
  EXPECT_NE(failure(R"({"bbs_address":"https://b","cell_id":"c"})").find("nats_addresses"), std::string::npos);
  EXPECT_NE(failure(common + R"(,"cell_id":"c","tcp_route_ttl":"24h"})").find("invalid-route-ttl"), std::string::npos);
  EXPECT_NE(failure(common + R"(,"cell_id":"c","route_emitting_workers":0})").find("route_emitting_workers"),
            std::string::npos);
  base::write_file_atomically(file, common + R"(,"cell_id":"c","sync_interval":"1h"})");
  const Config config = load_config(file.string());
  EXPECT_EQ(config.nats_addresses, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(config.sync_interval, 1h);
  EXPECT_TRUE(config.is_local());
}

}  // namespace
}  // namespace rivera::route_emitter
