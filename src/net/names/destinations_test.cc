// Where clients may connect, up to a whole request.
#include <arpa/inet.h>
#include <cstring>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/test_run.h"
#include "net/http/http_client.h"
#include "net/http/http_server.h"
#include "net/stream/destination_policy.h"
#include "net/stream/dial.h"
#include "net/stream/endpoint.h"
#include "net/testing/test_name_server.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;

bool allows(const DestinationPolicy& policy, const char* address) {
  return policy.allows("host.test.internal", 443, asio::ip::make_address(address));
}

TEST(DestinationPolicy, DeniesThisMachineAndWhatOnlyItReaches) {
  const DestinationPolicy policy(DestinationRules{});
  for (const char* denied :
       {"127.0.0.1", "127.8.9.10", "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "255.255.255.255",
        "100.100.100.200", "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fe80::1",
        "ff02::1", "fd00:ec2::254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1"}) {
    EXPECT_FALSE(allows(policy, denied)) << denied;
  }
  for (const char* allowed : {"192.0.2.1", "128.0.0.1", "10.1.2.3", "2001:db8::1", "64:ff9b::c000:201", "1.0.0.1"})
    EXPECT_TRUE(allows(policy, allowed)) << allowed;
}

TEST(DestinationPolicy, AllowsEverythingWithoutRules) {
  EXPECT_TRUE(allows(DestinationPolicy(), "127.0.0.1"));
  EXPECT_FALSE(DestinationPolicy().is_limited());
}

TEST(DestinationPolicy, DeniesAndAllowsWhatTheRulesSay) {
  DestinationRules rules;
  rules.denied_networks = {"10.254.0.0/22", "2001:db8:1::/48", "192.0.2.7"};
  rules.allowed_networks = {"127.0.0.5/32", "10.254.1.0/24"};
  rules.allowed_hosts = {"Files.test.internal:8080", "localhost", "[::1]:5000", "::2"};
  const DestinationPolicy policy(rules);
  for (const char* denied : {"10.254.0.1", "10.254.3.255", "2001:db8:1:2::3", "192.0.2.7", "::ffff:10.254.0.1",
                             "64:ff9b::afe:1", "127.0.0.4"}) {
    EXPECT_FALSE(allows(policy, denied)) << denied;
  }
  for (const char* allowed : {"10.254.4.1", "2001:db8:2::3", "192.0.2.8", "127.0.0.5", "10.254.1.7"})
    EXPECT_TRUE(allows(policy, allowed)) << allowed;
  const auto here = asio::ip::make_address("127.0.0.1");
  EXPECT_TRUE(policy.allows("files.TEST.internal", 8080, here));
  EXPECT_FALSE(policy.allows("files.test.internal", 8081, here));
  EXPECT_TRUE(policy.allows("localhost", 1, here));
  EXPECT_FALSE(policy.allows("localhost.test.internal", 1, here));
  EXPECT_TRUE(policy.allows("::1", 5000, asio::ip::make_address("::1")));
  EXPECT_FALSE(policy.allows("::1", 5001, asio::ip::make_address("::1")));
  EXPECT_TRUE(policy.allows("::2", 5001, here));
}

TEST(DestinationPolicy, RefusesRulesThatItCannotRead) {
  for (const char* network : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "10.0.0", "::/129", "here"})
    EXPECT_THROW(DestinationPolicy({.denied_networks = {network}, .allowed_networks = {}, .allowed_hosts = {}}),
                 std::invalid_argument)
        << network;
  for (const char* host : {"", ":80", "host:", "host:99999", "[::1", "[::1]80", "host:80x"})
    EXPECT_THROW(DestinationPolicy({.denied_networks = {}, .allowed_networks = {}, .allowed_hosts = {host}}),
                 std::invalid_argument)
        << host;
}

// Of a network name space of its own, for as long as its thread lives: two addresses on the loopback device.
void give_this_thread_addresses(const char* first, const char* second) {
  if (::unshare(CLONE_NEWNET) != 0) throw std::system_error(errno, std::generic_category(), "unshare: needs root");
  const base::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto set = [&](const char* name, const char* address) {
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    sockaddr_in as_address{};
    as_address.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &as_address.sin_addr);
    std::memcpy(&request.ifr_addr, &as_address, sizeof as_address);
    if (::ioctl(fd.get(), SIOCSIFADDR, &request) != 0)
      throw std::system_error(errno, std::generic_category(), "SIOCSIFADDR");
    request.ifr_flags = IFF_UP;
    ::ioctl(fd.get(), SIOCSIFFLAGS, &request);
  };
  set("lo:1", first);
  set("lo:2", second);
}

