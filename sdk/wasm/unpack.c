/* A module that carries another one, compressed, and unpacks it: what core.wasm is in the package.
 *
 * Why: gzip sees bytes; what makes WebAssembly predictable is its grammar (which instruction came
 * before, which operand is next, how much lies on the stack). With what unpacks it, core.wasm is a
 * quarter smaller than gzip -9 makes it, core-lite.wasm an eighth. ADR 9 says what that costs.
 *
 * How: every bit is predicted by kViews adaptive probabilities, each chosen by another view of what
 * came before; they are mixed as in logistic mixing (Mahoney, "Adaptive weighing of context
 * models", 2005), with x / sqrt(1 + x^2) as the sigmoid, so that only operations are used that
 * IEEE 754 defines exactly: both sides compute the same. The bits are range coded as in LZMA, with
 * a carry that only the packing side has to know of. Build with -DSYNCKIT_PACK for that side
 * (pack.mjs runs it).
 *
 * Not packed is what can be told without: the size of a function (two bytes, put in front of it
 * when its end is found) and the alignment of an access (0, which is only a hint). canonical.mjs
 * brings a module into that form, and knows no other.
 *
 * Memory: everything has its address here, the smaller the more often it is named, since addresses
 * are what this module is made of. pack.mjs fills `m` from `range` on, and the packed bytes follow
 * the instructions. The unpacked module ends where memory ends, so that nothing can be written
 * behind it: whatever the packed bytes are, unpacking comes to its end or traps. The packed number
 * is the least of those that stand for the module, so `value` is 0 in the end. If a byte was
 * damaged it is not, but for one in billions, and the address that is returned is wrong: there is
 * no module.
 */
#include <stdint.h>

enum {
  kViews = 8,
  kStates = 32,
  kLines = 1 << 18, /* of probabilities: for half a byte each, in one view */
  kProbes = 1 << 11, /* to the next multiple a free line is looked for; else that one is taken */
  kRowsAt = 1 << 17,
  kLinesAt = 1 << 20,
  kEnd = 160 << 16, /* of memory */
};

/* What the next byte is. Those with a bit of kNumber, and with kMore, are LEB128 numbers. In the
 * table of instructions, what has no such bit is the number of bytes that follow. */
enum {
  kOpcode = 0,
  kOutside = 1, /* of the code section */
  kByte = 8,
  kLocals = 2, kBranch = 3, kCall = 4, kLocal = 5, kGlobal = 6, kOffset = 7, kInt = 10, kLong = 11,
  kType = 12,
  kCount = 13,  /* of the targets of br_table */
  kNumber = 6,
  kMore = 16,   /* a number goes on */
};

/* Of each instruction what follows it, and by how much it makes the stack higher. (Calls besides:
 * what their type says. What begins or ends a block: the stack counts as empty.) */
#define BY(height) ((height) * 16)
#define EMPTY BY(-8)
static const int8_t kInstructions[256] = {
    [2 ... 4] = EMPTY | 1, [5] = EMPTY, [11] = EMPTY, [15] = EMPTY,
    [12] = EMPTY | kBranch, [13] = BY(-1) | kBranch, [14] = EMPTY | kCount,
    [16] = kCall, [17] = BY(-1) | kType, /* and a table, which passes for an instruction */
    [26] = BY(-1), [27] = BY(-2),
    [32] = BY(1) | kLocal, [33] = BY(-1) | kLocal, [34] = kLocal,
    [35] = BY(1) | kGlobal, [36] = BY(-1) | kGlobal,
    [40 ... 53] = kOffset, [54 ... 62] = BY(-2) | kOffset,
    [63] = BY(1) | 1, [64] = 1,
    [65] = BY(1) | kInt, [66] = BY(1) | kLong, [68] = BY(1) | 8,
    [70 ... 79] = BY(-1), [81 ... 102] = BY(-1), [106 ... 120] = BY(-1), [124 ... 138] = BY(-1),
    [252] = 1,
};

/* What is known of each view, in words of four bytes that lie kViews words apart. */
struct View {
  int16_t* line;
  uint32_t others[kViews - 1];
  float hint;
  uint32_t more_others[kViews - 1];
  uint32_t seen;
};

