// Runs the real proxy between real sockets.
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "base/files.h"
#include "base/process/child_process.h"
#include "base/testing/places.h"
#include "net/crypto/identity_authority.h"

namespace {

namespace base = rivera::base;
namespace net = rivera::net;
using std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(20);

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int bound_socket(int port, int* chosen) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(port);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t length = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  *chosen = ntohs(address.sin_port);
  return fd;
}

int free_port() {
  int port = 0;
  ::close(bound_socket(0, &port));
  return port;
}

// Sends back what it gets; says "bye" when its client has ended.
class Application {
 public:
  Application() : listener_(bound_socket(0, &port_)) {
    ::listen(listener_, 64);
    thread_ = std::thread([this] { serve(); });
  }
  ~Application() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  int port() const { return port_; }

 private:
  void serve() {
    std::vector<std::thread> clients;
    for (;;) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) break;
      clients.emplace_back([fd] {
        std::array<char, 65536> buffer{};
        for (;;) {
          const auto count = ::recv(fd, buffer.data(), buffer.size(), 0);
          if (count <= 0) break;
          for (ssize_t sent = 0; sent < count;) {
            const auto n = ::send(fd, buffer.data() + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
            if (n <= 0) break;
            sent += n;
          }
        }
        (void)!::send(fd, "bye", 3, MSG_NOSIGNAL);
        ::close(fd);
      });
    }
    for (auto& client : clients) client.join();
  }

  int port_ = 0;
  int listener_;
  std::thread thread_;
};

struct ClientOptions {
  const net::KeyPair* certificate = nullptr;
  std::string suites;     // of TLS 1.2, which is then the only version
  std::string protocols;  // for ALPN, each behind its length
};

// Blocks; nothing takes longer than the time limit of its socket.
class Client {
 public:
  explicit Client(int port, const ClientOptions& options = {}) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const auto address = loopback(port);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (!connected_) return;
    context_ = SSL_CTX_new(TLS_client_method());
    if (!options.suites.empty()) {
      SSL_CTX_set_max_proto_version(context_, TLS1_2_VERSION);
      SSL_CTX_set_cipher_list(context_, options.suites.c_str());
    }
    if (options.certificate) use(*options.certificate);
    ssl_ = SSL_new(context_);
    if (!options.protocols.empty()) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(options.protocols.data()),
                          static_cast<unsigned>(options.protocols.size()));
    }
    SSL_set_fd(ssl_, fd_);
    is_secure_ = SSL_connect(ssl_) == 1;
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ::close(fd_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  bool is_secure() const { return is_secure_; }
  // With TLS 1.3 a refused certificate shows at the first read.
  bool works() { return is_secure_ && echo("ping") == "ping"; }
  std::string echo(const std::string& text) {
    if (SSL_write(ssl_, text.data(), static_cast<int>(text.size())) <= 0) return {};
    return read(text.size());
  }
  std::string read(std::size_t count) {
    std::string text(count, '\0');
    std::size_t got = 0;
    while (got < count) {
      const int n = SSL_read(ssl_, text.data() + got, static_cast<int>(count - got));
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    text.resize(got);
    return text;
  }
  bool write(const std::string& text) { return SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0; }
  void end() { SSL_shutdown(ssl_); }
  std::string server_name() const {
    X509* certificate = SSL_get1_peer_certificate(ssl_);
    std::array<char, 256> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
    X509_free(certificate);
    return name.data();
  }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_, &name, &length);
    return std::string(reinterpret_cast<const char*>(name), length);
  }

 private:
  void use(const net::KeyPair& pair) {
    const base::TemporaryDirectory directory;
    const auto file = (directory.path() / "pair.pem").string();
    base::write_file_atomically(file, pair.certificate_pem + pair.key_pem);
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context_, file.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context_, file.c_str(), SSL_FILETYPE_PEM), 1);
  }

  int fd_;
  bool connected_ = false;
  bool is_secure_ = false;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
};

class ProxyTest : public ::testing::Test {
 protected:
  ProxyTest() {
    write_identity("guid");
    base::write_file_atomically(directory.path() / "ca.pem", ca_pair().certificate_pem);
    base::write_file_atomically(directory.path() / "proxy.conf",
                                "backend 127.0.0.1\nlisten " + std::to_string(port) + " " +
                                    std::to_string(application.port()) + " id.pem http2\nlisten " +
                                    std::to_string(guarded_port) + " " + std::to_string(application.port()) +
                                    " id.pem verify\nlisten " + std::to_string(deserted_port) + " " +
                                    std::to_string(free_port()) + " id.pem\nclient gorouter.cf.internal\n");
    base::ChildOptions options;
    options.error = STDERR_FILENO;
    process.emplace(std::vector<std::string>{base::bin_dir() + "/container-proxy", directory.path().string()}, options);
    until([this] { return Client(port).is_secure(); });
  }
  ~ProxyTest() override { process->kill(); }

