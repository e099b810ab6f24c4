// Certificates and keys of OpenSSL with owners, and their PEM texts. For the sources of this wing.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace rivera::net::x509 {

template <auto release>
struct Releaser {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};
using Certificate = std::unique_ptr<X509, Releaser<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;
using Memory = std::unique_ptr<BIO, Releaser<BIO_free_all>>;

// Throws std::runtime_error("cannot <action>: <OpenSSL's reason>").
[[noreturn]] void fail(const char* action);
void check(bool ok, const char* action);

// The first object of its kind in a PEM text. They throw std::runtime_error if there is none.
Certificate read_certificate(const std::string& pem);
Key read_key(const std::string& pem);

std::string to_pem(X509* certificate);
std::string to_pem(EVP_PKEY* key);              // PKCS#8
std::string to_traditional_pem(EVP_PKEY* key);  // "RSA PRIVATE KEY"

}  // namespace rivera::net::x509
