// Mounts in which files have other owners than on the disk (idmapped mounts, Linux 5.12). Every function blocks and
// throws std::system_error.
#pragma once

#include <string>

#include "base/files.h"
#include "garden/ids/id_mapping.h"

namespace rivera::garden {

// A user namespace with this mapping, for the kernel to read the mapping from: no process is in it. It lives as long as
// the descriptor.
base::UniqueFd mapping_namespace(const IdMapping& mapping);

// A second mount of the file or directory `source` (with nothing that is mounted below it), in which an owner
// `container` of `mapping` is the id `host`: mounted nowhere, and gone with the descriptor. `user_namespace` is of
// mapping_namespace(). Fails with EINVAL where the file system has no such mounts.
base::UniqueFd mapped_clone(const std::string& source, const base::UniqueFd& user_namespace);

// Mounts it at an existing directory or file.
void attach_mount(const base::UniqueFd& mount, const std::string& target);

}  // namespace rivera::garden
