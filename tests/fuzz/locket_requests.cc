#include "locket/locks/lock_request.h"
#include "targets.h"

namespace rivera::fuzz {

void locket_requests(std::string_view bytes) {
  locket_api::LockRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  try {
    const locket::LockRecord record = locket::read_lock_request(request);
    if (record.ttl_seconds <= 0 || record.owner.empty()) broken("an accepted lock has an owner and a time to live");
    locket_api::Resource resource;
    locket::write_resource(record, resource);
    if (resource.key() != record.key || resource.value() != record.value) broken("a resource is what was stored");
  } catch (const locket::RpcError& e) {
    if (std::string_view(e.what()).empty()) broken("an error has a text");
  }
}

}  // namespace rivera::fuzz
