// A container's root file system as a plugin makes it.
#pragma once

#include <set>
#include <string>

#include "garden/container/part.h"
#include "garden/host/context.h"
#include "garden/plugins/image_plugin.h"

namespace rivera::garden {

// Replaces ImagePart with `--image-plugin` or `--privileged-image-plugin` (docs/spec/garden.md §2.3): the
// first makes the images of containers with a user namespace, the other those of the rest.
class PluginImagePart final : public Part {
 public:
  explicit PluginImagePart(const Context& context);

  std::string name() const override { return "image-plugin"; }
  asio::awaitable<void> check(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  asio::awaitable<void> cleanup(Container& container) override;
  asio::awaitable<void> prepare_pea(Container& container, Pea& pea, const clients::garden::ProcessSpec& spec,
                                    BundleInput& bundle) override;
  asio::awaitable<void> cleanup_pea(Container& container, const Pea& pea) override;
  asio::awaitable<void> add_pea_metrics(Container& container, const Pea& pea,
                                        clients::garden::ContainerMetrics& metrics) override;
  boost::json::object state(const Container& container) const override;
  asio::awaitable<void> recover(Container& container, const boost::json::object& state) override;
  asio::awaitable<void> add_metrics(Container& container, clients::garden::ContainerMetrics& metrics) override;
  asio::awaitable<void> add_capacity(clients::garden::Capacity& capacity) override;

 private:
  struct State {
    bool is_raw = false;  // a directory that no plugin knows
    std::set<std::string> raw_peas;
  };
  // Throws GardenError if no plugin makes such images.
  void check_is_configured(bool privileged) const;
  asio::awaitable<void> destroy(std::string id);
  const ImagePlugin& plugin_for(bool privileged) const { return privileged ? privileged_ : unprivileged_; }

  const Context& context_;
  ImagePlugin unprivileged_, privileged_;
  base::WorkerPool threads_{8};  // of its own: a plugin that hangs delays no other work
};

}  // namespace rivera::garden
