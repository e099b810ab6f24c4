// The wire itself, byte for byte where clients depend on it (docs/spec/garden.md §1).
#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "garden/testing/test_garden.h"

namespace rivera::garden {

namespace api = clients::garden;

namespace {

// A plain connection, as a client in another language would make.
class Wire {
 public:
  explicit Wire(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("connect");
    const timeval limit{60, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void send(const std::string& bytes) {
    if (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("send");
  }
  // Everything up to and with `end`, or to the end of the stream.
  std::string read_to(const std::string& end) {
    std::string text;
    char c = 0;
    while (!text.ends_with(end) && ::recv(socket_.get(), &c, 1, 0) == 1) text.push_back(c);
    return text;
  }
  // Sends a byte at a time until an answer comes, which it gives; "" if none has come after `most` of them.
  std::string trickle(int most, std::chrono::milliseconds pause) {
    const timeval limit{0, static_cast<suseconds_t>(pause.count() * 1000)};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char answer[4096];
    for (int i = 0; i < most; ++i) {
      if (::send(socket_.get(), " ", 1, MSG_NOSIGNAL) != 1) return "closed";
      const ssize_t size = ::recv(socket_.get(), answer, sizeof answer, 0);
      if (size > 0) return std::string(answer, static_cast<std::size_t>(size));
      if (size == 0) return "closed";
    }
    return "";
  }
  std::string rest() { return read_to(std::string("\0no such end\0", 13)); }

 private:
  base::UniqueFd socket_;
};

class GardenApi : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = TestGarden::obstacle();
    if (!obstacle.empty()) GTEST_FAIL() << obstacle;
    garden_ = std::make_unique<TestGarden>();
  }
  Wire connect() { return Wire(garden_->socket()); }
  static std::string request(const std::string& line, const std::string& body = "") {
    return line + " HTTP/1.1\r\nHost: api\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  // The whole answer to a request on a connection of its own.
  std::string ask(const std::string& line, const std::string& body = "") {
    Wire wire = connect();
    wire.send(line + " HTTP/1.1\r\nHost: api\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
    return wire.rest();
  }

  std::unique_ptr<TestGarden> garden_;
};

TEST_F(GardenApi, ADocumentThatTricklesEndsAtItsTime) {
  garden_.reset();
  garden_ = std::make_unique<TestGarden>(std::vector<std::string>{"--read-document-timeout=400ms"});
  for (const char* line : {"POST /containers", "POST /containers/c/processes", "PUT /containers/c/stop"}) {
    Wire wire = connect();
    wire.send(std::string(line) + " HTTP/1.1\r\nHost: api\r\nContent-Length: 4000\r\n\r\n");
    const std::string answer = wire.trickle(400, std::chrono::milliseconds(50));
    EXPECT_TRUE(answer == "closed" || answer.starts_with("HTTP/1.1 408 ")) << line << ": " << answer;
  }
}

TEST_F(GardenApi, HandlesHaveNoControlCharacters) {
  const std::string answer = ask("POST /containers", "{\"handle\":\"a\\u009b2Jb\"}");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_NE(answer.find("invalid handle: it has control characters"), std::string::npos) << answer;
}

TEST_F(GardenApi, AnswersAndErrorsHaveUpstreamsForm) {
  struct stat socket {};
  ASSERT_EQ(::stat(garden_->socket().c_str(), &socket), 0);
  EXPECT_EQ(socket.st_mode & 0777, 0777u);
  const std::string pong = ask("GET /ping");
  EXPECT_TRUE(pong.starts_with("HTTP/1.1 200 OK\r\n")) << pong;
  EXPECT_TRUE(pong.ends_with("\r\n\r\n{}\n")) << pong;
  EXPECT_NE(pong.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_TRUE(ask("GET /containers").ends_with("{\"Handles\":[]}\n"));
  const std::string unknown = ask("DELETE /containers/a%2Fb");
  EXPECT_TRUE(unknown.starts_with("HTTP/1.1 404 Not Found\r\n")) << unknown;
  EXPECT_TRUE(
      unknown.ends_with("{\"Type\":\"ContainerNotFoundError\",\"Message\":\"unknown handle: "
                        "a/b\",\"Handle\":\"a/b\",\"ProcessID\":\"\",\"Binary\":\"\"}\n"))
      << unknown;
  EXPECT_TRUE(ask("GET /nowhere").starts_with("HTTP/1.1 404 "));
  EXPECT_NE(ask("GET /nowhere").find("404 page not found"), std::string::npos);
  const std::string method = ask("POST /ping");
  EXPECT_TRUE(method.starts_with("HTTP/1.1 405 ")) << method;
  EXPECT_NE(method.find("Allow: GET"), std::string::npos);
}

TEST_F(GardenApi, MalformedRequestsGetAnErrorAndChangeNothing) {
  for (const std::string body :
       {"", "{", "[1,2", "{\"handle\":5}", "nonsense", "{\"limits\":{\"memory_limits\":{\"limit_in_bytes\":-1}}}"}) {
    const std::string answer = ask("POST /containers", body);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << body << answer;
    EXPECT_NE(answer.find("{\"Type\":\"\",\"Message\":\""), std::string::npos) << answer;
  }
  EXPECT_NE(ask("POST /containers").find("\"Message\":\"EOF\""), std::string::npos);
  EXPECT_TRUE(ask("GET /containers/bulk_info").starts_with("HTTP/1.1 500 "));
  EXPECT_TRUE(ask("GET /containers/bulk_info?handles=").ends_with("\r\n\r\n{}\n"));
  EXPECT_TRUE(ask("GET /containers/unknown/properties").ends_with("\r\n\r\nnull\n"));
  connect().send("POST /containers HTTP/1.1\r\nHost: api\r\nContent-Length: 100\r\n\r\n{\"han");
  EXPECT_TRUE(ask("POST /containers", "{\"handle\":\"fine\"} trailing").ends_with("{\"Handle\":\"fine\"}\n"));
}

TEST_F(GardenApi, AProcessStreamIsRawAfterItsHead) {
  garden_->create_named("c");
  Wire main = connect();
  main.send(request("POST /containers/c/processes",
                    R"({"id":"p","path":"sh","args":["-c","read a; echo $a; echo bad >&2; read b; exit 3"]})"));
  const std::string head = main.read_to("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 201 Created\r\n")) << head;
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(head.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Connection: close"), std::string::npos);
  EXPECT_EQ(head.find("Content-Length"), std::string::npos);
  EXPECT_EQ(main.read_to("\n"), "{\"process_id\":\"p\",\"stream_id\":\"1\"}\n");
  Wire output = connect(), error = connect();
  output.send("GET /containers/c/processes/p/attaches/1/stdout HTTP/1.1\r\nHost: api\r\n\r\n");
  error.send("GET /containers/c/processes/p/attaches/1/stderr HTTP/1.1\r\nHost: api\r\n\r\n");
  EXPECT_TRUE(output.read_to("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(error.read_to("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
  // Two values back to back, one of them in two pieces, with escapes.
  main.send(R"({"process_id":"p","source":0,"da)");
  main.send(R"(ta":"h\u00e9\ud83d\ude00\n"}{"process_id":"p","source":0,"data":"x\n"})");
  EXPECT_EQ(output.rest(), "h\xc3\xa9\xf0\x9f\x98\x80\n");
  EXPECT_EQ(error.rest(), "bad\n");
  EXPECT_EQ(main.rest(), "{\"process_id\":\"p\",\"exit_status\":3}\n");
}

TEST_F(GardenApi, OutputWaitsForAClientThatComesLate) {
  garden_->create_named("c");
  Wire main = connect();
  main.send(request("POST /containers/c/processes", R"({"path":"echo","args":["late"]})"));
  main.read_to("\r\n\r\n");
  EXPECT_NE(main.rest().find("\"exit_status\":0"), std::string::npos);
  Wire output = connect();
  output.send("GET /containers/c/processes/x/attaches/1/stdout HTTP/1.1\r\nHost: api\r\n\r\n");
  EXPECT_TRUE(output.rest().ends_with("\r\n\r\nlate\n"));
  Wire unknown = connect();
  unknown.send("GET /containers/c/processes/x/attaches/999/stdout HTTP/1.1\r\nHost: api\r\n\r\n");
  EXPECT_TRUE(unknown.rest().starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_F(GardenApi, ErrorsOfRunAndAttachAreOrdinaryAnswers) {
  garden_->create_named("c");
  Wire wire = connect();
  wire.send(request("GET /containers/c/processes/nobody"));
  const std::string head = wire.read_to("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 404 ")) << head;
  EXPECT_NE(head.find("Content-Length: "), std::string::npos);
  EXPECT_EQ(wire.read_to("\n"),
            "{\"Type\":\"ProcessNotFoundError\",\"Message\":\"unknown process: "
            "nobody\",\"Handle\":\"\",\"ProcessID\":\"nobody\",\"Binary\":\"\"}\n");
  wire.send(request("GET /ping"));  // the connection is still good
  EXPECT_TRUE(wire.read_to("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_F(GardenApi, ASlowReaderNeverHoldsUpTheProcess) {
  garden_->create_named("c");
  Wire main = connect();
  main.send(request("POST /containers/c/processes", R"({"path":"sh","args":["-c","seq 1 4000000; exit 6"]})"));
  main.read_to("\r\n\r\n");
  main.read_to("\n");
  Wire output = connect();
  output.send("GET /containers/c/processes/x/attaches/1/stdout HTTP/1.1\r\nHost: api\r\n\r\n");
  EXPECT_TRUE(main.rest().ends_with("\"exit_status\":6}\n"));  // 30 MB, of which nothing was read
  EXPECT_NE(output.rest().find("\r\n\r\n1\n2\n3\n"), std::string::npos);
}

}  // namespace
}  // namespace rivera::garden
