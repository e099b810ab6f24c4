#include "garden/runtime/peas.h"

#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/files.h"
#include "base/work/cancellation.h"
#include "garden/container/failures.h"
#include "garden/runtime/container_root.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

// The container's namespaces, held open while the runtime joins them: a number of a process may come to name another
// one, a descriptor does not.
class HeldNamespaces {
 public:
  explicit HeldNamespaces(const Container& container) {
    const std::string process = "/proc/" + std::to_string(container.init_pid) + "/ns/";
    for (const auto& [type, file] :
         {std::pair{"network", "net"}, {"pid", "pid"}, {"uts", "uts"}, {"ipc", "ipc"}, {"user", "user"}}) {
      if (std::string_view(type) == "user" && container.record.privileged) continue;
      base::UniqueFd opened(::open((process + file).c_str(), O_RDONLY | O_CLOEXEC));
      if (!opened) throw api::GardenError("the container's first process has ended");
      held_[type] = std::move(opened);
    }
    if (has_ended(container.init)) throw api::GardenError("the container's first process has ended");
  }
  std::map<std::string, std::string> paths() const {
    std::map<std::string, std::string> paths;
    for (const auto& [type, fd] : held_) {
      paths[type] = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd.get());
    }
    return paths;
  }

 private:
  std::map<std::string, base::UniqueFd> held_;
};

}  // namespace

Peas::Peas(const Context& context, const Parts& parts, Journal& journal, const Runtimes& runtimes,
           StepObserver observer)
    : context_(context),
      parts_(parts),
      journal_(journal),
      observer_(std::move(observer)),
      runtimes_(runtimes),
      changed_(context.executor) {}

void Peas::at_step(const std::string& step) const {
  if (observer_) observer_(step);
}

asio::awaitable<PreparedPea> Peas::prepare(ContainerPtr container, api::ProcessSpec spec, Runtime::Start start) {
  const std::string id = spec.id;
  Pea& pea = container->record.peas[id];
  pea.id = id;
  pea.limits = spec.limits;
  pea.created_at_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  const Runtime& runtime = runtimes_.named(container->runtime);
  pea.runtime_id = start.id = runtime.id_of(id);
  PreparedPea prepared;
  auto hold = [container] { return std::make_shared<HeldNamespaces>(*container); };
  const auto namespaces = co_await context_.on_worker(std::move(hold));
  BundleInput bundle;
  bundle.held.push_back(namespaces);
  bundle.handle = container->record.handle;
  bundle.privileged = container->record.privileged;
  bundle.bind_mounts = spec.bind_mounts;
  bundle.joined_namespaces = namespaces->paths();
  co_await journal_.save(*container);
  for (const auto& part : parts_) {
    at_step("prepare pea " + part->name());
    co_await part->prepare_pea(*container, pea, spec, bundle);
    at_step("prepare pea " + part->name() + " done");
  }
  prepared.runtime_id = start.id;
  prepared.held = bundle.held;
  co_await journal_.save(*container);
  at_step("prepare pea bundle");
  auto write = [this, container, spec, bundle, &runtime, directory = start.bundle]() mutable {
    write_bundle(*container, spec, std::move(bundle), runtime, directory);
  };
  co_await context_.on_worker(std::move(write));
  prepared.command = runtime.run_pea_command(start);
  co_return prepared;
}

// config.json, with the process as its image's own files name users and directories. Blocks.
void Peas::write_bundle(const Container& container, const api::ProcessSpec& spec, BundleInput bundle,
                        const Runtime& runtime, const std::string& directory) const {
  const base::UniqueFd root(::open(bundle.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) throw std::system_error(errno, std::generic_category(), "open the image");
  ProcessInput input;
  input.spec = spec;
  input.container_env = bundle.image_env;
  input.privileged = container.record.privileged;
  input.user = resolve_pea_user(spec.user, read_file_in_root(root.get(), "/etc/passwd"));
  check_ids_are_mapped(container.mapping, input.user);
  input.directory = std::filesystem::path("/" + spec.dir).lexically_normal();
  if (!is_directory_in_root(root.get(), input.directory)) input.directory = "/";
  bundle.process = make_process(input, context_.options, context_.host);
  auto config = make_bundle(bundle, context_.options, context_.host);
  runtime.prepare(config);
  base::write_file_atomically(directory + "/config.json", boost::json::serialize(config), 0600);
}

void Peas::end(const std::string& id) {
  starting_.erase(id);
  changed_.notify_all();
}

asio::awaitable<void> Peas::undo(ContainerPtr container, std::string id) {
  const auto pea = container->record.peas.find(id);
  if (pea != container->record.peas.end()) co_await remove(container, id, pea->second.created_at_ns);
}

asio::awaitable<void> Peas::clean_up(ContainerPtr container, std::string id, std::int64_t created_at_ns) {
  while (starting_.contains(id)) co_await changed_.wait();
  co_await remove(container, id, created_at_ns);
}

asio::awaitable<void> Peas::remove(ContainerPtr container, std::string id, std::int64_t created_at_ns) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (in_cleanup_.contains(id)) co_await changed_.wait();
  const auto found = container->record.peas.find(id);
  if (found == container->record.peas.end() || found->second.created_at_ns != created_at_ns) co_return;
  in_cleanup_.insert(id);
  const Pea pea = found->second;
  Failures failures;
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    try {
      at_step("cleanup pea " + (*part)->name());
      co_await (*part)->cleanup_pea(*container, pea);
      at_step("cleanup pea " + (*part)->name() + " done");
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) {
        in_cleanup_.erase(id);
        throw;
      }
      failures.add(e.what());
    }
  }
  if (failures.empty()) container->record.peas.erase(id);
  in_cleanup_.erase(id);
  changed_.notify_all();
  failures.throw_if_any();
  try {
    co_await journal_.save(*container);
  } catch (const std::system_error&) {
    container->has_unsaved_changes = true;  // the next start finds nothing to remove
  }
}

asio::awaitable<void> Peas::clean_up_all(ContainerPtr container) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const auto peas = container->record.peas;
  Failures failures;
  for (const auto& [id, pea] : peas) {
    try {
      co_await clean_up(container, id, pea.created_at_ns);
    } catch (const std::exception& e) {
      if (base::is_cancelled(cancellation)) throw;
      failures.add(e.what());
    }
  }
  failures.throw_if_any();
}

}  // namespace rivera::garden
