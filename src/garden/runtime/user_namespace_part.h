// Which host ids the ids of a container are, and whom its user namespace belongs to.
#pragma once

#include <set>

#include "garden/container/part.h"
#include "garden/host/context.h"

namespace rivera::garden {

// Sets Container::mapping, one mapping for all unprivileged containers, and Container::user_namespace_owner, a host id
// for each (shim/user_namespace.h says what for). Privileged containers have neither.
class UserNamespacePart final : public Part {
 public:
  explicit UserNamespacePart(const Context& context);

  std::string name() const override { return "user-namespace"; }
  void reserve(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  void release(Container& container) override;
  boost::json::object state(const Container& container) const override;
  asio::awaitable<void> recover(Container& container, const boost::json::object& state) override;
  asio::awaitable<void> prepare_pea(Container& container, Pea& pea, const clients::garden::ProcessSpec& spec,
                                    BundleInput& bundle) override;

 private:
  IdMapping mapping_;
  std::uint32_t first_owner_;
  std::set<std::uint32_t> owners_;  // in use
};

}  // namespace rivera::garden
