#include "garden/api.h"

#include <algorithm>

#include <boost/asio/error.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

#include "base/units.h"
#include "base/work/cancellation.h"
#include "base/work/wait.h"
#include "net/http1/http1.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace json = boost::json;

namespace {

constexpr std::size_t kBodyLimit = 16u << 20;

struct Failure {
  int status = 0;  // 0: none
  json::value body;
};

// How an exception looks on the wire (§1.7).
Failure describe(std::exception_ptr failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const api::GardenError& e) {
    const bool is_not_found = e.type == "ContainerNotFoundError" || e.type == "ProcessNotFoundError";
    return {is_not_found ? 404 : 500, api::error_to_json(e)};
  } catch (const std::exception& e) {
    return {500, api::error_to_json(api::GardenError(e.what()))};
  }
}

net::HttpResponse json_answer(int status, const json::value& value) {
  return net::json_response(status, json::serialize(value) + "\n");
}

// The first JSON value of a body; what follows is ignored, as Go's decoder does.
json::value parse_body(const std::string& body) {
  json::stream_parser parser;
  error_code ec;
  parser.write_some(body.data(), body.size(), ec);
  if (!ec && !parser.done()) parser.finish(ec);
  const bool is_empty = body.find_first_not_of(" \t\r\n") == std::string::npos;
  if (is_empty) throw api::GardenError("EOF");
  if (ec) throw api::GardenError("malformed JSON: " + ec.message());
  return parser.release();
}

// The query's parameters; of a repeated one the first.
std::map<std::string, std::string> query_of(const net::RequestHead& request) {
  std::map<std::string, std::string> parameters;
  std::string_view query = request.query();
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const auto equals = pair.find('=');
    const auto value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (!pair.empty())
      parameters.emplace(net::percent_decode(pair.substr(0, equals), true), net::percent_decode(value, true));
  }
  return parameters;
}

std::vector<std::string> handles_of(const net::RequestHead& request) {
  const auto query = query_of(request);
  const auto found = query.find("handles");
  if (found == query.end()) throw api::GardenError("missing parameter: handles");
  std::vector<std::string> handles;
  for (std::size_t at = 0; !found->second.empty() && at <= found->second.size();) {
    const std::size_t end = std::min(found->second.find(',', at), found->second.size());
    handles.push_back(found->second.substr(at, end - at));
    at = end + 1;
  }
  return handles;
}

const json::value& empty_object() {
  static const json::value value = json::object();
  return value;
}

// Each handle with its value, which is empty beside an error.
template <typename T>
json::value bulk_answer(const std::vector<std::string>& handles, const std::vector<Gardener::Answer<T>>& answers,
                        const char* name) {
  json::object all;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    json::object entry;
    entry[name] = api::to_json(answers[i].value);
    entry["Err"] = answers[i].error.empty() ? json::value() : api::error_to_json(api::GardenError(answers[i].error));
    all[handles[i]] = std::move(entry);
  }
  return all;
}

}  // namespace

Api::Api(asio::any_io_executor executor, Gardener& gardener, std::chrono::nanoseconds document_timeout,
         base::Logger logger)
    : gardener_(gardener),
      document_timeout_(document_timeout),
      logger_(std::move(logger)),
      streams_(std::move(executor), gardener, logger_) {
  add_container_routes();
  add_network_routes();
  add_property_routes();
  add_stream_routes();
}

void Api::add(const char* method, const char* pattern, bool has_body, JsonHandler handler) {
  router_.add(
      method, pattern,
      [this, has_body, handler = std::move(handler)](net::HttpExchange& exchange, const Parameters& parameters) {
        return answer(exchange, parameters, has_body, handler);
      });
}

asio::awaitable<std::string> Api::read_document(net::HttpExchange& exchange) const {
  try {
    auto reading = exchange.read_body(kBodyLimit);
    std::string document = co_await base::within(document_timeout_, "the document", std::move(reading));
    co_return document;
  } catch (const base::DeadlineExceeded&) {
    throw boost::system::system_error(asio::error::timed_out);
  }
}

