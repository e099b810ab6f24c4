#include "clients/bbs_client.h"

#include <map>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/work/wait.h"
#include "models/errors.h"
#include "models/forms/wire.h"
#include "net/sse/sse.h"

namespace rivera::clients {
namespace {

constexpr auto kPauseBetweenAttempts = std::chrono::milliseconds(500);
constexpr char kProtobuf[] = "application/x-protobuf";

// The keys of requests that name one instance.
template <typename Request>
Request keyed(models::ActualLRPKey key, models::ActualLRPInstanceKey instance) {
  Request request;
  *request.mutable_actual_lrp_key() = std::move(key);
  *request.mutable_actual_lrp_instance_key() = std::move(instance);
  return request;
}

template <typename Record>
std::vector<Record> to_vector(google::protobuf::RepeatedPtrField<Record>& records) {
  return {std::make_move_iterator(records.begin()), std::make_move_iterator(records.end())};
}

// An older BBS does not have a route.
class NoSuchRoute : public net::TransportError {
 public:
  explicit NoSuchRoute(const std::string& message) : TransportError(message, true) {}
};

// Asks whether the server at the other end of a stream answers. Throws if it does not.
using Ping = std::function<asio::awaitable<void>(std::string peer_address)>;

class SseEventStream final : public BbsEventStream {
 public:
  SseEventStream(std::unique_ptr<net::HttpIncoming> response, std::chrono::nanoseconds quiet_limit, Ping ping)
      : reader_(std::move(response)), ping_(std::move(ping)) {
    reader_.stream().set_timeout(quiet_limit);
  }

  asio::awaitable<std::optional<BbsEvent>> next() override {
    for (;;) {
      try {
        auto event = co_await reader_.next();
        if (!event) co_return std::nullopt;
        co_return decode(std::move(*event));
      } catch (const net::ResponseStalled&) {
      }
      co_await ping_(reader_.stream().peer_address());
    }
  }

 private:
  static BbsEvent decode(net::ServerSentEvent event) {
    try {
      std::string payload = base::from_base64(event.data);
      return BbsEvent{std::move(event.id), std::move(event.name), std::move(payload)};
    } catch (const std::invalid_argument& e) {
      throw net::TransportError(fmt::format("BBS event {}: {}", event.name, e.what()), true);
    }
  }

