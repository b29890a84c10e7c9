// The `none` auth plugin: no authentication, for demos and development on loopback.
//
// Why a plugin: the host has one way to ask "who is this, and what may they do", and no special
// case for nobody. Threads: immutable after open.
#include <synckit/auth.hpp>
#include <synckit/config.hpp>

namespace synckit {
namespace {

class None : public Auth<None> {
 public:
  static constexpr AuthInfo kInfo{"none", SK_AUTH_ANONYMOUS};

  static Outcome open(std::string_view config, std::unique_ptr<None>& auth) {
    Config options;
    std::string level = "write";
    SK_TRY_OUTCOME(Config::parse(config, options));
    SK_TRY_OUTCOME(options.only({"level"}));
    SK_TRY_OUTCOME(options.choose("level", {"none", "read", "write", "admin"}, level));
    auth = std::make_unique<None>();
    if (level == "none") auth->level_ = SK_LEVEL_NONE;
    if (level == "read") auth->level_ = SK_LEVEL_READ;
    if (level == "admin") auth->level_ = SK_LEVEL_ADMIN;
    return {};
  }

  Outcome authenticate(Bytes, int64_t, Principal& principal, Writer&) {
    principal.id = "anonymous";
    return {};
  }

  int32_t authorize(Bytes, std::string_view, std::string_view) const noexcept { return level_; }

 private:
  int32_t level_ = SK_LEVEL_WRITE;
};

}  // namespace
}  // namespace synckit

SYNCKIT_AUTH_PLUGIN(synckit::None, "synckit.none", "1.0.0")
