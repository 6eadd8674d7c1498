import { AsyncLocalStorage } from 'node:async_hooks';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll } from 'vitest';
import { Failure } from '../../src/jobs/errors.ts';
import { type JobType, jobs, type Params } from '../../src/jobs/registry.ts';
import { gearBody } from '../../src/jobs/types/container.ts';
import { pause } from '../../src/lib/async/pause.ts';
import { listenToFailpoints } from '../../src/lib/effect.ts';
import { DockerClient } from '../../src/worker/docker/dockerode.ts';
import { handlers } from '../../src/worker/handlers/handlers.ts';
import type { Handler, JobContext } from '../../src/worker/jobs/context.ts';
import { createJobJournal, type JobJournal } from '../../src/worker/jobs/job-journal.ts';
import { sampleImage } from './daemon.ts';
import { type OpenHostServices, openHostServices } from './host-services.ts';

/** Jobs that the real handlers do on this host, without a worker around them, and that a test can interrupt anywhere. */

export const docker = new DockerClient({ socketPath: '/var/run/docker.sock' });
/** The services of this host, while `onThisHost` has them open. */
export let open: OpenHostServices;
let journal: JobJournal;

/** Opens the services of this host for the tests of a file. */
export function onThisHost(): void {
  beforeAll(async () => {
    await sampleImage();
    open = await openHostServices();
    journal = createJobJournal(open.paths);
    listenToFailpoints((point) => interrupted.getStore()?.(point));
  });
  afterAll(async () => {
    listenToFailpoints(null);
    await open.close();
  });
}

/** What happens at the failpoints of one run; other runs go on side by side. */
export const interrupted = new AsyncLocalStorage<(point: string) => void | Promise<void>>();

let jobsMade = 0;
const nextJob = () => (++jobsMade).toString(16).padStart(32, '0');

/** One job: its context lasts over all its runs. */
export function begin<T extends JobType>({ type, params }: { type: T; params: Params<T> }) {
  const job = nextJob();
  const context = (signal = new AbortController().signal): JobContext => ({
    job,
    tenant: '0',
    sees: () => true,
    services: open.services,
    signal,
    report: () => undefined,
    checkpoint: (look) => journal.checkpoint(job, look),
  });
  const handler = handlers[type] as unknown as Handler<JobType>;
  return {
    run: (signal?: AbortSignal) => handler.run(params, context(signal)),
    isCommitted: async () => (await handler.isCommitted?.(params, context())) ?? false,
    undo: async (why: Failure | null = null) => {
      await handler.undo?.(params, context(), why);
    },
    abandon: (why: Failure) => handler.abandon?.(params.resource, context(), why),
    end: () => journal.clear(job),
  };
}

/** A fault that a test has put there. */
export class Injected extends Failure {
  constructor() {
    super('host_unavailable', 'a fault that passes', { transient: true });
  }
}

/**
 * Jobs share the reloads of systemd: where the fault of another run was put into a shared one, the work is done again, as the
 * worker does. Every other failure counts.
 */
export async function apart<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Injected)) throw error;
    }
  }
}

/** Runs a job of its own to its end; returns how it failed, or null. */
export async function attempt<T extends JobType>(type: T, params: Params<T>): Promise<Failure | null> {
  const job = begin({ type, params });
  let failure: Failure | null = null;
  await apart(job.run).catch((error: Failure) => {
    failure = error;
    return apart(() => job.undo(error));
  });
  await job.end();
  return failure;
}

/** Runs a job that must succeed, after a transient failure again as the worker does: what a test begins with is there. */
export async function perform<T extends JobType>(type: T, params: Params<T>): Promise<void> {
  let failure = await attempt(type, params);
  for (let again = 0; failure?.transient && again < 3; again++) {
    await pause(250);
    failure = await attempt(type, params);
  }
  if (failure !== null) throw new Error(`${type} failed: ${failure.message}`, { cause: failure });
}

export const gear = (
  resource: string,
  more: object = {},
  { start = true, createOnly = false } = {},
): Params<'container.install'> => ({
  resource,
  ...jobs['container.install'].paramsOf({
    t: 'geard/sample',
    body: gearBody.parse({ ports: [{ internal: 8080, external: portOf(resource) }], start, ...more }),
    createOnly,
  }),
});

const ports = new Map<string, number>();

/** The external port of a gear. No two names have the same: tests run side by side and leave gears. */
function portOf(resource: string): number {
  const port = ports.get(resource) ?? 20_000 + ports.size;
  ports.set(resource, port);
  return port;
}

export const absent = (resource: string) => attempt('container.remove', { resource });
export const there = (resource: string, more: object = {}) =>
  perform('container.install', gear(resource, more));
/** A command with which a gear does not start. */
export const exits = { command: ['/bin/sh', '-c', 'exit 3'] };

export function environment(resource: string, value: string): Params<'environment.replace'> {
  return { resource, env: [{ name: 'SHARED', value }] };
}

/**
 * Does what is to be done, and says how often Docker has started the gear's container meanwhile: Docker's own record of it, for
 * events may reach a listener late.
 */
export async function countingStarts(resource: string, work: () => Promise<void>): Promise<number> {
  const now = () => Date.now() / 1000;
  const since = now();
  await work();
  const filters = { container: [`gear-${resource}`], event: ['start'] };
  const events = await text(await docker.getEvents({ since, until: now(), filters }));
  return events.split('\n').filter((line) => line !== '').length;
}
