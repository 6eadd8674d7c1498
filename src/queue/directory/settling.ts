import { EventEmitter, once } from 'node:events';
import { Failure } from '../../jobs/errors.ts';
import { goneAfter, heartbeatInterval } from './hosts.ts';

/** Milliseconds in which hosts that nobody expects have time to say that they are there. */
const newcomers = 1_000;
/** Milliseconds for which a request waits for the directory. */
const patience = 1_500;

/**
 * Whether the directory can be relied upon. After Redis has lost everything it is empty until the
 * workers have said what they hold: nothing must be told to be absent, and no name be given away,
 * before that.
 */
export interface DirectoryReadiness {
  /** Everything was lost, or is seen for the first time, so many milliseconds ago. */
  begin(age: number): void;
  /** What a host holds is in the directory. */
  heard(host: string): void;
  /** A host has gone on purpose: nobody needs to wait for it. */
  left(host: string): void;
  /**
   * Resolves when the directory can be relied upon. Throws `queue_unavailable` where that takes too
   * long for a request.
   */
  settled(): Promise<void>;
  close(): void;
}

/** `expected`: hosts that are to be heard of in the beginning. */
export function createDirectoryReadiness(expected: readonly string[]): DirectoryReadiness {
  const changed = new EventEmitter().setMaxListeners(0);
  let awaited = new Set(expected);
  let heard = new Set<string>();
  let open = true;
  let timer: NodeJS.Timeout | undefined;
  let begun = performance.now();

  const settle = () => {
    clearTimeout(timer);
    open = false;
    changed.emit('settled');
  };
  const look = () => {
    if (!open) return;
    clearTimeout(timer);
    const waited = performance.now() - begun;
    const limit = timeFor(awaited, heard);
    if (waited >= limit) settle();
    else timer = setTimeout(look, limit - waited).unref();
  };
  return {
    begin(age) {
      // Who was there before is expected to come back.
      if (heard.size > 0) awaited = heard;
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
      await once(changed, 'settled', { signal: AbortSignal.timeout(patience) }).catch(() => {
        const detail =
          'hosts are about to say what they hold, for Redis is new or has lost it; send the request again';
        throw new Failure('queue_unavailable', detail);
      });
    },
    close: () => clearTimeout(timer),
  };
}

/** Milliseconds from the beginning for which hosts are waited for. */
function timeFor(awaited: ReadonlySet<string>, heard: ReadonlySet<string>): number {
  const isMissing = [...awaited].some((host) => !heard.has(host));
  if (awaited.size > 0) return isMissing ? goneAfter : 0;
  return heard.size > 0 ? newcomers : heartbeatInterval;
}
