import { checked } from '../../jobs/checked.ts';
import { limitReached } from '../../jobs/errors.ts';
import { type OpenStream, type StreamArgs, type StreamName, streams } from '../../jobs/rpc/streams.ts';
import { Limiter, shared } from '../../lib/async/limiter.ts';
import { timeoutSignal } from '../../lib/async/timeout-signal.ts';
import { explain } from '../../lib/explain.ts';
import type { AuthorizedStream } from '../authorization.ts';
import type { HostServices } from '../host-services.ts';
import { containerLog } from './container-log.ts';
import { contentArchive } from './content-archive.ts';
import { pacedBody } from './paced-body.ts';
import { repositoryBundle } from './repository-bundle.ts';

/** Opens a stream, or throws the reason why not. Its work ends when the signal aborts. */
type Source<S extends StreamName> = (
  services: HostServices,
  args: StreamArgs<S>,
  signal: AbortSignal,
  tenant: string,
) => Promise<OpenStream<S>>;

const sources: { [S in StreamName]: Source<S> } = {
  'container.log': containerLog,
  'content.archive': contentArchive,
  'repository.bundle': repositoryBundle,
};

/** Timeout for a stream that waits for its turn, in milliseconds: an api waits a little longer. */
const turnTimeout = 10_000;

export interface Sources {
  /**
   * Opens an authorized stream when its user's turn comes. Checks `how`, the options from the api.
   * Throws `limit_reached` when the turn takes too long.
   */
  open(stream: AuthorizedStream, how: object, signal: AbortSignal): Promise<OpenStream>;
  /** Breaks off all streams in progress. */
  close(): void;
}

export function createSources(services: HostServices): Sources {
  const running = new Set<AbortController>();
  const logs = new Limiter(shared(services.limits.maxStreams));
  const archives = new Limiter(shared(services.limits.maxArchives));
  /** Waits for a slot: each stream has its own process, and making an archive needs memory. */
  const waitForSlot = (name: StreamName, tenant: string, signal: AbortSignal) => {
    const isLog = name === 'container.log';
    const inTime = timeoutSignal(turnTimeout, signal);
    return (isLog ? logs : archives).wait(tenant, inTime).catch(() => {
      signal.throwIfAborted();
      throw isLog
        ? limitReached('maxStreams', 'the host sends too many logs; try again later')
        : limitReached('maxArchives', 'the host makes too many archives; try again later');
    });
  };
  return {
    async open({ name, tenant, wants, send }, how, signal) {
      const source = bind(services, name, { ...how, ...wants });
      const release = await waitForSlot(name, tenant, signal);
      const abort = new AbortController();
      const over = () => {
        running.delete(abort);
        release();
        signal.removeEventListener('abort', passOn);
      };
      // Ends the stream even if no reader has begun: an unread body does not end by itself.
      const passOn = () => {
        over();
        abort.abort(signal.reason);
      };
      running.add(abort);
      signal.addEventListener('abort', passOn);
      if (signal.aborted) passOn();
      try {
        const { head, body } = await source(abort.signal, tenant);
        const slots = () => archives.slotsAtLimit(tenant);
        const sent = name === 'content.archive' ? pacedBody(body, slots, abort.signal) : body;
        return { head, body: send(counted(sent, over)) };
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

/** A source with its checked arguments. */
function bind<S extends StreamName>(services: HostServices, name: S, args: unknown) {
  const parsed = checked(streams[name].args, args, explain) as StreamArgs<S>;
  return (signal: AbortSignal, tenant: string): Promise<OpenStream<S>> =>
    sources[name](services, parsed, signal, tenant);
}

async function* counted(body: AsyncIterable<Uint8Array>, over: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    over();
  }
}