  net::SseReader reader_;
  Ping ping_;
};

net::HttpClientOptions client_options(const BbsClientOptions& options) {
  net::HttpClientOptions out;
  if (!options.tls.empty()) out.tls = net::TlsContext::client(options.tls, false, options.insecure);
  out.request_timeout = options.request_timeout;
  return out;
}

}  // namespace

class BbsClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, BbsClientOptions options)
      : options_(std::move(options)),
        endpoint_(net::Endpoint::parse(options_.url)),
        http_(executor, http_options()),
        pings_(executor, client_options(options_)) {}

  void set_trace_id(std::string trace_id) { trace_id_ = std::move(trace_id); }

  // Sends `request` to `path` and decodes the answer. An answer with an error is thrown as ModelError.
  template <typename Response, typename Request>
  asio::awaitable<Response> call(std::string path, Request request) {
    net::HttpRequest http = request_for("POST", std::move(path), request);
    auto body = co_await send_until_answered(std::move(http));
    Response response;
    if (!response.ParseFromString(body)) throw net::TransportError("the BBS's answer cannot be decoded", true);
    if constexpr (requires { response.error(); }) {
      if (response.has_error()) throw models::ModelError(response.error());
    }
    co_return response;
  }

  asio::awaitable<std::unique_ptr<BbsEventStream>> subscribe(std::string method, std::string path,
                                                             std::string cell_id) {
    models::EventsByCellId filter;
    filter.set_cell_id(std::move(cell_id));
    net::HttpRequest http = request_for(std::move(method), std::move(path), filter);
    http.headers.add("Accept", "text/event-stream");
    auto response = co_await http_.open(endpoint_, std::move(http));
    if (response->head().status != 200) {
      throw net::TransportError(fmt::format("the BBS refused the event stream: status {}", response->head().status),
                                true);
    }
    Ping ping = [self = shared_from_this()](std::string peer) { return self->expect_answer(self, std::move(peer)); };
    co_return std::make_unique<SseEventStream>(std::move(response), options_.quiet_limit, std::move(ping));
  }

 private:
  // One ping to a peer at a time: those that ask meanwhile wait for its result.
  struct Check {
    enum class State { kRunning, kAnswered, kSilent, kAbandoned };
    explicit Check(asio::any_io_executor executor) : changed(std::move(executor)) {}
    base::Condition changed;
    State state = State::kRunning;
    std::string failure;
  };

  // A check for as long as this lives.
  class RunningCheck {
   public:
    RunningCheck(std::shared_ptr<Impl> owner, std::string peer, std::shared_ptr<Check> check)
        : owner_(std::move(owner)), peer_(std::move(peer)), check_(std::move(check)) {
      owner_->checks_[peer_] = check_;
    }
    ~RunningCheck() {
      if (check_->state == Check::State::kRunning) check_->state = Check::State::kAbandoned;
      check_->changed.notify_all();
      owner_->checks_.erase(peer_);
    }
    RunningCheck(const RunningCheck&) = delete;
    RunningCheck& operator=(const RunningCheck&) = delete;

   private:
    std::shared_ptr<Impl> owner_;
    std::string peer_;
    std::shared_ptr<Check> check_;
  };

  net::HttpClientOptions http_options() {
    auto out = client_options(options_);
    out.quiet_limit = options_.answer_quiet_limit;
    if (out.quiet_limit.count() == 0) return out;
    out.still_answers = [this](std::string peer) { return expect_answer(shared_from_this(), std::move(peer)); };
    return out;
  }

  asio::awaitable<void> expect_answer(std::shared_ptr<Impl> self, std::string peer) {
    if (peer.empty()) co_return;
    std::shared_ptr<Check> check;
    for (auto found = checks_.find(peer); found != checks_.end(); found = checks_.find(peer)) {
      check = found->second;
      while (check->state == Check::State::kRunning) co_await check->changed.wait();
      if (check->state == Check::State::kAnswered) co_return;
      if (check->state == Check::State::kSilent) throw silent(peer, check->failure);
    }
    check = std::make_shared<Check>(co_await asio::this_coro::executor);
    const RunningCheck running(std::move(self), peer, check);
    check->failure = co_await ping_peer(peer);
    check->state = check->failure.empty() ? Check::State::kAnswered : Check::State::kSilent;
    if (check->state == Check::State::kAnswered) co_return;
    http_.close_idle(endpoint_);  // some of them may lead to the same peer
    throw silent(peer, check->failure);
  }

  static net::TransportError silent(const std::string& peer, const std::string& failure) {
    return net::TransportError("the BBS at " + peer + " does not answer: " + failure, true);
  }

  // Why it does not answer, or "". At the connection's own address: the name in our URL may lead to another BBS by now.
  asio::awaitable<std::string> ping_peer(std::string peer) {
    const auto at = net::Endpoint::parse("http://" + peer);
    net::Endpoint endpoint = endpoint_;
    if (endpoint.server_name.empty()) endpoint.server_name = endpoint.host;
    endpoint.host = at.host;
    endpoint.port = at.port;
    std::string failure;
    for (int attempt = 0; attempt < 2; ++attempt) {
      net::HttpRequest request = request_for("POST", "/v1/ping", models::EventsByCellId());
      try {
        co_await pings_.send(endpoint, std::move(request), options_.ping_limit);
        co_return std::string();
      } catch (const net::TransportError& e) {
        failure = e.what();  // perhaps a kept-alive connection that has just been closed
      } catch (const base::DeadlineExceeded& e) {
        failure = e.what();
        break;
      }
    }
    co_return failure;
  }

  template <typename Request>
  net::HttpRequest request_for(std::string method, std::string path, const Request& request) const {
    net::HttpRequest http;
    http.method = std::move(method);
    http.target = std::move(path);
    http.headers.add("Content-Type", kProtobuf);
    if (!trace_id_.empty()) http.headers.add("X-Vcap-Request-Id", trace_id_);
    http.body = models::encode(request);
    return http;
  }

  // The body of the first protobuf answer; other answers and broken connections are tried again.
  asio::awaitable<std::string> send_until_answered(net::HttpRequest request) {
    for (int attempt = 1;; ++attempt) {
      std::exception_ptr failure;
      try {
        auto response = co_await http_.send(endpoint_, request);
        if (response.headers.get("Content-Type").starts_with(kProtobuf)) co_return std::move(response.body);
        const auto problem = fmt::format("Invalid Response with status code: {}", response.status);
        if (response.status == 404) throw NoSuchRoute(problem);
        throw net::TransportError(problem, true);
      } catch (const net::TransportError&) {
        failure = std::current_exception();
      } catch (const base::DeadlineExceeded&) {
        failure = std::current_exception();
      }
      if (attempt >= options_.attempts) std::rethrow_exception(failure);
      co_await base::sleep_for(kPauseBetweenAttempts);
    }
  }

  BbsClientOptions options_;
  net::Endpoint endpoint_;
  net::HttpClient http_;
  net::HttpClient pings_;
  std::map<std::string, std::shared_ptr<Check>> checks_;  // that run now, by peer
  std::string trace_id_;
};

