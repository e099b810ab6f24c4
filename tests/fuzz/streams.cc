#include <algorithm>
#include <array>

#include "net/http/sse.h"
#include "net/http1/http1.h"
#include "net/nats/nats_protocol.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

// Gives `bytes` in pieces of at most `size`.
template <typename Take>
void in_pieces(std::string_view bytes, std::size_t size, Take take) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) take(bytes.substr(0, size));
}

std::string sse(std::string_view bytes, std::size_t piece) {
  net::SseParser parser;
  std::string seen;
  in_pieces(bytes, piece, [&](std::string_view part) {
    parser.feed(part);
    while (const auto event = parser.next()) seen += event->id + "|" + event->name + "|" + event->data + "\n";
  });
  return seen;
}

std::string nats(std::string_view bytes, std::size_t piece) {
  net::NatsParser parser(1u << 16);
  std::string seen;
  try {
    in_pieces(bytes, piece, [&](std::string_view part) {
      parser.feed(part);
      while (const auto frame = parser.next()) {
        seen += std::to_string(static_cast<int>(frame->kind)) + "|" + std::string(frame->text) + "|" +
                std::string(frame->subject) + "|" + std::string(frame->reply) + "|" + std::string(frame->payload) +
                "\n";
      }
    });
  } catch (const net::NatsProtocolError&) {
    seen += "error";
  }
  return seen;
}

// The body after a request's head, and where it ends.
std::string http_request(std::string_view bytes, std::size_t piece) {
  std::string seen;
  try {
    const auto length = net::http1_head_length(bytes);
    if (!length) return "no head";
    net::Http1Request request;
    net::parse_http1_request(bytes.substr(0, *length), request);
    seen = std::string(request.method) + "|" + std::string(request.path()) + "|" + std::string(request.host());
    net::Http1BodyDecoder decoder(net::framing_of(request));
    std::string pending;
    in_pieces(bytes.substr(*length), piece, [&](std::string_view part) {
      while (!part.empty() && !decoder.complete()) {
        const std::size_t before = part.size();
        const std::string_view data = decoder.next(part);
        seen += data;
        if (data.empty() && part.size() == before && !decoder.complete()) broken("a decoder uses what it is given");
      }
    });
    seen += decoder.complete() ? "|complete" : "|cut short";
  } catch (const net::Http1Error& e) {
    if (e.status < 400) broken("a bad message has an error status");
    return "error";  // how much of the body was seen before depends on the pieces
  }
  return seen;
}

std::string http_response(std::string_view bytes, std::size_t) {
  try {
    const auto length = net::http1_head_length(bytes);
    if (!length) return "no head";
    net::Http1Response response;
    net::parse_http1_response(bytes.substr(0, *length), response);
    net::framing_of(response, false);
    return std::to_string(response.status);
  } catch (const net::Http1Error&) {
    return "error";
  }
}

constexpr std::array kStreams = {&sse, &nats, &http_request, &http_response};

}  // namespace

void streams(std::string_view bytes) {
  if (bytes.size() < 2) return;
  const auto run = kStreams[static_cast<unsigned char>(bytes[0]) % kStreams.size()];
  const std::size_t piece = static_cast<unsigned char>(bytes[1]) % 64 + 1;
  bytes.remove_prefix(2);
  if (run(bytes, piece) != run(bytes, bytes.size() + 1)) broken("pieces make no difference");
}

}  // namespace rivera::fuzz
