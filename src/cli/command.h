// A sub-command of cfdot as data: its flags, its rules and what it does.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/asio.h"
#include "cli/arguments.h"
#include "cli/connection.h"
#include "clients/bbs_client.h"
#include "clients/locket/locket_client.h"

namespace rivera::cli {

// The work failed in a way that is no usage error. `status` is the exit status; the message is printed after "Error: ".
class CommandError : public std::runtime_error {
 public:
  CommandError(const std::string& message, int exit_status) : std::runtime_error(message), status(exit_status) {}
  int status;
};

// What a running command works with.
struct Context {
  asio::any_io_executor executor;
  const Arguments& arguments;
  const Connection& connection;
  std::string trace_id;
  clients::BbsClient* bbs = nullptr;        // for commands that need the BBS
  clients::LocketClient* locket = nullptr;  // for commands that need Locket

  // One line on standard output, written at once.
  void print(std::string_view line) const;
};

enum class Needs { kBbs, kBbsStream, kLocket };

struct Command {
  std::string usage;    // "desired-lrp PROCESS_GUID"; the first word is the name
  std::string summary;  // one line
  Needs needs = Needs::kBbs;
  std::vector<Flag> flags;  // its own, without those of the connection
  // Checks arguments before anything is connected; throws UsageError. Null: no arguments are allowed.
  void (*check)(const Arguments&) = nullptr;
  asio::awaitable<void> (*run)(Context&) = nullptr;

  std::string name() const { return usage.substr(0, usage.find(' ')); }
  std::vector<Flag> all_flags() const;
};

// Sorted by name.
const std::vector<Command>& all_commands();
const Command* find_command(std::string_view name);

// The groups all_commands() consists of.
std::vector<Command> lrp_commands();
std::vector<Command> task_commands();
std::vector<Command> cell_commands();
std::vector<Command> event_commands();
std::vector<Command> locket_commands();

// Rules that several commands share; each throws UsageError.
void check_count(const Arguments& arguments, std::size_t count);
void check_process_guid(const Arguments& arguments);                    // one non-empty argument
void check_one_spelling(const Arguments& arguments, const Flag& flag);  // not both -d and --domain
// SPEC or @FILE: the text. Throws UsageError if the file cannot be read.
std::string read_spec(const std::string& argument);

}  // namespace rivera::cli
