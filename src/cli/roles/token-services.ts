import type { Logger } from 'pino';
import type { Closers } from '../../lib/async/closers.ts';
import { noKeys } from '../../token/keyring.ts';
import { createSealer } from '../../token/seal.ts';
import { createVerifier } from '../../token/verifier.ts';
import { watchKeys } from '../../token/watch-keys.ts';
import { type Config, lifetimesOf } from '../options/config.ts';

/** Opens the verifier of tokens and the sealer of requests; both follow changes of the keys. */
export async function openTokenParts(config: Config, log: Logger, closers: Closers) {
  const { fleet, testToken } = config;
  const watched = config.keys === null ? null : await watchKeys(config.keys, log);
  if (watched) closers.push(watched.close);
  const keys = watched?.current ?? noKeys;
  return {
    verifier: createVerifier({ keys, fleet, lifetimes: lifetimesOf(config), testToken }),
    sealer: createSealer(keys, testToken),
  };
}
