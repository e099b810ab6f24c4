#include "garden/layers/layer_store.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/files.h"
#include "base/ids.h"
#include "base/untrusted/tree.h"
#include "garden/host/host.h"
#include "garden/layers/implied.h"
#include "garden/registry/image_documents.h"

namespace rivera::garden {

namespace fs = std::filesystem;

namespace {

constexpr const char* kDraft = ".incomplete-";
constexpr std::string_view kMarker = ".size";

struct Marker {
  LayerFigures figures;
  bool is_durable = false;
  std::string boot;
};

// nullopt for a file that is not whole. Earlier servers wrote the bytes alone.
std::optional<Marker> parse_marker(const std::string& text) {
  boost::json::error_code ec;
  const auto value = boost::json::parse(text, ec);
  if (ec) return std::nullopt;
  try {
    if (value.is_number()) return Marker{{value.to_number<std::uint64_t>(), 0}, true, ""};
    const auto& object = value.as_object();
    return Marker{{object.at("bytes").to_number<std::uint64_t>(), object.at("entries").to_number<std::uint64_t>()},
                  object.at("durable").as_bool(),
                  std::string(object.at("boot").as_string())};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::optional<Marker> read_marker(const std::string& path) {
  try {
    return parse_marker(base::read_file(path));
  } catch (const std::system_error&) {
    return std::nullopt;
  }
}

}  // namespace

LayerStore::LayerStore(std::string directory, std::string trash)
    : directory_(std::move(directory)), trash_(std::move(trash)) {}

std::string LayerStore::id_of(const std::string& chain_id, const IdMapping& mapping) {
  std::string text = chain_id;
  for (const auto* ranges : {&mapping.uids, &mapping.gids}) {
    text += "|";
    for (const auto& range : *ranges) {
      text +=
          "-" + std::to_string(range.container) + ":" + std::to_string(range.host) + ":" + std::to_string(range.length);
    }
  }
  const std::string digest = digest_of(text);
  return digest.substr(digest.find(':') + 1);
}

std::optional<LayerFigures> LayerStore::find(const std::string& id) const {
  const auto found = read_marker(marker(id));
  struct stat info {};
  if (!found || ::stat(path(id).c_str(), &info) != 0) return std::nullopt;
  ::utimensat(AT_FDCWD, marker(id).c_str(), nullptr, 0);
  return found->figures;
}

std::string LayerStore::begin(const std::string& id, const IdMapping& mapping) const {
  std::string draft = path(id) + kDraft + base::new_guid();
  if (::mkdir(draft.c_str(), 0755) != 0 || ::chmod(draft.c_str(), 0755) != 0 ||
      ::chown(draft.c_str(), mapping.host_uid(0), mapping.host_gid(0)) != 0) {
    throw std::system_error(errno, std::generic_category(), "make a layer");
  }
  return draft;
}

void LayerStore::abandon(const std::string& draft) const { discard(draft); }

// Out of sight at once: removing the files may take long, and fail.
void LayerStore::discard(const std::string& what) const {
  const std::string grave = trash_ + "/" + base::new_guid();
  if (::rename(what.c_str(), grave.c_str()) != 0 && errno != ENOENT)
    throw std::system_error(errno, std::generic_category(), "discard " + what);
}

void LayerStore::publish(const std::string& id, const std::string& draft, const Unpacked& content,
                         const std::vector<std::string>& below, const std::string& base_directory) const {
  std::vector<std::string> directories;
  for (const auto& each : below) directories.push_back(path(each));
  complete_implied(draft, content.implied, directories, base_directory);
  ::unlink(marker(id).c_str());
  discard(path(id));  // a directory without a marker
  if (::rename(draft.c_str(), path(id).c_str()) != 0)
    throw std::system_error(errno, std::generic_category(), "complete a layer");
  write_marker(id, content.figures, false);
}

void LayerStore::write_marker(const std::string& id, const LayerFigures& figures, bool is_durable) const {
  const boost::json::object object{
      {"bytes", figures.bytes}, {"entries", figures.entries}, {"durable", is_durable}, {"boot", boot_id()}};
  base::write_file_atomically(marker(id), boost::json::serialize(object));
}

std::vector<LayerStore::Layer> LayerStore::layers() const {
  std::vector<Layer> layers;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(kMarker)) continue;
    struct stat info {};
    const auto found = read_marker(entry.path());
    if (!found || ::stat(entry.path().c_str(), &info) != 0) continue;
    const auto used = std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec);
    layers.push_back({name.substr(0, name.size() - kMarker.size()), found->figures, used});
  }
  std::ranges::sort(layers, {}, &Layer::last_used);
  return layers;
}

void LayerStore::remove(const std::string& id) const {
  ::unlink(marker(id).c_str());  // from here on it is not complete
  discard(path(id));
}

void LayerStore::make_durable() const {
  std::vector<Layer> written;
  for (auto& layer : layers()) {
    const auto found = read_marker(marker(layer.id));
    if (found && !found->is_durable) written.push_back(std::move(layer));
  }
  if (written.empty()) return;
  const base::UniqueFd disk(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!disk || ::syncfs(disk.get()) != 0) throw std::system_error(errno, std::generic_category(), "sync layers");
  for (const auto& layer : written) {
    if (fs::exists(marker(layer.id))) write_marker(layer.id, layer.figures, true);
  }
}

void LayerStore::recover(const std::set<std::string>& used) const {
  const std::string boot = boot_id();
  for (const auto& entry : fs::directory_iterator(directory_)) {
    std::string id = entry.path().filename();
    const bool is_marker = id.ends_with(kMarker);
    if (is_marker) id.resize(id.size() - kMarker.size());
    if (used.contains(id)) continue;
    const auto found = read_marker(marker(id));
    const bool is_whole = found && (found->is_durable || found->boot == boot) && fs::exists(path(id));
    if (is_whole) continue;
    if (is_marker) {
      ::unlink(entry.path().c_str());
    } else {
      discard(entry.path());
    }
  }
}

}  // namespace rivera::garden
