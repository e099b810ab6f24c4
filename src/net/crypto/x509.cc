#include "net/crypto/x509.h"

#include <stdexcept>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace rivera::net::x509 {
namespace {

Memory memory_of(const std::string& text) {
  Memory memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  check(memory != nullptr, "read PEM text");
  return memory;
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

void fail(const char* action) {
  char reason[256] = "unknown reason";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, reason, sizeof reason);
  ERR_clear_error();
  throw std::runtime_error(fmt::format("cannot {}: {}", action, reason));
}

void check(bool ok, const char* action) {
  if (!ok) fail(action);
}

Certificate read_certificate(const std::string& pem) {
  const Memory memory = memory_of(pem);
  Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  check(certificate != nullptr, "read a certificate");
  return certificate;
}

Key read_key(const std::string& pem) {
  const Memory memory = memory_of(pem);
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
  check(key != nullptr, "read a private key");
  return key;
}

std::string to_pem(X509* certificate) {
  const Memory memory(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_X509(memory.get(), certificate) == 1, "write a certificate");
  return text_of(memory.get());
}

std::string to_pem(EVP_PKEY* key) {
  const Memory memory(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "write a private key");
  return text_of(memory.get());
}

std::string to_traditional_pem(EVP_PKEY* key) {
  const Memory memory(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_PrivateKey_traditional(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "write a private key");
  return text_of(memory.get());
}

}  // namespace rivera::net::x509
