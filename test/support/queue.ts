import { succeeds } from '../../src/lib/async/succeeds.ts';
import type { Placement } from '../../src/queue/accept/submission.ts';
import type { ApiQueue } from '../../src/queue/api-queue.ts';
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

/** No gear gets memory that its spec does not name. */
const gearMemory = { usual: 0, others: new Map<string, number>() };

/** A request that may go to one host only. */
export const to = (host: string): Placement => ({
  only: host,
  candidates: [{ host, memory: 1_000, avoid: 0 }],
  gearMemory,
  gone: [],
});

/** A request for whichever host has the most room. */
export const anyOf = (...hosts: string[]): Placement => ({
  only: null,
  candidates: hosts.map((host) => ({ host, memory: 1_000, avoid: 0 })),
  gearMemory,
  gone: [],
});

/** Resolves when an api has reached its Redis. */
export const connected = (queue: ApiQueue) => until('the front is connected', () => succeeds(queue.ping()));
