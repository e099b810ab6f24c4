#include "executor/assets/download_cache.h"

#include <algorithm>
#include <set>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string hashed(const std::string& key) { return net::hex_digest(net::DigestAlgorithm::kMd5, key); }

json::object version_json(const DownloadCache::Version& version) {
  return {{"name", version.name},
          {"etag", version.validators.etag},
          {"last_modified", version.validators.last_modified},
          {"size", version.size},
          {"has_file", version.has_file},
          {"has_directory", version.has_directory},
          {"last_access", version.last_access}};
}

DownloadCache::Version version_of(const json::value& value) {
  const auto& object = value.as_object();
  DownloadCache::Version version;
  version.name = json::value_to<std::string>(object.at("name"));
  version.validators.etag = json::value_to<std::string>(object.at("etag"));
  version.validators.last_modified = json::value_to<std::string>(object.at("last_modified"));
  version.size = object.at("size").to_number<std::uint64_t>();
  version.has_file = object.at("has_file").as_bool();
  version.has_directory = object.at("has_directory").as_bool();
  version.last_access = object.at("last_access").to_number<std::int64_t>();
  return version;
}

}  // namespace

int& DownloadCache::Version::uses(Form form) {
  switch (form) {
    case Form::kFile:
      return file_uses;
    case Form::kDirectory:
      return directory_uses;
    case Form::kAny:
      break;
  }
  return other_uses;
}

DownloadCache::DownloadCache(fs::path directory, std::uint64_t max_bytes, const base::Clock& clock)
    : directory_(std::move(directory)), max_bytes_(max_bytes), clock_(clock) {}

std::string DownloadCache::new_name(const std::string& key) {
  return fmt::format("{}-{}-{}", hashed(key), base::to_unix_nanos(clock_.now()), ++sequence_);
}

DownloadCache::Version* DownloadCache::find(const std::string& key) {
  const auto found = current_.find(hashed(key));
  return found == current_.end() ? nullptr : &found->second;
}

std::vector<fs::path> DownloadCache::paths_of(const Version& version) const {
  std::vector<fs::path> paths;
  if (version.has_file) paths.push_back(file_path(version));
  if (version.has_directory) paths.push_back(directory_path(version));
  return paths;
}

void DownloadCache::retire(Version version, std::vector<fs::path>& removable) {
  if (version.in_use()) {
    retired_.push_back(std::move(version));
    return;
  }
  for (auto& path : paths_of(version)) removable.push_back(std::move(path));
}

std::uint64_t DownloadCache::bytes() const {
  std::uint64_t total = 0;
  for (const auto& [key, version] : current_) total += version.bytes();
  for (const auto& version : retired_) total += version.bytes();
  return total;
}

void DownloadCache::evict_for(std::uint64_t more, const std::string& except_key, std::vector<fs::path>& removable) {
  while (bytes() + more > max_bytes_) {
    auto oldest = current_.end();
    for (auto it = current_.begin(); it != current_.end(); ++it) {
      if (it->second.in_use() || it->first == except_key) continue;
      if (oldest == current_.end() || it->second.last_access < oldest->second.last_access) oldest = it;
    }
    if (oldest == current_.end()) return;
    retire(std::move(oldest->second), removable);
    current_.erase(oldest);
  }
}

std::vector<fs::path> DownloadCache::put(const std::string& key, Version version) {
  auto removable = drop(key);
  const auto hash = hashed(key);
  evict_for(version.bytes(), hash, removable);
  version.last_access = base::to_unix_nanos(clock_.now());
  current_.insert_or_assign(hash, std::move(version));
  return removable;
}

std::vector<fs::path> DownloadCache::drop(const std::string& key) {
  std::vector<fs::path> removable;
  const auto found = current_.find(hashed(key));
  if (found == current_.end()) return removable;
  retire(std::move(found->second), removable);
  current_.erase(found);
  return removable;
}

void DownloadCache::begin_use(Version& version, Form form) {
  ++version.uses(form);
  version.last_access = base::to_unix_nanos(clock_.now());
}

std::vector<fs::path> DownloadCache::end_use(const std::string& name, Form form) {
  const auto end = [form](Version& version) {
    auto& uses = version.uses(form);
    if (uses > 0) --uses;
  };
  for (auto& [key, version] : current_) {
    if (version.name == name) {
      end(version);
      return {};
    }
  }
  std::vector<fs::path> removable;
  const auto found =
      std::find_if(retired_.begin(), retired_.end(), [&name](const Version& v) { return v.name == name; });
  if (found == retired_.end()) return removable;
  end(*found);
  if (!found->in_use()) {
    removable = paths_of(*found);
    retired_.erase(found);
  }
  return removable;
}

bool DownloadCache::adopt_directory(const fs::path& path) {
  for (auto& [key, version] : current_) {
    if (version.has_directory && directory_path(version) == path) {
      ++version.directory_uses;
      return true;
    }
  }
  for (auto& version : retired_) {
    if (version.has_directory && directory_path(version) == path) {
      ++version.directory_uses;
      return true;
    }
  }
  if (path.parent_path() != directory_ || path.extension() != ".d" || !fs::is_directory(path)) return false;
  // A version that was replaced while it was mounted. It is removed after its last use.
  Version version;
  version.name = path.stem().string();
  version.has_directory = true;
  version.directory_uses = 1;
  retired_.push_back(std::move(version));
  return true;
}

std::string DownloadCache::to_json() const {
  json::object entries;
  for (const auto& [hash, version] : current_) entries[hash] = version_json(version);
  return json::serialize(json::object{{"entries", std::move(entries)}, {"sequence", sequence_}});
}

void DownloadCache::load(const std::string& text) {
  try {
    const auto value = json::parse(text);
    sequence_ = value.at("sequence").to_number<std::uint64_t>();
    for (const auto& [hash, entry] : value.at("entries").as_object()) {
      auto version = version_of(entry);
      if (version.name.find('/') != std::string::npos) continue;
      version.has_file = version.has_file && fs::is_regular_file(file_path(version));
      version.has_directory = version.has_directory && fs::is_directory(directory_path(version));
      if (version.has_file || version.has_directory) current_.insert_or_assign(std::string(hash), std::move(version));
    }
  } catch (const std::exception&) {
    current_.clear();
  }
}

std::vector<fs::path> DownloadCache::unknown_paths() const {
  std::set<fs::path> known = {directory_ / kStateFile};
  for (const auto& [hash, version] : current_) {
    for (auto& path : paths_of(version)) known.insert(std::move(path));
  }
  for (const auto& version : retired_) {
    for (auto& path : paths_of(version)) known.insert(std::move(path));
  }
  std::vector<fs::path> unknown;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    if (!known.contains(entry.path())) unknown.push_back(entry.path());
  }
  return unknown;
}

}  // namespace rivera::executor
