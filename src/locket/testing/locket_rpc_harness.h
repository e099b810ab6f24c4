// A Locket for one test, with plain gRPC stubs: its behaviour as clients in other languages see it.
#pragma once

#include <algorithm>
#include <fstream>

#include <boost/json.hpp>
#include <grpcpp/grpcpp.h>

#include "base/bytes.h"
#include "base/testing/places.h"
#include "locket.grpc.pb.h"
#include "locket/testing/locket_harness.h"
#include "models/locket.h"

namespace rivera::locket {

// The names that the recordings use.
inline std::string code_name(grpc::StatusCode code) {
  switch (code) {
    case grpc::OK:
      return "OK";
    case grpc::NOT_FOUND:
      return "NotFound";
    case grpc::ALREADY_EXISTS:
      return "AlreadyExists";
    case grpc::INVALID_ARGUMENT:
      return "InvalidArgument";
    default:
      return std::to_string(code);
  }
}

template <typename Message>
Message decode(const std::string& bytes) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  return message;
}

class LocketServer : public LocketHarness {
 protected:
  std::unique_ptr<locket_api::Locket::Stub> make_stub(const net::TlsFiles& tls) {
    return locket_api::Locket::NewStub(make_channel(tls));
  }

  std::shared_ptr<grpc::Channel> make_channel(const net::TlsFiles& tls, grpc::ChannelArguments arguments = {},
                                              const std::string& address = "") {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = base::read_file(tls.ca_file);
    if (!tls.certificate_file.empty()) options.pem_cert_chain = base::read_file(tls.certificate_file);
    if (!tls.key_file.empty()) options.pem_private_key = base::read_file(tls.key_file);
    return grpc::CreateCustomChannel(address.empty() ? config_.listen_address : address, grpc::SslCredentials(options),
                                     arguments);
  }

  grpc::Status lock(const std::string& key, const std::string& owner, std::int64_t ttl, const std::string& value = "") {
    return lock(*stub_, key, owner, ttl, value);
  }

  static grpc::Status lock(locket_api::Locket::Stub& stub, const std::string& key, const std::string& owner,
                           std::int64_t ttl, const std::string& value = "") {
    locket_api::LockRequest request;
    request.mutable_resource()->set_key(key);
    request.mutable_resource()->set_owner(owner);
    request.mutable_resource()->set_value(value);
    request.mutable_resource()->set_type_code(locket_api::LOCK);
    request.set_ttl_in_seconds(ttl);
    grpc::ClientContext context;
    locket_api::LockResponse response;
    return stub.Lock(&context, request, &response);
  }

  static grpc::Status release(locket_api::Locket::Stub& stub, const std::string& key, const std::string& owner) {
    locket_api::ReleaseRequest request;
    request.mutable_resource()->set_key(key);
    request.mutable_resource()->set_owner(owner);
    grpc::ClientContext context;
    locket_api::ReleaseResponse response;
    return stub.Release(&context, request, &response);
  }

  bool is_held(const std::string& key) { return run(client().fetch(key)).has_value(); }

  // The whole of tests/golden/locket-scenario.jsonl.
  void replay_recording();
  // Replays one recorded call; returns its status and the bytes of its response.
  std::pair<grpc::Status, std::string> play(const std::string& method, const std::string& bytes);

  std::unique_ptr<locket_api::Locket::Stub> stub_ = make_stub(certificates_.client());
};

inline std::pair<grpc::Status, std::string> LocketServer::play(const std::string& method, const std::string& bytes) {
  grpc::ClientContext context;
  if (method == "/models.Locket/Lock") {
    locket_api::LockResponse response;
    auto status = stub_->Lock(&context, decode<locket_api::LockRequest>(bytes), &response);
    return {status, response.SerializeAsString()};
  }
  if (method == "/models.Locket/Release") {
    locket_api::ReleaseResponse response;
    auto status = stub_->Release(&context, decode<locket_api::ReleaseRequest>(bytes), &response);
    return {status, response.SerializeAsString()};
  }
  if (method == "/models.Locket/Fetch") {
    locket_api::FetchResponse response;
    auto status = stub_->Fetch(&context, decode<locket_api::FetchRequest>(bytes), &response);
    return {status, response.SerializeAsString()};
  }
  locket_api::FetchAllResponse response;
  auto status = stub_->FetchAll(&context, decode<locket_api::FetchAllRequest>(bytes), &response);
  std::sort(response.mutable_resources()->begin(), response.mutable_resources()->end(),
            [](const auto& a, const auto& b) { return a.key() < b.key(); });
  return {status, response.SerializeAsString()};
}

inline void LocketServer::replay_recording() {
  ASSERT_TRUE(lock("bbs", "bbs-uuid-1", 600).ok());  // the BBS that ran during the recording
  std::ifstream recording(base::source_dir() + "/tests/golden/locket-scenario.jsonl");
  ASSERT_TRUE(recording);
  int steps = 0;
  for (std::string line; std::getline(recording, line); ++steps) {
    const auto step = boost::json::parse(line).as_object();
    const std::string name(step.at("step").as_string());
    SCOPED_TRACE(name);
    const auto text = [&](const char* key) {
      return step.contains(key) ? std::string(step.at(key).as_string()) : std::string();
    };
    if (name.find("expired") != std::string::npos) {
      while (is_held("k7")) std::this_thread::yield();  // bounded by the test's own time limit
    }
    const auto [status, response] = play(text("method"), base::from_hex(text("request_hex")));
    EXPECT_EQ(code_name(status.error_code()), text("code"));
    EXPECT_EQ(status.error_message(), text("error"));
    if (!status.ok()) continue;
    auto expected = base::from_hex(text("response_hex"));
    if (text("method") == "/models.Locket/FetchAll") {
      auto list = decode<locket_api::FetchAllResponse>(expected);
      std::sort(list.mutable_resources()->begin(), list.mutable_resources()->end(),
                [](const auto& a, const auto& b) { return a.key() < b.key(); });
      expected = list.SerializeAsString();
    }
    EXPECT_EQ(base::to_hex(response), base::to_hex(expected));
  }
  EXPECT_EQ(steps, 31);
}

}  // namespace rivera::locket
