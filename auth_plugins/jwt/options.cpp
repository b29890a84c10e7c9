// See options.hpp.
#include "options.hpp"

#include "strict_json.hpp"

#include <synckit/config.hpp>

namespace synckit::jwt {
namespace {

Outcome at(const std::string& where, Outcome outcome) {
  if (!outcome.ok()) outcome.text = "option '" + where + "': " + outcome.text;
  return outcome;
}

// The value of `inline_key`, or the content of the file that `file_key` names; exactly one.
Outcome value_or_file(const Config& entry, const char* inline_key, const char* file_key,
                      std::string& value) {
  if (entry.has(inline_key) == entry.has(file_key)) {
    return {SK_MALFORMED, "option '" + entry.name(inline_key) + "': give either '" + inline_key +
                              "' or '" + file_key + "'"};
  }
  if (entry.has(inline_key)) return entry.get(inline_key, value);
  std::string path;
  SK_TRY_OUTCOME(entry.get(file_key, path));
  return at(entry.name(file_key), read_key_file(path, value));
}

// Editors end a file with a line break that nobody means.
void drop_line_break(std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

Outcome read_jwk(const Config& entry, Key& key) {
  SK_TRY_OUTCOME(entry.only({"kid", "alg", "jwk"}));
  const boost::json::value& jwk = entry.object().at("jwk");
  if (!jwk.is_object()) return entry.wrong("jwk", "an object (RFC 7517)");
  SK_TRY_OUTCOME(at(entry.name("jwk"), key.from_jwk(jwk.get_object(), Half::kPublic)));
  std::string alg(algorithm_name(key.algorithm));
  SK_TRY_OUTCOME(entry.get("alg", alg));
  if (alg == algorithm_name(key.algorithm)) return {};
  return entry.wrong("alg", std::string(algorithm_name(key.algorithm)) + " for this key");
}

Outcome read_key(const Config& entry, Key& key) {
  SK_TRY_OUTCOME(entry.only(
      {"kid", "alg", "secret", "secret_file", "public_key", "public_key_file", "jwk"}));
  if (entry.has("jwk")) {
    SK_TRY_OUTCOME(read_jwk(entry, key));
    return entry.get("kid", key.kid);
  }
  std::string alg, value;
  SK_TRY_OUTCOME(entry.get("alg", alg));
  Algorithm algorithm;
  if (!algorithm_from_name(alg, algorithm)) {
    return entry.wrong("alg", "one of HS256, RS256, ES256, EdDSA");
  }
  if (algorithm == Algorithm::kHs256) {
    SK_TRY_OUTCOME(entry.only({"kid", "alg", "secret", "secret_file"}));
    SK_TRY_OUTCOME(value_or_file(entry, "secret", "secret_file", value));
    if (entry.has("secret_file")) drop_line_break(value);
    SK_TRY_OUTCOME(at(entry.name("secret"), key.from_secret(std::move(value))));
  } else {
    SK_TRY_OUTCOME(entry.only({"kid", "alg", "public_key", "public_key_file"}));
    SK_TRY_OUTCOME(value_or_file(entry, "public_key", "public_key_file", value));
    SK_TRY_OUTCOME(at(entry.name("public_key"), key.from_pem(algorithm, value, Half::kPublic)));
  }
  return entry.get("kid", key.kid);
}

// RFC 7517, section 5: keys of a set that are not for us (SK_UNSUPPORTED) are passed over; ones
// that are for us and wrong are not.
Outcome read_jwks(const std::string& path, KeySet& keys) {
  std::string text, why;
  SK_TRY_OUTCOME(read_key_file(path, text));
  boost::json::object object;
  if (!parse_object(text, object, why)) return {SK_MALFORMED, "the file " + why};
  const boost::json::value* list = object.if_contains("keys");
  if (!list || !list->is_array()) return {SK_MALFORMED, "the file has no list \"keys\""};
  size_t taken = 0, index = 0;
  for (const boost::json::value& item : list->get_array()) {
    std::string where = "keys[" + std::to_string(index++) + "]: ";
    if (!item.is_object()) return {SK_MALFORMED, where + "not an object"};
    Key key;
    Outcome read = key.from_jwk(item.get_object(), Half::kPublic);
    if (read.code == SK_UNSUPPORTED) continue;
    if (!read.ok()) return {read.code, where + read.text};
    SK_TRY_OUTCOME(keys.add(std::move(key)));
    ++taken;
  }
  if (taken > 0) return {};
  return {SK_MALFORMED, "the file has no key for HS256, RS256, ES256 or EdDSA"};
}

}  // namespace

Outcome read_options(std::string_view config, KeySet& keys, Rules& rules) {
  Config options;
  SK_TRY_OUTCOME(Config::parse(config, options));
  SK_TRY_OUTCOME(
      options.only({"keys", "jwks_file", "issuer", "audience", "leeway_s", "required_claims"}));
  std::vector<Config> entries;
  SK_TRY_OUTCOME(options.get("keys", entries));
  for (const Config& entry : entries) {
    Key key;
    SK_TRY_OUTCOME(read_key(entry, key));
    SK_TRY_OUTCOME(at("keys", keys.add(std::move(key))));
  }
  if (options.has("jwks_file")) {
    std::string path;
    SK_TRY_OUTCOME(options.get("jwks_file", path));
    SK_TRY_OUTCOME(at("jwks_file", read_jwks(path, keys)));
  }
  if (keys.empty()) {
    return {SK_MALFORMED,
            "there is no key to check tokens with; add one to 'keys', or 'jwks_file'"};
  }
  SK_TRY_OUTCOME(options.get("issuer", rules.issuer));
  SK_TRY_OUTCOME(options.get("audience", rules.audience));
  if (options.has("issuer") && rules.issuer.empty()) return options.wrong("issuer", "not empty");
  if (options.has("audience") && rules.audience.empty()) {
    return options.wrong("audience", "not empty");
  }
  SK_TRY_OUTCOME(options.get("required_claims", rules.required_claims));
  return options.get("leeway_s", 0, kMaxLeewaySeconds, rules.leeway_s);
}

}  // namespace synckit::jwt
