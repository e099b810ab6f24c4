// Turns a tar file into a layer: a directory tree whose owners are a container's host ids (docs/spec/garden.md §4.4).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "garden/ids/id_mapping.h"
#include "garden/layers/layer_writer.h"

namespace rivera::garden {

struct LayerFigures {
  std::uint64_t bytes = 0;    // content of the regular files
  std::uint64_t entries = 0;  // files, directories and links
};

struct UnpackOptions {
  // Directory of the layer below which everything is put; "" = the top.
  std::string base_directory;
  // The digest of the uncompressed archive, "sha256:…"; "" = not verified.
  std::string diff_id;
  // More than this is an error: content, entries, and bytes of the uncompressed archive.
  std::uint64_t most_bytes = std::numeric_limits<std::int64_t>::max();
  std::uint64_t most_entries = 5'000'000;
};

struct Unpacked {
  LayerFigures figures;
  Implied implied;
};

// Unpacks the tar file `source` (plain, or compressed with gzip, zstd, xz or bzip2) into the empty directory `target`.
// Owners are translated by `mapping`; permission and set-id bits, times, user.* attributes, file capabilities, holes
// and hard links are kept; device nodes, pipes and sockets are left out. ".wh.NAME" hides NAME of the layers below,
// ".wh..wh..opq" all that they have in its directory. Nothing is written outside `target`, whatever the archive holds.
// Blocks. Throws std::runtime_error naming the entry; BadImage for a wrong digest.
Unpacked unpack_tar(const std::string& source, const std::string& target, const IdMapping& mapping,
                    const UnpackOptions& options = {});

// The same from a directory, which is copied; sharing blocks where the disk can. What is mounted below it is left out.
Unpacked copy_directory(const std::string& source, const std::string& target, const IdMapping& mapping);

// The one or the other.
Unpacked unpack(const std::string& source, const std::string& target, const IdMapping& mapping);

}  // namespace rivera::garden
