#include "cli/help.h"

#include <algorithm>

#include <fmt/format.h>

namespace rivera::cli {
namespace {

const char* type_word(FlagType type) {
  switch (type) {
    case FlagType::kText:
      return "string";
    case FlagType::kInteger:
      return "int";
    case FlagType::kInteger32:
      return "int32";
    case FlagType::kDuration:
      return "duration";
    case FlagType::kBoolean:
      return "";
  }
  return "";
}

std::string flag_lines(std::vector<Flag> flags) {
  std::sort(flags.begin(), flags.end(), [](const Flag& a, const Flag& b) { return a.name < b.name; });
  std::vector<std::string> left;
  std::size_t width = 0;
  for (const Flag& flag : flags) {
    const std::string shorthand = flag.shorthand ? fmt::format("-{}, ", flag.shorthand) : "    ";
    left.push_back(fmt::format("  {}--{} {}", shorthand, flag.name, type_word(flag.type)));
    width = std::max(width, left.back().size());
  }
  std::string out;
  for (std::size_t i = 0; i < flags.size(); ++i) out += fmt::format("{:<{}}   {}\n", left[i], width, flags[i].usage);
  return out;
}

}  // namespace

std::string general_help() {
  std::string out =
      "A command-line tool to interact with a Cloud Foundry Diego deployment\n\n"
      "Usage:\n  cfdot [command]\n\n"
      "Available Commands:\n";
  std::vector<std::pair<std::string, std::string>> lines{{"help", "Get help on [command]"}};
  for (const Command& command : all_commands()) lines.emplace_back(command.name(), command.summary);
  std::sort(lines.begin(), lines.end());
  std::size_t width = 0;
  for (const auto& [name, summary] : lines) width = std::max(width, name.size());
  for (const auto& [name, summary] : lines) out += fmt::format("  {:<{}} {}\n", name, width, summary);
  out +=
      "\nFlags:\n  -h, --help   help for cfdot\n\nUse \"cfdot [command] --help\" for more information about a "
      "command.\n";
  return out;
}

std::string command_help(const Command& command) {
  return fmt::format("{}\n\n{}", command.summary, command_usage(command));
}

std::string command_usage(const Command& command) {
  return fmt::format("Usage:\n  cfdot {} [flags]\n\nFlags:\n{}", command.usage, flag_lines(command.all_flags()));
}

}  // namespace rivera::cli
