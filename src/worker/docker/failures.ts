import { type ErrorCode, Failure, hostUnavailable } from '../../jobs/errors.ts';
import { effect } from '../../lib/effect.ts';
import { registryUnreachable } from '../engine/failures.ts';
import { diskIsFull, saysDiskIsFull } from '../host/files.ts';

/** Whether Docker answered with one of these HTTP statuses, also as the cause of a failure. */
export function hasStatus(error: unknown, ...statuses: number[]): boolean {
  const answer = error instanceof Failure ? error.cause : error;
  return (
    answer instanceof Error && 'statusCode' in answer && statuses.some((one) => one === answer.statusCode)
  );
}

/** Waits for a removal. Ignores a refusal (403 for networks) while a container uses the thing. */
export async function unlessInUse(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!hasStatus(error, 403, 409)) throw error;
  }
}

/**
 * Maps an error of Docker to a transient failure: its disk is full, or the engine is away or
 * overloaded.
 */
export function asDockerFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (saysDiskIsFull(String(error))) return diskIsFull(error);
  const detail = hasStatus(error, 409)
    ? 'Docker is busy with this container'
    : 'the Docker engine does not answer';
  return hostUnavailable(detail, error);
}

/** Docker's answer, or null when Docker does not know the thing. */
export async function orNull<T>(name: string, ask: () => Promise<T>, of?: string): Promise<T | null> {
  try {
    return await effect(`docker.${name}`, ask, of);
  } catch (error) {
    if (hasStatus(error, 404)) return null;
    throw asDockerFailure(error);
  }
}

/**
 * The beginnings of the engine's messages about files of its own. A registry's text stands behind
 * a code (`unknown: `) or behind the engine's words for an answer.
 */
const aboutFiles = [
  /^(?:write|mkdir|open|rename|link|symlink|sync|fsync|truncate|chmod|lchown) \//,
  /^failed to copy: (?:failed to send write: )?write \//,
  /^failed to (?:register layer|extract layer|prepare extraction snapshot)\b/,
  /^failed commit on ref /,
  /^error creating temporary lease: /,
  /^apply layer error for "[^"]*": failed to extract layer\b/,
];

/** Whether the engine had no room for an image. What a registry says of a disk does not count. */
function hadNoRoom(message: string): boolean {
  const said = message.replace(/^\(HTTP code \d+\) [a-z ]+ - /, '').trimEnd();
  const isFull = /(?:no space left on device|disk quota exceeded)(?:: unknown)?$/i.test(said);
  return isFull && aboutFiles.some((beginning) => beginning.test(said));
}

/**
 * Classifies a failed pull by the messages of the engine and the registry. The messages stay in the
 * log: they reveal which addresses answer, and which do not.
 */
export function asPullFailure(reference: string, error: unknown): Failure {
  const { message, code } = error as Error & { code?: string };
  const failed = (what: ErrorCode, detail: string) => new Failure(what, detail, { cause: error });
  if (code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ECONNRESET' || code === 'EPIPE')
    return asDockerFailure(error);
  if (hadNoRoom(message)) return diskIsFull(error);
  // The server there speaks HTTP but is no registry.
  if (/error parsing HTTP/i.test(message)) return registryUnreachable(reference, error);
  if (/denied|unauthorized|authentication required|no basic auth|forbidden/i.test(message))
    return failed('registry_failed', `the registry does not allow pulling ${reference}`);
  if (/manifest unknown|not found|does not exist|name unknown|no such image/i.test(message))
    return failed('image_not_found', `there is no image ${reference} in its registry`);
  if (/verification failed/i.test(message))
    return failed('registry_failed', `the registry returned an image other than ${reference}`);
  return registryUnreachable(reference, error);
}
