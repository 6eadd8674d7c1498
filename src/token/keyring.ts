import type { CryptoKey } from 'jose';

/** A key that opens tokens to this fleet. */
export interface DaemonKey {
  open: CryptoKey;
  /** Seals requests on their way through Redis; see seal.ts. */
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
