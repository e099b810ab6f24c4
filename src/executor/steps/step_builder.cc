#include "executor/steps/step_builder.h"

#include <stdexcept>

#include <fmt/format.h>

#include "executor/steps/composite_steps.h"
#include "executor/steps/health_check_step.h"
#include "executor/steps/run_step.h"
#include "executor/steps/transfer_steps.h"
#include "models/nouns/actions.h"

namespace rivera::executor {
namespace {

using models::ActionKind;

// Builds the tree of one container. `place` is the position of a step in the tree, for the journal and for process ids.
class Builder {
 public:
  Builder(StepEnvironment& env, const RunInfo& info, std::function<void(bool)> on_routable)
      : env_(env), info_(info), on_routable_(std::move(on_routable)) {}

  StepPtr tree() {
    std::vector<StepPtr> stages;
    const bool has_setup = info_.setup && models::kind_of(*info_.setup) != ActionKind::kNone;
    if (has_setup || !env_.container.is_resumed()) {
      auto setup =
          has_setup ? action(*info_.setup, source(), "setup") : std::make_unique<SerialStep>(std::vector<StepPtr>());
      stages.push_back(std::make_unique<TimedStep>(env_, std::move(setup), setup_timer()));
    }
    if (!env_.settings.post_setup_hook.empty()) stages.push_back(post_setup_hook());
    stages.push_back(long_lived());
    return std::make_unique<SerialStep>(std::move(stages));
  }

 private:
  // --- the long-lived part ---

  StepPtr long_lived() {
    auto own = own_processes();
    if (!env_.container.proxy) return own;
    std::vector<StepPtr> both;
    both.push_back(std::move(own));
    both.push_back(proxy());
    return std::make_unique<CodependentStep>(env_, std::move(both), false, true);
  }

  StepPtr proxy() {
    RunOptions options;
    options.process = proxy_process(env_.container.handle, *env_.container.proxy);
    options.process.env = env_.container.network_environment;
    if (!env_.container.proxy->rootfs.empty()) {
      options.process.image.uri = env_.container.proxy->rootfs;
      options.process.bind_mounts = env_.container.mounts;
    }
    options.log_source = "PROXY";
    options.journal_key = "proxy";
    options.output = output("PROXY");
    return std::make_unique<BackgroundStep>(env_, std::make_unique<RunStep>(env_, std::move(options)));
  }

  StepPtr own_processes() {
    if (!info_.action) throw std::invalid_argument("container cannot have empty action");
    auto main = action(*info_.action, source(), "action");
    std::vector<StepPtr> beside;
    for (std::size_t i = 0; i < info_.sidecars.size(); ++i) {
      beside.push_back(action(info_.sidecars[i].action(), source(), "sidecar-" + std::to_string(i)));
    }
    if (auto monitor = health_check()) beside.push_back(std::move(monitor));
    if (has_readiness_checks(info_)) beside.push_back(readiness());
    if (beside.empty()) return main;
    beside.insert(beside.begin(), std::move(main));
    return std::make_unique<CodependentStep>(env_, std::move(beside), false, !info_.sidecars.empty());
  }

  StepPtr post_setup_hook() {
    const auto& hook = env_.settings.post_setup_hook;
    models::RunAction run;
    run.set_path(hook.front());
    for (std::size_t i = 1; i < hook.size(); ++i) run.add_args(hook[i]);
    run.set_user(env_.settings.post_setup_user);
    run.set_suppress_log_output(true);
    return run_step(run, source(), "post-setup");
  }

  // The time from the beginning of the creation to the end of the setup.
  TimedStep::OnEnd setup_timer() {
    return [&env = env_](bool ok) {
      if (env.container.is_resumed()) return;
      const auto begun_at = env.container.creation_begun_at;
      env.reporting.metrics.set(ok ? "ContainerSetupSucceededDuration" : "ContainerSetupFailedDuration",
                                static_cast<double>((env.runtime.clock.now() - begun_at).count()));
    };
  }

  // --- actions ---

  const std::string& source() const { return env_.reporting.app_log.source(); }
  static std::string effective(const std::string& own, const std::string& enclosing) {
    return own.empty() ? enclosing : own;
  }
  ProcessOutputPtr output(const std::string& log_source) const { return env_.reporting.app_log.output(log_source); }

