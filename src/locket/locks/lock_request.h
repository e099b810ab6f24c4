// Validation of requests (docs/spec/locket-and-auction.md §1.3). Pure.
#pragma once

#include <string>

#include "locket/locks/lock_record.h"
#include "models/locket.h"

namespace rivera::locket {

// The type to store, from a request's code and (deprecated) name: the code takes precedence, a name alone is accepted,
// a name that contradicts the code is not. Throws RpcError(kNotFound, "invalid-type").
std::string resolve_type(int type_code, const std::string& type_name);

// The record that a Lock request asks for, without index and id. Throws RpcError: invalid-type, invalid-ttl,
// invalid-owner.
LockRecord read_lock_request(const locket_api::LockRequest& request);

// A stored record in its wire form, with type name and code. An unknown stored type keeps its name and gets code 0.
void write_resource(const LockRecord& record, locket_api::Resource& resource);

}  // namespace rivera::locket
