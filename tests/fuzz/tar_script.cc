#include "tar_script.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace rivera::fuzz {
namespace {

constexpr std::size_t kBlock = 512;

void put_checksum(char* block) {
  std::memset(block + 148, ' ', 8);
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(block[i]);
  std::snprintf(block + 148, 8, "%06o", sum);
}

// Names are made of these. Each may be the name of an earlier entry or lead out.
constexpr std::array<const char*, 20> kParts = {"a",        "b",       "c",        "..",           ".",     "",
                                                "outside",  "witness", "inside",   "again",        ".wh.a", ".wh.b",
                                                ".wh.",     ".wh..",   ".wh..wh.", ".wh..wh..opq", "proc",  "\xff\xfe",
                                                "\xc3\xa4", "etc"};
constexpr std::array<const char*, 14> kKeys = {"path",
                                               "linkpath",
                                               "size",
                                               "mtime",
                                               "uid",
                                               "gid",
                                               "SCHILY.xattr.user.a",
                                               "SCHILY.xattr.trusted.overlay.opaque",
                                               "SCHILY.xattr.security.capability",
                                               "GNU.sparse.major",
                                               "GNU.sparse.minor",
                                               "GNU.sparse.realsize",
                                               "GNU.sparse.name",
                                               "LIBARCHIVE.xattr.user.b"};
constexpr std::string_view kTypes("00005551122xgLKS3467\0", 21);
constexpr std::array<const char*, 8> kNumbers = {"0",   "1", "600", "-1", "8589934592", "18446744073709551615",
                                                 "1.5", ""};

class Script {
 public:
  explicit Script(std::string_view bytes) : bytes_(bytes) {}

  std::string run() {
    for (int entries = 0; !bytes_.empty() && entries < 100; ++entries) add();
    return std::move(tar_) + std::string(2 * kBlock, '\0');
  }

 private:
  std::size_t take(std::size_t choices) {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte % choices;
  }

  // The first choice says how many parts there are, and whether slashes are around them.
  std::string name() {
    const std::size_t form = take(32);
    std::string text = (form & 8) != 0 ? "/" : "";
    for (std::size_t left = form % 8; left > 0; --left) {
      text += kParts[take(kParts.size())];
      if (left > 1 || (form & 16) != 0) text += '/';
    }
    return text;
  }

  std::string records() {
    std::string all;
    for (std::size_t left = take(4); left > 0; --left) {
      const std::string key = kKeys[take(kKeys.size())];
      const bool is_name = key == "path" || key == "linkpath" || key == "GNU.sparse.name" || key.find("xattr") < 20;
      const std::string rest = " " + key + "=" + (is_name ? name() : kNumbers[take(kNumbers.size())]) + "\n";
      std::size_t length = rest.size() + 1;
      while (std::to_string(length).size() + rest.size() != length)
        length = std::to_string(length).size() + rest.size();
      all += std::to_string(length) + rest;
    }
    return all;
  }

  void add() {
    const char type = kTypes[take(kTypes.size())];
    const std::string own = name(), link = type == '1' || type == '2' ? name() : "";
    std::string content;
    if (type == 'x' || type == 'g') content = records();
    if (type == 'L' || type == 'K') content = name() + '\0';
    if (std::strchr("0S7", type) != nullptr)
      content.assign(take(4) * take(256), static_cast<char>('k' + tar_.size() % 7));
    std::array<char, kBlock> header{};
    std::memcpy(header.data(), own.data(), std::min<std::size_t>(own.size(), 100));
    std::snprintf(header.data() + 100, 8, "%07zo", std::array<std::size_t, 4>{0644, 0755, 0, 07777}[take(4)]);
    std::snprintf(header.data() + 108, 8, "%07o", 0);
    std::snprintf(header.data() + 116, 8, "%07zo", take(3) * 1000);
    std::snprintf(header.data() + 124, 12, "%011zo", content.size());
    std::snprintf(header.data() + 136, 12, "%011o", 1000);
    header[156] = type;
    std::memcpy(header.data() + 157, link.data(), std::min<std::size_t>(link.size(), 100));
    std::memcpy(header.data() + 257,
                type == 'S' ? "ustar  "
                            : "ustar\0"
                              "00",
                8);
    if (type == 'S') {  // one piece of a sparse file, and its real size
      std::snprintf(header.data() + 386, 12, "%011zo", take(8) * kBlock);
      std::snprintf(header.data() + 398, 12, "%011zo", content.size());
      std::snprintf(header.data() + 483, 12, "%011zo", take(8) * kBlock);
    }
    put_checksum(header.data());
    tar_.append(header.data(), kBlock);
    tar_ += content;
    tar_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
  }

  std::string_view bytes_;
  std::string tar_;
};

std::string with_checksums(std::string tar) {
  for (std::size_t at = 0; at + kBlock <= tar.size(); at += kBlock) {
    if (tar.compare(at + 257, 5, "ustar") == 0) put_checksum(tar.data() + at);
  }
  return tar;
}

}  // namespace

std::string tar_of(std::string_view bytes) {
  if (bytes.empty()) return {};
  const std::string_view rest = bytes.substr(1);
  if (bytes.front() == 0) return Script(rest).run();
  if (bytes.front() == 1) return with_checksums(std::string(rest));
  return std::string(rest);
}

}  // namespace rivera::fuzz
