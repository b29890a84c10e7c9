// The patch appliers, after the FORMAT.md of each type.
#include "patches.hpp"

#include "json_tree.hpp"

#include <synckit/bytes.hpp>

#include <algorithm>

namespace synckit::laws {

namespace {

[[noreturn]] void unfit(const char* why) { throw std::runtime_error(why); }

// The elements of a JSON array as they are written.
std::vector<std::string> split_array(const std::string& view) {
  std::vector<std::string> elements;
  if (view.size() < 2 || view.front() != '[' || view.back() != ']') unfit("not an array");
  size_t depth = 0;
  bool in_string = false;
  std::string element;
  for (size_t i = 1; i + 1 < view.size(); ++i) {
    char c = view[i];
    if (in_string) {
      element += c;
      if (c == '\\') element += view[++i];
      if (c == '"') in_string = false;
      continue;
    }
    if (c == ',' && depth == 0) {
      elements.push_back(std::move(element));
      element.clear();
      continue;
    }
    in_string = c == '"';
    depth += c == '[' || c == '{';
    depth -= c == ']' || c == '}';
    element += c;
  }
  if (view.size() > 2) elements.push_back(std::move(element));
  return elements;
}

size_t utf8_size(unsigned char lead) {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

// Moves `at` over n code points and returns how many of them take two UTF-16 units.
uint64_t skip(const std::string& text, size_t& at, uint64_t n) {
  uint64_t astral = 0;
  for (; n != 0; --n) {
    if (at >= text.size()) unfit("past the end of the text");
    size_t size = utf8_size(static_cast<unsigned char>(text[at]));
    astral += size == 4;
    at += size;
  }
  return astral;
}

}  // namespace

std::string apply_map_patch(const std::string& view, const std::string& patch) {
  Tree root = parse_tree(view);
  Reader reader{Bytes(patch)};
  while (!reader.done()) {
    Reader part(reader.sized());
    std::vector<std::string> path;
    for (uint64_t count = part.varint(); count; --count) path.push_back(part.sized().str());
    std::string value = part.rest().str();
    if (!reader.ok() || !part.ok()) unfit("cut short");
    if (path.empty()) unfit("an empty path");
    Tree* node = &root;
    for (size_t i = 0; i + 1 < path.size() && node; ++i) {
      if (value.empty()) {  // of what is not there nothing is to be deleted
        auto found = node->members.find(path[i]);
        bool is_there = found != node->members.end() && found->second.is_object();
        node = is_there ? &found->second : nullptr;
      } else {
        node = &node->members[path[i]];
        if (!node->is_object()) *node = Tree::object();
      }
    }
    if (!value.empty()) {
      node->members[path.back()] = parse_tree(value);
    } else if (node) {
      node->members.erase(path.back());
    }
  }
  return write_tree(root);
}

std::string apply_set_patch(const std::string& view, const std::string& patch) {
  std::vector<std::string> elements = split_array(view);
  Reader reader{Bytes(patch)};
  while (!reader.done()) {
    Reader part(reader.sized());
    uint8_t kind = part.byte();
    std::string element = part.rest().str();
    if (!reader.ok() || !part.ok()) unfit("cut short");
    auto found = std::find(elements.begin(), elements.end(), element);
    if (kind == 1 && found == elements.end()) {
      elements.push_back(element);
    } else if (kind == 2 && found != elements.end()) {
      elements.erase(found);
    } else {
      unfit("adds what is there, or removes what is not");
    }
  }
  std::sort(elements.begin(), elements.end());
  std::string out = "[";
  for (const std::string& element : elements) out += (out.size() > 1 ? "," : "") + element;
  return out + "]";
}

std::string apply_counter_patch(const std::string& view, const std::string& patch) {
  Reader reader{Bytes(patch)};
  uint8_t size = reader.byte();
  std::string value = std::to_string(static_cast<int64_t>(reader.fixed64()));
  if (!reader.good_end() || size != 8 || value == view) unfit("not one change");
  return value;
}

std::string apply_text_patch(const std::string& view, const std::string& patch) {
  std::string text = TreeReader(view).string(), out;
  size_t at = 0;
  Reader reader{Bytes(patch)};
  while (!reader.done()) {
    uint64_t head = reader.varint(), n = head >> 2;
    if (n == 0) unfit("an empty step");
    if ((head & 3) == 1) {
      out += reader.raw(static_cast<size_t>(n)).str();
    } else if ((head & 3) == 0 || (head & 3) == 2) {
      uint64_t extra = reader.varint();
      size_t first = at;
      if (skip(text, at, n) != extra) unfit("the UTF-16 length of a step is wrong");
      if ((head & 3) == 0) out += text.substr(first, at - first);
    } else {
      unfit("an unknown step");
    }
    if (!reader.ok()) unfit("cut short");
  }
  return quoted(out + text.substr(at));
}

}  // namespace synckit::laws
