// MySQL connection strings in the form of Go's driver. For the .cc files of this folder.
#pragma once

#include <string>

namespace rivera::sql {

struct MysqlAddress {
  std::string user;
  std::string password;
  std::string host;  // or "" with a socket
  unsigned port = 3306;
  std::string unix_socket;  // "" = TCP
  std::string schema;
};

// "user:password@tcp(host:port)/schema?parameters" or "user@unix(/path)/schema"; parameters are ignored.
// Throws sql::Error, without the text: it holds a password.
MysqlAddress parse_mysql_address(const std::string& text);

}  // namespace rivera::sql
