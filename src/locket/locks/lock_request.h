// What a request may say (docs/spec/locket-and-auction.md §1.3). Pure.
#pragma once

#include <string>

#include "locket/locks/lock_record.h"
#include "models/locket.h"

namespace rivera::locket {

// The type to store, from a request's code and (deprecated) name: the code counts, a name alone is accepted, and a name
// that contradicts the code is not. Throws RpcError(kNotFound, "invalid-type").
std::string resolve_type(int type_code, const std::string& type_name);

// The record a Lock asks for; index and id are left empty. Throws RpcError: invalid-type, invalid-ttl, invalid-owner.
LockRecord read_lock_request(const locket_api::LockRequest& request);

// A stored record as the wire has it: name and code. An unknown stored type keeps its name and gets code 0.
void write_resource(const LockRecord& record, locket_api::Resource& resource);

}  // namespace rivera::locket
