// Downloads through a cache on disk, as a tar file or as a directory to mount (docs/spec/cell.md §4).
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log/log.h"
#include "base/work/wait.h"
#include "base/work/worker_pool.h"
#include "executor/assets/archive_worker.h"
#include "executor/assets/download_cache.h"
#include "executor/assets/downloader.h"

namespace rivera::executor {

struct DownloadRequest {
  std::string url;
  std::string cache_key;  // empty: not cached
  ChecksumSpec checksum;
  std::uint64_t most_bytes = std::numeric_limits<std::uint64_t>::max();  // of what the archive holds
};

// A plain tar, which exists as long as `lease` does.
struct FetchedFile {
  std::filesystem::path path;
  std::uint64_t bytes = 0;  // received; 0 if it was in the cache
  std::shared_ptr<void> lease;
};

// An unpacked directory, in use until release_directory().
struct FetchedDirectory {
  std::filesystem::path path;
  std::uint64_t bytes = 0;
};

struct CachedDownloaderOptions {
  std::filesystem::path cache_path;
  std::uint64_t max_cache_bytes = 10'000'000'000;
  DownloaderOptions downloader{};
  ArchiveLimits archives{};  // of each download
  ArchiveWorker archive_worker{};
};

// Each fetch asks the server whether the cached version is still current; there is no offline mode. Fetches of one key
// run one after the other, those of different keys in parallel without a bound: callers limit them.
//
// The index is written to disk after every change, so that the cache survives a restart and a crash. Used on one
// strand; files are read and written by workers.
class CachedDownloader {
 public:
  CachedDownloader(asio::any_io_executor executor, base::WorkerPool& workers, const base::Clock& clock,
                   CachedDownloaderOptions options, base::Logger logger);
  ~CachedDownloader();

  // Loads the index. `mounted` are the directories that containers from before the restart still use. Removes files
  // that neither names. Call it before anything else.
  asio::awaitable<void> recover(std::vector<std::string> mounted);

  // Both are cancellable, and throw what Downloader::download() and the functions of archive.h throw. For a directory
  // also std::runtime_error("Not cacheable directory: ...").
  asio::awaitable<FetchedFile> fetch_file(DownloadRequest request);
  asio::awaitable<FetchedDirectory> fetch_directory(DownloadRequest request);
  // Takes a path that fetch_directory() returned or recover() was given. Ignores any other.
  asio::awaitable<void> release_directory(std::filesystem::path directory);

 private:
  struct KeyTurn;
  struct Fetched;
  asio::awaitable<std::unique_ptr<KeyTurn>> take_turn(std::string key);
  asio::awaitable<Fetched> refresh(DownloadRequest request);
  asio::awaitable<FetchedFile> fetch_uncached(DownloadRequest request);
  asio::awaitable<void> ensure_form(std::string key, DownloadCache::Form form);
  ArchiveLimits limits_of(const DownloadRequest& request) const;
  asio::awaitable<void> remove(std::vector<std::filesystem::path> paths);
  asio::awaitable<void> save_index();
  std::shared_ptr<void> lease_of(std::string name, DownloadCache::Form form);
  std::filesystem::path temporary_path();

  asio::any_io_executor executor_;
  base::WorkerPool& workers_;
  CachedDownloaderOptions options_;
  base::Logger logger_;
  DownloadCache cache_;
  Downloader downloader_;
  std::set<std::string> busy_;  // keys being fetched
  base::Condition changed_;
  bool saving_ = false;
  bool save_again_ = false;
  std::uint64_t temporary_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rivera::executor
