import { z } from 'zod';
import { Failure } from '../errors.ts';
import { journalCursor, refName, resourceName } from '../fields/identifier.ts';

/** The formats of the lines of a log. */
export const logFormats = ['text/plain', 'text/event-stream', 'application/x-ndjson'] as const;
export type LogFormat = (typeof logFormats)[number];

export const archiveFormats = ['zip', 'tar.gz'] as const;

/**
 * How streams come from the workers: through Redis, directly from their own ports, or whichever
 * works best.
 */
export const transports = ['auto', 'relay', 'direct'] as const;
export type Transport = (typeof transports)[number];

/** Maximum lines of history, and maximum seconds to follow a log. */
export const maxLines = 10_000_000;
export const maxFollow = 3_600;

/**
 * The reason of a log whose seconds have passed. By these words gear logs -f follows it on, also
 * that of another version.
 */
export const timeIsUp = 'the time is up';

/**
 * All streams of a worker: the arguments from the api, checked on both sides, and the head, known
 * before the first byte.
 */
export const streams = {
  'container.log': {
    args: z.strictObject({
      resource: resourceName,
      format: z.enum(logFormats),
      /** Lines of history before the new ones. */
      lines: z.number().int().min(0).max(maxLines),
      /** Seconds to follow; 0: history only. */
      seconds: z.number().int().min(0).max(maxFollow),
      /** Starts right after this record, instead of with `lines` of history. */
      after: journalCursor.nullable(),
    }),
    head: z.strictObject({}),
  },
  'content.archive': {
    args: z.strictObject({
      resource: resourceName,
      /** A branch, a tag or a hash; null: HEAD. */
      ref: refName.nullable(),
      format: z.enum(archiveFormats),
      /** Entity tags that the client has already, or `*`. */
      known: z.array(z.string().max(200)).max(32),
    }),
    head: z.strictObject({
      // Both become headers of the answer.
      etag: z
        .string()
        .max(200)
        .regex(/^(?:W\/)?"[A-Za-z0-9_.-]+"$/),
      filename: z
        .string()
        .max(400)
        .regex(/^[A-Za-z0-9_.-]+$/),
      notModified: z.boolean(),
    }),
  },
  /** Everything in a repository, for a copy of it; see copy.ts. */
  'repository.bundle': {
    args: z.strictObject({ resource: resourceName }),
    head: z.strictObject({}),
  },
} as const;

export type StreamName = keyof typeof streams;
export type StreamArgs<S extends StreamName> = z.infer<(typeof streams)[S]['args']>;
export type StreamHead<S extends StreamName> = z.infer<(typeof streams)[S]['head']>;

/** An open stream: from here on it arrives whole, or its body throws. */
export interface OpenStream<S extends StreamName = StreamName> {
  head: StreamHead<S>;
  /** Reads from the source only as fast as its own reader. Closing it ends the work behind it. */
  body: AsyncIterable<Uint8Array>;
}

/**
 * Checks the head that a worker sends before the first byte. Throws `host_unavailable` when it is
 * invalid.
 */
export function parseHead<S extends StreamName>(name: S, said: unknown): StreamHead<S> {
  const head = streams[name].head.safeParse(said);
  if (!head.success) throw new Failure('host_unavailable', 'the host has sent an invalid answer');
  return head.data as StreamHead<S>;
}

export function isStreamName(text: string): text is StreamName {
  return Object.hasOwn(streams, text);
}
