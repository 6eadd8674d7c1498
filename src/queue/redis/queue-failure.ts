import { Failure } from '../../jobs/errors.ts';

const ofTheNetwork =
  /ECONN|connect ENOENT|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|Connection is closed|Command aborted|isn't writeable|Command timed out|Socket timeout|max retries/i;

/** Sentinels know no master; no node of a Cluster answers, or they do not agree. */
const ofMany =
  /sentinels are unreachable|Failed to refresh slots cache|startup nodes is available|Node is disconnected|Cluster is (?:ended|disconnect)|Cluster isn't ready|Too many Cluster redirections|No subscriber for the cluster/i;

/** Errors of a Redis that cannot take writes, or rejects our login. */
const ofRedis =
  /^(?:LOADING|READONLY|MASTERDOWN|NOREPLICAS|UNBLOCKED|OOM|MISCONF|NOAUTH|WRONGPASS|NOPERM|CLUSTERDOWN|TRYAGAIN|MOVED|ASK) /;

/** The error of a Redis whose disk is full. */
const ofItsDisk = /^MISCONF .*No space left on device/;

/**
 * The failure to report to a client when an error means that Redis is unreachable or cannot take
 * writes; otherwise null.
 */
export function asQueueFailure(error: unknown): Failure | null {
  if (!(error instanceof Error) || error instanceof Failure) return null;
  const { message } = reasonOf(error);
  const signs = [ofTheNetwork, ofMany, ofRedis];
  if (!signs.some((sign) => sign.test(message)) && error.name !== 'MaxRetriesPerRequestError') return null;
  const detail = ofItsDisk.test(message)
    ? 'the queue cannot store anything because the disk of its Redis is full; free space, then send the request again'
    : 'the queue cannot be reached; send the request again a little later';
  return new Failure('queue_unavailable', detail, { cause: error });
}

/** Redis discards a transaction (EXECABORT) without a reason; the refused commands have it. */
const reasonOf = (error: Error & { previousErrors?: Error[] }): Error => error.previousErrors?.[0] ?? error;

/**
 * The same call, but it throws `queue_unavailable` when Redis is unreachable or cannot take writes.
 */
export function guarded<A extends unknown[], T>(
  call: (...args: A) => Promise<T>,
): (...args: A) => Promise<T> {
  return async (...args) => {
    try {
      return await call(...args);
    } catch (error) {
      throw asQueueFailure(error) ?? error;
    }
  };
}