  StepPtr action(const models::Action& a, const std::string& from, const std::string& place) {
    switch (models::kind_of(a)) {
      case ActionKind::kRun:
        return run_step(a.run_action(), effective(a.run_action().log_source(), from), place);
      case ActionKind::kDownload:
        return std::make_unique<DownloadStep>(env_, a.download_action(),
                                              output(effective(a.download_action().log_source(), from)), place);
      case ActionKind::kUpload:
        return std::make_unique<UploadStep>(env_, a.upload_action(),
                                            output(effective(a.upload_action().log_source(), from)), place);
      case ActionKind::kTimeout: {
        const auto& timeout = a.timeout_action();
        return std::make_unique<TimeoutStep>(
            env_, action(timeout.action(), effective(timeout.log_source(), from), place + ".t"),
            std::chrono::milliseconds(timeout.timeout_ms()), place);
      }
      case ActionKind::kEmitProgress:
        return emit_progress(a.emit_progress_action(), from,
                             action(a.emit_progress_action().action(), from, place + ".e"));
      case ActionKind::kTry:
        return std::make_unique<TryStep>(
            action(a.try_action().action(), effective(a.try_action().log_source(), from), place + ".y"));
      case ActionKind::kParallel:
        return std::make_unique<ParallelStep>(
            env_, actions(a.parallel_action(), effective(a.parallel_action().log_source(), from), place));
      case ActionKind::kCodependent:
        return std::make_unique<CodependentStep>(
            env_, actions(a.codependent_action(), effective(a.codependent_action().log_source(), from), place), true,
            false);
      case ActionKind::kSerial:
        return std::make_unique<SerialStep>(actions(a.serial_action(), from, place));
      case ActionKind::kNone:
        break;
    }
    throw std::invalid_argument("container cannot have empty action");
  }

  template <typename List>
  std::vector<StepPtr> actions(const List& list, const std::string& from, const std::string& place) {
    std::vector<StepPtr> steps;
    for (int i = 0; i < list.actions_size(); ++i) {
      steps.push_back(action(list.actions(i), from, place + "." + std::to_string(i)));
    }
    return steps;
  }

  StepPtr emit_progress(const models::EmitProgressAction& a, const std::string& from, StepPtr child) {
    return std::make_unique<EmitProgressStep>(
        std::move(child),
        EmitProgressStep::Messages{a.start_message(), a.success_message(), a.failure_message_prefix()},
        output(effective(a.log_source(), from)));
  }

  garden::ProcessSpec process_of(const models::RunAction& run) const {
    garden::ProcessSpec process;
    process.path = run.path();
    process.args.assign(run.args().begin(), run.args().end());
    process.dir = run.dir();
    process.user = run.user();
    for (const auto& variable : run.env()) process.env.push_back(variable.name() + "=" + variable.value());
    process.env.insert(process.env.end(), env_.container.network_environment.begin(),
                       env_.container.network_environment.end());
    if (run.has_resource_limits() && run.resource_limits().optional_nofile_case() != 0) {
      process.rlimits.nofile = run.resource_limits().nofile();
    }
    return process;
  }

  StepPtr run_step(const models::RunAction& run, const std::string& log_source, const std::string& place) {
    RunOptions options;
    options.process = process_of(run);
    options.process.id = place;
    options.log_source = log_source;
    options.journal_key = place;
    options.output = run.suppress_log_output() ? std::make_shared<DiscardedOutput>() : output(log_source);
    return std::make_unique<RunStep>(env_, std::move(options));
  }

  // --- health ---

  StepPtr health_check() {
    if (info_.check_definition) return declarative_health_check(*info_.check_definition);
    if (!info_.monitor || models::kind_of(*info_.monitor) == ActionKind::kNone) return nullptr;
    const CheckFactory make = [this_env = &env_, monitor = *info_.monitor]() -> StepPtr {
      return std::make_unique<ThrottledStep>(this_env->check_slots, monitor_run(*this_env, monitor));
    };
    const auto& settings = env_.settings;
    StepPtr startup =
        std::make_unique<EventuallySucceedsStep>(env_, make, settings.unhealthy_interval, info_.start_timeout);
    if (auto proxies = proxy_checks(CheckMode::kStartup); !proxies.empty()) {
      proxies.insert(proxies.begin(), std::move(startup));
      startup = std::make_unique<ParallelStep>(env_, std::move(proxies));
    }
    return std::make_unique<HealthCheckStep>(
        env_, std::move(startup), std::make_unique<ConsistentlySucceedsStep>(env_, make, settings.healthy_interval),
        HealthCheckStep::Outputs{.container = output(source()), .health = output(source())});
  }

