#include "config.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "base/json.hpp"
#include "options.hpp"

namespace synckit {
namespace {

constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr size_t kMaxErrors = 100;
constexpr int kMaxDepth = 16;

class Parser {
 public:
  Parser(Config& config, std::string name) : config_(config), name_(std::move(name)) {}

  void run(const std::string& text) {
    YAML::Node root;
    try {
      root = YAML::Load(text);
    } catch (const YAML::ParserException& e) {
      return fail(e.mark, "not valid YAML: " + e.msg);
    }
    if (!root.IsDefined() || root.IsNull()) return;  // an empty file: all defaults
    if (!root.IsMap()) return fail(root.Mark(), "expected sections, like `listen:`");
    section(root, "");
  }
  const std::string& errors() const { return errors_; }

 private:
  void fail(const YAML::Mark& mark, const std::string& message) {
    if (++count_ > kMaxErrors) return;
    errors_ += name_ + ":" + std::to_string(mark.line + 1) + ":" +
               std::to_string(mark.column + 1) + ": " + message + "\n";
  }

  // Keys that may stand in `prefix` ("" or "listen.").
  static std::vector<std::string> known_keys(const std::string& prefix) {
    std::set<std::string> keys;
    for (const Option& option : options()) {
      std::string_view name = option.name;
      if (!name.starts_with(prefix)) continue;
      name.remove_prefix(prefix.size());
      keys.emplace(name.substr(0, name.find('.')));
    }
    return {keys.begin(), keys.end()};
  }

  void section(const YAML::Node& node, const std::string& prefix) {
    std::vector<std::string> known = known_keys(prefix);
    std::string section_name = prefix.empty() ? "" : prefix.substr(0, prefix.size() - 1);
    std::set<std::string> seen;
    Config::Section* open = section_name == "storage" ? &config_.storage
                            : section_name == "auth"  ? &config_.auth
                                                      : nullptr;
    for (const auto& item : node) {
      if (!item.first.IsScalar()) {
        fail(item.first.Mark(), "expected a name as key");
        continue;
      }
      std::string key = item.first.Scalar();
      if (!seen.insert(key).second) {
        fail(item.first.Mark(), "\"" + prefix + key + "\" is given twice");
        continue;
      }
      if (const Option* option = find_option(prefix + key)) {
        set(*option, item.second);
      } else if (prefix.empty() && is_section(key, known)) {
        if (item.second.IsMap()) {
          section(item.second, key + ".");
        } else if (!item.second.IsNull()) {
          fail(item.second.Mark(), "\"" + key + "\" is a section: expected keys below it");
        }
      } else if (open) {
        std::string json;
        to_json(item.second, json, 0);
        open->set(key, json);
      } else {
        std::string close = nearest(key, known);
        fail(item.first.Mark(), "unknown key \"" + prefix + key + "\"" +
                                    (close.empty() ? "" : " (did you mean \"" + close + "\"?)"));
      }
    }
  }

  static bool is_section(const std::string& key, const std::vector<std::string>& known) {
    for (const std::string& name : known) {
      if (name == key) return true;
    }
    return false;
  }

  void set(const Option& option, const YAML::Node& node) {
    Value value;
    std::string error;
    config_.marks[option.name] = {node.Mark().line + 1, node.Mark().column + 1};
    if (option.kind == Kind::list) {
      if (!node.IsSequence()) {
        return fail(node.Mark(),
                    "\"" + std::string(option.name) + "\": expected a list, like [a, b]");
      }
      for (const auto& item : node) {
        std::string text;
        if (!item.IsScalar()) {
          fail(item.Mark(), "\"" + std::string(option.name) + "\": expected text in the list");
        } else if (expand(item, text)) {
          config_.marks[std::string(option.name) + "[" + std::to_string(value.list.size()) + "]"] =
              {item.Mark().line + 1, item.Mark().column + 1};
          value.list.push_back(text);
        }
      }
      return option.set(config_, std::move(value));
    }
    std::string text;
    if (!node.IsScalar()) {
      return fail(node.Mark(), "\"" + std::string(option.name) + "\": expected a single value");
    }
    if (!expand(node, text)) return;
    if (!parse_scalar(option, text, value, error)) {
      return fail(node.Mark(), "\"" + std::string(option.name) + "\": " + error);
    }
    option.set(config_, std::move(value));
  }

  // ${NAME} and ${NAME:-default} from the environment; "$${" is a plain "${".
  bool expand(const YAML::Node& node, std::string& out) {
    const std::string& in = node.Scalar();
    for (size_t i = 0; i < in.size();) {
      if (in.compare(i, 3, "$${") == 0) {
        out += "${";
        i += 3;
      } else if (in.compare(i, 2, "${") == 0) {
        size_t end = in.find('}', i);
        if (end == std::string::npos) {
          fail(node.Mark(), "\"${\" without \"}\" (write \"$${\" for the characters themselves)");
          return false;
        }
        std::string name = in.substr(i + 2, end - i - 2);
        size_t split = name.find(":-");
        std::string fallback = split == std::string::npos ? "" : name.substr(split + 2);
        std::string variable = name.substr(0, split);
        const char* value = std::getenv(variable.c_str());
        if (value && (*value || split == std::string::npos)) {
          out += value;
        } else if (split != std::string::npos) {
          out += fallback;
        } else {
          fail(node.Mark(), "the environment variable " + variable +
                                " is not set (or give a default: ${" + variable + ":-...})");
          return false;
        }
        i = end + 1;
      } else {
        out += in[i++];
      }
    }
    return true;
  }

