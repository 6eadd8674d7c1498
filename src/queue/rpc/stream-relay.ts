import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { Failure, failureOf, toldFailure } from '../../jobs/errors.ts';
import { pause } from '../../lib/async/pause.ts';
import { succeeds } from '../../lib/async/succeeds.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { maxStreamSilence } from '../redis/connection.ts';
import { keys } from '../redis/keys.ts';

/**
 * A stream of bytes through a Redis stream: from a worker to an api, or from an api to a worker
 * (copy-requests.ts).
 *
 * The reader creates the key, with an entry `o` that nobody reads, and keeps it alive. The sender
 * only adds to an existing key (NOMKSTREAM), so a missing key means that the reader has left. The
 * reader removes the frames it has passed on, and the sender adds at most `window` frames beyond
 * those removed: memory is bounded on both sides and in Redis.
 *
 * Frames, as fields of an entry: `n` its number counted from 0, and one of
 *   d  bytes
 *   k  nothing: the sender is alive
 *   e  the end: everything has been sent
 *   x  the end: the source failed; the reason as JSON, if it is part of the contract
 *
 * When several may send, each claims the stream first, with a first frame under an id that only one
 * of them can get.
 */

/** Maximum number of frames that the reader has not removed yet. */
const window = 64;
/** Milliseconds between two heartbeats of an idle sender, and of the reader. */
const senderBeat = 500;
const readerBeat = 700;
/** Maximum bytes of a frame. */
const frameSize = 64 * 1024;
/** Maximum number of XADDs in flight. */
const maxInFlight = 8;

const opening = '0-1';
const claim = '0-2';

/** Claims a stream before sending it; false when another sender has it, or no reader is left. */
export async function claimFrames(redis: Redis, key: string): Promise<boolean> {
  try {
    return (await redis.xadd(key, 'NOMKSTREAM', claim, 'n', '0', 'k', '')) !== null;
  } catch (error) {
    if (/equal or smaller/.test((error as Error).message)) return false;
    throw error;
  }
}

/** The sender stops because the client or the api has left, or Redis lost the key. */
export class NobodyReads extends Error {
  constructor() {
    super('the stream no longer has a reader');
    this.name = 'NobodyReads';
  }
}

/**
 * Sends a body to the reader of a key. Resolves when the end is in Redis; rejects with
 * `NobodyReads`, with the body's error, or when Redis fails. Calls `abort` as soon as sending
 * fails, for example because no reader is left. `first`: number of the first frame, 1 for a claimed
 * stream. `beat`: milliseconds between two heartbeats.
 */
export async function sendFrames(
  redis: Redis,
  key: string,
  body: AsyncIterable<Uint8Array>,
  abort: (reason: Error) => void,
  { first = 0, beat = senderBeat }: { first?: number; beat?: number } = {},
): Promise<void> {
  const frames = frameSender(redis, key, abort, first, beat);
  try {
    let gathered: Uint8Array[] = [];
    let size = 0;
    let sending: Promise<void> | null = null;
    const sendGathered = async () => {
      while (size > 0) {
        await frames.roomForMore();
        const frame = Buffer.concat(gathered);
        gathered = [];
        size = 0;
        frames.send('d', frame);
      }
      sending = null;
    };
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + frameSize - size);
        at += part.length;
        gathered.push(part);
        size += part.length;
        // What arrives while there is no room shares one frame, up to `frameSize`.
        sending ??= sendGathered();
        sending.catch(abort);
        if (size === frameSize) await sending;
      }
    }
    await sending;
    await frames.end();
  } catch (error) {
    if (!(error instanceof NobodyReads)) await frames.fail(error).catch(() => undefined);
    throw error;
  } finally {
    frames.close();
  }
}

/** Adds frames to a key, several in flight at a time, with heartbeats while idle. */
function frameSender(redis: Redis, key: string, abort: (why: Error) => void, first: number, beat: number) {
  let number = first;
  /** Frames that may be unread: every frame sent counts until the next look at Redis. */
  let unread = 0;
  let lastSent = performance.now();
  let failed: Error | null = null;
  const inFlight = new Set<Promise<void>>();

  const add = async (field: string, value: Buffer | string): Promise<void> => {
    lastSent = performance.now();
    unread++;
    const added = await redis.xadd(key, 'NOMKSTREAM', '*', 'n', String(number++), field, value);
    if (added === null) throw new NobodyReads();
  };
  const fail = (error: Error) => {
    failed ??= error;
    abort(error);
  };
  const send = (field: string, value: Buffer | string) => {
    const sent = add(field, value).catch(fail);
    inFlight.add(sent);
    void sent.finally(() => inFlight.delete(sent));
  };
  const countUnread = async () => {
    unread = inFlight.size + (await redis.xlen(key));
  };
  /** Waits until half of a full window has been read, so as not to wait for every single frame. */
  const untilRead = async () => {
    for (let wait = 5; !failed; wait = Math.min(wait * 2, 160)) {
      await countUnread();
      if (unread <= window / 2) return;
      await pause(wait);
      if ((await redis.exists(key)) === 0) throw new NobodyReads();
    }
  };
  /** Sends a heartbeat, unless a frame went out within `beat` or the window is full. */
  const sayAlive = async () => {
    if (performance.now() - lastSent < beat) return;
    if (unread > 0) await countUnread();
    if (unread < window) send('k', '');
  };
  const beating = setInterval(() => void sayAlive().catch(fail), beat);
  return {
    send,
    async roomForMore() {
      while (inFlight.size >= maxInFlight) await Promise.race(inFlight);
      if (unread >= window) await untilRead();
      if (failed) throw failed;
    },
    /** Ends the stream after everything has been sent. */
    async end() {
      await Promise.all(inFlight);
      if (failed) throw failed;
      await add('e', '');
    },
    /** Ends the stream because its source failed. */
    fail: (why: unknown) =>
      add('x', why instanceof Failure ? JSON.stringify({ code: why.code, detail: why.message }) : ''),
    close: () => clearInterval(beating),
  };
}

