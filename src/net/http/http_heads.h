// Heads of HTTP messages from and to their bytes. For the .cc files of this folder.
#pragma once

#include <string>

#include "net/http/http.h"
#include "net/http1/http1.h"

namespace rivera::net {

// A parsed head as a value that outlives its bytes.
void copy_head(const Http1Request& from, RequestHead& into);
void copy_head(const Http1Response& from, ResponseHead& into);

// Appends "HTTP/1.1 200 OK\r\n...\r\n\r\n". Control characters in names and values become blanks: a value cannot end
// its line.
void append_head(std::string& out, const ResponseHead& head);
// Appends "GET / HTTP/1.1\r\n...\r\n\r\n". Throws std::invalid_argument if the method or the target holds a character
// that would end it.
void append_head(std::string& out, const RequestHead& head);

// Appends a piece of a chunked body; `bytes` must not be empty.
void append_chunk(std::string& out, std::string_view bytes);

// What ends a chunked body.
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace rivera::net
