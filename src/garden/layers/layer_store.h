// The layers of images on this machine's disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "garden/layers/unpack.h"

namespace rivera::garden {

// Each layer is a directory, unpacked once and never changed, under an id that says what is in it: made from the chain
// id (docs/spec/garden.md §4.2) and the user namespace's mapping. A layer is complete once its marker "<id>.size"
// exists. Layers survive restarts. After a power loss only those count that were durable before.
//
// Every function blocks. Safe on several threads, for different layers.
class LayerStore {
 public:
  // `trash` is a directory on the same disk; what is put there is removed by others.
  LayerStore(std::string directory, std::string trash);

  // The whole of a SHA-256: tenants choose content, and none may find one with another's id.
  static std::string id_of(const std::string& chain_id, const IdMapping& mapping);
  std::string path(const std::string& id) const { return directory_ + "/" + id; }
  const std::string& directory() const { return directory_; }

  // nullopt if the layer is not complete. Notes that it was used now.
  std::optional<LayerFigures> find(const std::string& id) const;

  // A directory of its own for a layer that is being made, owned by root of the mapping.
  std::string begin(const std::string& id, const IdMapping& mapping) const;
  void abandon(const std::string& draft) const;
  // Completes what the content implied from the layers below (highest first), and makes the draft the layer. Throws
  // std::runtime_error for a hard link to nothing. `base_directory` must exist in the layers below, unless it is "".
  void publish(const std::string& id, const std::string& draft, const Unpacked& content,
               const std::vector<std::string>& below, const std::string& base_directory) const;

  struct Layer {
    std::string id;
    LayerFigures figures;
    std::chrono::nanoseconds last_used{};  // Unix
  };
  // Complete layers, those that were used the longest ago first.
  std::vector<Layer> layers() const;
  // Moves a layer to the trash. It must not be in use.
  void remove(const std::string& id) const;

  // Writes all layers to the disk.
  void make_durable() const;
  // At the start of the server: moves to the trash what is incomplete, or what a power loss may have damaged, except
  // the layers in `used`.
  void recover(const std::set<std::string>& used) const;

 private:
  std::string marker(const std::string& id) const { return path(id) + ".size"; }
  void write_marker(const std::string& id, const LayerFigures& figures, bool is_durable) const;
  void discard(const std::string& path) const;

  std::string directory_, trash_;
};

}  // namespace rivera::garden
