#include "garden/plugins/network_plugin.h"

#include <system_error>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/process/subprocess.h"
#include "clients/garden/garden_types.h"
#include "garden/plugins/plugin_environment.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace json = boost::json;

namespace {

constexpr std::size_t kLogged = 4096;  // characters of its error output in the log

// As Go gives it.
std::string describe(const base::CommandResult& result) {
  if (result.timed_out) return "killed after two minutes";
  return fmt::format("exit status {}", result.exit_status);
}

}  // namespace

NetworkPlugin::NetworkPlugin(std::string program, std::vector<std::string> extra_arguments, base::Logger logger)
    : program_(std::move(program)), extra_arguments_(std::move(extra_arguments)), logger_(std::move(logger)) {}

json::value NetworkPlugin::run(const std::string& action, const std::string& handle, const json::value& input) const {
  std::vector<std::string> argv{program_};
  argv.insert(argv.end(), extra_arguments_.begin(), extra_arguments_.end());
  argv.insert(argv.end(), {"--action", action, "--handle", handle});
  base::CommandOptions options;
  options.inherited = plugin_variables();
  options.input = json::serialize(input);
  options.timeout = std::chrono::minutes(2);
  base::CommandResult result;
  try {
    result = base::run_command(argv, options);
  } catch (const std::system_error& e) {
    throw api::GardenError("external networker encountered an error running '" + action + "' action: " + e.what());
  }
  if (!result.error.empty()) {
    logger_.info("external-networker-result",
                 {{"action", action}, {"handle", handle}, {"stderr", result.error.substr(0, kLogged)}});
  }
  if (!result.ok()) {
    throw api::GardenError("external networker encountered an error running '" + action +
                           "' action: " + describe(result));
  }
  if (result.output.empty()) return nullptr;
  boost::system::error_code ec;
  json::value answer = json::parse(result.output, ec);
  if (ec) throw api::GardenError("unmarshaling result from external networker: " + ec.message());
  return answer;
}

}  // namespace rivera::garden
