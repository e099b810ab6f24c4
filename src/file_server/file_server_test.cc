#include "file_server/file_server.h"

#include <fstream>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/work/wait.h"
#include "net/http/http_client.h"
#include "net/testing/test_certificates.h"

namespace rivera::file_server {
namespace {

using namespace std::chrono_literals;
using Kind = Verdict::Kind;

TEST(CleanPath, RefusesToLeaveTheDirectory) {
  EXPECT_EQ(clean_path("a/b.tgz"), "a/b.tgz");
  EXPECT_EQ(clean_path("a//./b"), "a/b");
  EXPECT_EQ(clean_path("test2.."), "test2..");
  EXPECT_EQ(clean_path("a%2Fb%20c"), "a/b c");
  EXPECT_EQ(clean_path(""), "");
  for (const char* bad : {"..", "../x", "a/../b", "%2e%2e/x", "a%2f..%2fb", "a%00b"})
    EXPECT_EQ(clean_path(bad), std::nullopt) << bad;
}

TEST(Conditions, ReadsRanges) {
  const FileVersion file{"\"e\"", 1000, 11};
  const auto ranges = [&](const char* header) {
    net::Headers headers{{"Range", header}};
    return judge(headers, file);
  };
  EXPECT_EQ(ranges("bytes=2-4").ranges, (std::vector<ByteRange>{{2, 3}}));
  EXPECT_EQ(ranges("bytes=5-").ranges, (std::vector<ByteRange>{{5, 6}}));
  EXPECT_EQ(ranges("bytes=-3").ranges, (std::vector<ByteRange>{{8, 3}}));
  EXPECT_EQ(ranges("bytes=-100").ranges, (std::vector<ByteRange>{{0, 11}}));
  EXPECT_EQ(ranges("bytes=9-100").ranges, (std::vector<ByteRange>{{9, 2}}));
  EXPECT_EQ(ranges("bytes=0-1, 3-3").ranges, (std::vector<ByteRange>{{0, 2}, {3, 1}}));
  EXPECT_EQ(ranges("bytes=0-10,0-10").kind, Kind::kWhole);
  EXPECT_EQ(ranges("bytes=11-").kind, Kind::kNoOverlap);
  EXPECT_EQ(ranges("bytes=-0").kind, Kind::kNoOverlap);
  for (const char* bad : {"lines=1-2", "bytes=4-2", "bytes=a-b", "bytes=1", "bytes=--1"})
    EXPECT_EQ(ranges(bad).kind, Kind::kInvalidRange) << bad;
}

TEST(Conditions, ReadsPreconditions) {
  const FileVersion file{"\"e\"", 784'111'777, 11};  // Sun, 06 Nov 1994 08:49:37 GMT
  const auto with = [&](net::Headers headers) { return judge(headers, file).kind; };
  EXPECT_EQ(format_http_date(file.modified), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(with({{"If-None-Match", "\"e\""}}), Kind::kNotModified);
  EXPECT_EQ(with({{"If-None-Match", "\"x\", W/\"e\""}}), Kind::kNotModified);
  EXPECT_EQ(with({{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}), Kind::kNotModified);
  EXPECT_EQ(with({{"If-Modified-Since", "Sun Nov  6 08:49:36 1994"}}), Kind::kWhole);
  EXPECT_EQ(with({{"If-None-Match", "\"x\""}, {"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}), Kind::kWhole);
  EXPECT_EQ(with({{"If-Match", "\"x\""}}), Kind::kPreconditionFailed);
  EXPECT_EQ(with({{"If-Match", "*"}}), Kind::kWhole);
  EXPECT_EQ(with({{"If-Unmodified-Since", "Sunday, 06-Nov-94 08:49:36 GMT"}}), Kind::kPreconditionFailed);
  EXPECT_EQ(with({{"Range", "bytes=0-1"}, {"If-Range", "\"x\""}}), Kind::kWhole);
  EXPECT_EQ(with({{"Range", "bytes=0-1"}, {"If-Range", "\"e\""}}), Kind::kPartial);
}

class FileServerTest : public ::testing::Test {
 protected:
  FileServerTest() {
    write("hello.txt", "hello world");
    std::filesystem::create_directories(directory_.path() / "static/folder");
    write("test2..", "dots");
    big_.assign(3'000'001, 'x');
    for (std::size_t i = 0; i < big_.size(); i += 997) big_[i] = static_cast<char>(i);
    write("big.tgz", big_);
    config_.static_directory = (directory_.path() / "static").string();
    config_.server_address = "127.0.0.1:0";
    base::write_file_atomically(directory_.path() / "secret", "secret");
  }

  void write(const std::string& name, const std::string& content) {
    std::filesystem::create_directories(directory_.path() / "static");
    base::write_file_atomically(directory_.path() / "static" / name, content);
  }

  using Body = std::function<asio::awaitable<void>(FileServer&, net::HttpClient&)>;
  void with_server(Body body) {
    asio::io_context io;
    base::WorkerPool workers(2);
    std::exception_ptr failure;
    auto work = [&]() -> asio::awaitable<void> {
      auto executor = co_await asio::this_coro::executor;
      FileServer server(executor, workers, config_, base::Logger::discard());
      server.start();
      net::HttpClientOptions options;
      options.tls = net::TlsContext::client({.certificate_file = "", .key_file = "", .ca_file = ca_file_}, false,
                                            ca_file_.empty());
      net::HttpClient client(executor, options);
      co_await base::within(60s, "the test", body(server, client));
      co_await server.stop();
    };
    asio::co_spawn(asio::make_strand(io), work(), [&](std::exception_ptr e) { failure = std::move(e); });
    io.run();
    if (failure) std::rethrow_exception(failure);
  }

  static asio::awaitable<net::HttpResponse> ask(net::HttpClient& client, std::string address, std::string method,
                                                std::string target, net::Headers headers = {}) {
    net::HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers = std::move(headers);
    auto endpoint = net::Endpoint::parse("http://" + address);
    auto response = co_await client.send(std::move(endpoint), std::move(request));
    co_return response;
  }

  base::TemporaryDirectory directory_;
  Config config_;
  std::string big_;
  std::string ca_file_;
};

TEST_F(FileServerTest, ServesAFileWithWhatACacheNeeds) {
  with_server([&](FileServer& server, net::HttpClient& client) -> asio::awaitable<void> {
    auto response = co_await ask(client, server.address(), "GET", "/v1/static/hello.txt");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "hello world");
    EXPECT_EQ(response.headers.get("ETag"), "\"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\"");
    EXPECT_EQ(response.headers.get("Accept-Ranges"), "bytes");
    EXPECT_EQ(response.headers.get("Content-Type"), "text/plain; charset=utf-8");
    net::Headers same{{"If-None-Match", std::string(response.headers.get("ETag"))}};
    response = co_await ask(client, server.address(), "GET", "/v1/static/hello.txt", same);
    EXPECT_EQ(response.status, 304);
    EXPECT_EQ(response.body, "");
    EXPECT_TRUE(response.headers.has("ETag"));
    response = co_await ask(client, server.address(), "GET", "/v1/static/test2..");
    EXPECT_EQ(response.body, "dots");
  });
}

TEST_F(FileServerTest, StreamsALargeFileAndParts) {
  with_server([&](FileServer& server, net::HttpClient& client) -> asio::awaitable<void> {
    auto response = co_await ask(client, server.address(), "GET", "/v1/static/big.tgz");
    EXPECT_EQ(response.headers.get("Content-Length"), std::to_string(big_.size()));
    EXPECT_TRUE(response.body == big_);
    net::Headers one{{"Range", "bytes=1000000-2000000"}};
    response = co_await ask(client, server.address(), "GET", "/v1/static/big.tgz", one);
    EXPECT_EQ(response.status, 206);
    EXPECT_EQ(response.headers.get("Content-Range"), "bytes 1000000-2000000/3000001");
    EXPECT_TRUE(response.body == big_.substr(1'000'000, 1'000'001));
    net::Headers two{{"Range", "bytes=0-1,4-5"}};
    response = co_await ask(client, server.address(), "GET", "/v1/static/hello.txt", two);
    EXPECT_EQ(response.status, 206);
    EXPECT_NE(
        response.body.find("Content-Range: bytes 4-5/11\r\nContent-Type: text/plain; charset=utf-8\r\n\r\no \r\n"),
        std::string::npos)
        << response.body;
    net::Headers beyond{{"Range", "bytes=11-"}};
    response = co_await ask(client, server.address(), "GET", "/v1/static/hello.txt", beyond);
    EXPECT_EQ(response.status, 416);
    EXPECT_EQ(response.headers.get("Content-Range"), "bytes */11");
    EXPECT_EQ(response.body, "invalid range: failed to overlap\n");
  });
}

TEST_F(FileServerTest, RefusesWhatIsNotAFileOfItsOwn) {
  struct Case {
    const char* method;
    const char* target;
    int status;
    const char* body;
  };
  with_server([&](FileServer& server, net::HttpClient& client) -> asio::awaitable<void> {
    for (const Case& c :
         {Case{"GET", "/v1/static/", 401, "Unauthorized to list the directory\n"},
          Case{"GET", "/v1/static/folder", 401, "Unauthorized to list the directory\n"},
          Case{"GET", "/v1/static/a/none.tgz", 404, "File not found: none.tgz\n"},
          Case{"GET", "/v1/static/../secret", 400, "invalid URL path\n"},
          Case{"GET", "/v1/static/%2e%2e/secret", 400, "invalid URL path\n"},
          Case{"GET", "/v1/static", 301, "Moved Permanently\n"},
          Case{"POST", "/v1/static/hello.txt", 405, "Method Not Allowed\n"},
          Case{"HEAD", "/v1/static/hello.txt", 405, ""}, Case{"GET", "/v1/staticx", 404, "404 page not found\n"},
          Case{"GET", "/", 404, "404 page not found\n"}}) {
      auto response = co_await ask(client, server.address(), c.method, c.target);
      EXPECT_EQ(response.status, c.status) << c.target;
      EXPECT_EQ(response.body, c.body) << c.target;
    }
  });
}

TEST_F(FileServerTest, GivesAReplacedFileANewTag) {
  with_server([&](FileServer& server, net::HttpClient& client) -> asio::awaitable<void> {
    auto before = co_await ask(client, server.address(), "GET", "/v1/static/hello.txt");
    write("hello.txt", "hello there");
    auto after = co_await ask(client, server.address(), "GET", "/v1/static/hello.txt");
    EXPECT_NE(before.headers.get("ETag"), after.headers.get("ETag"));
    EXPECT_EQ(after.body, "hello there");
  });
}

TEST_F(FileServerTest, RedirectsToHttpsWhereThatIsEnabled) {
  net::TestCertificates certificates;
  ca_file_ = certificates.ca_file();
  config_.https_server_enabled = true;
  config_.https_listen_addr = "127.0.0.1:0";
  config_.cert_file = certificates.server().certificate_file;
  config_.key_file = certificates.server().key_file;
  with_server([&](FileServer& server, net::HttpClient& client) -> asio::awaitable<void> {
    auto response = co_await ask(client, server.address(), "GET", "/v1/static/hello.txt?x=1");
    EXPECT_EQ(response.status, 301);
    EXPECT_EQ(response.headers.get("Location"), "https://" + server.https_address() + "/v1/static/hello.txt?x=1");
    net::HttpRequest request;
    request.method = "GET";
    request.target = "/v1/static/hello.txt";
    auto endpoint = net::Endpoint::parse("https://" + server.https_address());
    response = co_await client.send(std::move(endpoint), std::move(request));
    EXPECT_EQ(response.body, "hello world");
  });
}

TEST(FileServerConfig, NamesWhatIsMissing) {
  base::TemporaryDirectory directory;
  const auto file = directory.path() / "config.json";
  const auto failure = [&](const std::string& json) -> std::string {
    base::write_file_atomically(file, json);
    try {
      load_config(file.string());
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(failure("nonsense").find("failed-to-parse-config"), std::string::npos);
  EXPECT_NE(failure("{}").find("static-directory-missing"), std::string::npos);
  EXPECT_NE(failure(R"({"static_directory":"/x","https_server_enabled":true})").find("invalid-https-configuration"),
            std::string::npos);
  EXPECT_EQ(failure(R"({"static_directory":"/x","unknown":{}})"), "");
}

}  // namespace
}  // namespace rivera::file_server
