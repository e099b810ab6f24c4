#include "garden/registry/registry_session.h"

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/bytes.h"
#include "base/files.h"
#include "base/units.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/limits/client_limits.h"
#include "net/stream/tls_settings.h"

namespace rivera::garden {

namespace fs = std::filesystem;

namespace {

constexpr int kMostRedirects = 5;
constexpr std::size_t kMostTokenBytes = 1u << 20, kMostParameter = 4096;
constexpr std::size_t kPiece = 1u << 20;

// Trying again may help.
class TemporaryFailure : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::unique_ptr<net::HttpClient> make_client(const asio::any_io_executor& executor, const RegistryOptions& options,
                                             net::TlsContext tls) {
  net::HttpClientOptions http;
  http.tls = std::move(tls);
  http.connect_timeout = options.connect_timeout;
  http.request_timeout = options.answer_timeout;
  http.destinations = options.destinations;
  return std::make_unique<net::HttpClient>(executor, std::move(http));
}

// A registry that trickles is given up like a silent one.
asio::awaitable<std::size_t> read_some(net::HttpIncoming& incoming, net::Pace& pace, std::span<char> into) {
  incoming.stream().set_deadline(pace.begin(std::chrono::steady_clock::now()));
  const std::size_t count = co_await incoming.read_some(into);
  pace.end(std::chrono::steady_clock::now(), count);
  co_return count;
}

bool is_redirect_status(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_same_server(const net::Endpoint& a, const net::Endpoint& b) {
  return a.tls == b.tls && a.host == b.host && a.port == b.port;
}

std::chrono::nanoseconds pause_before(int attempt, std::chrono::nanoseconds first) {
  thread_local std::mt19937 random(std::random_device{}());
  const auto grown = std::min<std::chrono::nanoseconds>(first * (1 << std::min(attempt, 10)), std::chrono::seconds(10));
  return grown + std::chrono::nanoseconds(std::uniform_int_distribution<std::int64_t>(0, grown.count() / 2)(random));
}

bool is_worth_another(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const TemporaryFailure&) {
    return true;
  } catch (const net::TransportError&) {
    return true;
  } catch (const base::DeadlineExceeded&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

bool is_listed_registry(const std::vector<std::string>& hosts, const std::string& registry) {
  const bool has_port = registry.rfind(':') != std::string::npos && registry.back() != ']';
  const std::string host = has_port ? registry.substr(0, registry.rfind(':')) : registry;
  return std::ranges::any_of(hosts, [&](const std::string& each) { return each == registry || each == host; });
}

net::TlsContext registry_tls_context(const std::string& certificates_directory, const std::string& registry,
                                     bool is_insecure) {
  net::TlsClientSettings settings;
  settings.insecure = is_insecure;
  settings.trust_system_authorities = !is_insecure;
  const fs::path directory = fs::path(certificates_directory) / registry;
  std::error_code ec;
  if (!certificates_directory.empty() && !registry.empty() && fs::is_directory(directory, ec)) {
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() == ".crt") settings.ca_pem += base::read_file(entry.path()) + "\n";
    }
    if (fs::exists(directory / "client.cert") && fs::exists(directory / "client.key")) {
      settings.identity = {base::read_file(directory / "client.cert"), base::read_file(directory / "client.key")};
    }
  }
  return net::make_client_context(settings);
}

// A blob on its way to its sink, over as many attempts as it takes.
struct RegistrySession::Transfer {
  const Descriptor& blob;
  BlobSink& sink;
  std::uint64_t received = 0;
};

RegistrySession::RegistrySession(asio::any_io_executor executor, base::WorkerPool& workers, RegistryOptions options,
                                 ImageReference reference, RegistryCredentials credentials,
                                 net::TlsContext registry_tls, net::TlsContext other_tls)
    : workers_(workers),
      options_(std::move(options)),
      reference_(std::move(reference)),
      credentials_(std::move(credentials)),
      is_insecure_(is_listed_registry(options_.insecure_registries, reference_.registry)),
      registry_client_(make_client(executor, options_, std::move(registry_tls))),
      other_client_(make_client(executor, options_, std::move(other_tls))) {}

RegistrySession::~RegistrySession() = default;

net::Endpoint RegistrySession::endpoint(bool tls) const {
  return net::Endpoint::parse((tls ? "https://" : "http://") + reference_.registry);
}

// An insecure registry may speak either; the one that answers is used.
asio::awaitable<void> RegistrySession::find_scheme() {
  if (is_scheme_known_) co_return;
  if (is_insecure_) {
    net::HttpRequest ping;
    ping.method = "GET";
    ping.target = "/v2/";
    bool speaks_tls = true;
    try {
      const auto answer = co_await registry_client_->open(endpoint(true), std::move(ping));
      speaks_tls = answer->head().status > 0;
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      speaks_tls = false;  // the request for the image says so if this place is denied
    }
    uses_tls_ = speaks_tls;
  }
  is_scheme_known_ = true;
}

void RegistrySession::check_status(const net::ResponseHead& head, const std::string& what) const {
  const int status = head.status;
  if (status >= 200 && status < 300) return;
  const std::string answer = what + ": " + reference_.registry + " answers " + std::to_string(status);
  if (status == 401 || status == 403) {
    throw RegistryRefusal(answer + ": the image does not exist, or it needs other credentials" +
                          (credentials_.empty() ? " (none were given)" : ""));
  }
  if (status == 404) throw RegistryRefusal(answer + ": the image does not exist");
  if (status == 429 || status == 408 || status >= 500) throw TemporaryFailure(answer);
  throw RegistryRefusal(answer);
}

asio::awaitable<std::unique_ptr<net::HttpIncoming>> RegistrySession::ask(net::HttpClient& client, net::Endpoint server,
                                                                         net::HttpRequest request) {
  const std::string where = server.text();
  try {
    auto incoming = co_await client.open(std::move(server), std::move(request));
    co_return incoming;
  } catch (const net::DestinationDenied&) {
    throw RegistryRefusal("images may not come from " + where);
  }
}

// Follows redirects. Credentials are for the registry alone: another server gets none.
asio::awaitable<std::unique_ptr<net::HttpIncoming>> RegistrySession::follow(net::Endpoint from, std::string target,
                                                                            net::Headers headers, bool is_registry) {
  net::Endpoint to = from;
  for (int redirects = 0;; ++redirects) {
    const bool is_home = is_registry && is_same_server(to, from);
    net::HttpRequest request;
    request.method = "GET";
    request.target = target;
    request.headers = headers;
    if (is_home && !authorization_.empty()) request.headers.set("Authorization", authorization_);
    net::HttpClient& client = is_home ? *registry_client_ : *other_client_;
    auto incoming = co_await ask(client, to, std::move(request));
    if (!is_redirect_status(incoming->head().status)) co_return incoming;
    if (redirects == kMostRedirects) throw RegistryRefusal(reference_.registry + " redirects too often");
    const std::string location(incoming->head().headers.get("Location"));
    try {
      const bool is_absolute = location.starts_with("http://") || location.starts_with("https://");
      const bool is_path = location.starts_with('/') && !location.starts_with("//");
      if (!is_absolute && !is_path) throw std::invalid_argument("location");
      std::tie(to, target) = net::Endpoint::parse_url(is_absolute ? location : to.text() + location);
    } catch (const std::invalid_argument&) {
      throw RegistryRefusal(reference_.registry + " redirects to a place that is no URL");
    }
    if (from.tls && !to.tls && !is_insecure_)
      throw RegistryRefusal(reference_.registry + " redirects from TLS to plain HTTP");
  }
}

asio::awaitable<std::unique_ptr<net::HttpIncoming>> RegistrySession::get(std::string target, net::Headers headers) {
  co_await find_scheme();
  const net::Endpoint registry = endpoint(uses_tls_);
  const std::string before = authorization_;
  auto incoming = co_await follow(registry, target, headers, true);
  if (incoming->head().status != 401) co_return incoming;
  // Another coroutine may have logged in meanwhile.
  if (authorization_ == before) co_await log_in(incoming->head().headers);
  incoming = co_await follow(registry, std::move(target), std::move(headers), true);
  co_return incoming;
}

asio::awaitable<void> RegistrySession::log_in(net::Headers fields) {
  const Challenge* bearer = nullptr;
  const Challenge* basic = nullptr;
  std::vector<Challenge> challenges;
  for (const auto field : fields.all("WWW-Authenticate")) {
    for (auto& challenge : parse_challenges(field)) challenges.push_back(std::move(challenge));
  }
  for (const auto& challenge : challenges) {
    if (challenge.scheme == "bearer" && bearer == nullptr) bearer = &challenge;
    if (challenge.scheme == "basic" && basic == nullptr) basic = &challenge;
  }
  if (bearer != nullptr) {
    const std::string token = co_await fetch_token(*bearer);
    authorization_ = "Bearer " + token;
  } else if (basic != nullptr && !credentials_.empty()) {
    authorization_ = "Basic " + base::to_base64(credentials_.username + ":" + credentials_.password);
  }
}

asio::awaitable<std::string> RegistrySession::fetch_token(Challenge challenge) {
  const std::string realm = challenge.parameter("realm"), service = challenge.parameter("service");
  std::string scope = challenge.parameter("scope");
  if (scope.empty()) scope = "repository:" + reference_.repository + ":pull";
  if (realm.size() > kMostParameter || service.size() > kMostParameter || scope.size() > kMostParameter)
    throw RegistryRefusal(reference_.registry + " asks for a login that cannot be understood");
  net::Endpoint server;
  std::string target;
  try {
    std::tie(server, target) = net::Endpoint::parse_url(realm);
    if (server.is_unix) throw std::invalid_argument("realm");
  } catch (const std::invalid_argument&) {
    throw RegistryRefusal(reference_.registry + " names a token server that is no URL");
  }
  if (!server.tls && !is_insecure_) throw RegistryRefusal(reference_.registry + " names a token server without TLS");
  target += target.find('?') == std::string::npos ? "?" : "&";
  if (!service.empty()) target += "service=" + net::percent_encode(service) + "&";
  target += "scope=" + net::percent_encode(scope);
  net::HttpRequest request;
  request.method = "GET";
  request.target = target;
  if (!credentials_.empty()) {
    request.headers.set("Authorization",
                        "Basic " + base::to_base64(credentials_.username + ":" + credentials_.password));
  }
  // The token server is often the registry itself, with the same private authority.
  const bool is_same_host = server.host == endpoint(server.tls).host;
  net::HttpClient& client = is_same_host ? *registry_client_ : *other_client_;
  const auto incoming = co_await ask(client, server, std::move(request));
  check_status(incoming->head(), "log in at " + server.text());
  const std::string body = co_await read_body(*incoming, kMostTokenBytes);
  const auto token = token_from(body);
  if (!token) throw RegistryRefusal("log in at " + server.text() + ": the answer holds no token");
  co_return *token;
}

asio::awaitable<std::string> RegistrySession::read_body(net::HttpIncoming& incoming, std::size_t most) {
  net::Pace pace(options_.idle_timeout);
  std::string body;
  std::size_t filled = 0;
  for (;;) {
    body.resize(filled + std::min<std::size_t>(64 * base::kKibibyte, most + 1 - filled));
    const std::size_t count = co_await read_some(incoming, pace, std::span(body).subspan(filled));
    filled += count;
    if (filled > most)
      throw BadImage(reference_.registry + " sends a document of more than " + std::to_string(most) + " bytes");
    if (count == 0) break;
  }
  body.resize(filled);
  co_return body;
}

template <typename T>
asio::awaitable<T> RegistrySession::retried(std::function<asio::awaitable<T>()> attempt) {
  for (int failed = 0;; ++failed) {
    std::exception_ptr failure;
    try {
      T result = co_await attempt();
      co_return result;
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      failure = std::current_exception();
    }
    if (failed + 1 >= options_.attempts || !is_worth_another(failure)) std::rethrow_exception(failure);
    co_await base::sleep_for(pause_before(failed, options_.first_pause));
  }
}

asio::awaitable<RegistrySession::Document> RegistrySession::manifest(std::string version) {
  std::function<asio::awaitable<Document>()> attempt = [this, &version]() -> asio::awaitable<Document> {
    const std::string target = "/v2/" + reference_.repository + "/manifests/" + version;
    net::Headers headers;
    headers.set("Accept", kManifestTypes);
    const auto incoming = co_await get(target, std::move(headers));
    check_status(incoming->head(), "get the manifest of " + reference_.text());
    Document document;
    document.content_type = incoming->head().headers.get("Content-Type");
    document.body = co_await read_body(*incoming, kMostManifestBytes);
    co_return document;
  };
  Document document = co_await retried<Document>(std::move(attempt));
  if (is_digest(version) && digest_of(document.body, version) != version)
    throw BadImage("the manifest of " + reference_.text() + " has another digest than " + version);
  co_return document;
}

asio::awaitable<std::string> RegistrySession::document(Descriptor blob, std::size_t most) {
  if (blob.size > most) throw BadImage("a document of the image has more than " + std::to_string(most) + " bytes");
  std::function<asio::awaitable<std::string>()> attempt = [this, &blob, most]() -> asio::awaitable<std::string> {
    const std::string target = "/v2/" + reference_.repository + "/blobs/" + blob.digest;
    net::Headers headers;
    const auto incoming = co_await get(target, std::move(headers));
    check_status(incoming->head(), "get " + blob.digest + " of " + reference_.text());
    std::string body = co_await read_body(*incoming, most);
    co_return body;
  };
  std::string body = co_await retried<std::string>(std::move(attempt));
  verify("the configuration of " + reference_.text(), body, blob);
  co_return body;
}

// Continues where the last attempt ended, if the server can.
asio::awaitable<void> RegistrySession::transfer(std::string url, Transfer& transfer) {
  net::Headers headers;
  if (transfer.received > 0) headers.set("Range", "bytes=" + std::to_string(transfer.received) + "-");
  std::unique_ptr<net::HttpIncoming> incoming;
  if (url.empty()) {
    const std::string target = "/v2/" + reference_.repository + "/blobs/" + transfer.blob.digest;
    incoming = co_await get(target, std::move(headers));
  } else {
    auto [server, target] = net::Endpoint::parse_url(url);
    incoming = co_await follow(std::move(server), std::move(target), std::move(headers), false);
  }
  const std::string what = "get the layer " + transfer.blob.digest + " of " + reference_.text();
  if (incoming->head().status == 416 && transfer.received > 0) {
    transfer.received = 0;
    auto restart = [&sink = transfer.sink] { sink.restart(); };
    co_await workers_.run(std::move(restart));
    throw TemporaryFailure(what + ": it cannot be resumed");
  }
  check_status(incoming->head(), what);
  if (transfer.received > 0) {
    const std::string expected = "bytes " + std::to_string(transfer.received) + "-";
    const bool continues =
        incoming->head().status == 206 && incoming->head().headers.get("Content-Range").starts_with(expected);
    if (!continues) {
      transfer.received = 0;
      auto restart = [&sink = transfer.sink] { sink.restart(); };
      co_await workers_.run(std::move(restart));
      if (incoming->head().status == 206) throw TemporaryFailure(what + ": another part than asked for");
    }
  }
  net::Pace pace(options_.idle_timeout);
  std::string buffer(kPiece, '\0');
  for (bool at_end = false; !at_end;) {
    std::size_t filled = 0;
    std::exception_ptr failure;
    try {
      while (filled < kPiece && !at_end) {
        const std::size_t count = co_await read_some(*incoming, pace, std::span(buffer).subspan(filled));
        filled += count;
        at_end = count == 0;
      }
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) throw;
      failure = std::current_exception();  // what came before counts
    }
    if (transfer.received + filled > transfer.blob.size) throw BadImage(what + ": it is longer than the manifest says");
    auto write = [&sink = transfer.sink, bytes = std::string_view(buffer.data(), filled)] { sink.write(bytes); };
    if (filled > 0) co_await workers_.run(std::move(write));
    transfer.received += filled;
    if (failure && transfer.received < transfer.blob.size) std::rethrow_exception(failure);
    if (failure) co_return;  // broken, but whole
  }
  if (transfer.blob.size != kUnknownSize && transfer.received < transfer.blob.size)
    throw TemporaryFailure(what + ": it broke off");
}

asio::awaitable<void> RegistrySession::download_from(std::string url, Descriptor blob, BlobSink& sink) {
  Transfer state{blob, sink};
  std::function<asio::awaitable<bool>()> attempt = [this, &state, &url]() -> asio::awaitable<bool> {
    co_await transfer(url, state);
    co_return true;
  };
  co_await retried<bool>(std::move(attempt));
}

asio::awaitable<void> RegistrySession::download(Descriptor blob, BlobSink& sink) {
  // The registry first; the URLs are for layers that it does not hold itself.
  std::vector<std::string> places{""};
  for (const auto& url : blob.urls) {
    if (url.starts_with("https://") || (is_insecure_ && url.starts_with("http://"))) places.push_back(url);
  }
  Transfer state{blob, sink};
  for (std::size_t place = 0;; ++place) {
    std::exception_ptr failure;
    std::function<asio::awaitable<bool>()> attempt = [this, &state, url = places[place]]() -> asio::awaitable<bool> {
      co_await transfer(url, state);
      co_return true;
    };
    try {
      co_await retried<bool>(std::move(attempt));
      co_return;
    } catch (const RegistryRefusal&) {
      failure = std::current_exception();
    }
    if (place + 1 == places.size()) std::rethrow_exception(failure);
  }
}

}  // namespace rivera::garden
