#include "garden/bundle/users.h"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <linux/openat2.h>
#include <optional>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include "base/files.h"
#include "base/units.h"
#include "clients/garden/garden_types.h"

namespace rivera::garden {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

struct PasswdEntry {
  std::string_view name;
  std::uint32_t uid = 0, gid = 0;
  std::string_view home;
};

// The first entry for which `is_wanted` holds.
template <typename IsWanted>
std::optional<PasswdEntry> find_passwd(std::string_view passwd, IsWanted is_wanted) {
  for (const auto line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto uid = parse_id(fields[2]), gid = parse_id(fields[3]);
    if (!uid || !gid) continue;
    const PasswdEntry entry{fields[0], *uid, *gid, fields.size() > 5 ? fields[5] : std::string_view()};
    if (is_wanted(entry)) return entry;
  }
  return std::nullopt;
}

std::uint32_t find_group(std::string_view group, std::string_view wanted) {
  if (const auto gid = parse_id(wanted)) return *gid;
  if (is_number(wanted)) group = "";
  for (const auto line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 3 || fields[0] != wanted) continue;
    if (const auto gid = parse_id(fields[2])) return *gid;
  }
  throw clients::garden::GardenError("unable to find group " + std::string(wanted) +
                                     ": no matching entries in group file");
}

std::vector<std::uint32_t> groups_of(std::string_view group, std::string_view user) {
  std::vector<std::uint32_t> gids;
  for (const auto line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto members = split(fields[3], ',');
    const auto gid = parse_id(fields[2]);
    if (gid && std::find(members.begin(), members.end(), user) != members.end()) gids.push_back(*gid);
  }
  return gids;
}

base::UniqueFd open_in_root(int root_fd, const std::string& path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return base::UniqueFd(static_cast<int>(::syscall(SYS_openat2, root_fd, path.c_str(), &how, sizeof how)));
}

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

ResolvedUser resolve_user(std::string_view user, std::string_view passwd, std::string_view group) {
  const auto colon = user.find(':');
  const std::string_view wanted_group = colon == std::string_view::npos ? "" : user.substr(colon + 1);
  const std::string_view name = user.substr(0, colon);
  const auto uid = name.empty() ? std::optional<std::uint32_t>(0) : parse_id(name);
  const bool is_too_large = !uid && is_number(name);  // a number is never a name
  const auto entry = find_passwd(
      passwd, [&](const PasswdEntry& e) { return !is_too_large && (uid ? e.uid == *uid : e.name == name); });
  ResolvedUser resolved;
  if (entry) {
    resolved.uid = entry->uid;
    resolved.gid = entry->gid;
    if (!entry->home.empty()) resolved.home = std::string(entry->home);
    if (wanted_group.empty()) resolved.additional_gids = groups_of(group, entry->name);
  } else if (uid) {
    resolved.uid = *uid;
  } else if (name != "root") {
    throw clients::garden::GardenError("unable to find user " + std::string(name) +
                                       ": no matching entries in passwd file");
  }
  if (!wanted_group.empty()) resolved.gid = find_group(group, wanted_group);
  return resolved;
}

ResolvedUser resolve_pea_user(std::string_view user, std::string_view passwd) {
  const auto colon = user.find(':');
  if (colon != std::string_view::npos && (!parse_id(user.substr(0, colon)) || !parse_id(user.substr(colon + 1)))) {
    throw clients::garden::GardenError("parse-user: '" + std::string(user) + "' is not a valid uid:gid");
  }
  ResolvedUser resolved = resolve_user(user, passwd, "");
  if (user.empty()) resolved.gid = 0;
  resolved.additional_gids.clear();
  return resolved;
}

std::string read_file_in_root(int root_fd, const std::string& path) {
  constexpr std::size_t kLimit = 1u << 20;
  const auto file = open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  std::string text;
  char buffer[16 * base::kKibibyte];
  for (ssize_t n = 0; text.size() < kLimit && (n = ::read(file.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

bool is_directory_in_root(int root_fd, const std::string& path) {
  return static_cast<bool>(open_in_root(root_fd, path, O_PATH | O_DIRECTORY));
}

void make_directories_in_root(int root_fd, const std::string& path, std::uint32_t uid, std::uint32_t gid) {
  std::string so_far = "/";
  for (const auto part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") throw std::invalid_argument("path with ..: " + path);
    const auto parent = open_in_root(root_fd, so_far, O_PATH | O_DIRECTORY);
    if (!parent) fail("open " + so_far);
    const std::string name(part);
    so_far += (so_far.back() == '/' ? "" : "/") + name;
    if (open_in_root(root_fd, so_far, O_PATH | O_DIRECTORY)) continue;
    if (errno != ENOENT) fail("open " + so_far);
    // One component below an open directory: no link is followed.
    if (::mkdirat(parent.get(), name.c_str(), 0755) != 0) {
      if (errno == EEXIST) continue;
      fail("mkdir " + so_far);
    }
    const base::UniqueFd made(::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made || ::fchown(made.get(), uid, gid) != 0 || ::fchmod(made.get(), 0755) != 0) fail("mkdir " + so_far);
  }
}

}  // namespace rivera::garden
