#include "base/config/command_line.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace rivera::base {
namespace {

namespace json = boost::json;

const ConfigKey* find_flag(const ConfigKeys& flags, std::string_view name) {
  const auto found = std::ranges::find_if(flags, [&](const ConfigKey& key) { return key.name == name; });
  return found == flags.end() ? nullptr : &*found;
}

bool looks_like_flag(std::string_view argument) { return argument.size() > 1 && argument[0] == '-'; }

// Walks over the arguments; one object for one command line.
class CommandLineParser {
 public:
  CommandLineParser(const std::vector<std::string>& arguments, const ConfigKeys& flags, FlagDialect dialect)
      : arguments_(arguments), flags_(flags), dialect_(dialect) {}

  CommandLine parse() {
    while (next_ < arguments_.size()) {
      const std::string& argument = arguments_[next_++];
      if (argument == "--") {
        out_.positional.insert(out_.positional.end(), arguments_.begin() + static_cast<std::ptrdiff_t>(next_),
                               arguments_.end());
        break;
      }
      if (looks_like_flag(argument)) {
        take_flag(argument);
      } else {
        out_.positional.push_back(argument);
      }
    }
    return std::move(out_);
  }

 private:
  void take_flag(const std::string& argument) {
    const std::size_t start = argument[1] == '-' ? 2 : 1;
    const auto equals = argument.find('=', start);
    const std::string name = argument.substr(start, equals == std::string::npos ? equals : equals - start);
    const ConfigKey* flag = find_flag(flags_, name);
    if (flag == nullptr) throw CommandLineError("flag provided but not defined: " + argument.substr(0, start) + name);
    if (equals != std::string::npos) return set(*flag, argument.substr(equals + 1));
    if (flag->type == KeyType::kFlag) return set(*flag, "true");
    const bool is_there =
        next_ < arguments_.size() && !(dialect_ == FlagDialect::kGoFlags && looks_like_flag(arguments_[next_]));
    if (!is_there) throw CommandLineError("flag needs an argument: " + argument);
    set(*flag, arguments_[next_++]);
  }

  void set(const ConfigKey& flag, std::string value) {
    if (dialect_ == FlagDialect::kGoFlags) value = unquoted(value);
    if (flag.type != KeyType::kTexts) {
      out_.values[flag.name] = value;
      return;
    }
    json::value& list = out_.values[flag.name];
    if (!list.is_array()) list.emplace_array();
    list.get_array().emplace_back(value);
  }

  const std::vector<std::string>& arguments_;
  const ConfigKeys& flags_;
  const FlagDialect dialect_;
  std::size_t next_ = 0;
  CommandLine out_;
};

[[noreturn]] void exit_with_usage(const std::string& name, const std::string& problem, const ConfigKeys& flags) {
  std::cerr << problem << "\nUsage of " << name << ":\n" << flag_help(flags);
  std::exit(2);
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments, const ConfigKeys& flags,
                               FlagDialect dialect) {
  return CommandLineParser(arguments, flags, dialect).parse();
}

std::string flag_help(const ConfigKeys& flags) {
  std::size_t width = 0;
  for (const ConfigKey& flag : flags) {
    if (!flag.help.empty()) width = std::max(width, flag.name.size());
  }
  std::string out;
  for (const ConfigKey& flag : flags) {
    if (!flag.help.empty()) out += fmt::format("  --{:{}}  {}\n", flag.name, width, flag.help);
  }
  return out;
}

std::string unquoted(const std::string& text) {
  if (text.size() < 2 || !text.starts_with('"') || !text.ends_with('"')) return text;
  json::error_code ec;
  const json::value value = json::parse(text, ec);  // JSON's escapes are among Go's
  return ec || !value.is_string() ? text : std::string(value.get_string());
}

std::vector<std::string> arguments_for_cli11(int argc, const char* const* argv) {
  std::vector<std::string> out;
  bool plain = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    plain = plain || argument == "--";
    const bool has_empty_value =
        !plain && looks_like_flag(argument) && argument.ends_with('=') && argument.find('=') == argument.size() - 1;
    if (has_empty_value) argument.pop_back();
    out.push_back(std::move(argument));
    if (has_empty_value) out.emplace_back();
  }
  std::ranges::reverse(out);
  return out;
}

ServerArguments parse_server_arguments(const std::string& name, const std::string& summary, int argc,
                                       const char* const* argv, const std::string& config_flag,
                                       const std::vector<ServerOption>& more) {
  ConfigKeys flags = {text_key(config_flag).described("the configuration file"),
                      flag_key("check-config").described("validate the configuration file and exit"),
                      flag_key("version").described("print what this is and exit"),
                      flag_key("help").described("print this text and exit"), flag_key("h")};
  if (config_flag != "config") flags.push_back(text_key("config"));
  for (const ServerOption& option : more) {
    const bool has_value = std::holds_alternative<std::string*>(option.target);
    flags.push_back((has_value ? text_key(option.flag) : flag_key(option.flag)).described(option.help));
  }
  try {
    const CommandLine line =
        parse_command_line(std::vector<std::string>(argv + 1, argv + argc), flags, FlagDialect::kGo);
    if (!line.positional.empty()) exit_with_usage(name, "unexpected argument: " + line.positional[0], flags);
    const ConfigFile given(name, line.values, flags, ConfigSource::kFlags);
    if (given.flag("help") || given.flag("h")) {
      std::cout << summary << "\nUsage of " << name << ":\n" << flag_help(flags);
      std::exit(0);
    }
    if (given.flag("version")) {
      std::cout << "rivera " << name << "\n";
      std::exit(0);
    }
    for (const ServerOption& option : more) {
      if (!given.has(option.flag)) continue;
      if (auto* const* text = std::get_if<std::string*>(&option.target)) {
        **text = given.text(option.flag);
      } else {
        *std::get<bool*>(option.target) = given.flag(option.flag);
      }
    }
    return {given.text(given.has(config_flag) ? config_flag : "config"), given.flag("check-config")};
  } catch (const CommandLineError& e) {
    exit_with_usage(name, e.what(), flags);
  } catch (const ConfigError& e) {
    exit_with_usage(name, e.what(), flags);
  }
}

}  // namespace rivera::base
