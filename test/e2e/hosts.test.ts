import { existsSync } from 'node:fs';
import { appendFile, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Drift } from '../../src/jobs/rpc/drift.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { sampleImage, startsOf } from '../support/daemon.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let fleet: Fleet;
beforeAll(async () => {
  await sampleImage();
  fleet = await openFleet('relay');
});
afterAll(() => fleet.close());

const h1 = { h: 'h1' };
const install = (r: string, more: Record<string, string> = {}) =>
  fleet.change('PUT', 'container', { r, t: 'geard/sample', ...more });
const host = async () => {
  const { body } = await fleet.send<{ hosts: { name: string; state: string }[] }>('GET', 'hosts');
  return body.hosts?.[0];
};
const refusal = {
  status: 503,
  body: {
    code: 'no_host',
    detail: 'the host h1 is draining; PUT host/live lets it accept something new again',
  },
};

describe('a host that is draining', () => {
  test('takes no new gear, repository or environment, and what it has goes on and can be changed', async () => {
    expect((await install('before')).status).toBe(200);
    const drained = await fleet.change('PUT', 'host/draining', h1);
    expect(drained).toMatchObject({
      status: 200,
      body: { type: 'host.drain', resource: 'h1', host: 'h1', result: { draining: true, changed: true } },
    });
    expect(await host()).toMatchObject({ name: 'h1', state: 'draining' });
    expect(await install('after', h1)).toMatchObject(refusal);
    expect(await install('after')).toMatchObject(refusal);
    expect(await fleet.change('PUT', 'repository', { r: 'after' })).toMatchObject(refusal);
    expect(await fleet.change('PUT', 'environment', { r: 'after' })).toMatchObject(refusal);
    expect(await fleet.change('PUT', 'container/stopped', { r: 'after' })).toMatchObject({ status: 404 });
    expect((await install('before', { t: 'geard/sample:latest' })).body).toMatchObject({
      state: 'succeeded',
    });
    expect((await fleet.change('PUT', 'container/restarted', { r: 'before' })).status).toBe(200);
    const again = await fleet.change('PUT', 'host/draining', h1);
    expect(again).toMatchObject({ status: 200, body: { result: { draining: true, changed: false } } });
  });

  test('drains on after kill -9 of everything and with an empty Redis, and is live again when told so', async () => {
    await fleet.kill('worker');
    await fleet.kill('api');
    await fleet.redis.restart();
    await fleet.restart('worker');
    await fleet.restart('api');
    await until('the host is there', async () => (await host())?.state === 'draining');
    expect(await install('after')).toMatchObject(refusal);
    const live = await fleet.change('PUT', 'host/live', h1);
    expect(live).toMatchObject({ status: 200, body: { result: { draining: false, changed: true } } });
    expect(await host()).toMatchObject({ state: 'live' });
    expect((await install('after')).status).toBe(200);
    expect((await fleet.change('PUT', 'host/live', h1)).body.result).toMatchObject({ changed: false });
  });

  test('refuses by its own disk what an api has sent that knows nothing of it', async () => {
    await writeFile(`${fleet.base}/draining`, 'since just now\n');
    const refused = await install('unheard-of');
    expect(refused).toMatchObject({ status: 503, body: { code: 'no_host' } });
    expect((await fleet.send('GET', 'container', { r: 'unheard-of' })).status).toBe(404);
    expect((await fleet.change('PUT', 'host/live', h1)).status).toBe(200);
  });

  test('must exist, and must be named', async () => {
    const unknown = await fleet.change('PUT', 'host/draining', { h: 'nowhere' });
    expect(unknown).toMatchObject({ status: 404, body: { code: 'host_not_found' } });
    expect(await fleet.change('PUT', 'host/live', {})).toMatchObject({ status: 400 });
  });

  test('is waited for while it is away', async () => {
    await fleet.kill('worker');
    const waiting = await fleet.send('PUT', 'host/draining', { u: '0', i: 'd1a', ...h1 });
    expect(waiting).toMatchObject({ status: 202, body: { state: 'queued' } });
    await fleet.restart('worker');
    const done = await fleet.send('GET', 'job/d1a', { wait: '30' });
    expect(done.body).toMatchObject({ state: 'succeeded', result: { draining: true } });
    expect((await fleet.change('PUT', 'host/live', h1)).status).toBe(200);
  });
});

