// A JSON text as Go's decoder takes it up: every member in its order, those with equal names too, and each value as it
// was written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rivera::models::go_json {

// Views into the text, which must outlive it.
struct Document {
  enum class Kind { kNull, kFalse, kTrue, kNumber, kText, kList, kObject };

  Kind kind = Kind::kNull;
  std::string_view raw;            // the value as it was written, without the white space around it
  std::string text;                // kText: what it says
  std::vector<std::string> names;  // kObject: of the members
  std::vector<Document> elements;  // kList; kObject: the members' values

  bool is_null() const { return kind == Kind::kNull; }
};

// Reads `json`, valid UTF-8, nested at most `depth` deep. A lone surrogate becomes U+FFFD, as in Go. Throws JsonError.
Document read_document(std::string_view json, int depth);

// The text without white space between tokens, with <, >, & and the two Unicode line separators escaped: as Go writes a
// value that holds JSON. `json` must be JSON.
std::string compacted(std::string_view json);

}  // namespace rivera::models::go_json
