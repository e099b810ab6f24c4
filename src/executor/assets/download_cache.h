// The index of cached downloads (docs/spec/cell.md §4.1, §4.6).
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

// Which versions a cache directory holds as a tar file, as an unpacked directory, or both; how many users each has; and
// which to evict to stay within a size. Passive: it returns the paths to remove, and its owner removes them.
//
// A version that was replaced stays until its last use ends.
class DownloadCache {
 public:
  // The form in which a version is used; kAny keeps it in whichever form it has.
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

  // A new file name for a version of a key: "<md5 of key>-<unix ns>-<sequence>".
  std::string new_name(const std::string& key);

  // The current version of a key; nullptr if there is none.
  Version* find(const std::string& key);
  // Makes `version` the current one of its key. Returns the paths to remove: of the version it replaces, and, while the
  // limit is exceeded, of the least recently used others. Versions in use stay even above the limit.
  std::vector<std::filesystem::path> put(const std::string& key, Version version);
  // Removes the current version from the index. Returns the paths to remove.
  std::vector<std::filesystem::path> drop(const std::string& key);

  void begin_use(Version& version, Form form);
  // Ends a use of the version of that name; ignores unknown names. Returns the paths to remove.
  std::vector<std::filesystem::path> end_use(const std::string& name, Form form);
  // Counts a use of a directory that a container mounted before the restart. False if there is no such directory.
  bool adopt_directory(const std::filesystem::path& path);

  std::filesystem::path file_path(const Version& version) const { return directory_ / version.name; }
  std::filesystem::path directory_path(const Version& version) const { return directory_ / (version.name + ".d"); }
  std::uint64_t bytes() const;

  // The index as text for load() after a restart. Use counts are not part of it.
  std::string to_json() const;
  // Loads a text of to_json(), without the versions whose files are missing. A text that cannot be parsed counts as
  // empty.
  void load(const std::string& json);
  // The paths in the directory that the index does not name.
  std::vector<std::filesystem::path> unknown_paths() const;

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
