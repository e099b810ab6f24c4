// Periodic work of the executor: measurement of root filesystems, expiry of reservations, reaping (docs/spec/cell.md
// §2.4, §2.14).
#include <algorithm>
#include <set>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "base/ids.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "executor/executor.h"

namespace rivera::executor {

namespace {

// Identifies a version of a root filesystem; "" if it is not a local file.
std::string version_of(const std::string& path) {
  std::error_code ec;
  const auto changed = std::filesystem::last_write_time(path, ec);
  if (ec) return {};
  return fmt::format("{} {}", path, changed.time_since_epoch().count());
}

std::map<std::string, std::uint64_t> read_sizes(const std::filesystem::path& file) {
  try {
    return boost::json::value_to<std::map<std::string, std::uint64_t>>(boost::json::parse(base::read_file(file)));
  } catch (const std::exception&) {
    return {};  // the sizes are measured again
  }
}

}  // namespace

// A root filesystem counts towards a container's disk limit, so that its size is added to the limit. Sizes are kept for
// the next start. A root filesystem that cannot be measured counts as 0.
asio::awaitable<void> Executor::measure_stacks() {
  const auto file = options_.state_directory / "rootfs-sizes.json";
  auto read = [file] { return read_sizes(file); };
  const auto known = co_await workers_.run(std::move(read));
  std::map<std::string, std::uint64_t> versions;
  for (const auto& [name, path] : options_.stacks) {
    const auto version = version_of(path);
    const auto found = known.find(version);
    if (found != known.end()) {
      rootfs_sizes_[path] = found->second;
    } else {
      co_await measure(name, path);
    }
    if (!version.empty() && rootfs_sizes_.contains(path)) versions[version] = rootfs_sizes_[path];
  }
  if (versions == known) co_return;
  auto write = [file, text = boost::json::serialize(boost::json::value_from(versions))] {
    base::write_file_atomically(file, text, 0600);
  };
  co_await workers_.run(std::move(write));
}

asio::awaitable<void> Executor::measure(std::string name, std::string path) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const auto handle = "rootfs-c-" + base::new_guid();
  try {
    garden::ContainerSpec spec;
    spec.handle = handle;
    spec.image.uri = path;
    spec.properties = {{kOwnerProperty, options_.node.spec.owner}, {"network.healthcheck", "true"}};
    co_await backend_.create(spec);
    const std::vector<std::string> handles{handle};
    const auto metrics = co_await backend_.bulk_metrics(handles);
    const auto found = metrics.find(handle);
    if (found != metrics.end() && found->second.error.empty()) {
      const auto& disk = found->second.value.disk;
      rootfs_sizes_[path] = disk.total_bytes_used - std::min(disk.total_bytes_used, disk.exclusive_bytes_used);
    }
  } catch (const std::exception& e) {
    if (base::is_cancelled(cancellation)) throw;
    logger_.error("failed-to-measure-rootfs", {{"stack", name}, {"error", e.what()}});
  }
  co_await destroy_and_log(handle);
}

asio::awaitable<void> Executor::prune_loop() {
  for (;;) {
    co_await base::sleep_for(options_.reserved_expiration / 2);
    const auto oldest = base::to_unix_nanos(clock_.now()) - options_.reserved_expiration.count();
    const auto nodes = nodes_;
    for (const auto& [guid, each] : nodes) {
      const auto& container = each->container();
      if (container.state == ContainerState::kReserved && container.allocated_at <= oldest) {
        each->complete_failed("expired container");
      }
    }
  }
}

asio::awaitable<void> Executor::reap_loop() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  for (;;) {
    co_await base::sleep_for(options_.reap_interval);
    try {
      co_await reap();
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      logger_.error("failed-to-reap", {{"error", e.what()}});
    }
  }
}

// Asks for one container again, so that an incomplete list does not end applications.
asio::awaitable<bool> Executor::is_missing(std::string handle) {
  try {
    co_await backend_.info(handle);
  } catch (const garden::ContainerNotFoundError&) {
    co_return true;
  }
  co_return false;
}

asio::awaitable<void> Executor::reap() {
  // A container created after the question may be absent from the answer.
  std::set<std::string> created;
  for (const auto& [guid, each] : nodes_) {
    const auto state = each->container().state;
    if (state == ContainerState::kCreated || state == ContainerState::kRunning) created.insert(guid);
  }
  const garden::PropertyFilter ours{{kOwnerProperty, options_.node.spec.owner}};
  const auto handles = co_await backend_.containers(ours);
  const std::set<std::string> existing(handles.begin(), handles.end());

  for (const auto& guid : created) {
    if (existing.contains(guid)) continue;
    const bool missing = co_await is_missing(guid);
    const auto found = nodes_.find(guid);
    if (!missing || found == nodes_.end()) continue;
    logger_.error("container-missing", {{"guid", guid}});
    found->second->complete_failed("missing garden container");
  }
  std::vector<std::string> extra;
  for (const auto& handle : handles) {
    if (!nodes_.contains(handle)) extra.push_back(handle);
  }
  co_await destroy_unclaimed(std::move(extra));
}

}  // namespace rivera::executor
