import { expect, test } from 'vitest';
import { type JournalReader, readInTurn } from '../../../../src/worker/journald/journal.ts';
import { settled } from '../../../support/settled.ts';

/** Logs that begin to be read, in their order; each finds something, and ends, when the test says so. */
function someLogs() {
  const opened: string[] = [];
  const find = new Map<string, () => void>();
  const end = new Map<string, () => void>();
  const readerOf = (name: string): JournalReader<string> => {
    opened.push(name);
    const found = new Promise<void>((resolve) => find.set(name, resolve));
    const ended = new Promise<void>((resolve) => end.set(name, resolve));
    async function* read() {
      if ((await Promise.race([found, ended.then(() => 'ended')])) === 'ended') return;
      yield name;
      await ended;
    }
    return { read: read(), close: async () => end.get(name)?.() };
  };
  const begin = (tenant: string, ...names: string[]) => {
    const leaving = new AbortController();
    const looking = { tenant, signal: leaving.signal };
    const read = names.map((name) => readToEnd(readInTurn(() => readerOf(name), looking)));
    return { leaving, read };
  };
  return {
    opened,
    begin,
    found: (name: string) => find.get(name)?.(),
    finish(...names: string[]) {
      for (const name of names) {
        find.get(name)?.();
        end.get(name)?.();
      }
    },
  };
}

async function readToEnd(log: AsyncIterable<string>): Promise<string> {
  const all: string[] = [];
  try {
    for await (const one of log) all.push(one);
    return all.join();
  } catch (error) {
    return String(error);
  }
}

test("two logs of a user begin at a time, and another user's begins at once", async () => {
  const { opened, begin, found, finish } = someLogs();
  const alice = begin('alice', 'a1', 'a2', 'a3', 'a4');
  const bob = begin('bob', 'b1');
  await settled();
  expect(opened).toEqual(['a1', 'a2', 'b1']);
  found('a1');
  await settled();
  expect(opened.slice(3)).toEqual(['a3']);
  finish('a2');
  await settled();
  expect(opened.slice(4)).toEqual(['a4']);
  finish('a1', 'a3', 'a4', 'b1');
  expect(await Promise.all([...alice.read, ...bob.read])).toEqual(['a1', 'a2', 'a3', 'a4', 'b1']);
});

test('a log whose reader has left before its turn is never opened, and one that has begun ends and leaves its turn', async () => {
  const { opened, begin, finish } = someLogs();
  const [first, waiting] = [begin('alice', 'a1', 'a2'), begin('alice', 'a3')];
  await settled();
  for (const { leaving } of [waiting, first]) leaving.abort(new Error('has left'));
  const left = await Promise.all([...first.read, ...waiting.read]);
  expect(left).toEqual(['Error: has left', 'Error: has left', 'Error: has left']);
  const next = begin('alice', 'a4', 'a5');
  await settled();
  expect(opened).toEqual(['a1', 'a2', 'a4', 'a5']);
  finish('a4', 'a5');
  expect(await Promise.all(next.read)).toEqual(['a4', 'a5']);
});
