#include "sql/mysql_address.h"

#include <charconv>

#include "sql/error.h"

namespace rivera::sql {
namespace {

[[noreturn]] void fail() {
  throw Error(ErrorClass::kOther, "",
              "database_connection_string: expected user:password@tcp(host:port)/schema for MySQL");
}

void read_host(std::string_view text, MysqlAddress& address) {
  const auto colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && !text.ends_with(']');
  address.host = text.substr(0, has_port ? colon : text.size());
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  if (!has_port) return;
  const auto digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (error != std::errc() || end != digits.data() + digits.size() || address.port > 65535) fail();
}

}  // namespace

MysqlAddress parse_mysql_address(const std::string& text) {
  MysqlAddress address;
  // A password may hold any character: the address begins at the last "@" before the last "/".
  const auto slash = text.rfind('/');
  const auto at = slash == std::string::npos ? std::string::npos : text.rfind('@', slash);
  if (at == std::string::npos) fail();
  const std::string_view login = std::string_view(text).substr(0, at);
  const auto colon = login.find(':');
  address.user = login.substr(0, colon);
  if (colon != std::string_view::npos) address.password = login.substr(colon + 1);

  const std::string_view rest = std::string_view(text).substr(at + 1);
  const auto open = rest.find('(');
  const auto close = rest.find(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) fail();
  const auto protocol = rest.substr(0, open);
  const auto where = rest.substr(open + 1, close - open - 1);
  if (protocol == "unix") {
    address.unix_socket = where;
  } else if (protocol == "tcp") {
    read_host(where, address);
  } else {
    fail();
  }
  const auto after = rest.substr(close + 1);
  if (!after.starts_with('/')) fail();
  address.schema = after.substr(1, after.find('?') == std::string_view::npos ? after.size() : after.find('?') - 1);
  return address;
}

}  // namespace rivera::sql
