/* synckit/abi.h: the SyncKit plugin ABI, major version 1.
 *
 * All that a host (or a client) and a plugin share. Pure C11, freestanding, valid C++ too.
 * A plugin is one shared library (or one standalone .wasm) that exports one symbol,
 * `synckit_plugin_v1`. From there everything is found by string id and size-prefixed struct:
 *   - the major version must match; a minor version only appends fields to structs that start
 *     with `size`, and a reader uses a field only when `size` says that it is there;
 *   - a new ability is a new interface id, never a changed one.
 *
 * Ownership. Nothing allocated on one side is freed on the other. Inputs are borrowed for the
 * call. Outputs go to `sk_buf`s that the caller owns. No exception, STL type or allocator
 * crosses; strings are UTF-8, and NUL-terminated only where the type is `const char*` alone.
 *
 * Failure. A call that does not return SK_OK has changed nothing, and what it appended to its
 * output buffers is to be ignored. Every `sk_error*` may be NULL.
 *
 * Threads. Every function carries a tag:
 *   [doc]    calls for one document never overlap; different documents may run in parallel
 *   [worker] may block; several worker threads may call at once, so it must be thread-safe
 *   [io]     reentrant, thread-safe, never blocks
 *   [main]   start and stop: one thread, nothing else running
 */
#ifndef SYNCKIT_ABI_H
#define SYNCKIT_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SK_ABI_MAGIC 0x31504b53u /* the bytes "SKP1", little endian */
#define SK_ABI_MAJOR 1u
#define SK_ABI_MINOR 0u

#if defined(_WIN32)
#define SK_EXPORT __declspec(dllexport)
#else
#define SK_EXPORT __attribute__((visibility("default"), used))
#endif

/* ---- status and errors ---------------------------------------------------------------- */

typedef int32_t sk_status;
enum {
  SK_OK = 0,
  SK_MALFORMED = 1,    /* the bytes break their documented format; never worth a retry */
  SK_MISSING_DEPS = 2, /* valid, but something that it builds on was not merged yet */
  SK_LIMIT = 3,        /* a named limit was reached; the text says which */
  SK_CONFLICT = 4,     /* compare-and-swap lost, or a sequence number out of order */
  SK_UNAVAILABLE = 5,  /* a resource is away for now; retry later */
  SK_DENIED = 6,       /* not authenticated, or not permitted */
  SK_UNSUPPORTED = 7,  /* unknown version, format, type or option */
  SK_NOMEM = 8,        /* out of memory */
  SK_INTERNAL = 9      /* a bug on the callee's side; the host quarantines the document */
};

/* Filled by the callee on failure. `text` is one sentence: what was wrong, where, what to do. */
typedef struct sk_error {
  uint32_t size; /* sizeof(sk_error), set by the caller */
  int32_t code;
  char text[248]; /* NUL-terminated, cut when longer */
} sk_error;

/* ---- bytes and identities -------------------------------------------------------------- */

typedef struct sk_bytes {
  const uint8_t* data;
  size_t len;
} sk_bytes;

/* A growable output. The callee appends at data + len after reserve(buf, new_capacity) returned
 * SK_OK (or when cap already suffices) and raises len. `data` may move on reserve. */
typedef struct sk_buf {
  uint8_t* data;
  size_t len, cap;
  sk_status (*reserve)(struct sk_buf* self, size_t capacity);
} sk_buf;

/* One atom of change: replica = random 64-bit id of the writer (never 0),
 * seq = 1, 2, 3 ... per replica and document. */
typedef struct sk_dot {
  uint64_t replica, seq;
} sk_dot;

/* Version vector: for each replica the highest contiguous seq. Ascending by replica, no
 * duplicates, no zero seq. len = 0 means "nothing". */
typedef struct sk_version {
  const sk_dot* dots;
  size_t len;
} sk_version;

/* All the nondeterminism a mutation gets. `seq` is the first free sequence number,
 * `hlc` = 48 bits Unix milliseconds << 16 | 16 bits logical counter (Kulkarni et al. 2014). */
typedef struct sk_stamp {
  uint64_t replica, seq, hlc;
} sk_stamp;