BbsClient::BbsClient(asio::any_io_executor executor, BbsClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}
BbsClient::~BbsClient() = default;

void BbsClient::set_trace_id(std::string trace_id) { impl_->set_trace_id(std::move(trace_id)); }

asio::awaitable<bool> BbsClient::ping() {
  auto response = co_await impl_->call<models::PingResponse>("/v1/ping", models::EventsByCellId());
  co_return response.available();
}

asio::awaitable<std::vector<std::string>> BbsClient::domains() {
  auto response = co_await impl_->call<models::DomainsResponse>("/v1/domains/list", models::EventsByCellId());
  co_return to_vector(*response.mutable_domains());
}

asio::awaitable<void> BbsClient::upsert_domain(std::string domain, std::chrono::seconds ttl) {
  models::UpsertDomainRequest request;
  request.set_domain(std::move(domain));
  request.set_ttl(static_cast<std::uint32_t>(ttl.count()));
  co_await impl_->call<models::UpsertDomainResponse>("/v1/domains/upsert", std::move(request));
}

asio::awaitable<std::vector<models::ActualLRP>> BbsClient::actual_lrps(models::ActualLRPsRequest filter) {
  auto response = co_await impl_->call<models::ActualLRPsResponse>("/v1/actual_lrps/list", std::move(filter));
  co_return to_vector(*response.mutable_actual_lrps());
}

asio::awaitable<void> BbsClient::claim_actual_lrp(models::ActualLRPKey key, models::ActualLRPInstanceKey instance) {
  models::ClaimActualLRPRequest request;
  request.set_process_guid(key.process_guid());
  request.set_index(key.index());
  *request.mutable_actual_lrp_instance_key() = std::move(instance);
  co_await impl_->call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/claim", std::move(request));
}

// An older BBS knows the keys and the net info only (docs/spec/cell.md §1.15.4).
asio::awaitable<void> BbsClient::start_actual_lrp(models::StartActualLRPRequest request) {
  models::StartActualLRPRequest older;
  *older.mutable_actual_lrp_key() = request.actual_lrp_key();
  *older.mutable_actual_lrp_instance_key() = request.actual_lrp_instance_key();
  *older.mutable_actual_lrp_net_info() = request.actual_lrp_net_info();
  try {
    co_await impl_->call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/start.r1", std::move(request));
    co_return;
  } catch (const NoSuchRoute&) {
  }
  co_await impl_->call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/start", std::move(older));
}

asio::awaitable<void> BbsClient::crash_actual_lrp(models::ActualLRPKey key, models::ActualLRPInstanceKey instance,
                                                  std::string reason) {
  auto request = keyed<models::CrashActualLRPRequest>(std::move(key), std::move(instance));
  request.set_error_message(std::move(reason));
  co_await impl_->call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/crash", std::move(request));
}

asio::awaitable<void> BbsClient::fail_actual_lrp(models::ActualLRPKey key, std::string reason) {
  models::FailActualLRPRequest request;
  *request.mutable_actual_lrp_key() = std::move(key);
  request.set_error_message(std::move(reason));
  co_await impl_->call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/fail", std::move(request));
}

asio::awaitable<void> BbsClient::retire_actual_lrp(models::ActualLRPKey key) {
  models::RetireActualLRPRequest request;
  *request.mutable_actual_lrp_key() = std::move(key);
  co_await impl_->call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/retire", std::move(request));
}

asio::awaitable<void> BbsClient::remove_actual_lrp(models::ActualLRPKey key,
                                                   std::optional<models::ActualLRPInstanceKey> instance) {
  models::RemoveActualLRPRequest request;
  request.set_process_guid(key.process_guid());
  request.set_index(key.index());
  if (instance) *request.mutable_actual_lrp_instance_key() = std::move(*instance);
  co_await impl_->call<models::ActualLRPLifecycleResponse>("/v1/actual_lrps/remove", std::move(request));
}

namespace {

// Evacuation calls that get no answer decide for themselves (docs/spec/bbs.md §1.5).
template <typename Impl, typename Request>
asio::awaitable<bool> evacuate(std::shared_ptr<Impl> impl, std::string path, Request request, bool keep_if_unanswered) {
  try {
    auto response = co_await impl->template call<models::EvacuationResponse>(std::move(path), std::move(request));
    co_return response.keep_container();
  } catch (const net::TransportError&) {
  } catch (const base::DeadlineExceeded&) {
  }
  co_return keep_if_unanswered;
}

}  // namespace

