#include "clients/loggregator_client.h"

#include <algorithm>
#include <future>
#include <stop_token>
#include <thread>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "base/clock.h"
#include "base/config/config.h"
#include "base/files.h"
#include "base/work/outbox.h"
#include "loggregator.grpc.pb.h"

namespace rivera::clients {
namespace {

namespace wire = loggregator::v2;
using namespace std::chrono_literals;

using Outbox = base::Outbox<wire::Envelope>;
using Batch = std::vector<wire::Envelope>;

constexpr Outbox::Bounds kBuffer{.items = 10'000, .weight = 8u << 20};
constexpr std::size_t kLargestBatch = 1u << 20;  // bytes; agents take 4 MiB at least (docs/spec/loggregator.md §1.9)
constexpr std::size_t kLongestLogLine = 61'440;
constexpr auto kShortestPause = 100ms;
constexpr auto kLongestPause = 2000ms;
constexpr auto kPatienceAtTheEnd = 500ms;
constexpr char kAgentName[] = "metron";  // in its certificate (docs/spec/loggregator.md §1.8)
constexpr int kDefaultPort = 3458;

std::shared_ptr<grpc::Channel> make_channel(const LoggregatorOptions& options) {
  net::TlsContext::client(options.tls);  // says which file is missing or bad
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = base::read_file(options.tls.ca_file);
  tls.pem_cert_chain = base::read_file(options.tls.certificate_file);
  tls.pem_private_key = base::read_file(options.tls.key_file);

  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(kAgentName);
  // No keep-alive pings: agents treat more than one in five minutes as an attack.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // the longest that connecting may take
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(options.address, grpc::SslCredentials(tls), arguments);
}

// The longest that one log envelope may hold, cut between two UTF-8 characters (docs/spec/loggregator.md §7.3).
std::string cut_to_a_line(const std::string& text) {
  if (text.size() <= kLongestLogLine) return text;
  std::size_t end = kLongestLogLine;
  while (end > kLongestLogLine - 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void read_address(const base::ConfigFile& file, LoggregatorOptions& options) {
  const std::string host = file.text("loggregator_api_host");
  const bool is_ipv6 = host.find(':') != std::string::npos;
  options.address = fmt::format("{}:{}", is_ipv6 ? "[" + host + "]" : host, file.integer("loggregator_api_port"));
}

void read_batching(const base::ConfigFile& file, LoggregatorOptions& options) {
  options.batch_max_size = file.count<std::size_t>("loggregator_batch_max_size");
  options.batch_flush_interval = file.duration("BatchFlushInterval");
}

void read_identity(const base::ConfigFile& file, LoggregatorOptions& options) {
  options.origin = file.text("loggregator_job_origin");
  options.source_id = file.text("loggregator_source_id");
  options.instance_id = file.text("loggregator_instance_id");
}

}  // namespace

base::ConfigKeys loggregator_keys() {
  using namespace base;
  const LoggregatorOptions defaults;
  const std::string no_use = "upstream does not use it either";
  return {section_key(
      "loggregator",
      {flag_key("loggregator_use_v2_api"), text_key("loggregator_api_host", "127.0.0.1").with_zero_as_default(),
       port_key("loggregator_api_port", kDefaultPort).with_zero_as_default(), text_key("loggregator_ca_path"),
       text_key("loggregator_cert_path"), text_key("loggregator_key_path"),
       text_key("loggregator_job_deployment").unused(no_use), text_key("loggregator_job_name").unused(no_use),
       text_or_number_key("loggregator_job_index").unused(no_use), text_key("loggregator_job_ip").unused(no_use),
       text_key("loggregator_job_origin"), text_key("loggregator_source_id"), text_key("loggregator_instance_id"),
       integer_key("loggregator_batch_max_size", static_cast<std::int64_t>(defaults.batch_max_size))
           .between(1, 10'000)
           .with_zero_as_default(),
       duration_key("BatchFlushInterval", defaults.batch_flush_interval)
           .at_least(1ns)
           .at_most(1h)
           .with_zero_as_default(),
       texts_key("loggregator_app_metric_exclusion_filter").unused("only the rep sends metrics of applications")})};
}

base::ConfigKeys loggregator_keys_without_effect(const std::string& reason) {
  base::ConfigKeys keys = loggregator_keys();
  for (base::ConfigKey& key : keys[0].children) {
    // What turns sending on: the switch, or, in newer configurations, a certificate.
    const bool is_switch = key.name == "loggregator_use_v2_api" || key.name == "loggregator_cert_path";
    key.effect = is_switch ? base::KeyEffect::kNotBuilt : base::KeyEffect::kUnused;
    key.reason = reason;
  }
  return keys;
}

LoggregatorOptions read_loggregator_options(const base::ConfigFile& config) {
  const base::ConfigFile file = config.section("loggregator");
  LoggregatorOptions options;
  options.tls = {file.text("loggregator_cert_path"), file.text("loggregator_key_path"),
                 file.text("loggregator_ca_path")};
  options.is_enabled = file.has("loggregator_use_v2_api") ? file.flag("loggregator_use_v2_api") : !options.tls.empty();
  read_address(file, options);
  read_batching(file, options);
  read_identity(file, options);
  if (options.is_enabled) {
    for (const char* key : {"loggregator_cert_path", "loggregator_key_path", "loggregator_ca_path"}) {
      file.required_text(key);
    }
  }
  return options;
}

// The buffer, and the thread that empties it.
class LoggregatorClient::Sender {
 public:
  Sender(LoggregatorOptions options, base::Logger logger)
      : options_(std::move(options)),
        logger_(logger.session("loggregator")),
        stub_(wire::Ingress::NewStub(make_channel(options_))) {
    // Last: the thread uses all the others.
    thread_ = std::thread([this] { run(); });
  }

  ~Sender() {
    outbox_.close();
    closing_.set_value();
    if (ended_.get_future().wait_for(kPatienceAtTheEnd) != std::future_status::ready) giving_up_.request_stop();
    thread_.join();
  }

  // An envelope of the component's own, without content.
  wire::Envelope own_envelope(const base::MetricLabels& tags) const {
    wire::Envelope envelope = tagged_envelope(tags);
    envelope.set_source_id(options_.source_id);
    envelope.set_instance_id(options_.instance_id);
    return envelope;
  }

  wire::Envelope log_envelope(const std::string& text, wire::Log::Type type, const std::string& source_type,
                              const base::MetricLabels& tags) const {
    base::MetricLabels all = tags;
    all.emplace("source_type", source_type);
    wire::Envelope envelope = tagged_envelope(all);
    if (const auto id = tags.find("source_id"); id != tags.end()) envelope.set_source_id(id->second);
    if (const auto id = tags.find("instance_id"); id != tags.end()) envelope.set_instance_id(id->second);
    envelope.mutable_log()->set_payload(cut_to_a_line(text));
    envelope.mutable_log()->set_type(type);
    return envelope;
  }

  void send(wire::Envelope envelope) {
    const std::size_t size = envelope.ByteSizeLong();
    outbox_.push(std::move(envelope), size);
  }

  std::uint64_t lost() const { return outbox_.lost(); }

 private:
  wire::Envelope tagged_envelope(const base::MetricLabels& tags) const {
    wire::Envelope envelope;
    envelope.set_timestamp(base::to_unix_nanos(base::SystemClock().now()));
    auto& all = *envelope.mutable_tags();
    all["origin"] = options_.origin;
    for (const auto& [name, value] : tags) all[name] = value;
    return envelope;
  }

  Batch next_batch() { return outbox_.take({options_.batch_max_size, kLargestBatch}, options_.batch_flush_interval); }

  // The thread: one stream after the other, until all is sent or there is no more time for it.
  void run() {
    std::shared_future<void> closing = closing_.get_future().share();
    std::chrono::milliseconds pause = kShortestPause;
    for (Batch batch = next_batch(); !batch.empty();) {
      const auto opened = std::chrono::steady_clock::now();
      batch = send_over_a_stream(std::move(batch));
      if (batch.empty()) break;
      const bool worked_for_a_while = std::chrono::steady_clock::now() - opened > kLongestPause;
      pause = worked_for_a_while ? kShortestPause : std::min(pause * 2, kLongestPause);
      if (closing.wait_for(pause) == std::future_status::ready) break;
    }
    ended_.set_value();
  }

  // Sends `batch` and what comes after it. Gives the batch that failed, an empty one once all is sent.
  Batch send_over_a_stream(Batch batch) {
    grpc::ClientContext context;
    const std::stop_callback cancelling(giving_up_.get_token(), [&context] { context.TryCancel(); });
    wire::BatchSenderResponse response;
    const auto stream = stub_->BatchSender(&context, &response);
    for (; !batch.empty(); batch = next_batch()) {
      wire::EnvelopeBatch message;
      *message.mutable_batch() = {batch.begin(), batch.end()};
      if (!stream->Write(message)) {
        note_failure(stream->Finish());
        return batch;
      }
      note_success();
    }
    stream->WritesDone();
    stream->Finish();  // agents answer as they like (docs/spec/loggregator.md §1.2)
    return {};
  }

  void note_failure(const grpc::Status& status) {
    if (std::exchange(has_failed_, true)) return;
    lost_before_ = lost();
    logger_.error("stream-failed", {{"address", options_.address}, {"error", status.error_message()}});
  }

  void note_success() {
    if (!std::exchange(has_failed_, false)) return;
    logger_.info("stream-recovered", {{"address", options_.address}, {"lost-envelopes", lost() - lost_before_}});
  }

  const LoggregatorOptions options_;
  const base::Logger logger_;
  const std::unique_ptr<wire::Ingress::Stub> stub_;
  Outbox outbox_{kBuffer};
  std::promise<void> closing_;     // the destructor's word: no more pauses
  std::promise<void> ended_;       // the thread's: all is done
  std::stop_source giving_up_;     // the destructor's: no more time, cancel what runs
  bool has_failed_ = false;        // these two are the thread's own
  std::uint64_t lost_before_ = 0;  // up to the failure
  std::thread thread_;
};

LoggregatorClient::LoggregatorClient(LoggregatorOptions options, base::Logger logger) {
  if (options.is_enabled) sender_ = std::make_unique<Sender>(std::move(options), std::move(logger));
}

LoggregatorClient::~LoggregatorClient() = default;

void LoggregatorClient::send_counter(const std::string& name, std::uint64_t growth, const base::MetricLabels& tags) {
  if (!sender_) return;
  wire::Envelope envelope = sender_->own_envelope(tags);
  envelope.mutable_counter()->set_name(name);
  envelope.mutable_counter()->set_delta(growth);
  sender_->send(std::move(envelope));
}

void LoggregatorClient::send_gauge(const std::string& name, double value, const std::string& unit,
                                   const base::MetricLabels& tags) {
  if (!sender_) return;
  wire::Envelope envelope = sender_->own_envelope(tags);
  wire::GaugeValue& gauge = (*envelope.mutable_gauge()->mutable_metrics())[name];
  gauge.set_unit(unit);
  gauge.set_value(value);
  sender_->send(std::move(envelope));
}

void LoggregatorClient::send_app_log(const std::string& text, const std::string& source_type,
                                     const base::MetricLabels& tags) {
  if (sender_) sender_->send(sender_->log_envelope(text, wire::Log::OUT, source_type, tags));
}

void LoggregatorClient::send_app_error_log(const std::string& text, const std::string& source_type,
                                           const base::MetricLabels& tags) {
  if (sender_) sender_->send(sender_->log_envelope(text, wire::Log::ERR, source_type, tags));
}

std::uint64_t LoggregatorClient::lost() const { return sender_ ? sender_->lost() : 0; }

std::unique_ptr<LoggregatorClient> make_loggregator_client(const LoggregatorOptions& options,
                                                           const base::Logger& logger, std::string_view failure_name) {
  try {
    return std::make_unique<LoggregatorClient>(options, logger);
  } catch (const std::exception& e) {
    logger.fatal(failure_name, {{"error", e.what()}});
    throw;
  }
}

}  // namespace rivera::clients