typedef struct sk_summary {
  uint32_t size;    /* sizeof(sk_summary), set by the caller */
  uint32_t authors; /* distinct replicas whose atoms the delta carries; 1 for a mutation */
  uint64_t replica; /* when authors == 1: the author, and the range of its dots */
  uint64_t seq_lo, seq_hi;
  uint64_t max_hlc; /* largest HLC inside; 0 for a type that uses no clock */
  uint64_t ops;     /* units of work that a merge costs, for limits and metrics */
} sk_summary;

/* ---- synckit.crdt/1 -------------------------------------------------------------------- */

#define SK_IFACE_CRDT "synckit.crdt/1"

/* One replicated data type. The caller (kernel) promises causal delivery: of each replica
 * deltas arrive in seq order, and not before what `inspect` names as dependencies; they may
 * arrive twice, overlap (a catch-up over what is known already), and be split or joined.
 * The type promises the laws that `synckit plugin check` tests:
 *   convergence   equal sets of merged deltas give equal views and equal snapshots
 *   idempotence   merging what is known changes nothing and writes an empty patch
 *   agreement     mutate(...) leaves the author as merge(delta) leaves everybody else
 *   catch-up      merge(encode(a, version of b)) brings b to at least a
 *   patches       applying every patch to the previous view gives the next view
 * Whether a merge is refused as SK_MALFORMED may depend only on the bytes and on what causally
 * precedes them, so that all replicas refuse the same deltas (they count as seen, and void). */
typedef struct sk_crdt_v1 {
  uint32_t size;       /* sizeof(sk_crdt_v1) of the plugin's build */
  uint32_t flags;      /* 0 */
  uint32_t format;     /* version of the delta format that encode and mutate write */
  uint32_t min_format; /* oldest format that merge reads */
  const char* type;    /* "text", "com.example.kanban": up to 64 bytes of [a-z0-9.-] */

  /* [io] A new, empty instance of the type. */
  sk_status (*create)(void** doc, sk_error* error);

  /* [doc] Frees it. */
  void (*destroy)(void* doc);

  /* [doc] A local edit. Atoms take the dots stamp->seq, stamp->seq + 1, ...; *seqs gets their
   * number (at least 1 for an edit, 0 with an empty delta for an intent without effect).
   * `delta` is what everyone merges, `patch` what changed in the view; either may be NULL
   * when the caller does not want it. */
  sk_status (*mutate)(void* doc, const sk_stamp* stamp, const uint8_t* intent, size_t intent_len,
                      sk_buf* delta, sk_buf* patch, uint32_t* seqs, sk_error* error);

  /* [doc] Anyone's edit, a catch-up or a snapshot: the one way in. `patch` may be NULL.
   * Bytes are validated before anything changes. */
  sk_status (*merge)(void* doc, const uint8_t* delta, size_t delta_len, sk_buf* patch,
                     sk_error* error);

  /* [doc] What a replica at version `since` lacks; it may over-send, never under-send.
   * An empty `since` gives the snapshot. Equal states encode to equal bytes. */
  sk_status (*encode)(void* doc, const sk_version* since, sk_buf* delta, sk_error* error);

  /* [doc] The visible value as one JSON text. Equal states give equal bytes. */
  sk_status (*view)(void* doc, sk_buf* json, sk_error* error);

  /* [io] Validates all that can be validated without a document, and tells who wrote the delta
   * and what it needs: raw `sk_dot`s, appended to `deps`, at most one per replica, the
   * author's own earlier dots left out. `deps` may be NULL. */
  sk_status (*inspect)(const uint8_t* delta, size_t delta_len, sk_summary* summary, sk_buf* deps,
                       sk_error* error);

  /* [doc] Optional (may be NULL): forget what only replicas behind `stable` could need. The caller
   * knows that every replica has seen `stable`, and that no delta is still to come here whose
   * author had not when it wrote. Others compact at other times, or never: a delta may name what is
   * still there at its author. Views stay equal all the same, and once all is stable and compacted,
   * snapshots (docs/adr/0010 has what that means for a sequence). */
  sk_status (*compact)(void* doc, const sk_version* stable, sk_error* error);

  /* [doc] Optional (may be NULL when the type uses no clock): `delta` is an own mutation that
   * nobody else has seen; give it the clock stamp->hlc, in the document and in `out`. The
   * caller guarantees that the new clock is above all that the document has merged, and
   * re-stamps several deltas in their order (design: invariant 8, tla/Lww.tla). */
  sk_status (*restamp)(void* doc, const sk_stamp* stamp, const uint8_t* delta, size_t delta_len,
                       sk_buf* out, sk_error* error);

  /* [doc] Optional, for the types that come with SyncKit (NULL in others: those may be hosted by
   * JavaScript, which has no such call): the visible value in parts, each after its length as a
   * varint (LEB128); equal states give the same parts, not always in the same order. This is what
   * the SDK for browsers reads instead of the view, and what a document's digest is the sum of.
   * Without it the view is the one part. */
  sk_status (*contents)(void* doc, sk_buf* parts, sk_error* error);
} sk_crdt_v1;

