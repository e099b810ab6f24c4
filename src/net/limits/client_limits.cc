#include "net/limits/client_limits.h"

namespace rivera::net {

base::ConfigKey client_limits_key(const ClientLimits& defaults) {
  const auto limit = [](const char* name, std::chrono::nanoseconds fallback) {
    return base::duration_key(name, fallback).positive();
  };
  return base::section_key("client_limits",
                           {limit("handshake_timeout", defaults.handshake), limit("head_timeout", defaults.head),
                            limit("body_timeout", defaults.body), limit("transfer_timeout", defaults.transfer),
                            limit("write_timeout", defaults.write), limit("idle_timeout", defaults.idle)});
}

ClientLimits read_client_limits(const base::ConfigFile& file) {
  const base::ConfigFile limits = file.section("client_limits");
  return {.handshake = limits.duration("handshake_timeout"),
          .head = limits.duration("head_timeout"),
          .body = limits.duration("body_timeout"),
          .transfer = limits.duration("transfer_timeout"),
          .write = limits.duration("write_timeout"),
          .idle = limits.duration("idle_timeout")};
}

}  // namespace rivera::net
