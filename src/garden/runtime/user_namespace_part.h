// Which host ids the ids of a container are.
#pragma once

#include "garden/container/part.h"
#include "garden/host/context.h"

namespace rivera::garden {

// Sets Container::mapping: one mapping for all unprivileged containers, none for privileged ones.
class UserNamespacePart final : public Part {
 public:
  explicit UserNamespacePart(const Context& context) : mapping_(unprivileged_mapping(context.options, context.host)) {}

  std::string name() const override { return "user-namespace"; }
  void reserve(Container& container, const clients::garden::ContainerSpec& spec) override {
    if (!spec.privileged) container.mapping = mapping_;
  }
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec&,
                                BundleInput& bundle) override {
    bundle.mapping = container.mapping;
    co_return;
  }
  asio::awaitable<void> recover(Container& container, const boost::json::object&) override {
    if (!container.record.privileged) container.mapping = mapping_;
    co_return;
  }

 private:
  IdMapping mapping_;
};

}  // namespace rivera::garden
