import type { Closers } from '../lib/async/closers.ts';
import { every } from '../lib/async/every.ts';
import { pause } from '../lib/async/pause.ts';
import type { WorkerQueue } from '../queue/worker-queue.ts';
import { createAuthorizer } from './authorization.ts';
import { watchGears } from './gear/watch-gears.ts';
import type { HostOptions } from './host-options.ts';
import type { HostServices } from './host-services.ts';
import type { Announcer } from './host-state/announcer.ts';
import type { Handlers } from './jobs/context.ts';
import { createJobJournal } from './jobs/job-journal.ts';
import { createQueryHandlers } from './queries.ts';
import { sweepDrafts } from './repository/draft.ts';
import { Runner } from './runner/runner.ts';
import { createSources } from './streams/open-source.ts';
import { openStreamServer } from './streams/stream-server.ts';

/** Everything needed to run the jobs of a host. */
export interface HostParts {
  queue: WorkerQueue;
  announcer: Announcer;
  services: HostServices;
  handlers: Handlers;
  /** Closes everything opened for the host, including here. */
  closers: Closers;
}

export interface RunningWorker {
  /** Stops taking work, lets jobs end within the grace (milliseconds), hands the others back. */
  close(grace: number): Promise<void>;
}

/** Milliseconds between two checks of the open jobs, for lost deliveries and cancellations. */
const scanInterval = 2_000;
/** Milliseconds between two checks of the journal for old entries. */
const pruneInterval = 180_000;

/** Runs the jobs of an opened host. Resolves when it has announced itself. */
export async function runHost(options: HostOptions, parts: HostParts): Promise<RunningWorker> {
  const { host, journalSeconds, streamListen, log } = options;
  const { queue, announcer, services, handlers, closers } = parts;
  watchGears(services);
  const journal = createJobJournal(services.paths);
  const authorizer = createAuthorizer(options);
  const { records } = queue;
  const runner = new Runner({ records, authorizer, journal, services, handlers });
  const sources = createSources(services);
  closers.push(sources.close);
  const server = streamListen && (await openStreamServer({ host, authorizer, sources, log }, streamListen));
  if (server) closers.push(server.close);
  const live = announcer.keep(server?.address ?? null, runner.inWork);
  closers.push(live.stop);
  await live.ready;
  await sweepDrafts(services, await records.open());
  await journal.tidy();
  const answers = createQueryHandlers({ queue, services, authorizer, sources, cancel: runner.cancel });
  queue.open(runner.deliver, answers);
  await runner.scanOpenJobs();
  closers.push(every(scanInterval, runner.scanOpenJobs, log));
  closers.push(every(scanInterval, runner.lookForCancellations, log));
  closers.push(every(pruneInterval, () => journal.prune(journalSeconds), log));
  return {
    async close(grace) {
      await runner.drain(grace);
      await Promise.race([queue.stopReceiving(), pause(2_000)]);
      await closers.close();
    },
  };
}
