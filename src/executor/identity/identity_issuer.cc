#include "executor/identity/identity_issuer.h"

#include "base/files.h"
#include "base/work/cancellation.h"

namespace rivera::executor {
namespace {

using std::chrono::seconds;

net::IdentityAuthority load_authority(const IdentityOptions& options) {
  if (options.validity < seconds(1)) {
    throw std::runtime_error("instance ID validity period needs to be set and positive");
  }
  return net::IdentityAuthority::load(base::read_file(options.ca_file), base::read_file(options.key_file));
}

net::IdentityNames names_of(const Container& container, bool is_nameless) {
  net::IdentityNames names;
  if (!is_nameless) names.common_name = container.guid;
  const auto& units = container.run_info.certificate_properties.organizational_unit();
  names.organizational_units.assign(units.begin(), units.end());
  names.dns_names = {names.common_name};
  return names;
}

}  // namespace

IdentityIssuer::IdentityIssuer(asio::any_io_executor executor, base::WorkerPool& workers, const base::Clock& clock,
                               base::Metrics& metrics, IdentityOptions options, base::Logger logger,
                               KeyPool::Make make_key)
    : workers_(workers),
      clock_(clock),
      metrics_(metrics),
      options_(std::move(options)),
      authority_(load_authority(options_)),
      keys_(std::move(executor), workers, options_.spare_keys, std::move(logger), std::move(make_key)) {}

asio::awaitable<net::KeyPair> IdentityIssuer::identity(const Container& container, bool is_nameless) {
  auto names = names_of(container, is_nameless);
  names.addresses = {container.internal_ip.empty() ? container.external_ip : container.internal_ip};
  return issue(std::move(names), "");
}

asio::awaitable<net::KeyPair> IdentityIssuer::c2c(const Container& container, bool is_nameless) {
  auto names = names_of(container, is_nameless);
  const auto& routes = container.run_info.internal_routes;
  names.dns_names.insert(names.dns_names.end(), routes.begin(), routes.end());
  return issue(std::move(names), "C2C");
}

asio::awaitable<net::KeyPair> IdentityIssuer::issue(net::IdentityNames names, std::string metric_prefix) {
  const auto begun_at = std::chrono::steady_clock::now();
  std::exception_ptr failure;
  try {
    auto key = co_await keys_.take();
    auto sign = [this, key = std::move(key), names = std::move(names), at = clock_.now()] {
      return authority_.issue(key, names, at, std::chrono::duration_cast<seconds>(options_.validity));
    };
    auto pair = co_await workers_.run(std::move(sign));
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - begun_at;
    metrics_.increment(metric_prefix + "CredCreationSucceededCount");
    metrics_.set(metric_prefix + "CredCreationSucceededDuration", static_cast<double>(took.count()));
    co_return pair;
  } catch (const std::exception& e) {
    if (base::is_cancellation(e)) throw;
    failure = std::current_exception();
  }
  metrics_.increment(metric_prefix + "CredCreationFailedCount");
  std::rethrow_exception(failure);
}

base::Timestamp IdentityIssuer::renewal(base::Timestamp expiry) const {
  const bool is_long = options_.validity > std::chrono::hours(4);
  return expiry - (is_long ? std::chrono::nanoseconds(std::chrono::minutes(30)) : options_.validity / 8);
}

}  // namespace rivera::executor
