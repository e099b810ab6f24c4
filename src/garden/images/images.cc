#include "garden/images/images.h"

#include <filesystem>

#include "base/work/cancellation.h"

namespace rivera::garden {

namespace fs = std::filesystem;
namespace api = clients::garden;

namespace {

constexpr std::string_view kRaw = "raw://";
constexpr auto kTrustFor = std::chrono::minutes(5);
constexpr auto kFindLimit = std::chrono::minutes(5);  // the documents of an image
constexpr std::size_t kMostTrusted = 64, kMostConfigs = 64;
constexpr int kMostIndexes = 3;

std::string scheme_of(const std::string& uri) { return uri.substr(0, std::min(uri.find(':'), uri.size())); }

// The limit for what is written above the image.
DiskLimit writable_limit(const api::DiskLimits& asked, const LayerFigures& image) {
  DiskLimit limit{asked.byte_hard, asked.inode_hard};
  if (asked.byte_hard == 0) return {};
  if (asked.exclusive_scope) return limit;
  if (image.bytes >= asked.byte_hard) throw api::GardenError("disk limit is smaller than volume size");
  limit.bytes = asked.byte_hard - image.bytes;
  return limit;
}

// Before anything is downloaded: what is compressed is hardly smaller when it is not.
void check_compressed_size(const ImageSource& source, const api::DiskLimits& asked) {
  if (asked.byte_hard == 0 || asked.exclusive_scope) return;
  std::uint64_t bytes = 0;
  for (const auto& layer : source.layers) {
    if (layer.blob.size != kUnknownSize) bytes += std::min<std::uint64_t>(layer.blob.size, std::uint64_t{1} << 50);
  }
  if (bytes > asked.byte_hard) {
    throw api::GardenError("layers exceed disk quota " + std::to_string(bytes) + "/" + std::to_string(asked.byte_hard) +
                           " bytes");
  }
}

// Tenants name registries, and registries name others. The operator's own may be anywhere, on this machine too, and so
// may the server of a layer that the platform names; containers are no registries.
net::DestinationPolicy destinations(const Options& options, const std::string& platform_server) {
  net::DestinationRules rules;
  rules.denied_networks = options.deny_registry_networks;
  rules.denied_networks.push_back(options.network_pool);
  rules.allowed_networks = options.allow_registry_networks;
  rules.allowed_hosts = options.insecure_docker_registries;
  rules.allowed_hosts.push_back(options.docker_registry);
  if (!platform_server.empty()) rules.allowed_hosts.push_back(platform_server);
  return net::DestinationPolicy(rules);
}

}  // namespace

Images::Images(const Context& context)
    : context_(context),
      store_(context.options.state_dir, context.options.run_dir),
      provider_(context, store_),
      background_(context.executor, context.logger) {}

asio::awaitable<void> Images::start(std::set<std::string> ids) {
  auto remove = [this, ids] {
    for (const auto& id : store_.image_ids()) {
      if (!ids.contains(id)) store_.destroy(id);
    }
    store_.recover();
  };
  co_await context_.on_worker(std::move(remove));
  tidy_up_in_background();
  collect_trash_in_background();
  background_.spawn("prepare-default-image", prepare_default_image());
}

asio::awaitable<void> Images::stop() {
  co_await provider_.stop();
  co_await background_.stop();
}

asio::awaitable<void> Images::remove_everything() {
  auto remove = [this] {
    for (const auto& id : store_.image_ids()) store_.destroy(id);
    store_.recover();
  };
  co_await context_.on_worker(std::move(remove));
  co_await background_.join();
  co_await collect_trash();
}

// The first container need not wait for the root file system that most have.
asio::awaitable<void> Images::prepare_default_image() {
  const std::string& uri = context_.options.default_rootfs;
  if (uri.empty() || uri[0] != '/') co_return;
  try {
    api::ImageRef image;
    image.uri = uri;
    const auto source = co_await find_source(std::move(image));
    auto mapping = unprivileged_mapping(context_.options, context_.host);
    default_image_ = std::make_unique<LayerProvider::Hold>(provider_, *source, mapping);
    const auto provided = co_await provider_.provide(source, std::move(mapping), kUnknownSize);
    if (provided.is_new) tidy_up_in_background();
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    // The create of the container that uses the image reports the error.
    context_.logger.error("prepare-default-image.failed", {{"rootfs", uri}, {"error", e.what()}});
  }
}

asio::awaitable<Image> Images::create(ImageRequest request) {
  const std::string uri = request.image.uri;
  if (uri.starts_with(kRaw)) {
    const std::string path = uri.substr(kRaw.size());
    auto look = [path] { return fs::is_directory(path); };
    const bool is_there = co_await context_.on_worker(std::move(look));
    if (!is_there) throw api::GardenError("image source doesn't exist: " + path);
    Image image;
    image.root = path;
    if (!request.owners.uids.empty()) {
      auto mount = [this, id = request.id, path, owners = request.owners] {
        return store_.mount_directory(id, path, owners);
      };
      image.root = co_await context_.on_worker(std::move(mount));
    }
    co_return image;
  }
  std::string failure;
  try {
    const auto source = co_await find_source(std::move(request.image));
    check_compressed_size(*source, request.disk);
    const LayerProvider::Hold hold(provider_, *source, request.mapping);
    const bool counts_image = request.disk.byte_hard > 0 && !request.disk.exclusive_scope;
    const std::uint64_t most_bytes = counts_image ? request.disk.byte_hard : kUnknownSize;
    const auto provided = co_await provider_.provide(source, request.mapping, most_bytes);
    Image image;
    image.id = request.id;
    image.size = provided.figures.bytes;
    image.env = source->env;
    image.limit = writable_limit(request.disk, provided.figures);
    const ImageStore::Plan plan{request.id, provided.ids, image.limit, request.owners};
    auto mount = [this, plan] { return store_.mount(plan); };
    const auto mounted = co_await context_.on_worker(std::move(mount));
    image.root = mounted.root;
    image.files = mounted.files;
    if (provided.is_new) tidy_up_in_background();
    co_return image;
  } catch (const api::GardenError&) {
    throw;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = e.what();
  }
  throw api::GardenError("running image plugin create: " + failure);
}

asio::awaitable<std::shared_ptr<const ImageSource>> Images::find_source(api::ImageRef image) {
  const std::string uri = image.uri, scheme = scheme_of(uri);
  if (scheme == "docker") {
    auto find = find_in_registry(std::move(image));
    auto source = co_await base::within(kFindLimit, "find the image in its registry", std::move(find));
    co_return source;
  }
  auto find = [this, uri, scheme] {
    if (!uri.empty() && uri[0] == '/') return std::make_shared<ImageSource>(local_source(uri));
    if (scheme == "oci") return std::make_shared<ImageSource>(oci_source(uri, store_.archives()));
    if (scheme == "preloaded+layer") return std::make_shared<ImageSource>(preloaded_layer_source(uri));
    throw api::GardenError("running image plugin create: unsupported root filesystem: " + scheme);
  };
  auto source = co_await context_.on_worker(std::move(find));
  if (scheme == "preloaded+layer") {
    // A server of its own: of a registry only the host matters.
    ImageReference reference;
    try {
      reference.registry = net::Endpoint::parse_url(source->layers.back().url).first.host_header();
    } catch (const std::invalid_argument&) {
      throw api::GardenError("creating image spec: the layer is at no URL");
    }
    reference.repository = "layer";
    RegistryCredentials none;
    const std::string server = reference.registry;
    source->session = co_await open_session(std::move(reference), std::move(none), server);
  }
  co_return source;
}

asio::awaitable<std::shared_ptr<const ImageSource>> Images::find_in_registry(api::ImageRef image) {
  ImageReference reference;
  try {
    reference = parse_image_reference(image.uri, context_.options.docker_registry);
  } catch (const std::invalid_argument& e) {
    throw api::GardenError(std::string("running image plugin create: ") + e.what());
  }
  RegistryCredentials credentials{image.username, image.password};
  const auto session = co_await open_session(reference, std::move(credentials), "");
  std::string version = reference.version();
  std::string content_type;
  for (int indexes = 0;; ++indexes) {
    const auto document = co_await session->manifest(version);
    const auto parsed = parse_manifest(document.content_type, document.body);
    if (const auto* manifest = std::get_if<Manifest>(&parsed)) {
      const ImageConfig config = co_await image_config(session, manifest->config);
      auto source = std::make_shared<ImageSource>(source_of(reference.text(), *manifest, config));
      source->session = session;
      co_return source;
    }
    if (indexes == kMostIndexes) throw BadImage("the image's indexes are nested too deep");
    version = entry_for_this_machine(std::get<Index>(parsed)).digest;
  }
}

// Who may read the manifest that names it may read the configuration.
asio::awaitable<ImageConfig> Images::image_config(std::shared_ptr<RegistrySession> session, Descriptor config) {
  if (const auto known = configs_.find(config.digest); known != configs_.end()) co_return known->second;
  const std::string text = co_await session->document(config, kMostConfigBytes);
  ImageConfig parsed = parse_image_config(text);
  if (configs_.size() >= kMostConfigs) configs_.clear();
  configs_[config.digest] = parsed;
  co_return parsed;
}

// `platform_server` is the server of a layer's URL, which the platform names and not the tenant; "" for images.
asio::awaitable<std::shared_ptr<RegistrySession>> Images::open_session(ImageReference reference,
                                                                       RegistryCredentials credentials,
                                                                       std::string platform_server) {
  auto registry_tls = co_await tls_context(reference.registry);
  auto other_tls = co_await tls_context(platform_server);
  RegistryOptions options;
  options.insecure_registries = context_.options.insecure_docker_registries;
  options.destinations = destinations(context_.options, platform_server);
  co_return std::make_shared<RegistrySession>(context_.executor, provider_.unpackers(), std::move(options),
                                              std::move(reference), std::move(credentials), std::move(registry_tls),
                                              std::move(other_tls));
}

asio::awaitable<net::TlsContext> Images::tls_context(std::string registry) {
  const auto now = std::chrono::steady_clock::now();
  const auto known = trust_.find(registry);
  if (known != trust_.end() && now - known->second.read_at < kTrustFor) co_return known->second.context;
  const bool is_insecure = is_listed_registry(context_.options.insecure_docker_registries, registry);
  auto read = [directory = context_.options.registry_certificates, registry, is_insecure] {
    return std::make_shared<net::TlsContext>(registry_tls_context(directory, registry, is_insecure));
  };
  const auto context = co_await context_.on_worker(std::move(read));
  if (trust_.size() >= kMostTrusted) trust_.clear();
  trust_.insert_or_assign(registry, Trust{*context, now});
  co_return *context;
}

asio::awaitable<void> Images::destroy(std::string id) {
  auto remove = [this, id] { store_.destroy(id); };
  co_await context_.on_worker(std::move(remove));
  collect_trash_in_background();
}

asio::awaitable<std::uint64_t> Images::used_bytes(Image image) {
  auto measure = [this, id = image.id, limit = image.limit] { return store_.used_bytes(id, limit); };
  const std::uint64_t bytes = co_await context_.on_worker(std::move(measure));
  co_return bytes;
}

asio::awaitable<std::pair<std::uint64_t, std::uint64_t>> Images::disk_size() {
  auto measure = [this] { return store_.disk_size(); };
  const auto size = co_await context_.on_worker(std::move(measure));
  co_return size;
}

// --- in the background ---

asio::awaitable<void> Images::clean(std::uint64_t threshold) {
  auto look = [this] { return std::make_pair(store_.layers().layers(), store_.used_layers()); };
  const auto [layers, used] = co_await cleaner_.run(std::move(look));
  std::uint64_t total = 0;
  for (const auto& layer : layers) total += layer.figures.bytes;
  std::vector<std::string> victims;
  std::uint64_t freed = 0;
  for (const auto& layer : layers) {
    if (total <= threshold) break;
    // What is being created now holds its layers, and counts as used before its image exists.
    if (used.contains(layer.id) || provider_.is_held(layer.id)) continue;
    victims.push_back(layer.id);
    total -= layer.figures.bytes;
    freed += layer.figures.bytes;
  }
  if (victims.empty()) co_return;
  provider_.lock(victims);
  auto remove = [this, victims] {
    // An image that was created since the first look: from the lock on there is none.
    const auto used_now = store_.used_layers();
    for (const auto& id : victims) {
      if (!used_now.contains(id)) store_.layers().remove(id);
    }
  };
  std::exception_ptr failure;
  try {
    co_await context_.on_worker(std::move(remove));
  } catch (...) {
    failure = std::current_exception();
  }
  provider_.unlock(victims);
  collect_trash_in_background();
  if (failure) std::rethrow_exception(failure);
  context_.logger.info("layers.cleaned", {{"layers", victims.size()}, {"bytes", freed}, {"left", total}});
}

// After new layers have come: makes them durable, and room for the next.
asio::awaitable<void> Images::tidy_up() {
  is_tidying_ = true;
  do {
    must_tidy_again_ = false;
    auto sync = [this] { store_.layers().make_durable(); };
    try {
      co_await cleaner_.run(std::move(sync));
      const std::int64_t megabytes = context_.options.graph_cleanup_threshold_megabytes;
      if (megabytes >= 0) co_await clean(static_cast<std::uint64_t>(megabytes) << 20);
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      context_.logger.error("layers.tidy-up-failed", {{"error", e.what()}});
    }
  } while (must_tidy_again_);
  is_tidying_ = false;
}

void Images::tidy_up_in_background() {
  must_tidy_again_ = true;
  if (!is_tidying_) background_.spawn("tidy-up-layers", tidy_up());
}

void Images::collect_trash_in_background() {
  must_collect_again_ = true;
  if (!is_collecting_) background_.spawn("collect-trash", collect_trash());
}

asio::awaitable<void> Images::collect_trash() {
  is_collecting_ = true;
  std::exception_ptr failure;
  do {
    must_collect_again_ = false;
    auto collect = [this] { store_.collect_trash(); };
    try {
      co_await cleaner_.run(std::move(collect));
    } catch (...) {
      failure = std::current_exception();
    }
  } while (must_collect_again_ && !failure);
  is_collecting_ = false;
  if (failure) std::rethrow_exception(failure);
}

}  // namespace rivera::garden
