import { existsSync } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { nullIfAbsent } from '../../lib/files/if-there.ts';

const pieceBytes = 64 * 1024;

/**
 * Removes the zeros from the end of the append-only file that a Redis wrote last; it must not be
 * running. After a power cut, a file system may give a file the length of a write whose bytes never
 * reached the disk. Redis takes that for damage, but it never acknowledged that write, and no
 * command ends with a zero. `directory` is Redis's own. Returns whether it removed any.
 */
export async function trimUnwritten(directory: string): Promise<boolean> {
  const last = await lastFile(directory);
  if (last === null) return false;
  const file = await open(last, 'r+');
  try {
    const { size } = await file.stat();
    const end = Math.min(size, await endOfData(file, await lengthWritten(file, size)));
    if (end === size) return false;
    await file.truncate(end);
    await file.sync();
    return true;
  } finally {
    await file.close();
  }
}

/**
 * The append-only file that a Redis wrote last; null if there is none. `directory` is Redis's own.
 */
export async function lastFile(directory: string): Promise<string | null> {
  const files = join(directory, 'appendonlydir');
  const names = (await nullIfAbsent(readdir(files))) ?? [];
  const last = names
    .filter((name) => name.endsWith('.incr.aof'))
    .sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))
    .at(-1);
  if (last !== undefined) return join(files, last);
  const only = join(directory, 'appendonly.aof'); // Before Redis 7.0.
  return existsSync(only) ? only : null;
}

/**
 * Up to where zeros after what is written may belong to a snapshot, which a Redis before 7.0 puts
 * in front of its commands: it ends with ff and a checksum of eight bytes.
 */
async function endOfData(file: FileHandle, written: number): Promise<number> {
  const [head, tail] = [Buffer.alloc(5), Buffer.alloc(8)];
  await file.read(head, 0, head.length, 0);
  await file.read(tail, 0, tail.length, Math.max(0, written - tail.length));
  return written + (head.toString('latin1') === 'REDIS' ? tail.lastIndexOf(0xff) + 1 : 0);
}

/** The length of a file without the zeros at its end. */
async function lengthWritten(file: FileHandle, size: number): Promise<number> {
  const piece = Buffer.alloc(pieceBytes);
  for (let end = size; end > 0; ) {
    const begin = Math.max(0, end - pieceBytes);
    const { bytesRead } = await file.read(piece, 0, end - begin, begin);
    const last = piece.subarray(0, bytesRead).findLastIndex((byte) => byte !== 0);
    if (last >= 0) return begin + last + 1;
    end = begin;
  }
  return 0;
}
