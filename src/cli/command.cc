#include "cli/command.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/files.h"

namespace rivera::cli {

void Context::print(std::string_view line) const {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

std::vector<Flag> Command::all_flags() const {
  std::vector<Flag> out = flags;
  const std::vector<Flag> connection = needs == Needs::kLocket ? locket_flags() : bbs_flags(needs != Needs::kBbsStream);
  out.insert(out.end(), connection.begin(), connection.end());
  out.push_back({"help", 'h', FlagType::kBoolean, "help for " + name()});
  return out;
}

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> out;
    for (auto group : {lrp_commands(), task_commands(), cell_commands(), event_commands(), locket_commands()}) {
      std::move(group.begin(), group.end(), std::back_inserter(out));
    }
    std::sort(out.begin(), out.end(), [](const Command& a, const Command& b) { return a.name() < b.name(); });
    return out;
  }();
  return commands;
}

const Command* find_command(std::string_view name) {
  for (const Command& command : all_commands()) {
    if (command.name() == name) return &command;
  }
  return nullptr;
}

void check_count(const Arguments& arguments, std::size_t count) {
  if (arguments.positional().size() < count) throw UsageError("Missing arguments");
  if (arguments.positional().size() > count) throw UsageError("Too many arguments specified");
}

void check_process_guid(const Arguments& arguments) {
  check_count(arguments, 1);
  if (arguments.positional()[0].empty()) throw UsageError("Process guid should be non empty string");
}

void check_one_spelling(const Arguments& arguments, const Flag& flag) {
  const std::string shorthand = fmt::format("-{}", flag.shorthand);
  const std::string name = "--" + flag.name;
  if (arguments.has_word(shorthand) && arguments.has_word(name)) {
    throw UsageError(fmt::format("Only one of {} and {} should be passed", shorthand, name));
  }
}

std::string read_spec(const std::string& argument) {
  if (!argument.starts_with("@")) return argument;
  const std::string file = argument.substr(1);
  try {
    return base::read_file(file);
  } catch (const std::system_error& e) {
    std::string reason = e.code().message();
    if (!reason.empty()) reason[0] = static_cast<char>(::tolower(reason[0]));
    throw UsageError(fmt::format("open {}: {}", file, reason));
  }
}

}  // namespace rivera::cli
