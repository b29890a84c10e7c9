// proto/golden against three implementations: the kernel's codec writes and reads exactly these
// bytes; libprotobuf reads them as the manifest says and writes them back; FlatBuffers verifies and
// reads what is stored. The JavaScript SDK has its own test against the same files.
#include "../kernel/reframe.hpp"
#include "vectors.hpp"

#include <google/protobuf/struct.pb.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

namespace synckit::golden {
namespace {

std::string read_file(const std::string& name) {
  std::ifstream in(std::string(SYNCKIT_GOLDEN_DIR) + "/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << "cannot read proto/golden/" << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Entry {
  std::string message;
  google::protobuf::Value json;
};

// The manifest, read by libprotobuf's own JSON parser.
std::map<std::string, Entry> read_manifest() {
  google::protobuf::ListValue list;
  auto status = google::protobuf::util::JsonStringToMessage(read_file("manifest.json"), &list);
  EXPECT_TRUE(status.ok()) << status.ToString();
  std::map<std::string, Entry> out;
  for (const auto& value : list.values()) {
    const auto& fields = value.struct_value().fields();
    const std::string& file = fields.at("file").string_value();
    EXPECT_EQ(out.count(file), 0u) << file << " is listed twice";
    out[file] = {fields.at("message").string_value(), fields.at("json")};
  }
  return out;
}

TEST(Golden, manifest_and_directory_hold_the_same_files) {
  std::set<std::string> listed, there;
  for (const auto& [file, entry] : read_manifest()) listed.insert(file);
  for (const auto& item : std::filesystem::directory_iterator(SYNCKIT_GOLDEN_DIR)) {
    if (item.path().extension() == ".bin") there.insert(item.path().filename().string());
  }
  EXPECT_EQ(listed, there);
  EXPECT_EQ(listed.size(), wire_samples().size() + 2);
}

TEST(Golden, the_kernel_writes_exactly_these_bytes) {
  for (const Sample& sample : wire_samples()) {
    EXPECT_EQ(sample.bytes, read_file(sample.file)) << sample.file;
  }
}

TEST(Golden, the_kernel_reads_these_bytes) {
  for (const auto& [file, entry] : read_manifest()) {
    std::string bytes = read_file(file);
    Buffer out;
    Status status;
    if (entry.message == "synckit.v1.Envelope") {
      status = testing::reframe(Bytes(bytes), out);
    } else if (entry.message == "synckit.v1.Transaction") {
      status = testing::recode_part<wire::Transaction>(Bytes(bytes), out);
    } else if (entry.message == "synckit.v1.Snapshot") {
      status = testing::recode_part<wire::Snapshot>(Bytes(bytes), out);
    } else {
      continue;  // store.fbs, below
    }
    ASSERT_TRUE(status.ok()) << file << ": " << status.text();
    EXPECT_EQ(out.str(), bytes) << file;
  }
}

TEST(Golden, libprotobuf_agrees) {
  size_t compared = 0;
  for (const auto& [file, entry] : read_manifest()) {
    if (entry.message.rfind("synckit.v1.", 0) != 0) continue;
    std::string bytes = read_file(file);
    auto message = new_message(entry.message), expected = new_message(entry.message);
    ASSERT_TRUE(message->ParseFromString(bytes)) << file;
    EXPECT_EQ(message->SerializeAsString(), bytes) << file;
    auto status = google::protobuf::util::JsonStringToMessage(to_json(entry.json), expected.get());
    ASSERT_TRUE(status.ok()) << file << ": " << status.ToString();
    EXPECT_EQ(expected->SerializeAsString(), bytes) << file << ", from its JSON";
    EXPECT_EQ(to_json(*expected), to_json(*message)) << file;
    ++compared;
  }
  EXPECT_EQ(compared, wire_samples().size());
}

// Every message and every field of wire.proto occurs in some vector.
void collect(const Protobuf& message, std::set<std::string>& seen) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    seen.insert(field->full_name());
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      collect(reflection->GetMessage(message, field), seen);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      collect(reflection->GetRepeatedMessage(message, field, i), seen);
    }
  }
}
void all_fields(const google::protobuf::Descriptor* type, std::set<std::string>& out) {
  for (int i = 0; i < type->field_count(); ++i) out.insert(type->field(i)->full_name());
  for (int i = 0; i < type->nested_type_count(); ++i) all_fields(type->nested_type(i), out);
}

