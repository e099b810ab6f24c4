// Who may call what of Locket: every role on every method, over gRPC.
#include "locket/callers.h"

#include "locket/testing/locket_rpc_harness.h"

namespace rivera::locket {
namespace {

using models::Role;

class LocketCallers : public LocketServer {
 protected:
  LocketCallers() {
    stop();
    config_.authorization = net::Authorization::kRoles;
    start();
  }

  std::unique_ptr<locket_api::Locket::Stub> stub_of(const std::vector<std::string>& units) {
    const net::CertificateRequest request{
        .common_name = "someone", .organizational_units = units, .use = net::CertificateUse::kClient};
    return make_stub(certificates_.issue(request));
  }
  std::unique_ptr<locket_api::Locket::Stub> stub_of(Role role) { return stub_of({std::string(name_of(role))}); }

  static grpc::Status lock(locket_api::Locket::Stub& stub, const std::string& key, bool is_presence) {
    locket_api::LockRequest request;
    request.mutable_resource()->set_key(key);
    request.mutable_resource()->set_owner("owner");
    request.mutable_resource()->set_type_code(is_presence ? locket_api::PRESENCE : locket_api::LOCK);
    request.set_ttl_in_seconds(60);
    grpc::ClientContext context;
    locket_api::LockResponse response;
    return stub.Lock(&context, request, &response);
  }
  static grpc::Status fetch(locket_api::Locket::Stub& stub) {
    grpc::ClientContext context;
    locket_api::FetchResponse response;
    return stub.Fetch(&context, locket_api::FetchRequest(), &response);
  }
  static grpc::Status fetch_all(locket_api::Locket::Stub& stub) {
    locket_api::FetchAllRequest request;
    request.set_type_code(locket_api::PRESENCE);
    grpc::ClientContext context;
    locket_api::FetchAllResponse response;
    return stub.FetchAll(&context, request, &response);
  }

  // "lock presence release fetch fetch-all": what the stub may do.
  static std::string allowed(locket_api::Locket::Stub& stub) {
    std::string out;
    const auto note = [&out](const char* name, const grpc::Status& status) {
      if (status.error_code() != grpc::PERMISSION_DENIED) out += (out.empty() ? "" : " ") + std::string(name);
    };
    note("lock", lock(stub, "some-lock", false));
    note("presence", lock(stub, "some-cell", true));
    note("release", release(stub, "some-lock", "owner"));
    note("fetch", fetch(stub));
    note("fetch-all", fetch_all(stub));
    return out;
  }

  static std::string expected_of(Role role) {
    switch (role) {
      case Role::kBbs:
        return "lock release fetch fetch-all";
      case Role::kAuctioneer:
      case Role::kRouteEmitter:
      case Role::kCloudController:
        return "lock release fetch";
      case Role::kRep:
        return "presence release";
      case Role::kOperator:
        return "lock presence release fetch fetch-all";
      case Role::kLocket:
      case Role::kGorouter:
      case Role::kNats:
      case Role::kFileServer:
      case Role::kSshProxy:
        return "";
    }
    return "";
  }
};

TEST_F(LocketCallers, EachRoleMayCallItsMethodsAndNoOther) {
  for (const Role role : models::all_roles()) {
    const auto stub = stub_of(role);
    EXPECT_EQ(allowed(*stub), expected_of(role)) << name_of(role);
  }
}

TEST_F(LocketCallers, WithoutARoleMayDoNothing) {
  const std::vector<std::vector<std::string>> all = {{}, {"department"}, {"app:1", "operator"}};
  for (const auto& units : all) {
    const auto stub = stub_of(units);
    EXPECT_EQ(allowed(*stub), "");
  }
}

TEST_F(LocketCallers, RefusalsNameTheCallerAndTheMethod) {
  const auto status = lock(*stub_of(Role::kGorouter), "k", false);
  EXPECT_EQ(status.error_code(), grpc::PERMISSION_DENIED);
  EXPECT_EQ(status.error_message(), "OU=gorouter,CN=someone may not call /models.Locket/Lock of the key k");
  EXPECT_EQ(fetch_all(*stub_of(Role::kRep)).error_message(), "OU=rep,CN=someone may not call /models.Locket/FetchAll");
}

TEST_F(LocketCallers, TheLockOfAComponentIsItsOwn) {
  for (const KeyOwner& owned : key_owners()) {
    const std::string key(owned.key);
    for (const Role role : models::all_roles()) {
      const auto stub = stub_of(role);
      const bool may = role == owned.role || role == Role::kOperator;
      for (const bool is_presence : {false, true}) {
        EXPECT_EQ(lock(*stub, key, is_presence).error_code() != grpc::PERMISSION_DENIED, may)
            << key << " " << name_of(role);
      }
      EXPECT_EQ(release(*stub, key, "another").error_code() != grpc::PERMISSION_DENIED, may)
          << key << " " << name_of(role);
    }
  }
}

// MySQL takes keys for the same that differ in case, accents or spaces at the end.
TEST_F(LocketCallers, AKeyThatADatabaseMayTakeForAnothersIsRefused) {
  const auto rep = stub_of(Role::kRep);
  for (const std::string key : {"BBS", "bbs ", "Auctioneer  ", "b\xc3\x9f", "bb\xc5\x9b"}) {
    EXPECT_EQ(lock(*rep, key, true).error_code(), grpc::PERMISSION_DENIED) << key;
  }
  EXPECT_TRUE(lock(*rep, "bbs-cell", true).ok());
}

TEST_F(LocketServer, WithoutRolesEveryCertificateMayCallEverything) {
  const auto stub = make_stub(certificates_.issue({.organizational_units = {"gorouter"}}));
  EXPECT_TRUE(lock(*stub, "bbs", "o", 10).ok());
  EXPECT_TRUE(release(*stub, "bbs", "o").ok());
}

}  // namespace
}  // namespace rivera::locket
