#include "executor/assets/cached_downloader.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/files.h"
#include "base/untrusted/tree.h"
#include "base/work/cancellation.h"

namespace rivera::executor {
namespace {

namespace fs = std::filesystem;
using Form = DownloadCache::Form;

// A temporary file, removed with the last reference to its path.
std::shared_ptr<fs::path> scratch_file(fs::path path) {
  return {new fs::path(std::move(path)), [](fs::path* p) {
            std::error_code ec;
            fs::remove(*p, ec);
            delete p;
          }};
}

void remove_quietly(const fs::path& path) {
  try {
    base::remove_tree(path);
  } catch (const std::exception&) {
    // It is removed at the next start.
  }
}

// Runs `make`; if it throws, removes what it left at `path`.
template <typename Make>
void or_remove(const fs::path& path, const Make& make) {
  try {
    make();
  } catch (...) {
    remove_quietly(path);
    throw;
  }
}

}  // namespace

struct CachedDownloader::KeyTurn {
  KeyTurn(CachedDownloader& in, std::string of_key) : owner(in), key(std::move(of_key)) { owner.busy_.insert(key); }
  ~KeyTurn() {
    owner.busy_.erase(key);
    owner.changed_.notify_all();
  }
  KeyTurn(const KeyTurn&) = delete;
  KeyTurn& operator=(const KeyTurn&) = delete;

