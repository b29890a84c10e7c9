// The optional interfaces of a type: anchors and undo. What must hold is in laws.hpp.
#include <check/world.hpp>

#include <algorithm>

namespace synckit::check {

namespace {

constexpr size_t kMaxSteps = 24, kMaxAnchors = 6;

}  // namespace

// ---- undo -----------------------------------------------------------------------------------

// The token of an edit that is about to be made; empty without undo, or when there is nothing.
std::string World::capture(Replica& self, const sk_stamp& stamp, const std::string& intent) {
  if (!subject_.undo) return {};
  Buffer token;
  Bytes in(intent);
  sk_status status =
      subject_.undo->capture(self.doc.raw(), &stamp, in.data, in.len, &token, nullptr);
  if (status != SK_OK) {
    broken("undo", "capture refuses what mutate takes, status " + std::to_string(status));
  }
  return token.str();
}

std::vector<std::string> World::revert(const Replica& self, const std::string& token) const {
  Buffer bytes;
  Bytes in(token);
  std::string before = self.doc.snapshot();
  sk_status status = subject_.undo->revert(self.doc.raw(), in.data, in.len, &bytes, nullptr);
  if (status != SK_OK) {
    broken("undo", "revert of a token gives status " + std::to_string(status) + ": " + hex(token));
  }
  if (self.doc.snapshot() != before) broken("undo", "revert changed the state");
  std::vector<std::string> intents;
  Reader read(bytes.bytes());
  while (!read.done()) intents.push_back(read.sized().str());
  if (!read.ok()) broken("undo", "revert does not write intents after their lengths");
  return intents;
}

// Undoes the latest step of `from`; what that does becomes the latest step of `to`.
bool World::take_back(Replica& self, std::vector<Step>& from, std::vector<Step>& to, Dice& dice) {
  if (from.empty()) return false;
  Step step = std::move(from.back());
  from.pop_back();
  std::vector<Step> aside = std::move(self.done);
  self.done.clear();
  for (auto token = step.rbegin(); token != step.rend(); ++token) {
    for (const std::string& intent : revert(self, *token)) {
      carry_out(self, next_stamp(self, dice), intent, "undo");
    }
  }
  Step inverse;
  for (Step& made : self.done) inverse.push_back(std::move(made[0]));
  self.done = std::move(aside);
  if (!inverse.empty()) to.push_back(std::move(inverse));
  return true;
}

void World::undo(Replica& self, Dice dice) {
  for (std::vector<Step>* steps : {&self.done, &self.undone}) {
    if (steps->size() > kMaxSteps) steps->erase(steps->begin(), steps->end() - kMaxSteps);
  }
  switch (dice.below(5)) {
    case 0:
    case 1:
      take_back(self, self.done, self.undone, dice);
      break;
    case 2:
      take_back(self, self.undone, self.done, dice);
      break;
    case 3:
      damage_token(self, dice);
      break;
    default:
      undo_alone(self, dice);
  }
}

// Edits, undoes and redoes while nothing else happens: each view must come back.
void World::undo_alone(Replica& self, Dice& dice) {
  std::vector<std::string> views{self.doc.view()};
  size_t first = self.done.size();
  for (size_t left = 1 + dice.below(5); left; --left) {
    size_t before = self.done.size();
    edit(self, Dice(dice.next()));
    if (self.done.size() > before) views.push_back(self.doc.view());
  }
  size_t at = views.size() - 1;
  auto check = [&](const char* call) {
    std::string view = self.doc.view();
    // The same value may be written in another way: what applies patches knows.
    auto value = [&](const std::string& json) {
      return subject_.apply_patch ? subject_.apply_patch(json, {}) : json;
    };
    if (view != views[at] && value(view) != value(views[at])) {
      broken("undo", call + (" gives " + view) + ", not " + views[at]);
    }
  };
  for (unsigned rounds = 0; rounds < 2; ++rounds) {
    while (self.done.size() > first) {
      take_back(self, self.done, self.undone, dice);
      --at;
      check("undo");
    }
    if (rounds && dice.below(2)) break;
    while (at + 1 < views.size()) {
      if (!take_back(self, self.undone, self.done, dice)) broken("undo", "nothing to redo");
      ++at;
      check("redo");
    }
  }
}

void World::damage_token(Replica& self, Dice& dice) {
  if (self.done.empty()) return;
  std::string token = damaged(self.done[dice.below(self.done.size())][0], dice);
  std::string before = self.doc.snapshot();
  Buffer intents;
  Bytes in(token);
  sk_status status = subject_.undo->revert(self.doc.raw(), in.data, in.len, &intents, nullptr);
  if (status != SK_OK && !is_refusal(status)) {
    broken("undo", "a damaged token gives status " + std::to_string(status) + ": " + hex(token));
  }
  if (self.doc.snapshot() != before) broken("undo", "a damaged token changed the state");
}

// ---- anchors --------------------------------------------------------------------------------

// Makes one at the largest position that is there and not above a random one.
void World::anchor(Replica& self, Dice dice) {
  auto unit = static_cast<uint32_t>(1 + dice.below(2)), side = static_cast<uint32_t>(dice.below(2));
  std::string before = self.doc.snapshot();
  for (uint64_t position = dice.below(40);; --position) {
    Buffer bytes;
    sk_status status =
        subject_.anchors->make(self.doc.raw(), position, unit, side, &bytes, nullptr);
    if (status != SK_OK) {
      if (status == SK_MALFORMED && position) continue;
      broken("anchors", "no anchor at " + std::to_string(position) + ", status " +
                            std::to_string(status));
    }
    uint64_t resolved = 0;
    uint32_t deleted = 1;
    status = subject_.anchors->resolve(self.doc.raw(), bytes.data, bytes.len, unit, &resolved,
                                       &deleted, nullptr);
    note("  position " + std::to_string(position) + ", anchor " + hex(bytes.bytes().text()));
    if (status != SK_OK || resolved != position || deleted) {
      broken("anchors", "an anchor made at " + std::to_string(position) + " resolves to " +
                            std::to_string(resolved) + ", status " + std::to_string(status));
    }
    if (anchors_.size() == kMaxAnchors) anchors_.erase(anchors_.begin());
    anchors_.push_back({bytes.str(), version(self.known)});
    Anchor bad{damaged(bytes.str(), dice), {}};
    resolve(self.doc, bad, false);
    break;
  }
  if (self.doc.snapshot() != before) broken("anchors", "an anchor changed the state");
}

// What resolving gives, as text. An anchor that names what is known must resolve.
std::string World::resolve(const Doc& doc, const Anchor& anchor, bool known) const {
  std::string out;
  for (uint32_t unit : {SK_UNIT_CODE_POINTS, SK_UNIT_UTF16}) {
    uint64_t position = 0;
    uint32_t deleted = 0;
    Bytes in(anchor.bytes);
    sk_status status = subject_.anchors->resolve(doc.raw(), in.data, in.len, unit, &position,
                                                 &deleted, nullptr);
    if (status != SK_OK && (known || !is_refusal(status))) {
      broken("anchors", "anchor " + hex(anchor.bytes) + " does not resolve, status " +
                            std::to_string(status));
    }
    out += status != SK_OK ? " status " + std::to_string(status)
                           : " " + std::to_string(position) + (deleted ? " deleted" : "");
  }
  return out;
}

// `other` has the version of `self`.
void World::check_anchors(const Replica& self, const Doc& other) const {
  VersionMap have = version(self.known);
  for (const Anchor& anchor : anchors_) {
    bool known = std::all_of(anchor.made_at.begin(), anchor.made_at.end(), [&](const auto& dot) {
      auto found = have.find(dot.first);
      return found != have.end() && found->second >= dot.second;
    });
    std::string a = resolve(self.doc, anchor, known), b = resolve(other, anchor, known);
    if (a != b) broken("anchors", "anchor " + hex(anchor.bytes) + ":" + a + " against" + b);
  }
}

}  // namespace synckit::check
