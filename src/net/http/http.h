// HTTP messages as values.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivera::net {

// Header fields in the order they came; names compare without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

  void reserve(std::size_t fields);
  void add(std::string name, std::string value);
  // Replaces every field of that name.
  void set(std::string name, std::string value);
  void remove(std::string_view name);
  bool has(std::string_view name) const;
  // The first value of that name, "" if there is none.
  std::string_view get(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  // True if the comma-separated list in `name` holds `token`, without case ("Connection: keep-alive, Upgrade").
  bool has_token(std::string_view name, std::string_view token) const;

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct RequestHead {
  std::string method;
  std::string target;  // as received: "/v1/tasks?x=1", or "http://host/path" in absolute form
  int version = 11;    // 10 or 11
  Headers headers;

  // The target's path as sent (percent escapes kept), without query.
  std::string_view path() const;
  // Without the question mark; "" if there is none.
  std::string_view query() const;
  // The decoded value of a query parameter; nullopt if absent.
  std::optional<std::string> query_value(std::string_view name) const;
};

struct ResponseHead {
  int status = 200;
  std::string reason;  // "" = the standard phrase
  Headers headers;
};

// A whole request or response, body included.
struct HttpRequest : RequestHead {
  std::string body;
};
struct HttpResponse : ResponseHead {
  std::string body;
};

HttpResponse text_response(int status, std::string body);
HttpResponse json_response(int status, std::string json);

// The phrase for a status, "Not Found"; "" if there is none.
std::string_view standard_reason(int status);
// "%2F" and, if `plus_is_space`, "+" decoded. Invalid escapes stay as they are.
std::string percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);

}  // namespace rivera::net
