/* A module that carries another one, compressed, and unpacks it: what core.wasm is in the package.
 *
 * Why: gzip sees bytes; what makes WebAssembly predictable is its grammar (which instruction came
 * before, which operand is next, how much lies on the stack). A bitwise model that knows the
 * grammar needs a third less than gzip -9. ADR 9 has the figures, and what unpacking costs.
 *
 * How: every bit is predicted by kContexts adaptive probabilities, each chosen by another view of
 * what came before; they are mixed as in logistic mixing (Mahoney, "Adaptive weighing of context
 * models", 2005), with x / sqrt(1 + x^2) as the sigmoid, so that only operations are used that
 * IEEE 754 defines exactly: both sides compute the same. The bits are arithmetic coded (32 bits,
 * no carry). Build with -DSYNCKIT_PACK for the other direction (pack.mjs runs that).
 *
 * Not packed is what can be told without: the size of a function (three bytes, put in front of it
 * when its end is found) and the alignment of an access (0, which is only a hint). canonical.mjs
 * brings a module into that form.
 *
 * Memory, by address (pack.mjs places the data): 0 the unpacked module, kGlobals what C calls so,
 * kHeader five u32 (length of the module, where its code begins and ends, where its first type is,
 * where the type of function 0 would be), then the packed bytes, kTable the probabilities. (What is
 * often named has a small address.) Packing reads the module from 0 and writes packed bytes.
 *
 * Whatever the packed bytes are, what is written stays within the length that the header gives,
 * which pack.mjs has checked. Behind a wrong byte all others come out wrong, and so does the one at
 * the end that is known (but for one in hundreds): there is no module then.
 */
#include <stdint.h>

enum {
  kContexts = 8,
  kBits = 22,        /* log2 of the probabilities, two bytes each */
  kLines = 1 << (kBits - 4),
  kProbes = 16,      /* of lines, for one that is free */
  kStates = 32,      /* of the grammar, below */
  kGlobals = 1 << 18, /* = the most bytes of a module; with the stack; see build.sh */
  kHeader = kGlobals + (1 << 17),
  kTable = 1 << 20,
  kEnd = 0x5a,       /* is packed behind the module */
};

/* What the next byte is. From kLocals to kCount, and with kMore: an LEB128 number. */
enum {
  kOutside,       /* of the code section */
  kOpcode,
  kRaw,           /* a byte */
  kLocals,
  kBranch, kCall, kLocal, kGlobal, kIndirect, kOffset, kInt, kLong,
  kCount,         /* of the targets of br_table */
  kDouble,        /* eight bytes */
  kMore = 16,     /* a number goes on */
};

/* Of each instruction the kind of its operand, and by how much it makes the stack higher. (Calls
 * besides: what their type says. What begins or ends a block: the stack counts as empty.) */
#define BY(height) ((height) * 32)
static const int8_t kInstructions[256] = {
    [2 ... 3] = kRaw, [4] = kRaw,
    [12] = kBranch, [13] = kBranch | BY(-1), [14] = kCount,
    [16] = kCall, [17] = kIndirect | BY(-1),
    [26] = BY(-1), [27] = BY(-2),
    [32] = kLocal | BY(1), [33] = kLocal | BY(-1), [34] = kLocal,
    [35] = kGlobal | BY(1), [36] = kGlobal | BY(-1),
    [40 ... 53] = kOffset, [54 ... 62] = kOffset | BY(-2),
    [63] = kRaw | BY(1), [64] = kRaw,
    [65] = kInt | BY(1), [66] = kLong | BY(1), [68] = kDouble | BY(1),
    [70 ... 79] = BY(-1), [81 ... 102] = BY(-1), [106 ... 120] = BY(-1), [124 ... 138] = BY(-1),
    [252] = kRaw,
};

#define kMost 0.49995f /* nothing is impossible */
#define kSure 2047
#define kUnsurprising (1e-5f * 1e-5f)

