/* A module that carries another one, compressed, and unpacks it: what core.wasm is in the package.
 *
 * Why: gzip sees bytes; what makes WebAssembly predictable is its grammar (which instruction came
 * before, which operand is next). A bitwise model that knows the grammar needs a fifth to a quarter
 * less than gzip -9. ADR 9 has the figures, and what unpacking costs.
 *
 * How: every bit is predicted by kContexts adaptive probabilities, each chosen by another view of
 * what came before; they are mixed as in logistic mixing (Mahoney, "Adaptive weighing of context
 * models", 2005), with x / sqrt(1 + x^2) as the sigmoid, so that only operations are used that
 * IEEE 754 defines exactly: both sides compute the same. The bits are arithmetic coded (32 bits,
 * no carry). Build with -DSYNCKIT_PACK for the other direction (pack.mjs runs that).
 *
 * Memory, by address (pack.mjs places the data): kOut the unpacked module, kTable the
 * probabilities, kHeader three u32 (length of the module, where its code begins and ends), then the
 * packed bytes. Packing reads the module from kOut and writes packed bytes.
 *
 * Whatever the packed bytes are, what is written stays within the length that the header gives,
 * which pack.mjs has checked. A module is only its maker's to change: a wrong byte makes a module
 * that does not compile.
 */
#include <stdint.h>

enum {
  kContexts = 5,
  kBits = 21,        /* log2 of the probabilities */
  kStates = 32,      /* of the grammar, below */
  kTable = 1 << 18,  /* = the most bytes of a module */
  kGlobals = kTable + (4 << kBits), /* with the stack; see build.sh */
  kHeader = kGlobals + (1 << 15),
};

/* What the next byte is. From kSize to kCount, and with kMore: an LEB128 number. */
enum {
  kOutside,       /* of the code section */
  kOpcode,
  kSize,          /* of a function */
  kLocals,
  kRaw,           /* a byte */
  kBranch, kCall, kLocal, kGlobal, kIndirect, kAlign, kOffset, kInt, kLong,
  kDouble,        /* eight bytes */
  kCount,         /* of the targets of br_table */
  kMore = 16,     /* a number goes on */
};

/* The operands of each instruction below 0x45, a digit each, the first one lowest. */
static const uint8_t kOperands[] = {
    [2] = kRaw, [3] = kRaw, [4] = kRaw,
    [12] = kBranch, [13] = kBranch, [14] = kCount,
    [16] = kCall, [17] = kIndirect << 4 | kIndirect,
    [32] = kLocal, [33] = kLocal, [34] = kLocal, [35] = kGlobal, [36] = kGlobal,
#define MEMORY kOffset << 4 | kAlign
    [40] = MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY,
    MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, MEMORY,
    [65] = kInt, [66] = kLong, [68] = kDouble,
};

#define kLeast (1 / 16384.0f)
#define kSure ((1 << 21) - 1024)

static float stretch[4096];
static float weights[kStates * kContexts]; /* beside what all begin with */
static uint32_t low, high = ~0u;
static uint32_t value; /* the packed number as far as it matters; packing: the byte to pack */
static uint8_t* packed = (uint8_t*)kHeader + 12;

/* Unpacks (or packs) the next byte. A function of its own, called for each, so that engines replace
 * it by optimized code while a module is unpacked. */
