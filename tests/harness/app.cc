#include "harness/app.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "base/files.h"
#include "base/ids.h"
#include "models/errors.h"
#include "models/nouns/actions.h"

namespace rivera::harness {
namespace {

constexpr char kDomain[] = "acceptance";

models::RunAction shell(const std::string& script, const std::string& log_source) {
  models::RunAction run;
  run.set_path("/bin/sh");
  run.add_args("-c");
  run.add_args(script);
  run.set_user("vcap");
  run.set_log_source(log_source);
  return run;
}

// CGI scripts see the server's environment.
constexpr char kWebScript[] = R"(
mkdir -p /tmp/www/cgi-bin && cd /tmp/www
printf '#!/bin/sh\necho "Content-Type: text/plain"; echo; echo "$INSTANCE_INDEX $INSTANCE_GUID"\n' > cgi-bin/index.cgi
printf '#!/bin/sh\necho "Content-Type: text/plain"; echo; env\n' > cgi-bin/env
chmod +x cgi-bin/*
echo "web app $INSTANCE_INDEX starts"
exec httpd -f -p 8080 -h /tmp/www
)";

template <typename Call>
auto call_bbs(const ClusterClient& cluster, Call call) {
  return cluster.with_bbs(std::move(call));
}

}  // namespace

std::string unique_guid(const std::string& prefix) { return prefix + "-" + base::new_guid().substr(0, 8); }

models::DesiredLRP a_process(const ClusterClient& cluster, const std::string& guid, const std::string& script) {
  models::DesiredLRP lrp;
  lrp.set_process_guid(guid);
  lrp.set_domain(kDomain);
  lrp.set_root_fs("preloaded:" + cluster.settings().stack);
  lrp.set_instances(1);
  lrp.set_memory_mb(64);
  lrp.set_disk_mb(64);
  lrp.set_cpu_weight(10);
  lrp.set_max_pids(64);
  lrp.set_start_timeout_ms(60'000);
  lrp.set_log_guid(guid);
  lrp.set_metrics_guid(guid);
  lrp.set_log_source("APP");
  (*lrp.mutable_metric_tags())["source_id"].set_static_(guid);
  *lrp.mutable_action() = models::wrap(shell(script, "APP"));
  return lrp;
}

models::DesiredLRP a_web_app(const ClusterClient& cluster, const std::string& guid, int instances) {
  models::DesiredLRP lrp = a_process(cluster, guid, kWebScript);
  lrp.set_instances(instances);
  lrp.add_ports(kAppPort);
  (*lrp.mutable_routes()->mutable_routes())["cf-router"] =
      fmt::format(R"([{{"hostnames":["{}"],"port":{}}}])", cluster.settings().app_hostname(guid), kAppPort);
  *lrp.mutable_monitor() = models::wrap(shell("wget -q -O /dev/null http://127.0.0.1:8080/", "HEALTH"));
  return lrp;
}

models::TaskDefinition a_task(const ClusterClient& cluster, const std::string& guid, const std::string& script) {
  models::TaskDefinition task;
  task.set_root_fs("preloaded:" + cluster.settings().stack);
  task.set_memory_mb(32);
  task.set_disk_mb(32);
  task.set_cpu_weight(10);
  task.set_max_pids(32);
  task.set_log_guid(guid);
  task.set_log_source("TASK");
  task.set_result_file("/tmp/result");
  *task.mutable_action() = models::wrap(shell(script, "TASK"));
  return task;
}

RunningApp::RunningApp(const ClusterClient& cluster, models::DesiredLRP lrp)
    : cluster_(cluster), guid_(lrp.process_guid()) {
  call_bbs(cluster_, [&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    const std::string domain = kDomain;
    co_await bbs.upsert_domain(domain, std::chrono::seconds(0));
    co_await bbs.desire_lrp(lrp);
    co_return true;
  });
}

RunningApp::~RunningApp() {
  try {
    if (!removed_) remove();
    eventually([&] { return instances().empty(); });
  } catch (const std::exception&) {
    // The test has said what is wrong already.
  }
}

std::string RunningApp::hostname() const { return cluster_.settings().app_hostname(guid_); }

std::vector<models::ActualLRP> RunningApp::instances() const {
  return call_bbs(cluster_, [&](clients::BbsClient& bbs) -> asio::awaitable<std::vector<models::ActualLRP>> {
    models::ActualLRPsRequest filter;
    filter.set_process_guid(guid_);
    auto found = co_await bbs.actual_lrps(std::move(filter));
    co_return found;
  });
}

models::ActualLRP RunningApp::instance(int index) const {
  for (const models::ActualLRP& lrp : instances()) {
    if (lrp.actual_lrp_key().index() == index) return lrp;
  }
  return {};
}

int RunningApp::running() const {
  const auto all = instances();
  return static_cast<int>(
      std::count_if(all.begin(), all.end(), [](const models::ActualLRP& lrp) { return lrp.state() == "RUNNING"; }));
}

void RunningApp::scale(int count) {
  call_bbs(cluster_, [&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    models::DesiredLRPUpdate update;
    update.set_instances(count);
    co_await bbs.update_desired_lrp(guid_, std::move(update));
    co_return true;
  });
}

void RunningApp::remove() {
  call_bbs(cluster_, [&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    co_await bbs.remove_desired_lrp(guid_);
    co_return true;
  });
  removed_ = true;
}

std::set<std::string> RunningApp::answers(int requests) const {
  std::set<std::string> out;
  for (int i = 0; i < requests; ++i) {
    const net::HttpResponse response = cluster_.get(hostname());
    out.insert(response.status == 200 ? response.body : fmt::format("{} {}", response.status, response.body));
  }
  return out;
}

bool RunningApp::serves(int count) const {
  std::set<std::string> expected;
  const auto all = instances();
  for (const models::ActualLRP& lrp : all) {
    if (lrp.state() != "RUNNING") return false;
    expected.insert(
        fmt::format("{} {}\n", lrp.actual_lrp_key().index(), lrp.actual_lrp_instance_key().instance_guid()));
  }
  return static_cast<int>(expected.size()) == count && answers(std::max(8, 4 * count)) == expected;
}

models::Task run_task(const ClusterClient& cluster, const std::string& guid, models::TaskDefinition definition) {
  call_bbs(cluster, [&](clients::BbsClient& bbs) -> asio::awaitable<bool> {
    const std::string domain = kDomain;
    co_await bbs.desire_task(guid, domain, definition);
    co_return true;
  });
  models::Task task;
  const bool ended = eventually([&] {
    task = call_bbs(cluster, [&](clients::BbsClient& bbs) -> asio::awaitable<models::Task> { return bbs.task(guid); });
    return task.state() == models::Task::Completed;
  });
  if (!ended) throw std::runtime_error(fmt::format("task {} has not ended; state {}", guid, task.state()));
  return task;
}

namespace {

bool is_init(const std::filesystem::path& process) {
  std::istringstream lines(base::read_file(process / "status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("NSpid:")) return line.ends_with("\t1") && line.find('\t') != line.rfind('\t');
  }
  return false;
}

bool is_in_container(const std::filesystem::path& process, const std::string& handle) {
  std::istringstream lines(base::read_file(process / "cgroup"));
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with("/" + handle) || line.find("/" + handle + "/") != std::string::npos) return true;
  }
  return false;
}

}  // namespace

pid_t init_pid(const std::string& handle) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    try {
      if (is_in_container(entry.path(), handle) && is_init(entry.path())) return std::stoi(name);
    } catch (const std::system_error&) {
      // It has just ended.
    }
  }
  return 0;
}

}  // namespace rivera::harness
