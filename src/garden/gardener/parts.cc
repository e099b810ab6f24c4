#include "garden/gardener/parts.h"

#include "garden/images/image_part.h"
#include "garden/limits/cgroup_part.h"
#include "garden/network/network_part.h"
#include "garden/plugins/plugin_image_part.h"
#include "garden/plugins/plugin_network_part.h"
#include "garden/runtime/runtime_part.h"
#include "garden/runtime/shim_part.h"
#include "garden/runtime/user_namespace_part.h"

namespace rivera::garden {

namespace {

std::unique_ptr<Networker> make_networker(const Context& context) {
  if (context.options.network_plugin.empty()) return std::make_unique<NetworkPart>(context);
  return std::make_unique<PluginNetworkPart>(context);
}

std::unique_ptr<Part> make_image_part(const Context& context) {
  const Options& options = context.options;
  if (options.image_plugin.empty() && options.privileged_image_plugin.empty()) {
    return std::make_unique<ImagePart>(context);
  }
  return std::make_unique<PluginImagePart>(context);
}

}  // namespace

PartList make_parts(const Context& context) {
  PartList list;
  auto network = make_networker(context);
  list.networker = network.get();
  list.parts.push_back(std::make_unique<UserNamespacePart>(context));
  list.parts.push_back(std::make_unique<ShimPart>(context));
  list.parts.push_back(make_image_part(context));
  list.parts.push_back(std::make_unique<CgroupPart>(context));
  list.parts.push_back(std::move(network));
  list.parts.push_back(std::make_unique<RuntimePart>(context));
  return list;
}

}  // namespace rivera::garden