  // The tree of one run of the monitor action.
  static StepPtr monitor_run(StepEnvironment& env, const models::Action& monitor) {
    // The trees of checks are built after build_steps() has returned, and need nothing from the RunInfo.
    static const RunInfo none;
    Builder builder(env, none, {});
    return builder.check_action(monitor, std::make_shared<CapturedOutput>());
  }

  // The step of a monitor's action. Its output is collected in `captured`. The journal does not name it.
  StepPtr check_action(const models::Action& a, const std::shared_ptr<CapturedOutput>& captured) {
    switch (models::kind_of(a)) {
      case ActionKind::kRun: {
        RunOptions options;
        options.process = process_of(a.run_action());
        options.is_check = true;
        options.output = captured;
        return std::make_unique<RunStep>(env_, std::move(options));
      }
      case ActionKind::kTimeout:
        return std::make_unique<TimeoutStep>(env_, check_action(a.timeout_action().action(), captured),
                                             std::chrono::milliseconds(a.timeout_action().timeout_ms()), "");
      case ActionKind::kTry:
        return std::make_unique<TryStep>(check_action(a.try_action().action(), captured));
      case ActionKind::kParallel:
        return std::make_unique<ParallelStep>(env_, check_actions(a.parallel_action()));
      case ActionKind::kCodependent:
        return std::make_unique<CodependentStep>(env_, check_actions(a.codependent_action()), true, false);
      case ActionKind::kSerial: {
        std::vector<StepPtr> steps;
        for (const auto& child : a.serial_action().actions()) steps.push_back(check_action(child, captured));
        return std::make_unique<SerialStep>(std::move(steps));
      }
      case ActionKind::kEmitProgress:
        return emit_progress(a.emit_progress_action(), source(),
                             check_action(a.emit_progress_action().action(), captured));
      case ActionKind::kDownload:
        return std::make_unique<DownloadStep>(env_, a.download_action(), output(source()), "");
      case ActionKind::kUpload:
        return std::make_unique<UploadStep>(env_, a.upload_action(), output(source()), "");
      case ActionKind::kNone:
        break;
    }
    throw std::invalid_argument("container cannot have empty action");
  }

  template <typename List>
  std::vector<StepPtr> check_actions(const List& list) {
    std::vector<StepPtr> steps;
    for (const auto& child : list.actions()) {
      auto captured = std::make_shared<CapturedOutput>();
      steps.push_back(std::make_unique<OutputAsErrorStep>(check_action(child, captured), captured, ""));
    }
    return steps;
  }

  std::string health_source(const models::CheckDefinition& definition) const {
    return definition.log_source().empty() ? "HEALTH" : definition.log_source();
  }

  StepPtr declarative_health_check(const models::CheckDefinition& definition) {
    auto startup = check_steps(env_, definition.checks(), CheckMode::kStartup, info_.start_timeout, "");
    auto liveness = check_steps(env_, definition.checks(), CheckMode::kLiveness, info_.start_timeout, "");
    for (auto& check : proxy_checks(CheckMode::kStartup)) startup.push_back(std::move(check));
    if (env_.container.proxy && env_.container.proxy->checks_liveness) {
      for (auto& check : proxy_checks(CheckMode::kLiveness)) liveness.push_back(std::move(check));
    }
    if (startup.empty()) return nullptr;
    return std::make_unique<HealthCheckStep>(
        env_, std::make_unique<ParallelStep>(env_, std::move(startup)),
        liveness.empty() ? nullptr : std::make_unique<CodependentStep>(env_, std::move(liveness), false, false),
        HealthCheckStep::Outputs{.container = output(source()), .health = output(health_source(definition))});
  }

