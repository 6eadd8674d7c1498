import type { Logger } from 'pino';
import type { HostLimits } from '../jobs/limits.ts';
import type { RedisAccess } from '../queue/worker-queue.ts';
import type { Sealer } from '../token/seal.ts';
import type { Verifier } from '../token/verifier.ts';

export interface HostOptions {
  host: string;
  redis: RedisAccess;
  /** Seconds to keep a finished job: in Redis, and in the worker's own journal. */
  keepSeconds: number;
  journalSeconds: number;
  limits: HostLimits;
  version: string;
  /** Where apis can fetch streams directly; null: only through Redis. */
  streamListen: { host: string; port: number } | null;
  verifier: Verifier;
  sealer: Sealer;
  /** Called when this worker must not go on. */
  onFatal(error: Error): void;
  log: Logger;
}
