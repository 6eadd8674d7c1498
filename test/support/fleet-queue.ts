import pino from 'pino';
import { expect } from 'vitest';
import { Failure } from '../../src/jobs/errors.ts';
import type { Command } from '../../src/jobs/registry.ts';
import { pause } from '../../src/lib/async/pause.ts';
import type { JobSubmission } from '../../src/queue/accept/submission.ts';
import { type ApiQueue, openApiQueue, type RedisAccess } from '../../src/queue/api-queue.ts';
import { openWorkerQueue, type QueryHandlers, type WorkerQueue } from '../../src/queue/worker-queue.ts';
import { sealAnswer } from '../../src/requests/envelope.ts';
import { testToken } from '../../src/token/claims.ts';
import { noKeys } from '../../src/token/keyring.ts';
import { createSealer } from '../../src/token/seal.ts';
import { passwords } from './acl.ts';
import { jobLimits } from './limits.ts';
import { none } from './no-drift.ts';
import { diskOf, hostNamed, to } from './queue.ts';
import { until } from './until.ts';

/** What an api and the worker of h1 have of Redis, without anything around them. */
export interface FleetQueue {
  queue: ApiQueue;
  worker: WorkerQueue;
  /** Ids as they were delivered. */
  delivered: string[];
  /** The names that the worker was asked about for lists of gears; it says that it has none of them. */
  asked: string[][];
  /** Has the host hold gears, and the api know it. */
  hold(...resources: string[]): Promise<void>;
  /** A request to stop a gear, accepted. */
  accepted(resource: string): Promise<string>;
  /**
   * Requests until one is accepted; each refusal, kept in `refused`, must be one that a client can
   * do something with, in time.
   */
  untilAccepted(resource: string, refused?: string[]): Promise<string>;
  /** Executes nothing, and says that it was. */
  execute(id: string): Promise<'succeeded' | 'behind' | 'over'>;
  close(): Promise<void>;
}

const log = pino({ level: 'silent' });

let count = 0;
const newId = () => (++count).toString(16).padStart(32, '0');

export const stopping = (resource: string): JobSubmission => {
  const command: Command = { type: 'container.stop', params: { resource } };
  const seal = (host: string) => `sealed for ${host}`;
  return { id: newId(), command, fingerprint: 'f', user: '0', tenant: '0', expires: 86_400, seal };
};

/**
 * What a client is told where a call fails (null where it does not), and whether that was later than two seconds: by a timer of
 * this process, as the deadline of the call is one, and not by a clock that goes on while the process waits for a processor.
 */
export async function refusal(
  call: () => Promise<unknown>,
): Promise<{ code: string | null; isLate: boolean }> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
  }, 2_000);
  const code = await call().then(
    () => null,
    (error: unknown) => (error instanceof Failure ? error.code : String(error)),
  );
  clearTimeout(timer);
  return { code, isLate };
}

const body = (size: number) => Buffer.alloc(size, 'geard');

/** `roles`: whether each part has a user of its own; see `makeUsers`. */
export async function openFleetQueue(url: string, roles = false): Promise<FleetQueue> {
  const access = (username: keyof typeof passwords): RedisAccess =>
    roles ? { url, username, password: passwords[username] } : { url };
  const shared = { keepSeconds: 1_000, log };
  const queue = openApiQueue({
    ...{ ...shared, redis: access('geard-api'), limits: jobLimits(), expected: ['h1'] },
  });
  const worker = openWorkerQueue({
    ...{ ...shared, redis: access('geard-h1'), host: 'h1', holder: diskOf('1') },
  });
  const delivered: string[] = [];
  const asked: string[][] = [];
  const held: string[] = [];
  const plain = createSealer(noKeys, true);
  const answers: QueryHandlers = {
    'container.read': async () => Promise.reject(new Failure('container_not_found', 'h1 has no gear')),
    'environment.read': async (sealed) => sealAnswer(plain, [], { host: 'h1', sealed, token: testToken }),
    async 'container.list'(_sealed, args) {
      asked.push((args as { names: string[] }).names);
      return [];
    },
    ...{ 'drift.read': async () => none, 'job.cancel': async () => ({ aborting: true }) },
    async 'stream.open'(_sealed, args) {
      const { id, how } = args as { id: string; how: { size: number } };
      const source = async function* () {
        for (let i = 0; i < how.size; i += 50_000) yield body(Math.min(50_000, how.size - i));
      };
      worker.relay(id, source(), () => undefined).catch(() => undefined);
      return { head: {} };
    },
  };
  worker.open(async (id) => void delivered.push(id), answers);
  const announce = async () => {
    await worker.announceHeld('gear', async () => held);
    await worker.announceHost(hostNamed('h1'), 'held');
  };
  worker.onAsked(() => void announce().catch(() => undefined));
  await until('the api knows the host', async () => {
    const hosts = await queue.hosts().catch(() => []);
    return hosts.length === 1;
  });
  return {
    queue,
    worker,
    delivered,
    asked,
    async hold(...resources) {
      held.push(...resources);
      await announce();
      for (const resource of resources)
        await until(`${resource} is known`, async () => (await queue.findHolder('gear', resource)) === 'h1');
    },
    async accepted(resource) {
      const submission = stopping(resource);
      const answer = await queue.accept(submission, to('h1'));
      if (answer.verdict !== 'accepted') throw new Error(JSON.stringify(answer));
      return submission.id;
    },
    untilAccepted: (resource, refused = []) =>
      until('a request is accepted', async () => {
        const submission = stopping(resource);
        const { code, isLate } = await refusal(async () => {
          expect((await queue.accept(submission, to('h1'))).verdict).toBe('accepted');
        });
        expect(isLate).toBe(false);
        if (code === null) return submission.id;
        refused.push(code);
        return null;
      }),
    async execute(id) {
      const record = await worker.records.read(id);
      if (!record) throw new Error('no record');
      const { turn } = await worker.records.begin(record);
      if (turn !== 'begun') return turn;
      await worker.records.progress(id, { step: 'stop', message: 'stopping' });
      await worker.records.finish(record, { state: 'succeeded', result: null }, true);
      return 'succeeded';
    },
    async close() {
      await Promise.race([worker.stopReceiving(), pause(2_000)]); // As a worker does.
      await worker.close();
      await queue.close();
    },
  };
}
