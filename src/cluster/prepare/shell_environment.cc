#include "cluster/prepare/shell_environment.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include <fmt/format.h>

#include "base/files.h"
#include "cluster/prepare/certificates.h"
#include "cluster/prepare/sample.h"
#include "cluster/settings/terminal.h"

namespace rivera::cluster {

namespace fs = std::filesystem;
namespace {

bool is_plain_word(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("_-./:@%+=,").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

// As a person would type it.
std::string shell_word(const std::string& text) { return is_plain_word(text) ? text : shell_quoted(text); }

}  // namespace

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

void write_shell_environment(const Settings& settings) {
  const net::TlsFiles files = tls_files(settings, "client");
  base::write_file_atomically(settings.var_dir / "env",
                              fmt::format("export BBS_URL={}\n"
                                          "export LOCKET_API_LOCATION={}\n"
                                          "export CA_CERT_FILE={}\n"
                                          "export CLIENT_CERT_FILE={}\n"
                                          "export CLIENT_KEY_FILE={}\n"
                                          "export PATH={}:\"$PATH\"\n",
                                          shell_quoted(settings.bbs_url()), shell_quoted(settings.locket_address()),
                                          shell_quoted(files.ca_file), shell_quoted(files.certificate_file),
                                          shell_quoted(files.key_file), shell_quoted(settings.bin_dir.string())));
}

void print_what_next(const Settings& settings) {
  const std::string url = settings.app_url(settings.app_hostname(kSampleProcess));
  const std::string nearby = fs::proximate(settings.var_dir).string();
  const std::string var = nearby.starts_with("..") ? settings.var_dir.string() : "./" + nearby;
  const std::pair<std::string, const char*> lines[] = {
      {fmt::format("curl {}/", url), "again and again: the instances take turns"},
      {"./run status", "or ./run status --json"},
      {fmt::format("./run logs {}", kSampleProcess), "what it prints; ./run logs bbs for a component"},
      {fmt::format(". {}", shell_word(var + "/env")), "then cfdot uses this cluster:"},
      {fmt::format("cfdot update-desired-lrp {} '{{\"instances\": 4}}'", kSampleProcess), ""},
      {fmt::format("cfdot create-desired-lrp {}", shell_word("@" + var + "/samples/lrp.json")), ""},
      {"cfdot actual-lrps", ""},
      {fmt::format("cfdot create-task {}", shell_word("@" + var + "/samples/docker-task.json")),
       "in a Docker image: put its name there as rootfs"},
      {"./run down", "stops everything, keeps the state"},
  };
  std::string out = "Try next:\n";
  for (const auto& [command, remark] : lines) {
    out += *remark ? fmt::format("  {:<50} # {}\n", command, remark) : fmt::format("  {}\n", command);
  }
  print(out);
}

}  // namespace rivera::cluster
