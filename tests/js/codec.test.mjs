// Bytes: varints, canonical JSON, intents and patches. Patches are applied to views and compared
// with what the same edits do to plain JavaScript values.

import assert from 'node:assert/strict';
import test from 'node:test';
import { applyText, check, fc, load } from './support.mjs';

const {
  Reader,
  Writer,
  canonical,
  counterIntent,
  mapField,
  moveCaret,
  patchReader,
  patchText,
  setField,
  SyncKitError,
  textDiff,
} = await load('testing/internal.js');

const code = (wanted) => (error) => error instanceof SyncKitError && error.code === wanted;
const bytes = (writer) => writer.bytes().slice();
/** A field with these contents, in a document whose engine is `core`. */
const shows = (make, contents = new Uint8Array(), core = {}) => {
  const kit = { core_: core, notify_: (call) => call(), touch_() {} };
  const document = { contents_: () => patchReader(contents), kit_: kit, core_: () => core };
  return make(document, 'f', 'type');
};
const words = fc.fullUnicodeString({ maxLength: 30 });
const json = fc.jsonValue({ maxDepth: 4 });

test('varints come back as they were, in the shortest form', () =>
  check(
    fc.property(fc.maxSafeNat(), (n) => {
      const out = new Writer().varint(n);
      const r = new Reader(out.bytes());
      assert.equal(r.varint(), n);
      const size = Math.max(1, Math.ceil(n.toString(2).length / 7));
      assert.equal(r.at, size);
      assert.equal(r.left, 0);
    }),
  ));

test('a reader refuses to run past the end, also in varints and at impossible lengths', () => {
  assert.throws(() => new Reader(Uint8Array.of(0x80)).varint(), code('malformed'));
  assert.throws(() => new Reader(Uint8Array.of(2, 65)).text(), code('malformed'));
  const huge = new Uint8Array(12).fill(0xff);
  assert.throws(() => new Reader(huge).varint(), code('malformed'));
  const endless = new Uint8Array(300).fill(0xff);
  endless[299] = 0; // as a number: infinite
  assert.throws(() => new Reader(endless).raw(), code('malformed'));
});

test('canonical JSON: equal values are equal texts, and parse back', () =>
  check(
    fc.property(json, (value) => {
      const text = canonical(value);
      const expected = JSON.parse(JSON.stringify(value));
      assert.deepEqual(JSON.parse(text), expected);
      assert.equal(canonical(JSON.parse(text)), text);
      const reverse = (v) =>
        Array.isArray(v)
          ? v.map(reverse)
          : v && typeof v === 'object'
            ? Object.fromEntries(
                Object.entries(v)
                  .reverse()
                  .map(([k, x]) => [k, reverse(x)]),
              )
            : v;
      // Own "__proto__" keys do not survive Object.fromEntries' caller; they do survive JSON.
      assert.equal(canonical(reverse(JSON.parse(text))), text);
    }),
  ));

test('canonical JSON refuses what JSON cannot hold', () => {
  const cycle = {};
  cycle.self = cycle;
  const values = [
    undefined,
    () => 0,
    NaN,
    Infinity,
    cycle,
    [1, [NaN]],
    { a: { b: -Infinity } },
    1n,
    Symbol('s'),
  ];
  for (const value of values) {
    assert.throws(
      () => canonical(value),
      (e) => e instanceof SyncKitError || e instanceof TypeError,
    );
  }
  assert.equal(
    canonical({ b: 1, a: undefined, c: new Date(0), d: [undefined] }),
    '{"b":1,"c":"1970-01-01T00:00:00.000Z","d":[null]}',
  );
});

/** The parts of a map's contents, or of a patch. */
const encodeMap = (entries) => {
  const out = new Writer();
  for (const [path, value] of entries) {
    const part = new Writer().varint(path.length);
    for (const key of path) part.lengthText(key);
    if (value !== undefined) part.text(JSON.stringify(value));
    out.lengthBytes(part.bytes());
  }
  return bytes(out);
};

/** The bytes of the intent that a map writes. */
const intent = (path, value) => {
  const written = [];
  let length;
  // What is to be deleted must be there.
  const map = shows(mapField, encodeMap([[['a'], 0]]), {
    put_(part, at = 0) {
      assert.equal(written.length, at);
      return written.push(...part);
    },
    sk_mutate: (_document, _field, n) => void (length = n),
    output_: { pop: () => [0, 0, 0, 1, 0, new Uint8Array()] },
    ok_: (status) => assert.equal(status, undefined),
  });
  map.delete('b'); // is not there
  assert.equal(length, undefined);
  map.set(path, value);
  assert.equal(length, written.length);
  return written;
};

