import { Failure } from '../../jobs/errors.ts';
import {
  isStreamName,
  type OpenStream,
  type StreamArgs,
  type StreamName,
  streams,
} from '../../jobs/streams.ts';
import { explain } from '../../lib/explain.ts';
import type { Room } from '../room.ts';
import { containerLog } from './container-log.ts';
import { contentArchive } from './content-archive.ts';
import { repositoryBundle } from './repository-bundle.ts';

/** Opens what is to be streamed, or throws why not. The work behind it ends when the signal aborts. */
type Source<S extends StreamName> = (
  room: Room,
  args: StreamArgs<S>,
  signal: AbortSignal,
) => Promise<OpenStream<S>>;

const sources: { [S in StreamName]: Source<S> } = {
  'container.log': containerLog,
  'content.archive': contentArchive,
  'repository.bundle': repositoryBundle,
};

/** Streams that a worker sends at a time; each has a process of its own. */
const mostStreams = 256;

export interface Sources {
  /** Opens a stream by what an api has sent, which is checked here. `signal` is the caller's own. */
  open(name: string, args: unknown, signal: AbortSignal): Promise<OpenStream>;
  /** Breaks off everything that is still being sent. */
  close(): void;
}

export function createSources(room: Room): Sources {
  const running = new Set<AbortController>();
  return {
    async open(name, args, signal) {
      if (running.size >= mostStreams)
        throw new Failure('queue_full', 'the host sends too many streams already');
      const checked = check(name, args);
      const abort = new AbortController();
      const over = () => {
        running.delete(abort);
        signal.removeEventListener('abort', passOn);
      };
      // Also where nobody has begun to read: a body that is not read does not end by itself.
      const passOn = () => {
        over();
        abort.abort(signal.reason);
      };
      running.add(abort);
      signal.addEventListener('abort', passOn);
      if (signal.aborted) passOn();
      try {
        const { head, body } = await openSource(room, checked, abort.signal);
        return { head, body: counted(body, over) };
      } catch (error) {
        over();
        throw error;
      }
    },
    close() {
      for (const abort of running) abort.abort(new Error('the worker is stopping'));
    },
  };
}

type Wanted = { [S in StreamName]: { name: S; args: StreamArgs<S> } }[StreamName];

function check(name: string, args: unknown): Wanted {
  if (!isStreamName(name)) throw new Failure('internal', 'the worker does not know this stream');
  const parsed = streams[name].args.safeParse(args);
  if (!parsed.success) throw new Failure('invalid_request', explain(parsed.error));
  return { name, args: parsed.data } as Wanted;
}

function openSource(room: Room, { name, args }: Wanted, signal: AbortSignal): Promise<OpenStream> {
  const source = sources[name] as Source<StreamName>;
  return source(room, args, signal);
}

async function* counted(body: AsyncIterable<Uint8Array>, over: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    over();
  }
}