  // A plugin's part: YAML's plain scalars get their JSON type, quoted ones stay text.
  void to_json(const YAML::Node& node, std::string& out, int depth) {
    if (depth > kMaxDepth) {
      fail(node.Mark(), "nested too deeply");
      out += "null";
    } else if (node.IsMap()) {
      std::set<std::string> seen;
      out += "{";
      for (const auto& item : node) {
        std::string key = item.first.IsScalar() ? item.first.Scalar() : "";
        if (!seen.insert(key).second) fail(item.first.Mark(), "\"" + key + "\" is given twice");
        out += (out.back() == '{' ? "" : ",") + json_quoted(key) + ":";
        to_json(item.second, out, depth + 1);
      }
      out += "}";
    } else if (node.IsSequence()) {
      out += "[";
      for (const auto& item : node) {
        if (out.back() != '[') out += ",";
        to_json(item, out, depth + 1);
      }
      out += "]";
    } else if (!node.IsScalar()) {
      out += "null";
    } else {
      std::string text;
      expand(node, text);
      bool plain = node.Tag() == "?";
      out += plain && is_json_literal(text) ? text : json_quoted(text);
    }
  }

  static bool is_json_literal(const std::string& text) {
    if (text == "true" || text == "false" || text == "null") return true;
    int64_t number = 0;
    const char* end = text.data() + text.size();
    auto [at, code] = std::from_chars(text.data(), end, number);
    bool canonical = text == "0" || (!text.starts_with("0") && !text.starts_with("-0"));
    return code == std::errc{} && at == end && canonical;
  }

  Config& config_;
  std::string name_;
  std::string errors_;
  size_t count_ = 0;
};

void check_across(const Config& config, std::string& errors) {
  auto fail = [&](const char* option, const std::string& message) {
    errors += config.at(option) + message + "\n";
  };
  if (config.limits.transaction_bytes + 1024 > config.limits.frame_bytes) {
    fail("limits.max_transaction_bytes",
         "limits.max_transaction_bytes must be at least 1024 bytes below limits.max_frame_bytes");
  }
  if (config.limits.queue_bytes < config.limits.frame_bytes) {
    fail("limits.max_queue_bytes",
         "limits.max_queue_bytes must not be below limits.max_frame_bytes");
  }
  for (size_t i = 0; i < config.plugins.allow.size(); ++i) {
    const std::string& hash = config.plugins.allow[i];
    if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdefABCDEF") != hash.npos) {
      std::string item = "plugins.allow[" + std::to_string(i) + "]";
      fail(item.c_str(), "\"plugins.allow\": expected a SHA-256 of 64 hex digits, not \"" + hash +
                             "\"");
    }
  }
}

}  // namespace

std::string Config::at(const std::string& option) const {
  auto mark = marks.find(option);
  if (mark == marks.end()) return file.empty() ? "" : file + ": ";
  return file + ":" + std::to_string(mark->second.line) + ":" +
         std::to_string(mark->second.column) + ": ";
}

Config default_config() {
  Config config;
  for (const Option& option : options()) {
    Value value;
    std::string error;
    if (option.kind == Kind::list) {
      std::string_view rest = option.fallback;
      while (!rest.empty()) {
        size_t comma = rest.find(", ");
        value.list.emplace_back(rest.substr(0, comma));
        rest = comma == std::string_view::npos ? "" : rest.substr(comma + 2);
      }
    } else if (!parse_scalar(option, option.fallback, value, error)) {
      std::abort();  // the table contradicts itself; a test reads every default
    }
    option.set(config, std::move(value));
  }
  return config;
}

Result<Config> parse_config(const std::string& text, const std::string& name) {
  Config config = default_config();
  config.file = name;
  if (text.size() > kMaxConfigBytes) {
    return Failure{SK_LIMIT, name + ":1:1: larger than 1 MiB\n"};
  }
  Parser parser(config, name);
  std::string errors;
  try {
    parser.run(text);
    errors = parser.errors();
  } catch (const YAML::Exception& e) {
    errors = parser.errors() + name + ":" + std::to_string(e.mark.line + 1) + ":" +
             std::to_string(e.mark.column + 1) + ": " + e.msg + "\n";
  }
  if (errors.empty()) check_across(config, errors);
  if (!errors.empty()) return Failure{SK_MALFORMED, errors};
  return config;
}

Result<Config> read_config(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) {
    std::error_code ignored;
    if (in && in.peek() == std::ifstream::traits_type::eof()) return parse_config("", file);
    return Failure{SK_UNAVAILABLE, file + ": cannot be read\n"};
  }
  return parse_config(text.str(), file);
}

std::string Config::Section::json() const {
  std::string out = "{";
  for (const auto& [key, value] : options) {
    out += (out.size() > 1 ? "," : "") + json_quoted(key) + ":" + value;
  }
  return out + "}";
}

void Config::Section::set(const std::string& key, const std::string& json_value) {
  for (auto& option : options) {
    if (option.first == key) return void(option.second = json_value);
  }
  options.emplace_back(key, json_value);
}

}  // namespace synckit
