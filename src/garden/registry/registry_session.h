// Conversation with one registry about one image (docs/spec/garden.md §4.3; the OCI distribution API).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/asio.h"
#include "base/work/worker_pool.h"
#include "garden/registry/challenge.h"
#include "garden/registry/image_documents.h"
#include "garden/registry/image_reference.h"
#include "net/http/http_client.h"

namespace rivera::garden {

struct RegistryCredentials {
  std::string username, password;  // both empty: none
  bool empty() const { return username.empty() && password.empty(); }
};

struct RegistryOptions {
  // "host" or "host:port": certificates are not verified there, and plain HTTP is used where TLS fails.
  std::vector<std::string> insecure_registries;
  // Where a registry may be, and what it may lead to: the image's name, redirects and token servers come from tenants.
  net::DestinationPolicy destinations;
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds answer_timeout = std::chrono::seconds(30);  // to the head of an answer
  // How long a registry may keep us waiting for a body, and a second longer for each 16 KiB (net::Pace).
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(60);
  int attempts = 5;  // for each document and blob
  std::chrono::nanoseconds first_pause = std::chrono::milliseconds(200);
};

// The trust in a registry, and our identity there: the system's authorities, and what the operator has put into
// <certificates_directory>/<host[:port]>/: *.crt (authorities), client.cert and client.key. "" as the directory, or no
// such directory: the system's alone. Blocks. Throws std::runtime_error naming the file that is bad.
net::TlsContext registry_tls_context(const std::string& certificates_directory, const std::string& registry,
                                     bool is_insecure);

// Whether `registry` ("host[:port]") is one of `hosts` ("host" or "host:port").
bool is_listed_registry(const std::vector<std::string>& hosts, const std::string& registry);

// The registry refuses, or does not have, what was asked for. Trying again does not help.
class RegistryRefusal : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Where the bytes of a blob go. Called by one coroutine at a time; its functions block, and run on workers.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  virtual void write(std::string_view bytes) = 0;
  // Drops what was written: the blob begins again.
  virtual void restart() = 0;
};

// Used on one executor, by several coroutines at once. All functions throw RegistryRefusal, BadImage,
// net::TransportError or base::DeadlineExceeded; no message holds credentials, tokens, queries of URLs or content.
class RegistrySession {
 public:
  // `registry_tls` is for the registry, `other_tls` for the servers that it redirects to.
  RegistrySession(asio::any_io_executor executor, base::WorkerPool& workers, RegistryOptions options,
                  ImageReference reference, RegistryCredentials credentials, net::TlsContext registry_tls,
                  net::TlsContext other_tls);
  ~RegistrySession();

  struct Document {
    std::string content_type, body;
  };
  // By tag or digest; a digest is verified.
  asio::awaitable<Document> manifest(std::string version);
  // The whole of a small blob, verified. At most `most` bytes.
  asio::awaitable<std::string> document(Descriptor blob, std::size_t most);
  // Sends a blob to `sink`. A download that breaks off is resumed. Never gives the sink more than the descriptor's
  // size; the caller verifies the digest. Falls back to the descriptor's other URLs.
  asio::awaitable<void> download(Descriptor blob, BlobSink& sink);
  // The same from one URL, with no credentials of ours.
  asio::awaitable<void> download_from(std::string url, Descriptor blob, BlobSink& sink);

  const ImageReference& reference() const { return reference_; }

 private:
  struct Transfer;
  net::Endpoint endpoint(bool tls) const;
  asio::awaitable<void> find_scheme();
  asio::awaitable<std::unique_ptr<net::HttpIncoming>> get(std::string target, net::Headers headers);
  asio::awaitable<std::unique_ptr<net::HttpIncoming>> follow(net::Endpoint from, std::string target,
                                                             net::Headers headers, bool is_registry);
  asio::awaitable<std::unique_ptr<net::HttpIncoming>> ask(net::HttpClient& client, net::Endpoint server,
                                                          net::HttpRequest request);
  asio::awaitable<void> log_in(net::Headers challenges);
  asio::awaitable<std::string> fetch_token(Challenge challenge);
  asio::awaitable<std::string> read_body(net::HttpIncoming& incoming, std::size_t most);
  asio::awaitable<void> transfer(std::string url, Transfer& transfer);
  void check_status(const net::ResponseHead& head, const std::string& what) const;
  // Runs `attempt` until it succeeds or must not be tried again.
  template <typename T>
  asio::awaitable<T> retried(std::function<asio::awaitable<T>()> attempt);

  base::WorkerPool& workers_;
  const RegistryOptions options_;
  const ImageReference reference_;
  const RegistryCredentials credentials_;
  bool is_insecure_;
  bool is_scheme_known_ = false;
  bool uses_tls_ = true;
  std::string authorization_;  // the header's value, once there is one
  std::unique_ptr<net::HttpClient> registry_client_, other_client_;
};

}  // namespace rivera::garden
