// Typed access to a YAML mapping, with errors that name file and key. For .cc files: it brings yaml-cpp with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "base/config/config.h"

namespace rivera::gorouter {

// A missing key and an explicit null leave the value that was there; unknown keys are ignored (docs/spec/routing.md
// §3.1). Everything throws base::ConfigError.
class YamlFile {
 public:
  static YamlFile load(const std::string& path);

  void read(const char* key, std::string& into) const;
  void read(const char* key, bool& into) const;
  void read(const char* key, int& into, int least = 0) const;
  void read(const char* key, std::size_t& into) const;
  void read_port(const char* key, std::uint16_t& into) const;
  void read(const char* key, std::chrono::nanoseconds& into) const;  // a Go duration
  // A list of texts; one text counts as a list of one.
  void read(const char* key, std::vector<std::string>& into) const;
  // The text, or the texts of a list one after another.
  void read_joined(const char* key, std::string& into) const;
  YamlFile section(const char* key) const;
  std::vector<YamlFile> sections(const char* key) const;
  bool has(const char* key) const;

  [[noreturn]] void fail(const char* key, const std::string& expected) const;

 private:
  YamlFile(std::string file, YAML::Node node, std::string prefix)
      : file_(std::move(file)), node_(std::move(node)), prefix_(std::move(prefix)) {}
  YAML::Node find(const char* key) const;
  std::string scalar(const char* key, const YAML::Node& node, const std::string& expected) const;

  std::string file_;
  YAML::Node node_;
  std::string prefix_;
};

}  // namespace rivera::gorouter
