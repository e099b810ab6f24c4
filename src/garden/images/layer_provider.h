// Gets the layers of images onto this machine's disk.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/work/task_group.h"
#include "base/work/wait.h"
#include "garden/host/context.h"
#include "garden/images/image_source.h"
#include "garden/images/image_store.h"

namespace rivera::garden {

// Downloads and unpacks what is missing, several layers at once. A layer is made once, however many images ask for it
// at the same time: the others wait, and try themselves if that failed. Used on the garden's executor.
class LayerProvider {
 public:
  LayerProvider(const Context& context, const ImageStore& store);

  struct Provided {
    std::vector<std::string> ids;  // lowest first
    LayerFigures figures;          // of all layers
    bool is_new = false;           // a layer was not there before
  };
  // The layers stay for as long as `Hold` of them lives, or an image uses them. `most_bytes`: more content than that is
  // an error (a disk limit that counts the image). Throws what the sources throw.
  asio::awaitable<Provided> provide(std::shared_ptr<const ImageSource> source, IdMapping mapping,
                                    std::uint64_t most_bytes);

  // Ends what is in progress.
  asio::awaitable<void> stop();

  // While an object lives, its layers are not removed.
  class Hold {
   public:
    Hold(LayerProvider& provider, const ImageSource& source, const IdMapping& mapping);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    LayerProvider& provider_;
    std::vector<std::string> ids_;
  };
  base::WorkerPool& unpackers() { return unpackers_; }
  bool is_held(const std::string& layer) const { return held_.contains(layer) || busy_.contains(layer); }
  // Reserves layers that are being removed: provide() waits for them.
  void lock(const std::vector<std::string>& layers);
  void unlock(const std::vector<std::string>& layers);

 private:
  // One image on its way.
  struct Work {
    explicit Work(const asio::any_io_executor& executor) : changed(executor) {}
    std::shared_ptr<const ImageSource> source;
    IdMapping mapping;
    std::vector<std::string> ids;
    std::vector<std::optional<LayerFigures>> figures;
    std::uint64_t most_bytes = 0;
    std::size_t next = 0;       // the layer that is begun next
    std::size_t published = 0;  // layers from the lowest on that are there
    std::size_t workers = 0;
    bool is_new = false;
    std::exception_ptr failure;
    base::Condition changed;
  };
  asio::awaitable<void> work_through(std::shared_ptr<Work> work);
  asio::awaitable<void> provide_one(std::shared_ptr<Work> work, std::size_t index);
  asio::awaitable<void> make(std::shared_ptr<Work> work, std::size_t index);
  asio::awaitable<std::string> download(const LayerSource& layer, std::shared_ptr<RegistrySession> session);

  const Context& context_;
  const ImageStore& store_;
  base::WorkerPool unpackers_;  // apart from the workers that answer requests
  std::set<std::string> busy_;  // layers that are being made or removed
  std::multiset<std::string> held_;
  base::Condition changed_;
  base::TaskGroup background_;
};

}  // namespace rivera::garden
