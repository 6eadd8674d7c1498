import type { Logger } from 'pino';
import { Failure } from '../../jobs/errors.ts';
import type { OpenStream, StreamName, Transport } from '../../jobs/rpc/streams.ts';
import { createRecent } from '../../lib/recent.ts';
import type { ApiQueue, WantedStream } from '../../queue/api-queue.ts';
import { streamOpenings } from '../metrics.ts';
import { openDirect, Unreachable } from './direct.ts';

/**
 * Opens a stream of a host's worker. `sealed` is the client's own request, which the worker
 * verifies itself; `how` holds the format of the stream. `log` identifies the request.
 */
export type OpenStreamOf = <S extends StreamName>(
  host: string,
  wanted: WantedStream & { name: S },
  signal: AbortSignal,
  log: Logger,
) => Promise<OpenStream<S>>;

/** Milliseconds during which an address that did not answer is not retried. */
const forgetAfter = 10_000;

/** Maximum number of such addresses remembered. */
const maxRemembered = 1_000;

/**
 * Opens streams directly where that works, and otherwise through Redis: before the first byte the
 * client sees no difference. `relay` and `direct` as `transport` allow only one of the two.
 */
export function createStreamOpener(queue: ApiQueue, transport: Transport): OpenStreamOf {
  /** Addresses that did not answer. */
  const failed = createRecent(forgetAfter, maxRemembered);

  const open = async (host: string, wanted: WantedStream, signal: AbortSignal, log: Logger) => {
    const address = transport === 'relay' ? null : ((await queue.host(host))?.address ?? null);
    if (transport !== 'direct' && (address === null || failed.has(address)))
      return counted('relay', wanted, await queue.relay(host, wanted, signal));
    try {
      if (address === null) throw new Unreachable(host, 'it has announced no address');
      return counted('direct', wanted, await openDirect(address, wanted, signal));
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      if (transport === 'direct') {
        const detail = `the worker of the host ${host} cannot be reached directly, and --stream is direct`;
        throw new Failure('host_unavailable', detail, { cause: error });
      }
      log.warn({ host, reason: String(error.cause) }, 'the worker cannot be reached directly; using Redis');
      if (address !== null) failed.add(address);
      return counted('relay', wanted, await queue.relay(host, wanted, signal));
    }
  };
  return open as OpenStreamOf;
}

function counted(transport: 'relay' | 'direct', wanted: WantedStream, opened: OpenStream): OpenStream {
  streamOpenings.add({ stream: wanted.name, transport });
  return opened;
}
