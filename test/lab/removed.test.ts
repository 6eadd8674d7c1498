import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { newId } from '../support/client.ts';
import { type LabFleet, openLabFleet } from '../support/lab-fleet.ts';
import { until } from '../support/until.ts';

let fleet: LabFleet;
beforeAll(async () => {
  fleet = await openLabFleet('/run/geard-lab-removed', 1);
});
afterAll(() => fleet.close());

const onHost = (...command: string[]) => fleet.onHost('h1', ...command);
const lines = async (...command: string[]) => (await onHost(...command)).split('\n').filter(Boolean).sort();
/** Repositories that systemd has a transient unit of, and those that are on the disk. */
async function repositories() {
  const units = await lines('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'job-*.service');
  const made = units.flatMap((line) => /^job-(\S+)\.service/.exec(line)?.[1] ?? []);
  return { made, onDisk: await lines('ls', '/var/lib/gears/git') };
}

const gearsIn = (names: string[]) => names.flatMap((name) => /^gear-(.+)\.service$/.exec(name)?.[1] ?? []);

/** What systemd knows of gears, asked over D-Bus: units in memory, and what Docker's start and a boot would start. */
async function knownToSystemd() {
  const wantedBy = async (unit: string) =>
    gearsIn((await onHost('systemctl', 'show', '--value', '--property=Wants', unit)).split(/\s+/)).sort();
  const listed = await lines('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'gear-*.service');
  return {
    loaded: gearsIn(listed.map((line) => line.split(/\s+/)[0] ?? '')),
    byDocker: await wantedBy('docker.service'),
    byBoot: await wantedBy('multi-user.target'),
  };
}

/** The same as the directories say it. */
async function onDisk() {
  const units = gearsIn(await lines('ls', '/var/lib/gears/units'));
  const wanted = (unit: string) => lines('ls', `/etc/systemd/system/${unit}.wants`).then(gearsIn);
  return { units, byDocker: await wanted('docker.service'), byBoot: await wanted('multi-user.target') };
}

/** systemd knows nothing more than the directories say, and no less of what is to be started. */
async function isKnownAsItIs(after: string): Promise<void> {
  const [known, disk] = [await knownToSystemd(), await onDisk()];
  const { byDocker, byBoot } = disk;
  expect({ byDocker: known.byDocker, byBoot: known.byBoot }, after).toEqual({ byDocker, byBoot });
  expect(
    known.loaded.filter((name) => !disk.units.includes(name)),
    after,
  ).toEqual([]);
  const { made, onDisk: there } = await repositories();
  expect(
    made.filter((name) => !there.includes(name)),
    after,
  ).toEqual([]);
}

const running = async () => gearsIn(await lines('docker', 'ps', '--format', '{{.Names}}.service'));

async function change(
  method: string,
  path: string,
  r: string | null,
  more: object = {},
  body?: unknown,
): Promise<Job> {
  const parameters = { u: '0', i: newId(), ...(r === null ? {} : { r }), ...more };
  const { body: job, status } = await fleet.send<Job>(method, path, parameters, { body });
  expect(status, JSON.stringify(job)).toBe(202);
  return fleet.ended(job.id);
}

const web = { ports: [{ internal: 8080 }] };
const install = (r: string, body: unknown = web) =>
  change('PUT', 'container', r, { t: 'geard/sample' }, body);
/** Installs a gear; systemd has read then that Docker's start is to start it, however long that takes. */
async function settled(r: string): Promise<void> {
  await install(r);
  await until(`systemd knows ${r}`, async () => (await knownToSystemd()).byDocker.includes(r));
}
const ofHost = (path: string) => change('PUT', `host/${path}`, null, { h: 'h1' });
const variables = (method: string, r: string, value: string) =>
  change(method, 'environment', r, {}, { env: [{ name: 'A', value }] });
const exits = { command: ['/bin/sh', '-c', 'exit 3'] };

/** Each kind of job, on a gear of its own: how it ends, and whether its gear is to run then. */
const kinds: [what: string, act: () => Promise<Job>, state: Job['state'], gear: string, runs: boolean][] = [
  ['an installation', () => install('new'), 'succeeded', 'new', true],
  ['one without a start', () => install('later', { ...web, start: false }), 'succeeded', 'later', false],
  [
    'one that fails',
    () => install('fails', { ...exits, volumes: [{ name: 'removed-v', path: '/data' }] }),
    'failed',
    'fails',
    false,
  ],
  [
    'an update',
    () => install('up').then(() => install('up', { ...web, cpus: 0.5 })),
    'succeeded',
    'up',
    true,
  ],
  ['an update that fails', () => settled('back').then(() => install('back', exits)), 'failed', 'back', true],
  [
    'an update that fails of what was stopped',
    async () => {
      await settled('rest');
      await change('PUT', 'container/stopped', 'rest');
      return install('rest', exits);
    },
    'failed',
    'rest',
    false,
  ],
  [
    'a stop',
    () => settled('stop').then(() => change('PUT', 'container/stopped', 'stop')),
    'succeeded',
    'stop',
    false,
  ],
  [
    'a start',
    async () => {
      await install('start', { ...web, start: false });
      return change('PUT', 'container/started', 'start');
    },
    'succeeded',
    'start',
    true,
  ],
  [
    'a restart',
    () => install('again').then(() => change('PUT', 'container/restarted', 'again')),
    'succeeded',
    'again',
    true,
  ],
  [
    'a removal',
    () => settled('gone').then(() => change('DELETE', 'container', 'gone')),
    'succeeded',
    'gone',
    false,
  ],
  [
    'a removal of what was stopped',
    async () => {
      await settled('gone2');
      await change('PUT', 'container/stopped', 'gone2');
      return change('DELETE', 'container', 'gone2');
    },
    'succeeded',
    'gone2',
    false,
  ],
  [
    'a cancellation',
    async () => {
      const i = newId();
      const body = { ports: [{ internal: 9999 }], command: ['/bin/sh', '-c', 'sleep 1000'] };
      await fleet.send('PUT', 'container', { u: '0', r: 'called-off', t: 'geard/sample', i }, { body });
      await until('it runs', async () => (await running()).includes('called-off'));
      await fleet.send('DELETE', `job/${i}`);
      return fleet.ended(i.padStart(32, '0'));
    },
    'cancelled',
    'called-off',
    false,
  ],
  [
    'another environment',
    async () => {
      await variables('PUT', 'put', 'one');
      await install('uses', { ...web, environment: 'put' });
      return variables('PUT', 'put', 'one\ntwo'); // Which the unit names an image for.
    },
    'succeeded',
    'uses',
    true,
  ],
  [
    'variables more',
    async () => {
      await variables('PUT', 'patched', 'one');
      await install('stands', { ...web, environment: 'patched', start: false });
      return variables('PATCH', 'patched', 'one\ntwo');
    },
    'succeeded',
    'stands',
    false,
  ],
  ['a new repository', () => change('PUT', 'repository', 'made'), 'succeeded', 'made', false],
  [
    'a repair',
    async () => {
      await settled('mended');
      await onHost('rm', '/etc/systemd/system/docker.service.wants/gear-mended.service');
      await settled('moved');
      await change('PUT', 'container/stopped', 'moved');
      await onHost('rm', '/etc/systemd/system/gear-moved.service');
      return ofHost('repaired');
    },
    'succeeded',
    'mended',
    true,
  ],
  [
    'draining, and taking all again',
    async () => {
      await ofHost('draining');
      await change('DELETE', 'container', 'moved');
      return ofHost('live');
    },
    'succeeded',
    'moved',
    false,
  ],
];

test.each(
  kinds,
)('at the end of %s systemd knows what the directories say, and nothing more (reliability 7)', async (what, act, state) => {
  const job = await act();
  expect(job, JSON.stringify(job.error)).toMatchObject({ state });
  await isKnownAsItIs(what);
});

const toRun = kinds
  .filter(([, , , , runs]) => runs)
  .map(([, , , gear]) => gear)
  .sort();
const onlyThoseRun = (after: string) =>
  until(
    `after ${after} just those gears run that are to run`,
    async () => JSON.stringify(await running()) === JSON.stringify(toRun),
    60_000,
  ).catch(async (error: Error) => {
    throw new Error(`${error.message}: ${await running()} and not ${toRun}`);
  });

test('nothing of what was taken away is left in Docker', async () => {
  expect(await onHost('docker', 'volume', 'ls', '--quiet')).toBe('');
  await onlyThoseRun('all jobs');
  expect(gearsIn(await lines('docker', 'ps', '--all', '--format', '{{.Names}}.service'))).toEqual(toRun);
});

test('after a restart of Docker, and after it was stopped and started, just those gears run that are to run (reliability 7)', async () => {
  await onHost('systemctl', 'restart', 'docker');
  await onlyThoseRun('a restart of Docker');
  await onHost('systemctl', 'stop', 'docker.socket', 'docker');
  await onHost('systemctl', 'start', 'docker');
  await onlyThoseRun('a stop and a start of Docker');
  await isKnownAsItIs('a restart of Docker');
});

test('after a reboot, and after the plug was pulled, just those gears run that are to run', async () => {
  for (const how of [[], ['--hard']]) {
    await fleet.reboot('h1', ...how);
    await onlyThoseRun('a reboot');
    await isKnownAsItIs('a reboot');
  }
});

test('24 gears removed at once are removed, and systemd has read its units for many of them at once', async () => {
  const names = Array.from({ length: 24 }, (_, i) => `many-${i}`);
  await Promise.all(names.map((name) => install(name, { command: ['/bin/sh', '-c', 'exec sleep 1000'] })));
  await until('systemd knows all', async () => {
    const { byDocker } = await knownToSystemd();
    return names.every((name) => byDocker.includes(name));
  });
  // A reload takes as long as with the generators of an ordinary Debian, which the lab goes without.
  const generator = '/run/systemd/system-generators/slow';
  const slow = `mkdir -p ${dirname(generator)} && printf '#!/bin/sh\\nsleep 0.3\\n' >${generator} && chmod +x ${generator}`;
  await onHost('sh', '-c', slow);
  onTestFinished(async () => void (await onHost('rm', generator)));
  await onHost('journalctl', '--sync');
  const since = await onHost('date', '+%s.%N');
  await Promise.all(names.map((name) => change('DELETE', 'container', name)));
  await isKnownAsItIs('24 removals');
  await onHost('journalctl', '--sync');
  const reloads = await lines(
    ...['journalctl', '--quiet', '--output=cat', '_PID=1', `--since=@${since}`, '--grep=^Reloading\\.'],
  );
  expect(reloads.length).toBeGreaterThan(0);
  // One by one each removal has systemd read twice; a few of them run at a time.
  expect(reloads.length).toBeLessThan(names.length);
  await onHost('systemctl', 'restart', 'docker');
  await onlyThoseRun('24 removals and a restart of Docker');
});
