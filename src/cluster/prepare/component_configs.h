// The configuration file of each component, with upstream's keys.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Where a component's file is: <var>/config/<component>.json (gorouter.yml, nats.conf).
std::filesystem::path config_file(const Settings& settings, const std::string& component);

// Writes the files whose content has changed and returns those components' names. The BBS's encryption key is made once
// and kept. All are for root only: some hold keys.
std::vector<std::string> write_component_configs(const Settings& settings);

}  // namespace rivera::cluster
