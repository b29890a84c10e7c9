#include "file.hpp"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/json.hpp"

namespace synckit {
namespace {

constexpr const char* kPrefix = "libsynckit_";
constexpr const char* kSuffix = ".so";

struct Descriptor {
  int fd = -1;
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Failure refuse(const std::string& path, const std::string& why) {
  return {SK_DENIED, path + ": " + why};
}

bool writable_by_others(const struct stat& s) { return (s.st_mode & (S_IWGRP | S_IWOTH)) != 0; }

Result<> check_folder(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  struct stat s {};
  if (::stat(folder.c_str(), &s) != 0) {
    return refuse(path, "its folder cannot be read: " + std::string(std::strerror(errno)));
  }
  if (writable_by_others(s)) {
    return refuse(path, "its folder " + folder +
                            " is writable by group or others; run chmod go-w on it");
  }
  return Done{};
}

// Whether every part that the loader will map lies inside the file: mapping beyond its end would
// end the process with SIGBUS.
const char* elf_problem(const std::vector<uint8_t>& bytes) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof header) return "it is too short to be a library";
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "it is not an ELF library";
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN) {
    return "it is not a 64-bit shared library";
  }
  uint64_t size = bytes.size();
  auto inside = [size](uint64_t offset, uint64_t len) {
    return offset <= size && len <= size - offset;
  };
  if (!inside(header.e_shoff, uint64_t{header.e_shnum} * header.e_shentsize) ||
      !inside(header.e_phoff, uint64_t{header.e_phnum} * header.e_phentsize) ||
      header.e_phentsize != sizeof(Elf64_Phdr)) {
    return "it is truncated or damaged; install it again";
  }
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, bytes.data() + header.e_phoff + i * sizeof part, sizeof part);
    if (!inside(part.p_offset, part.p_filesz)) {
      return "it is truncated or damaged; install it again";
    }
  }
  return nullptr;
}

std::string sha256(const std::vector<uint8_t>& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int len = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &len, EVP_sha256(), nullptr) != 1) return "";
  return hex_bytes(digest, len);
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// A memory file with these bytes that nobody can change any more. Its descriptor stays open for
// the life of the process: the loader knows libraries by name, and the number is in the name.
Result<std::string> sealed_copy(const std::string& path, const std::vector<uint8_t>& bytes) {
  int fd = ::memfd_create("synckit-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return refuse(path, "no memory file: " + std::string(std::strerror(errno)));
  for (size_t at = 0; at < bytes.size();) {
    ssize_t n = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (n <= 0) {
      ::close(fd);
      return refuse(path, "cannot copy it to memory: " + std::string(std::strerror(errno)));
    }
    at += static_cast<size_t>(n);
  }
  if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    ::close(fd);
    return refuse(path, "cannot seal its copy: " + std::string(std::strerror(errno)));
  }
  return "/proc/self/fd/" + std::to_string(fd);
}

Result<std::vector<uint8_t>> read_checked(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.fd < 0) {
    if (errno == ELOOP) return refuse(path, "it is a symbolic link; name the file itself");
    return refuse(path, "cannot be opened: " + std::string(std::strerror(errno)));
  }
  struct stat s {};
  if (::fstat(file.fd, &s) != 0 || !S_ISREG(s.st_mode)) return refuse(path, "not a regular file");
  if (writable_by_others(s)) {
    return refuse(path, "it is writable by group or others; run chmod go-w on it");
  }
  if (s.st_size < 0 || static_cast<uint64_t>(s.st_size) > kMaxPluginBytes) {
    return refuse(path, "larger than 256 MiB");
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(s.st_size));
  for (size_t at = 0; at < bytes.size();) {
    ssize_t n = ::read(file.fd, bytes.data() + at, bytes.size() - at);
    if (n <= 0) return refuse(path, "cannot be read to its end");
    at += static_cast<size_t>(n);
  }
  return bytes;
}

}  // namespace

Result<std::string> find_plugin(const std::string& name, const std::vector<std::string>& folders) {
  std::string tried;
  if (name.empty() || name.find('/') != std::string::npos) {
    return Failure{SK_UNSUPPORTED, "\"" + name + "\" is not a plugin name"};
  }
  for (const std::string& folder : folders) {
    std::string path = folder + "/" + kPrefix + name + kSuffix;
    struct stat s {};
    if (::lstat(path.c_str(), &s) == 0) return path;
    tried += (tried.empty() ? "" : ", ") + folder;
  }
  return Failure{SK_UNAVAILABLE, "no plugin \"" + name + "\": there is no " + kPrefix + name +
                                     kSuffix + " in " + (tried.empty() ? "any folder" : tried)};
}

Result<PluginFile> check_plugin_file(const std::string& path,
                                     const std::vector<std::string>& allow) {
  if (Result<> folder = check_folder(path); !folder) return folder.failure();
  auto bytes = read_checked(path);
  if (!bytes) return bytes.failure();
  if (const char* problem = elf_problem(*bytes)) return refuse(path, problem);
  PluginFile out{path, path, sha256(*bytes)};
  if (path.find('/') == std::string::npos) out.load_path = "./" + path;
  if (allow.empty()) return out;
  bool allowed = std::any_of(allow.begin(), allow.end(),
                             [&](const std::string& hash) { return lower(hash) == out.sha256; });
  if (!allowed) {
    return refuse(path, "its SHA-256 " + out.sha256 + " is not in plugins.allow");
  }
  auto copy = sealed_copy(path, *bytes);
  if (!copy) return copy.failure();
  out.load_path = *copy;
  return out;
}

std::vector<std::string> plugin_names(const std::vector<std::string>& folders) {
  std::vector<std::string> names;
  for (const std::string& folder : folders) {
    DIR* dir = ::opendir(folder.c_str());
    if (!dir) continue;
    while (const dirent* entry = ::readdir(dir)) {
      std::string_view file = entry->d_name;
      if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix)) continue;
      file.remove_prefix(std::strlen(kPrefix));
      file.remove_suffix(std::strlen(kSuffix));
      names.emplace_back(file);
    }
    ::closedir(dir);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string program_folder() {
  std::string path(4096, '\0');
  ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size());
  if (n <= 0) return ".";
  path.resize(static_cast<size_t>(n));
  return path.substr(0, path.rfind('/'));
}

std::vector<std::string> default_plugin_folders() {
  std::string folder = program_folder();
  std::vector<std::string> out;
  for (const std::string& candidate : {folder + "/plugins", folder + "/../lib/synckit/plugins"}) {
    struct stat s {};
    if (::stat(candidate.c_str(), &s) == 0 && S_ISDIR(s.st_mode)) out.push_back(candidate);
  }
  if (out.empty()) out.push_back(folder + "/plugins");
  return out;
}

}  // namespace synckit
