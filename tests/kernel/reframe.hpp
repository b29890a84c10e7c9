// Reads any frame with the kernel's codec and writes it again: what round-trip tests, golden
// vectors and the envelope fuzzer have in common.
//
// What the kernel wrote comes back byte for byte; foreign bytes (unknown fields, other field order)
// come back in the kernel's form, which is then a fixed point.
#pragma once

#include <kernel/wire.hpp>

namespace synckit::testing {

// Re-encodes a Transaction or Snapshot that a message carries as bytes.
template <class Part>
Status recode_part(Bytes in, Buffer& out) {
  Part part;
  SK_TRY(wire::decode(in, part));
  wire::encode(part, out);
  return {};
}

template <class Body>
Status recode(Bytes body, Buffer& out) {
  Body message;
  SK_TRY(wire::decode(body, message));
  wire::frame(message, out);
  return {};
}

// The kernel's own form of `frame`, appended to `out`. An unknown body gives no bytes.
inline Status reframe(Bytes frame, Buffer& out) {
  using wire::Kind;
  wire::Frame envelope;
  SK_TRY(wire::decode(frame, envelope));
  Bytes body = envelope.body;
  switch (envelope.kind) {
    case Kind::unknown: return {};
    case Kind::hello: return recode<wire::Hello>(body, out);
    case Kind::welcome: return recode<wire::Welcome>(body, out);
    case Kind::sync_request: return recode<wire::SyncRequest>(body, out);
    case Kind::sync_response: return recode<wire::SyncResponse>(body, out);
    case Kind::update: return recode<wire::Update>(body, out);
    case Kind::ack: return recode<wire::Ack>(body, out);
    case Kind::notification: return recode<wire::Notification>(body, out);
    case Kind::denied: return recode<wire::Denied>(body, out);
    case Kind::subscribe: return recode<wire::Subscribe>(body, out);
    case Kind::unsubscribe: return recode<wire::Unsubscribe>(body, out);
    case Kind::presence: return recode<wire::Presence>(body, out);
    case Kind::error: return recode<wire::Error>(body, out);
    case Kind::documents: return recode<wire::Documents>(body, out);
    case Kind::ping:
    case Kind::pong: {
      wire::Ping message;
      SK_TRY(wire::decode(body, message));
      if (envelope.kind == Kind::ping) {
        wire::frame_ping(message, out);
      } else {
        wire::frame_pong(message, out);
      }
      return {};
    }
  }
  return {};
}

}  // namespace synckit::testing
