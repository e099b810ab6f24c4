// The root filesystem that sample applications run in, and the sample application's package.
#pragma once

#include "cluster/settings/settings.h"

namespace rivera::cluster {

// Makes <var>/rootfs/<stack>.tar from Debian's busybox-static if it is missing or was made from another busybox: a
// shell and the usual tools (nc, httpd, wget), a user `vcap` (2000) with /home/vcap, /tmp. About 2 MB. Throws Problem
// if busybox is not installed.
void make_rootfs(const Settings& settings);

// Packs <samples>/hello into <var>/static/sample/hello.tgz, which the file-server gives to the cell.
void pack_sample(const Settings& settings, const std::filesystem::path& samples_dir);

// Puts the health check program into a directory of its own, which the cell binds into containers.
void place_healthcheck(const Settings& settings);

}  // namespace rivera::cluster
