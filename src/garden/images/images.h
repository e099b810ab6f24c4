// The root file systems of containers and of processes with an image of their own.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/work/task_group.h"
#include "clients/garden/garden_types.h"
#include "garden/host/context.h"
#include "garden/images/layer_provider.h"

namespace rivera::garden {

struct ImageRequest {
  std::string id;  // a path component, unique among containers and processes
  clients::garden::ImageRef image;
  IdMapping mapping;  // of the layers on the disk; no ranges: as in the image
  IdMapping owners;   // translation() from there to the container; no ranges: none
  clients::garden::DiskLimits disk;
};

struct Image {
  std::string root;              // the mount point
  std::string id;                // "" for raw:// directories, which are not ours
  std::uint64_t size = 0;        // of all layers
  std::vector<std::string> env;  // "NAME=value", of the image's configuration
  DiskLimit limit;               // of what is written; 0 bytes: none
  std::string files;             // a directory that counts against the limit; "" without one
};

// Creates, measures and removes images; gets and cleans up the layers behind them. Used on the garden's executor.
// Throws clients::garden::GardenError; no message holds a credential.
class Images {
 public:
  explicit Images(const Context& context);

  // Before requests are served: removes what no container in `ids` has, and what a crash left half made.
  asio::awaitable<void> start(std::set<std::string> ids);
  asio::awaitable<void> stop();
  asio::awaitable<void> remove_everything();

  // A disk limit counts what is written, and, if its scope is total, the image.
  asio::awaitable<Image> create(ImageRequest request);
  // Unmounts at once; the files are deleted in the background. Does nothing if there is no such image.
  asio::awaitable<void> destroy(std::string id);
  // Bytes written to an image. Takes no time where there is a disk limit; else the files are counted.
  asio::awaitable<std::uint64_t> used_bytes(Image image);
  // Size of the disk, and what is left; bytes.
  asio::awaitable<std::pair<std::uint64_t, std::uint64_t>> disk_size();
  // Of an image that an earlier server created.
  std::string files_of(const std::string& id, const DiskLimit& limit) const { return store_.files_of(id, limit); }

  // Removes layers that no image uses, those that were used the longest ago first, until all together have at most
  // `threshold` bytes.
  asio::awaitable<void> clean(std::uint64_t threshold);

 private:
  asio::awaitable<std::shared_ptr<const ImageSource>> find_source(clients::garden::ImageRef image);
  asio::awaitable<std::shared_ptr<const ImageSource>> find_in_registry(clients::garden::ImageRef image);
  asio::awaitable<std::shared_ptr<RegistrySession>> open_session(ImageReference reference,
                                                                 RegistryCredentials credentials,
                                                                 std::string platform_server);
  asio::awaitable<net::TlsContext> tls_context(std::string registry);
  asio::awaitable<ImageConfig> image_config(std::shared_ptr<RegistrySession> session, Descriptor config);
  asio::awaitable<void> prepare_default_image();
  asio::awaitable<void> tidy_up();
  void tidy_up_in_background();
  asio::awaitable<void> collect_trash();
  void collect_trash_in_background();

  const Context& context_;
  ImageStore store_;
  LayerProvider provider_;
  // What is trusted, by registry; "" for servers that are none. Read again after a while.
  struct Trust {
    net::TlsContext context;
    std::chrono::steady_clock::time_point read_at;
  };
  base::WorkerPool cleaner_{1};  // apart from those that containers wait for
  std::map<std::string, Trust> trust_;
  std::map<std::string, ImageConfig> configs_;          // by digest: the last ones
  std::unique_ptr<LayerProvider::Hold> default_image_;  // stays, used or not
  bool is_collecting_ = false, must_collect_again_ = false;
  bool is_tidying_ = false, must_tidy_again_ = false;
  base::TaskGroup background_;
};

}  // namespace rivera::garden
