// cfdot's commands about Locket's locks and presences.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "cli/command.h"

namespace rivera::cli {
namespace {

namespace json = boost::json;
using clients::LocketResource;
using clients::LocketType;

const Flag kKey{"key", 'k', FlagType::kText, "the key of the lock or presence"};
const Flag kOwner{"owner", 'o', FlagType::kText, "the owner of the lock or presence"};
const Flag kValue{"value", 'v', FlagType::kText, "the value of the lock or presence"};
const Flag kTtl{"ttl", 't', FlagType::kInteger, "the TTL in seconds"};

void check_release(const Arguments& arguments) {
  check_count(arguments, 0);
  if (arguments.text("key").empty()) throw UsageError("key cannot be empty");
  if (arguments.text("owner").empty()) throw UsageError("owner cannot be empty");
}

void check_claim(const Arguments& arguments) {
  check_release(arguments);
  if (arguments.integer("ttl") <= 0) throw UsageError("ttl should be an integer greater than zero");
}

std::string as_json(const LocketResource& resource) {
  json::object out{{"key", resource.key}, {"owner", resource.owner}};
  if (!resource.value.empty()) out["value"] = resource.value;
  if (!resource.type_name.empty()) out["type"] = resource.type_name;
  out["type_code"] = static_cast<int>(resource.type);
  return json::serialize(out);
}

asio::awaitable<void> print_all(Context& c, LocketType type) {
  const auto resources = co_await c.locket->fetch_all(type);
  for (const LocketResource& resource : resources) c.print(as_json(resource));
}

LocketResource resource_of(const Arguments& arguments, LocketType type) {
  return {.key = arguments.text("key"),
          .owner = arguments.text("owner"),
          .value = arguments.text("value"),
          .type = type,
          .type_name = ""};
}

asio::awaitable<void> claim(Context& c, LocketType type) {
  co_await c.locket->lock(resource_of(c.arguments, type), std::chrono::seconds(c.arguments.integer("ttl")));
}

asio::awaitable<void> release(Context& c, LocketType type) {
  co_await c.locket->release(resource_of(c.arguments, type));
}

asio::awaitable<void> locks(Context& c) { co_await print_all(c, LocketType::kLock); }
asio::awaitable<void> presences(Context& c) { co_await print_all(c, LocketType::kPresence); }
asio::awaitable<void> claim_lock(Context& c) { co_await claim(c, LocketType::kLock); }
asio::awaitable<void> claim_presence(Context& c) { co_await claim(c, LocketType::kPresence); }
asio::awaitable<void> release_lock(Context& c) { co_await release(c, LocketType::kLock); }

}  // namespace

std::vector<Command> locket_commands() {
  return {
      {"locks", "List Locket locks", Needs::kLocket, {}, nullptr, locks},
      {"presences", "List Locket presences", Needs::kLocket, {}, nullptr, presences},
      {"claim-lock", "Claim Locket lock", Needs::kLocket, {kKey, kOwner, kValue, kTtl}, check_claim, claim_lock},
      {"claim-presence",
       "Claim Locket presence",
       Needs::kLocket,
       {kKey, kOwner, kValue, kTtl},
       check_claim,
       claim_presence},
      {"release-lock", "Release Locket lock", Needs::kLocket, {kKey, kOwner}, check_release, release_lock},
  };
}

}  // namespace rivera::cli
