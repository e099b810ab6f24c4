#include "garden/plugins/plugin_image_part.h"

#include <cstring>
#include <filesystem>
#include <sys/statvfs.h>

#include "garden/plugins/plugin_layout.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

constexpr const char* kRaw = "raw://";

// Of the file system that holds `path`.
std::uint64_t file_system_size(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) {
    throw std::system_error(errno, std::generic_category(), "look at the file system of " + path);
  }
  return std::uint64_t{info.f_blocks} * info.f_frsize;
}

// Of the unprivileged plugin if it answers, else of the privileged one.
api::DiskStat disk_stat(const ImagePlugin& unprivileged, const ImagePlugin& privileged, const std::string& handle) {
  std::string failures = "image plugin returned these errors:";
  for (const auto& [name, plugin] : {std::pair{"unprivileged", &unprivileged}, std::pair{"privileged", &privileged}}) {
    try {
      if (plugin->is_configured()) return plugin->stats(handle);
      failures += std::string("\n") + name + ": requested image plugin not available";
    } catch (const api::GardenError& e) {
      failures += std::string("\n") + name + ": " + e.what();
    }
  }
  throw api::GardenError(failures);
}

}  // namespace

PluginImagePart::PluginImagePart(const Context& context)
    : context_(context),
      unprivileged_(context.options.image_plugin, context.options.image_plugin_extra_args, context.logger),
      privileged_(context.options.privileged_image_plugin, context.options.privileged_image_plugin_extra_args,
                  context.logger) {
  namespace fs = std::filesystem;
  fs::create_directories(context.options.run_dir);
  fs::permissions(context.options.run_dir, fs::perms(0711));
}

asio::awaitable<void> PluginImagePart::check(Container&, const api::ContainerSpec& spec) {
  if (!spec.image.uri.starts_with(kRaw)) check_is_configured(spec.privileged);
  co_return;
}

void PluginImagePart::check_is_configured(bool privileged) const {
  if (plugin_for(privileged).is_configured()) return;
  throw api::GardenError(std::string("creating create command: no ") +
                         (privileged ? "privileged_image_plugin" : "image_plugin") + " provided");
}

asio::awaitable<void> PluginImagePart::prepare(Container& container, const api::ContainerSpec& spec,
                                               BundleInput& bundle) {
  if (spec.image.uri.starts_with(kRaw)) {
    container.state<State>().is_raw = true;
    bundle.root = spec.image.uri.substr(std::strlen(kRaw));
    co_return;
  }
  auto create = [plugin = &plugin_for(spec.privileged), image = spec.image, disk = spec.limits.disk,
                 handle = container.record.handle, layout = container.directory + "/image"]() mutable {
    if (image.uri.starts_with(kPreloadedPlusLayer)) image.uri = write_plugin_layout(image.uri, layout);
    return plugin->create(handle, image, disk);
  };
  const PluginImage made = co_await threads_.run(std::move(create));
  bundle.root = made.root;
  bundle.image_mounts = made.mounts;
  auto& variables = container.record.env;
  variables.insert(variables.begin(), made.env.begin(), made.env.end());
}

// The record does not say which plugin may have begun an image of that name.
asio::awaitable<void> PluginImagePart::destroy(std::string id) {
  auto destroy = [this, id] {
    for (const ImagePlugin* plugin : {&unprivileged_, &privileged_}) {
      if (plugin->is_configured()) plugin->destroy(id);
    }
  };
  co_await threads_.run(std::move(destroy));
}

asio::awaitable<void> PluginImagePart::cleanup(Container& container) { co_await destroy(container.record.handle); }

// The image of a process is named like the process, and has no disk limit (docs/spec/garden.md §2.14).
asio::awaitable<void> PluginImagePart::prepare_pea(Container& container, Pea& pea, const api::ProcessSpec& spec,
                                                   BundleInput& bundle) {
  if (spec.image.uri.starts_with(kRaw)) {
    container.state<State>().raw_peas.insert(pea.id);
    bundle.root = spec.image.uri.substr(std::strlen(kRaw));
    co_return;
  }
  check_is_configured(container.record.privileged);
  auto create = [plugin = &plugin_for(container.record.privileged), image = spec.image, id = pea.id,
                 layout = container.process_directory(pea.id) + "/image"]() mutable {
    if (image.uri.starts_with(kPreloadedPlusLayer)) image.uri = write_plugin_layout(image.uri, layout);
    return plugin->create(id, image, {});
  };
  const PluginImage made = co_await threads_.run(std::move(create));
  bundle.root = made.root;
  bundle.image_mounts = made.mounts;
  bundle.image_env = made.env;
}

asio::awaitable<void> PluginImagePart::cleanup_pea(Container& container, const Pea& pea) {
  container.state<State>().raw_peas.erase(pea.id);
  co_await destroy(pea.id);
}

asio::awaitable<void> PluginImagePart::add_pea_metrics(Container& container, const Pea& pea,
                                                       api::ContainerMetrics& metrics) {
  if (container.state<State>().raw_peas.contains(pea.id)) co_return;
  auto measure = [this, id = pea.id] { return disk_stat(unprivileged_, privileged_, id); };
  metrics.disk = co_await threads_.run(std::move(measure));
}

boost::json::object PluginImagePart::state(const Container& container) const {
  const auto* state = container.find_state<State>();
  if (state == nullptr || !state->is_raw) return {};
  return {{"raw", true}};
}

asio::awaitable<void> PluginImagePart::recover(Container& container, const boost::json::object& state) {
  container.state<State>().is_raw = state.contains("raw");
  co_return;
}

asio::awaitable<void> PluginImagePart::add_metrics(Container& container, api::ContainerMetrics& metrics) {
  if (container.state<State>().is_raw) co_return;
  auto measure = [this, handle = container.record.handle] { return disk_stat(unprivileged_, privileged_, handle); };
  metrics.disk = co_await threads_.run(std::move(measure));
}

asio::awaitable<void> PluginImagePart::add_capacity(api::Capacity& capacity) {
  auto measure = [this] {
    const std::uint64_t disk = file_system_size(context_.options.depot);
    if (!unprivileged_.is_configured()) return std::pair(disk, std::uint64_t{0});
    try {
      return std::pair(disk, unprivileged_.capacity());
    } catch (const api::GardenError& e) {
      context_.logger.error("image-plugin.capacity-failed", {{"error", e.what()}});
      return std::pair(disk, disk);
    }
  };
  const auto sizes = co_await threads_.run(std::move(measure));
  capacity.disk_in_bytes = sizes.first;
  capacity.schedulable_disk_in_bytes = sizes.second;
}

}  // namespace rivera::garden
