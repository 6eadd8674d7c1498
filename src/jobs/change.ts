import type { RequestId } from './fields/request-id.ts';
import type { Command } from './registry.ts';

/** A request that is to become a job. */
export interface Change {
  id: RequestId;
  user: string;
  command: Command;
  /** Seconds for which it may wait for its host. */
  expires: number;
  /** Of user, method, path, r, t, h and body: the same id with another one is another request. */
  fingerprint: string;
}
