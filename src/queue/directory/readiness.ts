import { EventEmitter, once } from 'node:events';
import { Failure } from '../../jobs/errors.ts';
import { goneAfter, heartbeatInterval } from './hosts.ts';

/** Milliseconds that unexpected hosts have to announce themselves. */
const newcomers = 1_000;
/** Milliseconds that a request waits for the directory. */
const settleTimeout = 1_500;

/**
 * Whether the directory is reliable. After Redis has lost everything, it is empty until the workers
 * have announced their resources. Before that, no api may report a resource as absent or give a
 * name away.
 */
export interface DirectoryReadiness {
  /** A new epoch began `age` milliseconds ago: Redis lost everything, or is new to this api. */
  begin(age: number): void;
  /** The directory now has the resources of a host. */
  heard(host: string): void;
  /** A host has left on purpose: stops waiting for it. */
  left(host: string): void;
  /**
   * Resolves once the directory is reliable. Throws `queue_unavailable` when that takes too long
   * for a request.
   */
  settled(): Promise<void>;
  close(): void;
}

/** `expected`: hosts to wait for at the start. */
export function createDirectoryReadiness(expected: readonly string[]): DirectoryReadiness {
  const changed = new EventEmitter().setMaxListeners(0);
  let awaited = new Set(expected);
  let heard = new Set<string>();
  let open = true;
  let timer: NodeJS.Timeout | undefined;
  let begun = performance.now();

  const look = () => {
    if (!open) return;
    clearTimeout(timer);
    const left = timeFor(awaited, heard) - (performance.now() - begun);
    open = left > 0;
    if (open) timer = setTimeout(look, left).unref();
    else changed.emit('settled');
  };
  return {
    begin(age) {
      // Expects the hosts from before to come back, and those that it still waits for.
      if (heard.size > 0) awaited = new Set([...heard, ...(open ? awaited : [])]);
      heard = new Set();
      open = true;
      begun = performance.now() - age;
      look();
    },
    heard(host) {
      heard.add(host);
      look();
    },
    left(host) {
      heard.delete(host);
      awaited.delete(host);
      look();
    },
    async settled() {
      if (!open) return;
      await once(changed, 'settled', { signal: AbortSignal.timeout(settleTimeout) }).catch(() => {
        const detail =
          'Redis is new or has lost its data, and hosts are about to announce their resources; send the request again';
        throw new Failure('queue_unavailable', detail);
      });
    },
    close: () => clearTimeout(timer),
  };
}

/** Milliseconds from the start to wait for hosts. */
function timeFor(awaited: ReadonlySet<string>, heard: ReadonlySet<string>): number {
  const isMissing = [...awaited].some((host) => !heard.has(host));
  if (awaited.size > 0) return isMissing ? goneAfter : 0;
  return heard.size > 0 ? newcomers : heartbeatInterval;
}
