// The telemetry of the BBS: metrics and logs as a Loggregator agent receives them, and the access log.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <sstream>

#include <boost/json.hpp>

#include "base/config/config.h"
#include "bbs/program/bbs_harness.h"
#include "clients/testing/test_ingress.h"
#include "models/testing/testing.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using clients::ReceivedEnvelope;
using Kind = ReceivedEnvelope::Kind;
using models::testing::a_desired_lrp;

constexpr char kAppGuid[] = "0f2d1b5c-0000-4000-8000-0123456789ab";

class Telemetry : public BbsHarness {
 protected:
  Telemetry() {
    ingress_.start();
    const json::object loggregator = json::parse(ingress_.config_for("bbs", certificates_.client())).as_object();
    config_.loggregator = clients::read_loggregator_options(
        base::ConfigFile("bbs.json", {{"loggregator", loggregator}}, clients::loggregator_keys()));
    config_.report_interval = 50ms;
  }

  void desire(const std::string& guid, int instances) {
    models::DesireLRPRequest request;
    *request.mutable_desired_lrp() = a_desired_lrp(guid).with_instances(instances);
    const auto response = call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", request);
    ASSERT_FALSE(response.has_error()) << response.error().message();
  }

  models::TaskLifecycleResponse desire_task(const std::string& guid) {
    models::DesireTaskRequest request;
    request.set_task_guid(guid);
    request.set_domain("d");
    *request.mutable_task_definition() = models::testing::a_task(guid).task_definition();
    return call<models::TaskLifecycleResponse>("/v1/tasks/desire.r2", request);
  }

  void run_task(const std::string& guid, const std::string& cell, bool fails) {
    ASSERT_FALSE(desire_task(guid).has_error());
    models::StartTaskRequest start;
    start.set_task_guid(guid);
    start.set_cell_id(cell);
    ASSERT_TRUE(call<models::StartTaskResponse>("/v1/tasks/start", start).should_start());
    models::CompleteTaskRequest complete;
    complete.set_task_guid(guid);
    complete.set_cell_id(cell);
    complete.set_failed(fails);
    ASSERT_FALSE(call<models::TaskLifecycleResponse>("/v1/tasks/complete", complete).has_error());
  }

  // The metrics that are sent every 15 s.
  void report_statistics() { run(report_at_home()); }
  asio::awaitable<void> report_at_home() {
    probe_->report_statistics();
    co_return;
  }
  void converge() { run(active_->converge()); }

  ReceivedEnvelope wait_for(const std::string& name) { return ingress_.wait_for(name); }
  ReceivedEnvelope wait_for(const std::string& name, double value) {
    return ingress_.wait_for(
        name, [&](const ReceivedEnvelope& envelope) { return envelope.name == name && envelope.value == value; });
  }
  bool has(const std::string& name) {
    const auto all = ingress_.received();
    return std::any_of(all.begin(), all.end(), [&](const ReceivedEnvelope& envelope) { return envelope.name == name; });
  }

  asio::awaitable<void> open_and_leave(std::string path) {
    net::HttpClient client(home_, client_options());
    net::HttpRequest request;
    request.method = "POST";
    request.target = std::move(path);
    auto opening = client.open(net::Endpoint::parse("https://" + address_), std::move(request));
    const auto incoming = co_await std::move(opening);
    EXPECT_EQ(incoming->head().status, 200);
  }

  double counted_requests() {
    double sum = 0;
    for (const ReceivedEnvelope& envelope : ingress_.received()) {
      if (envelope.name == "RequestCount" && envelope.kind == Kind::kCounter) sum += envelope.value;
    }
    return sum;
  }
  // True if the condition becomes true within the time that a test may take.
  bool eventually(const std::function<bool()>& is_true) {
    const auto deadline = std::chrono::steady_clock::now() + kTestTimeout;
    while (!is_true()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      run(base::sleep_for(5ms));
    }
    return true;
  }

  std::vector<json::object> lines_of(const std::filesystem::path& file) {
    std::vector<json::object> lines;
    std::istringstream text(base::read_file(file));
    for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line).as_object());
    return lines;
  }

  clients::TestIngress ingress_{certificates_};
};

TEST_F(Telemetry, ReportsOnceThatItIsTheActiveOne) {
  start();
  const auto elected = wait_for("BBSMasterElected");
  EXPECT_EQ(elected.kind, Kind::kGauge);
  EXPECT_EQ(elected.value, 1);
  EXPECT_EQ(elected.unit, "Metric");
  EXPECT_EQ(elected.source_id, "bbs");
  EXPECT_EQ(elected.instance_id, "bbs-0");
  EXPECT_EQ(elected.tags, (std::map<std::string, std::string>{{"origin", "bbs"}}));
  EXPECT_EQ(wait_for("MigrationDuration").unit, "nanos");
}

