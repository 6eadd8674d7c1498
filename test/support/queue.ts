import type { Choice } from '../../src/queue/accept/submission.ts';
import type { Front } from '../../src/queue/api-queue.ts';
import type { Announcement, Holder } from '../../src/queue/directory/hosts.ts';
import { until } from './until.ts';

/** A host as its worker announces it. */
export const hostNamed = (name: string, more: Partial<Announcement> = {}): Announcement => ({
  ...{
    name,
    version: '1',
    gears: 0,
    draining: false,
    address: null,
    memory: 1_000,
    memoryTaken: 0,
    ports: [],
    limits: null,
  },
  lastSeen: Date.now(),
  ...more,
});

/** The worker of a disk. */
export const diskOf = (identity: string): Holder => ({ identity, place: `on the disk ${identity}` });

/** A request that may go to one host only. */
export const to = (host: string): Choice => ({
  only: host,
  candidates: [{ host, memory: 1_000, avoid: 0 }],
});

/** A request for whichever host has the most room. */
export const anyOf = (...hosts: string[]): Choice => ({
  only: null,
  candidates: hosts.map((host) => ({ host, memory: 1_000, avoid: 0 })),
});

/** Resolves when an api has reached its Redis. */
export const connected = (front: Front) =>
  until('the front is connected', () =>
    front.ping().then(
      () => true,
      () => false,
    ),
  );
