#include "locket/grpc_server.h"

#include <algorithm>
#include <atomic>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/work/cancellation.h"
#include "locket.grpc.pb.h"
#include "locket/callers.h"
#include "net/crypto/certificate_authority.h"

namespace rivera::locket {
namespace {

constexpr int kMostAtOnce = 4096;
constexpr int kStreamsOfAClient = 256;      // on one connection; further ones wait there
constexpr int kLargestRequest = 256 << 10;  // a value has at most 4096 characters
constexpr std::size_t kMemoryLimit = 512u << 20;

std::string request_uuid(const grpc::CallbackServerContext& context) {
  const auto found = context.client_metadata().find("uuid");
  return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

// The verified certificate of the peer; "" if there is none.
std::string certificate_of(const grpc::CallbackServerContext& context) {
  const auto peer = context.auth_context();
  const auto found = peer->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  return found.empty() ? "" : std::string(found.front().data(), found.front().size());
}

Ask ask_of(const locket_api::LockRequest& request) {
  const locket_api::Resource& resource = request.resource();
  const bool is_presence = resource.type_code() == locket_api::PRESENCE || resource.type() == kPresenceType;
  return {.method = RequestType::kLock, .is_presence = is_presence, .key = resource.key()};
}
Ask ask_of(const locket_api::ReleaseRequest& request) {
  return {.method = RequestType::kRelease, .key = request.resource().key()};
}
Ask ask_of(const locket_api::FetchRequest&) { return {.method = RequestType::kFetch}; }
Ask ask_of(const locket_api::FetchAllRequest&) { return {.method = RequestType::kFetchAll}; }

grpc::Status to_status(const RpcError& error) {
  return grpc::Status(static_cast<grpc::StatusCode>(error.code()), error.what());
}

std::shared_ptr<grpc::ServerCredentials> make_credentials(const net::TlsFiles& tls) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = base::read_file(tls.ca_file);
  options.pem_key_cert_pairs.push_back({base::read_file(tls.key_file), base::read_file(tls.certificate_file)});
  return grpc::SslServerCredentials(options);
}

// At least one, at most an hour: what gRPC takes is an int.
int milliseconds_of(std::chrono::nanoseconds limit) {
  const auto bounded = std::clamp<std::chrono::nanoseconds>(limit, std::chrono::milliseconds(1), std::chrono::hours(1));
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(bounded).count());
}

// Idle clients ping every 10 s; the server must not close their connections for that. The server's own pings detect
// clients that vanished without closing their connection.
void set_pings(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

}  // namespace

class GrpcServer::Impl final : public locket_api::Locket::CallbackService {
 public:
  Impl(asio::any_io_executor home, LockService& service, LocketProbe& probe, net::AccessControl access,
       base::Logger log)
      : executor_(std::move(home)),
        service_(service),
        probe_(probe),
        access_(access),
        callers_(std::move(access)),
        logger_(std::move(log)) {}

  grpc::ServerUnaryReactor* Lock(grpc::CallbackServerContext* context, const locket_api::LockRequest* request,
                                 locket_api::LockResponse* response) override {
    return serve(context, request, response, &LockService::lock);
  }
  grpc::ServerUnaryReactor* Release(grpc::CallbackServerContext* context, const locket_api::ReleaseRequest* request,
                                    locket_api::ReleaseResponse* response) override {
    return serve(context, request, response, &LockService::release);
  }
  grpc::ServerUnaryReactor* Fetch(grpc::CallbackServerContext* context, const locket_api::FetchRequest* request,
                                  locket_api::FetchResponse* response) override {
    return serve(context, request, response, &LockService::fetch);
  }
  grpc::ServerUnaryReactor* FetchAll(grpc::CallbackServerContext* context, const locket_api::FetchAllRequest* request,
                                     locket_api::FetchAllResponse* response) override {
    return serve(context, request, response, &LockService::fetch_all);
  }

