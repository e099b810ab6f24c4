#include "locket/locks/lock_request.h"

namespace rivera::locket {
namespace {

std::string_view name_of(int type_code) {
  if (type_code == locket_api::LOCK) return kLockType;
  if (type_code == locket_api::PRESENCE) return kPresenceType;
  return {};
}

}  // namespace

std::string resolve_type(int type_code, const std::string& type_name) {
  const std::string_view by_code = name_of(type_code);
  const bool name_alone = type_code == locket_api::UNKNOWN && (type_name == kLockType || type_name == kPresenceType);
  if (name_alone) return type_name;
  const bool agree = !by_code.empty() && (type_name.empty() || type_name == by_code);
  if (!agree) throw RpcError(RpcCode::kNotFound, "invalid-type");
  return std::string(by_code);
}

LockRecord read_lock_request(const locket_api::LockRequest& request) {
  const auto& resource = request.resource();
  LockRecord record{.key = resource.key(),
                    .owner = resource.owner(),
                    .value = resource.value(),
                    .type = resolve_type(resource.type_code(), resource.type()),
                    .ttl_seconds = request.ttl_in_seconds()};
  if (record.ttl_seconds <= 0) throw RpcError(RpcCode::kInvalidArgument, "invalid-ttl");
  if (record.owner.empty()) throw RpcError(RpcCode::kInvalidArgument, "invalid-owner");
  return record;
}

void write_resource(const LockRecord& record, locket_api::Resource& resource) {
  resource.set_key(record.key);
  resource.set_owner(record.owner);
  resource.set_value(record.value);
  resource.set_type(record.type);
  if (record.type == kLockType) resource.set_type_code(locket_api::LOCK);
  if (record.type == kPresenceType) resource.set_type_code(locket_api::PRESENCE);
}

}  // namespace rivera::locket
