#include "garden/gardener/parts.h"

#include "garden/images/image_part.h"
#include "garden/limits/cgroup_part.h"
#include "garden/network/network_part.h"
#include "garden/runtime/runtime_part.h"
#include "garden/runtime/shim_part.h"
#include "garden/runtime/user_namespace_part.h"

namespace rivera::garden {

PartList make_parts(const Context& context) {
  PartList list;
  auto network = std::make_unique<NetworkPart>(context);
  list.networker = network.get();
  list.parts.push_back(std::make_unique<UserNamespacePart>(context));
  list.parts.push_back(std::make_unique<ShimPart>(context));
  list.parts.push_back(std::make_unique<ImagePart>(context));
  list.parts.push_back(std::make_unique<CgroupPart>(context));
  list.parts.push_back(std::move(network));
  list.parts.push_back(std::make_unique<RuntimePart>(context));
  return list;
}

}  // namespace rivera::garden