struct Memory {
  uint64_t ops; /* the instructions before, the last one lowest; outside of code: the bytes */
  uint32_t last; /* bytes, likewise */
  uint32_t height, locals; /* of the stack; one more than the highest local of the function */
  uint32_t number; /* as far as it was read */
  uint8_t* start; /* of the function */
  uint32_t low; /* packing: the least that the packed number can be */
  /* From here on filled by pack.mjs. */
  uint32_t range; /* of what the packed number can be still */
  uint32_t value; /* by how much it is above the least; packing: the byte to pack */
  uint8_t* packed; /* the next byte */
  uint8_t* out;
  uint8_t *module, *code, *end; /* where what is unpacked begins, its code begins and ends */
  uint8_t* types; /* where the type of function 0 would be */
  struct View views;
  uint32_t last_views[kViews - 1];
  int8_t heights[64]; /* by how much a call makes the stack higher, by type */
};
#define m (*(struct Memory*)16) /* kInstructions follow: GLOBAL_BASE in build.sh */
#define AFTER_VIEWS ((struct View*)((uint32_t*)&m.views + kViews))

/* Weights, one for each view, and a bias, which learns faster. Each bit is mixed by the sum of
 * three rows: of the state, of the state and the bits of the byte so far, of the instruction
 * before. */
struct Row {
  float weights[kViews], bias, unused[7];
};
#define rows ((struct Row*)kRowsAt)
/* A row's weight of `view`, if `row` is what ROW makes of it: one addition gives the address. */
#define ROW(row) ((char*)(row) - (uint32_t)&m.views)
#define WEIGHT(row) (*(float*)((row) + (uint32_t)view))
#define BIAS(row) WEIGHT((row) + 4 * kViews)

/* Keeps the compiler from replacing what is shorter by what is faster elsewhere. */
#define AS_IS(variable) __asm__("" : "+r"(variable))

#ifdef SYNCKIT_PACK
static void put_byte(void) {
  *m.packed++ = m.low >> 24;
  m.low <<= 8;
}
#endif

/* Unpacks (or packs) the next byte, one of that state. A function of its own, called for each, so
 * that engines replace it by optimized code while a module is unpacked. */
