#include "cluster/prepare/sample.h"

#include <functional>

#include <fmt/format.h>

#include "base/files.h"
#include "models/forms/json.h"
#include "models/nouns/actions.h"

namespace rivera::cluster {
namespace {

constexpr unsigned kPort = 8080;
constexpr char kUser[] = "vcap";

models::RunAction shell(const std::string& script, const std::string& log_source) {
  models::RunAction run;
  run.set_path("/bin/sh");
  run.add_args("-c");
  run.add_args(script);
  run.set_user(kUser);
  run.set_log_source(log_source);
  return run;
}

models::Action download_package(const Settings& settings) {
  models::DownloadAction download;
  download.set_artifact("the sample application");
  download.set_from(settings.file_server_url() + "/v1/static/sample/hello.tgz");
  download.set_to("/home/vcap/app");
  download.set_cache_key("sample-hello");
  download.set_user(kUser);
  download.set_log_source("SETUP");
  return models::wrap(std::move(download));
}

models::Action serve() {
  models::RunAction run = shell("exec /home/vcap/app/start.sh", "APP");
  auto* port = run.add_env();
  port->set_name("PORT");
  port->set_value(std::to_string(kPort));
  return models::wrap(std::move(run));
}

models::Action check() {
  models::RunAction run = shell(fmt::format("wget -q -O /dev/null http://127.0.0.1:{}/", kPort), "HEALTH");
  run.set_suppress_log_output(true);
  models::TimeoutAction timeout;
  timeout.set_timeout_ms(5000);
  *timeout.mutable_action() = models::wrap(std::move(run));
  return models::wrap(std::move(timeout));
}

// What the application's logs and metrics are tagged with.
void add_tags(google::protobuf::Map<std::string, models::MetricTagValue>& tags, const std::string& source) {
  tags["source_id"].set_static_(source);
  tags["instance_id"].set_dynamic(models::MetricTagValue::INDEX);
}

void write_json(const std::filesystem::path& file, const google::protobuf::Message& message) {
  base::write_file_atomically(file, models::to_json_text(message) + "\n");
}

}  // namespace

models::DesiredLRP sample_lrp(const Settings& settings) {
  models::DesiredLRP lrp;
  lrp.set_process_guid(kSampleProcess);
  lrp.set_domain(kSampleDomain);
  lrp.set_root_fs("preloaded:" + settings.stack);
  lrp.set_instances(kSampleInstances);
  lrp.set_memory_mb(64);
  lrp.set_disk_mb(64);
  lrp.set_cpu_weight(10);
  lrp.set_max_pids(64);
  lrp.set_start_timeout_ms(60'000);
  lrp.set_log_guid(kSampleProcess);
  lrp.set_metrics_guid(kSampleProcess);
  lrp.set_log_source("APP");
  add_tags(*lrp.mutable_metric_tags(), kSampleProcess);
  lrp.add_ports(kPort);
  const std::string route =
      fmt::format(R"([{{"hostnames":["{}"],"port":{}}}])", settings.app_hostname(kSampleProcess), kPort);
  (*lrp.mutable_routes()->mutable_routes())["cf-router"] = route;
  *lrp.mutable_setup() = download_package(settings);
  *lrp.mutable_action() = serve();
  *lrp.mutable_monitor() = check();
  lrp.set_annotation(fmt::format("{:016x}", std::hash<std::string>{}(models::to_json_text(lrp))));
  return lrp;
}

models::TaskDefinition sample_task(const Settings& settings) {
  models::TaskDefinition task;
  task.set_root_fs("preloaded:" + settings.stack);
  task.set_memory_mb(32);
  task.set_disk_mb(32);
  task.set_cpu_weight(10);
  task.set_max_pids(32);
  task.set_log_guid("sample-task");
  task.set_log_source("TASK");
  task.set_result_file("/tmp/result");
  const std::string script =
      "echo working...; echo \"6 x 7 = $((6 * 7)), computed in container $(hostname) as $(id -un)\" > /tmp/result";
  *task.mutable_action() = models::wrap(shell(script, "TASK"));
  return task;
}

void write_sample_files(const Settings& settings) {
  const auto directory = settings.var_dir / "samples";
  std::filesystem::create_directories(directory);
  models::DesiredLRP lrp = sample_lrp(settings);
  lrp.set_process_guid("mine");
  lrp.set_log_guid("mine");
  lrp.set_metrics_guid("mine");
  add_tags(*lrp.mutable_metric_tags(), "mine");
  lrp.set_annotation("");
  (*lrp.mutable_routes()->mutable_routes())["cf-router"] =
      fmt::format(R"([{{"hostnames":["{}"],"port":{}}}])", settings.app_hostname("mine"), kPort);
  write_json(directory / "lrp.json", lrp);
  models::Task task;
  task.set_task_guid("my-task");
  task.set_domain(kSampleDomain);
  *task.mutable_task_definition() = sample_task(settings);
  write_json(directory / "task.json", task);
  task.set_task_guid("my-docker-task");
  task.mutable_task_definition()->set_root_fs("docker://localhost:5000/my/image#latest");
  task.mutable_task_definition()->set_disk_mb(1024);
  write_json(directory / "docker-task.json", task);
}

}  // namespace rivera::cluster
