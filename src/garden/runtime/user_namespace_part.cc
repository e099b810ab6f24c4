#include "garden/runtime/user_namespace_part.h"

#include <functional>

namespace rivera::garden {

namespace api = clients::garden;

namespace {

// Ids that no distribution gives to users, below those of container roots. Two gardens of one host have different state
// directories; if their ranges were the same, containers of both would share what one may hold.
constexpr std::uint32_t kFirstOwner = 3'000'000'000, kOwnersOfAGarden = 4096, kGardens = 100'000;

std::uint32_t first_owner_of(const std::string& state_dir) {
  const auto slot = static_cast<std::uint32_t>(std::hash<std::string>()(state_dir) % kGardens);
  return kFirstOwner + slot * kOwnersOfAGarden;
}

}  // namespace

UserNamespacePart::UserNamespacePart(const Context& context)
    : mapping_(unprivileged_mapping(context.options, context.host)),
      first_owner_(first_owner_of(context.options.state_dir)) {}

void UserNamespacePart::reserve(Container& container, const api::ContainerSpec& spec) {
  if (spec.privileged) return;
  container.mapping = mapping_;
  std::uint32_t owner = first_owner_;
  while (owners_.contains(owner)) ++owner;
  if (owner - first_owner_ >= kOwnersOfAGarden) throw api::GardenError("no user namespace owner is left");
  owners_.insert(owner);
  container.user_namespace_owner = owner;
}

asio::awaitable<void> UserNamespacePart::prepare(Container& container, const api::ContainerSpec&, BundleInput& bundle) {
  bundle.mapping = container.mapping;
  co_return;
}

asio::awaitable<void> UserNamespacePart::prepare_pea(Container& container, Pea&, const api::ProcessSpec&,
                                                     BundleInput& bundle) {
  bundle.mapping = container.mapping;
  co_return;
}

void UserNamespacePart::release(Container& container) {
  owners_.erase(container.user_namespace_owner);
  container.user_namespace_owner = 0;
}

boost::json::object UserNamespacePart::state(const Container& container) const {
  if (container.user_namespace_owner == 0) return {};
  return {{"owner", container.user_namespace_owner}};
}

asio::awaitable<void> UserNamespacePart::recover(Container& container, const boost::json::object& state) {
  if (container.record.privileged) co_return;
  container.mapping = mapping_;
  // Containers of earlier releases have none.
  if (!state.contains("owner")) co_return;
  container.user_namespace_owner = state.at("owner").to_number<std::uint32_t>();
  owners_.insert(container.user_namespace_owner);
}

}  // namespace rivera::garden
