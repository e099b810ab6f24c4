// The router's health checks and status documents over HTTP (docs/spec/routing.md §3.22).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "gorouter/proxy/data_plane.h"
#include "net/http/http_router.h"
#include "net/http/http_server.h"

namespace rivera::gorouter {

// The document of /routes: endpoints by route key, sorted. Pure.
std::string routes_document(const routing::RouteRegistry& registry);

// True for "Basic base64(user:pass)" with these credentials. The password may contain colons.
bool is_authorized(std::string_view authorization, const std::string& user, const std::string& pass);

// /health for load balancers, /routes and /varz for operators behind a password. Lives on its worker's strand.
class StatusServers {
 public:
  // Listens at once. Throws std::runtime_error.
  StatusServers(DataPlane& plane, std::string router_id);
  ~StatusServers();

  std::string health_address() const;
  std::string routes_address() const;
  asio::awaitable<void> stop();

 private:
  asio::awaitable<net::HttpResponse> guarded(net::HttpRequest request, bool varz);
  std::string varz_document() const;
  void add_health_routes();
  void add_guarded_routes();

  DataPlane& plane_;
  std::string router_id_;
  std::chrono::system_clock::time_point started_;
  net::HttpRouter health_routes_;
  net::HttpRouter guarded_routes_;
  std::vector<std::unique_ptr<net::HttpServer>> servers_;
  std::string health_address_;
  std::string routes_address_;
};

}  // namespace rivera::gorouter
