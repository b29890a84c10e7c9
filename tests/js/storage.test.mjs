// The storages for Node: rows, atomicity after a cut, locks, and a kill -9 in the middle of
// writing.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { check, fc, load, scratch, sdk } from './support.mjs';

const { FileStorage, MemoryStorage } = await load('testing/internal.js');
const compareBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

const u8 = (...bytes) => Uint8Array.from(bytes);
const low = u8();
const high = u8(255, 255, 255);
const plain = (rows) => rows.map(([key, value]) => [[...key], [...value]]);
const all = async (store) => plain(await store.load(low, high));
const code = (wanted) => (error) => error.code === wanted;

const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 });
const value = fc.uint8Array({ maxLength: 20 });
const op = fc.oneof(
  fc.record({ op: fc.constantFrom('put', 'put-newer'), key, value }),
  fc.record({ op: fc.constant('delete'), key }),
  fc.record({ op: fc.constant('delete-range'), key, last: key }),
);

/** What the operations mean, said once more and slowly. */
const model = (rows, { op, key, value, last }) => {
  const at = rows.findIndex(([k]) => compareBytes(k, key) === 0);
  if (op === 'delete-range') {
    return rows.filter(([k]) => compareBytes(k, key) < 0 || compareBytes(k, last) > 0);
  }
  const rest = rows.filter((_, i) => i !== at);
  if (op === 'delete') return rest;
  if (op === 'put-newer' && at >= 0 && rows[at][1].length > 15 && value.length > 15) {
    const [old, epoch, position] = [
      Buffer.from(rows[at][1]),
      Buffer.from(value).subarray(0, 8),
      Buffer.from(value).subarray(8, 16),
    ];
    if (old.subarray(0, 8).equals(epoch) && Buffer.compare(old.subarray(8, 16), position) >= 0)
      return rows;
  }
  return [...rest, [key, value]].sort((a, b) => compareBytes(a[0], b[0]));
};

test('memory and file storage do what the operations say, also after opening again', async (t) => {
  const folder = scratch(t);
  let n = 0;
  await check(
    fc.asyncProperty(
      fc.array(fc.array(op, { maxLength: 5 }), { maxLength: 6 }),
      async (batches) => {
        const memory = new MemoryStorage();
        const name = `p${n++}`;
        let file = new FileStorage(folder);
        await file.open(name);
        let rows = [];
        for (const batch of batches) {
          await memory.write(batch);
          await file.write(batch);
          rows = batch.reduce(model, rows);
        }
        assert.deepEqual(await all(memory), plain(rows));
        assert.deepEqual(await all(file), plain(rows));
        await file.close();
        file = new FileStorage(folder);
        await file.open(name);
        assert.deepEqual(await all(file), plain(rows));
        assert.deepEqual(
          (await file.keys()).map((k) => [...k]).sort(),
          rows.map(([k]) => [...k]).sort(),
        );
        await file.close();
      },
    ),
  );
});

test('a snapshot of the same epoch does not go back; another epoch replaces it', async () => {
  const store = new MemoryStorage();
  const snapshot = (epoch, position) =>
    u8(0, 0, 0, 0, 0, 0, 0, epoch, 0, 0, 0, 0, 0, 0, 0, position, 7);
  const put = (epoch, position) =>
    store.write([{ op: 'put-newer', key: u8(1), value: snapshot(epoch, position) }]);
  const stored = async () =>
    [...(await store.load(low, high))[0][1]].filter((_, i) => i === 7 || i === 15);
  await put(1, 5);
  await put(1, 4);
  assert.deepEqual(await stored(), [1, 5]);
  await put(1, 6);
  assert.deepEqual(await stored(), [1, 6]);
  await put(2, 1);
  assert.deepEqual(await stored(), [2, 1]);
});

test('a journal that was cut anywhere opens with a prefix of its batches', async (t) => {
  const folder = scratch(t);
  const file = new FileStorage(folder);
  await file.open('cut');
  await file.register('00000000000000aa');
  const journal = join(folder, 'cut/journal');
  const ends = [fs.statSync(journal).size];
  for (let i = 0; i < 8; i++) {
    await file.write([
      { op: 'put', key: u8(i), value: u8(i, i) },
      { op: 'put', key: u8(9), value: u8(i) },
    ]);
    ends.push(fs.statSync(journal).size);
  }
  await file.close();
  const bytes = fs.readFileSync(journal);
  for (let length = 0; length <= bytes.length; length++) {
    fs.mkdirSync(join(folder, 'part'), { recursive: true });
    fs.writeFileSync(join(folder, 'part/journal'), bytes.subarray(0, length));
    const part = new FileStorage(folder);
    await part.open('part');
    const whole = ends.filter((end) => end <= length).length - 1;
    assert.equal((await all(part)).length, whole > 0 ? whole + 1 : 0);
    // An identity whose last changes may be cut off is not used again.
    assert.equal((await part.replicas()).length, ends.includes(length) ? 1 : 0);
    await part.write([{ op: 'put', key: u8(200), value: u8() }]);
    await part.close();
    const again = new FileStorage(folder);
    await again.open('part');
    assert.equal((await all(again)).length, (whole > 0 ? whole + 1 : 0) + 1, `cut at ${length}`);
    await again.close();
  }
});

