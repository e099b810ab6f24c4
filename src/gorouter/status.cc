#include "gorouter/status.h"

#include <ctime>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/units.h"

namespace rivera::gorouter {
namespace {

namespace json = boost::json;

json::object endpoint_object(const routing::Endpoint& e, std::string_view algorithm) {
  json::object out;
  out["address"] = e.address;
  out["availability_zone"] = e.availability_zone;
  out["protocol"] = e.protocol;
  out["tls"] = e.tls;
  out["ttl"] = std::chrono::duration_cast<std::chrono::seconds>(e.stale_threshold).count();
  const auto add = [&](const char* name, std::string_view value) {
    if (!value.empty()) out[name] = json::string_view(value.data(), value.size());
  };
  add("route_service_url", e.route_service_url);
  json::object tags;
  for (const auto& [name, value] : e.tags) tags[name] = value;
  out["tags"] = e.tags.empty() ? json::value(nullptr) : json::value(std::move(tags));
  add("isolation_segment", e.isolation_segment);
  add("private_instance_id", e.instance_id);
  add("server_cert_domain_san", e.server_cert_domain_san);
  add("load_balancing_algorithm", algorithm);
  return out;
}

net::HttpResponse health_answer(bool healthy) {
  net::HttpResponse response = net::text_response(healthy ? 200 : 503, healthy ? "ok\n" : "");
  response.headers.set("Cache-Control", "private, max-age=0");
  response.headers.set("Expires", "0");
  return response;
}

// Takes time proportional to the length of `a`, independent of the content of `b`: the duration reveals nothing about
// the secret.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  }
  return difference == 0;
}

}  // namespace

std::string routes_document(const routing::RouteRegistry& registry) {
  std::string out = "{";
  registry.for_each_route([&](const std::string& key, const routing::RoutePool& pool) {
    json::array endpoints;
    for (const auto& element : pool.elements()) {
      endpoints.push_back(endpoint_object(*element.endpoint, routing::name_of(pool.load_balancing())));
    }
    if (out.size() > 1) out += ',';
    out += json::serialize(json::string_view(key)) + ":" + json::serialize(endpoints);
  });
  return out + "}";
}

bool is_authorized(std::string_view authorization, const std::string& user, const std::string& pass) {
  constexpr std::string_view kScheme = "Basic ";
  if (!authorization.starts_with(kScheme)) return false;
  try {
    const std::string given = base::from_base64(authorization.substr(kScheme.size()));
    return same_secret(given, user + ":" + pass);
  } catch (const std::invalid_argument&) {
    return false;
  }
}

StatusServers::StatusServers(DataPlane& plane, std::string router_id)
    : plane_(plane), router_id_(std::move(router_id)), started_(std::chrono::system_clock::now()) {
  add_health_routes();
  add_guarded_routes();
  const auto& status = plane_.config.status;
  const auto listen = [&](std::string address, std::optional<net::TlsContext> tls, const net::HttpRouter& routes) {
    net::HttpServerOptions options;
    options.address = std::move(address);
    options.tls = std::move(tls);
    options.header_limit = 64 * base::kKibibyte;
    options.limits = plane_.config.client_limits;
    options.max_connections = net::connection_share(net::kOperatorShare, 1000);
    servers_.push_back(
        std::make_unique<net::HttpServer>(plane_.executor, options, routes.handler(), plane_.logger.session("status")));
    servers_.back()->listen();
    servers_.back()->start();
    return servers_.back()->address();
  };
  if (status.enable_nontls_health_checks) {
    health_address_ = listen(fmt::format("{}:{}", status.host, status.port), {}, health_routes_);
  }
  if (!status.tls.empty()) {
    net::TlsServerSettings tls;
    tls.identities.push_back(status.tls);
    listen(fmt::format("{}:{}", status.host, status.tls_port), net::make_server_context(tls), health_routes_);
  }
  routes_address_ = listen(fmt::format("127.0.0.1:{}", status.routes_port), {}, guarded_routes_);
}

