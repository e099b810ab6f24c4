// For tests: an executor with a fake container server.
#pragma once

#include <gtest/gtest.h>

#include "executor/executor.h"
#include "executor/testing/testing_environment.h"

namespace rivera::executor::testing {

// An executor with a fake server, which can be restarted with the same directories.
class ExecutorTest : public ::testing::Test {
 protected:
  ExecutorTest() { begin(); }
  ~ExecutorTest() override { end(); }

  void begin() {
    ExecutorOptions options;
    options.node.cell_id = "cell-1";
    options.node.spec.owner = "us";
    options.node.steps.graceful_shutdown_interval = std::chrono::milliseconds(50);
    options.node.steps.exit_timeout = std::chrono::milliseconds(50);
    options.node.steps.retry_interval = std::chrono::milliseconds(2);
    options.node.steps.healthy_interval = std::chrono::milliseconds(20);
    options.capacity = {.memory_mb = "1000", .disk_mb = "2000"};
    options.cache = cache_options(directory.path() / "cache");
    options.work_directory = directory.path() / "work";
    options.state_directory = directory.path() / "state";
    options.reserved_expiration = reserved_expiration;
    options.reap_interval = std::chrono::milliseconds(20);
    options.readopt_containers = readopt;
    options.stacks = stacks;
    options.identity = identity;
    options.node.proxy = proxy;
    options.node.spec.container_proxy = proxy.enabled;
    executor =
        std::make_unique<Executor>(loop.executor(), loop.workers(), backend, log, clock, metrics, options, logger);
    executor->on_event([this](ContainerEvent event) { events.push_back(event); });
    loop.run(executor->start());
  }
  // The process ends.
  void end() {
    if (executor) loop.run(executor->detach());
    executor.reset();
  }
  void restart() {
    end();
    events.clear();
    begin();
  }

  static AllocationRequest request(const std::string& guid, std::int64_t memory = 100) {
    return {.guid = guid,
            .resource = {.memory_mb = memory, .disk_mb = 10},
            .rootfs = "/rootfs",
            .tags = {{"lifecycle", "lrp"}}};
  }
  static RunRequest run_of(const std::string& guid, const std::string& path = "/bin/app") {
    models::RunAction run;
    run.set_path(path);
    run.set_user("vcap");
    RunRequest out;
    out.guid = guid;
    out.run_info.rootfs = "/rootfs";
    out.run_info.action = models::wrap(std::move(run));
    out.run_info.ports = {8080};
    out.run_info.log_config = {.owner = "process", .guid = "log", .index = 0, .source_name = "APP", .tags = {}};
    return out;
  }
  void run(const std::string& guid) {
    ASSERT_TRUE(executor->allocate({request(guid)}).empty());
    executor->run(run_of(guid));
  }
  ContainerState state(const std::string& guid) { return executor->get(guid)->state; }
  void await_state(const std::string& guid, ContainerState wanted) {
    loop.until([&] { return executor->contains(guid) && state(guid) == wanted; });
  }
  int count(EventKind kind) const {
    int found = 0;
    for (const auto& event : events) found += event.kind == kind ? 1 : 0;
    return found;
  }

  Loop loop;
  FakeBackend backend{loop.executor()};
  base::TemporaryDirectory directory;
  base::SystemClock clock;
  base::Metrics metrics{"test"};
  base::Logger logger = base::Logger::discard();
  RecordedLog log;
  std::chrono::nanoseconds reserved_expiration = std::chrono::minutes(1);
  bool readopt = true;
  std::map<std::string, std::string> stacks;
  IdentityOptions identity;
  ProxyOptions proxy;
  std::vector<ContainerEvent> events;
  std::unique_ptr<Executor> executor;
};

}  // namespace rivera::executor::testing
