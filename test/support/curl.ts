import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A curl that is running. */
export interface Curl {
  child: ChildProcess;
  /** What has come so far. */
  received(): Buffer;
  /** The end of it: enough for the last lines. */
  tail(): Buffer;
  /** Resolves with curl's exit code and everything that came. */
  done: Promise<{ code: number | null; body: Buffer }>;
}

/** Starts curl as a person would: `-sSN` and what is given. */
export function curl(...args: string[]): Curl {
  const child = spawn('curl', ['-sSN', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const done = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    body: Buffer.concat(chunks),
  }));
  return { child, received: () => Buffer.concat(chunks), tail: () => Buffer.concat(chunks.slice(-4)), done };
}
