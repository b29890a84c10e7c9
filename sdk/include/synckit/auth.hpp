// synckit/auth.hpp: the C++20 layer for auth plugin authors. One class, one macro:
//
//   struct MyAuth : synckit::Auth<MyAuth> {
//     static constexpr synckit::AuthInfo kInfo{"myauth"};
//     static synckit::Outcome open(std::string_view config, std::unique_ptr<MyAuth>& auth);
//     synckit::Outcome authenticate(synckit::Bytes credential, int64_t now_ms,
//                                   synckit::Principal& principal, synckit::Writer& claims);
//     int32_t authorize(synckit::Bytes claims, std::string_view doc,
//                       std::string_view field) const noexcept;
//     uint64_t epoch() const noexcept;  // optional; 1 for ever without it
//   };
//   SYNCKIT_AUTH_PLUGIN(MyAuth, "com.example.myauth", "1.0.0")
//
// The duties are in abi.h. `authorize` runs for every message on an event loop: no lock, no
// allocation, no exception (the compiler checks that it is noexcept). What `authenticate` says on
// failure reaches the client, so it must not contain a secret.
//
// Threads: open and close run alone; the others may run at once.
#pragma once

#include <synckit/outcome.hpp>

#include <memory>

namespace synckit {

struct AuthInfo {
  const char* name;
  uint32_t flags = 0;  // SK_AUTH_...
};

// What authenticate fills in.
struct Principal {
  std::string id;         // at most kMaxPrincipalBytes, no NUL
  int64_t expiry_ms = 0;  // 0 = never
};

inline constexpr size_t kMaxPrincipalBytes = sizeof(sk_principal::id) - 1;

template <class T>
struct Auth {
  static const sk_auth_v1* auth_interface() {
    static const sk_auth_v1 table = make_table();
    return &table;
  }

 private:
  static T& self(void* auth) { return *static_cast<T*>(auth); }

  static sk_auth_v1 make_table() {
    sk_auth_v1 t{};
    t.size = sizeof t;
    t.flags = T::kInfo.flags;
    t.name = T::kInfo.name;
    t.open = [](const char* config, size_t len, void** auth, sk_error* error) {
      return shielded(error, [&]() -> Outcome {
        std::unique_ptr<T> opened;
        SK_TRY_OUTCOME(T::open(std::string_view(config, len), opened));
        *auth = opened.release();
        return {};
      });
    };
    t.close = [](void* auth) { delete static_cast<T*>(auth); };
    t.authenticate = &authenticate;
    t.authorize = [](void* auth, const uint8_t* claims, size_t claims_len, const char* doc,
                     size_t doc_len, const char* field, size_t field_len) -> int32_t {
      const T& checker = self(auth);
      std::string_view d(doc, doc_len), f(field, field_len);
      static_assert(noexcept(checker.authorize(Bytes(), d, f)), "authorize must be noexcept");
      return checker.authorize(Bytes(claims, claims_len), d, f);
    };
    t.epoch = [](void* auth) -> uint64_t {
      if constexpr (requires(const T& a) { a.epoch(); }) {
        static_assert(noexcept(self(auth).epoch()), "epoch must be noexcept");
        return self(auth).epoch();
      } else {
        (void)auth;
        return 1;
      }
    };
    return t;
  }

  static sk_status authenticate(void* auth, const uint8_t* credential, size_t credential_len,
                                int64_t now_ms, sk_principal* principal, sk_buf* claims,
                                sk_error* error) {
    return shielded(error, [&]() -> Outcome {
      Principal who;
      Writer out(claims);
      SK_TRY_OUTCOME(self(auth).authenticate(Bytes(credential, credential_len), now_ms, who, out));
      SK_TRY_OUTCOME(out.status());
      if (who.id.size() > kMaxPrincipalBytes) {
        return {SK_DENIED, "the principal's id is longer than 127 bytes"};
      }
      principal->reserved = 0;
      principal->expiry_ms = who.expiry_ms;
      std::memset(principal->id, 0, sizeof principal->id);
      std::memcpy(principal->id, who.id.data(), who.id.size());
      return {};
    });
  }
};

}  // namespace synckit

// Exports one auth class as a plugin.
#define SYNCKIT_AUTH_PLUGIN(Class, plugin_id, plugin_version) \
  SYNCKIT_EXPORT_PLUGIN(plugin_id, plugin_version, SK_IFACE_AUTH, Class::auth_interface())
