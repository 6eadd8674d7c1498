import pino from 'pino';
import { Limiter, shared } from '../../src/lib/async/limiter.ts';
import { createLocks } from '../../src/lib/async/locks.ts';
import { createDocker } from '../../src/worker/docker/docker.ts';
import { parseAllowance } from '../../src/worker/domain/addresses.ts';
import { type AddressRange, parsePool } from '../../src/worker/domain/networks.ts';
import { type HostPaths, hostPaths } from '../../src/worker/domain/paths.ts';
import { wantedBy } from '../../src/worker/domain/unit-file.ts';
import { createGearIndex } from '../../src/worker/gear/gear-index.ts';
import { makeDirectories } from '../../src/worker/host/files.ts';
import { createReservations } from '../../src/worker/host/ports.ts';
import type { HostServices } from '../../src/worker/host-services.ts';
import { createJournalFeed } from '../../src/worker/journald/journal-feed.ts';
import { openRepositories } from '../../src/worker/repository/draft.ts';
import { type Bus, openBus } from '../../src/worker/systemd/bus.ts';
import { createSystemd } from '../../src/worker/systemd/systemd.ts';
import { makeBase, removeGearsOf } from './daemon.ts';
import { hostLimits } from './limits.ts';
import { ok } from './run.ts';

export interface OpenHostServices {
  services: HostServices;
  paths: HostPaths;
  /** By which the services control systemd. */
  bus: Bus;
  /** The gears on which the test has a job run. */
  busy: Set<string>;
  /** Takes away every gear that was made. */
  close(): Promise<void>;
}

/** What handlers work with, on this very host: real systemd, Docker and files, and no Redis. `base`: where; default: anew. */
export async function openHostServices(base?: string): Promise<OpenHostServices> {
  const log = pino({ level: 'silent' });
  const paths = hostPaths(base ?? (await makeBase()));
  await makeDirectories(paths.directories);
  await openRepositories(paths, log);
  const bus = await openBus({ log, deadlineMs: 25_000 });
  const engine = createDocker({ socketPath: '/var/run/docker.sock', log });
  const busy = new Set<string>();
  const services: HostServices = {
    host: 'h1',
    paths,
    systemd: await createSystemd(bus, wantedBy(engine), log),
    engine,
    reservations: createReservations(paths, (resource) => busy.has(resource)),
    gears: createGearIndex(paths),
    gearLocks: createLocks(),
    busy,
    directory: { held: async () => [], announce: async () => undefined },
    repositories: {
      image: null,
      allowance: parseAllowance([]),
      limits: { seconds: 60, megabytes: 100, objects: 10_000 },
      requestCopy: () => Promise.reject(new Error('there is no api')),
    },
    registries: parseAllowance([]),
    startSeconds: 30,
    hashKey: 'key',
    journalFeed: createJournalFeed(log),
    networks: { pool: parsePool('10.240.0.0/16') as AddressRange, locks: createLocks() },
    limits: hostLimits(),
    pulls: new Limiter(shared(16)),
    starts: new Limiter(shared(16)),
    log,
  };
  await services.systemd.settle();
  return {
    services,
    paths,
    bus,
    busy,
    async close() {
      await removeGearsOf(paths.base);
      engine.close();
      bus.close();
      await ok('rm', '-rf', paths.base);
    },
  };
}
