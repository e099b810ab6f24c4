#include "garden/plugins/image_plugin.h"

#include <sstream>
#include <system_error>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "base/process/subprocess.h"
#include "garden/plugins/plugin_environment.h"

namespace rivera::garden {

namespace api = clients::garden;
namespace json = boost::json;

namespace {

// To get an image from a registry takes its time.
constexpr auto kCreateLimit = std::chrono::minutes(15);
constexpr auto kLimit = std::chrono::minutes(2);
constexpr int kMostLogLines = 200;  // of one call

// As Go gives it.
std::string end_of(const base::CommandResult& result, std::chrono::minutes limit) {
  if (result.timed_out) return fmt::format("killed after {} minutes", limit.count());
  return fmt::format("exit status {}", result.exit_status);
}

json::value parse_answer(const std::string& context, const std::string& answer) {
  boost::system::error_code ec;
  json::value value = json::parse(answer, ec);
  if (ec) throw api::GardenError(context + ": " + answer + ": " + ec.message());
  return value;
}

// Lager's lines, at their own level: "1" or "info" and so on. Others are passed on as they are.
void relog(const base::Logger& logger, const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  for (int count = 0; count < kMostLogLines && std::getline(lines, line); ++count) {
    boost::system::error_code ec;
    const json::value value = json::parse(line, ec);
    const auto* message = ec ? nullptr : api::find_member(value, "message");
    if (message == nullptr || !message->is_string()) {
      logger.info("output", {{"text", line.substr(0, 1000)}});
      continue;
    }
    const auto* data = api::find_member(value, "data");
    const auto* level = api::find_member(value, "log_level");
    if (level == nullptr) level = api::find_member(value, "level");
    const bool is_error = level != nullptr && (*level == 2 || *level == 3 || *level == "error" || *level == "fatal");
    const bool is_debug = level != nullptr && (*level == 0 || *level == "debug");
    const std::string name(message->get_string());
    const json::value details = data == nullptr ? json::object() : *data;
    if (is_error) {
      logger.error(name, {{"plugin", details}});
    } else if (is_debug) {
      logger.debug(name, {{"plugin", details}});
    } else {
      logger.info(name, {{"plugin", details}});
    }
  }
}

std::vector<std::string> list_of_texts(const json::value* list) {
  std::vector<std::string> texts;
  if (list == nullptr || !list->is_array()) return texts;
  for (const auto& item : list->get_array()) {
    if (item.is_string()) texts.emplace_back(item.get_string());
  }
  return texts;
}

std::string text_member(const json::value& object, const char* name) {
  const auto* member = api::find_member(object, name);
  return member != nullptr && member->is_string() ? std::string(member->get_string()) : "";
}

const json::value& member_or_null(const json::value& object, const char* name) {
  static const json::value null;
  const auto* member = api::find_member(object, name);
  return member == nullptr ? null : *member;
}

std::uint64_t number_member(const json::value& object, const char* name) {
  boost::system::error_code ec;
  const auto number = member_or_null(object, name).to_number<std::uint64_t>(ec);
  return ec ? 0 : number;
}

// A tag is given behind a colon.
std::string uri_for_plugin(std::string uri) {
  const auto hash = uri.find('#');
  const bool may_have_tag = uri.starts_with("docker:") || uri.starts_with("oci:");
  if (may_have_tag && hash != std::string::npos) uri[hash] = ':';
  return uri;
}

}  // namespace

ImagePlugin::ImagePlugin(std::string program, std::vector<std::string> extra_arguments, base::Logger logger)
    : program_(std::move(program)), extra_arguments_(std::move(extra_arguments)), logger_(std::move(logger)) {}

// The arguments hold a password: they are neither logged nor part of an error.
std::string ImagePlugin::run(const std::string& action, const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv{program_};
  argv.insert(argv.end(), extra_arguments_.begin(), extra_arguments_.end());
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto limit = action == "create" ? kCreateLimit : kLimit;
  base::CommandOptions options;
  options.inherited = plugin_variables();
  options.timeout = limit;
  base::CommandResult result;
  try {
    result = base::run_command(argv, options);
  } catch (const std::system_error& e) {
    throw api::GardenError("running image plugin " + action + ": : " + e.what());
  }
  relog(logger_.session("image-plugin-" + action), result.error);
  if (!result.ok()) {
    throw api::GardenError("running image plugin " + action + ": " + result.output + ": " + end_of(result, limit));
  }
  return std::move(result.output);
}

PluginImage ImagePlugin::create(const std::string& handle, const api::ImageRef& image,
                                const api::DiskLimits& disk) const {
  std::vector<std::string> arguments{"create"};
  if (disk.byte_hard > 0) {
    arguments.insert(arguments.end(), {"--disk-limit-size-bytes", std::to_string(disk.byte_hard)});
    if (disk.exclusive_scope) arguments.emplace_back("--exclude-image-from-quota");
  }
  if (!image.username.empty()) arguments.insert(arguments.end(), {"--username", image.username});
  if (!image.password.empty()) arguments.insert(arguments.end(), {"--password", image.password});
  arguments.insert(arguments.end(), {uri_for_plugin(image.uri), handle});
  const std::string answer = run("create", arguments);
  const json::value spec = parse_answer("parsing image plugin create", answer);
  PluginImage made;
  made.root = text_member(member_or_null(spec, "root"), "path");
  if (made.root.empty()) throw api::GardenError("parsing image plugin create: " + answer + ": no root.path");
  made.env = list_of_texts(api::find_member(member_or_null(spec, "process"), "env"));
  const json::value& mounts = member_or_null(spec, "mounts");
  if (!mounts.is_array()) return made;
  for (const auto& mount : mounts.get_array()) {
    made.mounts.push_back({text_member(mount, "destination"), text_member(mount, "type"), text_member(mount, "source"),
                           list_of_texts(api::find_member(mount, "options"))});
  }
  return made;
}

void ImagePlugin::destroy(const std::string& handle) const { run("destroy", {"delete", handle}); }

api::DiskStat ImagePlugin::stats(const std::string& handle) const {
  const std::string answer = run("metrics", {"stats", handle});
  const json::value usage = member_or_null(parse_answer("parsing stats", answer), "disk_usage");
  api::DiskStat stat;
  stat.total_bytes_used = number_member(usage, "total_bytes_used");
  stat.exclusive_bytes_used = number_member(usage, "exclusive_bytes_used");
  return stat;
}

std::uint64_t ImagePlugin::capacity() const {
  const std::string answer = run("capacity", {"capacity"});
  return number_member(parse_answer("parsing capacity", answer), "capacity");
}

}  // namespace rivera::garden
