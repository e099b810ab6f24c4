// For tests: the environment of a container's steps, with a fake container server.
#pragma once

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/places.h"
#include "executor/assets/cached_downloader.h"
#include "executor/assets/uploader.h"
#include "executor/steps/step_builder.h"
#include "executor/testing/testing_backend.h"
#include "executor/testing/testing_loop.h"
#include "models/nouns/actions.h"

namespace rivera::executor::testing {

inline CachedDownloaderOptions cache_options(const std::filesystem::path& cache) {
  CachedDownloaderOptions options;
  options.cache_path = cache;
  options.archive_worker = ArchiveWorker(base::bin_dir());
  return options;
}

// Intervals and timeouts are short, so that tests do not wait.
class StepTest : public ::testing::Test {
 protected:
  StepTest() {
    garden::ContainerSpec container;
    container.handle = "guid";
    backend.containers_made.emplace("guid", container);
    settings.graceful_shutdown_interval = std::chrono::milliseconds(50);
    settings.exit_timeout = std::chrono::milliseconds(50);
    settings.healthy_interval = std::chrono::milliseconds(5);
    settings.unhealthy_interval = std::chrono::milliseconds(5);
    settings.retry_interval = std::chrono::milliseconds(2);
  }
  ~StepTest() override { loop.run(tasks.stop()); }

  // Builds and starts the tree of a container.
  Step& start(const RunInfo& run_info) {
    info = run_info;
    step = build_steps(environment, info, [this](bool routable) { routable_changes.push_back(routable); });
    return start(std::move(step));
  }
  Step& start(StepPtr built) {
    step = std::move(built);
    step->on_ready([this] { ready = true; });
    tasks.spawn("step-under-test", run_step());
    return *step;
  }
  StepResult result_of(const RunInfo& run_info) {
    start(run_info);
    return end();
  }
  StepResult end() {
    loop.until([this] { return result.has_value(); });
    return *result;
  }
  FakeProcessPtr started(const std::string& path) {
    loop.until([&] { return backend.process_of(path) != nullptr; });
    loop.settle();
    return backend.process_of(path);
  }

  // Replaces the uploader; call it before any step exists.
  void limit_uploads(std::uint64_t max_bytes) {
    auto options = uploader_options;
    options.max_bytes = max_bytes;
    uploader.emplace(loop.executor(), loop.workers(), std::move(options));
  }

  static models::Action run_action(const std::string& path, const std::string& source = "") {
    models::RunAction run;
    run.set_path(path);
    run.set_user("vcap");
    run.set_log_source(source);
    return models::wrap(std::move(run));
  }
  static RunInfo running(models::Action action) {
    RunInfo run_info;
    run_info.action = std::move(action);
    return run_info;
  }

  Loop loop;
  FakeBackend backend{loop.executor()};
  StepSettings settings;
  base::SystemClock clock;
  base::Metrics metrics{"test"};
  base::Logger logger = base::Logger::discard();
  base::TemporaryDirectory directory;
  RecordedLog sink;
  CachedDownloader downloader{loop.executor(), loop.workers(), clock, cache_options(directory.path() / "cache"),
                              logger};
  UploaderOptions uploader_options{.tls = {}, .temporary_directory = directory.path() / "up"};
  std::optional<Uploader> uploader{std::in_place, loop.executor(), loop.workers(), uploader_options};
  Limiter downloads{loop.executor(), 5};
  Limiter uploads{loop.executor(), 5};
  Limiter checks{loop.executor(), 64};
  base::TaskGroup tasks{loop.executor(), logger};
  StepJournal journal{nullptr, "guid", {}, logger};
  AppLog log{
      LogConfig{.owner = "process", .guid = "log-guid", .index = 2, .source_name = "APP", .tags = {}}, {}, sink, clock};
  StepEnvironment environment{
      .container = {.handle = "guid", .network_environment = {"CF_INSTANCE_IP=10.0.0.1"}, .mounts = {}},
      .settings = settings,
      .runtime = {.executor = loop.executor(), .workers = loop.workers(), .clock = clock},
      .backend = backend,
      .transfers = {.downloader = downloader,
                    .uploader = *uploader,
                    .download_slots = downloads,
                    .upload_slots = uploads},
      .check_slots = checks,
      .tasks = tasks,
      .journal = journal,
      .reporting = {.app_log = log, .metrics = metrics, .logger = logger}};
  RunInfo info;
  StepPtr step;
  bool ready = false;
  std::optional<StepResult> result;
  std::vector<bool> routable_changes;

 private:
  asio::awaitable<void> run_step() { result = co_await step->run(); }
};

}  // namespace rivera::executor::testing
