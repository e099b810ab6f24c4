#include "clients/locket/locket_client.h"

#include <fmt/format.h>

#include "base/config/config.h"
#include "base/files.h"
#include "base/ids.h"
#include "locket.grpc.pb.h"
#include "models/locket.h"
#include "net/grpc/grpc_calls.h"
#include "net/grpc/grpc_channel.h"

namespace rivera::clients {
namespace {

using locket_api::Locket;

int milliseconds(std::chrono::nanoseconds duration) {
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

std::shared_ptr<grpc::ChannelCredentials> make_credentials(const net::TlsFiles& files) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = base::read_file(files.ca_file);
  tls.pem_cert_chain = base::read_file(files.certificate_file);
  tls.pem_private_key = base::read_file(files.key_file);
  return grpc::SslCredentials(tls);
}

std::shared_ptr<grpc::Channel> make_channel(const LocketClientOptions& options,
                                            const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(options.keepalive_time));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(options.keepalive_timeout));
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A restarted Locket is found again within a second or so; a connection attempt that hangs is given up after three.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3000);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  // Connects to all addresses of the name beside one another: one that accepts connections and says nothing does not
  // keep us from the others.
  arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(64 << 20);  // thousands of presences at the longest they may be
  return grpc::CreateCustomChannel(options.address, credentials, arguments);
}

void to_wire(const LocketResource& resource, locket_api::Resource& wire) {
  wire.set_key(resource.key);
  wire.set_owner(resource.owner);
  wire.set_value(resource.value);
  wire.set_type_code(static_cast<locket_api::TypeCode>(resource.type));
  // Old servers look at the name only.
  switch (resource.type) {
    case LocketType::kLock:
      wire.set_type("lock");
      break;
    case LocketType::kPresence:
      wire.set_type("presence");
      break;
    case LocketType::kUnknown:
      wire.set_type(resource.type_name);
      break;
  }
}

LocketResource from_wire(const locket_api::Resource& wire) {
  return {wire.key(), wire.owner(), wire.value(), static_cast<LocketType>(wire.type_code()), wire.type()};
}

// Whether the deadline passed here. Locket answers with this code, too, when its database was too slow
// (docs/spec/locket-and-auction.md §1.4).
bool is_unanswered(const grpc::Status& status) {
  return status.error_code() == grpc::DEADLINE_EXCEEDED && status.error_message() != "context deadline exceeded";
}

}  // namespace

LocketError::LocketError(int code, std::string message)
    : std::runtime_error(fmt::format("locket: {} (gRPC status {})", message, code)),
      code_(code),
      message_(std::move(message)) {}

base::ConfigKeys locket_client_keys() {
  using namespace base;
  const LocketClientOptions defaults;
  return {
      text_key("locket_address"),
      text_key("locket_ca_cert_file"),
      text_key("locket_client_cert_file"),
      text_key("locket_client_key_file"),
      seconds_key("locket_client_keepalive_time", defaults.keepalive_time).positive().with_zero_as_default(),
      seconds_key("locket_client_keepalive_timeout", defaults.keepalive_timeout).positive().with_zero_as_default(),
  };
}

LocketClientOptions read_locket_client_options(const base::ConfigFile& config) {
  LocketClientOptions options;
  options.address = config.required_text("locket_address");
  options.tls.ca_file = config.required_text("locket_ca_cert_file");
  options.tls.certificate_file = config.required_text("locket_client_cert_file");
  options.tls.key_file = config.required_text("locket_client_key_file");
  options.keepalive_time = config.duration("locket_client_keepalive_time");
  options.keepalive_timeout = config.duration("locket_client_keepalive_timeout");
  if (options.keepalive_time > options.keepalive_timeout) {
    config.fail("locket_client_keepalive_time", "at most locket_client_keepalive_timeout");
  }
  return options;
}

class LocketClient::Impl {
 public:
  explicit Impl(LocketClientOptions given)
      : options(std::move(given)),
        channel([this, credentials = make_credentials(options.tls)] { return make_channel(options, credentials); }) {}