/* ---- synckit.crdt.samples/1: lets the checker drive the type ----------------------------- */

#define SK_IFACE_SAMPLES "synckit.crdt.samples/1"

typedef struct sk_crdt_samples_v1 {
  uint32_t size;
  const char* type; /* the sk_crdt_v1 that it belongs to */
  /* [doc] Appends one intent that is valid for the present state, derived from `random`
   * alone (a uniformly random number). */
  sk_status (*sample)(void* doc, uint64_t random, sk_buf* intent, sk_error* error);
} sk_crdt_samples_v1;

/* ---- synckit.crdt.anchor/1: positions that survive edits ---------------------------------- */

#define SK_IFACE_ANCHOR "synckit.crdt.anchor/1"

enum { SK_UNIT_CODE_POINTS = 1, SK_UNIT_UTF16 = 2 }; /* what positions count */
enum {
  SK_SIDE_LEFT = 0, /* stays behind what is before the position: what is inserted there follows */
  SK_SIDE_RIGHT = 1 /* stays in front of what is behind it: what is inserted there is before it */
};

/* For cursors and comments in a sequence. An anchor is a few bytes that name an element, or the
 * start or the end, and mean the same on every replica: with equal versions all resolve it to
 * equal positions. Nothing is kept in the document for it. O(log n) both. */
typedef struct sk_crdt_anchor_v1 {
  uint32_t size;
  const char* type; /* the sk_crdt_v1 that it belongs to */

  /* [doc] Appends the anchor of the place before the position-th element (from 0; the length is
   * the end). SK_MALFORMED past the end or inside a surrogate pair. */
  sk_status (*make)(void* doc, uint64_t position, uint32_t unit, uint32_t side, sk_buf* anchor,
                    sk_error* error);

  /* [doc] Where it is now. *deleted gets 1 when the element is gone: the position is then the one
   * at which it stood. SK_MISSING_DEPS when the element has not arrived here yet; SK_MALFORMED
   * when the bytes are no anchor, or name what is no element of this field. */
  sk_status (*resolve)(void* doc, const uint8_t* anchor, size_t anchor_len, uint32_t unit,
                       uint64_t* position, uint32_t* deleted, sk_error* error);
} sk_crdt_anchor_v1;

/* ---- synckit.crdt.undo/1: inverse intents ------------------------------------------------- */

#define SK_IFACE_UNDO "synckit.crdt.undo/1"

/* Undo of own edits, in two steps, since what an edit did must be noted when it is made, and what
 * undoes it depends on all that was merged since:
 *
 *   before an edit  capture(doc, stamp, intent) -> token; then mutate(doc, stamp, intent)
 *   to undo it      revert(doc, token) -> intents; then, for each of them in order, and with
 *                   nothing else in between, capture and mutate as for any edit
 *
 * An undo is thus an edit like any other, and the tokens that are captured for its intents redo it,
 * the last one first: undo of undo is redo. Revert tokens of one replica the latest first, and each
 * one once.
 *
 * An undo takes back what its edit did and leaves alone what others did: what they have written
 * over the edit stays, and then there may be no intents at all. When nobody else has edited,
 * reverting the latest token gives back the view that was there before its edit.
 *
 * A token is for the instance that captured it and for those made from its state. It is no public
 * format and never sent. What a type remembers of own undos beside its state (text: which
 * characters replaced which) does not outlive the instance. */
