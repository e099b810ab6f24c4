// The tar header block (POSIX ustar, with GNU's and PAX extensions read).
#pragma once

#include <cstddef>

namespace rivera::garden::shim {

inline constexpr std::size_t kTarBlock = 512;

struct TarHeader {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link_name[100];
  char magic[6];
  char version[2];
  char user_name[32];
  char group_name[32];
  char device_major[8];
  char device_minor[8];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(TarHeader) == kTarBlock);

enum TarType : char {
  kTarRegular = '0',
  kTarRegularOld = '\0',
  kTarHardLink = '1',
  kTarSymbolicLink = '2',
  kTarCharacter = '3',
  kTarBlockDevice = '4',
  kTarDirectory = '5',
  kTarFifo = '6',
  kTarContiguous = '7',
  kTarPaxNext = 'x',
  kTarPaxGlobal = 'g',
  kTarGnuLongName = 'L',
  kTarGnuLongLink = 'K',
  kTarGnuSparse = 'S',
};

}  // namespace rivera::garden::shim
