#include "static_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

namespace synckit {
namespace {

constexpr int64_t kMaxFileBytes = 64 << 20;

const char* content_type(std::string_view path) {
  static constexpr std::pair<std::string_view, const char*> kTypes[] = {
      {".html", "text/html; charset=utf-8"},  {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
      {".wasm", "application/wasm"},          {".json", "application/json"},
      {".map", "application/json"},           {".svg", "image/svg+xml"},
      {".png", "image/png"},                  {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},               {".txt", "text/plain; charset=utf-8"},
  };
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

HttpResponse plain(unsigned status, const char* text) {
  HttpResponse out;
  out.status = status;
  out.body = std::make_shared<std::string>(text);
  return out;
}

// Every segment is a plain name: no dot files, no "..", no NUL, nothing empty but the last.
bool plain_path(std::string_view path) {
  if (path.empty() || path[0] != '/' || path.find('\0') != path.npos ||
      path.find('\\') != path.npos) {
    return false;
  }
  for (size_t at = 0; at < path.size();) {
    size_t next = path.find('/', at + 1);
    std::string_view segment = path.substr(at + 1, next == path.npos ? path.npos : next - at - 1);
    if (segment.starts_with(".") || (segment.empty() && next != path.npos)) return false;
    if (next == path.npos) break;
    at = next;
  }
  return true;
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// Opens segment by segment, never through a symbolic link: what is served lies inside the root.
int open_beneath(const std::string& root, std::string_view path) {
  int at = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (at >= 0 && !path.empty()) {
    path.remove_prefix(1);
    size_t slash = path.find('/');
    std::string segment(path.substr(0, slash));
    bool last = slash == std::string_view::npos;
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (last ? 0 : O_DIRECTORY);
    int next = ::openat(at, segment.c_str(), flags);
    ::close(at);
    at = next;
    path = last ? std::string_view() : path.substr(slash);
  }
  return at;
}

}  // namespace

HttpResponse static_file(const std::string& root, const std::string& path,
                         const std::string& if_none_match) {
  std::string name = path.ends_with("/") ? path + "index.html" : path;
  if (!plain_path(name)) return plain(404, "not found\n");
  Descriptor file{open_beneath(root, name)};
  struct stat s {};
  if (file.fd < 0 || ::fstat(file.fd, &s) != 0 || !S_ISREG(s.st_mode) ||
      s.st_size > kMaxFileBytes) {
    return plain(404, "not found\n");
  }
  HttpResponse out;
  std::string etag = "\"" + std::to_string(s.st_size) + "-" + std::to_string(s.st_mtim.tv_sec) +
                     "." + std::to_string(s.st_mtim.tv_nsec) + "\"";
  out.content_type = content_type(name);
  out.headers = {{"ETag", etag},
                 {"Cache-Control", "no-cache"},
                 {"Content-Security-Policy",
                  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
                  "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
                  "frame-ancestors 'none'"}};
  if (if_none_match == etag) {
    out.status = 304;
    return out;
  }
  std::string body(static_cast<size_t>(s.st_size), '\0');
  for (size_t at = 0; at < body.size();) {
    ssize_t n = ::read(file.fd, &body[at], body.size() - at);
    if (n <= 0) return plain(500, "the file could not be read\n");
    at += static_cast<size_t>(n);
  }
  out.body = std::make_shared<std::string>(std::move(body));
  return out;
}

}  // namespace synckit