static float stretch[4096];
static uint32_t rates[4096];
/* Beside what all begin with; one half is chosen by the state, one by the instruction. */
static float weights[kStates + 512][kContexts];
static float biases[kStates][256];
static int8_t heights[256]; /* by how much a call makes the stack higher, by type (not more) */
static uint32_t low, high; /* what the packed number can be still; at first it has no digits */
static uint32_t value; /* the packed number as far as it matters; packing: the byte to pack */
static uint32_t length; /* of the packed bytes so far */
#define PACKED ((uint8_t*)kHeader + 20)

/* Unpacks (or packs) the next byte. A function of its own, called for each, so that engines replace
 * it by optimized code while a module is unpacked. */
__attribute__((noinline)) static uint32_t code(uint32_t state, float* other,
                                               const uint32_t* views) {
  float* weight = weights[state];
  uint32_t node = 1, place = 1;
  int16_t* lines[kContexts];
  float hints[kContexts];
  do {
    float sum = biases[state][node];
    for (uint32_t j = 0; j < kContexts; ++j) {
      if (place == 1) { /* a line of 16 for each half of a byte, the first cell says which */
        int32_t name = views[j] + node;
        int16_t* line = (int16_t*)kTable + ((name & (kLines - 1)) << 4);
        name >>= 16;
        for (uint32_t left = kProbes; *line && *line != name && --left;) line += 16;
        *line = name;
        lines[j] = line;
      }
      hints[j] = stretch[(lines[j][place] >> 4) + 2048];
      sum += (weight[j] + other[j] + 0.17f) * hints[j];
    }
    float p = 0.5f + kMost * sum / __builtin_sqrtf(1 + sum * sum);
    for (; !((low ^ high) >> 24); low <<= 8, high = high << 8 | 255) {
#ifdef SYNCKIT_PACK
      PACKED[length++] = high >> 24;
#else
      value = value << 8 | PACKED[length++];
#endif
    }
    uint32_t middle = low + (uint32_t)((float)(high - low) * p);
#ifdef SYNCKIT_PACK
    uint32_t bit = (value <<= 1) >> 8 & 1;
#else
    uint32_t bit = value <= middle;
#endif
    if (bit) high = middle;
    else low = middle + 1;
    float error = (float)bit - p;
    biases[state][node] += error * 0.05f;
    error *= 0.002f;
    /* From what was nearly certain there is nothing to learn, and that is a third of the bits. */
    uint32_t j = error * error < kUnsurprising ? kContexts : 0;
    for (; j < kContexts; ++j) {
      weight[j] += error * hints[j];
      other[j] += error * hints[j];
      /* 12 bits of probability (0 is one half) above the count of what was seen here. */
      int16_t* cell = lines[j] + place;
      int32_t old = *cell, seen = old & 15, rate = rates[seen];
      int32_t goal = bit ? kSure : -kSure;
      *cell = old + (((goal - (old >> 4)) * rate + (1 << 15)) >> 16) * 16 + (seen < 15);
    }
    node = node << 1 | bit;
    place = place << 1 | bit;
    if (place > 15) place = 1;
  } while (node < 256);
  return node & 255;
}

