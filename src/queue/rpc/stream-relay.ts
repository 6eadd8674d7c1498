import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { Failure, failureOf, toldFailure } from '../../jobs/errors.ts';
import { pause } from '../../lib/async/pause.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { maxStreamSilence } from '../redis/connection.ts';

/**
 * A stream of bytes through a Redis stream: from a worker to an api, or from an api to a worker
 * (copy-requests.ts).
 *
 * The reader makes the key and keeps it alive; the sender only ever adds to a key that is there
 * (NOMKSTREAM), so a key that is gone means that nobody reads any more. The reader takes out what
 * it has passed on, and the sender adds no more than `window` frames that have not been taken out:
 * memory is bounded on both sides and in Redis.
 *
 * Frames, as fields of an entry: `n` its number counted from 0, and one of
 *   d  bytes
 *   k  nothing: the sender lives
 *   e  the end: everything has been sent
 *   x  the end: the source failed; why, as JSON, where that is part of the contract
 *
 * Where several may send, each claims the stream first: the first frame then has the one id that is
 * free but once.
 */
const window = 64;
/** Milliseconds between two signs of life of an idle sender, and of the reader. */
const senderBeat = 500;
const readerBeat = 700;
/** Bytes of a frame after which no more are gathered for it. */
const frameSize = 64 * 1024;
/** XADDs that may be on their way to Redis. */
const maxInFlightBytes = 8;

const opening = '0-1';
const claim = '0-2';

/** Claims a stream before it is sent: false where another sender has it, or where nobody reads. */
export async function claimFrames(redis: Redis, key: string): Promise<boolean> {
  try {
    return (await redis.xadd(key, 'NOMKSTREAM', claim, 'n', '0', 'k', '')) !== null;
  } catch (error) {
    if (/equal or smaller/.test((error as Error).message)) return false;
    throw error;
  }
}

/** Why the sender stops: the client went away, the api did, or Redis lost the key. */
export class NobodyReads extends Error {
  constructor() {
    super('nobody reads the stream any more');
    this.name = 'NobodyReads';
  }
}

/**
 * Sends a body to whoever reads the key. Resolves when the end is in Redis; rejects with
 * `NobodyReads`, with what the body threw, or when Redis fails. `abort` is called as soon as it is
 * known that nobody reads. `first` is the number of the first frame: 1 where the stream was
 * claimed. `beat`: milliseconds between two signs of life.
 */
export async function sendFrames(
  redis: Redis,
  key: string,
  body: AsyncIterable<Uint8Array>,
  abort: (reason: Error) => void,
  { first = 0, beat = senderBeat }: { first?: number; beat?: number } = {},
): Promise<void> {
  const frames = createFrameSender({ redis, key, abort, first, beat });
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
      if (chunk.length === 0) continue;
      gathered.push(chunk);
      size += chunk.length;
      // What comes while there is no room goes into one frame, up to so much.
      sending ??= sendGathered();
      sending.catch(abort);
      if (size >= frameSize) await sending;
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

interface Sending {
  redis: Redis;
  key: string;
  abort(reason: Error): void;
  first: number;
  beat: number;
}

/** Adds frames to a key, some at a time, with signs of life when there are none. */
function createFrameSender({ redis, key, abort, first, beat }: Sending) {
  let number = first;
  /** Frames that may not have been read; what has been sent counts until Redis is asked. */
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
  /**
   * Waits until half of a full window was read, so that not every single frame has to be waited
   * for.
   */
  const untilRead = async () => {
    for (let wait = 5; !failed; wait = Math.min(wait * 2, 160)) {
      await countUnread();
      if (unread <= window / 2) return;
      await pause(wait);
      if ((await redis.exists(key)) === 0) throw new NobodyReads();
    }
  };
  /** Says that we live, unless there is something to be read that says so. */
  const sayAlive = async () => {
    if (performance.now() - lastSent < beat) return;
    if (unread > 0) await countUnread();
    if (unread < window) send('k', '');
  };
  const beating = setInterval(() => void sayAlive().catch(fail), beat);
  return {
    send,
    async roomForMore() {
      while (inFlight.size >= maxInFlightBytes) await Promise.race(inFlight);
      if (unread >= window) await untilRead();
      if (failed) throw failed;
    },
    /** Everything was sent. */
    async end() {
      await Promise.all(inFlight);
      if (failed) throw failed;
      await add('e', '');
    },
    /** The source has failed. */
    fail: (why: unknown) =>
      add('x', why instanceof Failure ? JSON.stringify({ code: why.code, detail: why.message }) : ''),
    close: () => clearInterval(beating),
  };
}

export interface FrameReader {
  /** Where the sender is to put the frames. */
  id: string;
  /**
   * What was sent. Throws when the stream is cut off anywhere. To be read once, to its end or until
   * it is closed.
   */
  body: AsyncIterable<Uint8Array>;
  /** Takes everything back when nobody is to send after all. */
  drop(): Promise<void>;
}

/**
 * Makes a key to read from. `redis` sends the signs of life, `connect` opens a connection for
 * blocking reads. A sender that is silent for `gone` milliseconds cuts the stream off.
 */
export async function openFrames(
  redis: Redis,
  connect: () => Redis,
  keyOf: (id: string) => string,
  signal: AbortSignal,
  gone = maxStreamSilence,
): Promise<FrameReader> {
  const id = randomUUID();
  const key = keyOf(id);
  await redis.multi().xadd(key, opening, 'o', '').pexpire(key, maxStreamSilence).exec();
  const beat = setInterval(() => {
    redis.pexpire(key, maxStreamSilence).catch(() => undefined); // The blocking read tells what is wrong.
  }, readerBeat);
  const drop = async () => {
    clearInterval(beat);
    signal.removeEventListener('abort', drop);
    await redis.del(key).catch(() => undefined); // It expires by itself where Redis is away.
  };
  signal.addEventListener('abort', drop);
  if (signal.aborted) await drop();
  return { id, body: readFrames({ redis, connect, key, signal, gone, drop }), drop };
}

interface Reading {
  redis: Redis;
  connect(): Redis;
  key: string;
  signal: AbortSignal;
  gone: number;
  drop(): Promise<void>;
}

async function* readFrames(reading: Reading): AsyncGenerator<Uint8Array> {
  const { redis, connect, key, signal, gone, drop } = reading;
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
      else if (performance.now() - heard > gone) throw cutOff('nothing more comes');
      if (takenOut !== last && (await takeOut(redis, key, last))) takenOut = last;
    }
  } finally {
    signal.removeEventListener('abort', disconnect);
    disconnect();
    await drop();
  }
}

/**
 * Takes out what was passed on. Where Redis does not answer in time that is for the next time; the
 * reading tells what is wrong.
 */
async function takeOut(redis: Redis, key: string, last: string): Promise<boolean> {
  const trimmed = redis.call('XTRIM', key, 'MINID', following(last));
  return trimmed.then(
    () => true,
    () => false,
  );
}

interface Frame {
  id: string;
  number: number;
  field: string;
  value: Buffer;
}

/** Up to so many frames are in an api's memory for each stream. */
const readAtOnce = 8;

async function readEntries(blocking: Redis, key: string, after: string): Promise<Frame[]> {
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
