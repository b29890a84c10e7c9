// See strict_json.hpp. Boost.JSON silently keeps the last of two equal names, so the text is
// walked once more for its names alone.
#include "strict_json.hpp"

#include <synckit/outcome.hpp>

#include <boost/json/basic_parser_impl.hpp>

#include <set>
#include <vector>

namespace synckit::jwt {
namespace {

namespace json = boost::json;
using Code = boost::system::error_code;

constexpr size_t kMaxShownNameBytes = 40;

// Sees every name of every object; stops at the first that comes twice.
struct NameWatcher {
  static constexpr size_t max_object_size = SIZE_MAX;
  static constexpr size_t max_array_size = SIZE_MAX;
  static constexpr size_t max_key_size = SIZE_MAX;
  static constexpr size_t max_string_size = SIZE_MAX;

  std::vector<std::set<std::string>> objects;
  std::string key, twice;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) {
    objects.emplace_back();
    return true;
  }
  bool on_object_end(size_t, Code&) {
    objects.pop_back();
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(size_t, Code&) { return true; }
  bool on_key_part(json::string_view part, size_t, Code&) {
    key.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, size_t, Code& code) {
    key.append(part.data(), part.size());
    if (!objects.back().insert(key).second) {
      twice = key;
      code = boost::system::errc::make_error_code(boost::system::errc::invalid_argument);
      return false;
    }
    key.clear();
    return true;
  }
  bool on_string_part(json::string_view, size_t, Code&) { return true; }
  bool on_string(json::string_view, size_t, Code&) { return true; }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(int64_t, json::string_view, Code&) { return true; }
  bool on_uint64(uint64_t, json::string_view, Code&) { return true; }
  bool on_double(double, json::string_view, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }
};

}  // namespace

bool parse_object(std::string_view text, json::object& object, std::string& why) {
  Code failed;
  json::value value = json::parse(json::string_view(text.data(), text.size()), failed);
  if (failed) return why = "is not valid JSON", false;
  if (!value.is_object()) return why = "is not a JSON object", false;
  json::basic_parser<NameWatcher> names{json::parse_options()};
  names.write_some(false, text.data(), text.size(), failed);
  if (!names.handler().twice.empty() || failed) {
    why = "has the member '" + shortened(names.handler().twice, kMaxShownNameBytes) + "' twice";
    return false;
  }
  object = std::move(value.get_object());
  return true;
}

const json::string* string_member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(json::string_view(name.data(), name.size()));
  return value ? value->if_string() : nullptr;
}

}  // namespace synckit::jwt
