// Creation and destruction of a container in Garden: a part of ContainerNode.
#include <fmt/format.h>

#include "base/files.h"
#include "base/units.h"
#include "base/work/cancellation.h"
#include "executor/container/errors.h"
#include "executor/container_node.h"
#include "executor/garden/retry.h"
#include "executor/steps/transfer_steps.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr const char* kHealthcheckMount = "/etc/cf-assets/healthcheck";
constexpr const char* kServiceBindingsMount = "/etc/cf-service-bindings";

// The path relative to the mounted directory. Throws CreationFailed for one that leaves it.
fs::path relative_path(const std::string& path) {
  fs::path clean;
  for (const auto& part : fs::path(path)) {
    if (part == "..") throw CreationFailed("failed to create volume mounted files");
    if (part != "/" && part != ".") clean /= part;
  }
  if (clean.empty()) throw CreationFailed("failed to create volume mounted files");
  return clean;
}

void write_files(const fs::path& directory, const std::vector<models::File>& files) {
  for (const auto& file : files) {
    const auto path = directory / relative_path(file.path());
    fs::create_directories(path.parent_path());
    base::write_file_atomically(path, file.content(), 0644);
  }
}

}  // namespace

asio::awaitable<void> ContainerNode::create_container() {
  creation_begun_at_ = services_.runtime.clock.now();
  if (origin_ != Origin::kNew) co_await destroy_in_garden();  // the rest of an interrupted creation
  auto mounts = co_await prepare_mounts();
  if (creation_.raised()) throw Interrupted();

  write_line(fmt::format("Cell {} creating container for instance {}", options_.cell_id, container_.guid));
  std::string failure;
  garden::ContainerInfo info;
  const auto asked_at = services_.runtime.clock.now();
  try {
    auto spec = spec_with(std::move(mounts));
    co_await create_in_garden(std::move(spec));
    info = co_await info_after_creation();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  const auto took = static_cast<double>((services_.runtime.clock.now() - asked_at).count());
  if (!failure.empty()) {
    write_line(fmt::format("Cell {} failed to create container for instance {}: {}", options_.cell_id, container_.guid,
                           failure),
               true);
    services_.reporting.metrics.set("GardenContainerCreationFailedDuration", took);
    throw CreationFailed("failed to create container: " + failure);
  }
  write_line(fmt::format("Cell {} successfully created container for instance {}", options_.cell_id, container_.guid));
  services_.reporting.metrics.set("GardenContainerCreationSucceededDuration", took);

  container_.external_ip = info.external_ip;
  container_.internal_ip = info.container_ip;
  container_.internal_ip_v6 = info.container_ipv6;
  const bool proxied = is_proxied(container_.run_info, options_.proxy);
  container_.ports =
      port_mappings(container_.run_info.ports,
                    proxied ? proxy_ports(container_.run_info.ports) : std::vector<ProxyPort>{}, info.mapped_ports);
  if (container_.state == ContainerState::kCompleted) throw Interrupted();
  container_.state = ContainerState::kCreated;
  co_await save();
}

garden::ContainerSpec ContainerNode::spec_with(std::vector<garden::BindMount> mounts) const {
  std::vector<std::string> env;
  const auto& certificates = container_.run_info.trusted_system_certificates_path;
  if (!certificates.empty() && !options_.trusted_system_certificates_path.empty()) {
    env.push_back("CF_SYSTEM_CERT_PATH=" + certificates);
  }
  if (credentials_) {
    for (auto& variable : credentials_->environment()) env.push_back(std::move(variable));
  }
  return container_spec(container_, options_.spec, std::move(mounts), std::move(env), rootfs_size());
}

std::uint64_t ContainerNode::rootfs_size() const {
  const auto size = services_.rootfs_sizes.find(container_.run_info.rootfs);
  return size == services_.rootfs_sizes.end() ? 0 : size->second;
}

std::uint64_t ContainerNode::disk_limit() const {
  const auto own = static_cast<std::uint64_t>(std::max<std::int64_t>(container_.resource.disk_mb, 0));
  return own == 0 ? 0 : own * base::kMebibyte + rootfs_size();
}

// Dependencies come first: fetching them takes longest, and stop() can interrupt it.
asio::awaitable<std::vector<garden::BindMount>> ContainerNode::prepare_mounts() {
  auto fetching = fetch_dependencies();
  auto mounts = co_await creation_.guard(std::move(fetching));
  if (!container_.run_info.volume_mounts.empty()) {
    const auto& driver = container_.run_info.volume_mounts.front().driver();
    logger_.error("failed-to-mount-volume", {{"guid", container_.guid}, {"driver", driver}});
    throw CreationFailed("failed to mount volume");
  }
  co_await make_credential_directories();
  co_await write_mounted_files();
  for (auto& mount : fixed_mounts()) mounts.push_back(std::move(mount));
  co_return mounts;
}

// Creates the container once, even if Garden stops answering in between.
asio::awaitable<void> ContainerNode::create_in_garden(garden::ContainerSpec spec) {
  const auto give_up_at = steady_clock::now() + options_.create_patience;
  for (;;) {
    try {
      co_await services_.backend.create(spec);
      co_return;
    } catch (const std::exception& e) {
      if (!is_no_answer(e) || steady_clock::now() >= give_up_at) throw;
    }
    if (creation_.raised()) throw Interrupted();
    co_await base::sleep_for(options_.steps.retry_interval);
    // Garden may have created it, entirely or in part.
    co_await destroy_in_garden();
  }
}

asio::awaitable<garden::ContainerInfo> ContainerNode::info_after_creation() {
  const auto give_up_at = steady_clock::now() + options_.create_patience;
  for (;;) {
    std::exception_ptr failure;
    try {
      co_return co_await services_.backend.info(container_.guid);
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      failure = std::current_exception();
      if (!is_no_answer(e) || steady_clock::now() >= give_up_at) break;
    }
    co_await base::sleep_for(options_.steps.retry_interval);
  }
  std::string why = "no information about the container";
  try {
    co_await destroy_in_garden();
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    why += std::string(", which cannot be destroyed: ") + e.what();
  }
  throw ExecutorError(why);
}

asio::awaitable<void> ContainerNode::destroy_in_garden() {
  const auto begun_at = services_.runtime.clock.now();
  std::exception_ptr failure;
  try {
    const bool existed = co_await destroy_persistently();
    if (!existed) co_return;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = std::current_exception();
  }
  services_.reporting.metrics.set(
      failure ? "GardenContainerDestructionFailedDuration" : "GardenContainerDestructionSucceededDuration",
      static_cast<double>((services_.runtime.clock.now() - begun_at).count()));
  if (failure) std::rethrow_exception(failure);
}

// False if the container did not exist, or is being destroyed already.
asio::awaitable<bool> ContainerNode::destroy_persistently() {
  const auto give_up_at = steady_clock::now() + options_.destroy_patience;
  for (;;) {
    try {
      co_await services_.backend.destroy(container_.guid);
      co_return true;
    } catch (const garden::ContainerNotFoundError&) {
      co_return false;
    } catch (const std::exception& e) {
      if (std::string_view(e.what()) == garden::kAlreadyBeingDestroyed) co_return false;
      if (!is_no_answer(e) || steady_clock::now() >= give_up_at) throw;
    }
    co_await base::sleep_for(options_.steps.retry_interval);
  }
}

// --- mounts ---

asio::awaitable<std::vector<garden::BindMount>> ContainerNode::fetch_dependencies() {
  const auto& dependencies = container_.run_info.cached_dependencies;
  fetched_.assign(dependencies.size(), std::nullopt);
  fetch_failure_.clear();
  fetches_running_ = dependencies.size();
  base::TaskGroup fetches(services_.runtime.executor, logger_);
  for (std::size_t i = 0; i < dependencies.size(); ++i) fetches.spawn("fetch-dependency", fetch_dependency(i));
  bool interrupted = false;
  try {
    while (fetches_running_ > 0 && fetch_failure_.empty()) co_await changed_.wait();
  } catch (const std::exception& e) {
    if (!base::is_cancellation(e)) throw;
    interrupted = true;
  }
  if (interrupted) co_await asio::this_coro::reset_cancellation_state();
  co_await fetches.stop();

  std::vector<garden::BindMount> mounts;
  for (std::size_t i = 0; i < dependencies.size(); ++i) {
    if (!fetched_[i]) continue;
    cached_directories_.push_back(fetched_[i]->path.string());
    mounts.push_back({.src_path = fetched_[i]->path.string(), .dst_path = dependencies[i].to()});
  }
  if (interrupted) base::throw_cancellation();
  if (!fetch_failure_.empty()) throw CreationFailed("failed to download cached artifacts");
  co_return mounts;
}

asio::awaitable<void> ContainerNode::fetch_dependency(std::size_t index) {
  const auto dependency = container_.run_info.cached_dependencies[index];
  const auto output = [this, source = dependency.log_source(),
                       named = !dependency.name().empty()](const std::string& line) {
    if (!named || !log_) return;
    log_->write_line_as(source, line);
  };
  std::string failure;
  try {
    const auto slot = co_await services_.transfers.download_slots.acquire();
    output(fmt::format("Downloading {}...", dependency.name()));
    DownloadRequest request{.url = dependency.from(),
                            .cache_key = dependency.cache_key(),
                            .checksum = {dependency.checksum_algorithm(), dependency.checksum_value()}};
    const auto fetched = co_await services_.transfers.downloader.fetch_directory(std::move(request));
    fetched_[index] = fetched;
    output(fetched.bytes > 0 ? fmt::format("Downloaded {} ({})", dependency.name(), short_size(fetched.bytes))
                             : fmt::format("Downloaded {}", dependency.name()));
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  if (!failure.empty()) {
    output(fmt::format("Downloading {} failed", dependency.name()));
    logger_.error("failed-to-download-cached-dependency",
                  {{"from", loggable_url(dependency.from())}, {"error", failure}});
    fetch_failure_ = failure;
  }
  --fetches_running_;
  changed_.notify_all();
}

std::vector<garden::BindMount> ContainerNode::fixed_mounts() const {
  std::vector<garden::BindMount> mounts;
  const auto& certificates = container_.run_info.trusted_system_certificates_path;
  if (!certificates.empty() && !options_.trusted_system_certificates_path.empty()) {
    mounts.push_back({.src_path = options_.trusted_system_certificates_path, .dst_path = certificates});
  }
  if (!container_.run_info.volume_mounted_files.empty()) {
    mounts.push_back({.src_path = mounted_files_directory().string(), .dst_path = kServiceBindingsMount});
  }
  if (credentials_) {
    for (auto& mount : credentials_->mounts()) mounts.push_back(std::move(mount));
  }
  if (!options_.healthcheck_path.empty()) {
    mounts.push_back({.src_path = options_.healthcheck_path, .dst_path = kHealthcheckMount});
  }
  return mounts;
}

fs::path ContainerNode::mounted_files_directory() const {
  return fs::path(options_.volume_mounted_files_path) / container_.guid;
}

asio::awaitable<void> ContainerNode::make_credential_directories() {
  if (!credentials_) co_return;
  std::string failure;
  try {
    co_await credentials_->make_directories();
    co_return;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  logger_.error("failed-to-make-credential-directories", {{"guid", container_.guid}, {"error", failure}});
  throw CreationFailed("failed to create credentials directory");
}

asio::awaitable<void> ContainerNode::write_mounted_files() {
  const auto& files = container_.run_info.volume_mounted_files;
  if (files.empty()) co_return;
  if (options_.volume_mounted_files_path.empty()) throw CreationFailed("failed to create volume mounted files");
  const auto directory = mounted_files_directory();
  std::string failure;
  try {
    auto write = [directory, files] { write_files(directory, files); };
    co_await services_.runtime.workers.run(std::move(write));
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  if (!failure.empty()) {
    logger_.error("failed-to-write-mounted-files", {{"guid", container_.guid}, {"error", failure}});
    throw CreationFailed("failed to create volume mounted files");
  }
}

}  // namespace rivera::executor
