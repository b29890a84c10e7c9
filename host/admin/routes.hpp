// The HTTP side: health, metrics, documents as JSON, the demo's files.
//
//   GET /healthz              200 while the process runs
//   GET /readyz               200 when storage answers, else 503
//   GET /metrics              Prometheus' text format
//   GET /documents/<id>       one document (id percent-encoded): its value, version and digest
//   GET /documents?prefix=&after=&updated_since=&limit=    what the caller may read
//   GET /...                  the demo, when there is one
//
// /documents asks for `Authorization: Bearer <credential>` and read permission; with an anonymous
// authentication plugin no credential is needed. Threads: handlers start on a loop; what blocks
// runs on the workers.
#pragma once

#include "net/server.hpp"

namespace synckit {

// `demo_root` may be empty. `admin`: serve the admin paths on this listener.
HttpHandler http_routes(Hub& hub, std::string demo_root, bool admin);

}  // namespace synckit
