// Chunks as deltas for both texts, that of hosts and that of browsers (plugins/text/client), and as
// edits in the browser's. As long as hosts take what comes, and it could come (each author's dots
// in their order, a state first of all), both have to show the same. Anything else, which is left
// out unless the input begins with an odd byte, a client must survive, whatever it makes of it
// (ADR 8).
#include "../../plugins/text/client/text.hpp"
#include "../../plugins/text/text.hpp"
#include "fuzz.hpp"

#include <map>

using namespace synckit;
using fuzz::require;

namespace {

using Host = text::Text;
using Client = text::client::Text;

template <class Text>
std::string shown(const Text& text) {
  Buffer parts;
  Writer out(parts);
  require(text.contents(out).ok(), "a text has no contents");
  Reader in(parts);
  Bytes whole = in.raw(static_cast<size_t>(in.varint()));
  require(in.good_end(), "contents are not one part");
  return std::string(reinterpret_cast<const char*>(whole.data), whole.len);
}

// What is known of each author: the last seq, or that it is in a state, and so how much is not.
using Authors = std::map<uint64_t, uint64_t>;
constexpr uint64_t kSome = UINT64_MAX;

// Whether an engine would hand this delta to the type.
bool could_come(Bytes delta, Authors& authors, bool first) {
  Summary about{};
  Deps deps(nullptr);
  if (!Host::inspect(delta, about, deps).ok()) return false;
  if (delta.data[0] == 2) {
    if (!first) return false;
    Reader in(Bytes(delta.data + 1, delta.len - 1));
    for (uint64_t left = in.varint(); left-- && in.ok();) {
      authors[in.fixed64()] = kSome;
      in.varint(), in.varint();
    }
    return true;
  }
  uint64_t& last = authors[about.replica];
  if (last == kSome) return false;
  if (about.seq_hi <= last) return true;
  if (about.seq_lo != last + 1) return false;
  last = about.seq_hi;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Host host;
  Client client;
  uint64_t seq = 1;
  bool agree = true, first = true;
  Authors authors;
  fuzz::Chunks input(data, size);
  bool hostile = input.byte() & 1;
  while (!input.empty()) {
    std::string chunk = input.next(), before = shown(client);
    Buffer bytes, patch;
    Writer delta(bytes), told(patch);
    if (!chunk.empty() && chunk[0] & 0x40) {  // an edit: where, how much goes, what comes
      Buffer intent;
      Writer out(intent);
      out.byte(0);
      size_t length = before.size();  // at least as many units
      auto number = [&](size_t i) -> uint8_t {
        return i < chunk.size() ? static_cast<uint8_t>(chunk[i]) : 0;
      };
      out.varint(length ? number(1) % length : 0);
      out.varint(number(2) % 8);
      for (size_t i = 3; i < chunk.size(); ++i) out.byte(number(i) & 0x7f);
      uint32_t seqs = 0;
      Stamp stamp{0xc11e47, seq, 1};
      if (!client.mutate(stamp, intent, delta, told, seqs).ok() || !seqs) {
        require(shown(client) == before, "an edit that fails changed the text");
        continue;
      }
      seq += seqs;
    } else {
      delta.raw(Bytes(chunk));
    }
    bool own = !chunk.empty() && chunk[0] & 0x40;
    bool honest = could_come(bytes, authors, std::exchange(first, false));
    require(honest || !own || !agree, "a client writes what could not come");
    if (!honest && !hostile) continue;
    bool taken = own || client.merge(bytes, told).ok();
    agree = agree && honest;
    if (!agree) continue;
    Buffer ignored;
    Writer patches(ignored);
    if (host.merge(bytes, patches).ok()) {
      require(taken, "a client refuses what hosts take");
      require(shown(client) == shown(host), "client and host show different texts");
      continue;
    }
    require(!own, "a host refuses what a client wrote");
    bool state = !chunk.empty() && chunk[0] == 2;  // of which some may be in
    require(taken || state || shown(client) == before, "a refused edit changed the text");
    agree = !taken && !state;
  }
  return 0;
}