TEST_F(Telemetry, CountsRequestsAndSendsTheLongest) {
  start();
  for (int i = 0; i < 3; ++i) post("/v1/ping", "");
  const auto latency = ingress_.wait_for("a latency above zero", [](const ReceivedEnvelope& envelope) {
    return envelope.name == "RequestLatency" && envelope.value > 0;
  });
  EXPECT_EQ(latency.kind, Kind::kGauge);
  EXPECT_EQ(latency.unit, "nanos");
  EXPECT_TRUE(eventually([this] { return counted_requests() >= 3; }));
  EXPECT_EQ(counted_requests(), 3);
  EXPECT_FALSE(has("RequestCount.Ping")) << "only where it is asked for";
}

TEST_F(Telemetry, CountsTheRoutesThatAreAskedFor) {
  config_.advanced_metrics = {{"Ping"}, {"Domains"}};
  start();
  post("/v1/ping", "");
  post("/v1/domains/list", "");
  EXPECT_EQ(wait_for("RequestCount.Ping", 1).kind, Kind::kCounter);
  EXPECT_EQ(wait_for("RequestLatency.Domains").unit, "nanos");
  EXPECT_FALSE(has("RequestCount.Domains"));
  EXPECT_FALSE(has("RequestLatency.Ping"));
}

TEST_F(Telemetry, CountsAnEventStreamWhenItEndsAndDoesNotTimeIt) {
  config_.advanced_metrics = {{"TaskEventStream"}, {"TaskEventStream"}};
  start();
  run(open_and_leave("/v1/events/tasks.r1"));
  wait_for("RequestCount.TaskEventStream", 1);
  EXPECT_NE(metrics_->prometheus_text().find("bbs_request_latency_task_event_stream_count 0"), std::string::npos);
}

TEST_F(Telemetry, SendsWhatTheLastConvergenceSaw) {
  start();
  desire("p", 3);
  models::UpsertDomainRequest domain;
  domain.set_domain("cf-apps");
  call<models::UpsertDomainResponse>("/v1/domains/upsert", domain);
  converge();
  report_statistics();
  EXPECT_EQ(wait_for("LRPsDesired", 3).unit, "Metric");
  wait_for("LRPsUnclaimed", 3);
  for (const char* none :
       {"LRPsClaimed", "LRPsRunning", "CrashedActualLRPs", "LRPsMissing", "LRPsExtra", "SuspectRunningActualLRPs",
        "SuspectClaimedActualLRPs", "CrashingDesiredLRPs", "PresentCells", "SuspectCells", "TasksPending",
        "TasksRunning", "TasksCompleted", "TasksResolving"}) {
    const auto envelope = wait_for(none);
    EXPECT_EQ(envelope.value, 0) << none;
    EXPECT_EQ(envelope.unit, "Metric") << none;
  }
  EXPECT_EQ(wait_for("Domain.cf-apps", 1).kind, Kind::kGauge);
  EXPECT_EQ(wait_for("ConvergenceLRPRuns", 1).kind, Kind::kCounter);
  EXPECT_EQ(wait_for("ConvergenceTaskRuns", 1).kind, Kind::kCounter);
  for (const char* duration : {"ConvergenceLRPDuration", "ConvergenceTaskDuration"}) {
    EXPECT_EQ(wait_for(duration).unit, "nanos");
    EXPECT_GT(wait_for(duration).value, 0);
  }
  EXPECT_EQ(wait_for("ConvergenceTasksPruned", 0).kind, Kind::kCounter);
  EXPECT_EQ(wait_for("ConvergenceTasksKicked", 0).kind, Kind::kCounter);
}

TEST_F(Telemetry, ReportsNoConvergenceRunsBeforeTheFirst) {
  start();
  report_statistics();
  wait_for("TasksResolving");
  EXPECT_FALSE(has("ConvergenceLRPRuns"));
  EXPECT_FALSE(has("ConvergenceTaskRuns"));
}

TEST_F(Telemetry, CountsTasksForEachCellSinceTheStart) {
  start();
  run_task("t1", "cell-a", false);
  run_task("t2", "cell-a", false);
  run_task("t3", "cell-b", true);
  report_statistics();
  report_statistics();
  const auto expect = [this](const std::string& name, const std::string& cell, double value) {
    const auto envelope = ingress_.wait_for(name + " of " + cell, [&](const ReceivedEnvelope& e) {
      return e.name == name && e.tags.contains("cell-id") && e.tags.at("cell-id") == cell;
    });
    EXPECT_EQ(envelope.kind, Kind::kGauge);
    EXPECT_EQ(envelope.value, value) << name << " " << cell;
    EXPECT_EQ(envelope.unit, "Metric");
  };
  expect("TasksStarted", "cell-a", 2);
  expect("TasksSucceeded", "cell-a", 2);
  expect("TasksStarted", "cell-b", 1);
  expect("TasksFailed", "cell-b", 1);
}

