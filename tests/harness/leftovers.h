// Directories of test clusters, and what is left of clusters whose test program was killed.
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace rivera::harness {

// Makes a directory below /var/tmp whose name says that it is this process's. Before that it removes those
// of processes that have ended, with their control groups.
std::filesystem::path make_cluster_directory();

// A tag for a Garden (two characters) that no control group of the host has. It is noted in the directory.
std::string take_garden_tag(const std::filesystem::path& cluster_directory);

// Removes the directory and the control groups of the tags noted there, and ends the processes in them.
void remove_cluster_directory(const std::filesystem::path& directory);

// Control groups of those tags that exist, for the test that there are none.
std::set<std::string> control_groups_of(const std::filesystem::path& cluster_directory);

}  // namespace rivera::harness
