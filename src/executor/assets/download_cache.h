// What was downloaded and may be wanted again (docs/spec/cell.md §4.1, §4.6).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "executor/assets/downloader.h"

namespace rivera::executor {

// The index of a cache directory: which versions are kept as a tar file, as an unpacked directory, or both; who uses
// them; and what has to go to keep within a size. Passive: it names files to remove, and its owner removes them.
//
// A version that was replaced stays as long as somebody uses it.
class DownloadCache {
 public:
  // What a version is used as; kAny keeps it without saying as what.
  enum class Form { kFile, kDirectory, kAny };

  struct Version {
    std::string name;  // of the file in the cache directory; the directory is "<name>.d"
    Validators validators;
    std::uint64_t size = 0;  // of the tar
    bool has_file = false;
    bool has_directory = false;
    int file_uses = 0;
    int directory_uses = 0;
    int other_uses = 0;
    std::int64_t last_access = 0;  // Unix nanoseconds
    bool in_use() const { return file_uses > 0 || directory_uses > 0 || other_uses > 0; }
    int& uses(Form form);
    std::uint64_t bytes() const { return size * ((has_file ? 1u : 0u) + (has_directory ? 1u : 0u)); }
  };

  DownloadCache(std::filesystem::path directory, std::uint64_t max_bytes, const base::Clock& clock);

  // A file name for the next version of a key: "<md5 of key>-<unix ns>-<sequence>".
  std::string new_name(const std::string& key);

  // The current version of a key; nullptr if there is none.
  Version* find(const std::string& key);
  // Makes `version` the current one of its key, and returns the paths that have to go: the one it replaces, and others,
  // least recently used first, if the size would be exceeded. Those in use stay, whatever the size.
  std::vector<std::filesystem::path> put(const std::string& key, Version version);
  // Forgets the current version. Returns the paths that have to go.
  std::vector<std::filesystem::path> drop(const std::string& key);

  void begin_use(Version& version, Form form);
  // Ends a use begun for a version of that name; unknown names are ignored. Returns the paths that have to go.
  std::vector<std::filesystem::path> end_use(const std::string& name, Form form);
  // Counts a use of a directory that was mounted before we started. False if it is not known.
  bool adopt_directory(const std::filesystem::path& path);

  std::filesystem::path file_path(const Version& version) const { return directory_ / version.name; }
  std::filesystem::path directory_path(const Version& version) const { return directory_ / (version.name + ".d"); }
  std::uint64_t bytes() const;

  // The index as text, to be given to load() after a restart. Uses are not part of it.
  std::string to_json() const;
  // Takes in what to_json() gave, as far as the files are there; a text that cannot be read is taken for an empty one.
  void load(const std::string& json);
  // Everything in the directory that the index does not name.
  std::vector<std::filesystem::path> strangers() const;

  static constexpr const char* kStateFile = "saved_cache.json";

 private:
  std::vector<std::filesystem::path> paths_of(const Version& version) const;
  void retire(Version version, std::vector<std::filesystem::path>& removable);
  void evict_for(std::uint64_t more, const std::string& except_key, std::vector<std::filesystem::path>& removable);

  std::filesystem::path directory_;
  std::uint64_t max_bytes_;
  const base::Clock& clock_;
  std::map<std::string, Version> current_;  // by the key's MD5
  std::vector<Version> retired_;            // replaced or dropped while in use
  std::uint64_t sequence_ = 0;
};

}  // namespace rivera::executor