test('intents follow FORMAT.md byte by byte', () => {
  assert.deepEqual(intent(['a', 'bc'], 1), [1, 2, 1, 97, 2, 98, 99, 49]);
  assert.deepEqual(intent(['é'], 'é'), [1, 1, 2, 0xc3, 0xa9, 34, 0xc3, 0xa9, 34]);
  assert.deepEqual(intent(['a']), [2, 1, 1, 97]);
  assert.deepEqual([...counterIntent(-1)], [1]);
  assert.deepEqual([...counterIntent(64)], [0x80, 1]);
  assert.throws(() => counterIntent(0.5), code('malformed'));
  assert.throws(() => counterIntent(2n ** 63n), code('malformed'));
  check(
    fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (n) =>
      assert.deepEqual(counterIntent(n), [...new Writer().zigzag(n).bytes()]),
    ),
  );
});

/** Encodes what a text type would: from code units to code points and extras. */
const encodeTextPatch = (text, ops) => {
  const out = new Writer();
  let at = 0;
  for (const op of ops) {
    if ('insert' in op) {
      const utf8 = new TextEncoder().encode(op.insert);
      out.varint(utf8.length * 4 + 1).raw(utf8);
      continue;
    }
    const units = op.retain ?? op.delete;
    const points = [...text.slice(at, at + units)].length;
    out.varint(points * 4 + ('retain' in op ? 0 : 2)).varint(units - points);
    at += units;
  }
  return bytes(out);
};

/** A text, and an edit of it that splits no surrogate pair. */
const edit = words.chain((text) =>
  fc
    .array(fc.tuple(fc.nat(5), fc.nat(3), fc.fullUnicodeString({ maxLength: 4 })), { maxLength: 4 })
    .map((steps) => {
      const points = [...text];
      const ops = [];
      let at = 0;
      let result = '';
      for (const [skip, gone, come] of steps) {
        const kept = points.slice(at, at + skip).join('');
        const dropped = points.slice(at + skip, at + skip + gone).join('');
        at += skip + gone;
        if (kept) ops.push({ retain: kept.length });
        if (dropped) ops.push({ delete: dropped.length });
        if (come) ops.push({ insert: come });
        result += kept + come;
      }
      return { text, ops, result: result + points.slice(at).join('') };
    }),
);

test('text patches decode and apply', () =>
  check(
    fc.property(edit, ({ text, ops, result }) => {
      const [after, decoded] = patchText(text, patchReader(encodeTextPatch(text, ops)));
      assert.deepEqual(decoded, ops);
      assert.equal(after, result);
      assert.equal(applyText(text, decoded), result);
    }),
  ));

test('the difference of two texts leads from one to the other and splits no pair', () =>
  check(
    fc.property(words, words, fc.nat(30), fc.nat(60), (a, b, keep, caret) => {
      const to = a.slice(0, keep).toString() + b;
      const well = to.replace(/\p{Cs}/gu, '?');
      const ops = textDiff(a, well, Math.min(caret, well.length));
      assert.equal(applyText(a, ops), well);
      for (const op of ops) if ('insert' in op) assert.doesNotMatch(op.insert, /\p{Cs}/u);
      assert.deepEqual(textDiff(well, well), []);
    }),
  ));

test('typing among equal letters is found where the caret is', () => {
  assert.deepEqual(textDiff('aaa', 'aaaa', 2), [{ retain: 1 }, { insert: 'a' }]);
  assert.deepEqual(textDiff('aaaa', 'aaa', 1), [{ retain: 1 }, { delete: 1 }]);
  assert.deepEqual(textDiff('aaaa', 'aaa'), [{ retain: 3 }, { delete: 1 }]);
});

test('a caret keeps its neighbours through an edit', () =>
  check(
    fc.property(edit, fc.nat(100), ({ text, ops, result }, at) => {
      const caret = Math.min(at, text.length);
      const moved = moveCaret(caret, ops);
      assert.ok(moved >= 0 && moved <= result.length);
      // Model: mark the place by a character that nothing else has.
      const mark = '\ue000';
      if (text.includes(mark) || result.includes(mark)) return;
      let out = '';
      let from = 0;
      let marked = false;
      const place = () => {
        if (!marked && from >= caret) {
          marked = true;
          out += mark;
        }
      };
      place();
      for (const op of ops) {
        if ('insert' in op) out += op.insert;
        else
          for (let n = op.retain ?? op.delete; n > 0; n--) {
            if ('retain' in op) out += text[from];
            from++;
            place();
          }
      }
      while (from < text.length) {
        out += text[from++];
        place();
      }
      assert.equal(moved, out.indexOf(mark));
    }),
  ));

