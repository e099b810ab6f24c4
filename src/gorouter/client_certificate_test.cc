// What an application reads of its client's certificate, X-Forwarded-Client-Cert (docs/spec/routing.md §3.19): the
// router's word, or the client's.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "gorouter/testing/gorouter_harness.h"
#include "net/stream/endpoint.h"

namespace rivera::gorouter {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHost[] = "app.example.com";
constexpr char kForged[] = "Zm9yZ2Vk";

// The Base64 part of a PEM file with one block, on one line.
std::string certificate_in(const std::string& file) {
  std::string out;
  std::istringstream lines(base::read_file(file));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("-----")) out += line;
  }
  return out;
}

class ClientCertificate : public GorouterHarness {
 protected:
  ClientCertificate() {
    const net::TlsFiles router = certificates_.issue({.common_name = kHost, .dns_names = {kHost}});
    config_.enable_ssl = true;
    config_.ssl_port = 0;
    config_.tls.identities = {{base::read_file(router.certificate_file), base::read_file(router.key_file)}};
    config_.tls.client_ca_pem = base::read_file(certificates_.ca_file());
    config_.tls.client_certificates = net::ClientCertificates::kRequest;
  }

  // What the application gets of a request that names two forged certificates.
  asio::awaitable<std::string> seen_over_tls(net::TlsFiles client) {
    auto endpoint = net::Endpoint::parse("https://127.0.0.1" +
                                         router_->https_address().substr(router_->https_address().rfind(':')));
    endpoint.server_name = kHost;
    auto stream = co_await net::connect(endpoint, net::TlsContext::client(client), 10s);
    co_await stream->write(request());
    const std::string answer = co_await read_to_end(*stream);
    co_return answer;
  }

  static std::string request() {
    return fmt::format(
        "GET / HTTP/1.1\r\nHost: {}\r\nX-Forwarded-Client-Cert: {}\r\nx-forwarded-client-cert: {}\r\n"
        "Connection: close\r\n\r\n",
        kHost, kForged, kForged);
  }

  net::TlsFiles without_certificate() const { return {"", "", certificates_.ca_file()}; }

  net::TestCertificates certificates_;
};

TEST_F(ClientCertificate, IsSetToTheRealOneAndNeverForged) {
  config_.forwarded_client_cert = ForwardedClientCert::kSanitizeSet;
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, kHost);
    const net::TlsFiles client = certificates_.client();
    const std::string with = co_await seen_over_tls(client);
    EXPECT_THAT(with, HasSubstr("X-Forwarded-Client-Cert: " + certificate_in(client.certificate_file) + "\n"));
    EXPECT_THAT(with, Not(HasSubstr(kForged)));
    const std::string without = co_await seen_over_tls(without_certificate());
    EXPECT_THAT(without, HasSubstr("X-Forwarded-Proto: https\n"));
    EXPECT_THAT(without, Not(HasSubstr(kForged)));
    EXPECT_THAT(without, Not(HasSubstr("X-Forwarded-Client-Cert")));
    const std::string plain = co_await exchange_bytes(request());
    EXPECT_THAT(plain, HasSubstr("X-Forwarded-Proto: http\n"));
    EXPECT_THAT(plain, Not(HasSubstr(kForged)));
  });
}

TEST_F(ClientCertificate, IsTheClientsWordForwardedOnlyWithACertificate) {
  config_.forwarded_client_cert = ForwardedClientCert::kForward;
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, kHost);
    const std::string with = co_await seen_over_tls(certificates_.client());
    EXPECT_THAT(with, HasSubstr(kForged));
    const std::string without = co_await seen_over_tls(without_certificate());
    EXPECT_THAT(without, Not(HasSubstr(kForged)));
    const std::string plain = co_await exchange_bytes(request());
    EXPECT_THAT(plain, Not(HasSubstr(kForged)));
  });
}

TEST_F(ClientCertificate, OfAnAuthorityThatIsNotTrustedEndsTheHandshake) {
  config_.forwarded_client_cert = ForwardedClientCert::kSanitizeSet;
  with_router([&]() -> asio::awaitable<void> {
    TestApp app(executor_, "a");
    co_await register_app(app, kHost);
    net::TestCertificates stranger;
    net::TlsFiles files = stranger.client();
    files.ca_file = certificates_.ca_file();
    std::string answer;
    try {
      answer = co_await seen_over_tls(files);
    } catch (const std::exception&) {  // in the handshake, or at the first byte after it
    }
    EXPECT_EQ(answer, "");
    EXPECT_EQ(app.requests(), 0);
  });
}

}  // namespace
}  // namespace rivera::gorouter
