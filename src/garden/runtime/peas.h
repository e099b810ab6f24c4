// Processes with an image of their own (docs/spec/garden.md §2.14): health checks, proxies.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/work/wait.h"
#include "garden/container/journal.h"
#include "garden/container/part.h"
#include "garden/host/context.h"
#include "garden/runtime/runtime.h"

namespace rivera::garden {

struct PreparedPea {
  std::string runtime_id;
  std::vector<std::string> command;               // the runtime's
  std::vector<std::shared_ptr<const void>> held;  // must live until the runtime has started the process
};

// Makes and removes what such a process has beside its container: an image, a control group, a bundle. Its start, its
// streams and its end are those of every process (processes.h). The record of the container names it before anything of
// it is made, so that what a killed server leaves is removed at the next start. Used on the garden's executor.
class Peas {
 public:
  using StepObserver = std::function<void(const std::string& step)>;

  // `runtimes` are those of the processes.
  Peas(const Context& context, const Parts& parts, Journal& journal, const Runtimes& runtimes, StepObserver observer);

  // Prepares the process `spec.id` of `container`, whose files are in `start.bundle`; `start.id` is filled in. What was
  // made stays if that fails: clean_up() removes it. The caller has made sure that the id is free. Throws GardenError.
  asio::awaitable<PreparedPea> prepare(ContainerPtr container, clients::garden::ProcessSpec spec, Runtime::Start start);
  // From before prepare() until the process runs or what it had is removed again: until then clean_up() waits.
  void begin(const std::string& id) { starting_.insert(id); }
  void end(const std::string& id);
  // For the caller that has begun the pea and could not start it; clean_up() without the wait.
  asio::awaitable<void> undo(ContainerPtr container, std::string id);
  // Removes what the pea made at that time had, once its process has ended, or never began. Several calls at once do it
  // once; without effect for a later pea of the same id. Throws GardenError with what could not be removed; the pea is
  // then still in the record.
  asio::awaitable<void> clean_up(ContainerPtr container, std::string id, std::int64_t created_at_ns);
  // The same for all peas of a container whose processes have ended. Throws GardenError at the end if one failed.
  asio::awaitable<void> clean_up_all(ContainerPtr container);

 private:
  void write_bundle(const Container& container, const clients::garden::ProcessSpec& spec, BundleInput bundle,
                    const Runtime& runtime, const std::string& directory) const;
  asio::awaitable<void> remove(ContainerPtr container, std::string id, std::int64_t created_at_ns);
  void at_step(const std::string& step) const;

  const Context& context_;
  const Parts& parts_;
  Journal& journal_;
  StepObserver observer_;
  const Runtimes& runtimes_;
  std::set<std::string> starting_, in_cleanup_;
  base::Condition changed_;
};

}  // namespace rivera::garden
