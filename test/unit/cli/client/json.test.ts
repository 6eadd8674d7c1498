import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { createProgram } from '../../../../src/cli/program.ts';
import { problemOf } from '../../../../src/jobs/errors.ts';
import { type Job, type JobState, jobDocument } from '../../../../src/jobs/job.ts';
import { parseParameters } from '../../../../src/jobs/parameters.ts';
import { isJobType } from '../../../../src/jobs/registry.ts';
import { matchRoute, selectRoute } from '../../../../src/requests/routes.ts';
import { freePort } from '../../../support/free-port.ts';
import {
  accepted,
  changes,
  commandsWith,
  documentsIn,
  failed,
  ofHost,
  withoutHost,
} from '../../../support/json-commands.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'geard-json-'));
  vi.stubEnv('XDG_CONFIG_HOME', directory);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  process.removeAllListeners('SIGINT');
  await rm(directory, { recursive: true });
});

/** Has a command do in this process what it does, and returns what it has written and its exit code. */
async function gear(...args: string[]) {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((data, done?: unknown) => {
      written[name] += String(data);
      if (typeof done === 'function') done();
      return true;
    }),
  );
  try {
    const program = await createProgram(args.slice(0, 1));
    await program.parseAsync(args, { from: 'user' });
    return { ...written, status: process.exitCode };
  } finally {
    process.exitCode = undefined;
    for (const spy of spies) spy.mockRestore();
  }
}

const at = '2026-01-01T00:00:00.000Z';
const job: Job = {
  ...{ id: '2a'.padStart(32, '0'), type: 'container.install', state: 'queued', resource: 'web', host: 'h1' },
  ...{ user: 'admin', createdAt: at, startedAt: null, finishedAt: null, attempts: 0 },
  ...{ progress: null, result: null, error: null },
};
const removed = { host: 'h2', removed: { names: 3, jobs: 1 } };

/** A job as it ends. */
const ended = (type: string, state: JobState, result: Job['result'] = null): Job => ({
  ...{ ...job, type, state, startedAt: at, finishedAt: at, attempts: 1, result },
  error: state === 'failed' ? problemOf('start_failed', 'exit status 1', { job: job.id, host: 'h1' }) : null,
});

