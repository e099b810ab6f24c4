#include <fstream>
#include <map>
#include <stdexcept>

#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/testing/places.h"
#include "bbs/rows/column_codec.h"
#include "models/forms/wire.h"
#include "seeds.h"
#include "targets.h"

namespace rivera::fuzz {

namespace {

namespace json = boost::json;

std::vector<std::string> of_requests() {
  std::vector<std::string> seeds;
  for_each_line("bbs-scenario.jsonl",
                [&](const json::object& step) { add(seeds, base::from_hex(text_of(step, "request_hex")), 0, 29); });
  return seeds;
}

std::vector<std::string> of_locket() {
  std::vector<std::string> seeds;
  for_each_line("locket-scenario.jsonl",
                [&](const json::object& step) { seeds.push_back(base::from_hex(text_of(step, "request_hex"))); });
  return seeds;
}

std::vector<std::string> of_json() {
  std::vector<std::string> seeds;
  for_each_line("bbs-models.jsonl",
                [&](const json::object& line) { add(seeds, json::serialize(line.at("json")), 6, 11); });
  for_each_line("conversations.jsonl", [&](const json::object& line) {
    for (const char* side : {"request", "response"}) {
      const json::value* body = line.if_contains(side);
      if (!body || !body->is_object()) continue;
      const std::string text = text_of(body->get_object(), "text");
      if (text.starts_with("{") || text.starts_with("[")) add(seeds, text, 0, 5);
    }
  });
  return seeds;
}

std::vector<std::string> of_columns() {
  const bbs::ColumnCipher cipher({{"k1", "a secure passphrase"}}, "k1");
  std::vector<std::string> seeds;
  std::ifstream dump(base::source_dir() + "/tests/golden/upstream-bbs-postgres.sql");
  std::string text((std::istreambuf_iterator<char>(dump)), {});
  for (auto at = text.find("'02"); at != std::string::npos; at = text.find("'02", at + 1)) {
    const std::string column = text.substr(at + 1, text.find('\'', at + 1) - at - 1);
    seeds.push_back('\0' + column);
    try {
      add(seeds, cipher.open(column), 1, 8);
    } catch (const bbs::UndecodableColumn&) {
      continue;  // sealed with a key of its own
    }
  }
  return seeds;
}

std::vector<std::string> of_streams() {
  std::vector<std::string> seeds;
  for_each_line("bbs-scenario-events.jsonl", [&](const json::object& line) {
    seeds.push_back(std::string("\0\7", 2) + "id: 1\nevent: " + text_of(line, "event") +
                    "\ndata: " + text_of(line, "data") + "\n\n");
  });
  for_each_line("nats.jsonl", [&](const json::object& line) {
    const std::string payload = text_of(line, "payload");
    seeds.push_back(std::string("\1\5", 2) + "INFO {}\r\nMSG " + text_of(line, "subject") + " 1 " +
                    std::to_string(payload.size()) + "\r\n" + payload + "\r\nPING\r\n+OK\r\n-ERR 'x'\r\n");
  });
  for_each_line("conversations.jsonl", [&](const json::object& line) {
    const std::string head = text_of(line, "method") + " " + text_of(line, "path") + " HTTP/1.1\r\nHost: a\r\n";
    seeds.push_back(std::string("\2\3", 2) + head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n");
    seeds.push_back(std::string("\2\3", 2) + head + "Content-Length: 3\r\n\r\nabc");
    seeds.push_back(std::string("\3\3", 2) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    seeds.push_back(std::string("\3\3", 2) + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f;\r\n");
    seeds.push_back(std::string("\4\3", 2) + "3;a=\"b\"\r\nabc\r\n0;\r\nA: b\r\n\r\nGET");
  });
  return seeds;
}

}  // namespace

std::vector<std::string> corpus_of(std::string_view target) {
  static const std::map<std::string_view, Seeds (*)()> kCorpora = {{"bbs_requests", of_requests},
                                                                   {"locket_requests", of_locket},
                                                                   {"json_documents", of_json},
                                                                   {"columns", of_columns},
                                                                   {"streams", of_streams},
                                                                   {"archives", of_archives},
                                                                   {"tar_streams", of_tar_streams},
                                                                   {"layers", of_layers},
                                                                   {"registry_documents", of_registry_documents},
                                                                   {"garden_messages", of_garden_messages},
                                                                   {"route_messages", of_route_messages},
                                                                   {"http_heads", of_http_heads}};
  const auto corpus = kCorpora.find(target);
  if (corpus == kCorpora.end()) throw std::invalid_argument("there is no such target");
  return corpus->second();
}

}  // namespace rivera::fuzz
