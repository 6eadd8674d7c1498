import type { Logger } from 'pino';
import { Failure } from '../../jobs/errors.ts';
import type { OpenStream, StreamHead, StreamName, Transport } from '../../jobs/rpc/streams.ts';
import { createRecent } from '../../lib/recent.ts';
import type { ApiQueue, WantedStream } from '../../queue/api-queue.ts';
import { openDirect, Unreachable } from './direct.ts';

/**
 * Opens a stream of a host's worker. `sealed` is the client's own request, which the worker verifies itself; `how` is how
 * the stream is to be written.
 */
export type OpenStreamOf = <S extends StreamName>(
  host: string,
  name: S,
  sealed: string,
  how: object,
  signal: AbortSignal,
) => Promise<{ head: StreamHead<S>; body: OpenStream['body'] }>;

/** Milliseconds for which an address that did not answer is not tried again. */
const forgetAfter = 10_000;

export function createStreamOpener(queue: ApiQueue, transport: Transport, log: Logger): OpenStreamOf {
  const unreachable = createRecent(forgetAfter);

  const addressOf = async (host: string) => (await queue.host(host))?.address ?? null;

  const direct = async (host: string, wanted: WantedStream, signal: AbortSignal) => {
    const address = await addressOf(host);
    if (address === null) throw new Unreachable(host, 'it has announced no address');
    return openDirect(address, wanted, signal);
  };

  /** Directly where that works, through Redis where it does not: before the first byte nobody sees the difference. */
  const either = async (host: string, wanted: WantedStream, signal: AbortSignal) => {
    const address = await addressOf(host);
    if (address === null || unreachable.has(address)) return queue.relay(host, wanted, signal);
    try {
      return await openDirect(address, wanted, signal);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      unreachable.add(address);
      log.warn({ host, reason: String(error.cause) }, 'the worker cannot be reached directly; using Redis');
      return queue.relay(host, wanted, signal);
    }
  };

  const open = (host: string, wanted: WantedStream, signal: AbortSignal) => {
    if (transport === 'relay') return queue.relay(host, wanted, signal);
    return transport === 'direct' ? direct(host, wanted, signal) : either(host, wanted, signal);
  };

  return async (host, name, sealed, how, signal) => {
    try {
      const { head, body } = await open(host, { name, sealed, how }, signal);
      return { head: head as never, body };
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      const detail = `the worker of the host ${host} cannot be reached directly, and --stream is direct`;
      throw new Failure('host_unavailable', detail, { cause: error });
    }
  };
}