/** An api, whose one job ends in this state and with this result. */
async function openApi(state: JobState, result: Job['result'] = null): Promise<string> {
  let { type } = job;
  const answerTo = ({ method, url = '' }: IncomingMessage): [status: number, body: unknown] => {
    const { pathname, search } = new URL(url, 'http://api');
    const match = matchRoute({ method: method as 'GET', path: pathname });
    const { name } = selectRoute(match, parseParameters(search.slice(1)));
    if (isJobType(name)) type = name;
    const end = ended(type, state, result);
    const { error } = end;
    const lines = [
      { id: '1-0', time: at, step: 'start', message: 'it starts' },
      { event: 'end', reason: state, time: at, result, error },
    ];
    const answers: Partial<Record<typeof name, [number, unknown]>> = {
      'job.read': [200, end],
      // It is under way: what the command is to print is how it ends.
      'job.cancel': [202, { ...job, type, state: 'running', startedAt: at, attempts: 1 }],
      'job.log': [200, lines.map((line) => `${JSON.stringify(line)}\n`).join('')],
      'environment.read': [200, 'A="1"\n'],
      'host.remove': [200, removed],
    };
    return answers[name] ?? [202, { ...job, type }];
  };
  const server = createServer((request, response) => {
    const [status, body] = answerTo(request);
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a context is used from when it is added or chosen until it is forgotten', async () => {
  const used = async () => JSON.parse((await gear('context', 'ls', '--json')).stdout).current;
  await gear('context', 'add', 'one', '--api', 'http://a.example');
  await gear('context', 'add', 'two', '--api', 'http://b.example');
  expect(await used()).toBe('two');
  expect((await gear('context', 'use', 'one')).status).toBe(0);
  expect(await used()).toBe('one');
  expect((await gear('context', 'use', 'three')).status).toBe(2);
  expect(await used()).toBe('one');
  await gear('context', 'remove', 'one');
  expect(await used()).toBeNull();
});

const [takingJson, detaching] = [await commandsWith('--json'), await commandsWith('--detach')];

test('every command that takes --json has a schema of what it prints, and no other has one', () => {
  expect(Object.keys({ ...ofHost, ...withoutHost }).sort()).toEqual(takingJson.sort());
  expect(Object.keys(changes).sort()).toEqual(detaching.sort());
});

/** What each command is to be told besides a name. */
const more: Record<string, string[]> = {
  install: ['geard/sample'],
  'env set': ['A=1'],
  'env replace': ['A=1'],
  'env unset': ['A'],
};

test.each(
  Object.entries(changes),
)('gear %s --json prints with --detach the job as it was accepted', async (command, type) => {
  const args = [...command.split(' '), '--json', '--detach', '--api', await openApi('succeeded')];
  const { stdout, ...ends } = await gear(...args, 'web', ...(more[command] ?? []));
  expect(ends).toEqual({ status: 0, stderr: '' });
  expect(documentsIn(stdout, accepted(type), command)).toEqual([{ ...job, type }]);
});

test.each(
  Object.entries(changes),
)('gear %s --json prints the job that fails, says why, and exits with 1', async (command, type) => {
  const args = [...command.split(' '), '--json', '--api', await openApi('failed')];
  const { stdout, ...ends } = await gear(...args, 'web', ...(more[command] ?? []));
  expect(ends).toEqual({ status: 1, stderr: expect.stringContaining('(start_failed): exit status 1') });
  expect(documentsIn(stdout, failed(type), command)).toEqual([ended(type, 'failed')]);
});

test('the gears of a changed environment are restarted at the same api', async () => {
  const api = await openApi('succeeded', { variables: 1, changed: true, gears: ['web', 'db'] });
  const { stdout } = await gear('env', 'set', 'shared', 'A=1', '--api', api);
  expect(stdout).toContain(`; gear restart web db --api ${api} makes its gears see it\n`);
});

test('of several changes each that fails is a line of its own', async () => {
  const args = ['--json', '--api', await openApi('failed')];
  const { stdout, status } = await gear('stop', ...args, 'web', 'db');
  expect(status).toBe(1);
  expect(documentsIn(stdout, failed('container.stop'), 'stop')).toHaveLength(2);
});

test('gear job cancel --json prints the job once it is cancelled', async () => {
  const args = ['job', 'cancel', '--json', '--api', await openApi('cancelled')];
  const { stdout, ...ends } = await gear(...args, '2a');
  expect(ends).toEqual({ status: 0, stderr: '' });
  expect(documentsIn(stdout, jobDocument, 'job cancel')).toEqual([ended(job.type, 'cancelled')]);
});

test.each([
  ['succeeded', 0],
  ['failed', 1],
  ['cancelled', 1],
] as const)('gear job --follow --json prints the job that has %s, and exits with %i', async (state, status) => {
  const { stdout, ...ends } = await gear('job', '--follow', '--json', '--api', await openApi(state), '2a');
  expect(ends).toEqual({ status, stderr: '' });
  expect(documentsIn(stdout, jobDocument, 'job --follow')).toEqual([ended(job.type, state)]);
});

/** How each of these is used, and its exit code. */
const uses: Record<keyof typeof withoutHost, () => Promise<[args: string[], status: number]>> = {
  'host remove': async () => [['--api', await openApi('succeeded'), 'h2'], 0],
  async 'context ls'() {
    await gear('context', 'add', 'bare', '--api', 'http://a.example');
    await gear('context', 'add', 'full', '--api', 'http://b.example', '--token-file', 't', '--user', 'ann');
    return [[], 0];
  },
  async doctor() {
    vi.stubEnv('DBUS_SYSTEM_BUS_ADDRESS', `unix:path=${join(directory, 'none')}`);
    const nobody = `127.0.0.1:${await freePort()}`;
    const docker = ['--docker', join(directory, 'none'), '--base', directory];
    return [[...docker, '--api', `http://${nobody}`, '--redis', `redis://${nobody}`, '--listen', nobody], 1];
  },
};

test.each(
  Object.keys(uses) as (keyof typeof uses)[],
)('gear %s --json prints one document, and nothing else', async (command) => {
  const [args, status] = await uses[command]();
  const { stdout, ...ends } = await gear(...command.split(' '), '--json', ...args);
  expect(ends).toEqual({ status, stderr: '' });
  expect(documentsIn(stdout, withoutHost[command], command)).toHaveLength(1);
});
