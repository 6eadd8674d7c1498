import { aboutCopy } from '../jobs/rpc/copy.ts';
import { createClosers } from '../lib/async/closers.ts';
import { Limiter, shared } from '../lib/async/limiter.ts';
import { createLocks } from '../lib/async/locks.ts';
import { openWorkerQueue, type WorkerQueue } from '../queue/worker-queue.ts';
import { createDocker } from './docker/docker.ts';
import { parseAllowance } from './domain/addresses.ts';
import type { AddressRange } from './domain/networks.ts';
import { hostPaths } from './domain/paths.ts';
import { wantedBy } from './domain/unit-file.ts';
import { readHashKey } from './environment/hidden-values.ts';
import { createGearIndex } from './gear/gear-index.ts';
import { tidyNetworks } from './gear/networks.ts';
import { handlers } from './handlers/handlers.ts';
import { makeDirectories, sweepTemporaryFiles } from './host/files.ts';
import { createReservations } from './host/ports.ts';
import type { HostOptions } from './host-options.ts';
import type { HostServices, RepositorySettings } from './host-services.ts';
import { createAnnouncer } from './host-state/announcer.ts';
import { leaseHolder } from './host-state/identity.ts';
import { createJournalFeed } from './journald/journal-feed.ts';
import type { CloneLimits } from './repository/clone-limits.ts';
import { openRepositories } from './repository/draft.ts';
import { type RunningWorker, runHost } from './run-host.ts';
import { openBus } from './systemd/bus.ts';
import { createSystemd } from './systemd/systemd.ts';

export interface WorkerOptions extends HostOptions {
  base: string;
  docker: string;
  githostImage: string | null;
  cloneAllow: readonly string[];
  cloneLimits: CloneLimits;
  registryAllow: readonly string[];
  startSeconds: number;
  networkPool: AddressRange;
}

/** Timeout for a D-Bus call, in milliseconds. */
const busDeadline = 25_000;

/**
 * Maximum time that a start slot of a busy user rests, in milliseconds. It is short because a
 * waiting start holds a slot for jobs.
 */
const longestCooldown = 5_000;

/**
 * Opens the worker of this host, whose lock the caller holds (host-lock.ts). Resolves when it has
 * announced itself.
 */
export async function openWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { host, base, limits, log } = options;
  const paths = hostPaths(base);
  const closers = createClosers();
  try {
    await makeDirectories(paths.directories);
    await openRepositories(paths, log);
    for (const directory of paths.directories) await sweepTemporaryFiles(directory);
    const bus = await openBus({ log, deadlineMs: busDeadline });
    closers.push(() => bus.close());
    const engine = createDocker({ socketPath: options.docker, log });
    closers.push(() => engine.close());
    const queue = openWorkerQueue({ ...options, holder: await leaseHolder(paths) });
    closers.push(() => queue.close());
    const systemd = await createSystemd(bus, wantedBy(engine), log);
    await systemd.settle(); // A worker that was killed may have left links that systemd does not know.
    const busy = new Set<string>();
    const gears = createGearIndex(paths);
    const announcer = createAnnouncer({ ...options, queue, paths, gears });
    const services: HostServices = {
      host,
      paths,
      systemd,
      engine,
      reservations: createReservations(paths, (resource) => busy.has(resource)),
      gears,
      gearLocks: createLocks(),
      busy,
      directory: { held: queue.held, announce: announcer.everything },
      networks: { pool: options.networkPool, locks: createLocks() },
      limits,
      journalFeed: createJournalFeed(log),
      pulls: new Limiter(shared(limits.maxPulls)),
      starts: new Limiter({ ...shared(limits.maxStarts), longestCooldown }),
      repositories: repositorySettings(options, queue),
      registries: parseAllowance(options.registryAllow),
      startSeconds: options.startSeconds,
      hashKey: await readHashKey(paths),
      log,
    };
    await tidyNetworks(services);
    return await runHost(options, { queue, announcer, services, handlers, closers });
  } catch (error) {
    await closers.abandon(log);
    throw error;
  }
}

function repositorySettings(options: WorkerOptions, queue: WorkerQueue): RepositorySettings {
  return {
    image: options.githostImage,
    allowance: parseAllowance(options.cloneAllow),
    limits: options.cloneLimits,
    requestCopy: async (job, source, signal) =>
      options.sealer.openStream(await queue.requestCopy(job, signal), aboutCopy(job, source)),
  };
}
