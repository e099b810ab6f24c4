// Runs commands of nftables' language.
#pragma once

#include <memory>
#include <string>

namespace rivera::garden {

// Each call is one transaction: all of it has effect, or nothing. Blocking, for one thread at a time.
class Nftables {
 public:
  Nftables();
  ~Nftables();
  // Returns what "list" commands print. Throws std::runtime_error with nftables' own message.
  std::string run(const std::string& commands);

  // The name that the calling thread has during run(), at most 15 characters. The kernel reports it to those who watch
  // the tables (FirewallWatch); no other process has it, as far as processes see each other.
  static std::string thread_name();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace rivera::garden
