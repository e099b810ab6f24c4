// Writes the files of a layer below one directory, and never outside it.
#pragma once

#include <ctime>
#include <map>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/files.h"

namespace rivera::garden {

// What is implied: directories that no entry described, and hard links to files of the layers below. LayerStore
// completes them when those layers are known.
struct Implied {
  std::set<std::string> directories;  // names within the layer; "" is the top
  struct Link {
    std::string name, existing;
  };
  std::vector<Link> links;
  bool empty() const { return directories.empty() && links.empty(); }
};

// The entries come from an archive that may be hostile. Every name is resolved by the kernel within the target, as in a
// chroot: a symbolic link that earlier entries made leads nowhere else, neither for a file, nor for a hard link, nor
// for the content or the attributes of either. The last component of a name is never followed, and content is written
// only to a file that was just created.
//
// Blocks; for one thread. Every function throws std::runtime_error naming the entry.
class LayerWriter {
 public:
  struct Attributes {
    uid_t uid = 0;
    gid_t gid = 0;
    mode_t mode = 0;  // permission, set-id and sticky bits
    timespec modified{};
    std::map<std::string, std::string> extended;  // user.* and security.capability; others are left out
  };

  // `target` is an existing directory that nothing else writes to. With `base`, every name is one below that directory
  // of the target.
  explicit LayerWriter(const std::string& target, const std::string& base = "");

  // Names are relative to the target; leading slashes are dropped, ".." is refused. Missing parents are made with mode
  // 0755 and the owner of the target, and are implied(). What exists at the name is replaced, except that a directory
  // is kept if the entry is one.
  void make_directory(const std::string& name, const Attributes& attributes);
  base::UniqueFd create_file(const std::string& name);
  // After its content: `file` is what create_file() gave.
  void finish_file(const std::string& name, const base::UniqueFd& file, const Attributes& attributes);
  void make_symbolic_link(const std::string& name, const std::string& destination, const Attributes& attributes);
  // `existing` is the name of an earlier file or symbolic link, or of one in a layer below (implied()).
  void make_hard_link(const std::string& name, const std::string& existing);
  // A whiteout: hides what the layers below have at the name. What this layer itself has there stays.
  void hide(const std::string& name);
  // Hides all that the layers below have in the directory.
  void make_opaque(const std::string& directory);
  // Gives directories their times, once nothing is put into them any more.
  void finish();
  const Implied& implied() const { return implied_; }

 private:
  struct Place {
    int parent = -1;  // belongs to parent_
    std::string base;
  };
  Place place_of(const std::string& name);
  std::string full_name(const std::string& name) const;
  base::UniqueFd open_directory(const std::string& name) const;
  base::UniqueFd open_parent(const std::string& name);
  bool replace(const Place& place, const std::string& name);
  void set_attributes(const std::string& name, int fd, const Attributes& attributes, bool is_new = false) const;

  base::UniqueFd target_;
  uid_t owner_ = 0;
  gid_t group_ = 0;
  std::string parent_name_;
  base::UniqueFd parent_;  // the last one used
  std::string base_;
  Implied implied_;
  std::vector<std::pair<std::string, timespec>> directories_;
};

}  // namespace rivera::garden
