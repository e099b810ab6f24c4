// Replays recorded requests to upstream and compares its answers and events (tests/golden).
#include <fstream>
#include <map>
#include <set>

#include <boost/json.hpp>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "base/bytes.h"
#include "base/testing/places.h"
#include "base/work/task_group.h"
#include "bbs/program/bbs_harness.h"
#include "models/forms/wire.h"
#include "net/sse/sse.h"
#include "sql/testing/test_servers.h"

namespace rivera::bbs {
namespace {

namespace json = boost::json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::vector<json::object> golden_lines(const std::string& name) {
  std::ifstream file(base::source_dir() + "/tests/golden/" + name);
  std::vector<json::object> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line).as_object());
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::unique_ptr<Message> new_message(const std::string& recorded_name) {
  const auto* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName("rivera." + recorded_name);
  if (!type) return nullptr;
  return std::unique_ptr<Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// Times and guids always differ; routable and availability_zone are newer than the recorded release
// (docs/spec/bbs.md §10).
const std::set<std::string> kMasked = {"since", "created_at", "updated_at",       "first_completed_at",
                                       "epoch", "routable",   "availability_zone"};

void mask(Message& message) {
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (kMasked.contains(field->name())) {
      reflection->ClearField(&message, field);
    } else if (field->is_map() || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    } else if (field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        mask(*reflection->MutableRepeatedMessage(&message, field, i));
      }
    } else {
      mask(*reflection->MutableMessage(&message, field));
    }
  }
}

// Lists are sets: each element of the outermost ones becomes a text of its own, sorted.
std::multiset<std::string> comparable(const std::string& type, const std::string& bytes) {
  std::multiset<std::string> texts;
  auto message = new_message(type);
  if (!message || !models::decode(bytes, *message)) return {"not a " + type};
  mask(*message);
  const auto* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const auto* field : fields) {
    if (!field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
      texts.insert(reflection->GetRepeatedMessage(*message, field, i).DebugString());
    }
    reflection->ClearField(message.get(), field);
  }
  texts.insert(message->DebugString());
  return texts;
}

// What an event is about: events of different keys may swap.
std::string key_of(const Message& event) {
  std::string key;
  const auto add_from = [&key](const Message& m, const auto& self) -> bool {
    const auto* reflection = m.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(m, &fields);
    for (const auto* field : fields) {
      if (field->name() == "process_guid" || field->name() == "task_guid") {
        key = reflection->GetString(m, field);
        const auto* index = m.GetDescriptor()->FindFieldByName("index");
        if (index) key += "/" + std::to_string(reflection->GetInt32(m, index));
        return true;
      }
    }
    for (const auto* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated()) continue;
      if (self(reflection->GetMessage(m, field), self)) return true;
    }
    return false;
  };
  add_from(event, add_from);
  return key;
}

using EventsByKey = std::map<std::string, std::vector<std::string>>;

void add_event(EventsByKey& events, const std::string& name, const std::string& type, const std::string& data) {
  auto message = new_message(type);
  ASSERT_TRUE(message && models::decode(base::from_base64(data), *message)) << name;
  mask(*message);
  events[key_of(*message)].push_back(name + "\n" + message->DebugString());
}

// "actual_lrp_instance_created" to "models.ActualLRPInstanceCreatedEvent".
const std::map<std::string, std::string> kEventTypes = {
    {"desired_lrp_created", "models.DesiredLRPCreatedEvent"},
    {"desired_lrp_changed", "models.DesiredLRPChangedEvent"},
    {"desired_lrp_removed", "models.DesiredLRPRemovedEvent"},
    {"actual_lrp_created", "models.ActualLRPCreatedEvent"},
    {"actual_lrp_changed", "models.ActualLRPChangedEvent"},
    {"actual_lrp_removed", "models.ActualLRPRemovedEvent"},
    {"actual_lrp_instance_created", "models.ActualLRPInstanceCreatedEvent"},
    {"actual_lrp_instance_changed", "models.ActualLRPInstanceChangedEvent"},
    {"actual_lrp_instance_removed", "models.ActualLRPInstanceRemovedEvent"},
    {"actual_lrp_crashed", "models.ActualLRPCrashedEvent"},
    {"task_created", "models.TaskCreatedEvent"},
    {"task_changed", "models.TaskChangedEvent"},
    {"task_removed", "models.TaskRemovedEvent"},
};

class GoldenScenario : public BbsHarness, public testing::WithParamInterface<sql::Engine> {
 protected:
  GoldenScenario() {
    if (GetParam() == sql::Engine::kSqlite) return;
    EXPECT_TRUE(sql::TestServer::is_installed(GetParam())) << "install the server: tools/install-packages";
    server_ = std::make_unique<sql::TestServer>(GetParam());
    config_.database = server_->config();
  }

  struct Subscriber {
    std::string method, path, cell;
    EventsByKey events;
    std::vector<std::string> ids;
  };