  // Whether the proxy answers on each of its ports.
  std::vector<StepPtr> proxy_checks(CheckMode mode) const {
    std::vector<StepPtr> steps;
    if (!env_.container.proxy) return steps;
    const bool is_startup = mode == CheckMode::kStartup;
    for (std::size_t i = 0; i < env_.container.proxy_ports.size(); ++i) {
      auto process = proxy_check_process(env_, env_.container.proxy_ports[i], mode, i, info_.start_timeout);
      steps.push_back(
          declarative_check(env_, std::move(process),
                            is_startup ? "instance proxy failed to start" : "instance proxy health check failed",
                            is_startup ? info_.start_timeout : std::chrono::milliseconds(0)));
    }
    return steps;
  }

  template <typename Checks>
  static std::vector<StepPtr> check_steps(StepEnvironment& env, const Checks& checks, CheckMode mode,
                                          std::chrono::milliseconds start_timeout, const std::string& id_suffix) {
    std::vector<StepPtr> steps;
    for (int i = 0; i < checks.size(); ++i) {
      auto process = check_process(env, checks.Get(i), mode, i, start_timeout);
      if (!process) {
        env.reporting.logger.error("invalid-check", {{"index", i}});
        continue;
      }
      process->id += id_suffix;
      steps.push_back(declarative_check(env, std::move(*process), "",
                                        mode == CheckMode::kStartup ? start_timeout : std::chrono::milliseconds(0)));
    }
    return steps;
  }

  // The step of a check's process. One that replaces another has an id of its own, because an id names one process.
  static StepPtr declarative_check(StepEnvironment& env, garden::ProcessSpec process, const std::string& prefix,
                                   std::chrono::milliseconds give_up_after) {
    const auto make = [this_env = &env, process = std::move(process), prefix](int attempt) -> StepPtr {
      RunOptions options;
      options.process = process;
      if (attempt > 0) options.process.id += fmt::format("-{}", base::to_unix_nanos(this_env->runtime.clock.now()));
      options.attach_first = this_env->container.is_resumed() && attempt == 0;
      options.is_check = true;
      auto captured = std::make_shared<CapturedOutput>();
      options.output = captured;
      auto run = std::make_unique<RunStep>(*this_env, std::move(options));
      return std::make_unique<OutputAsErrorStep>(std::move(run), captured, prefix);
    };
    return std::make_unique<PersistentCheckStep>(env, make, give_up_after);
  }

  StepPtr readiness() {
    const auto& definition = *info_.check_definition;
    // Each round runs new processes, and an id names one process only.
    const auto rounds = std::make_shared<std::int64_t>(base::to_unix_nanos(env_.runtime.clock.now()));
    const auto factory = [this_env = &env_, definition, rounds](CheckMode mode) -> CheckFactory {
      return [this_env, definition, rounds, mode]() -> StepPtr {
        const auto suffix = "-" + std::to_string(++*rounds);
        auto steps = check_steps(*this_env, definition.readiness_checks(), mode, {}, suffix);
        if (mode == CheckMode::kUntilReady) return std::make_unique<ParallelStep>(*this_env, std::move(steps));
        return std::make_unique<CodependentStep>(*this_env, std::move(steps), true, false);
      };
    };
    return std::make_unique<ReadinessStep>(env_,
                                           ReadinessStep::Checks{.until_ready = factory(CheckMode::kUntilReady),
                                                                 .readiness = factory(CheckMode::kReadiness)},
                                           output(health_source(definition)), on_routable_);
  }

  StepEnvironment& env_;
  const RunInfo& info_;
  std::function<void(bool)> on_routable_;
};

}  // namespace

StepPtr build_steps(StepEnvironment& environment, const RunInfo& info, std::function<void(bool)> on_routable) {
  return Builder(environment, info, std::move(on_routable)).tree();
}

bool has_readiness_checks(const RunInfo& info) {
  if (!info.check_definition) return false;
  const auto& checks = info.check_definition->readiness_checks();
  return std::any_of(checks.begin(), checks.end(), [](const models::Check& check) {
    return (check.has_tcp_check() && check.tcp_check().port() != 0) ||
           (check.has_http_check() && check.http_check().port() != 0);
  });
}

}  // namespace rivera::executor
