import { expect, onTestFinished, test, vi } from 'vitest';
import { Failure, hostUnavailable } from '../../../../../src/jobs/errors.ts';
import { dockerCommands } from '../../../../../src/worker/docker/commands.ts';
import type { HostServices } from '../../../../../src/worker/host-services.ts';
import type { JobContext } from '../../../../../src/worker/jobs/context.ts';
import {
  runGitUnit,
  saysNoRoom,
  stopGitUnit,
} from '../../../../../src/worker/repository/git/run-git-unit.ts';
import { keepLog } from '../../../../support/log-lines.ts';

const job = 'a'.repeat(32);
const up = { active: 'active', sub: 'running', pending: false, invocation: '1'.repeat(32) };
/** The unit, which has failed in a run that the journal knows nothing of. */
const failed = { ...up, active: 'failed', sub: 'failed', invocation: '0'.repeat(32) };

/** Runs git in a container that ends with status 125, which the engine explains in this way. */
function runGit(
  explanation: Failure | string | null,
  known: object = {},
  { activity = failed, assertSmall = async () => {} } = {},
): Promise<void> {
  const services = {
    systemd: {
      activity: async (unit: string) => (unit === 'engine.service' ? up : activity),
      state: async () => ({ ...failed, load: 'not-found', result: 'exit-code', mainStatus: 125, ...known }),
      runOnce: async () => undefined,
    },
    engine: {
      service: 'engine.service',
      runCommand: () => [],
      removeCommand: () => [],
      container: async () => null,
      explainExit: (status: number) => (status === 125 ? explanation : null),
    },
    repositories: { limits: { seconds: 60, megabytes: 1, objects: 9 } },
    log: keepLog().log,
  };
  const { signal } = new AbortController();
  const context = { services, job, signal, report: () => undefined } as unknown as JobContext;
  return runGitUnit(context, 'site', {
    prepare: async () => ({ name: 'job-site', owner: { job }, image: 'git', command: [], pids: 1 }),
    isPrepared: async () => false,
    assertSmall,
  });
}

test('a container that the engine could not make is a fault that passes, and no failure of git', async () => {
  const failure = hostUnavailable('the engine could not make the container');
  await expect(runGit(failure)).rejects.toBe(failure);
});

test.each([
  'the command does not exist in the container',
  null,
])('an end of the container that the engine explains by %j is a failure of git', async (explanation) => {
  const failure = { code: 'clone_failed', transient: false, message: 'git ended with exit status 125' };
  await expect(runGit(explanation)).rejects.toMatchObject(failure);
});

test.each([
  ['fatal: write error: No space left on device', true],
  ['Receiving objects:  25% (13/52)\ufffdfatal: write error: No space left on device', true],
  ["error: could not write config file '/work/repository/config': Disk quota exceeded", true],
  ['fatal: failed to write new configuration file /work/repository/config', true],
  ['docker: Error response from daemon: mkdir /var/lib/docker/x: no space left on device.', true],
  ['remote: No space left on device', false],
  ['remote: fatal: write error: No space left on device', false],
  ['remote: x\ufffdfatal: write error: No space left on device', false],
  ['fatal: remote error: write error: No space left on device', false],
  ["warning: object 1f: badTagName: invalid 'tag' name: No space left on device", false],
  ["error: object 1f: badTagName: invalid 'tag' name: No space left on device", false],
])('the line %j says that the disk of the host is full: %j', (line, expected) => {
  expect(saysNoRoom(dockerCommands, line)).toBe(expected);
});

test('a unit of this name that geard has not made is left alone', async () => {
  const known = { load: 'loaded', description: 'Nightly backup' };
  await expect(runGit(null, known)).rejects.toMatchObject({
    code: 'internal',
    message: 'systemd has a unit job-site.service that geard has not made; remove it from the host first',
  });
});

test('git that makes more than it may is not waited for', async () => {
  const tooLarge = new Failure('clone_failed', 'the repository is larger than 1 MiB');
  const how = {
    activity: { ...up, pending: true, active: 'activating' },
    assertSmall: () => Promise.reject(tooLarge),
  };
  await expect(runGit(null, {}, how)).rejects.toBe(tooLarge);
});

/** Stops the unit of a clone, whose container is made at a certain look; returns what was done. */
async function stopGit({ sub = 'start', madeAt = 0, result = 'done' }) {
  const done: string[] = [];
  let looks = 0;
  const services = {
    systemd: {
      state: async () => ({ ...up, description: `geard: makes the repository site (job ${job})` }),
      activity: async () => ({ ...up, active: 'activating', sub, pending: true }),
      stop: async (unit: string) => {
        done.push(`stop ${unit}`);
        return result;
      },
      resetFailed: async (unit: string) => void done.push(`reset ${unit}`),
    },
    engine: {
      name: 'Engine',
      container: async () => {
        if (looks++ < madeAt) return null;
        done.push('made');
        return { id: '1' };
      },
      removeContainer: async (name: string) => void done.push(`remove ${name}`),
    },
  } as unknown as HostServices;
  const stopped = await stopGitUnit(services, 'site', job).catch((error: unknown) => error);
  return { done, stopped };
}

const ended = ['stop job-site.service', 'reset job-site.service', 'remove job-site'];

test('a container that the engine still makes is waited for before its clone is stopped, and removed', async () => {
  expect(await stopGit({ madeAt: 2 })).toEqual({ done: ['made', ...ended], stopped: undefined });
});

test('no container is waited for where git has ended', async () => {
  expect(await stopGit({ sub: 'failed', madeAt: 9 })).toEqual({ done: ended, stopped: undefined });
});

test('a container that the engine does not make in time is a fault that passes', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const stopping = stopGit({ madeAt: 9 });
  await vi.advanceTimersByTimeAsync(20_001);
  const { done, stopped } = await stopping;
  expect(done).toEqual([]);
  expect(stopped).toMatchObject({
    ...{ code: 'host_unavailable', transient: true },
    message: 'Engine is still making the container of the repository site',
  });
});

test('a unit that systemd has not stopped is a fault that passes, and keeps its container', async () => {
  const { done, stopped } = await stopGit({ result: 'timeout' });
  expect(done).toEqual(['made', 'stop job-site.service']);
  expect(stopped).toMatchObject({ code: 'host_unavailable', transient: true });
});
