// Which host ids the ids of a container are, and whom its user namespace belongs to.
#pragma once

#include <set>

#include "garden/container/part.h"
#include "garden/host/context.h"
#include "garden/ids/id_ranges.h"
#include "garden/runtime/bind_clones.h"

namespace rivera::garden {

// Sets Container::mapping, and Container::user_namespace_owner, a host id for each (shim/user_namespace.h says what
// for). Privileged containers have neither.
//
// With --container-id-ranges the mapping is to host ids that no other container has. It is the one mapping for all
// (§2.4) where something of the container cannot be shown with other owners: a root file system that is used as it is
// (raw://, image plugins), or a bind mount on a file system without mapped mounts.
class UserNamespacePart final : public Part {
 public:
  explicit UserNamespacePart(const Context& context);

  std::string name() const override { return "user-namespace"; }
  asio::awaitable<void> start(const Containers& containers) override;
  asio::awaitable<void> stop() override;
  asio::awaitable<void> remove_everything() override;
  asio::awaitable<void> check(Container& container, const clients::garden::ContainerSpec& spec) override;
  void reserve(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  void release(Container& container) override;
  boost::json::object state(const Container& container) const override;
  asio::awaitable<void> recover(Container& container, const boost::json::object& state) override;
  asio::awaitable<void> prepare_pea(Container& container, Pea& pea, const clients::garden::ProcessSpec& spec,
                                    BundleInput& bundle) override;

 private:
  struct State {
    bool may_have_own_ids = false;  // between check() and reserve()
  };
  asio::awaitable<void> add_to(BundleInput& bundle, const Container& container);

  const Context& context_;
  IdMapping shared_mapping_;
  std::uint32_t first_owner_;
  std::set<std::uint32_t> owners_;  // in use
  IdRanges ranges_;
  BindClones binds_;
};

}  // namespace rivera::garden
