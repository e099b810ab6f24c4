// The built-in network of containers.
#pragma once

#include <optional>

#include "base/work/task_group.h"
#include "garden/firewall/restore_pace.h"
#include "garden/host/context.h"
#include "garden/network/link_deletions.h"
#include "garden/network/network_driver.h"
#include "garden/network/networker.h"
#include "garden/network/port_pool.h"
#include "garden/network/subnet_pool.h"

namespace rivera::garden {

// Gives a container an address, host ports, devices, rules and name files (docs/spec/garden.md §3). The host's network
// is changed by one thread: requests for several containers queue up there. What other processes change of it is
// noticed (the tables by the kernel's notifications, devices and forwarding by a check every few seconds) and restored.
// Devices are deleted beside that thread.
class NetworkPart final : public Networker {
 public:
  explicit NetworkPart(const Context& context);

  std::string name() const override { return "network"; }
  asio::awaitable<void> start(const Containers& containers) override;
  asio::awaitable<void> stop() override;
  asio::awaitable<void> remove_everything() override;
  asio::awaitable<void> check(Container& container, const clients::garden::ContainerSpec& spec) override;
  void reserve(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  bool writes_files() const override { return true; }
  asio::awaitable<void> launch(Container& container) override;
  bool has_launch() const override { return true; }
  asio::awaitable<void> started(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> cleanup(Container& container) override;
  void release(Container& container) override;
  boost::json::object state(const Container& container) const override;
  asio::awaitable<void> recover(Container& container, const boost::json::object& state) override;
  asio::awaitable<void> prepare_pea(Container& container, Pea& pea, const clients::garden::ProcessSpec& spec,
                                    BundleInput& bundle) override;
  asio::awaitable<void> add_info(Container& container, clients::garden::ContainerInfo& info) override;
  asio::awaitable<void> add_metrics(Container& container, clients::garden::ContainerMetrics& metrics) override;
  asio::awaitable<void> add_capacity(clients::garden::Capacity& capacity) override;

  asio::awaitable<clients::garden::PortMapping> net_in(Container& container, clients::garden::NetIn wanted) override;
  asio::awaitable<void> net_out(Container& container, std::vector<clients::garden::NetOutRule> rules,
                                NetOutCall call) override;

 private:
  using State = std::optional<ContainerNetwork>;  // empty before reserve() and after release()
  ContainerNetwork& network_of(Container& container) const;
  clients::garden::PortMapping acquire_port(const clients::garden::NetIn& wanted);
  void write_properties(Container& container) const;
  asio::awaitable<void> watch_rules();
  asio::awaitable<void> restore_rules(FirewallWatch::Change change);
  asio::awaitable<void> watch_container(std::string id, std::shared_ptr<const base::UniqueFd> init);
  asio::awaitable<void> watch_devices();
  template <typename Work>
  asio::awaitable<std::invoke_result_t<Work>> on_network_thread(Work work) {
    return thread_.run(std::move(work));
  }

  const Context& context_;
  base::WorkerPool thread_{1};
  NetworkDriver driver_;
  SubnetPool subnets_;
  PortPool ports_;
  std::uint64_t next_sequence_;
  bool has_warned_of_names_ = false;
  std::optional<FirewallWatch> watch_;  // from start() on; read by one worker at a time
  RestorePace pace_;
  LinkDeletions deletions_;
  base::TaskGroup background_;
};

}  // namespace rivera::garden
