#include "base/config/command_line.h"

#include <cctype>
#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>

namespace rivera::base {

std::vector<std::string> go_style_arguments(int argc, const char* const* argv) {
  std::vector<std::string> out;
  bool plain = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--") plain = true;
    const bool long_with_one_dash = argument.size() > 2 && argument[0] == '-' && argument[1] != '-' &&
                                    std::isalpha(static_cast<unsigned char>(argument[1])) && argument[2] != '=';
    if (!plain && long_with_one_dash) argument.insert(0, "-");
    out.push_back(std::move(argument));
  }
  return out;
}

ServerArguments parse_server_arguments(const std::string& name, const std::string& summary, int argc,
                                       const char* const* argv, const std::string& config_flags,
                                       const std::vector<ServerOption>& more) {
  ServerArguments arguments;
  CLI::App app(summary, name);
  app.add_option(config_flags, arguments.config_path, "the configuration file")->required();
  app.add_flag("--check-config", arguments.check_config, "validate the configuration file and exit");
  for (const ServerOption& option : more) {
    if (auto* const* value = std::get_if<std::string*>(&option.target)) {
      app.add_option(option.flag, **value, option.help);
    } else {
      app.add_flag(option.flag, *std::get<bool*>(option.target), option.help);
    }
  }
  app.set_version_flag("--version", std::string("rivera ") + name);
  auto texts = go_style_arguments(argc, argv);
  std::vector<std::string> reversed(texts.rbegin(), texts.rend());  // the order CLI11 takes a vector in
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& e) {
    const int status = app.exit(e, std::cout, std::cerr);
    std::exit(status == 0 ? 0 : 2);
  }
  return arguments;
}

}  // namespace rivera::base
