#include "garden/testing/docker_registry.h"

#include <arpa/inet.h>
#include <chrono>
#include <optional>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/bytes.h"
#include "net/http/http_client.h"

namespace rivera::garden {

namespace {

// bcrypt.
constexpr const char* kPasswordHash = "$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK";

std::uint16_t free_port() {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  return ::ntohs(address.sin_port);
}

net::HttpResponse exchange(const std::string& server, net::HttpRequest request) {
  asio::io_context io(1);
  std::optional<net::HttpResponse> response;
  std::exception_ptr failure;
  {
    net::HttpClient client(io.get_executor());
    asio::co_spawn(io, client.send(net::Endpoint::parse("http://" + server), std::move(request)),
                   [&](std::exception_ptr e, net::HttpResponse r) {
                     failure = e;
                     if (!e) response = std::move(r);
                   });
    while (!response && !failure) io.run_one();
  }
  io.restart();
  io.poll();
  if (failure) std::rethrow_exception(failure);
  return std::move(*response);
}

std::string config_text(const std::string& directory, std::uint16_t port, bool has_user) {
  std::string text = "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: " + directory +
                     "/images\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:" + std::to_string(port) + "\n";
  if (has_user) text += "auth:\n  htpasswd:\n    realm: test\n    path: " + directory + "/users\n";
  return text;
}

}  // namespace

DockerRegistry::DockerRegistry(bool is_private) {
  const std::string directory = directory_.path();
  if (is_private) {
    authorization_ = "Basic " + base::to_base64(std::string(kUser) + ":" + kPassword);
    TestTar::write_file(directory + "/users", std::string(kUser) + ":" + kPasswordHash + "\n");
  }
  for (int attempt = 0; attempt < 5; ++attempt) {
    port_ = free_port();
    TestTar::write_file(directory + "/config.yml", config_text(directory, port_, is_private));
    process_ = std::make_unique<base::ChildProcess>(
        base::start_logged({"docker-registry", "serve", directory + "/config.yml"}, directory + "/registry.log"));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline && !process_->try_wait()) {
      try {
        net::HttpRequest ping;
        ping.method = "GET";
        ping.target = "/v2/";
        exchange(address(), std::move(ping));
        return;
      } catch (const net::TransportError&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }
  throw std::runtime_error("docker-registry does not start: " + base::read_file(directory + "/registry.log"));
}

std::string DockerRegistry::address() const { return "127.0.0.1:" + std::to_string(port_); }

std::string DockerRegistry::uri(const std::string& repository, const std::string& tag) const {
  return "docker://" + address() + "/" + repository + "#" + tag;
}

void DockerRegistry::push(const std::string& repository, const std::string& tag, const TestImage& image) const {
  const auto send = [&](const char* method, const std::string& target, const std::string& type, std::string body) {
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    request.body = std::move(body);
    if (!type.empty()) request.headers.set("Content-Type", type);
    if (!authorization_.empty()) request.headers.set("Authorization", authorization_);
    auto response = exchange(address(), std::move(request));
    if (response.status >= 300) {
      throw std::runtime_error(std::string(method) + " " + target + ": " + std::to_string(response.status) + " " +
                               response.body);
    }
    return response;
  };
  for (const auto& [digest, bytes] : image.blobs) {
    const auto begun = send("POST", "/v2/" + repository + "/blobs/uploads/", "", "");
    const auto [server, target] = net::Endpoint::parse_url(begun.headers.get("Location"));
    send("PUT", target + (target.find('?') == std::string::npos ? "?" : "&") + "digest=" + digest,
         "application/octet-stream", bytes);
  }
  send("PUT", "/v2/" + repository + "/manifests/" + tag, image.manifest_type, image.manifest);
}

}  // namespace rivera::garden