asio::awaitable<void> Api::answer(net::HttpExchange& exchange, const Parameters& parameters, bool has_body,
                                  const JsonHandler& handler) {
  net::HttpResponse response;
  std::exception_ptr failure;
  const auto handle = parameters.find("handle");
  std::string text;
  try {
    if (has_body) text = co_await read_document(exchange);
  } catch (const net::Http1Error&) {
    failure = std::current_exception();  // answered in Garden's form
  }
  if (!failure) {
    try {
      json::value body;
      if (has_body) body = parse_body(text);
      const auto use = gardener_.use(handle == parameters.end() ? "" : handle->second);
      const json::value value = co_await handler(*this, exchange.request(), parameters, std::move(body));
      response = json_answer(200, value);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (base::is_cancellation(failure)) std::rethrow_exception(failure);
  if (failure) {
    const Failure described = describe(failure);
    response = json_answer(described.status, described.body);
    logger_.error("request-failed", {{"path", std::string(exchange.request().path())},
                                     {"error", *described.body.at_pointer("/Message").if_string()}});
  }
  co_await exchange.respond(std::move(response));
}

void Api::add_container_routes() {
  add("GET", "/ping", false, [](Api&, const auto&, const auto&, json::value) -> Answer { co_return empty_object(); });
  add("GET", "/capacity", false, [](Api& a, const auto&, const auto&, json::value) -> Answer {
    const auto capacity = co_await a.gardener_.capacity();
    co_return api::to_json(capacity);
  });
  add("GET", "/containers", false, [](Api& a, const net::RequestHead& request, const auto&, json::value) -> Answer {
    const auto handles = a.gardener_.list(query_of(request));
    json::array list(handles.begin(), handles.end());
    json::object answer;
    answer["Handles"] = std::move(list);
    co_return answer;
  });
  add("POST", "/containers", true, [](Api& a, const auto&, const auto&, json::value body) -> Answer {
    auto spec = api::container_spec_from_json(body);
    const std::string handle = co_await a.gardener_.create(std::move(spec));
    json::object answer;
    answer["Handle"] = handle;
    co_return answer;
  });
  add("DELETE", "/containers/:handle", false, [](Api& a, const auto&, const Parameters& p, json::value) -> Answer {
    co_await a.gardener_.destroy(p.at("handle"));
    co_return empty_object();
  });
  add("PUT", "/containers/:handle/stop", true,
      [](Api& a, const auto&, const Parameters& p, json::value body) -> Answer {
        const auto* kill = api::find_member(body, "kill");
        const bool at_once = kill != nullptr && kill->is_bool() && kill->get_bool();
        co_await a.gardener_.stop_processes(p.at("handle"), at_once);
        co_return empty_object();
      });
  add("GET", "/containers/:handle/info", false, [](Api& a, const auto&, const Parameters& p, json::value) -> Answer {
    const auto info = co_await a.gardener_.info(p.at("handle"));
    co_return api::to_json(info);
  });
  add("GET", "/containers/:handle/metrics", false, [](Api& a, const auto&, const Parameters& p, json::value) -> Answer {
    const auto metrics = co_await a.gardener_.metrics(p.at("handle"));
    co_return api::to_json(metrics);
  });
  add("GET", "/containers/bulk_info", false,
      [](Api& a, const net::RequestHead& request, const auto&, json::value) -> Answer {
        const auto handles = handles_of(request);
        const auto answers = co_await a.gardener_.bulk_info(handles);
        co_return bulk_answer(handles, answers, "Info");
      });
  add("GET", "/containers/bulk_metrics", false,
      [](Api& a, const net::RequestHead& request, const auto&, json::value) -> Answer {
        const auto handles = handles_of(request);
        const auto answers = co_await a.gardener_.bulk_metrics(handles);
        co_return bulk_answer(handles, answers, "Metrics");
      });
  for (const char* limit : {"bandwidth", "cpu", "disk", "memory"}) {
    const std::string pattern = std::string("/containers/:handle/limits/") + limit;
    const std::string kind = limit;
    add("GET", pattern.c_str(), false, [kind](Api& a, const auto&, const Parameters& p, json::value) -> Answer {
      const api::Limits limits = a.gardener_.limits(p.at("handle"));
      json::object answer;
      if (kind == "cpu" && limits.cpu.shares() > 0) answer["limit_in_shares"] = limits.cpu.shares();
      if (kind == "memory" && limits.memory.limit_in_bytes > 0) answer["limit_in_bytes"] = limits.memory.limit_in_bytes;
      return [](json::value value) -> Answer { co_return value; }(json::value(std::move(answer)));
    });
  }
}

void Api::add_network_routes() {
  add("POST", "/containers/:handle/net/in", true,
      [](Api& a, const auto&, const Parameters& p, json::value body) -> Answer {
        const auto wanted = api::net_in_from_json(body);
        const auto port = co_await a.gardener_.net_in(p.at("handle"), wanted);
        json::object answer;
        answer["host_port"] = port.host_port;
        answer["container_port"] = port.container_port;
        co_return answer;
      });
  add("POST", "/containers/:handle/net/out", true,
      [](Api& a, const auto&, const Parameters& p, json::value body) -> Answer {
        std::vector<api::NetOutRule> rules;
        rules.push_back(api::net_out_rule_from_json(body));
        co_await a.gardener_.net_out(p.at("handle"), std::move(rules), Networker::NetOutCall::kOne);
        co_return empty_object();
      });
  add("POST", "/containers/:handle/net/out/bulk", true,
      [](Api& a, const auto&, const Parameters& p, json::value body) -> Answer {
        auto rules = api::net_out_rules_from_json(body);
        co_await a.gardener_.net_out(p.at("handle"), std::move(rules), Networker::NetOutCall::kBulk);
        co_return empty_object();
      });
}

void Api::add_property_routes() {
  add("GET", "/containers/:handle/properties", false,
      [](Api& a, const auto&, const Parameters& p, json::value) -> Answer {
        const auto* properties = a.gardener_.properties(p.at("handle"));
        co_return properties == nullptr ? json::value() : api::to_json(*properties);
      });
  add("GET", "/containers/:handle/properties/:key", false,
      [](Api& a, const auto&, const Parameters& p, json::value) -> Answer {
        json::object answer;
        answer["value"] = a.gardener_.property(p.at("handle"), p.at("key"));
        co_return answer;
      });
  add("PUT", "/containers/:handle/properties/:key", true,
      [](Api& a, const auto&, const Parameters& p, json::value body) -> Answer {
        const auto* value = api::find_member(body, "value");
        if (value != nullptr && !value->is_string())
          throw api::GardenError("json: cannot unmarshal value: expected a string");
        std::string text = value == nullptr ? std::string() : std::string(value->get_string());
        co_await a.gardener_.set_property(p.at("handle"), p.at("key"), std::move(text));
        co_return empty_object();
      });
  add("DELETE", "/containers/:handle/properties/:key", false,
      [](Api& a, const auto&, const Parameters& p, json::value) -> Answer {
        co_await a.gardener_.remove_property(p.at("handle"), p.at("key"));
        co_return empty_object();
      });
  add("PUT", "/containers/:handle/grace_time", true,
      [](Api& a, const auto&, const Parameters& p, json::value body) -> Answer {
        if (!body.is_int64()) throw api::GardenError("json: cannot unmarshal grace time: expected an integer");
        co_await a.gardener_.set_grace_time(p.at("handle"), body.get_int64());
        co_return empty_object();
      });
}

void Api::add_stream_routes() {
  const auto bind = [this](auto member) {
    return [this, member](net::HttpExchange& exchange, const Parameters& p) { return (this->*member)(exchange, p); };
  };
  router_.add("POST", "/containers/:handle/processes", bind(&Api::run));
  router_.add("GET", "/containers/:handle/processes/:pid", bind(&Api::attach));
  router_.add("PUT", "/containers/:handle/files", bind(&Api::stream_in));
  router_.add("GET", "/containers/:handle/files", bind(&Api::stream_out));
  for (const bool is_error : {false, true}) {
    router_.add(
        "GET", std::string("/containers/:handle/processes/:pid/attaches/:streamid/") + (is_error ? "stderr" : "stdout"),
        [this, is_error](net::HttpExchange& exchange, const Parameters& p) {
          return streams_.serve_output(exchange, p.at("streamid"), is_error);
        });
  }
}

asio::awaitable<void> Api::run(net::HttpExchange& exchange, const Parameters& parameters) {
  const auto use = gardener_.use(parameters.at("handle"));
  ProcessSession session;
  std::exception_ptr failure;
  const std::string body = co_await read_document(exchange);
  try {
    auto spec = api::process_spec_from_json(parse_body(body));
    session = co_await gardener_.run(parameters.at("handle"), std::move(spec));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    const Failure described = describe(failure);
    auto response = json_answer(described.status, described.body);
    co_await exchange.respond(std::move(response));
    co_return;
  }
  co_await streams_.serve(exchange, std::move(session), 201);
}

asio::awaitable<void> Api::attach(net::HttpExchange& exchange, const Parameters& parameters) {
  const auto use = gardener_.use(parameters.at("handle"));
  ProcessSession session;
  std::exception_ptr failure;
  try {
    session = co_await gardener_.attach(parameters.at("handle"), parameters.at("pid"));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    const Failure described = describe(failure);
    auto response = json_answer(described.status, described.body);
    co_await exchange.respond(std::move(response));
    co_return;
  }
  co_await streams_.serve(exchange, std::move(session), 200);
}

asio::awaitable<void> Api::stream_in(net::HttpExchange& exchange, const Parameters& parameters) {
  const auto use = gardener_.use(parameters.at("handle"));
  std::exception_ptr failure;
  std::string error;
  try {
    const auto query = query_of(exchange.request());
    const auto value = [&](const char* name) { return query.contains(name) ? query.at(name) : std::string(); };
    std::string user = value("user"), destination = value("destination");
    const auto child = co_await gardener_.start_transfer(parameters.at("handle"), "stream-in", std::move(user),
                                                         std::move(destination));
    std::string buffer(64 * base::kKibibyte, '\0');
    bool is_read = true;
    for (;;) {
      const std::size_t n = co_await exchange.read_some_body(buffer);
      if (n == 0) break;
      if (is_read) is_read = co_await child->write_input(std::string_view(buffer.data(), n));
    }
    child->close_input();
    const int status = co_await child->wait();
    if (status != 0)
      error = "stream-in: nstar: error streaming in: exit status " + std::to_string(status) +
              ". Output: " + child->error_text();
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure && !error.empty()) failure = std::make_exception_ptr(api::GardenError(error));
  const Failure described = failure ? describe(failure) : Failure{200, empty_object()};
  auto response = json_answer(described.status, described.body);
  co_await exchange.respond(std::move(response));
}

asio::awaitable<void> Api::stream_out(net::HttpExchange& exchange, const Parameters& parameters) {
  const auto use = gardener_.use(parameters.at("handle"));
  std::unique_ptr<Child> child;
  std::exception_ptr failure;
  std::string buffer(64 * base::kKibibyte, '\0');
  std::size_t n = 0;
  std::string error;
  try {
    const auto query = query_of(exchange.request());
    const auto value = [&](const char* name) { return query.contains(name) ? query.at(name) : std::string(); };
    std::string user = value("user"), source = value("source");
    child =
        co_await gardener_.start_transfer(parameters.at("handle"), "stream-out", std::move(user), std::move(source));
    child->close_input();
    n = co_await child->read_output(buffer);
    if (n == 0) {
      const int status = co_await child->wait();
      error = "stream-out: nstar: error streaming out: exit status " + std::to_string(status) +
              ". Output: " + child->error_text();
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure && !error.empty()) failure = std::make_exception_ptr(api::GardenError(error));
  if (failure) {
    const Failure described = describe(failure);
    auto response = json_answer(described.status, described.body);
    co_await exchange.respond(std::move(response));
    co_return;
  }
  net::ResponseHead head;
  head.headers.add("Content-Type", "application/octet-stream");
  co_await exchange.begin_response(std::move(head));
  while (n > 0) {
    co_await exchange.write_body(std::string_view(buffer.data(), n));
    n = co_await child->read_output(buffer);
  }
  const int status = co_await child->wait();
  if (status != 0) {
    // The head is out: a stream that breaks off is all that can be said.
    logger_.error("stream-out.failed", {{"handle", parameters.at("handle")}, {"error", child->error_text()}});
    throw std::runtime_error("stream out failed");
  }
  co_await exchange.end_response();
}

}  // namespace rivera::garden