describe('drift', () => {
  const etc = (name: string) => `/etc/systemd/system/${name}`;
  const unit = (r: string) => `${fleet.base}/units/gear-${r}.service`;
  const read = async () => {
    const { body } = await fleet.send<{ hosts: { host: string; drift: Drift | null }[] }>('GET', 'drift');
    expect(body.hosts.map((one) => one.host)).toEqual(['h1']);
    return body.hosts[0]?.drift as Drift;
  };
  const repair = async () => (await fleet.change('PUT', 'host/repaired', h1)).body;
  const none = {
    unitsWithoutEntry: [],
    entriesWithoutUnit: [],
    changedUnits: [],
    foreign: [],
    withoutNetwork: [],
  };
  const nothingDone = { announced: [], forgotten: [], rewritten: [], linked: [], released: [], networks: [] };

  beforeAll(async () => {
    const names = ['forgotten', 'edited', 'unlinked', 'disabled', 'halved', 'stopped', 'steady'];
    const installed = await Promise.all(names.map((r) => install(r)));
    expect(installed.map(({ status }) => status)).toEqual(names.map(() => 200));
    expect((await fleet.change('PUT', 'container/stopped', { r: 'stopped' })).status).toBe(200);
    expect((await fleet.change('DELETE', 'container', { r: 'steady' })).status).toBe(200);
    expect((await install('steady')).status).toBe(200);
  });

  afterAll(async () => {
    for (const path of [etc('gear-hand.service'), unit('below')]) await rm(path, { force: true });
    await run('systemctl', 'stop', 'gear-running');
    await run('docker', 'rm', '--force', 'gear-box');
    await ok('systemctl', 'daemon-reload');
  });

  test('is none on a host that only geard has worked on', async () => {
    expect(await read()).toEqual(none);
    expect(await repair()).toMatchObject({ state: 'succeeded', result: { ...nothingDone, foreign: [] } });
  });

  test('of each kind is found, repaired without a restart, and gone; what is foreign stays as it is', async () => {
    const gears = ['forgotten', 'edited', 'unlinked', 'disabled', 'halved', 'steady'];
    const starts = await Promise.all(gears.map(startsOf));
    const text = await readFile(unit('edited'), 'utf8');

    const held = keys.held('h1', 'gear');
    await fleet.redis.redis.srem(held, 'forgotten');
    await fleet.redis.redis.sadd(held, 'nobody');
    await writeFile(unit('edited'), text.replace('RestartSec=5', 'RestartSec=99'));
    await rm(etc('gear-unlinked.service'));
    await rm(etc('gear-stopped.service'));
    await ok('systemctl', 'disable', '--quiet', 'gear-disabled');
    await rm(etc('docker.service.wants/gear-halved.service'));
    await symlink('../units/gear-vanished.service', `${fleet.base}/ports/45454`);
    const byHand = '[Service]\nExecStart=/bin/sleep 1000\n';
    await writeFile(etc('gear-hand.service'), byHand);
    await writeFile(unit('below'), byHand);
    await ok('systemctl', 'daemon-reload');
    expect(await ok('systemctl', 'show', '--value', '--property=RestartUSec', 'gear-edited')).toBe(
      '1min 39s',
    );
    await ok('systemd-run', '--unit=gear-running.service', '/bin/sleep', '1000');
    await ok('docker', 'create', '--name', 'gear-box', 'geard/sample');

    const foreign = [
      ...['below', 'hand', 'running'].map((name) => ({ kind: 'unit', name: `gear-${name}.service` })),
      { kind: 'container', name: 'gear-box' },
    ];
    expect(await read()).toEqual({
      withoutNetwork: [],
      unitsWithoutEntry: ['forgotten'],
      entriesWithoutUnit: ['nobody'],
      changedUnits: [
        { resource: 'disabled', text: false, link: 'missing' },
        { resource: 'edited', text: true, link: 'fine' },
        { resource: 'halved', text: false, link: 'missing' },
        { resource: 'stopped', text: false, link: 'missing' },
        { resource: 'unlinked', text: false, link: 'missing' },
      ],
      foreign,
    });
    const listed = await fleet.send<{ containers: { resource: string }[] }>('GET', 'containers');
    expect(listed.body.containers.map(({ resource }) => resource)).not.toContain('hand');

    expect(await repair()).toMatchObject({
      state: 'succeeded',
      result: {
        announced: ['forgotten'],
        forgotten: ['nobody'],
        rewritten: ['edited'],
        linked: ['disabled', 'halved', 'stopped', 'unlinked'],
        released: [45454],
        foreign,
      },
    });
    expect(await read()).toEqual({ ...none, foreign });
    expect((await repair()).result).toEqual({ ...nothingDone, foreign });

    expect(await readFile(unit('edited'), 'utf8')).toBe(text);
    expect(await ok('systemctl', 'show', '--value', '--property=RestartUSec', 'gear-edited')).toBe('5s');
    for (const r of ['disabled', 'unlinked'])
      expect(await ok('systemctl', 'is-enabled', `gear-${r}`)).toBe('enabled');
    expect(existsSync(etc('docker.service.wants/gear-halved.service'))).toBe(true);
    expect((await run('systemctl', 'is-enabled', 'gear-stopped')).stdout.trim()).toBe('linked');
    expect((await fleet.send('GET', 'container', { r: 'forgotten' })).status).toBe(200);
    expect(await Promise.all(gears.map(startsOf))).toEqual(starts);

    expect(await readFile(etc('gear-hand.service'), 'utf8')).toBe(byHand);
    expect(await readFile(unit('below'), 'utf8')).toBe(byHand);
    expect(await ok('systemctl', 'is-active', 'gear-running')).toBe('active');
    expect(await ok('docker', 'inspect', '--format', '{{.State.Status}}', 'gear-box')).toBe('created');

    await ok('docker', 'rm', 'gear-box');
    await ok('systemctl', 'stop', 'gear-running');
    await rm(etc('gear-hand.service'));
    await rm(unit('below'));
    await until('nothing foreign is left', async () => (await read()).foreign.length === 0);
    expect((await repair()).result).toMatchObject({ forgotten: ['below'] }); // Its file had taken the name.
  });

  test('a masked gear is shown, and stays masked', async () => {
    await rename(etc('gear-stopped.service'), `${fleet.base}/kept`);
    await symlink('/dev/null', etc('gear-stopped.service'));
    const masked = {
      changedUnits: [{ resource: 'stopped', text: false, link: 'wrong' }],
      foreign: [{ kind: 'unit', name: 'gear-stopped.service' }],
    };
    expect(await read()).toMatchObject(masked);
    expect((await repair()).result).toMatchObject({ ...nothingDone, foreign: masked.foreign });
    expect(await read()).toMatchObject(masked);
    await rename(`${fleet.base}/kept`, etc('gear-stopped.service'));
    expect(await read()).toEqual(none);
  });

  test('a unit that is no longer readable as ours is foreign, and not written over by a repair', async () => {
    const text = await readFile(unit('edited'), 'utf8');
    const cut = text.slice(0, text.indexOf('\n[X-Gear]'));
    await writeFile(unit('edited'), cut);
    expect(await read()).toEqual({ ...none, foreign: [{ kind: 'unit', name: 'gear-edited.service' }] });
    expect((await repair()).result).toMatchObject(nothingDone);
    expect(await readFile(unit('edited'), 'utf8')).toBe(cut);
    await writeFile(unit('edited'), text);
    await appendFile(unit('edited'), '# by hand\n');
    expect((await repair()).result).toMatchObject({ rewritten: ['edited'] });
  });

  test('of a host whose worker does not answer is null, and a host is asked for by its name', async () => {
    expect((await fleet.send('GET', 'drift', { h: 'nowhere' })).status).toBe(404);
    await fleet.kill('worker');
    await until('it is gone', async () => (await host())?.state === 'gone', 30_000);
    const { body } = await fleet.send('GET', 'drift', h1);
    expect(body).toEqual({ hosts: [{ host: 'h1', drift: null }] });
    await fleet.restart('worker');
    await until('it is back', async () => (await host())?.state === 'live');
  });
});

