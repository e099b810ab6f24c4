#include "garden/registry/challenge.h"

#include <algorithm>

#include <boost/json/parse.hpp>

#include "base/text.h"

namespace rivera::garden {

namespace {

bool is_token_character(char c) {
  return c > ' ' && c < 127 && std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
}

class ChallengeReader {
 public:
  explicit ChallengeReader(std::string_view text) : text_(text) {}

  std::vector<Challenge> read() {
    std::vector<Challenge> challenges;
    while (skip_separators()) {
      const std::string name = token();
      if (name.empty()) break;
      skip_blanks();
      if (!take('=')) {
        challenges.push_back({base::to_lower(name), {}});
        continue;
      }
      skip_blanks();
      auto value = this->value();
      if (!value || challenges.empty()) break;
      challenges.back().parameters.emplace(base::to_lower(name), std::move(*value));
    }
    return challenges;
  }

 private:
  bool skip_separators() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == ',')) ++at_;
    return at_ < text_.size();
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string token() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_token_character(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::optional<std::string> value() {
    if (!take('"')) return token();
    std::string value;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && ++at_ >= text_.size()) return std::nullopt;
      value.push_back(text_[at_++]);
    }
    if (!take('"')) return std::nullopt;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string Challenge::parameter(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? "" : found->second;
}

std::vector<Challenge> parse_challenges(std::string_view field) { return ChallengeReader(field).read(); }

std::optional<std::string> token_from(std::string_view body) {
  boost::json::error_code ec;
  const auto value = boost::json::parse(body, ec);
  const auto* object = ec ? nullptr : value.if_object();
  if (object == nullptr) return std::nullopt;
  for (const char* name : {"token", "access_token"}) {
    const auto* found = object->if_contains(name);
    const auto* text = found == nullptr ? nullptr : found->if_string();
    if (text == nullptr || text->empty()) continue;
    if (!std::ranges::all_of(*text, [](char c) { return c > ' ' && c < 127; })) return std::nullopt;
    return std::string(*text);
  }
  return std::nullopt;
}

}  // namespace rivera::garden