TEST_F(Telemetry, SendsTheDatabasesMetrics) {
  start();
  probe_->report_database(database_->take_statistics());
  EXPECT_GE(wait_for("DBOpenConnections").value, 1);
  EXPECT_GE(wait_for("DBQueriesTotal").value, wait_for("DBQueriesSucceeded").value);
  EXPECT_GT(wait_for("DBQueriesSucceeded").value, 0);
  EXPECT_EQ(wait_for("DBQueriesFailed").value, 0);
  EXPECT_GE(wait_for("DBQueriesInFlight").value, 1);
  EXPECT_EQ(wait_for("DBWaitCount").unit, "Metric");
  EXPECT_EQ(wait_for("DBWaitDuration").unit, "nanos");
  EXPECT_GT(wait_for("DBQueryDurationMax").value, 0);
}

TEST_F(Telemetry, PrometheusReadsTheSameNumbers) {
  start();
  run_task("t1", "cell-a", false);
  desire("p", 2);
  converge();
  const std::string text = metrics_->prometheus_text();
  for (const char* line :
       {"bbs_lrps_desired 2", "bbs_convergence_lrp_runs 1", "bbs_bbs_master_elected 1",
        "bbs_tasks_started{cell_id=\"cell-a\"} 1", "bbs_request_latency_count 4", "bbs_request_count 4"}) {
    EXPECT_NE(text.find(std::string(line) + "\n"), std::string::npos) << line << "\n" << text;
  }
}

TEST_F(Telemetry, LogsAnInvalidDesireToTheApplication) {
  start();
  const std::string process_guid = std::string(kAppGuid) + "-11111111-0000-4000-8000-0123456789ab";
  models::DesireLRPRequest request;
  *request.mutable_desired_lrp() = a_desired_lrp(process_guid);
  request.mutable_desired_lrp()->clear_domain();
  const auto response = call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", request);
  ASSERT_TRUE(response.has_error());
  const std::string text = std::string("Error parsing request for app with guid ") + kAppGuid + ", InvalidRequest, " +
                           response.error().message();
  const auto log = wait_for(text);
  EXPECT_EQ(log.kind, Kind::kErrorLog);
  EXPECT_EQ(log.source_id, kAppGuid);
  EXPECT_EQ(log.tags.at("source_id"), kAppGuid);
  EXPECT_EQ(log.tags.at("source_type"), "DIEGO-API");
  EXPECT_EQ(log.tags.at("origin"), "bbs");
}

TEST_F(Telemetry, LogsAnInvalidUpdateToItsApplicationIfThereIsOne) {
  start();
  models::UpdateDesiredLRPRequest request;
  request.mutable_update()->set_instances(-1);
  request.set_process_guid("too-short");
  call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/update", request);
  request.set_process_guid(kAppGuid);
  call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/update", request);
  ingress_.wait_for("an application's log", [](const ReceivedEnvelope& e) { return e.kind == Kind::kErrorLog; });
  const auto all = ingress_.received();
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const auto& e) { return e.kind == Kind::kErrorLog; }), 1);
}

TEST_F(Telemetry, ServesWithoutAnAgent) {
  ingress_.stop();
  start();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(post("/v1/ping", "").status, 200);
  ingress_.start();
  wait_for("BBSMasterElected");
}

TEST_F(Telemetry, WritesTheAccessLogWithThePeersNames) {
  const auto path = directory_.path() / "access.log";
  access_log_ = std::make_unique<AccessLog>(path, "bbs", base::LogTimeFormat::kRfc3339);
  start();
  post("/v1/ping", "");
  stop();
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].at("message").as_string(), "bbs.request.serving");
  EXPECT_EQ(lines[1].at("message").as_string(), "bbs.request.done");
  const json::object& data = lines[0].at("data").as_object();
  EXPECT_EQ(data.at("method").as_string(), "POST");
  EXPECT_EQ(data.at("request").as_string(), "/v1/ping");
  EXPECT_EQ(data.at("session"), lines[1].at("data").as_object().at("session"));
  EXPECT_FALSE(data.at("remote_addr").as_string().empty());
  EXPECT_FALSE(data.at("peer_certificate").as_object().at("common_name").as_string().empty());
  EXPECT_TRUE(lines[1].at("data").as_object().contains("duration"));
}

TEST_F(Telemetry, ReopensTheAccessLogWhenItIsRotated) {
  const auto path = directory_.path() / "access.log", old = directory_.path() / "access.log.1";
  access_log_ = std::make_unique<AccessLog>(path, "bbs", base::LogTimeFormat::kRfc3339);
  start();
  post("/v1/ping", "");
  // The log is written beside the requests.
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (lines_of(path).size() < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  std::filesystem::rename(path, old);
  access_log_->reopen();
  post("/v1/domains/list", "");
  stop();
  EXPECT_EQ(lines_of(old).size(), 2U);
  ASSERT_EQ(lines_of(path).size(), 2U);
  EXPECT_EQ(lines_of(path)[0].at("data").as_object().at("request").as_string(), "/v1/domains/list");
}

TEST_F(Telemetry, RefusesAnAccessLogThatCannotBeOpened) {
  EXPECT_THROW(AccessLog("/no/such/directory/access.log", "bbs", base::LogTimeFormat::kRfc3339), std::system_error);
}

}  // namespace
}  // namespace rivera::bbs
