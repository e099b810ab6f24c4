// The certificates of the proxy, which the cell replaces from time to time.
#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "proxy/settings.h"

namespace proxy {

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, ContextDeleter>;

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Ssl = std::unique_ptr<SSL, SslDeleter>;

// A context for the listener with the files of `directory` as they are now; connections that were made with an earlier
// one keep it. `settings` outlives it. Throws std::runtime_error.
Context make_context(const std::string& directory, const Listener& listener, const Settings& settings);

}  // namespace proxy
