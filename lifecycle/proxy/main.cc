// The TLS proxy in front of an application (docs/spec/cell.md §2.18): `proxy DIRECTORY`.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>

#include <openssl/ssl.h>

#include "proxy/server.h"

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "Usage: proxy DIRECTORY\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_DUMPABLE, 0);
  // The configuration of OpenSSL would be a file of the container.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  try {
    const std::string directory = argv[1];
    proxy::Server server(directory, proxy::parse_settings(read_file(directory + "/proxy.conf")));
    server.run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