__attribute__((noinline)) static uint32_t byte(uint32_t state) {
  uint32_t kind = state & 15;
  if (kind <= kOutside) m.ops <<= 8;
  uint64_t ops = m.ops;
  uint32_t height = m.height;
  uint32_t special = kind == kLocal ? m.locals : height;
  uint32_t* seen = &m.views.seen;
  seen[1] = ops & 0xffff;
  seen[2] = special << 24 | (ops & 0xffffff);
  seen[3] = ops >> 8;
  seen[4] = special << 8 | (ops & 0xff);
  seen[5] = (uint32_t)m.start << 8 | (m.last & 0xff);
  seen[6] = m.last << 16 | height;
  seen[7] = m.last;
  char* of_state = ROW(rows + (state << 8));
  char* of_op = ROW(rows + (kStates << 8) + ((ops >> 8 & 255) | kind << 8));
  AS_IS(of_state);
  AS_IS(of_op);
  uint32_t node = 1, place = 1;
#ifdef SYNCKIT_PACK
  m.value = *m.out;
#endif
  do {
    char* of_node = of_state + node * sizeof(struct Row);
    AS_IS(of_node);
    struct View* view = &m.views;
    float sum = BIAS(of_node);
    do {
      if (place == 1) { /* a line of 16 for each half of a byte, the first cell says which */
        uint32_t hash = (view->seen + (m.number * 32 + state) * 0x9e3779b1) * 0x9e3779b1;
        hash += (uint32_t)view;
        int32_t name = (hash ^ hash >> 15) * 0x9e3779b1 + node;
        int16_t* line = (int16_t*)kLinesAt + ((name & (kLines - 1)) << 4);
        name >>= 16;
        while (*line && *line != name && (uint32_t)(line += 16) & (kProbes - 1)) {}
        *line = name;
        view->line = line;
      }
      float cell = view->line[place];
      view->hint = cell / __builtin_sqrtf((1 << 30) - cell * cell);
      sum += (WEIGHT(of_state) + WEIGHT(of_op) + WEIGHT(of_node) + 0.17f) * view->hint;
      view = (struct View*)((uint32_t*)view + 1);
    } while (view != AFTER_VIEWS);
    /* Nothing is impossible: not quite 0 to not quite 1. */
    float p = 0.5f + sum / __builtin_sqrtf(4.0004f * (sum * sum + 1));
    for (; !(m.range >> 24); m.range <<= 8) {
#ifdef SYNCKIT_PACK
      put_byte();
#else
      m.value = m.value << 8 | *m.packed++;
#endif
    }
    uint32_t part = (uint32_t)((float)m.range * p);
#ifdef SYNCKIT_PACK
    uint32_t bit = (m.value <<= 1) >> 8 & 1;
    if (!bit) {
      m.low += part;
      uint8_t* at = m.packed;
      if (m.low < part) while (++*--at == 0) {}
    }
#else
    uint32_t bit = m.value < part;
    if (!bit) m.value -= part;
#endif
    m.range = bit ? part : m.range - part;
    AS_IS(bit);
    float error = ((float)bit - p) * 0.002f;
    view = &m.views;
    BIAS(of_node) += error * 25;
    do {
      float change = error * view->hint;
      WEIGHT(of_state) += change;
      WEIGHT(of_op) += change;
      WEIGHT(of_node) += change;
      /* 12 bits of probability (0 is one half) above the count of what was seen here. */
      int16_t* cell = view->line + place;
      int32_t old = *cell, count = old & 15;
      int32_t goal = (int32_t)bit * 4094 - 2047;
      float step = (float)(goal - (old >> 4)) / (count + 1.2f);
      *cell = old + (int32_t)__builtin_rintf(step) * 16 + (count < 15);
      view = (struct View*)((uint32_t*)view + 1);
    } while (view != AFTER_VIEWS);
    node = node << 1 | bit;
    place = place << 1 | bit;
    if (place > 15) place = 1;
  } while (node < 256);
  node &= 255;
  *m.out++ = node;
  m.last = m.last << 8 | node;
  if (kind <= kOutside) m.ops |= node;
  return node;
}

__attribute__((noinline)) static uint32_t number(uint32_t state) {
  uint32_t shift = 0, next;
  do {
    next = byte(state);
    m.number |= (next & 127) << shift;
    shift += 7;
    state |= kMore;
  } while (next > 127);
  uint32_t whole = m.number;
  m.number = 0;
  return whole;
}

/* Unpacks, and returns where the module begins (or packs, and returns where what it wrote ends). */
__attribute__((export_name("sk_unpack"))) uint8_t* unpack(void) {
  do byte(kOutside);
  while (m.out < m.code);
  do { /* a function */
    m.start = m.out;
    m.out += 2;
    m.ops = m.height = m.locals = 0;
    for (uint32_t left = 2 * number(kLocals); left--;) number(kLocals);
    uint32_t depth = 1;
    do {
      uint32_t op = byte(kOpcode);
      int32_t instruction = kInstructions[op];
      uint32_t kind = instruction & 15;
      m.height += instruction >> 4;
      if (op - 2 < 3) ++depth;
      if (op == 11) --depth;
      m.out += kind == kOffset; /* the alignment */
      if (kind & kNumber) {
        uint32_t which = number(kind);
        if (kind == kCount) do number(kBranch); while (which--);
        else if (kind == kCall) m.height += m.heights[m.types[which]];
        else if (kind == kLocal && which >= m.locals) m.locals = which + 1;
      } else {
        while (kind--) byte(kByte);
      }
      if (m.height > 15) m.height = 0;
    } while (depth);
    uint8_t* start = m.start;
    AS_IS(start);
    uint32_t size = m.out - start - 2;
    start[0] = size | 128;
    start[1] = size >> 7;
  } while (m.out < m.end);
  do byte(kOutside);
  while (m.out < (uint8_t*)kEnd);
#ifdef SYNCKIT_PACK
  for (int i = 0; i < 4; ++i) put_byte();
  return m.packed;
#else
  return m.module + m.value;
#endif
}
