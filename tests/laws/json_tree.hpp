// A JSON value as a tree, for models and patch appliers: written without the SDK's own JSON code,
// so that a mistake there shows. Scalars keep their text; names are decoded and sorted.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace synckit::laws {

struct Tree {
  enum Kind { kScalar, kArray, kObject } kind = kScalar;
  std::string text;                     // scalar: as written
  std::vector<Tree> items;              // array
  std::map<std::string, Tree> members;  // object, by decoded name

  static Tree object() {
    Tree tree;
    tree.kind = kObject;
    return tree;
  }
  bool is_object() const { return kind == kObject; }
};

class TreeReader {
 public:
  explicit TreeReader(std::string_view text) : text_(text) {}

  Tree whole() {
    Tree tree = value();
    space();
    if (at_ != text_.size()) throw std::runtime_error("something follows the JSON value");
    return tree;
  }

  // The decoded string that starts here.
  std::string string() {
    expect('"');
    std::string out;
    while (peek() != '"') {
      char c = take();
      if (c != '\\') {
        out += c;
        continue;
      }
      c = take();
      std::string_view from = "bfnrt", to = "\b\f\n\r\t";
      if (c == 'u') {
        append_utf8(out, code_point());
      } else if (size_t i = from.find(c); i != from.npos) {
        out += to[i];
      } else {
        out += c;
      }
    }
    take();
    return out;
  }

 private:
  void space() {
    while (at_ < text_.size() && is_one_of(" \t\r\n")) ++at_;
  }
  bool is_one_of(std::string_view bytes) const { return bytes.find(text_[at_]) != bytes.npos; }
  char peek() const {
    if (at_ >= text_.size()) throw std::runtime_error("JSON ends too early");
    return text_[at_];
  }
  char take() {
    char c = peek();
    ++at_;
    return c;
  }
  void expect(char c) {
    if (take() != c) throw std::runtime_error("unexpected byte in JSON");
  }
  uint32_t unit() {
    std::string digits(text_.substr(at_, 4));
    at_ += 4;
    return static_cast<uint32_t>(std::stoul(digits, nullptr, 16));
  }
  uint32_t code_point() {
    uint32_t high = unit();
    if (high < 0xd800 || high > 0xdbff) return high;
    expect('\\');
    expect('u');
    return 0x10000 + ((high - 0xd800) << 10) + (unit() - 0xdc00);
  }

 public:
  static void append_utf8(std::string& out, uint32_t code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      if (code < 0x10000) {
        out += static_cast<char>(0xe0 | code >> 12);
      } else {
        out += static_cast<char>(0xf0 | code >> 18);
        out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
      }
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
      out += static_cast<char>(0x80 | (code & 0x3f));
    }
  }

 private:
  Tree value() {
    space();
    Tree tree;
    if (peek() == '{') {
      tree.kind = Tree::kObject;
      take();
      for (space(); peek() != '}'; space()) {
        std::string name = string();
        space();
        expect(':');
        tree.members[name] = value();
        space();
        if (peek() == ',') take();
        space();
      }
      take();
    } else if (peek() == '[') {
      tree.kind = Tree::kArray;
      take();
      for (space(); peek() != ']'; space()) {
        tree.items.push_back(value());
        space();
        if (peek() == ',') take();
      }
      take();
    } else {
      size_t first = at_;
      if (peek() == '"') {
        string();
      } else {
        while (at_ < text_.size() && !is_one_of(" \t\r\n,]}")) ++at_;
      }
      tree.text = text_.substr(first, at_ - first);
    }
    return tree;
  }

  std::string_view text_;
  size_t at_ = 0;
};

inline Tree parse_tree(std::string_view json) { return TreeReader(json).whole(); }

inline std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    std::string_view shorter = "\b\f\n\r\t";
    if (size_t i = shorter.find(c); i != shorter.npos) {
      out += {'\\', "bfnrt"[i]};
    } else if (byte < 0x20) {
      out += "\\u00";
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

inline std::string write_tree(const Tree& tree) {
  if (tree.kind == Tree::kScalar) return tree.text;
  bool object = tree.is_object();
  std::string out(1, object ? '{' : '[');
  for (const auto& [name, member] : tree.members) {
    if (out.size() > 1) out += ',';
    out += quoted(name) + ':' + write_tree(member);
  }
  for (const Tree& item : tree.items) {
    if (out.size() > 1) out += ',';
    out += write_tree(item);
  }
  return out + (object ? '}' : ']');
}

}  // namespace synckit::laws