  asio::awaitable<void> listen(Subscriber& subscriber, std::unique_ptr<net::SseReader> reader) {
    while (auto event = co_await reader->next()) {
      subscriber.ids.push_back(event->id);
      const auto type = kEventTypes.find(event->name);
      if (type == kEventTypes.end()) {
        ADD_FAILURE() << "unknown event " << event->name;
        continue;
      }
      add_event(subscriber.events, event->name, type->second, event->data);
    }
  }

  asio::awaitable<void> subscribe(Subscriber& subscriber) {
    net::HttpRequest request;
    request.method = subscriber.method;
    request.target = subscriber.path;
    models::EventsByCellId filter;
    filter.set_cell_id(subscriber.cell);
    request.body = filter.SerializeAsString();
    if (!streams_) streams_ = std::make_unique<net::HttpClient>(home_, client_options());
    auto opening = streams_->open(net::Endpoint::parse("https://" + address_), std::move(request));
    auto incoming = co_await std::move(opening);
    EXPECT_EQ(incoming->head().status, 200);
    EXPECT_EQ(incoming->head().headers.get("Content-Type"), "text/event-stream; charset=utf-8");
    EXPECT_EQ(incoming->head().headers.get("Cache-Control"), "no-cache, no-store, must-revalidate");
    listeners_->spawn("listener", listen(subscriber, std::make_unique<net::SseReader>(std::move(incoming))));
  }

  asio::awaitable<void> all_streams_ended() {
    co_await listeners_->join();
    streams_.reset();
    listeners_.reset();
  }

  asio::awaitable<void> make_listeners() {
    listeners_ = std::make_unique<base::TaskGroup>(home_, base::Logger("test"));
    co_return;
  }

  void replay(const json::object& step) {
    SCOPED_TRACE(text(step, "step"));
    net::HttpRequest request;
    request.method = text(step, "method");
    request.target = text(step, "path");
    request.body = base::from_hex(text(step, "request_hex"));
    const net::HttpResponse response = run(send(std::move(request)));
    EXPECT_EQ(response.status, step.at("status").as_int64());
    EXPECT_EQ(response.headers.get("Content-Type"), text(step, "content_type"));
    const std::string expected = base::from_hex(text(step, "response_hex"));
    const std::string type = text(step, "response_message");
    if (type.empty()) {
      EXPECT_EQ(response.body, expected);
    } else {
      EXPECT_EQ(comparable(type, response.body), comparable(type, expected));
    }
  }

  std::unique_ptr<sql::TestServer> server_;
  std::unique_ptr<net::HttpClient> streams_;
  std::unique_ptr<base::TaskGroup> listeners_;
};

TEST_P(GoldenScenario, GivesTheRecordedAnswersAndEvents) {
  start();
  run(make_listeners());
  std::map<std::string, Subscriber> subscribers;
  subscribers["tasks"] = {"POST", "/v1/events/tasks.r1", "", {}, {}};
  subscribers["lrp_instances"] = {"POST", "/v1/events/lrp_instances.r1", "", {}, {}};
  subscribers["lrp_instances cell c1"] = {"POST", "/v1/events/lrp_instances.r1", "c1", {}, {}};
  subscribers["lrp_groups"] = {"GET", "/v1/events.r1", "", {}, {}};
  for (auto& [name, subscriber] : subscribers) run(subscribe(subscriber));

  // HEAD accepts any cpu_weight (docs/spec/bbs.md §10), and the recorded steps build on the refusal.
  const std::set<std::string> not_replayed = {"task cpu weight 101", "desire cpu weight 101"};
  for (const json::object& step : golden_lines("bbs-scenario.jsonl")) {
    if (!not_replayed.contains(text(step, "step"))) replay(step);
  }
  stop();  // ends the streams after their last event
  run(all_streams_ended());

  std::map<std::string, EventsByKey> recorded;
  for (const json::object& line : golden_lines("bbs-scenario-events.jsonl")) {
    add_event(recorded[text(line, "stream")], text(line, "event"), text(line, "message"), text(line, "data"));
  }
  for (auto& [name, subscriber] : subscribers) {
    SCOPED_TRACE(name);
    for (auto& [key, events] : recorded[name]) EXPECT_EQ(subscriber.events[key], events) << key;
    EXPECT_EQ(subscriber.events.size(), recorded[name].size());
    // Numbers, as recorded, but not from 0 in each connection: a client resumes a stream with them (event_hub.h).
    for (std::size_t i = 1; i < subscriber.ids.size(); ++i) {
      EXPECT_LT(std::stoull(subscriber.ids[i - 1]), std::stoull(subscriber.ids[i]));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, GoldenScenario,
                         testing::Values(sql::Engine::kSqlite, sql::Engine::kPostgres, sql::Engine::kMysql),
                         [](const auto& engine) { return std::string(to_string(engine.param)); });

}  // namespace
}  // namespace rivera::bbs
