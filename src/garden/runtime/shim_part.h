// A container's shim: the parent of its processes, and the holder of its user namespace.
#pragma once

#include "garden/container/part.h"
#include "garden/host/context.h"

namespace rivera::garden {

// Starts the shim before the container, while other parts prepare theirs, and ends it once no process is left.
class ShimPart final : public Part {
 public:
  explicit ShimPart(const Context& context) : context_(context) {}

  std::string name() const override { return "shim"; }
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  asio::awaitable<void> cleanup(Container& container) override;

 private:
  const Context& context_;
};

}  // namespace rivera::garden
