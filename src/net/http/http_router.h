// From method and path to a handler.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "net/http/http_server.h"

namespace rivera::net {

// The values of a pattern's ":name" segments, percent-decoded ("+" too).
using PathParameters = std::map<std::string, std::string, std::less<>>;

// A table of routes; read-only once serving. An unknown path gives 404 "404 page not found", a known path with another
// method 405 with an Allow header.
class HttpRouter {
 public:
  HttpRouter();
  ~HttpRouter();
  HttpRouter(const HttpRouter&) = delete;
  HttpRouter& operator=(const HttpRouter&) = delete;

  using Handler = std::function<asio::awaitable<void>(HttpExchange&, const PathParameters&)>;
  // The usual kind: a whole request in, a whole response out. The body is limited to `body_limit` bytes.
  using SimpleHandler = std::function<asio::awaitable<HttpResponse>(HttpRequest, const PathParameters&)>;

  // `pattern` is a path with literal and ":name" segments; a last segment "*" takes the rest of the path.
  void add(std::string method, std::string pattern, Handler handler);
  void add_simple(std::string method, std::string pattern, SimpleHandler handler, std::size_t body_limit = 64u << 20);

  // Method and pattern of every route, sorted.
  std::vector<std::pair<std::string, std::string>> routes() const;

  // For HttpServer; the router must outlive it.
  HttpHandler handler() const;

 private:
  struct Route;
  asio::awaitable<void> dispatch(HttpExchange& exchange) const;

  std::map<std::string, std::map<std::string, Handler>, std::less<>> exact_;  // path -> method -> handler
  std::vector<Route> patterns_;
};

// A simple handler as one of the general kind.
HttpRouter::Handler simple(HttpRouter::SimpleHandler handler, std::size_t body_limit = 64u << 20);
// `handler` for `callers`; others get 403 with one line of text. `route` names it in that line and in the log.
HttpRouter::Handler for_callers(RoleBits callers, std::string route, HttpRouter::Handler handler);

}  // namespace rivera::net
