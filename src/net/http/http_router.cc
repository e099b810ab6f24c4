#include "net/http/http_router.h"

#include <algorithm>
#include <optional>

namespace rivera::net {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> out;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const auto slash = path.find('/');
    out.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

asio::awaitable<void> refuse(HttpExchange& exchange, HttpResponse response) {
  return exchange.respond(std::move(response));
}

std::string allowed(const std::map<std::string, HttpRouter::Handler>& methods) {
  std::string out;
  for (const auto& [method, handler] : methods) {
    if (!out.empty()) out += ", ";
    out += method;
  }
  return out;
}

asio::awaitable<void> serve_simple(HttpExchange& exchange, const PathParameters& parameters,
                                   const HttpRouter::SimpleHandler& handler, std::size_t body_limit) {
  HttpRequest request;
  static_cast<RequestHead&>(request) = exchange.request();
  request.body = co_await exchange.read_body(body_limit);
  HttpResponse response = co_await handler(std::move(request), parameters);
  co_await exchange.respond(std::move(response));
}

}  // namespace

struct HttpRouter::Route {
  std::vector<std::string> segments;
  std::map<std::string, Handler> methods;

  // The values of ":name" segments, or nothing if `path` does not fit.
  std::optional<PathParameters> match(const std::vector<std::string>& path) const {
    const bool open_ended = segments.back() == "*";
    if (open_ended ? path.size() < segments.size() : path.size() != segments.size()) return std::nullopt;
    PathParameters parameters;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (open_ended && i + 1 == segments.size()) return parameters;
      if (segments[i].starts_with(':')) {
        if (path[i].empty()) return std::nullopt;
        parameters.emplace(segments[i].substr(1), percent_decode(path[i], true));
      } else if (segments[i] != path[i]) {
        return std::nullopt;
      }
    }
    return parameters;
  }
};

HttpRouter::HttpRouter() = default;
HttpRouter::~HttpRouter() = default;

void HttpRouter::add(std::string method, std::string pattern, Handler handler) {
  if (pattern.find("/:") == std::string::npos && !pattern.ends_with("/*")) {
    exact_[pattern][method] = std::move(handler);
    return;
  }
  auto segments = split(pattern);
  auto found = std::find_if(patterns_.begin(), patterns_.end(), [&](const Route& r) { return r.segments == segments; });
  if (found == patterns_.end()) found = patterns_.insert(patterns_.end(), Route{std::move(segments), {}});
  found->methods[method] = std::move(handler);
}

void HttpRouter::add_simple(std::string method, std::string pattern, SimpleHandler handler, std::size_t body_limit) {
  add(std::move(method), std::move(pattern), simple(std::move(handler), body_limit));
}

asio::awaitable<void> HttpRouter::dispatch(HttpExchange& exchange) const {
  const RequestHead& request = exchange.request();
  const std::map<std::string, Handler>* methods = nullptr;
  PathParameters parameters;
  const auto found = exact_.find(request.path());
  if (found != exact_.end()) {
    methods = &found->second;
  } else {
    const auto path = split(request.path());
    for (const Route& route : patterns_) {
      auto matched = route.match(path);
      if (!matched) continue;
      methods = &route.methods;
      parameters = std::move(*matched);
      break;
    }
  }
  if (methods == nullptr) {
    auto response = text_response(404, "404 page not found\n");
    co_await refuse(exchange, std::move(response));
    co_return;
  }
  const auto handler = methods->find(request.method);
  if (handler == methods->end()) {
    auto response = text_response(405, "Method Not Allowed\n");
    response.headers.set("Allow", allowed(*methods));
    co_await refuse(exchange, std::move(response));
    co_return;
  }
  co_await handler->second(exchange, parameters);
}

HttpHandler HttpRouter::handler() const {
  return [this](HttpExchange& exchange) { return dispatch(exchange); };
}

std::vector<std::pair<std::string, std::string>> HttpRouter::routes() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [path, methods] : exact_) {
    for (const auto& [method, handler] : methods) out.emplace_back(method, path);
  }
  for (const Route& route : patterns_) {
    std::string pattern;
    for (const std::string& segment : route.segments) pattern += "/" + segment;
    for (const auto& [method, handler] : route.methods) out.emplace_back(method, pattern);
  }
  std::ranges::sort(out);
  return out;
}

HttpRouter::Handler simple(HttpRouter::SimpleHandler handler, std::size_t body_limit) {
  return [handler = std::move(handler), body_limit](HttpExchange& exchange, const PathParameters& parameters) {
    return serve_simple(exchange, parameters, handler, body_limit);
  };
}

HttpRouter::Handler for_callers(RoleBits callers, std::string route, HttpRouter::Handler handler) {
  return [callers, route = std::move(route), handler = std::move(handler)](
             HttpExchange& exchange, const PathParameters& parameters) -> asio::awaitable<void> {
    if (exchange.may_call(callers, route)) return handler(exchange, parameters);
    return exchange.respond(text_response(403, refusal_text(exchange.caller(), route) + "\n"));
  };
}

}  // namespace rivera::net
