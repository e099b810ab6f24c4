// One aspect of every container: its user namespace, image, control groups, network, processes.
//
// The Gardener has a list of parts and drives them; it does not know what they do. To add an aspect, write a Part
// and put it into make_parts() (gardener/parts.cc):
//
//   create    check() of all; reserve() of all; then prepare() of all but the last side by side, of those that write to
//             the container's disk after that, then that of the last; then launch() side by side, that of the last
//             starts the container; then started() of each in order
//   destroy   cleanup() of the last, which ends every process; then that of the others side by side; release() after
//             each
//   restart   recover() of each for every container found, then start() of each
//
// The journal notes the parts in the container's record before any prepare() and strikes out each after its cleanup().
// So a create that failed or was interrupted by a crash at any point is undone by the same cleanup() and release(), and
// an interrupted destroy continues with the parts that are left.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/asio.h"
#include "clients/garden/garden_types.h"
#include "garden/bundle/bundle.h"
#include "garden/container/container.h"

namespace rivera::garden {

// Used on the garden's executor only. What blocks goes through Context::on_worker(). Of the functions below a part
// implements those that concern it; the others do nothing. References stay valid until the coroutine ends.
class Part {
 public:
  virtual ~Part() = default;

  // Names the part in state.json: must stay the same across releases.
  virtual std::string name() const = 0;

  // --- the server ---

  // Brings the host into the state that the part needs, once all containers are recovered and before requests are
  // served; removes what an earlier crash left of containers that are not in `containers`.
  virtual asio::awaitable<void> start(const Containers& containers);
  // Ends background work. The containers stay.
  virtual asio::awaitable<void> stop();
  // `garden cleanup`, after every container is destroyed: removes all that the part made on the host. Throws if
  // something stays.
  virtual asio::awaitable<void> remove_everything();

  // --- a container's life ---

  // Throws GardenError if the part cannot do what `spec` asks for. Changes nothing, but may note in `container` what
  // reserve() must know.
  virtual asio::awaitable<void> check(Container& container, const clients::garden::ContainerSpec& spec);
  // Chooses names, addresses and numbers, in memory only. What cleanup() needs must be in state() from here on.
  virtual void reserve(Container& container, const clients::garden::ContainerSpec& spec);
  // Makes what must be there before the first process, and adds to `bundle`. May fail at any point.
  virtual asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                        BundleInput& bundle);
  // Whether prepare() writes to Container::file_path(): if the container has a disk of its own, that is there, and
  // prepare() comes after those of the parts that make the disk.
  virtual bool writes_files() const { return false; }
  // Starts the first process, or works in Container::network_namespace meanwhile. All is prepared, and the record on
  // the disk names it. Only of parts with has_launch().
  virtual asio::awaitable<void> launch(Container& container);
  virtual bool has_launch() const { return false; }
  // The first process runs: Container::init and init_pid are set.
  virtual asio::awaitable<void> started(Container& container, const clients::garden::ContainerSpec& spec);
  // Removes what prepare(), launch() and started() made, however far they came and however often this is called.
  // Throws if something stays; then it is called again later.
  virtual asio::awaitable<void> cleanup(Container& container);
  // Gives back what reserve() or recover() took. Without effect the second time.
  virtual void release(Container& container);

  // What recover() and cleanup() need to know of a container, for state.json. Empty: nothing.
  virtual boost::json::object state(const Container& container) const;
  // A container of an earlier server run. `state` is what state() gave, empty if it is lost. Throws if the container
  // cannot be used any more: then it is destroyed. For a container in an operation, which is destroyed in any case,
  // restores only what cleanup() and release() need.
  virtual asio::awaitable<void> recover(Container& container, const boost::json::object& state);

  // --- a process with an image of its own (docs/spec/garden.md §2.14), which is in container.record.peas ---

  // Makes what it needs, and adds to `bundle`. May fail at any point. In the order of the parts.
  virtual asio::awaitable<void> prepare_pea(Container& container, Pea& pea, const clients::garden::ProcessSpec& spec,
                                            BundleInput& bundle);
  // Removes that, once the process has ended; called as cleanup() is. In reverse order.
  virtual asio::awaitable<void> cleanup_pea(Container& container, const Pea& pea);
  virtual asio::awaitable<void> add_pea_metrics(Container& container, const Pea& pea,
                                                clients::garden::ContainerMetrics& metrics);

  // --- questions ---

  // A process has ended; its status is not reported yet (§2.15).
  virtual asio::awaitable<void> process_ended(Container& container);
  virtual asio::awaitable<void> add_info(Container& container, clients::garden::ContainerInfo& info);
  // metrics.age_ns is set already. Throws if the part's figures cannot be read.
  virtual asio::awaitable<void> add_metrics(Container& container, clients::garden::ContainerMetrics& metrics);
  virtual asio::awaitable<void> add_capacity(clients::garden::Capacity& capacity);
};

using Parts = std::vector<std::unique_ptr<Part>>;

}  // namespace rivera::garden