__attribute__((noinline)) static uint32_t code(uint32_t state, const uint32_t* views) {
  float* weight = weights + state * kContexts;
  uint32_t node = 1, place = 1;
  int32_t* lines[kContexts];
  float hints[kContexts];
  do {
    float sum = 0;
    for (uint32_t j = 0; j < kContexts; ++j) {
      if (place == 1) { /* a line of 16 for each half of a byte */
        uint32_t hash = (views[j] + state * kContexts + j) * 0x2c1b3c6d + node * 0x9e3779b1;
        hash = (hash ^ hash >> 15) * 0x85ebca6b;
        lines[j] = (int32_t*)kTable + (hash >> (36 - kBits) << 4);
      }
      hints[j] = stretch[(lines[j][place] >> 20) + 2048];
      sum += (weight[j] + 0.3f) * hints[j];
    }
    float p = 0.5f + 0.5f * sum / __builtin_sqrtf(1 + sum * sum);
    if (p < kLeast) p = kLeast;
    if (p > 1 - kLeast) p = 1 - kLeast;
    uint32_t middle = low + (uint32_t)((float)(high - low) * p);
#ifdef SYNCKIT_PACK
    uint32_t bit = (value <<= 1) >> 8 & 1;
#else
    uint32_t bit = value <= middle;
#endif
    if (bit) high = middle;
    else low = middle + 1;
    for (; !((low ^ high) >> 24); low <<= 8, high = high << 8 | 255) {
#ifdef SYNCKIT_PACK
      *packed++ = high >> 24;
#else
      value = value << 8 | *packed++;
#endif
    }
    for (uint32_t j = 0; j < kContexts; ++j) {
      weight[j] += ((float)bit - p) * 0.006f * hints[j];
      /* 22 bits of probability (0 is one half) above the count of what was seen here. */
      int32_t* cell = lines[j] + place;
      int32_t goal = bit ? kSure : -kSure, seen = *cell & 63;
      *cell += (int32_t)((float)(goal - (*cell >> 10)) / ((float)seen + 1.2f)) * 1024 + (seen < 24);
    }
    node = node << 1 | bit;
    place = place << 1 | bit;
    if (place > 15) place = 1;
  } while (node < 256);
  return node & 255;
}

/* Unpacks (or packs) and returns where what was written ends. */
__attribute__((export_name("sk_unpack"))) uint32_t unpack(void) {
  const uint32_t* header = (const uint32_t*)kHeader;
  uint8_t* out = (uint8_t*)0;
  __asm__("" : "+r"(out)); /* address 0 is an address here */
  for (int i = 0; i < 4096; ++i) {
    float p = (i + 0.5f) / 4096;
    stretch[i] = (p - 0.5f) / __builtin_sqrtf(p * (1 - p));
  }
#ifndef SYNCKIT_PACK
  for (int i = 0; i < 4; ++i) value = value << 8 | *packed++;
#endif
  uint32_t state = kOutside, function = 0, depth = 0, ops = 0, last = 0;
  uint32_t number = 0, shift = 0, next = 0, left = 0;
  for (uint32_t at = 0; at < header[0]; ++at) {
#define TWO(a, b) ((a) * 0x2c1b3c6d ^ (b)) * 0x2c1b3c6d
    uint32_t views[kContexts] = {
        TWO(ops & 0xff, 0),
        TWO(ops & 0xffff, last & 0xff),
        TWO(ops & 0xffffff, 1),
        TWO(function, 2),
        TWO(last >> 8 & 0xff, state >= kMore ? last & 0xff : 256),
    };
#ifdef SYNCKIT_PACK
    value = out[at];
#endif
    uint32_t node = code(state, views);
    out[at] = node;
    last = last << 8 | node;

    if (at + 1 < header[1] || at + 1 >= header[2]) {
      state = kOutside;
      continue;
    }
    if (state == kOutside) {
      state = kSize;
      continue;
    }
    if (state == kOpcode) {
      ops = ops << 8 | node;
      next = node < sizeof kOperands ? kOperands[node] : node == 0xfc ? kRaw : 0;
      if (node - 2 < 3) ++depth;
      if (node == 11 && --depth == 0) next = kSize;
    } else if (state != kRaw) {
      number |= (node & 127) << shift;
      shift += 7;
      if (node > 127) {
        state |= kMore;
        continue;
      }
      if ((state & 15) == kSize) next = kLocals, ++function, depth = 1, ops = 0;
      if ((state & 15) == kLocals && !left) left = 2 * number + 1;
      if ((state & 15) == kCount) left = number + 2, state = kBranch;
      number = shift = 0;
    }
    if (left && --left) {
      state &= 15;
      continue;
    }
    state = next & 15;
    next >>= 4;
    if (state == kDouble) state = kRaw, left = 8;
    if (!state) state = kOpcode;
  }
#ifdef SYNCKIT_PACK
  for (int i = 0; i < 4; ++i, low <<= 8) *packed++ = low >> 24;
  return (uint32_t)packed;
#else
  return header[0];
#endif
}
