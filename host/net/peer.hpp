// What the server keeps of every open TCP connection, whatever it speaks. Included by server.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_set>

namespace synckit::net {

class Peer {
 public:
  virtual ~Peer() = default;
  virtual void tick(int64_t now_ms) = 0;
  virtual void stop_reading() = 0;
  virtual void going_away() = 0;  // finish what is under way, then close
  virtual void abandon() = 0;     // close now
};

// The connections of one loop; only its thread touches it.
using Peers = std::unordered_set<std::shared_ptr<Peer>>;

}  // namespace synckit::net
