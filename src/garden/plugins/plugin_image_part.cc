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

asio::awaitable<void> PluginImagePart::check(const api::ContainerSpec& spec) {
  if (spec.image.uri.starts_with(kRaw) || plugin_for(spec.privileged).is_configured()) co_return;
  throw api::GardenError(std::string("creating create command: no ") +
                         (spec.privileged ? "privileged_image_plugin" : "image_plugin") + " provided");
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
asio::awaitable<void> PluginImagePart::cleanup(Container& container) {
  auto destroy = [this, handle = container.record.handle] {
    for (const ImagePlugin* plugin : {&unprivileged_, &privileged_}) {
      if (plugin->is_configured()) plugin->destroy(handle);
    }
  };
  co_await threads_.run(std::move(destroy));
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