asio::awaitable<bool> BbsClient::evacuate_claimed_actual_lrp(models::ActualLRPKey key,
                                                             models::ActualLRPInstanceKey instance) {
  auto request = keyed<models::EvacuateClaimedActualLRPRequest>(std::move(key), std::move(instance));
  return evacuate(impl_, "/v1/actual_lrps/evacuate_claimed", std::move(request), true);
}

asio::awaitable<bool> BbsClient::evacuate_running_actual_lrp(models::EvacuateRunningActualLRPRequest request) {
  models::EvacuateRunningActualLRPRequest older;
  *older.mutable_actual_lrp_key() = request.actual_lrp_key();
  *older.mutable_actual_lrp_instance_key() = request.actual_lrp_instance_key();
  *older.mutable_actual_lrp_net_info() = request.actual_lrp_net_info();
  try {
    auto response =
        co_await impl_->call<models::EvacuationResponse>("/v1/actual_lrps/evacuate_running.r1", std::move(request));
    co_return response.keep_container();
  } catch (const NoSuchRoute&) {
  } catch (const net::TransportError&) {
    co_return true;
  } catch (const base::DeadlineExceeded&) {
    co_return true;
  }
  const bool keep = co_await evacuate(impl_, "/v1/actual_lrps/evacuate_running", std::move(older), true);
  co_return keep;
}

asio::awaitable<bool> BbsClient::evacuate_stopped_actual_lrp(models::ActualLRPKey key,
                                                             models::ActualLRPInstanceKey instance) {
  auto request = keyed<models::EvacuateStoppedActualLRPRequest>(std::move(key), std::move(instance));
  return evacuate(impl_, "/v1/actual_lrps/evacuate_stopped", std::move(request), false);
}

asio::awaitable<bool> BbsClient::evacuate_crashed_actual_lrp(models::ActualLRPKey key,
                                                             models::ActualLRPInstanceKey instance,
                                                             std::string reason) {
  auto request = keyed<models::EvacuateCrashedActualLRPRequest>(std::move(key), std::move(instance));
  request.set_error_message(std::move(reason));
  return evacuate(impl_, "/v1/actual_lrps/evacuate_crashed", std::move(request), false);
}

asio::awaitable<void> BbsClient::remove_evacuating_actual_lrp(models::ActualLRPKey key,
                                                              models::ActualLRPInstanceKey instance) {
  auto request = keyed<models::RemoveEvacuatingActualLRPRequest>(std::move(key), std::move(instance));
  co_await impl_->call<models::RemoveEvacuatingActualLRPResponse>("/v1/actual_lrps/remove_evacuating",
                                                                  std::move(request));
}

asio::awaitable<std::vector<models::DesiredLRP>> BbsClient::desired_lrps(models::DesiredLRPsRequest filter) {
  auto response = co_await impl_->call<models::DesiredLRPsResponse>("/v1/desired_lrps/list.r3", std::move(filter));
  co_return to_vector(*response.mutable_desired_lrps());
}

asio::awaitable<std::vector<models::DesiredLRP>> BbsClient::desired_lrp_routing_infos(
    models::DesiredLRPsRequest filter) {
  auto response =
      co_await impl_->call<models::DesiredLRPsResponse>("/v1/desired_lrp_routing_infos/list", std::move(filter));
  co_return to_vector(*response.mutable_desired_lrps());
}

asio::awaitable<std::vector<models::DesiredLRPSchedulingInfo>> BbsClient::desired_lrp_scheduling_infos(
    models::DesiredLRPsRequest filter) {
  auto response = co_await impl_->call<models::DesiredLRPSchedulingInfosResponse>(
      "/v1/desired_lrp_scheduling_infos/list", std::move(filter));
  co_return to_vector(*response.mutable_desired_lrp_scheduling_infos());
}

asio::awaitable<models::DesiredLRP> BbsClient::desired_lrp(std::string process_guid) {
  models::DesiredLRPByProcessGuidRequest request;
  request.set_process_guid(std::move(process_guid));
  auto response =
      co_await impl_->call<models::DesiredLRPResponse>("/v1/desired_lrps/get_by_process_guid.r3", std::move(request));
  co_return std::move(*response.mutable_desired_lrp());
}

asio::awaitable<void> BbsClient::desire_lrp(models::DesiredLRP lrp) {
  models::DesireLRPRequest request;
  *request.mutable_desired_lrp() = std::move(lrp);
  co_await impl_->call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/desire.r2", std::move(request));
}

