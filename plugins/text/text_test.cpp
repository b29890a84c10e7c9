// Unit tests of the text type: intents, patches, views, formats (golden bytes), limits, and what
// damaged bytes do. The order itself is tested in text_model_test.cpp.
#include "text_testing.hpp"

extern "C" const sk_plugin* synckit_plugin_v1_text(void);

namespace synckit::text::testing {
namespace {

constexpr uint64_t kMe = 0x0807060504030201, kOther = 0x1817161514131211;

std::string hex(Bytes bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.len; ++i) {
    if (i) out += ' ';
    out += "0123456789abcdef"[bytes.data[i] >> 4];
    out += "0123456789abcdef"[bytes.data[i] & 15];
  }
  return out;
}

// Inserts at the end, whatever is there.
std::string type(Peer& peer, const std::string& text) {
  return peer.edit(splice(peer.text.length(), 0, text));
}

std::string patch_of(Peer& peer, const std::string& delta) {
  Buffer patch;
  Writer p(patch);
  EXPECT_TRUE(peer.text.merge(Bytes(delta), p).ok());
  return hex(patch);
}

TEST(Text, plugin_table_names_the_type) {
  const sk_plugin* plugin = synckit_plugin_v1_text();
  EXPECT_EQ(plugin->magic, SK_ABI_MAGIC);
  EXPECT_STREQ(plugin->id, "synckit.text");
  auto* crdt = static_cast<const sk_crdt_v1*>(plugin->get_interface(SK_IFACE_CRDT, 0));
  ASSERT_NE(crdt, nullptr);
  EXPECT_STREQ(crdt->type, "text");
  EXPECT_NE(plugin->get_interface(SK_IFACE_SAMPLES, 0), nullptr);
  EXPECT_EQ(plugin->get_interface(SK_IFACE_CRDT, 1), nullptr);
}

TEST(Text, edits_and_escapes_what_json_demands) {
  Peer peer(kMe);
  EXPECT_EQ(peer.view(), "\"\"");
  type(peer, "hello");
  peer.edit(splice(5, 0, " world"));
  peer.edit(splice(0, 1, "J"));
  EXPECT_EQ(peer.view(), "\"Jello world\"");
  EXPECT_EQ(peer.seq, 5u + 6u + 2u) << "a splice takes one dot for its delete, one per character";
  peer.edit(splice(0, 11, std::string("\"\\/\b\f\n\r\t\x01\x1f\x7f\0", 12)));
  EXPECT_EQ(peer.view(), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\"");
}

TEST(Text, an_intent_without_effect_takes_no_dot) {
  Peer peer(kMe);
  type(peer, "abc");
  Buffer delta;
  uint32_t seqs = 7;
  EXPECT_TRUE(peer.edit(splice(1, 0, ""), delta, seqs).ok());
  EXPECT_EQ(seqs, 0u);
  EXPECT_TRUE(delta.empty());
}

TEST(Text, refuses_bad_intents_and_changes_nothing) {
  Peer peer(kMe);
  type(peer, "a\xf0\x9f\x98\x80z");
  std::string before = peer.encode();
  auto refused = [&](const std::string& intent) {
    Buffer delta;
    uint32_t seqs = 0;
    Status status = peer.edit(intent, delta, seqs);
    EXPECT_EQ(peer.encode(), before);
    return status.code() == SK_MALFORMED ? std::string(status.text()) : "accepted";
  };
  EXPECT_NE(refused(splice(4, 0, "x")).find("past the end"), std::string::npos);
  EXPECT_NE(refused(splice(1, 3, "")).find("past the end"), std::string::npos);
  EXPECT_NE(refused(splice(0, UINT64_MAX, "")).find("past the end"), std::string::npos);
  EXPECT_NE(refused(splice(5, 0, "x", 2)).find("past the end"), std::string::npos);
  EXPECT_NE(refused(splice(2, 0, "x", 2)).find("surrogate pair"), std::string::npos);
  EXPECT_NE(refused(splice(1, 1, "", 2)).find("surrogate pair"), std::string::npos);
  EXPECT_NE(refused(splice(2, 1, "", 2)).find("surrogate pair"), std::string::npos);
  EXPECT_NE(refused(splice(0, 0, "x", 4)).find("op 1 or 2"), std::string::npos);
  EXPECT_NE(refused("").find("op 1 or 2"), std::string::npos);
  for (const char* text : {"\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\x80", "\xe4\xb8",
                           "\xf0\x8f\xbf\xbf", "\xff", "\xe0\x9f\xbf", "a\xc3"}) {
    EXPECT_NE(refused(splice(0, 0, text)).find("UTF-8"), std::string::npos) << hex(Bytes(text));
  }
  peer.edit(splice(1, 2, "", 2));  // the whole pair
  EXPECT_EQ(peer.view(), "\"az\"");
}

TEST(Text, a_stamp_must_be_fresh) {
  Peer peer(kMe);
  type(peer, "abc");
  Buffer delta, patch;
  Writer d(delta), p(patch);
  uint32_t seqs = 0;
  std::string intent = splice(0, 0, "x");
  EXPECT_EQ(peer.text.mutate({kMe, 3, 0}, Bytes(intent), d, p, seqs).code(), SK_CONFLICT);
  EXPECT_EQ(peer.text.mutate({0, 9, 0}, Bytes(intent), d, p, seqs).code(), SK_CONFLICT);
  EXPECT_EQ(peer.text.mutate({kMe, kMaxSeq, 0}, Bytes(intent), d, p, seqs).code(), SK_CONFLICT);
  EXPECT_EQ(peer.text.mutate({kMe, UINT64_MAX, 0}, Bytes(intent), d, p, seqs).code(), SK_CONFLICT);
  EXPECT_EQ(peer.view(), "\"abc\"");
}

TEST(Text, runs_typed_together_stay_together) {
  for (bool backward : {false, true}) {
    Peer a(kMe), b(kOther);
    ASSERT_TRUE(b.merge(type(a, "[]")).ok());
    std::vector<std::string> from_a, from_b;
    for (char c : std::string("abcdef")) {
      from_a.push_back(a.edit(splice(backward ? 1 : a.text.length() - 1, 0, {c})));
    }
    for (char c : std::string("123456")) {
      from_b.push_back(b.edit(splice(backward ? 1 : b.text.length() - 1, 0, {c})));
    }
    for (auto& delta : from_a) EXPECT_TRUE(b.merge(delta).ok());
    for (auto& delta : from_b) EXPECT_TRUE(a.merge(delta).ok());
    EXPECT_EQ(a.view(), backward ? "\"[fedcba654321]\"" : "\"[abcdef123456]\"");
    EXPECT_EQ(a.view(), b.view());
    EXPECT_EQ(a.encode(), b.encode());
  }
}

TEST(Text, concurrent_deletes_meet_once) {
  Peer a(kMe), b(kOther);
  ASSERT_TRUE(b.merge(type(a, "abcdef")).ok());
  std::string x = a.edit(splice(1, 3, "")), y = b.edit(splice(2, 3, "!"));
  EXPECT_EQ(patch_of(a, y), "04 00 05 21 06 00");  // retain 1, insert "!", delete 1
  a.shadow = U"a!f";
  EXPECT_TRUE(b.merge(x).ok());
  EXPECT_EQ(a.view(), "\"a!f\"");
  EXPECT_EQ(a.encode(), b.encode());
  EXPECT_EQ(patch_of(a, y), "") << "a duplicate";
}

TEST(Text, one_patch_for_changes_in_several_places) {
  Peer a(kMe), b(kOther);
  ASSERT_TRUE(b.merge(type(a, "one two three")).ok());
  std::map<uint64_t, uint64_t> known = b.version;
  known[kMe] = a.seq;
  a.edit(splice(8, 5, "\xf0\x9f\x98\x80"));
  a.edit(splice(3, 0, ","));
  a.edit(splice(0, 1, ""));
  std::string delta = a.encode(known);
  // delete 1, retain 2, insert ",", retain 5, insert the emoji, delete 5
  EXPECT_EQ(patch_of(b, delta), "06 00 08 00 05 2c 14 00 11 f0 9f 98 80 16 00");
  EXPECT_EQ(a.view(), b.view());
  EXPECT_EQ(a.encode(), b.encode());
}

// ---- formats ------------------------------------------------------------------------------------

TEST(TextFormat, golden_bytes) {
  Peer a(kMe), b(kOther);
  const std::string me = "01 02 03 04 05 06 07 08", other = "11 12 13 14 15 16 17 18";
  std::string first = type(a, "a");
  EXPECT_EQ(hex(Bytes(first)), "09 " + me + " 01 00 00 61");
  std::string second = type(a, "b");
  EXPECT_EQ(hex(Bytes(second)), "19 " + me + " 02 00 62") << "typing: the left origin is implied";
  std::string middle = a.edit(splice(1, 0, "\xd0\x96"));
  EXPECT_EQ(hex(Bytes(middle)), "09 " + me + " 03 04 02 d0 96");
  std::string erased = a.edit(splice(0, 2, ""));
  EXPECT_EQ(hex(Bytes(erased)), "05 " + me + " 04 06 01 02 00");
  for (auto& delta : {first, second, middle, erased}) ASSERT_TRUE(b.merge(delta).ok());
  std::string foreign = b.edit(splice(0, 1, "xy"));
  EXPECT_EQ(hex(Bytes(foreign)), "0d " + other + " 01 05 00 " + me + " 00 00 03 00 78 79");
  ASSERT_TRUE(a.merge(foreign).ok());
  std::string state = a.encode();
  EXPECT_EQ(hex(Bytes(state)),
            "02 02 " + me + " 00 04 " + other + " 00 03 "  // replicas: id, base, max - base
            "01 00 02 02 01 01 00 00 "                     // runs of seqs; no other deletions
            "02 01 01 01 15 18 11 01 00 78 79");           // pieces, starts, no exception, text
  EXPECT_EQ(hex(Bytes(Peer(kMe).encode())), "02 00 00 00 00");
  EXPECT_EQ(hex(Bytes(a.encode(b.version))).substr(0, 5), "02 01") << "b saw a as its own peer";
  std::map<uint64_t, uint64_t> all{{kMe, 4}, {kOther, 3}};
  EXPECT_EQ(hex(Bytes(a.encode(all))), "02 00 00 00 00") << "nothing new";
}

TEST(TextFormat, inspect_tells_author_range_and_needs) {
  Peer a(kMe), b(kOther);
  std::string first = type(a, "abc");
  ASSERT_TRUE(b.merge(first).ok());
  std::string delta = b.edit(splice(1, 1, "xy"));
  Summary summary;
  std::vector<sk_dot> needs;
  ASSERT_TRUE(inspect(delta, summary, needs).ok());
  EXPECT_EQ(summary.authors, 1u);
  EXPECT_EQ(summary.replica, kOther);
  EXPECT_EQ(summary.seq_lo, 1u);
  EXPECT_EQ(summary.seq_hi, 3u);
  EXPECT_EQ(summary.max_hlc, 0u);
  ASSERT_EQ(needs.size(), 1u);
  EXPECT_EQ(needs[0].replica, kMe);
  EXPECT_EQ(needs[0].seq, 2u);
  Peer c(77);
  EXPECT_EQ(c.merge(delta).code(), SK_MISSING_DEPS);
  EXPECT_EQ(c.encode(), Peer(1).encode());
  ASSERT_TRUE(c.merge(first).ok());
  ASSERT_TRUE(c.merge(delta).ok());
  EXPECT_EQ(c.view(), b.view());
  ASSERT_TRUE(inspect(c.encode(), summary, needs).ok());
  EXPECT_EQ(summary.authors, 2u);
  EXPECT_TRUE(needs.empty());
  ASSERT_TRUE(inspect(c.encode({{kMe, 3}}), summary, needs).ok());
  EXPECT_EQ(summary.authors, 1u);
  EXPECT_EQ(summary.seq_lo, 1u);
  EXPECT_EQ(summary.seq_hi, 3u);
}

TEST(TextFormat, dots_that_are_no_characters_are_malformed) {
  Peer a(kMe), b(kOther);
  a.seq = 1;  // another field's dot
  for (auto& delta : {type(a, "ab"), a.edit(splice(0, 1, ""))}) ASSERT_TRUE(b.merge(delta).ok());
  std::string before = b.encode();
  auto named = [&](uint8_t seq) {  // replica 9 deletes that dot
    Buffer out;
    Writer w(out);
    w.byte(kOp | kErases);
    w.fixed64(9), w.varint(1);
    w.varint(seq << 1 | 1), w.varint(0), w.fixed64(kMe), w.varint(0);
    return out.str();
  };
  EXPECT_EQ(b.merge(named(1)).code(), SK_MALFORMED) << "another field's";
  EXPECT_EQ(b.merge(named(4)).code(), SK_MALFORMED) << "a delete";
  EXPECT_EQ(b.merge(named(5)).code(), SK_MISSING_DEPS) << "not seen yet";
  EXPECT_EQ(b.encode(), before);
  EXPECT_TRUE(b.merge(named(3)).ok());
}

// A history whose encodings use every part of both formats.
std::vector<std::string> rich_deltas() {
  Peer a(kMe), b(kOther), c(5);
  std::vector<std::string> out;
  auto share = [&](const std::string& delta) {
    out.push_back(delta);
    for (Peer* peer : {&a, &b, &c}) (void)peer->merge(delta);
  };
  share(type(a, "hello w\xc3\xb6rld"));
  std::string x = a.edit(splice(5, 0, "AAA")), y = b.edit(splice(5, 1, "\xf0\x9f\x98\x80" "B"));
  share(x), share(y);
  share(c.edit(splice(2, 7, "c")));
  x = b.edit(splice(1, 0, "1")), y = c.edit(splice(1, 2, "2"));
  std::string z = a.edit(splice(1, 0, "3"));
  share(x), share(y), share(z);
  out.push_back(a.encode());
  out.push_back(a.encode({{kMe, 12}, {kOther, 2}}));
  out.push_back(a.encode({{kMe, 15}, {kOther, 3}, {5, 2}}));
  return out;
}

// A merge of any bytes leaves a document that still agrees with itself; a refusal changes nothing.
void survives(Peer& peer, const std::string& delta, const std::string& before) {
  Summary summary;
  std::vector<sk_dot> needs;
  bool fine = inspect(delta, summary, needs).ok();
  Status status = peer.merge(delta);
  ASSERT_TRUE(fine || status.code() == SK_MALFORMED || status.code() == SK_LIMIT);
  ASSERT_NE(status.code(), SK_INTERNAL);
  if (!status.ok()) {
    ASSERT_EQ(peer.encode(), before);
    return;
  }
  ASSERT_EQ(json(peer.shadow), peer.view());
  Peer copy(3);
  std::string state = peer.encode();
  ASSERT_TRUE(copy.merge(state).ok());
  ASSERT_EQ(copy.encode(), state);
  ASSERT_EQ(copy.view(), peer.view());
}

TEST(TextFormat, truncated_deltas_are_refused) {
  std::vector<std::string> deltas = rich_deltas();
  for (size_t d = 0; d < deltas.size(); ++d) {
    for (size_t n = 0; n < deltas[d].size(); ++n) {
      Peer peer(3);
      for (size_t i = 0; i < d && i < 6; ++i) ASSERT_TRUE(peer.merge(deltas[i]).ok());
      std::string cut = deltas[d].substr(0, n), before = peer.encode();
      bool op_text = (deltas[d][0] & 3) == kOp && (deltas[d][0] & kInserts);
      Status status = peer.merge(cut);
      if (!op_text) {
        ASSERT_EQ(status.code(), SK_MALFORMED) << d << ' ' << n;
      }
      if (!status.ok()) {
        ASSERT_EQ(peer.encode(), before);
      }
    }
  }
}

TEST(TextFormat, damaged_deltas_never_break_a_document) {
  std::vector<std::string> deltas = rich_deltas();
  for (size_t d = 0; d < deltas.size(); ++d) {
    for (bool empty : {false, true}) {
      Peer start(3);
      for (size_t i = 0; i < d && i < 6 && !empty; ++i) ASSERT_TRUE(start.merge(deltas[i]).ok());
      std::string before = start.encode();
      Random random(d * 2 + empty);
      for (size_t i = 0; i < deltas[d].size() * 8 + 2000; ++i) {
        std::string bytes = deltas[d];
        if (i < bytes.size() * 8) {
          bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ 1 << i % 8);
        } else {
          for (size_t k = 1 + random.below(3); k--;) {
            bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
          }
        }
        Peer peer(3);
        if (!empty) {
          ASSERT_TRUE(peer.merge(before).ok());
        }
        SCOPED_TRACE("delta " + std::to_string(d) + " damage " + std::to_string(i));
        survives(peer, bytes, before);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(TextFormat, other_replicas_are_named_once) {
  Peer a(kMe), b(kOther), c(5);
  std::string first = type(a, "ab");
  for (Peer* peer : {&b, &c}) ASSERT_TRUE(peer->merge(first).ok());
  std::string second = b.edit(splice(1, 0, "x"));
  for (Peer* peer : {&a, &c}) ASSERT_TRUE(peer->merge(second).ok());
  // Deletes all of "axb": of a twice, as the dots of each ascend; then of b.
  EXPECT_EQ(hex(Bytes(c.edit(splice(0, 3, "")))),
            "05 05 00 00 00 00 00 00 00 01 03 00 01 02 03 04 05 06 07 08 01 "
            "05 00 01 03 01 11 12 13 14 15 16 17 18 00");
  auto erase = [&](uint64_t which, uint64_t id) {
    Buffer out;
    Writer w(out);
    w.byte(kOp | kErases);
    w.fixed64(9), w.varint(1), w.varint(3), w.varint(which), w.fixed64(id), w.varint(0);
    return out.str();
  };
  Summary summary;
  std::vector<sk_dot> needs;
  EXPECT_TRUE(inspect(erase(0, kMe), summary, needs).ok());
  EXPECT_EQ(inspect(erase(0, 0), summary, needs).code(), SK_MALFORMED) << "no replica";
  EXPECT_EQ(inspect(erase(0, 9), summary, needs).code(), SK_MALFORMED) << "the author";
  EXPECT_EQ(inspect(erase(1, kMe), summary, needs).code(), SK_MALFORMED) << "not named yet";
  EXPECT_EQ(inspect(erase(UINT64_MAX, kMe), summary, needs).code(), SK_MALFORMED);
}

TEST(TextLimits, a_small_delta_cannot_claim_too_many_atoms) {
  Buffer out;  // one tombstone run of 2^28 + 1 atoms
  Writer w(out);
  w.byte(kState);
  w.varint(1), w.fixed64(kMe), w.varint(0), w.varint(1u << 29);
  w.varint(1), w.varint(kMaxAtoms), w.varint(0);
  w.varint(0), w.varint(uint64_t{kMaxAtoms} << 1 | 1), w.varint(15), w.varint(0);
  Peer peer(3);
  EXPECT_EQ(peer.merge(out.str()).code(), SK_LIMIT);
  EXPECT_EQ(peer.encode(), Peer(4).encode());
}

// ---- a long session, shaped like a person writing a paper ------------------------------------

TEST(TextSession, replays_patch_by_patch_and_by_deltas) {
  Peer writer(kMe), follower(kOther);
  Random random(2024);
  std::u32string model;
  size_t cursor = 0;
  for (int i = 0; i < 12000; ++i) {
    if (random.one_in(60)) cursor = random.below(model.size() + 1);
    size_t erase = 0;
    std::u32string insert;
    if (random.one_in(4) && cursor) {
      erase = 1, --cursor;  // backspace
    } else if (random.one_in(400)) {
      erase = std::min<size_t>(random.below(40), model.size() - cursor);
    }
    if (!erase) {
      insert = random.one_in(500) ? U"pasted, and \u4e2d\u6587 \U0001F389 too"
                                  : std::u32string(1, U'a' + static_cast<char32_t>(i % 26));
    }
    model.replace(cursor, erase, insert);
    std::string delta = writer.edit(splice(cursor, erase, utf8(insert)));
    cursor += insert.size();
    ASSERT_TRUE(follower.merge(delta).ok());
    if (i % 3000 == 0) {
      ASSERT_EQ(writer.shadow, model);
      ASSERT_EQ(follower.shadow, model);
      Peer loaded(9);
      ASSERT_TRUE(loaded.merge(writer.encode()).ok());
      ASSERT_EQ(loaded.shadow, model);
      ASSERT_EQ(loaded.encode(), follower.encode());
    }
  }
  ASSERT_EQ(writer.view(), json(model));
  ASSERT_EQ(follower.view(), json(model));
  ASSERT_EQ(follower.encode(), writer.encode());
  // The snapshot costs a little more than its text: that is what spans are for.
  EXPECT_LT(writer.encode().size(), utf8(model).size() + 2 * 12000u);
}

TEST(TextSession, a_text_that_is_replaced_again_and_again) {
  Peer writer(kMe), follower(kOther);
  std::u32string model;
  for (int i = 0; i < 300; ++i) {
    std::u32string next(200, U'a' + static_cast<char32_t>(i % 26));
    next += U"\u4e2d\U0001F389";
    size_t keep = i % 7 ? 0 : model.size() / 2;
    std::string delta = writer.edit(splice(keep, model.size() - keep, utf8(next)));
    model.replace(keep, model.size() - keep, next);
    ASSERT_TRUE(follower.merge(delta).ok());
    ASSERT_EQ(writer.shadow, model);
    ASSERT_EQ(follower.shadow, model);
  }
  ASSERT_EQ(follower.view(), json(model));
}

TEST(TextSession, samples_are_valid_and_hit_every_kind_of_edit) {
  Peer peer(kMe);
  Random random(5);
  bool erased = false, wide = false;
  for (int i = 0; i < 3000; ++i) {
    Buffer intent;
    Writer w(intent);
    ASSERT_TRUE(peer.text.sample(random.next(), w).ok());
    size_t before = peer.shadow.size();
    peer.edit(intent.str());
    erased = erased || peer.shadow.size() < before;
    wide = wide || peer.shadow.find(U'\U0001F600') != std::u32string::npos;
  }
  EXPECT_TRUE(erased);
  EXPECT_TRUE(wide);
}

}  // namespace
}  // namespace synckit::text::testing
