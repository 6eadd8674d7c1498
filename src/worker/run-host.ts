import type { Closers } from '../lib/async/closers.ts';
import { every, timeout } from '../lib/async/every.ts';
import type { WorkerQueue } from '../queue/worker-queue.ts';
import { createGate, type Gate } from './authorization.ts';
import type { HostOptions } from './host-options.ts';
import type { Room } from './host-services.ts';
import type { Announcer } from './host-state/announcer.ts';
import type { Handlers } from './jobs/context.ts';
import { createJournal } from './jobs/job-journal.ts';
import { createRunner, type Runner } from './jobs/runner.ts';
import { createAnswers } from './queries.ts';
import { sweepDrafts } from './repository/draft.ts';
import { createSources, type Sources } from './streams/open-source.ts';
import { openStreamServer } from './streams/stream-server.ts';

/** What the jobs of a host are done with. */
export interface HostParts {
  queue: WorkerQueue;
  announcer: Announcer;
  room: Room;
  /** The room's, kept up to date here. */
  busy: Set<string>;
  handlers: Handlers;
  /** Closes what was opened for the host, and what is opened here. */
  closers: Closers;
}

export interface RunningWorker {
  /** Stops taking work, lets running jobs end for the grace (milliseconds), hands the others back. */
  close(grace: number): Promise<void>;
}

/** Milliseconds between two looks at the open jobs, for deliveries that got lost. */
const sweepInterval = 2_000;
/** Milliseconds between two comparisons of the journal with the calendar. */
const tidyInterval = 180_000;

/** Does the jobs of a host that has been opened. Resolves when it has announced itself. */
export async function runHost(options: HostOptions, parts: HostParts): Promise<RunningWorker> {
  const { journalSeconds, log } = options;
  const { queue, announcer, room, busy, handlers, closers } = parts;
  const journal = createJournal(room.paths);
  const gate = createGate(options);
  const { ledger } = queue;
  const runner = createRunner({ ledger, gate, journal, room, handlers, busy, ...options.limits, log });
  const sources = createSources(room);
  closers.push(sources.close);
  const server = await openServer(gate, sources, options);
  if (server) closers.push(server.close);
  const live = announcer.keep(server?.address ?? null);
  closers.push(live.stop);
  await live.ready;
  await sweepDrafts(room.paths, await queue.ledger.open());
  await journal.tidy();
  queue.open(
    runner.deliver,
    createAnswers({
      ...{ room, gate, sources, ...options.limits, log },
      ...{ cancel: runner.cancel, readJob: queue.ledger.read, relay: queue.relay },
    }),
  );
  await deliverOpenJobs(queue, runner);
  closers.push(every(sweepInterval, () => deliverOpenJobs(queue, runner), log));
  closers.push(every(tidyInterval, () => journal.prune(journalSeconds), log));
  return {
    async close(grace) {
      await runner.drain(grace);
      await Promise.race([queue.stopReceiving(), timeout(2_000)]);
      await closers.close();
    },
  };
}

async function openServer(gate: Gate, sources: Sources, { host, streamListen, log }: HostOptions) {
  return streamListen ? openStreamServer({ host, gate, sources, log }, streamListen) : null;
}

/** BullMQ's deliveries come at once; this finds those that a crash in between has lost. */
async function deliverOpenJobs(queue: WorkerQueue, runner: Runner): Promise<void> {
  for (const id of await queue.ledger.open()) runner.deliver(id).catch(() => undefined);
}
