// The network of containers as a plugin makes it.
#pragma once

#include "garden/host/context.h"
#include "garden/network/networker.h"
#include "garden/plugins/network_plugin.h"

namespace rivera::garden {

// Stands in the place of NetworkPart with `--network-plugin`: the plugin makes devices, addresses, ports and rules
// (docs/spec/garden.md §3.9), and says in the container's properties what it made. We make the files with names.
class PluginNetworkPart final : public Networker {
 public:
  explicit PluginNetworkPart(const Context& context);

  // Not NetworkPart's name: a server with another networker must not undo what this one made.
  std::string name() const override { return "network-plugin"; }
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  asio::awaitable<void> prepare_pea(Container& container, Pea& pea, const clients::garden::ProcessSpec& spec,
                                    BundleInput& bundle) override;
  bool writes_files() const override { return true; }
  asio::awaitable<void> started(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> cleanup(Container& container) override;
  asio::awaitable<void> add_info(Container& container, clients::garden::ContainerInfo& info) override;
  asio::awaitable<void> add_metrics(Container& container, clients::garden::ContainerMetrics& metrics) override;

  asio::awaitable<clients::garden::PortMapping> net_in(Container& container, clients::garden::NetIn wanted) override;
  asio::awaitable<void> net_out(Container& container, std::vector<clients::garden::NetOutRule> rules,
                                NetOutCall call) override;

 private:
  asio::awaitable<boost::json::value> call(std::string action, std::string handle, boost::json::value input);
  asio::awaitable<void> write_names(Container& container, const boost::json::value& answer);

  const Context& context_;
  NetworkPlugin plugin_;
  std::string external_ip_;
  bool has_warned_of_names_ = false;
  base::WorkerPool threads_{8};  // of its own: a plugin that hangs delays no other work
};

}  // namespace rivera::garden
