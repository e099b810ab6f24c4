// How the gardener creates a container (docs/spec/garden.md §2.1).
#include "base/ids.h"
#include "base/work/cancellation.h"
#include "garden/gardener/gardener.h"
#include "garden/registry/image_reference.h"

namespace rivera::garden {

namespace api = clients::garden;

// Checks what can be checked without waiting, fills in defaults, and reserves the handle.
ContainerPtr Gardener::admit(api::ContainerSpec& spec) {
  const Options& options = context_.options;
  if (spec.handle.empty()) spec.handle = base::new_guid();
  check_name("handle", spec.handle);
  if (!spec.image.uri.empty() && !spec.rootfs.empty())
    throw api::GardenError("Cannot provide both Image.URI and RootFSPath");
  if (spec.privileged && options.disable_privileged_containers)
    throw api::GardenError("privileged container creation is disabled");
  if (containers_.contains(spec.handle) || container_of_pea(spec.handle))
    throw api::GardenError("Handle '" + spec.handle + "' already in use");
  if (options.max_containers > 0 && containers_.size() >= options.max_containers)
    throw api::GardenError("max containers reached");
  if (spec.image.uri.empty()) spec.image.uri = spec.rootfs.empty() ? options.default_rootfs : spec.rootfs;
  if (spec.image.uri.empty()) throw api::GardenError("no root filesystem given, and the server has no default");
  apply_default_limits(spec.limits, options);
  if (spec.grace_time_ns == 0) spec.grace_time_ns = options.default_grace_time.count();

  auto container = std::make_shared<Container>();
  container->is_being_created = true;
  container->operation_since = std::chrono::steady_clock::now();
  container->directory = options.depot + "/" + spec.handle;
  ContainerRecord& record = container->record;
  record.handle = spec.handle;
  record.properties = spec.properties;
  record.env = spec.env;
  record.privileged = spec.privileged;
  record.limits = spec.limits;
  record.grace_time_ns = spec.grace_time_ns;
  record.created_at_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  record.operation = Operation::kCreate;
  containers_[spec.handle] = container;
  return container;
}

asio::awaitable<std::string> Gardener::create(api::ContainerSpec spec) {
  const ContainerPtr container = admit(spec);
  context_.logger.info(
      "create.start",
      {{"handle", spec.handle}, {"privileged", spec.privileged}, {"rootfs", loggable_image_uri(spec.image.uri)}});
  std::exception_ptr failure;
  try {
    co_await build(*container, spec);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    try {
      co_await tear_down(*container);
      containers_.erase(spec.handle);
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      context_.logger.error("create.cleanup-failed", {{"handle", spec.handle}, {"error", e.what()}});
      container->must_be_destroyed = true;  // stays listed under "all", and the upkeep tries again
    }
  }
  container->is_being_created = false;
  container->last_used = std::chrono::steady_clock::now();
  changed_.notify_all();
  if (failure) std::rethrow_exception(failure);
  background_.spawn("follow", follow(container));
  context_.logger.info("create.created", {{"handle", spec.handle}});
  co_return spec.handle;
}

asio::awaitable<void> Gardener::build(Container& container, const api::ContainerSpec& spec) {
  ContainerRecord& record = container.record;
  for (const auto& part : list_.parts) co_await part->check(container, spec);
  for (const auto& part : list_.parts) part->reserve(container, spec);
  // Shared with the parts' work, which does not end with this coroutine if that is cancelled.
  const auto shared_spec = std::make_shared<const api::ContainerSpec>(spec);
  const auto bundle = std::make_shared<BundleInput>();
  bundle->handle = spec.handle;
  bundle->privileged = spec.privileged;
  bundle->bind_mounts = spec.bind_mounts;
  bundle->limits = spec.limits;
  for (const auto& part : list_.parts) record.begun.insert(part->name());
  co_await journal_.save(container);
  const auto self = container.shared_from_this();
  const bool may_have_disk = spec.limits.disk.byte_hard > 0 || spec.limits.disk.inode_hard > 0;
  std::vector<asio::awaitable<void>> works;
  std::vector<Part*> later;
  for (const auto& part : list_.parts) {
    if (part == list_.parts.back() || (part->writes_files() && may_have_disk)) {
      later.push_back(part.get());
    } else {
      works.push_back(prepare_part(self, shared_spec, bundle, *part));
    }
  }
  co_await all_or_throw(std::move(works));
  // What they have chosen is needed to remove it.
  std::vector<asio::awaitable<void>> last_works;
  last_works.push_back(journal_.save(container));
  last_works.push_back(prepare_in_order(self, shared_spec, bundle, std::move(later)));
  co_await all_or_throw(std::move(last_works));
  std::vector<asio::awaitable<void>> launches;
  for (const auto& part : list_.parts) {
    if (part->has_launch()) launches.push_back(launch_part(self, bundle, *part));
  }
  co_await all_or_throw(std::move(launches));
  container.network_namespace.reset();
  for (const auto& part : list_.parts) {
    at_step("started " + part->name());
    co_await part->started(container, spec);
  }
  if (record.grace_time_ns != 0) record.properties[kGraceTimeProperty] = std::to_string(record.grace_time_ns);
  record.properties[kStateProperty] = "created";
  record.operation = Operation::kNone;
  at_step("finish create");
  co_await journal_.save(container);
}

asio::awaitable<void> Gardener::prepare_part(ContainerPtr container, std::shared_ptr<const api::ContainerSpec> spec,
                                             std::shared_ptr<BundleInput> bundle, Part& part) {
  at_step("prepare " + part.name());
  co_await part.prepare(*container, *spec, *bundle);
  at_step("prepare " + part.name() + " done");
}

asio::awaitable<void> Gardener::prepare_in_order(ContainerPtr container, std::shared_ptr<const api::ContainerSpec> spec,
                                                 std::shared_ptr<BundleInput> bundle, std::vector<Part*> parts) {
  for (Part* part : parts) co_await prepare_part(container, spec, bundle, *part);
}

// Holds the bundle: what is mounted for it stays until the runtime has used it.
asio::awaitable<void> Gardener::launch_part(ContainerPtr container, std::shared_ptr<BundleInput>, Part& part) {
  at_step("launch " + part.name());
  co_await part.launch(*container);
  at_step("launch " + part.name() + " done");
}

asio::awaitable<void> Gardener::all_or_throw(std::vector<asio::awaitable<void>> works) {
  const auto failures = co_await all_at_once(std::move(works));
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace rivera::garden