describe('gear host', () => {
  const gear = (...args: string[]) =>
    run(process.execPath, 'bin/gear', 'host', ...args, '--api', new URL(fleet.url).origin);

  test('lists, drains and takes back, and says so once more when it is so already', async () => {
    expect((await gear('list')).stdout).toMatch(/^h1 +live +\d+ /m);
    expect(await gear('drain', 'h1')).toMatchObject({ status: 0, stdout: 'h1: is draining\n' });
    expect((await gear('list')).stdout).toMatch(/^h1 +draining /m);
    expect(await gear('drain', 'h1')).toMatchObject({ status: 0, stdout: 'h1: was already draining\n' });
    expect(await gear('undrain', 'h1')).toMatchObject({ status: 0, stdout: 'h1: is live\n' });
  });

  test('shows drift with exit code 3 and repairs it; a failure is 1, and what is wrong with its use is 2', async () => {
    expect(await gear('drift')).toMatchObject({ status: 0, stdout: 'h1: no drift\n' });
    await fleet.redis.redis.sadd(keys.held('h1', 'gear'), 'nobody');
    const found = await gear('drift', 'h1');
    expect(found.status).toBe(3);
    expect(found.stdout).toContain('h1: nobody: the directory has it');
    const { status, stdout } = await gear('repair', 'h1', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ user: 'admin', result: { forgotten: ['nobody'] } });
    expect(await gear('repair', 'h1')).toMatchObject({ status: 0, stdout: 'h1: nothing to repair\n' });
    expect(await gear('drain', 'nowhere')).toMatchObject({ status: 1 });
    expect(await gear('drain')).toMatchObject({ status: 2 });
    expect(await gear('drain', 'No_Host')).toMatchObject({ status: 2 });
  });
});