  // `method` is one of the stub's: void (Request*, Response*, callback).
  template <typename Request, typename Response>
  using Method = void (Locket::Stub::async::*)(grpc::ClientContext*, const Request*, Response*,
                                               std::function<void(grpc::Status)>);

  template <typename Request, typename Response>
  asio::awaitable<Response> call(std::shared_ptr<net::GrpcCall<Request, Response>> call,
                                 Method<Request, Response> method, std::chrono::nanoseconds timeout) {
    call->context.set_deadline(std::chrono::system_clock::now() +
                               std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
    call->context.set_wait_for_ready(true);
    call->context.AddMetadata("uuid", base::new_guid());
    const auto used = channel.get();
    const auto stub = Locket::NewStub(used);
    auto start = [&stub, method](net::GrpcCall<Request, Response>& c, std::function<void(grpc::Status)> done) {
      (stub->async()->*method)(&c.context, &c.request, &c.response, std::move(done));
    };
    auto status = co_await calls.run(call, std::move(start));
    is_unanswered(status) ? channel.unanswered(used) : channel.answered(used);
    if (!status.ok()) throw LocketError(status.error_code(), status.error_message());
    co_return std::move(call->response);
  }

  LocketClientOptions options;
  net::GrpcChannel channel;
  net::GrpcCalls calls;
};

LocketClient::LocketClient(asio::any_io_executor, LocketClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(options))) {}

LocketClient::~LocketClient() { impl_->calls.shut_down(); }

asio::awaitable<void> LocketClient::lock(LocketResource resource, std::chrono::seconds ttl) {
  co_await lock(std::move(resource), ttl, impl_->options.call_timeout);
}

asio::awaitable<void> LocketClient::lock(LocketResource resource, std::chrono::seconds ttl,
                                         std::chrono::nanoseconds timeout) {
  const auto impl = impl_;  // this may go while we wait
  auto call = std::make_shared<net::GrpcCall<locket_api::LockRequest, locket_api::LockResponse>>();
  to_wire(resource, *call->request.mutable_resource());
  call->request.set_ttl_in_seconds(ttl.count());
  co_await impl->call(call, &Locket::Stub::async::Lock, timeout);
}

asio::awaitable<void> LocketClient::release(LocketResource resource) {
  co_await release(std::move(resource), impl_->options.call_timeout);
}

asio::awaitable<void> LocketClient::release(LocketResource resource, std::chrono::nanoseconds timeout) {
  const auto impl = impl_;
  auto call = std::make_shared<net::GrpcCall<locket_api::ReleaseRequest, locket_api::ReleaseResponse>>();
  to_wire(resource, *call->request.mutable_resource());
  co_await impl->call(call, &Locket::Stub::async::Release, timeout);
}

asio::awaitable<std::optional<LocketResource>> LocketClient::fetch(std::string key) {
  const auto impl = impl_;
  auto call = std::make_shared<net::GrpcCall<locket_api::FetchRequest, locket_api::FetchResponse>>();
  call->request.set_key(std::move(key));
  std::optional<LocketResource> found;
  try {
    const auto response = co_await impl->call(call, &Locket::Stub::async::Fetch, impl->options.call_timeout);
    found = from_wire(response.resource());
  } catch (const LocketError& e) {
    if (!e.is_not_found()) throw;
  }
  co_return found;
}

asio::awaitable<std::vector<LocketResource>> LocketClient::fetch_all(LocketType type) {
  const auto impl = impl_;
  auto call = std::make_shared<net::GrpcCall<locket_api::FetchAllRequest, locket_api::FetchAllResponse>>();
  call->request.set_type_code(static_cast<locket_api::TypeCode>(type));
  if (type == LocketType::kLock) call->request.set_type("lock");
  if (type == LocketType::kPresence) call->request.set_type("presence");
  const auto response = co_await impl->call(call, &Locket::Stub::async::FetchAll, impl->options.call_timeout);
  std::vector<LocketResource> resources;
  resources.reserve(static_cast<std::size_t>(response.resources_size()));
  for (const auto& resource : response.resources()) resources.push_back(from_wire(resource));
  co_return resources;
}

}  // namespace rivera::clients
