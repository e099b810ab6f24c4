#include <algorithm>
#include <array>
#include <optional>

#include "net/http1/http1_body.h"
#include "net/nats/nats_protocol.h"
#include "net/sse/sse.h"
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

// The bytes of one message as a reader sees them that gets `piece` at a time: its head, then its body.
template <typename TakeHead>
std::string http_message(std::string_view bytes, std::size_t piece, TakeHead take_head) {
  std::string seen, received;
  std::optional<net::Http1BodyDecoder> body;
  try {
    in_pieces(bytes, piece, [&](std::string_view part) {
      if (!body) {
        const std::size_t searched = received.size();
        received += part;
        const auto length = net::http1_head_length(received, searched);
        if (!length) return;
        body.emplace(take_head(std::string_view(received).substr(0, *length), seen));
        part = part.substr(part.size() - (received.size() - *length));
      }
      while (!part.empty() && !body->complete()) {
        const std::size_t before = part.size();
        const std::string_view data = body->next(part);
        seen += data;
        if (data.empty() && part.size() == before && !body->complete()) broken("a decoder uses what it is given");
      }
      if (body->complete()) seen += part;  // of the next message
    });
  } catch (const net::Http1Error& e) {
    if (e.status < 400) broken("a bad message has an error status");
    return "error";  // how much of the body was seen before depends on the pieces
  }
  if (!body) return "no head";
  if (body->trailers().size() > bytes.size()) broken("trailers come out of the message");
  return seen + "|" + body->trailers() + (body->complete() ? "|complete" : "|cut short");
}

std::string http_request(std::string_view bytes, std::size_t piece) {
  return http_message(bytes, piece, [](std::string_view head, std::string& seen) {
    net::Http1Request request;
    net::parse_http1_request(head, request);
    seen.append(request.method).append("|").append(request.path()).append("|").append(request.host());
    for (const auto& field : request.fields) seen.append("|").append(field.name).append(":").append(field.value);
    return net::Http1BodyDecoder(net::framing_of(request));
  });
}

std::string http_response(std::string_view bytes, std::size_t piece) {
  return http_message(bytes, piece, [](std::string_view head, std::string& seen) {
    net::Http1Response response;
    net::parse_http1_response(head, response);
    seen = std::to_string(response.status).append(response.reason);
    for (const auto& field : response.fields) seen.append("|").append(field.name).append(":").append(field.value);
    return net::Http1BodyDecoder(net::framing_of(response, false));
  });
}

// A chunked body alone: what comes out is never more than what went in.
std::string http_chunks(std::string_view bytes, std::size_t piece) {
  net::Http1BodyDecoder body(net::Http1Framing{net::Http1Framing::Kind::kChunked, 0});
  std::string seen;
  try {
    in_pieces(bytes, piece, [&](std::string_view part) {
      while (!part.empty() && !body.complete()) seen += body.next(part);
      if (body.complete()) seen += part;
    });
  } catch (const net::Http1Error&) {
    return "error";
  }
  if (seen.size() > bytes.size()) broken("a body is no longer than its bytes");
  return seen + "|" + body.trailers() + (body.complete() ? "|complete" : "|cut short");
}

constexpr std::array kStreams = {&sse, &nats, &http_request, &http_response, &http_chunks};

}  // namespace

void streams(std::string_view bytes) {
  if (bytes.size() < 2) return;
  const auto run = kStreams[static_cast<unsigned char>(bytes[0]) % kStreams.size()];
  const std::size_t piece = static_cast<unsigned char>(bytes[1]) % 64 + 1;
  bytes.remove_prefix(2);
  if (run(bytes, piece) != run(bytes, bytes.size() + 1)) broken("pieces make no difference");
}

}  // namespace rivera::fuzz
