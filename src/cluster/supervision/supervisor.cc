#include "cluster/supervision/supervisor.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/work/cancellation.h"
#include "cluster/prepare/certificates.h"
#include "cluster/supervision/log_rotation.h"
#include "cluster/supervision/process.h"

namespace rivera::cluster {
namespace {

using std::chrono::seconds;

constexpr seconds kStartLimit{20};  // for one component, before the next is started nevertheless
constexpr seconds kRotationInterval{10};
constexpr std::uintmax_t kLogLimit = 16u << 20;
constexpr std::size_t kApplicationLogs = 2000;  // the cell bounds the size of each

// Held for as long as the process lives.
base::UniqueFd lock_directory(const Settings& settings) {
  const auto file = settings.run_dir() / "supervisor.lock";
  base::UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    throw std::runtime_error("another supervisor runs for " + settings.var_dir.string());
  }
  return fd;
}

// Ends the components that a killed supervisor left running, also those whose pid could not be written.
void end_leftovers(const Settings& settings) {
  std::vector<RunningProcess> left = processes_of(settings);
  std::erase_if(left, [](const RunningProcess& process) { return process.program() == "garden-shim"; });
  if (!left.empty()) terminate_processes(left, 10);
}

}  // namespace

Supervisor::Supervisor(base::Program& program, Settings settings)
    : program_(program),
      settings_(std::move(settings)),
      lock_(lock_directory(settings_)),
      health_(program.executor(), net::TlsContext::client(tls_files(settings_, "client"))),
      tasks_(program.executor(), program.logger()) {
  for (Component& component : components(settings_)) {
    keepers_.push_back(std::make_unique<ComponentKeeper>(program.executor(), std::move(component), settings_, health_,
                                                         program.logger()));
  }
  add_routes();
}

Supervisor::~Supervisor() = default;

asio::awaitable<void> Supervisor::run() {
  end_leftovers(settings_);
  write_pid_file(settings_.supervisor_pid_file(), ::getpid());
  net::HttpServerOptions options;
  options.address = "unix:" + settings_.supervisor_socket().string();
  options.unix_mode = 0600;
  server_ = std::make_unique<net::HttpServer>(program_.executor(), options, router_.handler(), program_.logger());
  server_->listen();
  server_->start();
  program_.logger().info("started", {{"pid", ::getpid()}});
  tasks_.spawn_critical("start", start_in_order());
  tasks_.spawn_critical("rotate-logs", rotate_logs_regularly());
  co_await program_.stop_requested();
  program_.logger().info("stopping");
  co_await stop_in_reverse();
  co_await tasks_.stop();
  co_await server_->stop(seconds(1));
  std::error_code ignored;
  std::filesystem::remove(settings_.supervisor_pid_file(), ignored);
  program_.logger().info("stopped");
}

void Supervisor::add_routes() {
  using Parameters = net::PathParameters;
  // The handlers run on their connection's strand; with one io thread nothing runs beside them.
  router_.add_simple("GET", "/v1/components",
                     [this](net::HttpRequest, const Parameters&) -> asio::awaitable<net::HttpResponse> {
                       co_return net::json_response(200, to_json(statuses()));
                     });
  router_.add_simple("POST", "/v1/components/:name/restart",
                     [this](net::HttpRequest, const Parameters& p) -> asio::awaitable<net::HttpResponse> {
                       for (const auto& keeper : keepers_) {
                         if (keeper->status().name != p.at("name")) continue;
                         keeper->restart();
                         co_return net::text_response(202, "");
                       }
                       co_return net::text_response(404, "no such component");
                     });
  router_.add_simple("POST", "/v1/stop",
                     [this](net::HttpRequest, const Parameters&) -> asio::awaitable<net::HttpResponse> {
                       program_.request_stop(0);
                       co_return net::text_response(202, "");
                     });
}

asio::awaitable<void> Supervisor::start_in_order() {
  for (const auto& keeper : keepers_) {
    const std::string name = keeper->status().name;
    tasks_.spawn_critical(name, keeper->run());
    tasks_.spawn_critical(name + "-health", keeper->watch_health());
    const bool healthy = co_await keeper->wait_healthy(kStartLimit);
    if (!healthy) program_.logger().error("not-healthy-in-time", {{"component", name}});
  }
}

asio::awaitable<void> Supervisor::rotate_logs_regularly() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    co_await base::sleep_for(kRotationInterval);
    auto rotate = [components = settings_.log_dir(), applications = settings_.app_log_dir()] {
      rotate_logs(components, kLogLimit);
      keep_newest_logs(applications, kApplicationLogs);
    };
    try {
      co_await program_.workers().run(std::move(rotate));
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      program_.logger().error("rotate-logs-failed", {{"error", e.what()}});
    }
  }
}

asio::awaitable<void> Supervisor::stop_in_reverse() {
  for (auto keeper = keepers_.rbegin(); keeper != keepers_.rend(); ++keeper) co_await (*keeper)->stop();
}

std::vector<ComponentStatus> Supervisor::statuses() const {
  std::vector<ComponentStatus> out;
  for (const auto& keeper : keepers_) out.push_back(keeper->status());
  return out;
}

}  // namespace rivera::cluster
