#include "bbs/rows/column_codec.h"

#include <map>

#include <boost/json.hpp>

#include "models/forms/json.h"
#include "models/forms/wire.h"
#include "models/go/go_json.h"
#include "models/nouns/actual_lrp.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;
using models::go_json::Writer;

constexpr std::string_view kMessageVersion("\x02\x00", 2);

json::value parse(std::string_view text) {
  boost::system::error_code error;
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  json::value value = json::parse(text, error, {}, options);
  if (error) throw UndecodableColumn("a column is not the JSON it should be");
  return value;
}

const json::object& as_object(const json::value& value) {
  static const json::object kNone;
  if (value.is_null()) return kNone;
  if (!value.is_object()) throw UndecodableColumn("a column is not the JSON object it should be");
  return value.get_object();
}

const json::array& as_array(const json::value& value) {
  static const json::array kNone;
  if (value.is_null()) return kNone;
  if (!value.is_array()) throw UndecodableColumn("a column is not the JSON list it should be");
  return value.get_array();
}

std::string as_text(const json::value& value) {
  if (!value.is_string()) throw UndecodableColumn("a column holds something else than text");
  return std::string(value.get_string());
}

// Iterates over the values of a valid JSON object without changing a byte of them.
class RawMembers {
 public:
  explicit RawMembers(std::string_view text) : text_(text) { skip_past('{'); }

  bool next(std::string& name, std::string_view& raw) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] == '}') return false;
    if (text_[at_] == ',') ++at_;
    skip_space();
    const std::size_t name_start = at_;
    skip_string();
    name = as_text(parse(text_.substr(name_start, at_ - name_start)));
    skip_past(':');
    skip_space();
    const std::size_t start = at_;
    skip_value();
    raw = text_.substr(start, at_ - start);
    while (!raw.empty() && is_space(raw.back())) raw.remove_suffix(1);
    return true;
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  void skip_past(char c) {
    while (at_ < text_.size() && text_[at_++] != c) {
    }
  }
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }
  void skip_value() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || c == '}')) return;
      if (c == '"') {
        skip_string();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string message_column(const google::protobuf::Message& message) {
  return std::string(kMessageVersion) + models::encode(message);
}

void read_message_column(std::string_view plain, google::protobuf::Message& into) {
  if (plain.size() < kMessageVersion.size() || !models::decode(plain.substr(kMessageVersion.size()), into)) {
    throw UndecodableColumn("a column does not hold the message it should");
  }
}

std::string routes_column(const models::DesiredLRP& lrp) {
  if (!lrp.has_routes()) return "null";
  const auto& routes = lrp.routes().routes();
  std::string out = "{";
  for (const auto& [name, raw] : std::map<std::string, std::string>(routes.begin(), routes.end())) {
    if (out.size() > 1) out += ',';
    out += Writer().text(name).take();
    out += ':';
    out += raw;
  }
  return out += '}';
}

models::ProtoRoutes read_routes_column(std::string_view plain) {
  models::ProtoRoutes routes;
  if (parse(plain).is_null()) return routes;
  std::string name;
  std::string_view raw;
  for (RawMembers members(plain); members.next(name, raw);) (*routes.mutable_routes())[name] = std::string(raw);
  return routes;
}

std::string desired_tags_column(const models::DesiredLRP& lrp) {
  std::map<std::string, std::string> tags;
  for (const auto& [name, value] : lrp.metric_tags()) tags[name] = models::to_json_text(value);
  std::string out = "{";
  for (const auto& [name, text] : tags) {
    if (out.size() > 1) out += ',';
    out += Writer().text(name).take() + ":" + text;
  }
  return out += '}';
}

void read_desired_tags_column(std::string_view plain, models::DesiredLRP& into) {
  const json::value value = parse(plain);
  for (const auto& [name, tag] : as_object(value)) {
    try {
      if (!tag.is_null())
        models::from_json_text(json::serialize(tag), (*into.mutable_metric_tags())[std::string(name)]);
    } catch (const std::invalid_argument& e) {
      throw UndecodableColumn(std::string("a metric tag cannot be read: ") + e.what());
    }
  }
}

std::string internal_routes_column(const models::ActualLRP& lrp) {
  if (lrp.actual_lrp_internal_routes().empty() && lrp.state() == models::kRunning) return "null";
  Writer out;
  out.begin_list();
  for (const auto& route : lrp.actual_lrp_internal_routes()) {
    out.begin_object().key("hostname").text(route.hostname()).end_object();
  }
  return out.end_list().take();
}

void read_internal_routes_column(std::string_view plain, models::ActualLRP& into) {
  const json::value value = parse(plain);
  for (const json::value& route : as_array(value)) {
    const json::object& object = as_object(route);
    const json::value* host = object.if_contains("hostname");
    into.add_actual_lrp_internal_routes()->set_hostname(host ? as_text(*host) : "");
  }
}

std::string instance_tags_column(const models::ActualLRP& lrp) {
  if (lrp.metric_tags().empty() && lrp.state() == models::kRunning) return "null";
  Writer out;
  out.begin_object();
  for (const auto& [name, text] :
       std::map<std::string, std::string>(lrp.metric_tags().begin(), lrp.metric_tags().end())) {
    out.key(name).text(text);
  }
  return out.end_object().take();
}

void read_instance_tags_column(std::string_view plain, models::ActualLRP& into) {
  const json::value value = parse(plain);
  for (const auto& [name, text] : as_object(value)) (*into.mutable_metric_tags())[std::string(name)] = as_text(text);
}

std::string placement_tags_column(const models::DesiredLRP& lrp) {
  if (lrp.placement_tags().empty()) return "null";
  Writer out;
  out.begin_list();
  for (const std::string& tag : lrp.placement_tags()) out.text(tag);
  return out.end_list().take();
}

void read_placement_tags_column(std::string_view plain, google::protobuf::RepeatedPtrField<std::string>& into) {
  if (plain.empty()) return;
  const json::value value = parse(plain);
  for (const json::value& tag : as_array(value)) into.Add(as_text(tag));
}

}  // namespace rivera::bbs
