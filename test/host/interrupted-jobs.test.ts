import { mkdtemp, readFile, readlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../src/jobs/errors.ts';
import type { JobType, Params } from '../../src/jobs/registry.ts';
import { engineVolume } from '../../src/worker/domain/paths.ts';
import { parseUnit } from '../../src/worker/domain/unit-file.ts';
import { showGear } from '../../src/worker/gear/read-gear.ts';
import {
  absent,
  apart,
  attempt,
  begin,
  countingStarts,
  docker,
  environment,
  exits,
  gear,
  Injected,
  interrupted,
  onThisHost,
  open,
  perform,
  there,
} from '../support/host-jobs.ts';
import { ok, run } from '../support/run.ts';
import { openSlowDocker } from '../support/slow-docker.ts';
import { until } from '../support/until.ts';

/** Interruptions at one point each, and what others do to the host meanwhile. faults.test.ts tries every point. */
onThisHost();

// First: Docker, coming up, starts every gear that there is.
test.each([
  'container.stop',
  'container.remove',
] as const)('what %s has stopped stays so, also where Docker is restarted meanwhile', async (type) => {
  await there('quiet');
  await run('systemctl', 'reset-failed', 'docker.service', 'docker.socket');
  const job = begin({ type, params: { resource: 'quiet' } });
  // systemd starts with Docker what Docker wants, unless it has read that this is no longer so.
  const meanwhile = async (point: string) => {
    if (point === 'dbus.ResetFailedUnit:after') await ok('systemctl', 'restart', 'docker');
  };
  await interrupted.run(meanwhile, () => job.run());
  expect((await run('systemctl', 'is-active', 'gear-quiet')).stdout.trim()).toBe('inactive');
  expect(await open.services.engine.container('gear-quiet')).toBeNull();
  await job.end();
});

test('an update that is taken back again starts the earlier gear once', async () => {
  await there('twice');
  const job = begin({ type: 'container.install', params: gear('twice', { ...exits }) });
  await job.run().catch(() => undefined);
  const starts = await countingStarts('twice', async () => {
    const cutShort = (point: string) => {
      if (point === 'docker.imagesOfGear:before')
        throw new Failure('host_unavailable', 'lost', { transient: true });
    };
    await expect(interrupted.run(cutShort, () => job.undo())).rejects.toThrow('lost');
    await job.undo();
  });
  expect(starts).toBe(1);
  await job.end();
});

test('an update that has failed is kept to be read, also where its taking back is cut short', async () => {
  await there('kept');
  const job = begin({ type: 'container.install', params: gear('kept', { ...exits }) });
  const why = (await apart(job.run).catch((error) => error)) as Failure;
  const cutShort = (point: string) => {
    if (point === 'link.place:before') throw new Injected(); // The earlier unit is back.
  };
  await expect(interrupted.run(cutShort, () => job.undo(why))).rejects.toThrow(Injected);
  await job.undo(why);
  const { failedUpdate } = await showGear(open.services, 'kept', true);
  expect(failedUpdate).toMatchObject({ error: { code: 'start_failed' } });
  await job.end();
});

test('an update that is taken back before its unit is written leaves the gear running as it is', async () => {
  await there('untouched');
  const job = begin({ type: 'container.install', params: gear('untouched', { cpus: 0.3 }) });
  const cutShort = (point: string) => {
    if (point === 'file.rename:after') throw new Failure('host_unavailable', 'lost', { transient: true });
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow('lost');
  expect(await countingStarts('untouched', () => job.undo())).toBe(0);
  await job.end();
});

/** Has systemd wait for some seconds before it starts a gear. */
async function slowly(name: string, seconds: number): Promise<() => Promise<string>> {
  const dropIns = `/run/systemd/system/gear-${name}.service.d`;
  await ok('mkdir', '-p', dropIns);
  await writeFile(`${dropIns}/wait.conf`, `[Unit]\nAfter=faults-slow-${name}.service\n`);
  await ok('systemctl', 'daemon-reload');
  const unit = `--unit=faults-slow-${name}`;
  await ok('systemd-run', '--no-block', unit, '--service-type=oneshot', 'sleep', String(seconds));
  return () => ok('rm', '-r', dropIns);
}

test('an update that fails while systemd is about to start the gear, as after a boot, leaves it running', async () => {
  await there('booting');
  await ok('systemctl', 'stop', 'gear-booting');
  const tidy = await slowly('booting', 3);
  await ok('systemctl', 'start', '--no-block', 'gear-booting');
  const failure = await attempt('container.install', gear('booting', { ...exits }));
  expect(failure?.code).toBe('start_failed');
  expect(await ok('systemctl', 'is-active', 'gear-booting')).toBe('active');
  await tidy();
});

test('a restart that systemd has begun, and of which the worker was not told, is not begun again (house 7.2)', async () => {
  await there('queued');
  // systemd stops the gear, and has something to wait for before it starts it.
  const tidy = await slowly('queued', 4);
  const job = begin({ type: 'container.restart', params: { resource: 'queued' } });
  const isActive = () =>
    run('systemctl', 'is-active', '--quiet', 'gear-queued').then(({ status }) => status === 0);
  const starts = await countingStarts('queued', async () => {
    const lost = (point: string) => {
      if (point === 'dbus.RestartUnit:after')
        throw new Failure('host_unavailable', 'lost', { transient: true });
    };
    await expect(interrupted.run(lost, () => job.run())).rejects.toThrow('lost');
    await until('it is stopped', async () => !(await isActive()));
    // Whoever looks before it is started, and restarts it after that, starts it twice.
    const late = async (point: string) => {
      if (point === 'dbus.RestartUnit:before') await until('it runs', isActive);
    };
    await interrupted.run(late, () => job.run());
  });
  expect(starts).toBe(1);
  await job.end();
  await tidy();
});

test.each([
  'active',
  'inactive',
])('a restart works after systemctl disable, of a gear that is %s, which still does not run after a reboot', async (state) => {
  await there('disabled');
  if (state === 'inactive') await ok('systemctl', 'stop', 'gear-disabled');
  await ok('systemctl', 'disable', 'gear-disabled');
  expect(await countingStarts('disabled', () => perform('container.restart', { resource: 'disabled' }))).toBe(
    1,
  );
  expect(await ok('systemctl', 'is-active', 'gear-disabled')).toBe('active');
  expect((await run('systemctl', 'is-enabled', 'gear-disabled')).stdout.trim()).toBe('linked');
});

test.each<[string, JobType, object]>([
  ['a start', 'container.start', {}],
  ['a restart', 'container.restart', {}],
  ['an update', 'container.install', gear('veiled', { env: [{ name: 'A', value: 'b' }] })],
])('%s of a gear that the operator has masked is refused, and it stays masked', async (_, type, more) => {
  await there('veiled');
  const link = '/etc/systemd/system/gear-veiled.service';
  await ok('ln', '-sfn', '/dev/null', link);
  await ok('systemctl', 'daemon-reload');
  onTestFinished(async () => {
    await ok('rm', link);
    await absent('veiled');
  });
  const failure = await attempt(type, { resource: 'veiled', ...more } as Params<typeof type>);
  expect(failure?.message).toContain('that geard has not made');
  expect(await readlink(link)).toBe('/dev/null');
});

/** Tells one installation of a gear from another, and which one runs. */
const marked = (value: string) => ({ env: [{ name: 'MARK', value }] });
const markOf = (name: string) => ok('docker', 'exec', `gear-${name}`, '/bin/sh', '-c', 'echo $MARK');

test('an update runs what it says, also where systemd was still at a restart by another', async () => {
  const dies = ['/bin/sh', '-c', 'trap "sleep 1; exit 0" TERM; while :; do sleep 0.1; done'];
  const updated = (mark: string) => gear('taken', { ports: [], command: dies, ...marked(mark) });
  await perform('container.install', updated('old'));
  await ok('systemctl', 'restart', '--no-block', 'gear-taken');
  const pending = async () => (await open.services.systemd.activity('gear-taken.service')).pending;
  await until('systemd is at it', pending);
  const job = begin({ type: 'container.install', params: updated('new') });
  // What is written while the old unit starts once more is not what runs then.
  const late = async (point: string) => {
    if (point === 'file.rename:before') await until('systemd is done', async () => !(await pending()));
  };
  await interrupted.run(late, () => job.run());
  expect(await markOf('taken')).toBe('new');
  await job.end();
});

test.each([
  'container.stop',
  'container.remove',
] as const)('after %s there is no container, also where Docker was still making one', async (type) => {
  await there('slow');
  await perform('container.stop', { resource: 'slow' });
  const slow = await openSlowDocker(join(open.paths.base, 'slow-docker'));
  const dropIns = '/run/systemd/system/gear-slow.service.d';
  await ok('mkdir', '-p', dropIns);
  await writeFile(`${dropIns}/docker.conf`, `[Service]\nEnvironment=DOCKER_HOST=unix://${slow.socket}\n`);
  await ok('systemctl', 'daemon-reload');
  onTestFinished(async () => {
    slow.close();
    await ok('rm', '-r', dropIns);
    await absent('slow');
  });
  // As Docker, coming up, starts what it wants.
  await ok('systemctl', 'start', '--no-block', 'gear-slow');
  await until('Docker is to make the container', slow.holds);
  const job = begin({ type, params: { resource: 'slow' } });
  let looks = 0;
  const meanwhile = (point: string) => {
    if (point === 'docker.container:before' && ++looks === 2) slow.open(); // The job waits for it.
  };
  await interrupted.run(meanwhile, () => job.run());
  slow.open();
  await until('Docker has made it', slow.isDone);
  expect(await open.services.engine.container('gear-slow')).toBeNull();
  await job.end();
});

test('an update after which Docker was restarted, before systemd had read it, is not taken for what runs', async () => {
  await there('unread', marked('old'));
  const params = gear('unread', marked('new'));
  const job = begin({ type: 'container.install', params });
  const cutShort = async (point: string) => {
    if (point !== 'link.place:before' && point !== 'dbus.Reload:before') return;
    await ok('systemctl', 'restart', 'gear-unread');
    throw new Failure('host_unavailable', 'lost', { transient: true });
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow('lost');
  await job.run();
  expect(await markOf('unread')).toBe('new');
  await job.end();
});

test('what an update has changed without a restart runs after the next installation', async () => {
  await there('later', marked('old'));
  const changed = marked('new');
  await perform('container.install', gear('later', changed, { start: false }));
  expect(await markOf('later')).toBe('old');
  const starts = await countingStarts('later', async () => {
    await there('later', changed);
    await there('later', changed);
  });
  expect(await markOf('later')).toBe('new');
  expect(starts).toBe(1);
});

test('a change of an environment that was interrupted before systemd has read the unit is read, and the former values go', async () => {
  const value = (text: string) => environment('torn', `two\n${text}`);
  await perform('environment.replace', value('old'));
  await there('tearing', { environment: 'torn' });
  const job = begin({ type: 'environment.replace', params: value('new') });
  const cutShort = (point: string) => {
    if (point === 'dbus.Reload:before') throw new Failure('host_unavailable', 'lost', { transient: true });
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow('lost');
  await job.run();
  await job.end();
  expect((await open.services.systemd.state('gear-tearing.service')).needsReload).toBe(false);
  // The former values are in an image that runs until then.
  await perform('container.restart', { resource: 'tearing' });
  await perform('environment.replace', value('new'));
  const images = () => docker.listImages({ filters: { label: ['geard.gear=tearing'] } });
  expect(await images()).toHaveLength(1);
  for (let time = 0; time < 2; time++) {
    await perform('environment.replace', environment('torn', 'plain'));
    await perform('container.restart', { resource: 'tearing' });
  }
  await perform('environment.replace', environment('torn', 'plain'));
  expect(await images()).toEqual([]);
});

const operators =
  '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n';
const unitsOfOperators: Record<string, (unit: string) => Promise<string>> = {
  'a file': async (unit) => `/etc/systemd/system/${unit}`,
  'a file of a package': async (unit) => {
    await ok('mkdir', '-p', '/usr/local/lib/systemd/system');
    return `/usr/local/lib/systemd/system/${unit}`;
  },
  'a link': async (unit) => {
    const directory = await mkdtemp(join(tmpdir(), 'geard-units-'));
    await ok('ln', '-s', `${directory}/${unit}`, `/etc/systemd/system/${unit}`);
    onTestFinished(() => ok('rm', '-rf', directory, `/etc/systemd/system/${unit}`).then(() => undefined));
    return `${directory}/${unit}`;
  },
};

test.each(
  Object.keys(unitsOfOperators),
)('a name under which the operator has a unit by %s is refused, and that unit stays as it is', async (how) => {
  const unit = 'gear-foreign.service';
  const file = (await unitsOfOperators[how]?.(unit)) ?? '';
  await writeFile(file, operators);
  onTestFinished(async () => {
    await ok('systemctl', 'disable', '--now', unit);
    await ok('rm', file);
    await ok('systemctl', 'daemon-reload');
  });
  await ok('systemctl', 'enable', '--now', unit);
  const failure = await attempt('container.install', gear('foreign'));
  expect(failure?.message).toContain('that geard has not made');
  expect(await ok('systemctl', 'is-active', unit)).toBe('active');
  expect(await ok('systemctl', 'is-enabled', unit)).toBe('enabled');
  expect(await readFile(file, 'utf8')).toBe(operators);
  expect(await readFile(open.paths.unit('foreign'), 'utf8').catch(() => null)).toBeNull();
});

test('a name whose link leads to where the worker sees nothing is refused, and the unit goes on', async () => {
  const unit = 'gear-hidden.service';
  const directory = await mkdtemp(join(tmpdir(), 'geard-units-'));
  await writeFile(join(directory, unit), operators);
  await ok('systemctl', 'link', join(directory, unit));
  await ok('systemctl', 'start', unit);
  await ok('rm', '-r', directory); // As with ProtectHome= and PrivateTmp=.
  onTestFinished(async () => {
    await ok('rm', `/etc/systemd/system/${unit}`);
    await ok('systemctl', 'stop', unit);
    await ok('systemctl', 'daemon-reload');
  });
  const failure = await attempt('container.install', gear('hidden'));
  expect(failure?.message).toContain('that geard has not made');
  expect(await ok('systemctl', 'is-active', unit)).toBe('active');
});

test('a name under which the operator has a container is refused, and that container stays', async () => {
  const id = await ok(
    'docker',
    'run',
    '--detach',
    '--name=gear-theirs',
    'geard/sample',
    '/bin/sleep',
    '1000',
  );
  onTestFinished(() => ok('docker', 'rm', '--force', 'gear-theirs').then(() => undefined));
  const failure = await attempt('container.install', gear('theirs'));
  expect(failure?.message).toContain('that geard has not made');
  expect(await ok('docker', 'inspect', '--format={{.Id}} {{.State.Running}}', 'gear-theirs')).toBe(
    `${id} true`,
  );
});

test('a name that the operator has masked is refused, and stays masked', async () => {
  await ok('systemctl', 'mask', 'gear-masked.service');
  onTestFinished(() => ok('systemctl', 'unmask', 'gear-masked.service').then(() => undefined));
  const failure = await attempt('container.install', gear('masked'));
  expect(failure?.message).toContain('that geard has not made');
  expect(await readlink('/etc/systemd/system/gear-masked.service')).toBe('/dev/null');
});

test('an update is accepted before anything is removed that the earlier version needs', async () => {
  await there('accepted', marked('old'));
  const job = begin({ type: 'container.install', params: gear('accepted', marked('new')) });
  const cutShort = (point: string) => {
    if (point === 'docker.imagesOfGear:before') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  expect(await job.isCommitted()).toBe(true);
  await job.run();
  await job.end();
  expect(await markOf('accepted')).toBe('new');
  await ok('systemctl', 'restart', 'gear-accepted');
  await until(
    'it runs again',
    async () => (await run('docker', 'exec', 'gear-accepted', 'true')).status === 0,
  );
});

test('an update that fails does not undo an installation whose job was lost, and which has run since', async () => {
  const volumes = [{ name: 'faults-orphan', path: '/data' }];
  const job = begin({ type: 'container.install', params: gear('orphan', { volumes }) });
  const cutShort = (point: string) => {
    if (point === 'dbus.StartUnit:before') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await job.end(); // Redis has lost its record: no attempt follows.
  await perform('container.start', { resource: 'orphan' });
  await ok('docker', 'exec', 'gear-orphan', '/bin/sh', '-c', 'echo kept >/data/file');
  const failure = await attempt('container.install', gear('orphan', { ...exits, volumes }));
  expect(failure?.code).toBe('start_failed');
  expect(await ok('systemctl', 'is-active', 'gear-orphan')).toBe('active');
  expect(await ok('docker', 'exec', 'gear-orphan', 'cat', '/data/file')).toBe('kept');
});

test('an installation that fails removes the volumes that it made, also after one whose job was lost', async () => {
  const lost = [{ name: 'faults-lost', path: '/lost' }];
  const job = begin({ type: 'container.install', params: gear('forgetful', { volumes: lost }) });
  const cutShort = (point: string) => {
    if (point === 'dbus.StartUnit:before') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await job.end(); // Redis has lost its record: no attempt follows.
  const volume = { name: 'faults-new', path: '/new' };
  const failure = await attempt('container.install', gear('forgetful', { ...exits, volumes: [volume] }));
  expect(failure?.code).toBe('start_failed');
  expect(await open.services.engine.hasVolume(engineVolume('forgetful', volume))).toBe(false);
});

test('a start that changes nothing does not accept an installation whose job was lost', async () => {
  await there('unsettled', marked('old'));
  const job = begin({ type: 'container.install', params: gear('unsettled', marked('new')) });
  const cutShort = (point: string) => {
    if (point === 'dbus.RestartUnit:before') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await job.end(); // Redis has lost its record.
  await perform('container.start', { resource: 'unsettled' });
  expect(await markOf('unsettled')).toBe('old');
  const failure = await attempt('container.install', gear('unsettled', { ...exits }));
  expect(failure?.code).toBe('start_failed');
  expect(await markOf('unsettled')).toBe('old');
});

test('a start that a container of the operator stops leaves that container', async () => {
  await there('blocked');
  await perform('container.stop', { resource: 'blocked' });
  const id = await ok(
    'docker',
    'run',
    '--detach',
    '--name=gear-blocked',
    'geard/sample',
    '/bin/sleep',
    '1000',
  );
  onTestFinished(async () => {
    await ok('docker', 'rm', '--force', 'gear-blocked');
    await absent('blocked');
  });
  expect((await attempt('container.start', { resource: 'blocked' }))?.message).toContain(
    'geard has not made',
  );
  expect(await ok('docker', 'inspect', '--format={{.Id}} {{.State.Running}}', 'gear-blocked')).toBe(
    `${id} true`,
  );
});

test('a removal that has failed in its last steps can be sent again', async () => {
  await there('lastly');
  const job = begin({ type: 'container.remove', params: { resource: 'lastly' } });
  const cutShort = (point: string) => {
    if (point === 'port.release:before') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await job.end();
  expect(await absent('lastly')).toBeNull();
  expect(await open.services.reservations.list('lastly')).toEqual([]);
});

test('a removal that has failed can be sent again', async () => {
  await there('halfway', { env: [{ name: 'LINES', value: 'a\nb' }] });
  const job = begin({ type: 'container.remove', params: { resource: 'halfway' } });
  const cutShort = (point: string) => {
    if (point === 'docker.imagesOfGear:before') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await job.end();
  expect(await absent('halfway')).toBeNull();
  expect(await docker.listImages({ filters: { label: ['geard.gear=halfway'] } })).toEqual([]);
});

test('an installation that no attempt follows leaves neither an image with its values nor its ports', async () => {
  const params = gear('refused', { env: [{ name: 'LINES', value: 'a\nb' }] });
  const job = begin({ type: 'container.install', params });
  const cutShort = (point: string) => {
    if (point === 'docker.commit:after') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await job.abandon(new Failure('token_invalid', 'its issuer was revoked'));
  await job.end();
  expect(await docker.listImages({ filters: { label: ['geard.gear=refused'] } })).toEqual([]);
  expect(await open.services.reservations.list('refused')).toEqual([]);
});

test('a start that accepts an installation whose job was lost sees the change of its environment meanwhile', async () => {
  await perform('environment.replace', environment('lost', 'two\nold'));
  const job = begin({ type: 'container.install', params: gear('accepting', { environment: 'lost' }) });
  const cutShort = (point: string) => {
    if (point === 'dbus.StartUnit:before') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await job.end(); // Redis has lost its record: no attempt follows.
  await perform('environment.replace', environment('lost', 'two\nnew'));
  await perform('container.start', { resource: 'accepting' });
  await perform('container.restart', { resource: 'accepting' });
  expect(await sharedOf('accepting')).toBe('two\nnew\n');
});

/** The value of the variable of an environment in the process of a gear, once it runs. */
async function sharedOf(name: string): Promise<string> {
  const read = () => run('docker', 'exec', `gear-${name}`, '/bin/sh', '-c', 'echo "$SHARED"');
  await until('it runs', async () => (await read()).status === 0);
  return (await read()).stdout;
}

const outdated = async (name: string) =>
  (await showGear(open.services, name, true)).environment?.outdated ?? null;

test('an environment that is changed while an update is under way that is undone then reaches the earlier version', async () => {
  const value = (text: string) => environment('reverted', `two\n${text}`);
  await perform('environment.replace', value('old'));
  await there('reverting', { environment: 'reverted' });
  const params = gear('reverting', { environment: 'reverted', ...exits });
  const job = begin({ type: 'container.install', params });
  const cutShort = (point: string) => {
    if (point === 'link.place:before' || point === 'dbus.Reload:before') throw new Injected();
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await perform('environment.replace', value('new'));
  await apart(() => job.undo(new Failure('start_failed', 'it does not start')));
  await job.end();
  expect(await sharedOf('reverting')).toBe('two\nnew\n');
});

test('an update to another environment that is undone starts the earlier version with its own as it is then', async () => {
  const value = (text: string) => environment('former', `two\n${text}`);
  await perform('environment.replace', value('old'));
  await perform('environment.replace', environment('latter', 'other'));
  await there('moving', { environment: 'former' });
  const job = begin({
    type: 'container.install',
    params: gear('moving', { environment: 'latter', ...exits }),
  });
  const cutShort = (point: string) => {
    if (point === 'dbus.Reload:before') throw new Injected(); // The unit names the other environment.
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow(Injected);
  await perform('environment.replace', value('new'));
  const undo = () => job.undo(new Failure('start_failed', 'it does not start'));
  const starts = await countingStarts('moving', async () => {
    const late = (point: string) => {
      if (point === 'docker.imagesOfGear:before') throw new Injected(); // It runs again.
    };
    await expect(interrupted.run(late, undo)).rejects.toThrow(Injected);
    await apart(undo);
  });
  expect(starts).toBe(1);
  expect(await sharedOf('moving')).toBe('two\nnew\n');
  expect(await outdated('moving')).toBe(false);
  const { failedUpdate } = await showGear(open.services, 'moving', true);
  expect(parseUnit(failedUpdate?.unitText ?? '')?.spec.environment).toBe('latter');
  await job.end();
});

test('an update that fails returns to the image that carried the values, although its base has lost its name', async () => {
  const base = `geard/moved-${process.pid}`;
  const params = (more: object) => {
    const { spec, ...rest } = gear('based', { env: [{ name: 'SHARED', value: 'two\nlines' }], ...more });
    return { ...rest, spec: { ...spec, image: base } };
  };
  const imageOf = () => ok('docker', 'inspect', '--format', '{{.Image}}', 'gear-based');
  await ok('docker', 'tag', 'geard/sample', base);
  onTestFinished(async () => {
    await absent('based');
    await ok('docker', 'rmi', base);
  });
  await perform('container.install', params({}));
  const earlier = await imageOf();
  const container = await ok('docker', 'create', 'geard/sample', 'true');
  await ok('docker', 'commit', '--change', 'LABEL moved=yes', container, base);
  await ok('docker', 'rm', container);
  expect((await attempt('container.install', params(exits)))?.code).toBe('start_failed');
  expect(await sharedOf('based')).toBe('two\nlines\n');
  expect(await imageOf()).toBe(earlier);
});

test('an environment that is changed while an update to another one is under way reaches the gear in the end', async () => {
  const value = (text: string) => environment('waited-for', `two\n${text}`);
  await perform('environment.replace', value('old'));
  await there('waited', { environment: 'waited-for' });
  const job = begin({ type: 'container.install', params: gear('waited', { ...exits }) });
  let change: Promise<void> | undefined;
  const meanwhile = (point: string) => {
    if (point === 'dbus.RestartUnit:before') change ??= perform('environment.replace', value('new'));
  };
  // As the worker does, which holds the lock until the installation is undone.
  await open.services.gearLocks.hold('waited', async () => {
    await expect(interrupted.run(meanwhile, () => job.run())).rejects.toThrow();
    await job.undo(new Failure('start_failed', 'it does not start'));
  });
  await change;
  await job.end();
  await perform('container.restart', { resource: 'waited' });
  expect(await sharedOf('waited')).toBe('two\nnew\n');
});

test.each([
  'two\nnew',
  'new',
])('an environment that is changed while a gear that will use it is installed reaches it at its next start, with a value like %j', async (changedTo) => {
  await absent('racing');
  await perform('environment.replace', environment('raced', 'two\nold'));
  const job = begin({ type: 'container.install', params: gear('racing', { environment: 'raced' }) });
  let changed = false;
  const meanwhile = async (point: string) => {
    if (point !== 'docker.commit:after' || changed) return; // The image that carries the values is made.
    changed = true;
    await perform('environment.replace', environment('raced', changedTo));
  };
  await interrupted.run(meanwhile, () => job.run());
  await job.end();
  expect(await sharedOf('racing')).toBe('two\nold\n');
  expect(await outdated('racing')).toBe(true);
  await perform('container.restart', { resource: 'racing' });
  expect(await sharedOf('racing')).toBe(`${changedTo}\n`);
  expect(await outdated('racing')).toBe(false);
});
