import type { Logger } from 'pino';
import { aboutCopy } from '../jobs/copy.ts';
import { createClosers } from '../lib/closers.ts';
import { every, timeout } from '../lib/every.ts';
import { createLocks } from '../lib/locks.ts';
import { openWorkerQueue, type RedisAccess, type WorkerQueue } from '../queue/open-worker-queue.ts';
import type { Sealer } from '../token/seal.ts';
import type { Verifier } from '../token/verifier.ts';
import { createAnnouncer } from './announcer.ts';
import { createAnswers } from './answers.ts';
import { parseAllowance } from './domain/clone-target.ts';
import { hostPaths } from './domain/paths.ts';
import { createGate, type Gate } from './gate.ts';
import { handlers } from './handlers/handlers.ts';
import { openBus } from './host/bus.ts';
import { createDocker } from './host/docker.ts';
import { makeDirectories, sweepTemporaryFiles } from './host/files.ts';
import { lockHost } from './host/host-lock.ts';
import { createReservations } from './host/ports.ts';
import { createSystemd } from './host/systemd.ts';
import { holderOf } from './identity.ts';
import { createJournal } from './journal.ts';
import { openRepositories, sweepDrafts } from './repository/draft.ts';
import type { CloneLimits } from './repository/git-container.ts';
import type { RepositorySettings, Room } from './room.ts';
import { createRunner, type Runner } from './runner.ts';
import { createSources, type Sources } from './streams/open-source.ts';
import { openStreamServer } from './streams/stream-server.ts';

export interface WorkerOptions {
  host: string;
  base: string;
  redis: RedisAccess;
  docker: string;
  /** Seconds for which a finished job is kept, in Redis and in the worker's own journal. */
  keepSeconds: number;
  journalSeconds: number;
  concurrency: number;
  version: string;
  /** Where apis may fetch streams directly; null: through Redis only. */
  streamListen: { host: string; port: number } | null;
  verifier: Verifier;
  sealer: Sealer;
  githostImage: string;
  cloneAllow: readonly string[];
  cloneLimits: CloneLimits;
  /** Called when this worker must not go on. */
  onFatal(error: Error): void;
  log: Logger;
}

export interface RunningWorker {
  /** Stops taking work, lets running jobs end for the grace (milliseconds), hands the others back. */
  close(grace: number): Promise<void>;
}

/** Milliseconds between two looks at the open jobs, for deliveries that got lost. */
const sweepInterval = 2_000;
/** Milliseconds between two comparisons of the journal with the calendar. */
const tidyInterval = 180_000;
/** Milliseconds a D-Bus call may take. */
const busDeadline = 25_000;

/** Opens the worker of this host; rejects when another one is open. Resolves when it has announced itself. */
export async function openWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { host, base, log, journalSeconds } = options;
  const paths = hostPaths(base);
  const closers = createClosers();
  try {
    await makeDirectories(paths.directories);
    closers.push(await lockHost(base));
    await openRepositories(paths, log);
    for (const directory of paths.directories) await sweepTemporaryFiles(directory);
    const bus = await openBus({ log, deadlineMs: busDeadline });
    closers.push(() => bus.close());
    const docker = createDocker({ socketPath: options.docker, log });
    closers.push(() => docker.close());
    const queue = openWorkerQueue({ ...options, holder: await holderOf(paths) });
    closers.push(() => queue.close());
    const systemd = await createSystemd(bus, log);
    await systemd.reload(); // A worker that was killed may have left links that systemd does not know.
    const busy = new Set<string>();
    const reservations = createReservations(paths, (resource) => busy.has(resource));
    const repositories: RepositorySettings = {
      image: options.githostImage,
      allowance: parseAllowance(options.cloneAllow),
      limits: options.cloneLimits,
      fetch: async (job, source, signal) =>
        options.sealer.openStream(await queue.fetch(job, signal), aboutCopy(job, source)),
    };
    const announcer = createAnnouncer({ ...options, queue, paths, reservations });
    const room: Room = {
      ...{ host, paths, systemd, docker, reservations, gearLocks: createLocks(), busy, repositories, log },
      directory: { held: queue.held, announce: announcer.everything },
    };
    const journal = createJournal(paths);
    const gate = createGate(options);
    const runner = createRunner({ ledger: queue.ledger, gate, journal, room, handlers, busy, log });
    const sources = createSources(room);
    closers.push(sources.close);
    const server = await openServer(gate, sources, options);
    if (server) closers.push(server.close);
    const live = announcer.keep(server?.address ?? null);
    closers.push(live.stop);
    await live.ready;
    await sweepDrafts(paths, await queue.ledger.open());
    queue.open(
      runner.deliver,
      createAnswers({
        ...{ room, gate, sources, log },
        ...{ cancel: runner.cancel, readJob: queue.ledger.read, relay: queue.relay },
      }),
    );
    closers.push(every(sweepInterval, () => deliverOpenJobs(queue, runner), log));
    closers.push(every(tidyInterval, () => journal.prune(journalSeconds), log));
    return {
      async close(grace) {
        await runner.drain(grace);
        await Promise.race([queue.stopReceiving(), timeout(2_000)]);
        await closers.close();
      },
    };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function openServer(gate: Gate, sources: Sources, { host, streamListen, log }: WorkerOptions) {
  return streamListen ? openStreamServer({ host, gate, sources, log }, streamListen) : null;
}

/** BullMQ's deliveries come at once; this finds those that a crash in between has lost. */
async function deliverOpenJobs(queue: WorkerQueue, runner: Runner): Promise<void> {
  for (const id of await queue.ledger.open()) runner.deliver(id).catch(() => undefined);
}
