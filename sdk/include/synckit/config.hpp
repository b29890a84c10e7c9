// synckit/config.hpp: a plugin's options, read strictly.
//
// The host hands a plugin its YAML section as one JSON object. This reader gives typed access with
// errors that an operator can act on: they name the option by its path ("keys[0].alg"), say what
// was found and what would be right. An unknown option is refused with its nearest known name and
// the list of all, because a misspelt option that is silently ignored is found in production.
//
// Needs Boost.JSON (link Boost::json). Threads: immutable after parse().
#pragma once

#include <synckit/outcome.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace synckit {

// Longest name or value of an option that an error message repeats.
inline constexpr size_t kMaxShownOptionBytes = 40;
inline constexpr size_t kMaxConfigBytes = 4 << 20;

class Config {
 public:
  Config() = default;
  // `path` names the object in errors: "" for the plugin's own section, else "keys[0]".
  Config(boost::json::object object, std::string path)
      : object_(std::move(object)), path_(std::move(path)) {}

  // No bytes at all mean {}: a plugin without options needs no section.
  static Outcome parse(std::string_view json, Config& out) {
    if (json.size() > kMaxConfigBytes) return {SK_LIMIT, "the options are longer than 4 MiB"};
    if (json.empty()) {
      out = Config();
      return {};
    }
    boost::system::error_code failed;
    boost::json::value value = boost::json::parse(json, failed);
    if (failed) return {SK_MALFORMED, "the options are not valid JSON: " + failed.message()};
    if (!value.is_object()) return {SK_MALFORMED, "the options must be one JSON object"};
    out = Config(std::move(value.get_object()), "");
    return {};
  }

  // SK_UNSUPPORTED when there is an option that is not among `known`.
  Outcome only(std::initializer_list<std::string_view> known) const {
    for (const auto& member : object_) {
      std::string_view key(member.key().data(), member.key().size());
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      return unknown(key, known);
    }
    return {};
  }

  const boost::json::object& object() const { return object_; }
  bool has(std::string_view key) const { return object_.contains(key); }
  std::string name(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }

  // Each leaves `out` alone when the option is absent.
  Outcome get(std::string_view key, std::string& out) const {
    const boost::json::value* value = object_.if_contains(key);
    if (!value) return {};
    if (!value->is_string()) return wrong(key, "a string");
    out.assign(value->get_string().data(), value->get_string().size());
    return {};
  }
  Outcome get(std::string_view key, int64_t least, int64_t most, int64_t& out) const {
    const boost::json::value* value = object_.if_contains(key);
    if (!value) return {};
    if (value->is_int64() && value->get_int64() >= least && value->get_int64() <= most) {
      out = value->get_int64();
      return {};
    }
    return wrong(key, "a whole number from " + std::to_string(least) + " to " +
                          std::to_string(most));
  }
  Outcome get(std::string_view key, std::vector<std::string>& out) const {
    const boost::json::value* value = object_.if_contains(key);
    if (!value) return {};
    if (!value->is_array()) return wrong(key, "a list of strings");
    for (const boost::json::value& item : value->get_array()) {
      if (!item.is_string()) return wrong(key, "a list of strings");
      out.emplace_back(item.get_string().data(), item.get_string().size());
    }
    return {};
  }
  // A list of objects: "keys" -> keys[0], keys[1] ...
  Outcome get(std::string_view key, std::vector<Config>& out) const {
    const boost::json::value* value = object_.if_contains(key);
    if (!value) return {};
    if (!value->is_array()) return wrong(key, "a list of objects");
    for (const boost::json::value& item : value->get_array()) {
      std::string path = name(key) + "[" + std::to_string(out.size()) + "]";
      if (!item.is_object()) return {SK_MALFORMED, "option '" + path + "' must be an object"};
      out.emplace_back(item.get_object(), std::move(path));
    }
    return {};
  }
  // One of a few words.
  Outcome choose(std::string_view key, std::initializer_list<std::string_view> words,
                 std::string& out) const {
    std::string value = out;
    SK_TRY_OUTCOME(get(key, value));
    if (std::find(words.begin(), words.end(), value) == words.end()) {
      return wrong(key, "one of " + joined(words));
    }
    out = value;
    return {};
  }

  // Says what `key` must be. Never repeats the value: it may be a secret.
  Outcome wrong(std::string_view key, const std::string& right) const {
    return {SK_MALFORMED, "option '" + name(key) + "' must be " + right};
  }

 private:
  Outcome unknown(std::string_view key, std::initializer_list<std::string_view> known) const {
    std::string text =
        "unknown option '" + shortened(name(key), kMaxShownOptionBytes) + "'";
    if (known.size() == 0) return {SK_UNSUPPORTED, text + "; this plugin has no options"};
    std::string_view nearest = *known.begin();
    size_t least = std::numeric_limits<size_t>::max();
    for (std::string_view candidate : known) {
      size_t d = distance(key.substr(0, kMaxShownOptionBytes), candidate);
      if (d < least) least = d, nearest = candidate;
    }
    return {SK_UNSUPPORTED, text + "; did you mean '" + std::string(nearest) +
                                "'? Known: " + joined(known)};
  }

  static std::string joined(std::initializer_list<std::string_view> words) {
    std::string text;
    for (std::string_view word : words) {
      if (!text.empty()) text += ", ";
      text += word;
    }
    return text;
  }

  // Levenshtein distance, one row at a time.
  static size_t distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 0; i < a.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < b.size(); ++j) {
        size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
      }
    }
    return row[b.size()];
  }

  boost::json::object object_;
  std::string path_;
};

}  // namespace synckit