typedef struct sk_crdt_undo_v1 {
  uint32_t size;
  const char* type; /* the sk_crdt_v1 that it belongs to */

  /* [doc] Appends the token of an edit that is not made yet: `doc` is as before it, stamp and
   * intent are what mutate will get. Nothing is appended where there is nothing to undo. Fails as
   * mutate would for an intent that it refuses. Changes nothing. */
  sk_status (*capture)(void* doc, const sk_stamp* stamp, const uint8_t* intent, size_t intent_len,
                       sk_buf* token, sk_error* error);

  /* [doc] Appends the intents that undo the edit now, each after its length as a varint (LEB128).
   * SK_MALFORMED for bytes that are no token, SK_MISSING_DEPS when the edit is not in here.
   * Changes nothing. */
  sk_status (*revert)(void* doc, const uint8_t* token, size_t token_len, sk_buf* intents,
                      sk_error* error);
} sk_crdt_undo_v1;

/* ---- synckit.storage/1 ----------------------------------------------------------------- */

#define SK_IFACE_STORAGE "synckit.storage/1"

enum {
  SK_STORAGE_DURABLE = 1u, /* what append acknowledged survives a crash of the process */
  SK_STORAGE_SHARED = 2u   /* several hosts may open the same store */
};

/* One transaction to append. A document's records have dense ascending positions 1, 2, 3 ...
 * In: the fields down to payload. Out: position, status, duplicate. */
typedef struct sk_append {
  sk_bytes doc;            /* document id */
  uint64_t replica;        /* author */
  uint64_t seq_lo, seq_hi; /* its dots, inclusive */
  sk_bytes payload;        /* opaque */
  uint64_t position;       /* out: where it stands (0 for a duplicate that was trimmed) */
  sk_status status;        /* out: SK_OK, or SK_CONFLICT when seq_lo is not the next seq */
  uint32_t duplicate;      /* out: 1 when seq_hi was already stored; nothing was written */
} sk_append;

typedef struct sk_record {
  uint64_t position, replica, seq_lo, seq_hi;
  int64_t time_ms; /* Unix milliseconds at which it was appended */
  sk_bytes payload;
} sk_record;

typedef struct sk_head {
  uint32_t size;     /* sizeof(sk_head), set by the caller */
  uint32_t exists;   /* 0: no such document; the rest is 0 */
  uint64_t epoch;    /* random, set when the document's log begins; changed when history was lost */
  uint64_t position; /* of the last record ever appended */
  uint64_t snapshot_position; /* what the saved snapshot covers, 0 without one */
  uint64_t trimmed;           /* records up to here exist only inside the snapshot */
} sk_head;

typedef struct sk_listed {
  sk_bytes doc;
  uint64_t position;
  int64_t updated_ms;
} sk_listed;

/* Called for each row; what it gets is borrowed for the call. Non-zero stops the iteration. */
typedef int (*sk_record_fn)(void* context, const sk_record* record);
typedef int (*sk_listed_fn)(void* context, const sk_listed* listed);

/* A durable log per document. All functions are [worker] and thread-safe; open and close [main].
 * When append returns SK_OK, every record whose status is SK_OK is durable (as `flags` says);
 * when it returns anything else, none of the batch is stored. */
typedef struct sk_storage_v1 {
  uint32_t size;
  uint32_t flags;   /* SK_STORAGE_... */
  const char* name; /* "sqlite" */

  /* config: the plugin's YAML section as one JSON object. Unknown keys are an error. */
  sk_status (*open)(const char* config, size_t config_len, void** store, sk_error* error);
  void (*close)(void* store);

  /* Appends all records, of any documents, in one commit. Per document and replica a record is
   * written when seq_lo is the successor of the last stored seq; is a duplicate when seq_hi is
   * at or below it; and gets SK_CONFLICT otherwise. Records of one batch see each other. */
  sk_status (*append)(void* store, sk_append* records, size_t count, int64_t now_ms,
                      sk_error* error);

  /* State of the document's log; `version` gets one raw sk_dot per replica, ascending. */
  sk_status (*head)(void* store, sk_bytes* doc, sk_head* head, sk_buf* version, sk_error* error);

  /* Records with position > after, ascending, until max_bytes of payload were given (at least
   * one is given). SK_CONFLICT when `after` is below `trimmed`: load the snapshot first. */
  sk_status (*read)(void* store, sk_bytes* doc, uint64_t after, uint64_t max_bytes,
                    sk_record_fn each, void* context, sk_error* error);

  /* Saves a snapshot that covers `position`, when the one that is there covers `expected`
   * (else SK_CONFLICT), and drops records up to trim (trim <= position), in one commit. */
  sk_status (*save)(void* store, sk_bytes* doc, uint64_t position, uint64_t expected,
                    uint64_t trim, const uint8_t* snapshot, size_t snapshot_len, sk_error* error);

  /* The saved snapshot and the position that it covers; *position = 0 and no bytes without. */
  sk_status (*load)(void* store, sk_bytes* doc, sk_buf* snapshot, uint64_t* position,
                    sk_error* error);

  /* Documents whose id starts with `prefix`, is > `after` and that changed at or after
   * updated_since_ms, ascending by id bytes, at most `limit`. */
  sk_status (*list)(void* store, sk_bytes* prefix, sk_bytes* after, int64_t updated_since_ms,
                    uint32_t limit, sk_listed_fn each, void* context, sk_error* error);

  /* Removes a document with its log and snapshot. Absent is SK_OK. */
  sk_status (*erase)(void* store, sk_bytes* doc, sk_error* error);
} sk_storage_v1;