/** A stream that a host sends. */
interface OpenFrames<T> {
  /** The answer of `ask`. */
  answer: T;
  /**
   * The bytes sent. Throws when the stream breaks off. Read it once, to its end or until you close
   * it.
   */
  body: AsyncIterable<Uint8Array>;
}

/**
 * Creates a key to read from, and deletes it if `ask`, which asks for the stream of an id, fails.
 * `redis` sends the heartbeats; `connect` opens a connection for blocking reads. A stream breaks
 * off when its sender is silent for `gone` milliseconds.
 */
export async function openFrames<T>(
  redis: Redis,
  connect: () => Redis,
  host: string,
  ask: (id: string) => Promise<T>,
  signal: AbortSignal,
  gone = maxStreamSilence,
): Promise<OpenFrames<T>> {
  signal.throwIfAborted();
  const id = randomUUID();
  const key = keys.frames(host, id);
  await redis.multi().xadd(key, opening, 'o', '').pexpire(key, maxStreamSilence).exec();
  const beat = setInterval(() => {
    redis.pexpire(key, maxStreamSilence).catch(() => undefined); // The reads report errors.
  }, readerBeat);
  const drop = async () => {
    clearInterval(beat);
    signal.removeEventListener('abort', drop);
    await redis.del(key).catch(() => undefined); // It expires by itself while Redis is offline.
  };
  signal.addEventListener('abort', drop);
  try {
    const answer = await ask(id);
    signal.throwIfAborted();
    return { answer, body: readFrames(redis, connect, key, { signal, gone, drop }) };
  } catch (error) {
    await drop();
    throw error;
  }
}

async function* readFrames(
  redis: Redis,
  connect: () => Redis,
  key: string,
  { signal, gone, drop }: { signal: AbortSignal; gone: number; drop(): Promise<void> },
): AsyncGenerator<Uint8Array> {
  const blocking = connect();
  const disconnect = () => blocking.disconnect();
  signal.addEventListener('abort', disconnect);
  try {
    let next = 0;
    let last = opening;
    let takenOut = last;
    for (let heard = performance.now(); ; ) {
      signal.throwIfAborted();
      const entries = await readEntries(blocking, key, last);
      for (const { id, number, field, value } of entries) {
        if (number !== next++) throw cutOff('a part of it got lost');
        if (field === 'e') return;
        if (field === 'x') throw whyItFailed(value);
        if (field === 'd') yield value;
        last = id;
      }
      // A slow client's time is not the sender's silence.
      if (entries.length > 0) heard = performance.now();
      else if (performance.now() - heard > gone) throw cutOff('no more data arrives');
      if (takenOut !== last && (await takeOut(redis, key, last))) takenOut = last;
    }
  } finally {
    signal.removeEventListener('abort', disconnect);
    disconnect();
    await drop();
  }
}

/**
 * Removes the frames passed on. If Redis does not answer in time, a later call does it; the reads
 * report errors.
 */
const takeOut = (redis: Redis, key: string, last: string): Promise<boolean> =>
  succeeds(redis.call('XTRIM', key, 'MINID', following(last)));

/** Maximum number of frames in the reader's memory for each stream. */
const readAtOnce = 8;

async function readEntries(blocking: Redis, key: string, after: string) {
  const reply = await blocking.xreadBuffer('COUNT', readAtOnce, 'BLOCK', 500, 'STREAMS', key, after);
  return (reply?.[0]?.[1] ?? []).map(([id, fields]) => ({
    id: id.toString(),
    number: Number(fields[1]?.toString()),
    field: fields[2]?.toString() ?? '',
    value: fields[3] ?? Buffer.alloc(0),
  }));
}

/** The id after an id: `<ms>-<n>`. */
function following(id: string): string {
  const [time, sequence] = id.split('-');
  return `${time}-${BigInt(sequence ?? 0) + 1n}`;
}

function whyItFailed(told: Buffer): Failure {
  const { success, data } = toldFailure.safeParse(parseJson(told.toString('utf8')));
  return success ? failureOf(data) : cutOff('its source failed');
}

const cutOff = (why: string) => new Failure('host_unavailable', `the stream was cut off: ${why}`);
