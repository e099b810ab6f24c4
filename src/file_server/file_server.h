// The file server: hands out the lifecycle bundles (docs/spec/access-and-tools.md §3).
#pragma once

#include <memory>
#include <string>

#include "base/log/log.h"
#include "base/metrics/metrics.h"
#include "base/work/worker_pool.h"
#include "file_server/config.h"
#include "file_server/static_files.h"
#include "net/http/debug_server.h"
#include "net/http/http_server.h"

namespace rivera::file_server {

// Listens from construction on. With HTTPS, the plain address only redirects to it.
class FileServer {
 public:
  // Throws std::runtime_error if an address cannot be listened on or the certificate cannot be loaded.
  FileServer(asio::any_io_executor executor, base::WorkerPool& workers, const Config& config, base::Logger logger);
  ~FileServer();

  void start();
  asio::awaitable<void> stop();

  std::string address() const { return plain_->address(); }
  // "" without HTTPS.
  std::string https_address() const { return https_ ? https_->address() : ""; }

 private:
  asio::awaitable<void> redirect(net::HttpExchange& exchange) const;

  base::Metrics metrics_;
  StaticFiles files_;
  std::string https_port_;
  std::unique_ptr<net::HttpServer> plain_;
  std::unique_ptr<net::HttpServer> https_;
  std::unique_ptr<net::DebugServer> debug_server_;
};

}  // namespace rivera::file_server