  void start(const std::string& address, const net::TlsFiles& tls, std::chrono::nanoseconds handshake_limit) {
    grpc::ServerBuilder builder;
    int port = 0;
    // Go's ":8891" is every address.
    builder.AddListeningPort(address.starts_with(":") ? "[::]" + address : address, make_credentials(tls), &port);
    builder.RegisterService(this);
    builder.SetMaxReceiveMessageSize(kLargestRequest);
    builder.SetMaxSendMessageSize(-1);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsOfAClient);
    set_pings(builder);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, milliseconds_of(handshake_limit));
    grpc::ResourceQuota quota("locket");
    quota.Resize(kMemoryLimit);
    builder.SetResourceQuota(quota);
    server_ = builder.BuildAndStart();
    if (!server_ || port == 0) throw std::runtime_error(fmt::format("cannot listen on {}", address));
    address_ = fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
  }

  const std::string& address() const { return address_; }
  grpc::Server* server() { return server_.get(); }

 private:
  template <typename Request, typename Response>
  using Operation = asio::awaitable<void> (LockService::*)(CallInfo, const Request&, Response&);

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* serve(grpc::CallbackServerContext* context, const Request* request, Response* response,
                                  Operation<Request, Response> operation) {
    auto* reactor = context->DefaultReactor();
    if (running_.fetch_add(1) >= kMostAtOnce) {
      --running_;
      reactor->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many requests at once"});
      return reactor;
    }
    CallInfo call{request_uuid(*context)};
    // Created here and run on the strand: g++ 12 miscompiles calls through a pointer to member within a coroutine.
    auto work = (service_.*operation)(call, *request, *response);
    asio::co_spawn(executor_, handle(ask_of(*request), context, reactor, std::move(call), std::move(work)),
                   asio::detached);
    return reactor;
  }

  asio::awaitable<void> handle(Ask ask, grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
                               CallInfo call, asio::awaitable<void> work) {
    const RequestType type = ask.method;
    grpc::Status status;
    try {
      if (access_.is_enforced()) require_permission(ask, *context);
      co_await std::move(work);
    } catch (const RpcError& e) {
      status = to_status(e);
    } catch (const std::exception& e) {  // every call is answered, or its client waits for its deadline
      if (base::is_cancellation(e)) {
        status = {grpc::StatusCode::UNAVAILABLE, "the server is stopping"};
      } else {
        logger_.error("request-failed", {{"request-type", std::string(to_string(type))}, {"error", e.what()}});
        status = {grpc::StatusCode::INTERNAL, "internal error"};
      }
    }
    if (context->IsCancelled()) note_cancelled(type, *context, call);
    --running_;
    reactor->Finish(status);
  }

  void require_permission(const Ask& ask, const grpc::CallbackServerContext& context) {
    net::Caller caller = callers_.find(certificate_of(context));
    caller.address = context.peer();
    const std::string what = describe(ask);
    if (access_.allows(caller, callers_of(ask).bits(), what)) return;
    throw RpcError(RpcCode::kPermissionDenied, net::refusal_text(caller, what));
  }

  void note_cancelled(RequestType type, const grpc::CallbackServerContext& context, const CallInfo& call) {
    const bool too_late = context.deadline() <= std::chrono::system_clock::now();
    if (!too_late) probe_.request_cancelled(type);
    logger_.info(too_late ? "context-deadline-exceeded" : "context-cancelled",
                 {{"request-uuid", call.request_uuid}, {"request-type", std::string(to_string(type))}});
  }

  asio::any_io_executor executor_;
  LockService& service_;
  LocketProbe& probe_;
  net::AccessControl access_;
  CallerCache callers_;  // used on executor_
  base::Logger logger_;
  std::atomic<int> running_{0};
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

GrpcServer::GrpcServer(asio::any_io_executor executor, LockService& service, LocketProbe& probe,
                       net::AccessControl access, base::Logger logger)
    : impl_(std::make_unique<Impl>(std::move(executor), service, probe, std::move(access), std::move(logger))) {}
GrpcServer::~GrpcServer() = default;

void GrpcServer::start(const std::string& address, const net::TlsFiles& tls, std::chrono::nanoseconds handshake_limit) {
  impl_->start(address, tls, handshake_limit);
}

std::string GrpcServer::address() const { return impl_->address(); }

asio::awaitable<void> GrpcServer::stop(base::WorkerPool& workers, std::chrono::nanoseconds grace) {
  auto* server = impl_->server();
  if (server == nullptr) co_return;
  auto shut_down = [server, grace] {
    server->Shutdown(std::chrono::system_clock::now() +
                     std::chrono::duration_cast<std::chrono::system_clock::duration>(grace));
    server->Wait();
  };
  co_await workers.run(std::move(shut_down));
}

void check_tls_files(const net::TlsFiles& tls) {
  net::TlsContext::mutual_server(tls);
  if (net::certificate_expiry(base::read_file(tls.certificate_file)) <= base::SystemClock().now()) {
    throw std::runtime_error(fmt::format("{}: the certificate has expired", tls.certificate_file));
  }
}

}  // namespace rivera::locket
