#include "locket/lock_port.h"

#include <functional>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/work/cancellation.h"
#include "locket/callers.h"
#include "net/crypto/certificate_authority.h"
#include "net/grpc/grpc_server.h"

namespace rivera::locket {
namespace {

using Call = std::shared_ptr<const net::GrpcServerCall>;

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

net::GrpcReply failure(net::GrpcCode code, std::string text) {
  return {.code = static_cast<int>(code), .text = std::move(text)};
}

asio::awaitable<net::GrpcReply> ready(net::GrpcReply reply) { co_return reply; }

// Go's ":8891" is every address.
std::string listen_address(const std::string& address) {
  const bool has_ipv6 = ::access("/proc/net/if_inet6", F_OK) == 0;
  return address.starts_with(":") && has_ipv6 ? "[::]" + address : address;
}

}  // namespace

class LockPort::Impl {
 public:
  Impl(asio::any_io_executor home, LockService& service, LocketProbe& probe, net::AccessControl access,
       base::Logger log)
      : executor_(std::move(home)),
        service_(service),
        probe_(probe),
        access_(std::move(access)),
        logger_(std::move(log)) {}

  void start(const std::string& address, const net::TlsFiles& tls, const net::ClientLimits& limits) {
    net::GrpcServerOptions options{.address = listen_address(address),
                                   .tls = net::TlsContext::mutual_server(tls, "h2"),
                                   .access = access_,
                                   .limits = limits};
    server_ = std::make_unique<net::GrpcServer>(
        executor_, std::move(options), [this](Call call) { return serve(std::move(call)); }, logger_);
    server_->start();
  }

  net::GrpcServer* server() { return server_.get(); }

 private:
  template <typename Request, typename Response>
  using Operation = asio::awaitable<void> (LockService::*)(CallInfo, const Request&, Response&);

  template <typename Request, typename Response>
  struct Exchange {
    Request request;
    Response response;
  };

  asio::awaitable<net::GrpcReply> serve(Call call) {
    if (call->path == "/models.Locket/Lock") return begin(std::move(call), &LockService::lock);
    if (call->path == "/models.Locket/Release") return begin(std::move(call), &LockService::release);
    if (call->path == "/models.Locket/Fetch") return begin(std::move(call), &LockService::fetch);
    if (call->path == "/models.Locket/FetchAll") return begin(std::move(call), &LockService::fetch_all);
    return ready(failure(net::GrpcCode::kUnimplemented, "unknown method " + call->path));
  }

  template <typename Request, typename Response>
  asio::awaitable<net::GrpcReply> begin(Call call, Operation<Request, Response> operation) {
    auto exchange = std::make_shared<Exchange<Request, Response>>();
    if (!exchange->request.ParseFromString(call->message)) {
      return ready(failure(net::GrpcCode::kInternal, "the request cannot be decoded"));
    }
    // Created here: g++ 12 miscompiles calls through a pointer to member within a coroutine.
    const CallInfo info{std::string(call->metadata_of("uuid"))};
    auto work = (service_.*operation)(info, exchange->request, exchange->response);
    return handle(ask_of(exchange->request), std::move(call), std::move(work),
                  [exchange] { return exchange->response.SerializeAsString(); });
  }

  // `encode` keeps what `work` refers to.
  asio::awaitable<net::GrpcReply> handle(Ask ask, Call call, asio::awaitable<void> work,
                                         std::function<std::string()> encode) {
    const RequestType type = ask.method;
    net::GrpcReply reply;
    try {
      if (access_.is_enforced()) require_permission(ask, call->caller);
      co_await std::move(work);
      if (!call->is_cancelled()) reply.message = encode();
    } catch (const RpcError& e) {
      reply = {.code = static_cast<int>(e.code()), .text = e.what()};
    } catch (const std::exception& e) {
      if (base::is_cancellation(e)) {
        reply = failure(net::GrpcCode::kUnavailable, "the server is stopping");
      } else {
        logger_.error("request-failed", {{"request-type", std::string(to_string(type))}, {"error", e.what()}});
        reply = failure(net::GrpcCode::kInternal, "internal error");
      }
    }
    if (call->is_cancelled()) note_cancelled(type, *call);
    co_return reply;
  }

  void require_permission(const Ask& ask, const net::Caller& caller) {
    const std::string what = describe(ask);
    if (access_.allows(caller, callers_of(ask).bits(), what)) return;
    throw RpcError(RpcCode::kPermissionDenied, net::refusal_text(caller, what));
  }

  void note_cancelled(RequestType type, const net::GrpcServerCall& call) {
    if (!call.is_late()) probe_.request_cancelled(type);
    logger_.info(
        call.is_late() ? "context-deadline-exceeded" : "context-cancelled",
        {{"request-uuid", std::string(call.metadata_of("uuid"))}, {"request-type", std::string(to_string(type))}});
  }

  asio::any_io_executor executor_;
  LockService& service_;
  LocketProbe& probe_;
  net::AccessControl access_;
  base::Logger logger_;
  std::unique_ptr<net::GrpcServer> server_;
};

LockPort::LockPort(asio::any_io_executor executor, LockService& service, LocketProbe& probe, net::AccessControl access,
                   base::Logger logger)
    : impl_(std::make_unique<Impl>(std::move(executor), service, probe, std::move(access), std::move(logger))) {}
LockPort::~LockPort() = default;

void LockPort::start(const std::string& address, const net::TlsFiles& tls, const net::ClientLimits& limits) {
  impl_->start(address, tls, limits);
}

std::string LockPort::address() const { return impl_->server() == nullptr ? "" : impl_->server()->address(); }

asio::awaitable<void> LockPort::stop(std::chrono::nanoseconds grace) {
  if (impl_->server() != nullptr) co_await impl_->server()->stop(grace);
}

void check_tls_files(const net::TlsFiles& tls) {
  net::TlsContext::mutual_server(tls);
  if (net::certificate_expiry(base::read_file(tls.certificate_file)) <= base::SystemClock().now()) {
    throw std::runtime_error(fmt::format("{}: the certificate has expired", tls.certificate_file));
  }
}

}  // namespace rivera::locket
