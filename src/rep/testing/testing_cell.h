// For tests: a cell with a fake container server and a fake BBS.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/files.h"
#include "clients/bbs_client.h"
#include "executor/testing/testing_backend.h"
#include "executor/testing/testing_environment.h"
#include "executor/testing/testing_loop.h"
#include "models/testing/testing.h"
#include "net/http/http_server.h"
#include "rep/cell_service.h"
#include "rep/operations/bulk_loop.h"
#include "rep/operations/container_operations.h"

namespace rivera::rep::testing {

// Records the calls. Answers each path with the message set for it, or with an empty one.
class FakeBbs {
 public:
  explicit FakeBbs(asio::any_io_executor executor)
      : server_(
            executor, {.address = "127.0.0.1:0", .tls = {}},
            [this](net::HttpExchange& exchange) { return serve(exchange); }, base::Logger::discard()) {
    server_.listen();
    server_.start();
  }

  void answer(const std::string& path, const google::protobuf::Message& message) {
    answers_[path] = message.SerializeAsString();
  }
  template <typename Response>
  void refuse(const std::string& path, models::Error::Type type) {
    Response response;
    response.mutable_error()->set_type(type);
    response.mutable_error()->set_message("no");
    answer(path, response);
  }
  // The last request to a path.
  template <typename Request>
  Request request(const std::string& path) const {
    Request message;
    message.ParseFromString(bodies_.at(path));
    return message;
  }
  std::string url() const { return "http://" + server_.address(); }
  asio::awaitable<void> stop() { return server_.stop(std::chrono::seconds(1)); }

  std::vector<std::string> calls;
  bool is_down = false;
  std::set<std::string> unknown_paths;  // answered with 404

 private:
  asio::awaitable<void> serve(net::HttpExchange& exchange) {
    const std::string path(exchange.request().path());
    bodies_[path] = co_await exchange.read_body(1 << 20);
    calls.push_back(path);
    net::HttpResponse response;
    if (is_down) {
      response.status = 503;
    } else if (unknown_paths.contains(path)) {
      response.status = 404;
    } else {
      response.headers.set("Content-Type", "application/x-protobuf");
      response.body = answers_[path];
    }
    co_await exchange.respond(std::move(response));
  }

  net::HttpServer server_;
  std::map<std::string, std::string> answers_;
  std::map<std::string, std::string> bodies_;
};

class CellTest : public ::testing::Test {
 protected:
  CellTest() {
    config.cell_id = "cell-1";
    config.zone = "z1";
    config.stacks = {{"busybox", "/rootfs"}};
    config.listen_addr = "127.0.0.1:1800";
    config.listen_addr_securable = "0.0.0.0:1801";
    executor.on_event([this](executor::ContainerEvent event) { events.push_back(event.guid); });
    loop.run(executor.start());
  }
  ~CellTest() override {
    loop.run(queue.stop());
    loop.run(background.stop());
    loop.run(executor.detach());
    loop.run(bbs_server.stop());
  }

  executor::ExecutorOptions executor_options() {
    executor::ExecutorOptions options;
    options.node.cell_id = "cell-1";
    options.node.steps.graceful_shutdown_interval = std::chrono::milliseconds(50);
    options.node.steps.retry_interval = std::chrono::milliseconds(2);
    options.capacity = {.memory_mb = "1000", .disk_mb = "1000"};
    options.cache = executor::testing::cache_options(directory.path() / "cache");
    options.work_directory = directory.path() / "work";
    options.state_directory = directory.path() / "state";
    return options;
  }
  clients::BbsClientOptions bbs_options() {
    clients::BbsClientOptions options;
    options.url = bbs_server.url();
    options.attempts = 1;
    return options;
  }

  // Allocates a container for an instance.
  void reserve_lrp(const std::string& guid) {
    models::CellLRP lrp;
    lrp.process_guid = "process-guid";
    lrp.domain = "domain";
    ASSERT_TRUE(executor
                    .allocate({{.guid = guid,
                                .resource = {.memory_mb = 10, .disk_mb = 10},
                                .rootfs = "/rootfs",
                                .tags = tags_of(lrp, guid)}})
                    .empty());
  }
  void reserve_task(const std::string& guid) {
    models::CellTask task;
    task.task_guid = guid;
    task.domain = "domain";
    ASSERT_TRUE(
        executor.allocate({{.guid = guid, .resource = {}, .rootfs = "/rootfs", .tags = tags_of(task)}}).empty());
  }
  void answer_with_definitions() {
    models::DesiredLRPResponse desired;
    *desired.mutable_desired_lrp() = models::testing::a_desired_lrp()
                                         .with_root_fs("preloaded:busybox")
                                         .with_port(8080)
                                         .with_action(models::testing::a_run_action("/bin/app"))
                                         .build();
    bbs_server.answer("/v1/desired_lrps/get_by_process_guid.r3", desired);
    models::TaskResponse task;
    *task.mutable_task() = models::testing::a_task("task");
    auto& definition = *task.mutable_task()->mutable_task_definition();
    definition.set_root_fs("preloaded:busybox");
    definition.set_result_file("/result");
    *definition.mutable_action() = models::testing::a_run_action("/bin/app");
    bbs_server.answer("/v1/tasks/get_by_task_guid.r3", task);
  }
  // Runs the container until its process exists.
  void run_lrp(const std::string& guid) {
    reserve_lrp(guid);
    answer_with_definitions();
    reconcile(guid);
    await_state(guid, executor::ContainerState::kRunning);
    bbs_server.calls.clear();
  }
  OperationResult reconcile(const std::string& guid) { return loop.run(operations.reconcile(guid)); }
  void await_state(const std::string& guid, executor::ContainerState state) {
    loop.until([&] { return executor.contains(guid) && executor.get(guid)->state == state; });
  }
  executor::testing::FakeProcessPtr app() {
    loop.until([this] { return backend.process_of("/bin/app") != nullptr; });
    return backend.process_of("/bin/app");
  }

  executor::testing::Loop loop;
  executor::testing::FakeBackend backend{loop.executor()};
  executor::testing::RecordedLog log;
  base::TemporaryDirectory directory;
  base::SystemClock clock;
  base::Metrics metrics{"test"};
  base::Logger logger = base::Logger::discard();
  Config config;
  FakeBbs bbs_server{loop.executor()};
  clients::BbsClient bbs{loop.executor(), bbs_options()};
  executor::Executor executor{loop.executor(), loop.workers(),     backend, log, clock,
                              metrics,         executor_options(), logger};
  EvacuationState evacuation;
  OperationQueue queue{loop.executor(), {}, logger};
  ContainerOperations operations{config, executor, bbs, evacuation, logger};
  base::TaskGroup background{loop.executor(), logger};
  std::vector<std::string> events;
};

}  // namespace rivera::rep::testing
