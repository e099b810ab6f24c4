// A container's first process, its shim, and what the OCI runtime keeps of it.
#pragma once

#include <memory>

#include "garden/container/part.h"
#include "garden/host/context.h"
#include "garden/runtime/runtime.h"

namespace rivera::garden {

// The last part: its prepare() writes what the other parts put into the bundle, its launch() starts the container with
// that, its cleanup() ends every process before the others remove what the processes use.
class RuntimePart final : public Part {
 public:
  explicit RuntimePart(const Context& context)
      : context_(context), runtimes_(context.options, context.host.has_unified_cgroups) {}

  std::string name() const override { return "runtime"; }
  asio::awaitable<void> check(Container& container, const clients::garden::ContainerSpec& spec) override;
  void reserve(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  asio::awaitable<void> launch(Container& container) override;
  bool has_launch() const override { return true; }
  asio::awaitable<void> cleanup(Container& container) override;
  boost::json::object state(const Container& container) const override;
  asio::awaitable<void> recover(Container& container, const boost::json::object& state) override;
  asio::awaitable<void> cleanup_pea(Container& container, const Pea& pea) override;

 private:
  // The first process's; with its number they name one process.
  struct State {
    std::uint64_t start_time = 0;
    std::string boot_id;
  };
  void guess_lost_names(Container& container) const;
  asio::awaitable<void> find_processes(Container& container) const;
  asio::awaitable<void> kill_processes(Container& container) const;

  const Context& context_;
  Runtimes runtimes_;
};

}  // namespace rivera::garden