/* ---- synckit.auth/1 -------------------------------------------------------------------- */

#define SK_IFACE_AUTH "synckit.auth/1"

enum { SK_LEVEL_NONE = 0, SK_LEVEL_READ = 1, SK_LEVEL_WRITE = 2, SK_LEVEL_ADMIN = 3 };

enum { SK_AUTH_ANONYMOUS = 1u /* lets everyone in: the host then listens on loopback only */ };

typedef struct sk_principal {
  uint32_t size;     /* sizeof(sk_principal), set by the caller */
  uint32_t reserved;
  int64_t expiry_ms; /* Unix milliseconds after which the credential is void; 0 = never */
  char id[128];      /* who it is, for logs and presence; NUL-terminated UTF-8 */
} sk_principal;

typedef struct sk_auth_v1 {
  uint32_t size;
  uint32_t flags;   /* SK_AUTH_... */
  const char* name; /* "jwt" */

  /* [main] config as for storage. */
  sk_status (*open)(const char* config, size_t config_len, void** auth, sk_error* error);
  void (*close)(void* auth);

  /* [worker] Checks a credential at `now_ms`. On SK_OK fills `principal`, and appends to
   * `claims` opaque bytes that authorize gets back. SK_DENIED with a text that is safe to send. */
  sk_status (*authenticate)(void* auth, const uint8_t* credential, size_t credential_len,
                            int64_t now_ms, sk_principal* principal, sk_buf* claims,
                            sk_error* error);

  /* [io] Never blocks. The level (SK_LEVEL_...) that the claims grant on a document's field
   * (field_len = 0 and field = NULL: on the document as a whole). */
  int32_t (*authorize)(void* auth, const uint8_t* claims, size_t claims_len, const char* doc,
                       size_t doc_len, const char* field, size_t field_len);

  /* [io] Changes whenever earlier answers of authorize may be stale. */
  uint64_t (*epoch)(void* auth);
} sk_auth_v1;

/* ---- the plugin ------------------------------------------------------------------------- */

enum { SK_LOG_DEBUG = 0, SK_LOG_INFO = 1, SK_LOG_WARN = 2, SK_LOG_ERROR = 3 };

/* What the host offers to a plugin; valid from init until deinit has returned. */
typedef struct sk_host {
  uint32_t size;
  uint32_t major, minor; /* of the host's ABI */
  /* [io] One line for the host's log. */
  void (*log)(int32_t level, const char* text);
} sk_host;

typedef struct sk_plugin {
  uint32_t magic; /* SK_ABI_MAGIC */
  uint32_t major; /* SK_ABI_MAJOR of the plugin's build */
  uint32_t minor;
  uint32_t size;       /* sizeof(sk_plugin) */
  const char* id;      /* "synckit.text", "com.example.kanban" */
  const char* version; /* "1.2.0" */
  const char* build;   /* free text for `synckit plugin list` */
  sk_status (*init)(const sk_host* host, sk_error* error); /* [main] may be NULL */
  void (*deinit)(void);                                    /* [main] may be NULL */
  /* [io] The index-th implementation of an interface, NULL past the last one. What it returns
   * lives as long as the library. */
  const void* (*get_interface)(const char* interface_id, uint32_t index);
} sk_plugin;

/* The one exported symbol. */
#define SK_PLUGIN_SYMBOL "synckit_plugin_v1"
typedef const sk_plugin* (*sk_plugin_fn)(void);

#ifdef __cplusplus
}
#endif
#endif /* SYNCKIT_ABI_H */
