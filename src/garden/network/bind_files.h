// The files of a container's directory that are its /etc/hosts and /etc/resolv.conf. Every function blocks.
#pragma once

#include <string>

#include "garden/bundle/bundle.h"
#include "garden/container/container.h"
#include "garden/ids/id_mapping.h"
#include "garden/network/name_files.h"

namespace rivera::garden {

// Where the container's files are (Container::file_path).
struct BindFiles {
  explicit BindFiles(const Container& container)
      : hosts(container.file_path("hosts")), resolv_conf(container.file_path("resolv.conf")) {}
  void add_to(BundleInput& bundle) const;

  std::string hosts, resolv_conf;
};

// Makes a file of mode 0644 that the container's root owns: it may write it (docs/spec/garden.md §3.7).
void create_bind_file(const std::string& path, const std::string& content, const IdMapping& mapping);
// Writes into the file that is bound into the container already.
void fill_bind_file(const std::string& path, const std::string& content);

HostResolver read_host_resolver();

}  // namespace rivera::garden
