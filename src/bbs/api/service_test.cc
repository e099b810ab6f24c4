// The BBS over HTTP: form, failures, streams, and its requests to other components.
#include <algorithm>
#include <set>

#include <boost/json.hpp>

#include "base/testing/test_run.h"
#include "base/work/task_group.h"
#include "bbs/program/bbs_harness.h"
#include "models/forms/json.h"
#include "models/testing/testing.h"
#include "net/http/http_router.h"
#include "net/http/http_server.h"
#include "net/sse/sse.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;
using models::testing::a_desired_lrp;

// Another component, which records its requests.
class Recorder {
 public:
  struct Request {
    std::string method, path, body, trace_id;
  };

  explicit Recorder(asio::any_io_executor executor)
      : server_(
            executor, options(), [this](net::HttpExchange& exchange) { return take(exchange); },
            base::Logger::discard()) {
    server_.listen();
    server_.start();
  }
  std::string url() const { return "http://" + server_.address(); }
  asio::awaitable<void> stop() { return server_.stop(std::chrono::seconds(1)); }
  // On the executor only.
  std::vector<Request> requests;
  int status = 202;
  std::string body;
  std::string redirects_to;  // answers "/done" with 307 to it

 private:
  static net::HttpServerOptions options() {
    net::HttpServerOptions options;
    options.address = "127.0.0.1:0";
    return options;
  }
  asio::awaitable<void> take(net::HttpExchange& exchange) {
    Request request{exchange.request().method, std::string(exchange.request().path()), "",
                    std::string(exchange.request().headers.get("X-Vcap-Request-Id"))};
    request.body = co_await exchange.read_body(1 << 20);
    requests.push_back(std::move(request));
    net::HttpResponse response;
    response.status = status;
    response.body = body;
    if (!redirects_to.empty() && exchange.request().path() == "/done") {
      response.status = 307;
      response.headers.set("Location", redirects_to);
    }
    co_await exchange.respond(std::move(response));
  }
  net::HttpServer server_;
};

class BbsService : public BbsHarness {
 protected:
  BbsService() {
    make_other(auctioneer_);
    make_other(other_);
    config_.auctioneer.url = auctioneer_->url();
  }
  ~BbsService() override {
    run(auctioneer_->stop());
    run(other_->stop());
  }

  void make_other(std::unique_ptr<Recorder>& into) { run(make(into)); }
  asio::awaitable<void> make(std::unique_ptr<Recorder>& into) {
    into = std::make_unique<Recorder>(home_);
    co_return;
  }

  // Waits for a request to another component and gives it.
  Recorder::Request wait_for(Recorder& recorder, const std::string& path) { return run(seen(recorder, path)); }
  asio::awaitable<Recorder::Request> seen(Recorder& recorder, std::string path) {
    const auto find = [&] { return std::ranges::find(recorder.requests, path, &Recorder::Request::path); };
    co_await base::eventually("a request to " + path, [&] { return find() != recorder.requests.end(); });
    co_return *find();
  }

  void set_cells(std::vector<models::CellPresence> cells) { run(set_cells_at_home(std::move(cells))); }
  asio::awaitable<void> set_cells_at_home(std::vector<models::CellPresence> cells) {
    cells_.present = std::move(cells);
    co_return;
  }

  models::DesiredLRPLifecycleResponse desire(const std::string& guid, int instances) {
    models::DesireLRPRequest request;
    *request.mutable_desired_lrp() = a_desired_lrp(guid).with_instances(instances);
    return call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", request);
  }

  void start_instance(const std::string& guid, int index, const std::string& cell) {
    models::StartActualLRPRequest request;
    *request.mutable_actual_lrp_key() = models::actual_lrp_key(guid, index, a_desired_lrp(guid).build().domain());
    *request.mutable_actual_lrp_instance_key() = models::actual_lrp_instance_key("i", cell);
    request.mutable_actual_lrp_net_info()->set_address("10.0.0.1");
    const auto response = call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/start.r1", request);
    ASSERT_FALSE(response.has_error()) << response.error().message();
  }

  models::CellPresence cell_of_recorder(const std::string& id) {
    models::CellPresence cell = models::testing::a_cell(id);
    cell.set_rep_address(other_->url());
    cell.clear_rep_url();
    return cell;
  }

  std::unique_ptr<Recorder> auctioneer_, other_;
};

TEST_F(BbsService, AnswersUnknownRoutesAndMethodsAsHttpDoes) {
  start();
  EXPECT_EQ(post("/v1/nope", "").status, 404);
  EXPECT_EQ(post("/v1/desired_lrp/desire.r0", "").status, 404);
  net::HttpRequest get;
  get.method = "GET";
  get.target = "/v1/ping";
  const auto response = run(send(std::move(get)));
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.get("Allow"), "POST");
}

