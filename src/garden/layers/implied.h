// What a layer takes from the layers below it when it is unpacked on its own.
#pragma once

#include <string>
#include <vector>

#include "garden/layers/layer_writer.h"

namespace rivera::garden {

// Gives the directories of `layer` that no entry described the attributes that they have below, and makes the hard
// links to files of the layers below, which are copied. `below` are directories, highest first. Names are resolved
// within each layer. Blocks. Throws std::runtime_error for a link to a file that no layer has, and if `base_directory`
// (not "") is in none.
void complete_implied(const std::string& layer, const Implied& implied, const std::vector<std::string>& below,
                      const std::string& base_directory);

}  // namespace rivera::garden
