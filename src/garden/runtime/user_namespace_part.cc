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

constexpr std::string_view kRaw = "raw://";

}  // namespace

UserNamespacePart::UserNamespacePart(const Context& context)
    : context_(context),
      shared_mapping_(unprivileged_mapping(context.options, context.host)),
      first_owner_(first_owner_of(context.options.state_dir)),
      ranges_(context.options, context.host),
      binds_(context) {}

asio::awaitable<void> UserNamespacePart::start(const Containers&) { co_await binds_.remove_all(); }
asio::awaitable<void> UserNamespacePart::stop() { co_await binds_.stop(); }
asio::awaitable<void> UserNamespacePart::remove_everything() { co_await binds_.remove_all(); }

asio::awaitable<void> UserNamespacePart::check(Container& container, const api::ContainerSpec& spec) {
  const Options& options = context_.options;
  if (spec.privileged || !options.container_id_ranges || !options.image_plugin.empty()) co_return;
  if (spec.image.uri.starts_with(kRaw)) co_return;
  const bool can_serve = co_await binds_.can_serve(spec.bind_mounts);
  container.state<State>().may_have_own_ids = can_serve;
  if (!can_serve) {
    context_.logger.info("id-ranges.shared",
                         {{"handle", spec.handle}, {"reason", "a bind mount's file system cannot show other owners"}});
  }
}

void UserNamespacePart::reserve(Container& container, const api::ContainerSpec& spec) {
  if (spec.privileged) return;
  container.mapping = shared_mapping_;
  if (container.state<State>().may_have_own_ids) {
    container.own_ids = {0, ranges_.take(), ranges_.length()};
    container.mapping = own_mapping(container.own_ids.host, container.own_ids.length);
  }
  std::uint32_t owner = first_owner_;
  while (owners_.contains(owner)) ++owner;
  if (owner - first_owner_ >= kOwnersOfAGarden) throw api::GardenError("no user namespace owner is left");
  owners_.insert(owner);
  container.user_namespace_owner = owner;
}

asio::awaitable<void> UserNamespacePart::add_to(BundleInput& bundle, const Container& container) {
  bundle.mapping = container.mapping;
  if (container.own_ids.length == 0) co_return;
  IdMapping owners = translation(shared_mapping_, container.mapping);
  auto held = co_await binds_.clone(bundle.bind_mounts, std::move(owners));
  bundle.held.push_back(std::move(held));
}

asio::awaitable<void> UserNamespacePart::prepare(Container& container, const api::ContainerSpec&, BundleInput& bundle) {
  co_await add_to(bundle, container);
}

asio::awaitable<void> UserNamespacePart::prepare_pea(Container& container, Pea&, const api::ProcessSpec&,
                                                     BundleInput& bundle) {
  co_await add_to(bundle, container);
}

void UserNamespacePart::release(Container& container) {
  owners_.erase(container.user_namespace_owner);
  container.user_namespace_owner = 0;
  if (container.own_ids.length > 0) ranges_.give_back(container.own_ids.host);
  container.own_ids = {};
}

boost::json::object UserNamespacePart::state(const Container& container) const {
  boost::json::object state;
  if (container.user_namespace_owner != 0) state["owner"] = container.user_namespace_owner;
  if (container.own_ids.length > 0) {
    state["first_id"] = container.own_ids.host;
    state["id_count"] = container.own_ids.length;
  }
  return state;
}

asio::awaitable<void> UserNamespacePart::recover(Container& container, const boost::json::object& state) {
  if (container.record.privileged) co_return;
  container.mapping = shared_mapping_;
  // Containers of earlier releases have neither.
  if (state.contains("owner")) {
    container.user_namespace_owner = state.at("owner").to_number<std::uint32_t>();
    owners_.insert(container.user_namespace_owner);
  }
  if (!state.contains("first_id")) co_return;
  container.own_ids = {0, state.at("first_id").to_number<std::uint32_t>(),
                       state.at("id_count").to_number<std::uint32_t>()};
  container.mapping = own_mapping(container.own_ids.host, container.own_ids.length);
  ranges_.adopt(container.own_ids.host, container.own_ids.length);
}

}  // namespace rivera::garden
