import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { assertDocumented } from './documented.ts';

/** What curl has done. */
export interface Curled {
  code: number | null;
  /** None where there was no answer. */
  headers: Headers;
  body: Buffer;
}

/** A curl that asks an api, and is running. */
export interface Curl {
  child: ChildProcess;
  /** What has come so far. */
  received(): Buffer;
  /** The end of it: enough for the last lines. */
  tail(): Buffer;
  /**
   * Resolves with curl's exit code and everything that came; rejects where the answer is not as the
   * OpenAPI document has it.
   */
  done: Promise<Curled>;
}

const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
/** Where a curl is to write the head of its answer, which it does as it comes. */
const fileForHead = () => join(tmpdir(), `geard-head-${randomUUID()}`);

/** Starts curl as a person would: `-sSN` and what is given. */
export function curl(...args: string[]): Curl {
  const file = fileForHead();
  return follow(spawn('curl', ['-sSN', '-D', file, ...args], { stdio }), args.join(' '), file);
}

/** Runs a line of curl as a shell does that somebody has pasted it into. */
export function pasted(line: string): Curl {
  const file = fileForHead();
  return follow(spawn('bash', ['-c', `${line} -sSN -D ${file}`], { stdio }), line, file);
}

function follow(child: ChildProcessByStdio<null, Readable, null>, line: string, file: string): Curl {
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const done = once(child, 'close').then(async ([code]: (number | null)[]) => {
    const head = headIn(await readFile(file, 'utf8').catch(() => ''));
    await rm(file, { force: true });
    const curled = { code: code ?? null, body: Buffer.concat(chunks) };
    if (head) compare(line, head, curled);
    return { ...curled, headers: head?.headers ?? new Headers() };
  });
  return { child, received: () => Buffer.concat(chunks), tail: () => Buffer.concat(chunks.slice(-4)), done };
}

interface Head {
  status: number;
  headers: Headers;
}

/** The last head in a text that is whole; null where there is none. */
export function headIn(text: string): Head | null {
  const [first, ...lines] = text.split('\r\n\r\n').slice(0, -1).at(-1)?.split('\r\n') ?? [];
  if (first === undefined) return null;
  const fields = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  return { status: Number(first.split(' ')[1]), headers: new Headers(fields) };
}

/** Compares an answer with the document. Of -o there is no body here, nor of a refusal with -f. */
function compare(line: string, head: Head, { code, body }: Pick<Curled, 'code' | 'body'>): void {
  const [, method = 'GET'] = / -X (\w+)/.exec(` ${line}`) ?? [];
  const { pathname, search } = new URL(/https?:\/\/[^\s'"]+/.exec(line)?.[0] ?? '');
  const isKept = !/ -(?:o|f) /.test(` ${line}`);
  const told = { ...head, body: isKept ? body : null, isPart: code !== 0 };
  assertDocumented(method, pathname + search, told);
}