TEST(Golden, every_field_of_the_protocol_is_in_some_vector) {
  std::set<std::string> seen, wanted;
  for (const auto& [file, entry] : read_manifest()) {
    if (entry.message.rfind("synckit.v1.", 0) != 0) continue;
    auto message = new_message(entry.message);
    ASSERT_TRUE(message->ParseFromString(read_file(file)));
    collect(*message, seen);
  }
  const auto* proto = v1::Envelope::descriptor()->file();
  for (int i = 0; i < proto->message_type_count(); ++i) all_fields(proto->message_type(i), wanted);
  EXPECT_GT(wanted.size(), 80u);
  EXPECT_EQ(seen, wanted);
}

// ---- store.fbs ----------------------------------------------------------------------------------

const store::Stored* verified(const std::string& bytes) {
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return store::VerifyStoredBuffer(verifier) ? store::GetStored(bytes.data()) : nullptr;
}
std::string text_of(const flatbuffers::Vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(GoldenStore, a_log_entry_reads_as_it_was_written) {
  std::string bytes = read_file("store_log_entry.bin");
  const store::Stored* stored = verified(bytes);
  ASSERT_NE(stored, nullptr);
  ASSERT_NE(stored->root_as_LogEntry(), nullptr);
  const store::LogEntry& entry = *stored->root_as_LogEntry();
  EXPECT_EQ(text_of(*entry.transaction()), encoded(transaction_of_two()));
  EXPECT_EQ(entry.principal()->str(), "Ада");
  google::protobuf::Value manifest = read_manifest().at("store_log_entry.bin").json;
  const auto& json = manifest.struct_value().fields();
  EXPECT_EQ(json.at("transaction").string_value(), base64(text_of(*entry.transaction())));
  EXPECT_EQ(json.at("principal").string_value(), "Ада");
}

TEST(GoldenStore, a_snapshot_reads_as_it_was_written) {
  std::string bytes = read_file("store_snapshot.bin");
  const store::Stored* stored = verified(bytes);
  ASSERT_NE(stored, nullptr);
  ASSERT_NE(stored->root_as_Snapshot(), nullptr);
  const store::Snapshot& snapshot = *stored->root_as_Snapshot();
  EXPECT_EQ(snapshot.position(), 302u);
  EXPECT_EQ(snapshot.max_hlc(), kClock + 1);
  ASSERT_EQ(snapshot.version()->size(), 2u);
  EXPECT_EQ(snapshot.version()->Get(1)->replica(), kBob);
  EXPECT_EQ(snapshot.version()->Get(1)->seq(), 3u);
  ASSERT_EQ(snapshot.fields()->size(), 2u);
  EXPECT_EQ(snapshot.fields()->Get(1)->field()->str(), "заметка");
  EXPECT_EQ(snapshot.fields()->Get(1)->format(), 2u);
  EXPECT_EQ(text_of(*snapshot.fields()->Get(0)->state()), "state of the root");
  google::protobuf::Value manifest = read_manifest().at("store_snapshot.bin").json;
  const auto& json = manifest.struct_value().fields();
  EXPECT_EQ(json.at("maxHlc").string_value(), std::to_string(kClock + 1));
}

TEST(GoldenStore, cut_or_foreign_bytes_are_refused) {
  for (const char* file : {"store_log_entry.bin", "store_snapshot.bin"}) {
    std::string bytes = read_file(file);
    ASSERT_EQ(bytes.substr(4, 4), "SKS1") << "the file identifier";
    for (size_t n = 0; n < bytes.size(); ++n) {
      std::string cut(bytes.data(), n);
      if (const store::Stored* stored = verified(cut)) {
        EXPECT_GT(n + 8, bytes.size()) << file << ": only padding may be missing";
        (void)stored;
      }
    }
    bytes[4] = 'X';
    EXPECT_EQ(verified(bytes), nullptr) << file;
  }
}

}  // namespace
}  // namespace synckit::golden