TEST_F(BbsService, AnswersGarbageWithAnErrorAndContinues) {
  start();
  models::DesiredLRPLifecycleResponse response;
  ASSERT_TRUE(response.ParseFromString(post("/v1/desired_lrp/desire.r2", "\xff\xff\xff").body));
  EXPECT_EQ(response.error().type(), models::Error::InvalidRequest);
  models::EvacuationResponse evacuation;
  ASSERT_TRUE(evacuation.ParseFromString(post("/v1/actual_lrps/evacuate_running.r1", "").body));
  EXPECT_TRUE(evacuation.has_error());
  EXPECT_TRUE(evacuation.keep_container());
  ASSERT_TRUE(evacuation.ParseFromString(post("/v1/actual_lrps/evacuate_stopped", "").body));
  EXPECT_TRUE(evacuation.has_error());
  EXPECT_FALSE(evacuation.keep_container());
  EXPECT_EQ(post("/v1/events/lrp_instances.r1", "\xff").status, 500);
  models::PingResponse ping;
  ASSERT_TRUE(ping.ParseFromString(post("/v1/ping", "\xff").body));
  EXPECT_TRUE(ping.available());
  EXPECT_EQ(post("/v1/ping", std::string(100'000, 'x')).status, 413);
}

TEST_F(BbsService, RefusesClientsWithoutACertificate) {
  start();
  net::HttpClientOptions options;
  options.tls = net::TlsContext::client({"", "", certificates_.ca_file()});
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/v1/ping";
  auto attempt = [](asio::any_io_executor home, net::HttpClientOptions with, std::string address,
                    net::HttpRequest what) -> asio::awaitable<void> {
    net::HttpClient client(home, std::move(with));
    auto sending = client.send(net::Endpoint::parse("https://" + address), std::move(what));
    co_await std::move(sending);
  };
  EXPECT_THROW(run(attempt(home_, std::move(options), address_, std::move(request))), std::exception);
}

TEST_F(BbsService, SaysNothingWithoutTheLock) {
  start();
  has_lock_ = false;
  EXPECT_EQ(post("/v1/ping", "").status, 503);
  EXPECT_EQ(post("/v1/events/tasks.r1", "").status, 503);
}

TEST_F(BbsService, ServesTheSameRecordsAfterARestart) {
  start();
  ASSERT_FALSE(desire("p", 3).has_error());
  start_instance("p", 1, "cell");
  const auto before = call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest());
  stop();
  start();
  const auto after = call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest());
  ASSERT_EQ(after.actual_lrps_size(), 3);
  std::set<std::string> texts_before, texts_after;
  for (const auto& lrp : before.actual_lrps()) texts_before.insert(lrp.DebugString());
  for (const auto& lrp : after.actual_lrps()) texts_after.insert(lrp.DebugString());
  EXPECT_EQ(texts_before, texts_after);
  EXPECT_EQ(desire("p", 3).error().type(), models::Error::ResourceExists);
}

TEST_F(BbsService, AsksTheAuctioneerToPlaceWhatIsDesired) {
  start();
  desire("p", 2);
  const auto request = wait_for(*auctioneer_, "/v1/lrps");
  const json::value body = json::parse(request.body);
  ASSERT_EQ(body.as_array().size(), 1u);
  EXPECT_EQ(body.at(0).at("process_guid").as_string(), "p");
  EXPECT_EQ(json::serialize(body.at(0).at("indices")), "[0,1]");
}

TEST_F(BbsService, StopsWhatIsNotWantedAnyMoreOnItsCell) {
  start();
  set_cells({cell_of_recorder("cell")});
  desire("p", 1);
  start_instance("p", 0, "cell");
  models::RemoveDesiredLRPRequest request;
  request.set_process_guid("p");
  call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/remove", request);
  EXPECT_EQ(wait_for(*other_, "/v1/lrps/p/instances/i/stop").method, "POST");
}

TEST_F(BbsService, RetireAsksTheCellOrRemovesWhatHasNone) {
  start();
  set_cells({cell_of_recorder("cell")});
  desire("p", 2);
  start_instance("p", 0, "cell");
  start_instance("p", 1, "gone");
  for (int index : {0, 1}) {
    models::RetireActualLRPRequest request;
    *request.mutable_actual_lrp_key() = models::actual_lrp_key("p", index, a_desired_lrp("p").build().domain());
    EXPECT_FALSE(call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/retire", request).has_error());
  }
  wait_for(*other_, "/v1/lrps/p/instances/i/stop");
  const auto left = call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest());
  ASSERT_EQ(left.actual_lrps_size(), 1);
  EXPECT_EQ(left.actual_lrps(0).actual_lrp_key().index(), 0);
}

class TaskCallback : public BbsService {
 protected:
  void fail_a_task_with_callback() {
    models::DesireTaskRequest desire;
    desire.set_task_guid("t");
    desire.set_domain("d");
    *desire.mutable_task_definition() = models::testing::a_task_definition().with_callback(other_->url() + "/done?x=1");
    ASSERT_FALSE(call<models::TaskLifecycleResponse>("/v1/tasks/desire.r2", desire).has_error());
    models::TaskGuidRequest cancel;
    cancel.set_task_guid("t");
    ASSERT_FALSE(call<models::TaskLifecycleResponse>("/v1/tasks/cancel", cancel).has_error());
  }
  models::TaskResponse get() {
    models::TaskByGuidRequest request;
    request.set_task_guid("t");
    return call<models::TaskResponse>("/v1/tasks/get_by_task_guid.r3", request);
  }
  template <typename Condition>
  void wait_until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kTestTimeout;
    while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_TRUE(condition());
  }
};