const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '0');

test('map patches do what writes to a plain object do, and never change what was read', () =>
  check(
    fc.property(
      fc.array(
        fc.tuple(
          fc.array(key, { minLength: 1, maxLength: 3 }),
          fc.option(json, { nil: undefined }),
        ),
        {
          maxLength: 20,
        },
      ),
      (entries) => {
        const view = shows(mapField);
        let model = new Map();
        const isMap = (v) => v instanceof Map;
        const fromJson = (v) =>
          v && typeof v === 'object' && !Array.isArray(v)
            ? new Map(Object.keys(v).map((k) => [k, fromJson(v[k])]))
            : v;
        const seen = [];
        const told = [];
        const changes = [];
        view.subscribe((change) => told.push(...change.paths));
        for (const [path, value] of entries) {
          view.get();
          view.patched_(encodeMap([[path, value]]), false);
          const isThere = (k, i) => isMap(at(i)) && at(i).has(k);
          const at = (i) => path.slice(0, i).reduce((node, k) => node.get(k), model);
          if (value !== undefined || path.every(isThere)) changes.push(path);
          // A delete of what is not there leaves all as it is.
          if (value !== undefined || path.every(isThere)) {
            let node = model;
            path.slice(0, -1).forEach((k) => {
              if (!isMap(node.get(k))) node.set(k, new Map());
              node = node.get(k);
            });
            if (value === undefined) node.delete(path.at(-1));
            else node.set(path.at(-1), fromJson(JSON.parse(JSON.stringify(value))));
          }
          const now = view.get([]);
          assert.deepEqual(fromJson(now), model);
          assert.deepEqual(
            fromJson(view.get(path)),
            path.every(isThere) ? at(path.length) : undefined,
          );
          seen.push([now, JSON.stringify(now)]);
        }
        assert.deepEqual(told, changes);
        assert.deepEqual(shows(mapField, encodeMap(entries)).get(), view.get());
        for (const [value, text] of seen) assert.equal(JSON.stringify(value), text);
        assert.equal({}.polluted, undefined);
      },
    ),
  ));

test('reading a map that did not change gives the same objects; a change leaves siblings alone', () => {
  const view = shows(mapField, encodeMap([[['a'], { x: 1 }], [['b', 'y'], 2]]));
  const before = view.get([]);
  assert.equal(view.get([]), before);
  view.patched_(encodeMap([[['a', 'x'], 5]]), false);
  const after = view.get([]);
  assert.notEqual(after, before);
  assert.equal(after.b, before.b);
  assert.deepEqual(before, { a: { x: 1 }, b: { y: 2 } });
  assert.equal(view.get(['toString']), undefined);
});

const encodeSet = (steps) => {
  const out = new Writer();
  for (const [op, text] of steps) {
    out.lengthBytes(new Writer().byte(op).text(text).bytes());
  }
  return bytes(out);
};

test('set patches and views keep the elements apart by their bytes', () =>
  check(
    fc.property(fc.array(fc.tuple(fc.boolean(), json)), fc.array(json), (steps, start) => {
      const model = new Map(start.map((v) => [canonical(v), JSON.parse(canonical(v))]));
      const view = shows(setField, encodeSet([...model.keys()].map((text) => [1, text])));
      assert.equal(view.size, model.size); // read: what follows are patches of a view
      const patch = [];
      for (const [add, value] of steps) {
        const text = canonical(value);
        patch.push([add ? 1 : 2, text]);
        if (add) model.set(text, JSON.parse(text));
        else model.delete(text);
      }
      view.patched_(encodeSet(patch), false);
      assert.equal(view.size, model.size);
      assert.deepEqual(
        view.values(),
        [...model.keys()].sort().map((k) => JSON.parse(k)),
      );
      assert.equal(view.values(), view.values());
    }),
  ));

test('a set view keeps the text of elements that other writers wrote differently', () => {
  const view = shows(setField, encodeSet([[1, '1.0'], [1, '1'], [1, '{"b":2,"a":[]}']]));
  assert.deepEqual(view.values(), [1, 1, { b: 2, a: [] }]);
  assert.equal(view.has(1), true);
  view.patched_(encodeSet([[2, '1.0']]), false);
  assert.deepEqual(view.values(), [1, { b: 2, a: [] }]);
});
