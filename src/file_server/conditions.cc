#include "file_server/conditions.h"

#include <charconv>
#include <cstring>
#include <map>

namespace rivera::file_server {
namespace {

constexpr std::size_t kMostRanges = 1000;

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view without_weakness(std::string_view tag) { return tag.starts_with("W/") ? tag.substr(2) : tag; }

// Whether a list of entity tags names `etag`. A weak tag in the list counts only where `weak` comparison is asked for.
bool lists_tag(std::string_view list, std::string_view etag, bool weak) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string_view tag = trim(list.substr(0, comma));
    if (tag == "*") return true;
    if (weak ? without_weakness(tag) == without_weakness(etag) : tag == etag) return true;
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

enum class RangeForm { kFits, kBeyond, kMalformed };

// "2-4", "5-", "-3"
RangeForm parse_one(std::string_view text, std::uint64_t size, ByteRange& into) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return RangeForm::kMalformed;
  const std::string_view first = trim(text.substr(0, dash));
  const std::string_view last = trim(text.substr(dash + 1));
  if (first.empty()) {
    const auto suffix = number(last);
    if (!suffix) return RangeForm::kMalformed;
    into.length = std::min(*suffix, size);
    into.start = size - into.length;
    return into.length == 0 ? RangeForm::kBeyond : RangeForm::kFits;
  }
  const auto start = number(first);
  if (!start) return RangeForm::kMalformed;
  std::uint64_t end = size == 0 ? 0 : size - 1;
  if (!last.empty()) {
    const auto given = number(last);
    if (!given || *given < *start) return RangeForm::kMalformed;
    end = std::min(end, *given);
  }
  if (*start >= size) return RangeForm::kBeyond;
  into = {*start, end - *start + 1};
  return RangeForm::kFits;
}

Verdict judge_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return {Verdict::Kind::kInvalidRange, {}};
  header.remove_prefix(kUnit.size());
  Verdict verdict{Verdict::Kind::kPartial, {}};
  bool beyond = false;
  std::uint64_t total = 0;
  while (!header.empty()) {
    const auto comma = header.find(',');
    const std::string_view one = trim(header.substr(0, comma));
    header = comma == std::string_view::npos ? std::string_view() : header.substr(comma + 1);
    if (one.empty()) continue;
    ByteRange range;
    const RangeForm form = parse_one(one, size, range);
    if (form == RangeForm::kMalformed || verdict.ranges.size() >= kMostRanges)
      return {Verdict::Kind::kInvalidRange, {}};
    beyond |= form == RangeForm::kBeyond;
    if (form != RangeForm::kFits) continue;
    verdict.ranges.push_back(range);
    total += range.length;
  }
  if (verdict.ranges.empty()) {
    // An empty file has no bytes to ask for: it is sent whole.
    return beyond && size > 0 ? Verdict{Verdict::Kind::kNoOverlap, {}} : Verdict{};
  }
  // More bytes than the file has: probably an attack, or a client that cannot count. Whole is cheaper.
  return total > size ? Verdict{} : verdict;
}

bool range_applies(const net::Headers& request, const FileVersion& file) {
  const auto condition = request.get("If-Range");
  if (condition.empty()) return true;
  if (condition.starts_with('"')) return condition == file.etag;
  const auto date = parse_http_date(condition);
  return date && *date == file.modified;
}

}  // namespace

Verdict judge(const net::Headers& request, const FileVersion& file) {
  if (request.has("If-Match")) {
    if (!lists_tag(request.get("If-Match"), file.etag, false)) return {Verdict::Kind::kPreconditionFailed, {}};
  } else if (const auto date = parse_http_date(request.get("If-Unmodified-Since"))) {
    if (file.modified > *date) return {Verdict::Kind::kPreconditionFailed, {}};
  }
  if (request.has("If-None-Match")) {
    if (lists_tag(request.get("If-None-Match"), file.etag, true)) return {Verdict::Kind::kNotModified, {}};
  } else if (const auto date = parse_http_date(request.get("If-Modified-Since"))) {
    if (file.modified <= *date) return {Verdict::Kind::kNotModified, {}};
  }
  const auto range = request.get("Range");
  if (range.empty() || !range_applies(request, file)) return {};
  return judge_range(range, file.size);
}

std::string format_http_date(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  const std::size_t n = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, n};
}

std::optional<std::time_t> parse_http_date(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const std::string copy(text);
  for (const char* form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* end = ::strptime(copy.c_str(), form, &parts);
    if (end != nullptr && *end == '\0') return ::timegm(&parts);
  }
  return std::nullopt;
}

std::string content_type(std::string_view name, std::string_view first_bytes) {
  static const std::map<std::string_view, std::string_view> kByExtension = {{".css", "text/css; charset=utf-8"},
                                                                            {".gif", "image/gif"},
                                                                            {".gz", "application/gzip"},
                                                                            {".htm", "text/html; charset=utf-8"},
                                                                            {".html", "text/html; charset=utf-8"},
                                                                            {".jpeg", "image/jpeg"},
                                                                            {".jpg", "image/jpeg"},
                                                                            {".js", "text/javascript; charset=utf-8"},
                                                                            {".json", "application/json"},
                                                                            {".pdf", "application/pdf"},
                                                                            {".png", "image/png"},
                                                                            {".svg", "image/svg+xml"},
                                                                            {".tar", "application/x-tar"},
                                                                            {".tgz", "application/gzip"},
                                                                            {".txt", "text/plain; charset=utf-8"},
                                                                            {".wasm", "application/wasm"},
                                                                            {".webp", "image/webp"},
                                                                            {".xml", "text/xml; charset=utf-8"},
                                                                            {".zip", "application/zip"}};
  const auto dot = name.rfind('.');
  if (dot != std::string_view::npos) {
    const auto found = kByExtension.find(name.substr(dot));
    if (found != kByExtension.end()) return std::string(found->second);
  }
  if (first_bytes.starts_with("\x1f\x8b")) return "application/x-gzip";
  if (first_bytes.starts_with("PK\x03\x04")) return "application/zip";
  for (const char c : first_bytes) {
    const auto u = static_cast<unsigned char>(c);
    const bool binary = u <= 0x08 || u == 0x0b || (u >= 0x0e && u <= 0x1a) || (u >= 0x1c && u <= 0x1f);
    if (binary) return "application/octet-stream";
  }
  return "text/plain; charset=utf-8";
}

}  // namespace rivera::file_server
