// Messages that mutation starts from: recorded ones, and those that no recording has.
#include <boost/json.hpp>
#include <fmt/format.h>

#include "garden/shim/protocol.h"
#include "seeds.h"
#include "targets.h"

namespace rivera::fuzz {
namespace {

namespace json = boost::json;
namespace shim = garden::shim;

// The texts that one side of a recorded connection has sent: [["send", bytes], ["recv", bytes], …].
void for_each_sent(const json::value& transcript, const std::function<void(const std::string&)>& visit) {
  if (!transcript.is_array()) return;
  for (const auto& step : transcript.get_array()) {
    const auto* pair = step.if_array();
    if (pair == nullptr || pair->size() < 2 || (*pair)[0] != "send" || !(*pair)[1].is_string()) continue;
    visit(std::string((*pair)[1].get_string()));
  }
}

const json::array& list_of(const json::object& object, std::string_view key) {
  static const json::array kNone;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kNone;
}

}  // namespace

Seeds of_registry_documents() {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const std::string descriptor = R"("digest":")" + digest + R"(","size":5)";
  const std::string manifest =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{)" + descriptor +
      R"(},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","urls":["https://a/b"],)" + descriptor +
      R"(,"annotations":{"org.cloudfoundry.experimental.image.base-directory":"/a"}}]})";
  const std::string index =
      R"({"manifests":[{)" + descriptor + R"(,"platform":{"architecture":"amd64","os":"linux"}}]})";
  Seeds seeds;
  for (char type = 0; type < 5; ++type) {
    for (const auto& text : {manifest, index}) seeds.push_back(std::string(1, '\0') + type + text);
  }
  seeds.push_back(std::string("\1") +
                  R"({"config":{"Env":["A=b"],"User":"a:b","WorkingDir":"/"},"rootfs":{"diff_ids":[")" + digest +
                  R"(","sha512:)" + std::string(128, 'b') + R"("]}})");
  seeds.push_back("\2Basic realm=\"a, b\", Bearer realm=\"https://a/token\",service=\"b\\\"c\", scope=x:pull, Other");
  seeds.push_back("\3{\"token\":\"abc\",\"access_token\":\"def\",\"expires_in\":300}");
  for (const char* uri : {"docker:///busybox", "docker://registry.example.com:5000/a/b#tag", "docker://[::1]:5000/x",
                          "docker:///a@sha256:", "docker://u:p@h/a?b=c"}) {
    seeds.push_back("\4" + (std::string(uri).ends_with("sha256:") ? uri + std::string(64, 'a') : std::string(uri)));
  }
  for (const char* url :
       {"https://a.example.com/b?c=d#e", "http://u:p@10.0.0.1:8080", "http://[::1]:80/", "unix:/a", "https://a?b"}) {
    seeds.push_back(std::string("\5") + url);
  }
  return seeds;
}

Seeds of_garden_messages() {
  Seeds seeds;
  for_each_line("cell.jsonl", [&](const json::object& line) {
    if (const auto* create = line.if_contains("garden_create")) add(seeds, json::serialize(*create), 0, 0);
    for (const auto& process : list_of(line, "garden_processes")) add(seeds, json::serialize(process), 1, 1);
  });
  for_each_line("conversations.jsonl", [&](const json::object& line) {
    if (text_of(line, "server") != "garden") return;
    for (const char* side : {"request", "response"}) {
      const json::value* body = line.if_contains(side);
      const std::string text = body != nullptr && body->is_object() ? text_of(body->get_object(), "text") : "";
      if (text.starts_with("{") && text.size() > 2) add(seeds, text, 0, 9);
    }
  });
  const std::string rule =
      R"({"protocol":1,"networks":[{"start":"10.0.0.1","end":"10.0.0.9"},{"start":"::ffff:1.2.3.4"}],)"
      R"("ports":[{"start":80,"end":90}],"log":true})";
  add(seeds, rule, 2, 2);
  add(seeds, "[" + rule + R"(,{"protocol":3,"icmps":{"type":8,"code":0}}])", 8, 8);
  add(seeds, "10.254.0.5/30", 10, 10);
  add(seeds, "vcap:users\nroot:x:0:0:root:/root:/bin/sh\nvcap:x:2000:2000::/home/vcap:\nusers:x:100:vcap,a\n", 11, 11);
  shim::LaunchRequest launch;
  launch.id = "id", launch.pid_file = "pid", launch.exit_file = "exit", launch.command = {"runc", "exec"};
  shim::StatusReply status;
  status.processes.push_back({"id", 5, true, 1});
  add(seeds, launch.encode(), 13, 13);
  add(seeds, status.encode(), 14, 14);
  add(seeds,
      "\5" + shim::encode_frame(shim::FrameType::kLaunch, launch.encode()) +
          shim::encode_frame(shim::FrameType::kInput, "text") + shim::encode_frame(shim::FrameType::kInputEnd),
      12, 12);
  return seeds;
}

Seeds of_route_messages() {
  Seeds seeds;
  for_each_line("router.jsonl", [&](const json::object& line) {
    for (const auto& step : list_of(line, "steps")) {
      const auto* payload = step.is_object() ? step.get_object().if_contains("payload") : nullptr;
      if (payload != nullptr && payload->is_string()) add(seeds, std::string(payload->get_string()), 0, 0);
    }
    const auto* bbs = line.if_contains("bbs");
    if (bbs == nullptr || !bbs->is_object()) return;
    for (const auto& lrp : list_of(bbs->get_object(), "desired_lrps")) {
      const auto* routes = lrp.is_object() ? lrp.get_object().if_contains("routes") : nullptr;
      if (routes == nullptr || !routes->is_object()) continue;
      for (const auto& [key, document] : routes->get_object()) add(seeds, json::serialize(document), 1, 3);
    }
  });
  return seeds;
}

Seeds of_http_heads() {
  Seeds seeds;
  for_each_line("router.jsonl", [&](const json::object& line) {
    for (const auto& client : list_of(line, "client")) {
      const auto* transcript = client.is_object() ? client.get_object().if_contains("transcript") : nullptr;
      if (transcript == nullptr) continue;
      for_each_sent(*transcript, [&](const std::string& sent) {
        for (const char settings : {'\0', '\101', '\172'}) seeds.push_back(std::string(1, '\0') + settings + sent);
      });
    }
    for (const auto& backend : list_of(line, "backends")) {
      if (!backend.is_object()) continue;
      for (const auto& connection : list_of(backend.get_object(), "connections")) {
        for_each_sent(connection, [&](const std::string& sent) { seeds.push_back(std::string("\1\20\0", 3) + sent); });
      }
    }
  });
  seeds.push_back("\1\020\002HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=a; Secure; SameSite=Lax; Max-Age=5\r\n\r\n");
  seeds.push_back("\2A: b\r\nX-Removed: c\r\nContent-Length: 5\r\nX-Forwarded-For: d\r\n");
  for (const char* headers :
       {"Range:bytes=0-4,10-,-5", "If-None-Match:W/\"etag\", *", "If-Range:\"etag\"\nRange:bytes=1-2",
        "If-Modified-Since:Sun, 06 Nov 1994 08:49:37 GMT"}) {
    seeds.push_back(std::string("\3/a/%2e%2e/b\n") + headers);
  }
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994", "%41%zz+", "7f46bf0e-8a5f-4b5a-bd3e-9a0b6c1d2e3f"}) {
    seeds.push_back(std::string("\4") + text);
  }
  return seeds;
}

}  // namespace rivera::fuzz
