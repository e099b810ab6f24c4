// Control groups: limits, use of memory, processor and processes, and memory exhaustion.
#pragma once

#include <set>
#include <string>

#include "garden/container/part.h"
#include "garden/host/context.h"
#include "garden/runtime/runtime.h"

namespace rivera::garden {

// The runtime makes a container's groups and sets their limits; this part says where they are, reads them, and removes
// them. It sets Container::cgroups.
class CgroupPart final : public Part {
 public:
  explicit CgroupPart(const Context& context);

  std::string name() const override { return "cgroups"; }
  asio::awaitable<void> start(const Containers& containers) override;
  asio::awaitable<void> remove_everything() override;
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  asio::awaitable<void> started(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> cleanup(Container& container) override;
  boost::json::object state(const Container& container) const override;
  asio::awaitable<void> recover(Container& container, const boost::json::object& state) override;
  asio::awaitable<void> prepare_pea(Container& container, Pea& pea, const clients::garden::ProcessSpec& spec,
                                    BundleInput& bundle) override;
  asio::awaitable<void> cleanup_pea(Container& container, const Pea& pea) override;
  asio::awaitable<void> add_pea_metrics(Container& container, const Pea& pea,
                                        clients::garden::ContainerMetrics& metrics) override;
  asio::awaitable<void> process_ended(Container& container) override;
  asio::awaitable<void> add_info(Container& container, clients::garden::ContainerInfo& info) override;
  asio::awaitable<void> add_metrics(Container& container, clients::garden::ContainerMetrics& metrics) override;

 private:
  struct State {
    std::uint64_t reported_oom_kills = 0;
    std::map<std::string, std::uint64_t> reported_of_peas;  // of those within the container's limits
  };
  std::string group_of(const Container& container) const;
  asio::awaitable<void> remember_parents(std::set<std::string> parents);
  asio::awaitable<void> notice_oom_kills(Container& container);

  const Context& context_;
  // The directories that hold the containers' groups. Kept in a file of the run directory, because garden may be
  // started from another group when it removes everything.
  std::set<std::string> parents_;
  bool are_parents_read_ = false;
  Runtimes runtimes_;
};

}  // namespace rivera::garden