StatusServers::~StatusServers() = default;

std::string StatusServers::health_address() const { return health_address_; }
std::string StatusServers::routes_address() const { return routes_address_; }

void StatusServers::add_health_routes() {
  for (const char* path : {"/health", "/healthz"}) {
    health_routes_.add("GET", path, [this](net::HttpExchange& exchange, const net::PathParameters&) {
      return exchange.respond(health_answer(plane_.health == Health::kHealthy));
    });
  }
  health_routes_.add(
      "GET", "/is-process-alive-do-not-use-for-loadbalancing",
      [](net::HttpExchange& exchange, const net::PathParameters&) { return exchange.respond(health_answer(true)); });
}

void StatusServers::add_guarded_routes() {
  // The worker's strand owns the table, so the document is built there.
  const auto add = [this](const char* path, bool varz) {
    const auto answer = [this, varz](net::HttpRequest request, const net::PathParameters&) {
      return asio::co_spawn(plane_.executor, guarded(std::move(request), varz), asio::use_awaitable);
    };
    guarded_routes_.add_simple("GET", path, answer, 1024);
  };
  add("/routes", false);
  add("/varz", true);
}

asio::awaitable<net::HttpResponse> StatusServers::guarded(net::HttpRequest request, bool varz) {
  const auto& status = plane_.config.status;
  net::HttpResponse response;
  if (!is_authorized(request.headers.get("Authorization"), status.user, status.pass)) {
    response = net::text_response(401, "401 Unauthorized\n");
    response.headers.set("WWW-Authenticate", "Basic");
  } else {
    response = net::json_response(200, varz ? varz_document() : routes_document(plane_.registry));
    response.headers.set("Connection", "close");
  }
  co_return response;
}

std::string StatusServers::varz_document() const {
  const auto& p = plane_.probe;
  const auto now = std::chrono::system_clock::now();
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(now - started_).count();
  const std::time_t start = std::chrono::system_clock::to_time_t(started_);
  char start_text[64];
  std::tm parts{};
  std::strftime(start_text, sizeof start_text, "%Y-%m-%d %H:%M:%S +0000", gmtime_r(&start, &parts));
  const auto updated = plane_.registry.last_update();
  const auto since_update =
      updated
          ? std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - *updated).count()
          : -1;
  const double mean =
      p.latency_count == 0 ? 0 : static_cast<double>(p.latency_sum_us) / static_cast<double>(p.latency_count) / 1e6;
  json::object out;
  out["type"] = "Router";
  out["index"] = plane_.config.index;
  out["host"] = fmt::format("{}:{}", plane_.local_ip, plane_.config.status.port);
  out["uuid"] = router_id_;
  out["start"] = start_text;
  out["num_cores"] = ::sysconf(_SC_NPROCESSORS_ONLN);
  out["uptime"] = fmt::format("{}d:{}h:{}m:{}s", up / 86400, up / 3600 % 24, up / 60 % 60, up % 60);
  out["urls"] = plane_.registry.route_count();
  out["bad_requests"] = p.rejected_requests;
  out["bad_gateways"] = p.bad_gateways;
  out["requests"] = p.total_requests;
  out["requests_per_sec"] = up == 0 ? 0.0 : static_cast<double>(p.total_requests) / static_cast<double>(up);
  out["ms_since_last_registry_update"] = since_update;
  out["latency"] = json::object{{"value", mean}, {"samples", p.latency_count}};
  for (int group = 2; group <= 5; ++group) out[fmt::format("responses_{}xx", group)] = p.responses_by_class[group];
  out["responses_xxx"] = p.responses_by_class[0] + p.responses_by_class[1];
  return json::serialize(out);
}

asio::awaitable<void> StatusServers::stop() {
  for (const auto& server : servers_) co_await server->stop(std::chrono::seconds(1));
}

}  // namespace rivera::gorouter
