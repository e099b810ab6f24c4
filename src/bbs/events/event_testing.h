// Event streams for tests: events of every kind, and a client on a plain socket.
#pragma once

#include <arpa/inet.h>
#include <cerrno>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/units.h"
#include "bbs/events/event.h"
#include "models/testing/testing.h"
#include "net/http1/http1_body.h"
#include "net/sse/sse.h"

namespace rivera::bbs {

inline constexpr auto kOrdinary = models::ActualLRP::ORDINARY;
inline constexpr auto kSuspect = models::ActualLRP::SUSPECT;
inline constexpr auto kEvacuating = models::ActualLRP::EVACUATING;

inline const std::string kInstanceStream = "/v1/events/lrp_instances.r1";
inline const std::string kTaskStream = "/v1/events/tasks.r1";

inline ActualLRPPtr record(models::ActualLRP lrp) { return make_actual_lrp(std::move(lrp)); }

inline Event instance_event(ActualLRPPtr before, ActualLRPPtr after, std::string trace_id = "") {
  return {Hub::kInstance, InstanceEvent{std::move(before), std::move(after), std::move(trace_id)}};
}
inline Event group_event(Group before, Group after) {
  return {Hub::kGroup, GroupEvent{std::move(before), std::move(after)}};
}
inline Event crash_event(Hub hub, ActualLRPPtr before, ActualLRPPtr after) {
  return {hub, CrashEvent{std::move(before), std::move(after)}};
}
inline Event created_on(const std::string& cell, int index = 0) {
  return instance_event(nullptr, record(models::testing::an_actual_lrp("p", index).running_on(cell, "i")));
}
inline Event desired_created(const std::string& guid = "p") {
  return {Hub::kDesired, DesiredLRPEvent{nullptr, make_desired_lrp(models::testing::a_desired_lrp(guid), 0), ""}};
}
inline Event task_created(const std::string& guid = "t") {
  return {Hub::kTask, TaskEvent{nullptr, make_task(models::testing::a_task(guid))}};
}

// One stream over plain TCP, read when the test asks for it.
class StreamClient {
 public:
  static constexpr int kTestTimeoutSeconds = 60;

  // Sends the request; head() waits for the answer. A small `receive_buffer` makes a slow reader.
  StreamClient(const std::string& address, const std::string& method, const std::string& path, const std::string& body,
               const std::string& last_event_id = "", int receive_buffer = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{kTestTimeoutSeconds, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (receive_buffer > 0) setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("connect");
    send_bytes(fmt::format("{} {} HTTP/1.1\r\nHost: test\r\nLast-Event-ID: {}\r\nContent-Length: {}\r\n\r\n{}", method,
                           path, last_event_id, body.size(), body));
  }
  ~StreamClient() { close(); }
  StreamClient(const StreamClient&) = delete;
  StreamClient& operator=(const StreamClient&) = delete;

  void send_bytes(const std::string& bytes) {
    if (send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) fail("send");
  }

  // The response's head, "HTTP/1.1 200 OK\r\n...".
  const std::string& head() {
    while (head_.empty()) {
      const auto length = net::http1_head_length(raw_);
      if (!length) {
        if (!receive()) throw std::runtime_error("closed before a whole head had come");
        continue;
      }
      head_ = raw_.substr(0, *length);
      raw_.erase(0, *length);
      net::Http1Response response;
      net::parse_http1_response(head_, response);
      status_ = response.status;
      body_ = net::Http1BodyDecoder(net::framing_of(response, false));
    }
    return head_;
  }
  int status() {
    head();
    return status_;
  }

  // The next event; nullopt if the stream ended cleanly. Throws if the connection broke.
  std::optional<net::ServerSentEvent> next() {
    head();
    for (;;) {
      if (auto event = parser_.next()) return event;
      std::string_view bytes = raw_;
      const std::string_view piece = body_.next(bytes);
      parser_.feed(piece);
      const bool progress = !piece.empty() || bytes.size() != raw_.size();
      raw_.erase(0, raw_.size() - bytes.size());
      if (progress) continue;
      if (body_.complete()) return std::nullopt;
      if (!receive()) throw std::runtime_error("the stream broke");
    }
  }

  // True if nothing follows the last event except perhaps the end of its chunk. Never waits.
  bool is_silent() {
    char byte = 0;
    const bool is_nothing_left = raw_.find_first_not_of("\r\n") == std::string::npos;
    return is_nothing_left && recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }
  // After the end: whether the server has closed the connection, too.
  bool is_closed_by_server() { return raw_.empty() && !receive(); }
  // Reads and discards until the connection closes; returns whether the data ended with `ending`.
  bool drains_to(const std::string& ending) {
    try {
      while (receive()) {
        if (raw_.size() > ending.size()) raw_.erase(0, raw_.size() - ending.size());
      }
    } catch (const std::system_error&) {
      return false;
    }
    return raw_ == ending;
  }

  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  [[noreturn]] static void fail(const char* doing) { throw std::system_error(errno, std::generic_category(), doing); }

  // False at the end of the connection.
  bool receive() {
    char buffer[16 * base::kKibibyte];
    const ssize_t n = recv(socket_, buffer, sizeof buffer, 0);
    if (n < 0) fail("recv");
    raw_.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }

  int socket_;
  int status_ = 0;
  std::string raw_, head_;
  net::Http1BodyDecoder body_;
  net::SseParser parser_;
};

// The message in an event's data.
template <typename Message>
Message message_in(const net::ServerSentEvent& event) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(base::from_base64(event.data))) << event.name;
  return message;
}

}  // namespace rivera::bbs