// What listens on all addresses of the host is reached through each of them.
TEST(DestinationPolicy, DeniesEveryAddressOfThisMachine) {
  std::string failure;
  std::thread elsewhere([&] {
    try {
      const DestinationPolicy policy(DestinationRules{});
      EXPECT_TRUE(allows(policy, "192.0.2.10"));
      give_this_thread_addresses("192.0.2.10", "192.0.2.11");
      for (const char* own : {"192.0.2.10", "192.0.2.11", "::ffff:192.0.2.11", "64:ff9b::c000:20b"})
        EXPECT_FALSE(allows(policy, own)) << own;
      EXPECT_TRUE(allows(policy, "198.51.100.1"));
    } catch (const std::exception& e) {
      failure = e.what();
    }
  });
  elsewhere.join();
  EXPECT_EQ(failure, "");
}

// A client of a server of 127.0.0.3, whose name leads to 127.0.0.2 as well.
class DeniedConnections : public ::testing::Test {
 protected:
  static constexpr char kName[] = "files.test.internal";

  // Allows nothing of this machine but one address, or one host.
  static DestinationPolicy policy_with_address(const std::string& allowed) {
    DestinationRules rules;
    if (!allowed.empty()) rules.allowed_networks.push_back(allowed);
    return DestinationPolicy(rules);
  }
  static DestinationPolicy policy_with_host(const std::string& allowed) {
    DestinationRules rules;
    rules.allowed_hosts.push_back(allowed);
    return DestinationPolicy(rules);
  }

  asio::awaitable<void> with_server(asio::any_io_executor executor,
                                    std::function<asio::awaitable<void>(std::uint16_t port)> body) {
    HttpServerOptions options;
    options.address = "127.0.0.3:0";
    HttpServer server(
        executor, options,
        [](HttpExchange& exchange) -> asio::awaitable<void> { co_await exchange.respond(json_response(200, "{}")); },
        base::Logger::discard());
    server.listen();
    server.start();
    const std::string address = server.address();
    co_await body(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    co_await server.stop(0s);
  }

  // What a request to `host` ends with: "200", or "denied", or another failure.
  static asio::awaitable<std::string> ask(asio::any_io_executor executor, DestinationPolicy policy, Endpoint endpoint) {
    HttpClientOptions options;
    options.destinations = std::move(policy);
    HttpClient client(executor, std::move(options));
    HttpRequest request;
    request.method = "GET";
    request.target = "/";
    std::string result;
    try {
      const auto response = co_await client.send(std::move(endpoint), std::move(request));
      result = std::to_string(response.status);
    } catch (const DestinationDenied& e) {
      result = std::string(e.what()).find("127.") == std::string::npos ? "denied" : e.what();
    } catch (const std::exception& e) {
      result = e.what();
    }
    co_return result;
  }
};

TEST_F(DeniedConnections, AreNotMadeWhateverTheNameSays) {
  const std::map<std::string, std::string> known{{kName, "127.0.0.2,127.0.0.3"}};
  const TestNameServer names(known);
  base::run([&](asio::any_io_executor executor) {
    return with_server(executor, [executor](std::uint16_t port) -> asio::awaitable<void> {
      Endpoint named;
      named.host = kName;
      named.port = port;
      const DestinationPolicy none = policy_with_address(""), everything, here = policy_with_address("127.0.0.3"),
                              elsewhere = policy_with_address("127.0.0.2"), by_name = policy_with_host(kName);
      const std::string denied = co_await ask(executor, none, named);
      EXPECT_EQ(denied, "denied");
      const std::string open = co_await ask(executor, everything, named);
      EXPECT_EQ(open, "200");
      const std::string one_address = co_await ask(executor, here, named);
      EXPECT_EQ(one_address, "200");
      const std::string other_address = co_await ask(executor, elsewhere, named);
      EXPECT_NE(other_address, "200");
      const std::string allowed_name = co_await ask(executor, by_name, named);
      EXPECT_EQ(allowed_name, "200");
      Endpoint socket;
      socket.is_unix = true;
      socket.host = "/run/some.sock";
      const std::string unix_socket = co_await ask(executor, none, socket);
      EXPECT_EQ(unix_socket, "denied");
    });
  });
}

TEST_F(DeniedConnections, AreFailuresToDial) {
  base::run([&](asio::any_io_executor executor) {
    return with_server(executor, [](std::uint16_t port) -> asio::awaitable<void> {
      DialTarget target;
      target.host = "127.0.0.3";
      target.port = port;
      target.destinations = policy_with_address("");
      error_code code;
      try {
        co_await dial(target);
      } catch (const DialError& e) {
        code = e.code;
      }
      EXPECT_EQ(code, destination_denied());
      target.destinations = policy_with_address("127.0.0.3");
      const auto stream = co_await dial(target);
      EXPECT_NE(stream, nullptr);
    });
  });
}

}  // namespace
}  // namespace rivera::net
