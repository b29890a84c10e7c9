// The kernel's codec by itself: round trips, limits, and whatever a network may deliver. That it
// speaks protobuf at all is what tests/golden shows.
#include "../golden/samples.hpp"
#include "reframe.hpp"

#include <gtest/gtest.h>

#include <random>

namespace synckit {
namespace {

using golden::Sample;
using golden::wire_samples;
using testing::reframe;
using testing::recode_part;

// The kernel's form of a sample, whichever message it is.
Status rewrite(const Sample& sample, Bytes bytes, Buffer& out) {
  if (sample.message == "synckit.v1.Transaction") {
    return recode_part<wire::Transaction>(bytes, out);
  }
  if (sample.message == "synckit.v1.Snapshot") return recode_part<wire::Snapshot>(bytes, out);
  return reframe(bytes, out);
}

std::string tagged(uint32_t field, uint32_t type, Bytes payload) {
  Buffer out;
  Writer w(out);
  w.varint(field << 3 | type);
  w.raw(payload);
  return out.str();
}
std::string length_delimited(uint32_t field, Bytes payload) {
  Buffer out;
  Writer w(out);
  w.varint(field << 3 | 2);
  w.sized(payload);
  return out.str();
}

TEST(Wire, every_kind_of_frame_has_a_sample) {
  uint32_t seen = 0;
  for (const Sample& sample : wire_samples()) {
    if (sample.message != "synckit.v1.Envelope") continue;
    wire::Frame frame;
    ASSERT_TRUE(wire::decode(Bytes(sample.bytes), frame).ok());
    seen |= 1u << static_cast<uint32_t>(frame.kind);
  }
  EXPECT_EQ(seen, 0xfffeu) << "bits 1 to 15, one per Kind";
}

TEST(Wire, every_message_round_trips) {
  for (const Sample& sample : wire_samples()) {
    Buffer out;
    Status status = rewrite(sample, Bytes(sample.bytes), out);
    ASSERT_TRUE(status.ok()) << sample.file << ": " << status.text();
    EXPECT_EQ(out.str(), sample.bytes) << sample.file;
  }
}

TEST(Wire, values_arrive_as_they_were_sent) {
  std::string bytes = golden::encoded(golden::transaction_of_two());
  wire::Transaction t;
  ASSERT_TRUE(wire::decode(Bytes(bytes), t).ok());
  EXPECT_EQ(t.replica, golden::kAda);
  EXPECT_EQ(t.seq, 41u);
  EXPECT_EQ(t.last_seq(), 46u);
  EXPECT_EQ(t.hlc, golden::kClock);
  ASSERT_EQ(t.changes.size(), 2u);
  EXPECT_EQ(t.changes[0].field, Bytes(""));
  EXPECT_EQ(t.changes[1].field, Bytes("заметка"));
  EXPECT_EQ(t.changes[1].delta, Bytes("delta of five"));
  EXPECT_EQ(t.raw, Bytes(bytes));
}

TEST(Wire, decoding_clears_what_was_there) {
  wire::Transaction t;
  std::string two = golden::encoded(golden::transaction_of_two());
  std::string none = golden::encoded(golden::void_transaction());
  ASSERT_TRUE(wire::decode(Bytes(two), t).ok());
  ASSERT_TRUE(wire::decode(Bytes(none), t).ok());
  EXPECT_TRUE(t.changes.empty());
  wire::Snapshot s;
  std::string snapshot = golden::encoded(golden::snapshot_of_two());
  ASSERT_TRUE(wire::decode(Bytes(snapshot), s).ok());
  ASSERT_TRUE(wire::decode(Bytes(), s).ok());
  EXPECT_TRUE(s.version.empty() && s.fields.empty());
}

TEST(Wire, unknown_fields_and_other_wire_types_are_skipped) {
  // A later version's fields: a varint, a fixed64, bytes and a fixed32 that nobody here knows.
  std::string later = tagged(100, 0, "\x05") + tagged(101, 1, "12345678") +
                      length_delimited(102, "later") + tagged(103, 5, "1234");
  std::string wrong = tagged(1, 0, "\x05");  // field 1 is never a varint in an Ack
  wire::Ack ack{"d", golden::kAda, 7, 9};
  Buffer out;
  wire::frame(ack, out);
  wire::Frame frame;
  ASSERT_TRUE(wire::decode(out, frame).ok());
  std::string body = later + wrong + frame.body.str() + later;
  std::string envelope = later + length_delimited(6, body) + later;
  Buffer again;
  ASSERT_TRUE(reframe(Bytes(envelope), again).ok());
  EXPECT_EQ(again.str(), out.str());
}

TEST(Wire, an_unknown_body_is_not_an_error) {
  wire::Frame frame;
  std::string bytes = length_delimited(16, "a message of a later version");
  ASSERT_TRUE(wire::decode(Bytes(bytes), frame).ok());
  EXPECT_EQ(frame.kind, wire::Kind::unknown);
  ASSERT_TRUE(wire::decode(Bytes(), frame).ok());
  EXPECT_EQ(frame.kind, wire::Kind::unknown);
}

TEST(Wire, of_two_bodies_the_last_one_counts) {
  wire::Frame frame;
  std::string bytes = length_delimited(12, "") + length_delimited(13, "");
  ASSERT_TRUE(wire::decode(Bytes(bytes), frame).ok());
  EXPECT_EQ(frame.kind, wire::Kind::pong);
}

TEST(Wire, groups_field_zero_and_huge_field_numbers_are_malformed) {
  wire::Frame frame;
  for (std::string bad : {std::string("\x0b\x0c"), std::string("\x02\x00", 2),
                          std::string("\x82\x80\x80\x80\x80\x01\x00", 7), std::string("\x0e")}) {
    EXPECT_EQ(wire::decode(Bytes(bad), frame).code(), SK_MALFORMED);
  }
}

// Cut anywhere, a message either is malformed or is a valid shorter one; never a crash, and what is
// accepted has a stable form.
TEST(Wire, truncation_at_every_byte_is_survived) {
  size_t refused = 0, cuts = 0;
  for (const Sample& sample : wire_samples()) {
    for (size_t n = 0; n < sample.bytes.size(); ++n, ++cuts) {
      std::string cut(sample.bytes.data(), n);  // an allocation of its own, for ASan
      Buffer out, again;
      Status status = rewrite(sample, Bytes(cut), out);
      if (!status.ok()) {
        ++refused;
        continue;
      }
      ASSERT_TRUE(rewrite(sample, out, again).ok()) << sample.file << " cut at " << n;
      ASSERT_EQ(out.str(), again.str()) << sample.file << " cut at " << n;
    }
  }
  EXPECT_GT(refused, cuts * 9 / 10) << "an envelope is one length-delimited field";
}

TEST(Wire, changed_and_random_bytes_are_survived) {
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<Sample> samples = wire_samples();
  for (int round = 0; round < 60000; ++round) {
    const Sample& sample = samples[random() % samples.size()];
    std::string bytes = sample.bytes;
    if (round % 4 == 0) {
      bytes.resize(random() % 64);
      for (char& c : bytes) c = static_cast<char>(random());
    }
    for (uint64_t i = random() % 3 + 1; i > 0 && !bytes.empty(); --i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    Buffer out, again;
    if (!rewrite(sample, Bytes(bytes), out).ok()) continue;
    ASSERT_TRUE(rewrite(sample, out, again).ok()) << "round " << round;
    ASSERT_EQ(out.str(), again.str()) << "round " << round;
  }
}

// ---- what the messages themselves forbid --------------------------------------------------------

sk_status code_of(const wire::Transaction& transaction) {
  std::string bytes = golden::encoded(transaction);
  wire::Transaction out;
  return wire::decode(Bytes(bytes), out).code();
}

TEST(WireTransaction, needs_an_author_and_dots) {
  wire::Transaction good = golden::transaction_of_two(), t = good;
  EXPECT_EQ(code_of(t), SK_OK);
  t = good, t.replica = 0;
  EXPECT_EQ(code_of(t), SK_MALFORMED);
  t = good, t.seq = 0;
  EXPECT_EQ(code_of(t), SK_MALFORMED);
  t = good, t.count = 0;
  EXPECT_EQ(code_of(t), SK_MALFORMED);
  t = good, t.count = 7;  // its changes use 6
  EXPECT_EQ(code_of(t), SK_MALFORMED);
  t = good, t.changes[0].count = 0, t.count = 5;
  EXPECT_EQ(code_of(t), SK_MALFORMED);
}

TEST(WireTransaction, sequence_numbers_must_not_overflow) {
  wire::Transaction t = golden::void_transaction();
  t.seq = UINT64_MAX;
  EXPECT_EQ(code_of(t), SK_MALFORMED);
  t.seq = UINT64_MAX - t.count;
  EXPECT_EQ(code_of(t), SK_OK);
  // Counts whose 32-bit sum would wrap around to the right number.
  wire::Transaction wrap = golden::void_transaction();
  wrap.count = 1;
  wrap.changes.push_back({"", "t", UINT32_MAX, ""});
  wrap.changes.push_back({"", "t", 2, ""});
  EXPECT_EQ(code_of(wrap), SK_MALFORMED);
}

TEST(WireTransaction, names_have_limits) {
  std::string field(wire::kMaxFieldBytes, 'f'), type(wire::kMaxTypeBytes, 't');
  wire::Transaction t = golden::void_transaction();
  t.count = 1;
  t.changes.push_back({Bytes(field), Bytes(type), 1, ""});
  EXPECT_EQ(code_of(t), SK_OK);
  std::string longer = field + "f";
  t.changes[0].field = Bytes(longer);
  EXPECT_EQ(code_of(t), SK_LIMIT);
  t.changes[0].field = Bytes(field);
  longer = type + "t";
  t.changes[0].type = Bytes(longer);
  EXPECT_EQ(code_of(t), SK_LIMIT);
  t.changes[0].type = {};
  EXPECT_EQ(code_of(t), SK_MALFORMED);
}

TEST(WireTransaction, a_count_beyond_32_bits_is_malformed) {
  Buffer body;
  Writer w(body);
  w.varint(1 << 3 | 1), w.fixed64(1);
  w.varint(2 << 3), w.varint(1);
  w.varint(3 << 3), w.varint(uint64_t{1} << 32 | 1);
  wire::Transaction t;
  EXPECT_EQ(wire::decode(body, t).code(), SK_MALFORMED);
}

TEST(WireVersion, must_ascend_and_have_no_zeros) {
  auto request = [](std::initializer_list<Dot> dots) {
    Buffer body;
    Writer w(body);
    w.varint(1 << 3 | 2), w.sized("d");
    for (Dot dot : dots) {
      Buffer entry;
      Writer e(entry);
      e.varint(1 << 3 | 1), e.fixed64(dot.replica);
      e.varint(2 << 3), e.varint(dot.seq);
      w.varint(2 << 3 | 2), w.sized(entry);
    }
    wire::SyncRequest out;
    return wire::decode(body, out).code();
  };
  EXPECT_EQ(request({{1, 1}, {2, 1}, {UINT64_MAX, 1}}), SK_OK);
  EXPECT_EQ(request({{2, 1}, {1, 1}}), SK_MALFORMED);
  EXPECT_EQ(request({{1, 1}, {1, 2}}), SK_MALFORMED);
  EXPECT_EQ(request({{0, 1}}), SK_MALFORMED);
  EXPECT_EQ(request({{1, 0}}), SK_MALFORMED);
}

TEST(WireVersion, has_a_limit) {
  Buffer body;
  Writer w(body);
  w.varint(1 << 3 | 2), w.sized("d");
  for (uint64_t replica = 1; replica <= VersionVector::kMaxReplicas + 1; ++replica) {
    Buffer entry;
    Writer e(entry);
    e.varint(1 << 3 | 1), e.fixed64(replica);
    e.varint(2 << 3), e.varint(1);
    w.varint(2 << 3 | 2), w.sized(entry);
    if (replica == VersionVector::kMaxReplicas) {
      wire::SyncRequest full;
      ASSERT_EQ(wire::decode(body, full).code(), SK_OK);
    }
  }
  wire::SyncRequest out;
  EXPECT_EQ(wire::decode(body, out).code(), SK_LIMIT);
}

TEST(WireDocument, ids_have_1_to_512_bytes_in_every_message) {
  std::string longest(wire::kMaxDocumentIdBytes, 'd'), longer = longest + "d";
  for (Bytes id : {Bytes(""), Bytes(longest), Bytes(longer)}) {
    sk_status want = id.empty() ? SK_MALFORMED : id.len > 512 ? SK_LIMIT : SK_OK;
    std::vector<std::string> frames;
    auto add = [&](auto message) {
      message.document = id;
      frames.push_back(golden::framed(message));
    };
    add(wire::SyncRequest{});
    add(wire::SyncResponse{});
    add(wire::Update{});
    add(wire::Ack{});
    add(wire::Notification{});
    add(wire::Denied{});
    add(wire::Presence{});
    wire::Subscribe subscribe;
    subscribe.documents.push_back(id);
    frames.push_back(golden::framed(subscribe));
    wire::Unsubscribe unsubscribe;
    unsubscribe.documents.push_back(id);
    frames.push_back(golden::framed(unsubscribe));
    wire::Documents documents;
    documents.entries.push_back({id, 1, 1});
    frames.push_back(golden::framed(documents));
    for (size_t i = 0; i < frames.size(); ++i) {
      Buffer out;
      EXPECT_EQ(reframe(Bytes(frames[i]), out).code(), want) << "message " << i << ", " << id.len;
    }
  }
}

TEST(WireHello, needs_a_replica) {
  wire::Hello hello;
  hello.protocol = 1;
  std::string bytes = golden::framed(hello);
  Buffer out;
  EXPECT_EQ(reframe(Bytes(bytes), out).code(), SK_MALFORMED);
}

}  // namespace
}  // namespace synckit
