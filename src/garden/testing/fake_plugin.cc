#include "garden/testing/fake_plugin.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

namespace rivera::garden {

FakePlugin::FakePlugin() : directory_("rivera-plugin-") {
  // Containers may use files of it.
  ::chmod(directory().c_str(), 0755);
  std::ofstream(program()) << R"(#!/bin/sh
cd )" << directory() << R"( || exit 9
input=$(cat)
(
  flock 9
  printf '%s' "$*" >> calls
  [ -z "$input" ] || printf '|%s' "$input" >> calls
  printf '\n' >> calls
) 9> lock
[ ! -e log ] || cat log >&2
for argument in "$@"; do
  case "$argument" in */*) continue;; esac
  if [ -e "fail-$argument" ]; then cat "fail-$argument"; exit 3; fi
  if [ -e "answer-$argument" ]; then cat "answer-$argument"; exit 0; fi
done
exit 0
)";
  ::chmod(program().c_str(), 0755);
}

void FakePlugin::answer(const std::string& argument, const std::string& text) {
  std::filesystem::remove(directory() + "/fail-" + argument);
  std::ofstream(directory() + "/answer-" + argument) << text;
}

void FakePlugin::fail(const std::string& argument, const std::string& text) {
  std::ofstream(directory() + "/fail-" + argument) << text;
}

void FakePlugin::log(const std::string& line) { std::ofstream(directory() + "/log") << line << "\n"; }

std::vector<std::string> FakePlugin::calls() const {
  std::vector<std::string> lines;
  std::ifstream file(directory() + "/calls");
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace rivera::garden
