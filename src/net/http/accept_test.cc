// The accept loop of a server where accepting fails.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/test_run.h"
#include "net/http/http_client.h"
#include "net/http/http_server.h"

namespace rivera::net {
namespace {

using namespace std::chrono_literals;

// While it lives, no descriptor can be opened.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const auto lowest = static_cast<rlim_t>(base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get());
    const rlimit none{lowest, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

bool connects(const base::UniqueFd& client, const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

TEST(HttpAccept, SurvivesThatThereAreNoDescriptors) {
  base::run([](asio::any_io_executor executor) -> asio::awaitable<void> {
    const base::TemporaryDirectory directory;
    const auto path = directory.path() / "log";
    const base::UniqueFd log(::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    const base::Logger logger("test", base::LogLevel::kInfo, base::LogTimeFormat::kRfc3339, log.get());
    HttpServerOptions options;
    options.address = "127.0.0.1:0";
    auto answer = [](HttpExchange& exchange) { return exchange.respond(text_response(200, "served")); };
    HttpServer server(executor, options, answer, logger);
    server.listen();
    server.start();
    const std::string address = server.address();
    const base::UniqueFd waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    {
      const NoDescriptors none;
      EXPECT_TRUE(connects(waiting, address));  // by the kernel; it cannot be accepted yet
      co_await base::eventually("the failure is logged", [&] {
        struct stat file {};
        return logger.flush() && ::fstat(log.get(), &file) == 0 && file.st_size > 0;
      });
    }
    const std::string text = base::read_file(path);
    EXPECT_NE(text.find("accept-failed"), std::string::npos) << text;
    HttpClient client(executor);
    HttpRequest request;
    request.method = "GET";
    request.target = "/";
    auto sending = client.send(Endpoint::parse("http://" + address), std::move(request));
    const HttpResponse response = co_await std::move(sending);
    EXPECT_EQ(response.body, "served");
    co_await server.stop(0s);
  });
}

}  // namespace
}  // namespace rivera::net
