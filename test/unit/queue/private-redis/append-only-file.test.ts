import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { trimUnwritten } from '../../../../src/queue/private-redis/append-only-file.ts';

const ofRedis7 = 'appendonlydir/appendonly.aof.2.incr.aof';
const ofRedis6 = 'appendonly.aof';
const command = Buffer.from('*1\r\n$4\r\nPING\r\n');
const zeros = Buffer.alloc(70_000);

/** What is left of a file in the directory of a Redis that is about to start. */
async function trimmed(name: string, ...parts: Buffer[]): Promise<{ was: boolean; left: Buffer }> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-aof-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, Buffer.concat(parts));
  return { was: await trimUnwritten(directory), left: await readFile(file) };
}

test.each([
  ofRedis7,
  ofRedis6,
])('zeros that a power cut has left at the end of %s are removed', async (name) => {
  expect(await trimmed(name, command, zeros)).toEqual({ was: true, left: command });
  expect(await trimmed(name, command, command.subarray(0, 9), zeros.subarray(0, 3))).toEqual({
    was: true,
    left: Buffer.concat([command, command.subarray(0, 9)]),
  });
  expect(await trimmed(name, command)).toEqual({ was: false, left: command });
});

test('zeros stay where they may be part of the checksum that ends a snapshot', async () => {
  for (let end = 0; end <= 8; end++) {
    const checksum = Buffer.alloc(8).fill('c', 0, 8 - end);
    const snapshot = Buffer.concat([Buffer.from('REDIS0009 and values'), Buffer.from([0xff]), checksum]);
    expect(await trimmed(ofRedis6, snapshot)).toEqual({ was: false, left: snapshot });
    expect(await trimmed(ofRedis6, snapshot, zeros)).toEqual({ was: true, left: snapshot });
    expect(await trimmed(ofRedis6, snapshot, command, zeros)).toEqual({
      was: true,
      left: Buffer.concat([snapshot, command]),
    });
  }
});

test('where there is no file, nothing is removed', async () => {
  expect((await trimmed('dump.rdb', zeros)).was).toBe(false);
});