test('a flipped bit ends the journal there and never gives other rows', async (t) => {
  const folder = scratch(t);
  const file = new FileStorage(folder);
  await file.open('flip');
  for (let i = 0; i < 5; i++) await file.write([{ op: 'put', key: u8(i), value: u8(i, 42) }]);
  const rows = await all(file);
  await file.close();
  const journal = join(folder, 'flip/journal');
  const bytes = fs.readFileSync(journal);
  for (let bit = 64; bit < bytes.length * 8; bit += 3) {
    const bad = Buffer.from(bytes);
    bad[bit >> 3] ^= 1 << (bit & 7);
    fs.writeFileSync(journal, bad);
    const store = new FileStorage(folder);
    await store.open('flip');
    const got = await all(store);
    assert.deepEqual(got, rows.slice(0, got.length));
    assert.ok(got.length < rows.length);
    await store.close();
  }
});

test('a file of another kind is refused and left alone', async (t) => {
  const folder = scratch(t);
  fs.mkdirSync(join(folder, 'other'));
  fs.writeFileSync(join(folder, 'other/journal'), 'something else entirely');
  await assert.rejects(new FileStorage(folder).open('other'), code('unsupported'));
  assert.equal(fs.readFileSync(join(folder, 'other/journal'), 'utf8'), 'something else entirely');
});

test('a large journal of dead rows is rewritten, and keeps the living ones', async (t) => {
  const folder = scratch(t);
  const file = new FileStorage(folder);
  await file.open('big');
  await file.register('00000000000000bb');
  const value = new Uint8Array(100_000).fill(7);
  for (let i = 0; i < 40; i++) await file.write([{ op: 'put', key: u8(i % 2), value }]);
  await file.write([{ op: 'put', key: u8(5), value: u8(5) }]);
  const size = fs.statSync(join(folder, 'big/journal')).size;
  assert.ok(size < 2_000_000, `${size} bytes for 200 KB of rows`);
  await file.close();
  const again = new FileStorage(folder);
  await again.open('big');
  assert.deepEqual(
    (await all(again)).map(([k, v]) => [k[0], v.length]),
    [
      [0, 100_000],
      [1, 100_000],
      [5, 1],
    ],
  );
  assert.deepEqual(await again.replicas(), ['00000000000000bb']);
  await again.close();
});

test('one process at a time; a lock whose owner is dead is taken over', async (t) => {
  const folder = scratch(t);
  const first = new FileStorage(folder);
  await first.open('one');
  await assert.rejects(new FileStorage(folder).open('one'), code('unavailable'));
  const unlock = await first.lock('r');
  assert.equal(await first.lock('r'), undefined);
  unlock();
  assert.ok(await first.lock('r'));
  await first.close();
  await assert.rejects(first.write([]), code('closed'));
  fs.writeFileSync(join(folder, 'one/lock'), '999999999 12345');
  const second = new FileStorage(folder);
  await second.open('one');
  await second.close();
  assert.ok(!fs.existsSync(join(folder, 'one/lock')));
});

test('what was reported stored before a kill -9 is there after it', async (t) => {
  const folder = scratch(t);
  const module = pathToFileURL(join(sdk, 'dist/testing/internal.js')).href;
  const program = `
    const { FileStorage } = await import(${JSON.stringify(module)});
    const store = new FileStorage(${JSON.stringify(folder)});
    await store.open('killed');
    for (let i = 0; ; i++) {
      const value = new Uint8Array(64 + (i % 7) * 1000).fill(i);
      await store.write([{ op: 'put', key: Uint8Array.of(i >> 8, i & 255), value }]);
      process.stdout.write(i + '\\n');
    }`;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let last = -1;
    createInterface(child.stdout).on('line', (line) => {
      last = Number(line);
      if (last === 40 + round * 10) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.once('close', resolve));
    const store = new FileStorage(folder);
    await store.open('killed');
    const rows = await all(store);
    assert.ok(last >= 40 && rows.length > last, `${rows.length} rows, ${last} reported`);
    for (const [k, v] of rows) assert.ok(v.every((b) => b === (k[1] & 255)));
    await store.close();
  }
});