  CachedDownloader& owner;
  std::string key;
};

// The result of refresh(): the version is in the cache, or only in a temporary file.
struct CachedDownloader::Fetched {
  std::uint64_t bytes = 0;
  bool cached = false;
  std::shared_ptr<void> keep{};  // keeps the cached version from being evicted
  std::shared_ptr<fs::path> uncached_tar{};
};

CachedDownloader::CachedDownloader(asio::any_io_executor executor, base::WorkerPool& workers, const base::Clock& clock,
                                   CachedDownloaderOptions options, base::Logger logger)
    : executor_(executor),
      workers_(workers),
      options_(std::move(options)),
      logger_(std::move(logger)),
      cache_(options_.cache_path, options_.max_cache_bytes, clock),
      downloader_(executor, workers, options_.downloader),
      changed_(executor) {
  fs::create_directories(options_.cache_path / "temp");
  // What is unpacked belongs to the user of confined processes, who may not look for it.
  fs::permissions(options_.cache_path, fs::perms::owner_all);
}

CachedDownloader::~CachedDownloader() { *alive_ = false; }

asio::awaitable<void> CachedDownloader::recover(std::vector<std::string> mounted) {
  const auto state_file = options_.cache_path / DownloadCache::kStateFile;
  auto read = [state_file] { return fs::exists(state_file) ? base::read_file(state_file) : std::string("{}"); };
  cache_.load(co_await workers_.run(std::move(read)));
  for (const auto& path : mounted) {
    if (!cache_.adopt_directory(path)) logger_.error("unknown-mounted-directory", {{"path", path}});
  }
  auto unknown = cache_.unknown_paths();
  co_await remove(std::move(unknown));
  auto make = [temp = options_.cache_path / "temp"] { fs::create_directories(temp); };
  co_await workers_.run(std::move(make));
  co_await save_index();
}

fs::path CachedDownloader::temporary_path() {
  return options_.cache_path / "temp" / ("download-" + std::to_string(++temporary_));
}

asio::awaitable<std::unique_ptr<CachedDownloader::KeyTurn>> CachedDownloader::take_turn(std::string key) {
  while (busy_.contains(key)) co_await changed_.wait();
  co_return std::make_unique<KeyTurn>(*this, std::move(key));
}

asio::awaitable<FetchedFile> CachedDownloader::fetch_file(DownloadRequest request) {
  if (request.cache_key.empty()) co_return co_await fetch_uncached(std::move(request));
  const auto key = request.cache_key;
  const auto turn = co_await take_turn(key);
  const auto fetched = co_await refresh(std::move(request));
  if (!fetched.cached) {
    co_return FetchedFile{.path = *fetched.uncached_tar, .bytes = fetched.bytes, .lease = fetched.uncached_tar};
  }
  co_await ensure_form(key, Form::kFile);
  auto* version = cache_.find(key);
  cache_.begin_use(*version, Form::kFile);
  co_return FetchedFile{
      .path = cache_.file_path(*version), .bytes = fetched.bytes, .lease = lease_of(version->name, Form::kFile)};
}

asio::awaitable<FetchedDirectory> CachedDownloader::fetch_directory(DownloadRequest request) {
  if (request.cache_key.empty()) throw std::runtime_error("Not cacheable directory: cache key is missing");
  const auto key = request.cache_key;
  const auto turn = co_await take_turn(key);
  const auto fetched = co_await refresh(std::move(request));
  if (!fetched.cached) {
    throw std::runtime_error("Not cacheable directory: ETag and Last-Modified were missing from response");
  }
  co_await ensure_form(key, Form::kDirectory);
  auto* version = cache_.find(key);
  cache_.begin_use(*version, Form::kDirectory);
  co_return FetchedDirectory{.path = cache_.directory_path(*version), .bytes = fetched.bytes};
}

ArchiveLimits CachedDownloader::limits_of(const DownloadRequest& request) const {
  auto limits = options_.archives;
  limits.bytes = std::min(limits.bytes, request.most_bytes);
  return limits;
}

asio::awaitable<FetchedFile> CachedDownloader::fetch_uncached(DownloadRequest request) {
  const auto raw = scratch_file(temporary_path());
  const auto tar = scratch_file(temporary_path());
  const Validators none;
  const auto result = co_await downloader_.download(request.url, *raw, none, request.checksum);
  auto transform = [raw, tar, limits = limits_of(request), worker = options_.archive_worker] {
    return worker.make_plain_tar(*raw, *tar, limits);
  };
  co_await workers_.run(std::move(transform));
  co_return FetchedFile{.path = *tar, .bytes = result.bytes, .lease = tar};
}

// Brings the cache up to date for a key. Afterwards a cached version exists in at least one form.
asio::awaitable<CachedDownloader::Fetched> CachedDownloader::refresh(DownloadRequest request) {
  const auto raw = scratch_file(temporary_path());
  Validators known;
  if (const auto* version = cache_.find(request.cache_key)) known = version->validators;
  const auto result = co_await downloader_.download(request.url, *raw, known, request.checksum);
  if (auto* version = cache_.find(request.cache_key); result.not_modified && version) {
    cache_.begin_use(*version, Form::kAny);
    co_return Fetched{.cached = true, .keep = lease_of(version->name, Form::kAny)};
  }

  const auto name = cache_.new_name(request.cache_key);
  const bool cacheable = !result.validators.empty();
  const auto tar = scratch_file(temporary_path());
  auto transform = [raw, tar, limits = limits_of(request), worker = options_.archive_worker] {
    return worker.make_plain_tar(*raw, *tar, limits);
  };
  const auto size = co_await workers_.run(std::move(transform));
  if (!cacheable) {
    auto dropped = cache_.drop(request.cache_key);
    co_await remove(std::move(dropped));
    co_await save_index();
    co_return Fetched{.bytes = result.bytes, .uncached_tar = tar};
  }
  DownloadCache::Version version;
  version.name = name;
  version.validators = result.validators;
  version.size = size;
  version.has_file = true;
  const auto path = cache_.file_path(version);
  auto keep = [tar, path] { fs::rename(*tar, path); };
  co_await workers_.run(std::move(keep));
  version.other_uses = 1;
  auto replaced = cache_.put(request.cache_key, std::move(version));
  Fetched fetched{.bytes = result.bytes, .cached = true, .keep = lease_of(name, Form::kAny)};
  co_await remove(std::move(replaced));
  co_await save_index();
  co_return fetched;
}

// Makes one form of the current version from the other, and removes the other if it is unused.
asio::awaitable<void> CachedDownloader::ensure_form(std::string key, Form form) {
  auto* version = cache_.find(key);
  const auto file = cache_.file_path(*version);
  const auto directory = cache_.directory_path(*version);
  if (form == Form::kDirectory && !version->has_directory) {
    auto unpack = [file, directory, limits = options_.archives, worker = options_.archive_worker] {
      remove_quietly(directory);
      const auto extract = [&] { worker.extract(file, directory, limits); };
      or_remove(directory, extract);
    };
    co_await workers_.run(std::move(unpack));
    version = cache_.find(key);
    version->has_directory = true;
  } else if (form == Form::kFile && !version->has_file) {
    auto pack = [file, directory, limits = options_.archives] {
      std::uint64_t size = 0;
      const auto make = [&] { size = make_tar_of(directory, file, limits); };
      or_remove(file, make);
      return size;
    };
    const auto size = co_await workers_.run(std::move(pack));
    version = cache_.find(key);
    version->has_file = true;
    version->size = size;
  } else {
    co_return;
  }
  std::vector<fs::path> unused;
  if (form == Form::kDirectory && version->file_uses == 0) {
    version->has_file = false;
    unused.push_back(file);
  } else if (form == Form::kFile && version->directory_uses == 0) {
    version->has_directory = false;
    unused.push_back(directory);
  }
  co_await remove(std::move(unused));
  co_await save_index();
}

asio::awaitable<void> CachedDownloader::release_directory(fs::path directory) {
  if (directory.parent_path() != options_.cache_path) co_return;
  auto unused = cache_.end_use(directory.stem().string(), Form::kDirectory);
  co_await remove(std::move(unused));
}

std::shared_ptr<void> CachedDownloader::lease_of(std::string name, Form form) {
  // Removing the files of the last use takes a coroutine.
  const auto release = [this, alive = alive_, name = std::move(name), form](void*) {
    if (!*alive) return;
    auto paths = cache_.end_use(name, form);
    if (!paths.empty()) asio::co_spawn(executor_, remove(std::move(paths)), asio::detached);
  };
  return {static_cast<void*>(this), release};
}

asio::awaitable<void> CachedDownloader::remove(std::vector<fs::path> paths) {
  if (paths.empty()) co_return;
  auto remove_all = [paths = std::move(paths)] {
    for (const auto& path : paths) remove_quietly(path);
  };
  co_await workers_.run(std::move(remove_all));
}

// Runs one write at a time: a call during a write makes the writer write once more, and returns at once.
asio::awaitable<void> CachedDownloader::save_index() {
  save_again_ = true;
  if (saving_) co_return;
  saving_ = true;
  try {
    while (std::exchange(save_again_, false)) {
      auto write = [path = options_.cache_path / DownloadCache::kStateFile, text = cache_.to_json()] {
        base::write_file_atomically(path, text, 0600);
      };
      co_await workers_.run(std::move(write));
    }
  } catch (const std::exception& e) {
    saving_ = false;
    if (base::is_cancellation(e)) throw;
    logger_.error("failed-to-save-cache-index", {{"error", e.what()}});
  }
  saving_ = false;
}

}  // namespace rivera::executor
