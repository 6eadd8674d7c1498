import type { Logger } from 'pino';
import { every } from '../lib/async/every.ts';
import { BadKey, readKeyring } from './key-files.ts';
import type { Keyring, KeySource } from './keyring.ts';

/**
 * Milliseconds between two looks at the directory; what changes there takes effect after so long.
 */
const lookInterval = 10_000;

export interface WatchedKeys {
  current: KeySource;
  close(): void;
}

/**
 * Reads a directory of keys and keeps up with it. Throws `BadKey` where any of them cannot be used
 * at the start. Later such a key counts as not there, and the log says why: a key that is gone, or
 * that others have had, is no key.
 */
export async function watchKeys(
  directory: string,
  log: Logger,
  interval = lookInterval,
): Promise<WatchedKeys> {
  const first = await readKeyring(directory);
  const missing = (['issuers', 'daemons'] as const).filter((side) => first.keyring[side].size === 0);
  const [problem] = first.problems;
  if (problem !== undefined) throw new BadKey(problem);
  if (missing.length > 0) {
    const file = missing.includes('daemons') ? '<kid>.daemon.key' : '<kid>.issuer.pub';
    throw new BadKey(`there is no ${file} in ${directory}; gear token keygen ${directory} makes keys`);
  }
  log.info(idsOf(first.keyring), 'keys are in use');
  let { keyring, version } = first;
  let told = '';
  const look = async () => {
    const now = await readKeyring(directory);
    const said = now.problems.join('\n');
    if (said !== told) for (const reason of now.problems) log.error({ reason }, 'a key is not used');
    told = said;
    if (now.version === version) return;
    ({ keyring, version } = now);
    log.info(idsOf(keyring), 'keys have changed');
  };
  return { current: () => keyring, close: every(interval, look, log) };
}

const idsOf = ({ issuers, daemons }: Keyring) => ({
  issuers: [...issuers.keys()],
  daemons: [...daemons.keys()],
});