/* Unpacks (or packs) and returns where what was written ends; 0: the packed bytes are damaged. */
__attribute__((export_name("sk_unpack"))) uint32_t unpack(void) {
  const uint32_t* header = (const uint32_t*)kHeader;
  uint8_t* out = (uint8_t*)0;
  __asm__("" : "+r"(out)); /* address 0 is an address here */
  for (int i = 0; i < 4096; ++i) {
    float p = (i + 0.5f) / 4096;
    stretch[i] = (p - 0.5f) / __builtin_sqrtf(p * (1 - p));
    rates[i] = 65536 / (i + 1.2f);
  }
#ifdef SYNCKIT_PACK
  high = ~0u;
#endif
  uint64_t ops = 0; /* the instructions before, the last one lowest; outside of code: the bytes */
  uint32_t last = 0; /* bytes, likewise */
  uint32_t state = kOutside, number = 0, shift = 0, left = 0;
  /* Of the function: which, where it begins, in how many blocks this is and in which ones, the
   * height of the stack, one more than the highest local so far, the last offset of an access. */
  uint32_t function = 0, start = 0, depth = 0, blocks = 0, height = 0, locals = 0, offset = 0;
  for (uint32_t at = 0; at < header[0]; ++at) {
    uint32_t kind = state & 15;
    if (kind <= kOpcode) ops <<= 8;
    uint32_t special = kind == kLocal ? locals
                     : kind == kOffset ? offset
                     : kind == kBranch ? blocks
                     : kind == kOpcode || kind == kCall ? height
                                                        : 0;
    const uint64_t seen[kContexts] = {
        0,
        ops & 0xffff,
        (ops & 0xffffff) << 4 | height,
        ops & 0xffffffffff,
        special << 8 | (ops & 0xff),
        function,
        (last & 0xffff) | height << 16,
        last,
    };
    uint32_t views[kContexts];
    for (uint32_t j = 0; j < kContexts; ++j) {
      uint64_t hash = (seen[j] * 0x2c1b3c6d + (number << 5 | state)) * 0x85ebca6b + j;
      views[j] = (hash ^ hash >> 32) * 0x9e3779b1;
    }
#ifdef SYNCKIT_PACK
    value = out[at];
#endif
    uint32_t op = (kind == kOpcode ? 256 : 0) + (ops >> 8 & 255);
    uint32_t node = code(state, weights[kStates + op], views);
    out[at] = node;
    last = last << 8 | node;
    if (kind <= kOpcode) ops |= node;
    if (at + 1 < header[1] || at >= header[2]) continue;

    uint32_t next = kOpcode;
    if (kind == kOutside) { /* the code begins */
      const uint8_t* type = out + header[3];
      int8_t* rise = heights;
      do { /* each: 0x60, parameters, results. What follows the last one is not all known yet. */
        uint32_t parameters = type[1];
        type += parameters + 2;
        *rise++ = *type - parameters;
        type += *type + 1;
      } while (*type == 0x60);
      next = kOutside;
    } else if (kind == kOpcode) {
      int32_t instruction = kInstructions[node];
      height += instruction >> 5;
      if (instruction & 15) next = instruction & 15;
      if (node < 16 && node != 13) height = 0;
      if (node - 2 < 3) ++depth, blocks = blocks << 2 | (node - 1);
      if (node == 11) {
        blocks >>= 2;
        if (--depth == 0) {
          uint32_t size = at - start - 2;
          out[start] = size | 128;
          out[start + 1] = size >> 7 | 128;
          out[start + 2] = size >> 14;
          next = kOutside;
        }
      }
    } else if (kind != kRaw) {
      number |= (node & 127) << shift;
      shift += 7;
      if (node > 127) {
        state |= kMore;
        continue;
      }
      if (kind == kLocals && !left) left = 2 * number + 1;
      if (kind == kCount) left = number + 2, kind = kBranch;
      if (kind == kCall) height += heights[out[header[4] + number]];
      if (kind == kIndirect) height += heights[number & 255], next = kRaw;
      if (kind == kLocal && number >= locals) locals = number + 1;
      if (kind == kOffset) offset = number;
      number = shift = 0;
    }
    if (height > 15) height = 0;
    if (left && --left) {
      state = kind;
      continue;
    }
    if (next == kOffset) ++at;
    if (next == kDouble) next = kRaw, left = 8;
    if (next == kOutside && at + 1 < header[2]) { /* a function begins */
      start = at + 1;
      at += 3;
      ++function;
      depth = 1;
      ops = blocks = height = locals = offset = 0;
      next = kLocals;
    }
    state = next;
  }
#ifdef SYNCKIT_PACK
  value = kEnd;
  code(kOutside, weights[0], rates);
  for (int i = 0; i < 4; ++i, low <<= 8) PACKED[length++] = low >> 24;
  return (uint32_t)PACKED + length;
#else
  return code(kOutside, weights[0], rates) == kEnd ? header[0] : 0;
#endif
}
