#include "cluster/prepare/shell_environment.h"

#include <fmt/format.h>

#include "base/files.h"
#include "cluster/prepare/certificates.h"
#include "cluster/prepare/sample.h"
#include "cluster/settings/terminal.h"

namespace rivera::cluster {

namespace fs = std::filesystem;

void write_shell_environment(const Settings& settings) {
  const net::TlsFiles files = tls_files(settings, "client");
  base::write_file_atomically(settings.var_dir / "env",
                              fmt::format("export BBS_URL='{}'\n"
                                          "export LOCKET_API_LOCATION='{}'\n"
                                          "export CA_CERT_FILE='{}'\n"
                                          "export CLIENT_CERT_FILE='{}'\n"
                                          "export CLIENT_KEY_FILE='{}'\n"
                                          "export PATH='{}':\"$PATH\"\n",
                                          settings.bbs_url(), settings.locket_address(), files.ca_file,
                                          files.certificate_file, files.key_file, settings.bin_dir.string()));
}

void print_what_next(const Settings& settings) {
  const std::string url = settings.app_url(settings.app_hostname(kSampleProcess));
  const std::string nearby = fs::proximate(settings.var_dir).string();
  const std::string var = nearby.starts_with("..") ? settings.var_dir.string() : "./" + nearby;
  const std::pair<std::string, const char*> lines[] = {
      {fmt::format("curl {}/", url), "again and again: the instances take turns"},
      {"./run status", "or ./run status --json"},
      {fmt::format("./run logs {}", kSampleProcess), "what it prints; ./run logs bbs for a component"},
      {fmt::format(". {}/env", var), "then cfdot speaks to this cluster:"},
      {fmt::format("cfdot update-desired-lrp {} '{{\"instances\": 4}}'", kSampleProcess), ""},
      {fmt::format("cfdot create-desired-lrp @{}/samples/lrp.json", var), ""},
      {"cfdot actual-lrps", ""},
      {"./run down", "stops everything, keeps the state"},
  };
  std::string out = "Try next:\n";
  for (const auto& [command, remark] : lines) {
    out += *remark ? fmt::format("  {:<50} # {}\n", command, remark) : fmt::format("  {}\n", command);
  }
  print(out);
}

}  // namespace rivera::cluster
