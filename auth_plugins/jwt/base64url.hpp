// Base64url without padding (RFC 7515, section 2; RFC 4648, section 5), strictly: one text for
// each byte string. Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace synckit::jwt {

std::string base64url(std::string_view bytes);

// False for padding, any other character, a length that no byte string has, and last characters
// whose unused bits are not zero.
bool from_base64url(std::string_view text, std::string& bytes);

}  // namespace synckit::jwt
