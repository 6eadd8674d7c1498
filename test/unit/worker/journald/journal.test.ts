import { expect, test, vi } from 'vitest';
import type { ExecOptions } from '../../../../src/lib/exec.ts';
import {
  hasCursor,
  hasCutLines,
  type JournalReader,
  readInTurn,
} from '../../../../src/worker/journald/journal.ts';
import { settled } from '../../../support/settled.ts';

/** What runs in place of journalctl, with another deadline. */
const inPlace = vi.hoisted(() => ({ script: '', deadline: 10_000 }));
vi.mock('../../../../src/lib/exec.ts', async (original) => {
  const real = await original<typeof import('../../../../src/lib/exec.ts')>();
  const exec = (_: string, args: string[], options: ExecOptions) =>
    real.exec('/bin/sh', ['-c', inPlace.script, ...args], { ...options, deadline: inPlace.deadline });
  return { ...real, exec };
});

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
    return { output: read(), close: async () => end.get(name)?.() };
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

/** Looks whether the journal has a record while a script takes the place of journalctl. */
function look(script: string, { deadline = 10_000, signal = new AbortController().signal } = {}) {
  Object.assign(inPlace, { script, deadline });
  return hasCursor('s=1', { tenant: 'alice', signal });
}

test('the journal has a record that journalctl finds, and not one that it does not find', async () => {
  expect(await look('echo __CURSOR=s=1')).toBe(true);
  expect(await look('echo __CURSOR=s=2')).toBe(false);
  expect(await look('exit 1')).toBe(false);
});

const away = { code: 'host_unavailable', message: 'the journal cannot be read' };

test.each([
  ['says why it fails', 'echo "no journal" >&2; exit 1', 10_000],
  ['is killed', 'kill -9 $$', 10_000],
  ['does not answer in time', 'exec sleep 60', 50],
])('a journalctl that %s does not count as one that finds nothing', async (_, script, deadline) => {
  await expect(look(script, { deadline })).rejects.toMatchObject(away);
  const looking = { tenant: 'alice', signal: new AbortController().signal };
  await expect(hasCutLines('gear-a.service', looking)).rejects.toMatchObject(away);
});

test('a journalctl whose reader leaves is not a journal that cannot be read', async () => {
  const leaving = new AbortController();
  const looking = look('exec sleep 60', { signal: leaving.signal });
  setTimeout(() => leaving.abort(), 50);
  await expect(looking).rejects.toMatchObject({ name: 'AbortError' });
});
