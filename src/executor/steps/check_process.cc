// The command lines of declarative checks.
#include <fmt/format.h>

#include "base/duration.h"
#include "executor/steps/step_builder.h"

namespace rivera::executor {
namespace {

constexpr std::uint64_t kFileLimit = 1024;

// The values that both kinds of check have. 0 and "" mean that the check does not set them.
struct CheckValues {
  std::uint32_t port = 0;
  std::uint64_t timeout_ms = 0;
  std::uint64_t interval_ms = 0;
  std::string uri;  // empty: TCP
};

std::optional<CheckValues> values_of(const models::Check& check) {
  if (check.has_http_check()) {
    const auto& http = check.http_check();
    return CheckValues{.port = http.port(),
                       .timeout_ms = http.request_timeout_ms(),
                       .interval_ms = http.interval_ms(),
                       .uri = http.path().empty() ? "/" : http.path()};
  }
  if (check.has_tcp_check()) {
    const auto& tcp = check.tcp_check();
    return CheckValues{
        .port = tcp.port(), .timeout_ms = tcp.connect_timeout_ms(), .interval_ms = tcp.interval_ms(), .uri = {}};
  }
  return std::nullopt;
}

std::string_view name_of(CheckMode mode) {
  switch (mode) {
    case CheckMode::kStartup:
      return "startup";
    case CheckMode::kLiveness:
      return "liveness";
    case CheckMode::kUntilReady:
      return "until-ready";
    case CheckMode::kReadiness:
      return "readiness";
  }
  return "";
}

// The process of a check, without its id and the arguments that depend on its kind.
garden::ProcessSpec plain_check(const StepEnvironment& env) {
  garden::ProcessSpec process;
  process.path = env.settings.check_path;
  process.rlimits.nofile = kFileLimit;
  process.env = env.container.network_environment;
  if (!env.settings.sidecar_rootfs.empty()) {
    process.image.uri = env.settings.sidecar_rootfs;
    process.bind_mounts = env.container.mounts;
    process.limits.emplace();
  }
  return process;
}

void add_interval(garden::ProcessSpec& process, CheckMode mode, std::chrono::nanoseconds interval) {
  process.args.push_back(fmt::format("-{}-interval={}", name_of(mode), base::format_go_duration(interval)));
}

}  // namespace

std::optional<garden::ProcessSpec> check_process(const StepEnvironment& env, const models::Check& check, CheckMode mode,
                                                 int index, std::chrono::milliseconds start_timeout) {
  const auto values = values_of(check);
  if (!values || values->port == 0) return std::nullopt;
  const auto& settings = env.settings;

  auto process = plain_check(env);
  process.id = fmt::format("{}-{}-healthcheck-{}", env.container.handle, name_of(mode), index);

  const auto timeout =
      values->timeout_ms > 0 ? std::chrono::milliseconds(values->timeout_ms) : settings.check_default_timeout;
  process.args = {fmt::format("-port={}", values->port), fmt::format("-timeout={}ms", timeout.count())};
  if (!values->uri.empty()) process.args.push_back("-uri=" + values->uri);

  const std::chrono::nanoseconds own_interval = std::chrono::milliseconds(values->interval_ms);
  const auto steady = own_interval.count() > 0 ? own_interval : settings.healthy_interval;
  switch (mode) {
    case CheckMode::kStartup:
      add_interval(process, mode, settings.unhealthy_interval);
      process.args.push_back("-startup-timeout=" + base::format_go_duration(start_timeout));
      break;
    case CheckMode::kUntilReady:
      add_interval(process, mode, settings.unhealthy_interval);
      break;
    case CheckMode::kLiveness:
    case CheckMode::kReadiness:
      add_interval(process, mode, steady);
      break;
  }
  return process;
}

garden::ProcessSpec proxy_check_process(const StepEnvironment& env, std::uint32_t port, CheckMode mode,
                                        std::size_t index, std::chrono::milliseconds start_timeout) {
  auto process = plain_check(env);
  process.id = fmt::format("{}-envoy-{}-healthcheck-{}", env.container.handle, name_of(mode), index);
  process.args = {fmt::format("-port={}", port), "-timeout=1000ms"};
  if (mode == CheckMode::kStartup) {
    add_interval(process, mode, env.settings.unhealthy_interval);
    process.args.push_back("-startup-timeout=" + base::format_go_duration(start_timeout));
  } else {
    add_interval(process, mode, env.container.proxy->liveness_interval);
  }
  return process;
}

}  // namespace rivera::executor
