// What is fuzzed: every reader of bytes that others send or store. Each target takes any bytes, lets its code refuse
// them in the way it promises (its own exception types), and aborts where a promise is broken.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace rivera::fuzz {

using Target = void (*)(std::string_view bytes);

// A request of the BBS: its first byte picks the call; the rest is decoded, validated and carried out on a Board with
// records, as the API does it. Accepted changes must fit their columns or be refused, and encode and decode to
// themselves.
void bbs_requests(std::string_view bytes);
// A Lock, Fetch or FetchAll request of Locket: decoded and validated.
void locket_requests(std::string_view bytes);
// JSON of the auction, the cells and the operator's tool; what is accepted must survive being printed and read again.
void json_documents(std::string_view bytes);
// Columns of the BBS's tables, sealed and plain.
void columns(std::string_view bytes);
// Event streams, NATS, HTTP/1 heads and bodies: cut into pieces at every place that the first byte picks, with the same
// result.
void streams(std::string_view bytes);
// Archives that a cell downloads: tar, gzipped tar and zip, unpacked into a directory that nothing may leave; the first
// file of a stream.
void archives(std::string_view bytes);
// Tar streams into a container and out of it, and the container's file of users.
void tar_streams(std::string_view bytes);
// Layers of images, unpacked over one another.
void layers(std::string_view bytes);
// What registries answer: manifests, indexes, configurations, challenges, tokens; names of images and URLs.
void registry_documents(std::string_view bytes);
// Bodies of Garden's API, rules of its firewall, users of containers, and frames between Garden and its shims.
void garden_messages(std::string_view bytes);
// Registrations on the message bus, and documents of routes.
void route_messages(std::string_view bytes);
// Heads of requests and responses as the router passes them on, cookies, trailers, lines of the access log; paths,
// conditions and ranges of the file server.
void http_heads(std::string_view bytes);

// What mutation starts from: everything recorded in tests/golden that is of use to the target. Throws
// std::invalid_argument if there is no target of that name.
std::vector<std::string> corpus_of(std::string_view target);

// Says what broke and aborts: libFuzzer then keeps the input.
[[noreturn]] void broken(std::string_view promise);

// Called by broken() before it aborts. Null: nothing.
void before_abort(void (*act)() noexcept);

// The result of `work`, which may not refuse: it reads what our own code wrote.
template <typename Work>
auto must_accept(std::string_view promise, Work work) {
  try {
    return work();
  } catch (const std::exception& e) {
    broken(std::string(promise) + ", but: " + e.what());
  }
}

}  // namespace rivera::fuzz
