#include "healthcheck/options.h"

#include <string_view>

#include "base/duration.h"

namespace healthcheck {
namespace {

nanoseconds duration(const std::string& name, const std::string& value) {
  try {
    return rivera::base::parse_go_duration(value);
  } catch (const std::invalid_argument&) {
    throw UsageError("invalid value \"" + value + "\" for flag -" + name + ": parse error");
  }
}

void set(Options& options, const std::string& name, const std::string& value) {
  if (name == "network") {
    options.network = value;
  } else if (name == "uri") {
    options.uri = value;
  } else if (name == "port") {
    options.port = value;
  } else if (name == "timeout") {
    options.timeout = duration(name, value);
  } else if (name == "startup-interval") {
    options.startup_interval = duration(name, value);
  } else if (name == "startup-timeout") {
    options.startup_timeout = duration(name, value);
  } else if (name == "liveness-interval") {
    options.liveness_interval = duration(name, value);
  } else if (name == "readiness-interval") {
    options.readiness_interval = duration(name, value);
  } else if (name == "until-ready-interval") {
    options.until_ready_interval = duration(name, value);
  } else {
    throw UsageError("flag provided but not defined: -" + name);
  }
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--" || argument.size() < 2 || argument[0] != '-') break;  // as Go: the rest is not ours
    argument.remove_prefix(argument.starts_with("--") ? 2 : 1);
    const auto equals = argument.find('=');
    const std::string name(argument.substr(0, equals));
    if (equals != std::string_view::npos) {
      set(options, name, std::string(argument.substr(equals + 1)));
    } else if (i + 1 < argc) {
      set(options, name, argv[++i]);
    } else {
      throw UsageError("flag needs an argument: -" + name);
    }
  }
  return options;
}

std::string usage() {
  return "Usage of healthcheck:\n"
         "  -network string              dial network (default \"tcp\")\n"
         "  -uri string                  path of an HTTP check; empty: a TCP check\n"
         "  -port string                 port to check (default \"8080\")\n"
         "  -timeout duration            limit of one attempt (default 1s)\n"
         "  -startup-interval duration   check at this interval until it succeeds\n"
         "  -startup-timeout duration    give up after that; 0: never (default 1m0s)\n"
         "  -liveness-interval duration  check at this interval until it fails\n"
         "  -readiness-interval duration check at this interval until it fails\n"
         "  -until-ready-interval duration  check at this interval until it succeeds, without limit\n";
}

}  // namespace healthcheck