TEST_F(TaskCallback, NotifiesTheOwnerAndDeletesTheTask) {
  run([](Recorder& r) -> asio::awaitable<void> {
    r.status = 404;  // any answer counts as delivered
    co_return;
  }(*other_));
  start();
  fail_a_task_with_callback();
  const json::value body = json::parse(wait_for(*other_, "/done").body);
  EXPECT_EQ(body.at("task_guid").as_string(), "t");
  EXPECT_TRUE(body.at("failed").as_bool());
  EXPECT_EQ(body.at("failure_reason").as_string(), "task was cancelled");
  wait_until([this] { return get().error().type() == models::Error::ResourceNotFound; });
}

TEST_F(TaskCallback, TriesThreeTimesAndLeavesTheRestToConvergence) {
  run([](Recorder& r) -> asio::awaitable<void> {
    r.status = 503;
    co_return;
  }(*other_));
  start();
  fail_a_task_with_callback();
  const auto calls = [this] {
    return run([](Recorder& r) -> asio::awaitable<std::size_t> { co_return r.requests.size(); }(*other_));
  };
  wait_until([&] { return calls() == 3; });
  EXPECT_EQ(get().task().state(), models::Task::Resolving);
}

TEST_F(TaskCallback, FollowsARedirectWithItsBody) {
  run([](Recorder& r) -> asio::awaitable<void> {
    r.redirects_to = "/elsewhere?y=2";
    co_return;
  }(*other_));
  start();
  fail_a_task_with_callback();
  const Recorder::Request request = wait_for(*other_, "/elsewhere");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(json::parse(request.body).at("task_guid").as_string(), "t");
  wait_until([this] { return get().error().type() == models::Error::ResourceNotFound; });
}

TEST_F(TaskCallback, ARedirectWithoutEndIsNotDelivered) {
  run([](Recorder& r) -> asio::awaitable<void> {
    r.redirects_to = "/done";
    co_return;
  }(*other_));
  start();
  fail_a_task_with_callback();
  const auto calls = [this] {
    return run([](Recorder& r) -> asio::awaitable<std::size_t> { co_return r.requests.size(); }(*other_));
  };
  wait_until([&] { return calls() == 11; });
  EXPECT_EQ(get().task().state(), models::Task::Resolving);
}

TEST_F(TaskCallback, AHugeAnswerIsDelivered) {
  run([](Recorder& r) -> asio::awaitable<void> {
    r.status = 200;
    r.body.assign(4 << 20, 'x');
    co_return;
  }(*other_));
  start();
  fail_a_task_with_callback();
  wait_until([this] { return get().error().type() == models::Error::ResourceNotFound; });
}

