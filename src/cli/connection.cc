#include "cli/connection.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/files.h"
#include "net/http/http_client.h"

namespace rivera::cli {
namespace {

constexpr char kUrlHint[] = "Please specify one with the '--bbsURL' flag or the 'BBS_URL' environment variable.";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string flag_or_variable(const Arguments& arguments, const char* flag, const char* name) {
  const std::string given = arguments.text(flag);
  return given.empty() ? variable(name) : given;
}

std::vector<Flag> tls_flags() {
  return {{"caCertFile", 0, FlagType::kText,
           "path the Certificate Authority (CA) file to use when verifying TLS keypairs [environment variable "
           "equivalent: CA_CERT_FILE]"},
          {"clientCertFile", 0, FlagType::kText,
           "path to the TLS client certificate to use during mutual-auth TLS [environment variable equivalent: "
           "CLIENT_CERT_FILE]"},
          {"clientKeyFile", 0, FlagType::kText,
           "path to the TLS client private key file to use during mutual-auth TLS [environment variable equivalent: "
           "CLIENT_KEY_FILE]"},
          {"skipCertVerify", 0, FlagType::kBoolean,
           "when set to true, skips all SSL/TLS certificate verification [environment variable equivalent: "
           "SKIP_CERT_VERIFY]"}};
}

void check_bbs_url(const std::string& url) {
  if (url.empty()) throw UsageError(fmt::format("BBS URL not set. {}", kUrlHint));
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string::npos || scheme_end == 0 || scheme_end + 3 == url.size()) {
    throw UsageError(fmt::format("The value '{}' is not a valid BBS URL. {}", url, kUrlHint));
  }
  if (!url.starts_with("https://")) {
    throw UsageError(fmt::format("The URL '{}' does not have an 'https' scheme. {}", url, kUrlHint));
  }
  try {
    net::Endpoint::parse(url);
  } catch (const std::invalid_argument&) {
    throw UsageError(fmt::format("The value '{}' is not a valid BBS URL. {}", url, kUrlHint));
  }
}

bool read_skip_verification(const Arguments& arguments) {
  if (arguments.given("skipCertVerify")) return arguments.boolean("skipCertVerify");
  const std::string value = variable("SKIP_CERT_VERIFY");
  if (value.empty()) return false;
  try {
    return parse_go_boolean(value);
  } catch (const std::invalid_argument&) {
    throw UsageError(
        fmt::format("The value '{}' is not a valid value for SKIP_CERT_VERIFY. Please specify one of the following "
                    "valid boolean values: 1, t, T, TRUE, true, True, 0, f, F, FALSE, false, False",
                    value));
  }
}

void check_readable(const char* what, const std::string& file) {
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd) return;
  std::string reason = ::strerror(errno);
  reason[0] = static_cast<char>(::tolower(reason[0]));
  throw UsageError(fmt::format("{} file '{}' doesn't exist or is not readable: open {}: {}", what, file, file, reason));
}

void read_tls(const Arguments& arguments, Connection& connection) {
  connection.skip_verification = read_skip_verification(arguments);
  net::TlsFiles& tls = connection.tls;
  tls.ca_file = flag_or_variable(arguments, "caCertFile", "CA_CERT_FILE");
  tls.certificate_file = flag_or_variable(arguments, "clientCertFile", "CLIENT_CERT_FILE");
  tls.key_file = flag_or_variable(arguments, "clientKeyFile", "CLIENT_KEY_FILE");
  if (!connection.skip_verification) {
    if (tls.ca_file.empty()) {
      throw UsageError("--caCertFile must be specified if using HTTPS and --skipCertVerify is not set");
    }
    check_readable("CA cert", tls.ca_file);
  }
  if (tls.certificate_file.empty() || tls.key_file.empty()) {
    throw UsageError("--clientCertFile and --clientKeyFile must both be specified for TLS connections.");
  }
  check_readable("key", tls.key_file);
  check_readable("cert", tls.certificate_file);
}

std::chrono::seconds read_timeout(const Arguments& arguments) {
  if (arguments.given("timeout")) return std::chrono::seconds(arguments.integer("timeout"));
  const std::string value = variable("CFDOT_TIMEOUT");
  if (value.empty()) return std::chrono::seconds(0);
  long seconds = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (ec != std::errc() || end != value.data() + value.size()) {
    throw UsageError(fmt::format("strconv.Atoi: parsing \"{}\": invalid syntax", value), 255);
  }
  return std::chrono::seconds(seconds);
}

}  // namespace

std::vector<Flag> bbs_flags(bool with_timeout) {
  std::vector<Flag> flags = tls_flags();
  flags.push_back(
      {"bbsURL", 0, FlagType::kText, "URL of BBS server to target [environment variable equivalent: BBS_URL]"});
  if (with_timeout) {
    flags.push_back({"timeout", 0, FlagType::kInteger,
                     "timeout for BBS requests in seconds [environment variable equivalent: CFDOT_TIMEOUT]"});
  }
  return flags;
}

std::vector<Flag> locket_flags() {
  std::vector<Flag> flags = tls_flags();
  flags.push_back({"locketAPILocation", 0, FlagType::kText,
                   "Hostname:Port of Locket server to target [environment variable equivalent: LOCKET_API_LOCATION]"});
  return flags;
}

Connection bbs_connection(const Arguments& arguments, bool with_timeout) {
  Connection out;
  out.bbs_url = flag_or_variable(arguments, "bbsURL", "BBS_URL");
  check_bbs_url(out.bbs_url);
  read_tls(arguments, out);
  if (with_timeout) out.timeout = read_timeout(arguments);
  return out;
}

Connection locket_connection(const Arguments& arguments) {
  Connection out;
  out.locket_address = flag_or_variable(arguments, "locketAPILocation", "LOCKET_API_LOCATION");
  if (out.locket_address.empty()) {
    throw UsageError(
        "Locket API Location not set. Please specify one with the '--locketAPILocation' flag or the "
        "'LOCKET_API_LOCATION' environment variable.");
  }
  read_tls(arguments, out);
  return out;
}

}  // namespace rivera::cli
