# Every third-party library, found once; docs/dependencies.md gives the reason for each.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL 3 REQUIRED)
find_package(fmt REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(MARIADB REQUIRED IMPORTED_TARGET libmariadb)
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(NFTABLES REQUIRED IMPORTED_TARGET libnftables)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)

# Asio is compiled once, in src/base/asio_impl.cc. The precompiled header includes Asio, so these are defined for every
# file, also of targets that do not link it.
set(RIVERA_ASIO_DEFINITIONS BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
add_library(rivera_asio INTERFACE)
target_compile_definitions(rivera_asio INTERFACE ${RIVERA_ASIO_DEFINITIONS})
target_link_libraries(rivera_asio INTERFACE Threads::Threads Boost::headers)

# One name for what several libraries make up.
add_library(rivera_openssl INTERFACE)
target_link_libraries(rivera_openssl INTERFACE OpenSSL::SSL OpenSSL::Crypto)
# For what runs inside containers, whose file systems may hold nothing.
find_library(RIVERA_STATIC_SSL libssl.a REQUIRED)
find_library(RIVERA_STATIC_CRYPTO libcrypto.a REQUIRED)
add_library(rivera_openssl_static INTERFACE)
target_link_libraries(rivera_openssl_static INTERFACE ${RIVERA_STATIC_SSL} ${RIVERA_STATIC_CRYPTO} ${CMAKE_DL_LIBS}
  Threads::Threads)
add_library(rivera_sql_engines INTERFACE)
target_link_libraries(rivera_sql_engines INTERFACE PkgConfig::SQLITE3 PkgConfig::PQ PkgConfig::MARIADB)