TEST_F(BbsService, FiltersListsAsAsked) {
  start();
  desire("p", 2);
  desire("q", 1);
  start_instance("p", 1, "cell");
  const auto count = [this](auto change) {
    models::ActualLRPsRequest request;
    change(request);
    return call<models::ActualLRPsResponse>("/v1/actual_lrps/list", request).actual_lrps_size();
  };
  EXPECT_EQ(count([](auto&) {}), 3);
  EXPECT_EQ(count([](auto& r) { r.set_index(0); }), 2) << "index 0 counts if it is given";
  EXPECT_EQ(count([](auto& r) { r.set_cell_id("cell"); }), 1);
  EXPECT_EQ(count([](auto& r) {
              r.set_cell_id("cell");
              r.set_process_guid("q");
            }),
            0);
  const std::string domain = a_desired_lrp("p").build().domain();
  EXPECT_EQ(count([&](auto& r) { r.set_domain(domain); }), 3);
  EXPECT_EQ(count([](auto& r) { r.set_domain("another"); }), 0);
  models::ActualLRPGroupsRequest groups;
  groups.set_domain(domain);
  EXPECT_EQ(call<models::ActualLRPGroupsResponse>("/v1/actual_lrp_groups/list", groups).actual_lrp_groups_size(), 3);
  groups.set_cell_id("cell");
  EXPECT_EQ(call<models::ActualLRPGroupsResponse>("/v1/actual_lrp_groups/list", groups).actual_lrp_groups_size(), 1);
  models::ActualLRPsByProcessGuidsRequest by_guids;
  by_guids.add_process_guids("p");
  by_guids.add_process_guids("p");
  by_guids.add_process_guids("none");
  EXPECT_EQ(call<models::ActualLRPsByProcessGuidsResponse>("/v1/actual_lrps/list_by_process_guids", by_guids)
                .actual_lrps_size(),
            2);
  models::DesiredLRPsRequest apps;
  apps.add_app_guids("q");
  EXPECT_EQ(call<models::DesiredLRPsResponse>("/v1/desired_lrps/list.r3", apps).desired_lrps_size(), 1);
  EXPECT_EQ(call<models::DesiredLRPsResponse>("/v1/desired_lrps/list.r2", apps).desired_lrps_size(), 1);
  models::DesiredLRPsRequest process;
  process.add_process_guids("p");
  for (const char* path : {"/v1/desired_lrps/list.r3", "/v1/desired_lrps/list.r2"}) {
    const auto listed = call<models::DesiredLRPsResponse>(path, process);
    ASSERT_EQ(listed.desired_lrps_size(), 1) << path;
    EXPECT_EQ(listed.desired_lrps(0).process_guid(), "p") << path;
  }
  EXPECT_EQ(call<models::DesiredLRPSchedulingInfosResponse>("/v1/desired_lrp_scheduling_infos/list", apps)
                .desired_lrp_scheduling_infos_size(),
            2);
}

TEST_F(BbsService, AListOfManyRecordsHasEachOnce) {
  start();
  constexpr int kMany = 300;  // several blocks of them
  desire("many", kMany);
  for (int n = 0; n < kMany; n += 7) start_instance("many", n, "cell");
  const auto indices = [this](models::ActualLRPsRequest request) {
    std::multiset<int> found;
    const auto listed = call<models::ActualLRPsResponse>("/v1/actual_lrps/list", request);
    for (const auto& lrp : listed.actual_lrps()) found.insert(lrp.actual_lrp_key().index());
    return found;
  };
  std::multiset<int> expected;
  for (int n = 0; n < kMany; ++n) expected.insert(n);
  EXPECT_EQ(indices(models::ActualLRPsRequest()), expected);
  models::ActualLRPsRequest of_domain;
  of_domain.set_domain(a_desired_lrp("many").build().domain());
  EXPECT_EQ(indices(of_domain), expected);
}

TEST_F(BbsService, ShowsCellsAndConvergesOnThem) {
  start();
  set_cells({cell_of_recorder("cell")});
  EXPECT_EQ(call<models::CellsResponse>("/v1/cells/list.r1", models::PingResponse()).cells_size(), 1);
  desire("p", 1);
  start_instance("p", 0, "gone");
  run(active_->converge());
  const auto lrps = call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest());
  EXPECT_EQ(lrps.actual_lrps_size(), 2) << "a suspect and its replacement";
}

TEST_F(BbsService, ManyClientsAtOnceAllGetTheirAnswers) {
  start();
  auto one = [](std::string address, net::HttpClient& client, int n) -> asio::awaitable<void> {
    models::DesireLRPRequest desire;
    *desire.mutable_desired_lrp() = a_desired_lrp("p" + std::to_string(n)).with_instances(2);
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/v1/desired_lrp/desire.r2";
    request.body = desire.SerializeAsString();
    auto sending = client.send(net::Endpoint::parse("https://" + address), std::move(request));
    const net::HttpResponse response = co_await std::move(sending);
    EXPECT_EQ(response.body, "");
  };
  auto all = [&](net::HttpClientOptions options) -> asio::awaitable<void> {
    net::HttpClient client(home_, std::move(options));
    base::TaskGroup group(home_, base::Logger("clients"));
    for (int n = 0; n < 50; ++n) group.spawn("one", one(address_, client, n));
    co_await group.join();
  };
  run(all(client_options()));
  EXPECT_EQ(call<models::ActualLRPsResponse>("/v1/actual_lrps/list", models::ActualLRPsRequest()).actual_lrps_size(),
            100);
}

}  // namespace
}  // namespace rivera::bbs
