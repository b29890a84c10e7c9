// JSON objects as tokens and keys need them: RFC 8259 to the letter, and no member name twice in
// one object (RFC 7519, section 4: two parsers that pick different ones would disagree about who
// somebody is). Threads: pure functions.
#pragma once

#include <boost/json.hpp>

#include <string>
#include <string_view>

namespace synckit::jwt {

// False with the reason in `why` ("is not valid JSON", "has the member 'exp' twice", ...).
bool parse_object(std::string_view text, boost::json::object& object, std::string& why);

// The string member `name`, or null.
const boost::json::string* string_member(const boost::json::object& object, std::string_view name);

inline std::string_view view(const boost::json::string& text) {
  return {text.data(), text.size()};
}

}  // namespace synckit::jwt
