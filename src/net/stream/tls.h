// TLS contexts as Diego uses them: mutual TLS from a certificate, its key and a CA, all PEM files.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace boost::asio::ssl {
class context;
}

namespace rivera::net {

struct TlsFiles {
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;
  bool empty() const { return certificate_file.empty() && key_file.empty() && ca_file.empty(); }
};

// Cheap to copy; shared by all connections. Loading throws std::runtime_error naming the file that is missing or bad.
class TlsContext {
 public:
  // TLS 1.2 and 1.3, ECDHE with AES-GCM; a client certificate signed by the CA is required.
  // `protocol`: the one that is spoken over it, as ALPN names it ("h2"); a client that offers others only is refused,
  // and one that offers none is taken for a speaker of it. "": ALPN is left alone.
  static TlsContext mutual_server(const TlsFiles& files, std::string_view protocol = "");
  // Without client certificates.
  static TlsContext server(const std::string& certificate_file, const std::string& key_file);
  // Verifies the server against the CA (the system's CAs if `ca_file` is empty) and its name; presents the certificate
  // if there is one. `skip_name_check` keeps the chain check only; `insecure` drops both.
  static TlsContext client(const TlsFiles& files, bool skip_name_check = false, bool insecure = false);

  // Around a context made elsewhere (tls_settings.h).
  static TlsContext wrap(std::shared_ptr<boost::asio::ssl::context> context, bool checks_name) {
    return TlsContext(std::move(context), checks_name);
  }

  boost::asio::ssl::context& native() const { return *context_; }
  bool checks_name() const { return checks_name_; }

 private:
  TlsContext(std::shared_ptr<boost::asio::ssl::context> context, bool checks_name);
  std::shared_ptr<boost::asio::ssl::context> context_;
  bool checks_name_ = false;
};

}  // namespace rivera::net
