#include "cli/cfdot.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "base/work/wait.h"
#include "cli/command.h"
#include "cli/help.h"
#include "clients/rep_client.h"
#include "models/errors.h"
#include "net/grpc/grpc_log.h"

namespace rivera::cli {
namespace {

constexpr int kUsageStatus = 3;
constexpr int kServerStatus = 4;
constexpr int kClientStatus = 5;
constexpr int kOtherStatus = 255;

void print_out(const std::string& text) { fmt::print(stdout, "{}", text); }

int fail(int status, const std::string& message) {
  fmt::print(stderr, "Error: {}\n", message);
  return status;
}

std::string bbs_error(int type, const std::string& message) {
  const auto value = static_cast<models::Error::Type>(type);
  std::string name = models::Error::Type_Name(value);
  if (name.empty()) name = std::to_string(type);
  return fmt::format("BBS error\nType {}: {}\nMessage: {}", type, name, message);
}

std::string fresh_trace_id() {
  std::string id = base::new_guid();
  id.erase(std::remove(id.begin(), id.end(), '-'), id.end());
  return id;
}

clients::BbsClientOptions bbs_options(const Connection& connection) {
  clients::BbsClientOptions options;
  options.url = connection.bbs_url;
  options.tls = connection.tls;
  options.insecure = connection.skip_verification;
  options.request_timeout = connection.timeout;
  options.attempts = 1;
  return options;
}

clients::LocketClientOptions locket_options(const Connection& connection) {
  clients::LocketClientOptions options;
  options.address = connection.locket_address;
  options.tls = connection.tls;
  options.call_timeout = std::chrono::seconds(10);
  return options;
}

asio::awaitable<void> run_connected(const Command& command, Context& context) {
  std::optional<clients::BbsClient> bbs;
  std::optional<clients::LocketClient> locket;
  if (command.needs == Needs::kLocket) {
    locket.emplace(context.executor, locket_options(context.connection));
    context.locket = &*locket;
  } else {
    bbs.emplace(context.executor, bbs_options(context.connection));
    bbs->set_trace_id(context.trace_id);
    context.bbs = &*bbs;
  }
  co_await command.run(context);
}

// Runs it to its end; throws what it threw.
void execute(const Command& command, const Arguments& arguments, const Connection& connection) {
  asio::io_context io(1);
  Context context{
      .executor = io.get_executor(), .arguments = arguments, .connection = connection, .trace_id = fresh_trace_id()};
  std::exception_ptr failure;
  asio::co_spawn(io, run_connected(command, context), [&](std::exception_ptr e) {
    failure = e;
    io.stop();
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
}

// Upstream reports a failed call half a second late; scripts that retry rely on that pause.
void pause_before_report() { std::this_thread::sleep_for(std::chrono::milliseconds(500)); }

int report_failure() {
  pause_before_report();
  try {
    throw;
  } catch (const models::ModelError& e) {
    return fail(kServerStatus, bbs_error(e.type(), e.message()));
  } catch (const base::DeadlineExceeded&) {
    return fail(kServerStatus, bbs_error(models::Error::Timeout,
                                         "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"));
  } catch (const clients::LocketError& e) {
    return fail(kServerStatus, e.is_transport() ? "context deadline exceeded" : e.what());
  } catch (const clients::RepStatusError& e) {
    return fail(kServerStatus, e.what());
  } catch (const CommandError& e) {
    return fail(e.status, e.what());
  } catch (const net::TransportError& e) {
    const std::string message = e.what();
    // An answer came, but not from a BBS that works.
    const bool answered = message.starts_with("Invalid Response") || message.starts_with("the BBS refused");
    if (answered) return fail(kServerStatus, bbs_error(models::Error::InvalidResponse, message));
    return fail(kClientStatus, message);
  } catch (const std::exception& e) {
    return fail(kClientStatus, e.what());
  }
}

int run_command(const Command& command, const std::vector<std::string>& words) {
  std::optional<Arguments> arguments;
  Connection connection;
  try {
    arguments = Arguments::parse(words, command.all_flags());
    if (arguments->boolean("help")) {
      print_out(command_help(command));
      return 0;
    }
    connection = command.needs == Needs::kLocket ? locket_connection(*arguments)
                                                 : bbs_connection(*arguments, command.needs == Needs::kBbs);
    if (command.check != nullptr) {
      command.check(*arguments);
    } else {
      check_count(*arguments, 0);
    }
  } catch (const UsageError& e) {
    fail(e.status, e.what());
    fmt::print(stderr, "{}\n", command_usage(command));
    return e.status;
  }
  try {
    execute(command, *arguments, connection);
    return 0;
  } catch (...) {
    return report_failure();
  }
}

int run_help(const std::vector<std::string>& words) {
  if (words.empty()) {
    print_out("Get help on [command]\n\nUsage:\n  cfdot help [command] [flags]\n");
    return 0;
  }
  if (const Command* command = find_command(words[0])) {
    print_out(command_help(*command));
    return 0;
  }
  const int status = fail(kUsageStatus, fmt::format("'{}' is not a valid command", words[0]));
  fmt::print(stderr, "Usage:\n  cfdot help [command] [flags]\n");
  return status;
}

}  // namespace

int run_cfdot(const std::vector<std::string>& words) {
  net::log_grpc(base::Logger::discard());  // how a call failed is what is printed
  const std::size_t place = find_command(words);
  if (place == words.size()) {
    print_out(general_help());
    return 0;
  }
  const std::string& name = words[place];
  std::vector<std::string> rest = words;
  rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(place));
  if (name == "help") return run_help(rest);
  const Command* command = find_command(name);
  if (command == nullptr) {
    fail(kOtherStatus, fmt::format("unknown command \"{}\" for \"cfdot\"", name));
    fmt::print(stderr, "Run 'cfdot --help' for usage.\n");
    return kOtherStatus;
  }
  return run_command(*command, rest);
}

}  // namespace rivera::cli
