// The wire protocol as an independent implementation (protobufjs) understands it: every golden
// vector of proto/golden decodes to its JSON, and its JSON encodes to its bytes.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { need, root } from './support.mjs';

const protobuf = need('protobufjs');
const folder = join(root, 'proto/golden');
const manifest = join(folder, 'manifest.json');
const vectors = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : [];
const wire = vectors.filter(({ message }) => message.startsWith('synckit.v1.'));
const types = protobuf.loadSync(join(root, 'proto/wire.proto'));

test(
  'golden vectors exist',
  { skip: !vectors.length && 'proto/golden has no manifest.json yet' },
  () => {
    assert.ok(wire.length >= 15, `${wire.length} vectors`);
  },
);

for (const { file, message, json } of wire) {
  test(`golden: ${file}`, () => {
    const type = types.lookupType(message);
    const bytes = readFileSync(join(folder, file));
    const decoded = type.decode(bytes);
    const options = { longs: String, enums: String, bytes: String };
    assert.deepEqual(JSON.parse(JSON.stringify(type.toObject(decoded, options))), json);
    assert.deepEqual(Buffer.from(type.encode(type.fromObject(json)).finish()), bytes);
    // Cut short anywhere, it either fails or reads as less; it never reads as the same.
    for (let length = 0; length < bytes.length; length++) {
      let read;
      try {
        read = type.toObject(type.decode(bytes.subarray(0, length)), options);
      } catch {
        continue;
      }
      assert.notDeepEqual(JSON.parse(JSON.stringify(read)), json, `cut at ${length}`);
    }
  });
}
