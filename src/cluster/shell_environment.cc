#include "cluster/shell_environment.h"

#include <fmt/format.h>

#include "base/files.h"
#include "cluster/certificates.h"
#include "cluster/sample.h"
#include "cluster/terminal.h"

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
  const std::string var = fs::proximate(settings.var_dir).string();
  print(
      fmt::format("Try next:\n"
                  "  curl {0}/                       # again and again: the instances take turns\n"
                  "  ./run status                              # or ./run status --json\n"
                  "  ./run logs {1}                           # what it prints; ./run logs bbs for a component\n"
                  "  . {2}/env                                 # then cfdot speaks to this cluster:\n"
                  "  cfdot update-desired-lrp {1} '{{\"instances\": 4}}'\n"
                  "  cfdot create-desired-lrp @{2}/samples/lrp.json\n"
                  "  cfdot actual-lrps\n"
                  "  ./run down                                # stops everything, keeps the state\n",
                  url, kSampleProcess, var));
}

}  // namespace rivera::cluster
