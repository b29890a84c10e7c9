#include "authority.hpp"

#include <cstring>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "synckit/bytes.hpp"

namespace synckit {

Result<std::unique_ptr<Authority>> Authority::open(const sk_auth_v1* table,
                                                   const std::string& config) {
  sk_error error{sizeof(sk_error), 0, {0}};
  void* auth = nullptr;
  sk_status status = table->open(config.data(), config.size(), &auth, &error);
  error.text[sizeof error.text - 1] = '\0';
  if (status != SK_OK) {
    return Failure{status, error.text[0] ? error.text : "the authentication plugin did not open"};
  }
  return std::unique_ptr<Authority>(new Authority(table, auth));
}

Authority::~Authority() { table_->close(auth_); }

Result<PrincipalPtr> Authority::authenticate(std::string_view credential) const {
  sk_error error{sizeof(sk_error), 0, {0}};
  sk_principal raw{};
  raw.size = sizeof raw;
  Buffer claims;
  Bytes bytes(credential);
  sk_status status =
      table_->authenticate(auth_, bytes.data, bytes.len, wall_ms(), &raw, &claims, &error);
  error.text[sizeof error.text - 1] = '\0';
  if (status != SK_OK) {
    return Failure{status, error.text[0] ? error.text : "the credential was refused"};
  }
  auto principal = std::make_shared<Principal>();
  raw.id[sizeof raw.id - 1] = '\0';
  principal->id = raw.id;
  if (!valid_utf8(principal->id)) {
    return Failure{SK_INTERNAL, "the authentication plugin gave an id that is not UTF-8"};
  }
  principal->claims = claims.str();
  principal->expiry_ms = raw.expiry_ms;
  return PrincipalPtr(std::move(principal));
}

int32_t Authority::level(const Principal& principal, std::string_view document) const {
  Bytes claims(principal.claims);
  return table_->authorize(auth_, claims.data, claims.len, document.data(), document.size(),
                           nullptr, 0);
}

int32_t Authority::level(const Principal& principal, std::string_view document,
                         std::string_view field) const {
  Bytes claims(principal.claims);
  const char* name = field.data() ? field.data() : "";
  return table_->authorize(auth_, claims.data, claims.len, document.data(), document.size(), name,
                           field.size());
}

}  // namespace synckit
