import type { CryptoKey } from 'jose';

/** A key with which tokens to this fleet are opened. */
export interface DaemonKey {
  open: CryptoKey;
  /** What requests on their way through Redis are sealed with; see seal.ts. */
  secret: Buffer;
}

/** The keys of a daemon, an api or a worker, by key id. */
export interface Keyring {
  issuers: ReadonlyMap<string, CryptoKey>;
  daemons: ReadonlyMap<string, DaemonKey>;
}

/** The keys as they are now: they may come and go while we run. */
export type KeySource = () => Keyring;

export const noKeys: KeySource = () => ({ issuers: new Map(), daemons: new Map() });
