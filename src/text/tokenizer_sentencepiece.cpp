// Reads tokenizer.model, SentencePiece's own file: a protocol buffer, whose fields are those of
// sentencepiece_model.proto.
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/stand_in.h"
#include "text/pieces.h"

namespace ilora {
namespace {

// The fields of one message, in the file's order. Wire format:
// https://protobuf.dev/programming-guides/encoding/
class Message {
 public:
  Message(std::string_view bytes, const std::string& file) : left_(bytes), file_(&file) {}

  // Goes to the next field; false where there is none.
  bool next() {
    if (left_.empty()) return false;
    const uint64_t tag = take_varint();
    field_ = tag >> 3;
    switch (tag & 7) {
      case 0:
        integer_ = take_varint();
        return true;
      case 1:
        bytes_ = take(8);
        return true;
      case 2:
        bytes_ = take(take_varint());
        return true;
      case 5:
        bytes_ = take(4);
        return true;
      default:
        damaged();
    }
  }
  uint64_t field() const { return field_; }
  uint64_t integer() const { return integer_; }
  std::string_view bytes() const { return bytes_; }
  Message message() const { return {bytes_, *file_}; }
  float number() const {
    if (bytes_.size() != sizeof(float)) damaged();
    float value = 0;
    std::memcpy(&value, bytes_.data(), sizeof value);
    return value;
  }

 private:
  std::string_view left_, bytes_;
  const std::string* file_;
  uint64_t field_ = 0, integer_ = 0;

  std::string_view take(uint64_t size) {
    if (size > left_.size()) damaged();
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  uint64_t take_varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
    damaged();
  }
  [[noreturn]] void damaged() const {
    throw Error(ErrorKind::kFormat,
                fmt::format("[tokenizer] expected a SentencePiece model, got a file that is "
                            "damaged or of another kind ({})",
                            *file_));
  }
};

Piece read_piece(Message message) {
  Piece piece;
  while (message.next()) {
    if (message.field() == 1) piece.text = message.bytes();
    if (message.field() == 2) piece.score = message.number();
    if (message.field() == 3) piece.type = static_cast<PieceType>(message.integer());
  }
  return piece;
}

// What decides how a text is cut; the values are those of a file that does not say.
struct Settings {
  uint64_t model_type = 1, bos = 1, eos = 2;
  bool has_rules = false, puts_space = true, joins_spaces = true, escapes = true, suffix = false;

  void read_trainer(Message message) {
    while (message.next()) {
      if (message.field() == 3) model_type = message.integer();
      if (message.field() == 24) suffix = message.integer() != 0;
      if (message.field() == 41) bos = message.integer();
      if (message.field() == 42) eos = message.integer();
    }
  }
  void read_normalizer(Message message) {
    while (message.next()) {
      if (message.field() == 2) has_rules = !message.bytes().empty();
      if (message.field() == 3) puts_space = message.integer() != 0;
      if (message.field() == 4) joins_spaces = message.integer() != 0;
      if (message.field() == 5) escapes = message.integer() != 0;
    }
  }
  void check(const std::string& file) const {
    constexpr uint64_t kBpe = 2;
    const char* problem = model_type != kBpe ? "a model type other than BPE"
                          : has_rules        ? "rules of normalisation"
                          : joins_spaces     ? "the removal of extra white space"
                          : !escapes         ? "white space that is not escaped"
                          : suffix           ? "white space as a suffix"
                                             : nullptr;
    if (problem == nullptr) return;
    throw Error(ErrorKind::kUnsupported,
                fmt::format("[tokenizer] expected a SentencePiece model as Llama 2 has it, got {} "
                            "({})",
                            problem, file),
                "A tokenizer.json beside the file is read in its place.");
  }
};

}  // namespace

TokenizerSpec tokenizer_spec_of_sentencepiece(const std::filesystem::path& path) {
  const std::string content = read_file(path), where = path.string();
  refuse_stand_in(content, "tokenizer", "a SentencePiece model", where);
  std::vector<Piece> pieces;
  Settings settings;
  for (Message message(content, where); message.next();) {
    if (message.field() == 1) pieces.push_back(read_piece(message.message()));
    if (message.field() == 2) settings.read_trainer(message.message());
    if (message.field() == 3) settings.read_normalizer(message.message());
  }
  settings.check(where);
  TokenizerSpec spec = spec_of_pieces(pieces, where, settings.puts_space);
  const auto id_of = [&](uint64_t id) {
    return id < pieces.size() ? static_cast<int32_t>(id) : -1;
  };
  spec.bos = id_of(settings.bos);
  spec.eos = id_of(settings.eos);
  spec.adds_bos = true;  // as transformers' LlamaTokenizer does unless its configuration says no
  return spec;
}

}  // namespace ilora
