// A container's root file system.
#pragma once

#include "base/work/task_group.h"
#include "garden/container/part.h"
#include "garden/host/context.h"
#include "garden/images/images.h"

namespace rivera::garden {

// Creates an image named like the container.
class ImagePart final : public Part {
 public:
  explicit ImagePart(const Context& context);

  std::string name() const override { return "images"; }
  asio::awaitable<void> start(const Containers& containers) override;
  asio::awaitable<void> stop() override;
  asio::awaitable<void> remove_everything() override;
  void reserve(Container& container, const clients::garden::ContainerSpec& spec) override;
  asio::awaitable<void> prepare(Container& container, const clients::garden::ContainerSpec& spec,
                                BundleInput& bundle) override;
  asio::awaitable<void> cleanup(Container& container) override;
  boost::json::object state(const Container& container) const override;
  asio::awaitable<void> recover(Container& container, const boost::json::object& state) override;
  asio::awaitable<void> prepare_pea(Container& container, Pea& pea, const clients::garden::ProcessSpec& spec,
                                    BundleInput& bundle) override;
  asio::awaitable<void> cleanup_pea(Container& container, const Pea& pea) override;
  asio::awaitable<void> add_pea_metrics(Container& container, const Pea& pea,
                                        clients::garden::ContainerMetrics& metrics) override;
  asio::awaitable<void> add_metrics(Container& container, clients::garden::ContainerMetrics& metrics) override;
  asio::awaitable<void> add_capacity(clients::garden::Capacity& capacity) override;

 private:
  struct State {
    Image image;
    // What the container has written, counted from time to time.
    std::uint64_t exclusive_bytes = 0;
    std::chrono::steady_clock::time_point counted_at{};
    bool is_counting = false;
    std::map<std::string, Image> images_of_peas;  // of those that this server has made
  };
  ImageRequest request_for(const Container& container, const std::string& id, clients::garden::ImageRef image) const;
  asio::awaitable<void> count_bytes(ContainerPtr container);

  const Context& context_;
  Images images_;
  base::TaskGroup background_;
};

}  // namespace rivera::garden