asio::awaitable<void> BbsClient::update_desired_lrp(std::string process_guid, models::DesiredLRPUpdate update) {
  models::UpdateDesiredLRPRequest request;
  request.set_process_guid(std::move(process_guid));
  *request.mutable_update() = std::move(update);
  co_await impl_->call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/update", std::move(request));
}

asio::awaitable<void> BbsClient::remove_desired_lrp(std::string process_guid) {
  models::RemoveDesiredLRPRequest request;
  request.set_process_guid(std::move(process_guid));
  co_await impl_->call<models::DesiredLRPLifecycleResponse>("/v1/desired_lrp/remove", std::move(request));
}

asio::awaitable<std::vector<models::Task>> BbsClient::tasks(models::TasksRequest filter) {
  auto response = co_await impl_->call<models::TasksResponse>("/v1/tasks/list.r3", std::move(filter));
  co_return to_vector(*response.mutable_tasks());
}

asio::awaitable<models::Task> BbsClient::task(std::string task_guid) {
  models::TaskByGuidRequest request;
  request.set_task_guid(std::move(task_guid));
  auto response = co_await impl_->call<models::TaskResponse>("/v1/tasks/get_by_task_guid.r3", std::move(request));
  co_return std::move(*response.mutable_task());
}

asio::awaitable<void> BbsClient::desire_task(std::string task_guid, std::string domain,
                                             models::TaskDefinition definition) {
  models::DesireTaskRequest request;
  request.set_task_guid(std::move(task_guid));
  request.set_domain(std::move(domain));
  *request.mutable_task_definition() = std::move(definition);
  co_await impl_->call<models::TaskLifecycleResponse>("/v1/tasks/desire.r2", std::move(request));
}

asio::awaitable<bool> BbsClient::start_task(std::string task_guid, std::string cell_id) {
  models::StartTaskRequest request;
  request.set_task_guid(std::move(task_guid));
  request.set_cell_id(std::move(cell_id));
  auto response = co_await impl_->call<models::StartTaskResponse>("/v1/tasks/start", std::move(request));
  co_return response.should_start();
}

asio::awaitable<void> BbsClient::reject_task(std::string task_guid, std::string reason) {
  models::RejectTaskRequest request;
  request.set_task_guid(std::move(task_guid));
  request.set_rejection_reason(std::move(reason));
  co_await impl_->call<models::TaskLifecycleResponse>("/v1/tasks/reject", std::move(request));
}

asio::awaitable<void> BbsClient::complete_task(models::CompleteTaskRequest request) {
  co_await impl_->call<models::TaskLifecycleResponse>("/v1/tasks/complete", std::move(request));
}

namespace {

models::TaskGuidRequest guid_request(std::string task_guid) {
  models::TaskGuidRequest request;
  request.set_task_guid(std::move(task_guid));
  return request;
}

}  // namespace

asio::awaitable<void> BbsClient::cancel_task(std::string task_guid) {
  co_await impl_->call<models::TaskLifecycleResponse>("/v1/tasks/cancel", guid_request(std::move(task_guid)));
}

asio::awaitable<void> BbsClient::resolving_task(std::string task_guid) {
  co_await impl_->call<models::TaskLifecycleResponse>("/v1/tasks/resolving", guid_request(std::move(task_guid)));
}

asio::awaitable<void> BbsClient::delete_task(std::string task_guid) {
  co_await impl_->call<models::TaskLifecycleResponse>("/v1/tasks/delete", guid_request(std::move(task_guid)));
}

asio::awaitable<std::vector<models::CellPresence>> BbsClient::cells() {
  auto response = co_await impl_->call<models::CellsResponse>("/v1/cells/list.r1", models::EventsByCellId());
  co_return to_vector(*response.mutable_cells());
}

asio::awaitable<std::unique_ptr<BbsEventStream>> BbsClient::subscribe_to_instance_events(std::string cell_id) {
  return impl_->subscribe("POST", "/v1/events/lrp_instances.r1", std::move(cell_id));
}

asio::awaitable<std::unique_ptr<BbsEventStream>> BbsClient::subscribe_to_group_events(std::string cell_id) {
  return impl_->subscribe("GET", "/v1/events.r1", std::move(cell_id));
}

asio::awaitable<std::unique_ptr<BbsEventStream>> BbsClient::subscribe_to_task_events() {
  return impl_->subscribe("POST", "/v1/events/tasks.r1", "");
}

}  // namespace rivera::clients
