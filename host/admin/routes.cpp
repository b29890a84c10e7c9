#include "routes.hpp"

#include <charconv>

#include "base/json.hpp"
#include "metrics_text.hpp"
#include "static_files.hpp"
#include "sync/hub.hpp"
#include "sync/listing.hpp"
#include "sync/materialize.hpp"
#include "url.hpp"

namespace synckit {
namespace {

HttpResponse text(unsigned status, std::string body) {
  HttpResponse out;
  out.status = status;
  out.headers = {{"Cache-Control", "no-store"}};
  out.body = std::make_shared<std::string>(std::move(body));
  return out;
}

HttpResponse json(unsigned status, std::string body) {
  HttpResponse out = text(status, std::move(body));
  out.content_type = "application/json";
  return out;
}

HttpResponse failed(const Failure& failure) {
  unsigned status = failure.code == SK_DENIED        ? 403
                    : failure.code == SK_UNAVAILABLE ? 503
                    : failure.code == SK_MALFORMED   ? 400
                                                     : 500;
  return json(status, "{\"code\":" + json_quoted(code_name(failure.code)) +
                          ",\"message\":" + json_quoted(failure.text) + "}\n");
}

class Routes {
 public:
  Routes(Hub& hub, std::string demo_root, bool admin)
      : hub_(hub), demo_root_(std::move(demo_root)), admin_(admin) {}

  void operator()(const HttpRequest& request, HttpReply reply) const {
    auto target = parse_target(request.target);
    if (!target) return reply(text(400, "bad percent-encoding\n"));
    const std::string& path = target->raw_path;
    if (admin_) {
      if (path == "/healthz") return reply(text(200, "ok\n"));
      if (path == "/metrics") return metrics(reply);
      if (path == "/readyz") {
        return work(reply, [hub = &hub_] { return readiness(*hub); });
      }
      if (path == "/documents" || path.starts_with("/documents/")) {
        return documents(request, *target, reply);
      }
    }
    auto decoded = percent_decode(path);
    if (demo_root_.empty() || !decoded) return reply(text(404, "not found\n"));
    work(reply, [root = demo_root_, path = *decoded, etag = request.if_none_match] {
      return static_file(root, path, etag);
    });
  }

 private:
  template <class Call>
  void work(const HttpReply& reply, Call call) const {
    if (!hub_.workers.try_post([reply, call = std::move(call)] { reply(call()); })) {
      reply(text(503, "the host is busy, try again later\n"));
    }
  }

  void metrics(const HttpReply& reply) const {
    HttpResponse out = text(200, metrics_text(hub_.metrics));
    out.content_type = "text/plain; version=0.0.4; charset=utf-8";
    reply(out);
  }

  static HttpResponse readiness(const Hub& hub) {
    auto head = hub.store.head("synckit.readyz");
    return head ? text(200, "ready\n") : text(503, "storage: " + head.failure().text + "\n");
  }

  void documents(const HttpRequest& request, const Target& target, const HttpReply& reply) const {
    // Without authentication, a web page whose name resolves to 127.0.0.1 must not read along.
    if (hub_.authority.anonymous() && request.loopback_listener && !loopback_host(request.host)) {
      return reply(failed({SK_DENIED, "this host is reached by a name that is not localhost"}));
    }
    std::string credential;
    constexpr std::string_view kBearer = "Bearer ";
    if (request.authorization.starts_with(kBearer)) {
      credential = request.authorization.substr(kBearer.size());
    }
    work(reply, [hub = &hub_, target, credential] {
      auto principal = hub->authority.authenticate(credential);
      if (!principal) {
        HttpResponse out = failed(principal.failure());
        if (out.status == 403) {
          out.status = 401;
          out.headers.emplace_back("WWW-Authenticate", "Bearer");
        }
        return out;
      }
      return target.raw_path == "/documents" ? listing(*hub, **principal, target)
                                             : document(*hub, **principal, target);
    });
  }

  static HttpResponse document(const Hub& hub, const Principal& principal, const Target& target) {
    auto id = percent_decode(std::string_view(target.raw_path).substr(sizeof "/documents/" - 1));
    if (!id || id->empty() || id->size() > wire::kMaxDocumentIdBytes || !valid_utf8(*id)) {
      return failed({SK_MALFORMED, "a document id is 1 to 512 bytes of UTF-8, percent-encoded"});
    }
    if (hub.authority.level(principal, *id) < SK_LEVEL_READ) {
      return failed({SK_DENIED, "no permission to read this document"});
    }
    auto state = materialize(hub.store, hub.registry, *id, hub.config.limits.fields);
    if (!state) return failed(state.failure());
    auto body = to_json(*state, *id);
    if (!body) return failed(body.failure());
    return json(state->position == 0 ? 404 : 200, *body + "\n");
  }

  static bool number(const Target& target, const char* key, int64_t& out) {
    auto at = target.query.find(key);
    if (at == target.query.end()) return true;
    const char* end = at->second.data() + at->second.size();
    auto [stop, code] = std::from_chars(at->second.data(), end, out);
    return code == std::errc{} && stop == end && out >= 0;
  }

  static HttpResponse listing(const Hub& hub, const Principal& principal, const Target& target) {
    Listing asked;
    auto text_of = [&](const char* key) {
      auto at = target.query.find(key);
      return at == target.query.end() ? std::string() : at->second;
    };
    asked.prefix = text_of("prefix");
    asked.after = text_of("after");
    int64_t limit = 0;
    if (!number(target, "updated_since", asked.updated_since_ms) ||
        !number(target, "limit", limit)) {
      return failed({SK_MALFORMED, "updated_since and limit are whole numbers"});
    }
    asked.limit = static_cast<uint32_t>(std::min<int64_t>(limit, UINT32_MAX));
    auto found = list_documents(hub, principal, asked);
    if (!found) return failed(found.failure());
    std::string body = "{\"documents\":[";
    for (const Listed& entry : found->entries) {
      if (body.back() != '[') body += ",";
      body += "{\"document\":" + json_quoted(entry.document) +
              ",\"position\":" + std::to_string(entry.position) +
              ",\"updated_ms\":" + std::to_string(entry.updated_ms) + "}";
    }
    return json(200, body + "],\"more\":" + (found->more ? "true" : "false") + "}\n");
  }

  Hub& hub_;
  std::string demo_root_;
  bool admin_;
};

}  // namespace

HttpHandler http_routes(Hub& hub, std::string demo_root, bool admin) {
  return Routes(hub, std::move(demo_root), admin);
}

}  // namespace synckit