  static const net::KeyPair& ca_pair() {
    static const net::KeyPair pair = net::CertificateAuthority::make("ca", std::chrono::hours(1)).pair();
    return pair;
  }
  static net::KeyPair issue(const std::string& common_name, const std::string& name,
                            const net::KeyPair& ca = ca_pair()) {
    static const net::FreshKey key = net::make_identity_key();
    return net::IdentityAuthority::load(ca.certificate_pem, ca.key_pem)
        .issue(key, {.common_name = common_name, .dns_names = {name}}, base::SystemClock().now(),
               std::chrono::seconds(3600));
  }
  void write_identity(const std::string& name) {
    const auto pair = issue(name, name);
    base::write_file_atomically(directory.path() / "id.pem", pair.certificate_pem + pair.key_pem);
  }
  template <typename Condition>
  void until(const Condition& condition) {
    const auto deadline = steady_clock::now() + kPatience;
    while (!condition()) {
      ASSERT_LT(steady_clock::now(), deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  long resident_kilobytes() const {
    std::ifstream status("/proc/" + std::to_string(process->pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    }
    return 0;
  }

  Application application;
  base::TemporaryDirectory directory;
  int port = free_port();
  int guarded_port = free_port();
  int deserted_port = free_port();
  std::optional<base::ChildProcess> process;
};

TEST_F(ProxyTest, CarriesBytesBothWaysToTheEnd) {
  Client client(port);
  const std::string much(3 << 20, 'x');
  std::thread writer([&] { EXPECT_TRUE(client.write(much)); });
  EXPECT_EQ(client.read(much.size()), much);
  writer.join();
  client.end();
  EXPECT_EQ(client.read(10), "bye");
}

TEST_F(ProxyTest, NegotiatesTheSuitesAndProtocolsOfUpstream) {
  EXPECT_TRUE(Client(port, {.certificate = nullptr, .suites = "ECDHE-RSA-AES256-GCM-SHA384", .protocols = {}}).works());
  EXPECT_TRUE(Client(port, {.certificate = nullptr, .suites = "ECDHE-RSA-AES128-GCM-SHA256", .protocols = {}}).works());
  EXPECT_FALSE(
      Client(port, {.certificate = nullptr, .suites = "ECDHE-RSA-AES128-SHA256", .protocols = {}}).is_secure());
  const std::string offer("\x02h2\x08http/1.1", 12);
  EXPECT_EQ(Client(port, {.certificate = nullptr, .suites = {}, .protocols = offer}).protocol(), "h2");
  EXPECT_EQ(Client(guarded_port, {.certificate = nullptr, .suites = {}, .protocols = offer}).protocol(), "");
}

TEST_F(ProxyTest, RequiresAClientOfTheRightNameAndAuthority) {
  const auto router = issue("router", "gorouter.cf.internal");
  const auto other_name = issue("router", "another.cf.internal");
  const auto other_ca = net::CertificateAuthority::make("other", std::chrono::hours(1)).pair();
  const auto forged = issue("router", "gorouter.cf.internal", other_ca);
  EXPECT_TRUE(Client(guarded_port, {.certificate = &router, .suites = {}, .protocols = {}}).works());
  EXPECT_FALSE(Client(guarded_port, {.certificate = &other_name, .suites = {}, .protocols = {}}).works());
  EXPECT_FALSE(Client(guarded_port, {.certificate = &forged, .suites = {}, .protocols = {}}).works());
  EXPECT_FALSE(Client(guarded_port).works());
}

TEST_F(ProxyTest, TakesNewCertificatesAndKeepsConnections) {
  Client before(port);
  EXPECT_EQ(before.server_name(), "guid");
  EXPECT_TRUE(before.works());
  write_identity("renewed");
  until([this] { return Client(port).server_name() == "renewed"; });
  EXPECT_TRUE(before.works());
  // Certificates that cannot be used do not replace those that can.
  base::write_file_atomically(directory.path() / "id.pem", "nonsense");
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Client(port).works());
  write_identity("repaired");
  until([this] { return Client(port).server_name() == "repaired"; });
}

TEST_F(ProxyTest, EndsAConnectionWhoseApplicationIsNotThere) {
  Client client(deserted_port);
  EXPECT_EQ(client.read(1), "");
}

TEST_F(ProxyTest, ServesManyAtOnce) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 60; ++i) clients.push_back(std::make_unique<Client>(port));
  for (auto& client : clients) EXPECT_TRUE(client->works());
}

TEST_F(ProxyTest, NeedsLittleMemoryOnceItHasItsCertificates) {
  write_identity("again");
  until([this] { return Client(port).server_name() == "again"; });
  write_identity("and-again");
  until([this] { return resident_kilobytes() < 3L * 1024; });
}

}  // namespace
