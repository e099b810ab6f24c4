#include "garden/images/layer_provider.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/on_exit.h"
#include "base/work/cancellation.h"
#include "net/crypto/digest.h"

namespace rivera::garden {

namespace {

constexpr std::size_t kWorkersPerImage = 3;
constexpr auto kDownloadLimit = std::chrono::minutes(60);  // of one layer, all attempts together

// A blob on its way to a file; its digest is taken as it comes.
class BlobFile final : public BlobSink {
 public:
  BlobFile(std::string path, const std::string& digest, std::uint64_t most)
      : path_(std::move(path)), expected_(digest), most_(most) {
    file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file_) throw std::system_error(errno, std::generic_category(), "make a download");
    restart_digest();
  }
  void write(std::string_view bytes) override {
    written_ += bytes.size();
    if (written_ > most_) throw std::runtime_error("a layer is larger than what is left of the disk");
    digest_->update(bytes);
    while (!bytes.empty()) {
      const ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw std::runtime_error("cannot write a downloaded layer: is the disk full?");
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void restart() override {
    if (::ftruncate(file_.get(), 0) != 0 || ::lseek(file_.get(), 0, SEEK_SET) != 0)
      throw std::system_error(errno, std::generic_category(), "begin a download again");
    written_ = 0;
    restart_digest();
  }
  void finish() {
    file_.reset();
    const auto colon = expected_.find(':');
    if (base::to_hex(digest_->finish()) != expected_.substr(colon + 1))
      throw BadImage("a layer has another digest than " + expected_);
  }

 private:
  void restart_digest() { digest_.emplace(net::parse_digest_algorithm(expected_.substr(0, expected_.find(':')))); }

  std::string path_, expected_;
  std::uint64_t most_, written_ = 0;
  base::UniqueFd file_;
  std::optional<net::Digest> digest_;
};

std::vector<std::string> layer_ids(const ImageSource& source, const IdMapping& mapping) {
  std::vector<std::string> ids;
  for (const auto& layer : source.layers) ids.push_back(LayerStore::id_of(layer.chain_id, mapping));
  return ids;
}

}  // namespace

LayerProvider::Hold::Hold(LayerProvider& provider, const ImageSource& source, const IdMapping& mapping)
    : provider_(provider), ids_(layer_ids(source, mapping)) {
  for (const auto& id : ids_) provider_.held_.insert(id);
}

LayerProvider::Hold::~Hold() {
  for (const auto& id : ids_) {
    const auto found = provider_.held_.find(id);
    if (found != provider_.held_.end()) provider_.held_.erase(found);
  }
}

LayerProvider::LayerProvider(const Context& context, const ImageStore& store)
    : context_(context),
      store_(store),
      unpackers_(std::clamp(2 * context.host.processors, 4u, 8u)),
      changed_(context.executor),
      background_(context.executor, context.logger) {}

asio::awaitable<void> LayerProvider::stop() { co_await background_.stop(); }

void LayerProvider::lock(const std::vector<std::string>& layers) { busy_.insert(layers.begin(), layers.end()); }

void LayerProvider::unlock(const std::vector<std::string>& layers) {
  for (const auto& layer : layers) busy_.erase(layer);
  changed_.notify_all();
}

asio::awaitable<LayerProvider::Provided> LayerProvider::provide(std::shared_ptr<const ImageSource> source,
                                                                IdMapping mapping, std::uint64_t most_bytes) {
  const auto work = std::make_shared<Work>(context_.executor);
  work->source = std::move(source);
  work->mapping = std::move(mapping);
  work->ids = layer_ids(*work->source, work->mapping);
  work->figures.resize(work->ids.size());
  work->most_bytes = most_bytes;
  // Of the group, and not of this coroutine: they end in order even if the caller is cancelled.
  work->workers = std::min(kWorkersPerImage, work->ids.size());
  for (std::size_t i = work->workers; i > 0; --i) background_.spawn("provide-layers", work_through(work));
  while (work->workers > 0) co_await work->changed.wait();
  if (work->failure) std::rethrow_exception(work->failure);
  Provided provided{work->ids, {}, work->is_new};
  for (const auto& figures : work->figures) {
    if (!figures) throw std::runtime_error("the layers of " + work->source->name + " are not complete");
    provided.figures.bytes += figures->bytes;
    provided.figures.entries += figures->entries;
  }
  co_return provided;
}

// Takes layer after layer, lowest first, until all are there or one fails.
asio::awaitable<void> LayerProvider::work_through(std::shared_ptr<Work> work) {
  const base::OnExit left([&work] {
    --work->workers;
    work->changed.notify_all();
  });
  while (work->next < work->ids.size() && !work->failure) {
    const std::size_t index = work->next++;
    try {
      co_await provide_one(work, index);
    } catch (...) {
      if (!work->failure) work->failure = std::current_exception();
    }
    work->changed.notify_all();
  }
}

asio::awaitable<void> LayerProvider::provide_one(std::shared_ptr<Work> work, std::size_t index) {
  const std::string id = work->ids[index];
  while (busy_.contains(id)) co_await changed_.wait();
  {
    busy_.insert(id);
    const base::OnExit done([this, &id] {
      busy_.erase(id);
      changed_.notify_all();
    });
    auto find = [this, id] { return store_.layers().find(id); };
    work->figures[index] = co_await context_.on_worker(std::move(find));
    if (!work->figures[index]) {
      co_await make(work, index);
      work->is_new = true;
    }
  }
  // In order: a layer that is there has all that lie below.
  while (work->published != index && !work->failure) co_await work->changed.wait();
  if (work->published == index) ++work->published;
  work->changed.notify_all();
}

asio::awaitable<void> LayerProvider::make(std::shared_ptr<Work> work, std::size_t index) {
  const LayerSource& layer = work->source->layers[index];
  const std::string id = work->ids[index];
  const auto begun = std::chrono::steady_clock::now();
  std::string file = layer.path;
  const bool is_download = file.empty();
  if (is_download) file = co_await download(layer, work->source->session);
  // Whatever happens from here on, the download is removed.
  const auto content = std::make_shared<Unpacked>();
  const auto draft = std::make_shared<std::string>();
  auto unpack_layer = [this, content, draft, file, is_download, layer, id, mapping = work->mapping,
                       most_bytes = work->most_bytes] {
    const base::OnExit remove([&] {
      if (is_download) ::unlink(file.c_str());
    });
    *draft = store_.layers().begin(id, mapping);
    UnpackOptions options;
    options.base_directory = layer.base_directory;
    options.diff_id = layer.diff_id;
    options.most_bytes = std::min(most_bytes, store_.disk_size().second);
    if (layer.blob.digest.empty() && layer.url.empty()) {
      *content = unpack(file, *draft, mapping);
    } else {
      *content = unpack_tar(file, *draft, mapping, options);
    }
  };
  std::exception_ptr failure;
  try {
    co_await unpackers_.run(std::move(unpack_layer));
    while (work->published != index && !work->failure) co_await work->changed.wait();
    if (work->failure) std::rethrow_exception(work->failure);
    std::vector<std::string> below(work->ids.begin(), work->ids.begin() + static_cast<std::ptrdiff_t>(index));
    std::reverse(below.begin(), below.end());
    auto publish = [this, content, draft, id, below, directory = layer.base_directory] {
      store_.layers().publish(id, *draft, *content, below, directory);
    };
    co_await unpackers_.run(std::move(publish));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    auto abandon = [this, draft] {
      if (!draft->empty()) store_.layers().abandon(*draft);
    };
    co_await context_.on_worker(std::move(abandon));
    std::rethrow_exception(failure);
  }
  work->figures[index] = content->figures;
  const auto took = std::chrono::steady_clock::now() - begun;
  context_.logger.info("layer.unpacked", {{"image", work->source->name},
                                          {"layer", id},
                                          {"bytes", content->figures.bytes},
                                          {"entries", content->figures.entries},
                                          {"seconds", std::chrono::duration<double>(took).count()}});
}

asio::awaitable<std::string> LayerProvider::download(const LayerSource& layer,
                                                     std::shared_ptr<RegistrySession> session) {
  const std::string file = store_.new_download();
  auto open_file = [this, file, digest = layer.blob.digest, size = layer.blob.size] {
    const std::uint64_t left = store_.disk_size().second;
    if (size != kUnknownSize && size > left)
      throw std::runtime_error("a layer is larger than what is left of the disk");
    return std::make_shared<BlobFile>(file, digest, left - left / 20);
  };
  const auto sink = co_await context_.on_worker(std::move(open_file));
  std::exception_ptr failure;
  try {
    auto fetch =
        layer.url.empty() ? session->download(layer.blob, *sink) : session->download_from(layer.url, layer.blob, *sink);
    co_await base::within(kDownloadLimit, "download a layer", std::move(fetch));
    auto finish = [sink] { sink->finish(); };
    co_await context_.on_worker(std::move(finish));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    auto remove = [file] { ::unlink(file.c_str()); };
    co_await context_.on_worker(std::move(remove));
    std::rethrow_exception(failure);
  }
  co_return file;
}

}  // namespace rivera::garden
