import type { Logger } from 'pino';
import { every } from '../lib/async/every.ts';
import { type ReadKeys, readKeyring } from './key-files.ts';
import type { Keyring, KeySource } from './keyring.ts';

/** Milliseconds between two looks at the directory, and so until a change there takes effect. */
const lookInterval = 10_000;

export interface WatchedKeys {
  current: KeySource;
  close(): void;
}

/**
 * Reads a directory of keys and follows its changes. Throws when a key is unusable at the
 * start. Later such a key counts as missing, and the log gives the reason: a key that is gone, or
 * that others had access to, is no key. Where a fault may pass, such as too many open files, the
 * key that is in use stays.
 */
export async function watchKeys(
  directory: string,
  log: Logger,
  interval = lookInterval,
): Promise<WatchedKeys> {
  const first = await readKeyring(directory);
  const [fault] = keyFaults(directory, first);
  if (fault !== undefined) throw new Error(fault);
  log.info(idsOf(first.keyring), 'keys are in use');
  let last = first;
  let told = '';
  const look = async () => {
    const now = await readKeyring(directory, last.keys);
    const said = now.problems.join('\n');
    const what = (reason: string) =>
      now.passing.has(reason) ? 'a key cannot be read; the one in use stays' : 'a key is not used';
    if (said !== told) for (const reason of now.problems) log.error({ reason }, what(reason));
    told = said;
    if (now.version === last.version) return;
    last = now;
    log.info(idsOf(now.keyring), 'keys have changed');
  };
  return { current: () => last.keyring, close: every(interval, look, log) };
}

/** The faults that keep a role from starting with these keys; each line names a remedy. */
export function keyFaults(directory: string, { keyring, problems }: ReadKeys): string[] {
  if (problems.length > 0) return problems;
  const files = { daemons: '<kid>.daemon.key', issuers: '<kid>.issuer.pub' };
  return (['daemons', 'issuers'] as const)
    .filter((side) => keyring[side].size === 0)
    .map((side) => `there is no ${files[side]} in ${directory}; gear token keygen ${directory} makes keys`);
}

const idsOf = ({ issuers, daemons }: Keyring) => ({
  issuers: [...issuers.keys()],
  daemons: [...daemons.keys()],
});
