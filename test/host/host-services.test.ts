import { once } from 'node:events';
import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { succeeds } from '../../src/lib/async/succeeds.ts';
import { listenToFailpoints } from '../../src/lib/effect.ts';
import { readIfThere } from '../../src/lib/files/if-there.ts';
import { dockerCommands } from '../../src/worker/docker/commands.ts';
import { hostPaths } from '../../src/worker/domain/paths.ts';
import { wantedBy } from '../../src/worker/domain/unit-file.ts';
import { writeDurably } from '../../src/worker/host/files.ts';
import { listeningPorts } from '../../src/worker/host/listening.ts';
import { createReservations, portIsFree } from '../../src/worker/host/ports.ts';
import { type Bus, openBus } from '../../src/worker/systemd/bus.ts';
import { createSystemd, type Systemd } from '../../src/worker/systemd/systemd.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const name = 'gear-room-test.service';
let base: string;
let bus: Bus;
let systemd: Systemd;
beforeAll(async () => {
  base = await mkdtemp('/var/lib/gears-test-');
  await ok('mkdir', `${base}/units`, `${base}/ports`);
  bus = await openBus({ log, deadlineMs: 10_000 });
  systemd = await createSystemd(bus, wantedBy(dockerCommands), log);
});
afterAll(async () => {
  await systemd.stop(name);
  await systemd.unlink(name);
  await systemd.settle();
  bus.close();
  await rm(base, { recursive: true });
});

const unit = (command: string) =>
  `[Service]\nType=exec\nExecStart=${command}\n[Install]\nWantedBy=multi-user.target\n`;

/** How many connections to the bus this process has. */
async function connectionsOfOurs({ call }: Bus): Promise<number> {
  const theBus = { destination: 'org.freedesktop.DBus', path: '/', interface: 'org.freedesktop.DBus' };
  const [names] = (await call({ ...theBus, member: 'ListNames' })) as [string[]];
  const pids = names
    .filter((one) => one.startsWith(':'))
    .map(async (one) => {
      const ask = { ...theBus, member: 'GetConnectionUnixProcessID', signature: 's', body: [one] };
      const [pid] = await call(ask).catch(() => [0]); // It has gone meanwhile.
      return pid;
    });
  return (await Promise.all(pids)).filter((pid) => pid === process.pid).length;
}

test('a new unit file starts without a reload, a changed one is noticed to need it', async () => {
  const path = `${base}/units/${name}`;
  expect((await systemd.state(name)).load).toBe('not-found');
  await writeDurably(path, unit('/bin/sleep 1000'), 0o644);
  await systemd.link(path, true);
  expect(await systemd.start(name)).toBe('done');
  expect(await systemd.state(name)).toMatchObject({ active: 'active', sub: 'running', needsReload: false });
  await writeDurably(path, unit('/bin/sleep 2000'), 0o644);
  expect((await systemd.state(name)).needsReload).toBe(true);
  await Promise.all([systemd.reload(), systemd.reload(), systemd.reload()]);
  expect((await systemd.state(name)).needsReload).toBe(false);
});

test('enabling and linking can be repeated and switch over', async () => {
  const path = `${base}/units/${name}`;
  for (const enabled of [true, true, false, false, true]) {
    await systemd.link(path, enabled);
    expect(await systemd.isEnabled(name)).toBe(enabled);
    expect((await run('systemctl', 'cat', name)).status).toBe(0);
  }
});

test('a unit that systemd has forgotten is stopped', async () => {
  expect(await systemd.stop('gear-room-forgotten.service')).toBe('done');
  await systemd.resetFailed('gear-room-forgotten.service');
});

test('a unit that is to start is pending, also while it is inactive still', async () => {
  const [slow, behind] = ['gear-room-slow.service', 'gear-room-behind.service'];
  const go = '/run/gear-room-go';
  const once = (script: string) =>
    `[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "${script}"\n`;
  const waiting = once(`until [ -e ${go} ]; do sleep 0.1; done`);
  await writeDurably(`/run/systemd/system/${slow}`, waiting, 0o644);
  await writeDurably(`/run/systemd/system/${behind}`, `[Unit]\nAfter=${slow}\n${once('true')}`, 0o644);
  await ok('systemctl', 'start', '--no-block', slow, behind);
  expect(await systemd.activity(behind)).toMatchObject({ active: 'inactive', pending: true });
  await ok('touch', go);
  await until('it has run', async () => !(await systemd.activity(behind)).pending);
  expect(await systemd.activity(behind)).toMatchObject({ active: 'active', pending: false });
  await ok('systemctl', 'stop', slow, behind);
  await ok('rm', go, `/run/systemd/system/${slow}`, `/run/systemd/system/${behind}`);
});

test('a call in flight when the bus goes away is told so, and the bus comes back by itself', async () => {
  const slow = bus.call({
    destination: 'org.freedesktop.systemd1',
    path: '/org/freedesktop/systemd1',
    interface: 'org.freedesktop.systemd1.Manager',
    member: 'Reload',
  });
  const settled = slow.then(
    () => 'answered',
    (error) => error.code,
  );
  await ok('systemctl', 'restart', 'dbus');
  expect(['answered', 'host_unavailable']).toContain(await settled);
  await until('calls are answered again', () => succeeds(systemd.state(name)), 5_000);
  expect(await systemd.restart(name)).toBe('done');
});

test('a connection to the bus that could not be set up whole is closed, and no signal is heard twice (house 7.5)', async () => {
  const own = await openBus({ log, deadlineMs: 10_000 });
  const heard: unknown[] = [];
  own.onSignal({ interface: 'org.freedesktop.systemd1.Manager', member: 'Reloading' }, (body) =>
    heard.push(body),
  );
  const before = await connectionsOfOurs(own);
  // Of the connections after the restart the first can not ask for its signals.
  let faults = 0;
  listenToFailpoints((point) => {
    if (point === 'dbus.AddMatch:before' && faults++ === 0) throw new Error('a fault that passes');
  });
  await ok('systemctl', 'restart', 'dbus');
  await until('each bus is back', () =>
    connectionsOfOurs(own).then(
      (count) => faults > 1 && count === before,
      () => false,
    ),
  );
  listenToFailpoints(null);
  await systemd.reload();
  await until('the signals are heard', () => heard.length > 1);
  await systemd.reload();
  await until('the next signals are heard', () => heard.length > 3);
  expect(heard).toEqual([[true], [false], [true], [false]]);
  expect(await connectionsOfOurs(own)).toBe(before);
  own.close();
});

test('a call that waits for others is made on the connection that is there when its turn comes (house 7.5)', async () => {
  const calls = Promise.allSettled(Array.from({ length: 300 }, () => systemd.state(name)));
  await ok('systemctl', 'restart', 'dbus');
  const began = Date.now();
  const ended = await calls;
  expect(Date.now() - began).toBeLessThan(8_000);
  for (const one of ended)
    if (one.status === 'rejected')
      expect(one.reason).toMatchObject({ code: 'host_unavailable', transient: true });
});

test('systemd that is re-executed in the middle of a call is a fault that passes (reliability 1)', async () => {
  const calls = Promise.allSettled(Array.from({ length: 50 }, () => systemd.restart(name)));
  await ok('systemctl', 'daemon-reexec');
  for (const one of await calls)
    if (one.status === 'rejected')
      expect(one.reason).toMatchObject({ code: 'host_unavailable', transient: true });
  await until('it answers again', () =>
    systemd.restart(name).then(
      (result) => result === 'done',
      () => false,
    ),
  );
});

test('a unit is never without its link while it is enabled and disabled (reliability 3)', async () => {
  const link = `/etc/systemd/system/${name}`;
  await systemd.link(`${base}/units/${name}`, true);
  let changing = true;
  const looking = (async () => {
    let looks = 0;
    for (; changing; looks++) await readlink(link);
    return looks;
  })();
  for (let i = 0; i < 20; i++) await systemd.link(`${base}/units/${name}`, i % 2 === 1);
  changing = false;
  expect(await looking).toBeGreaterThan(20);
});

test('a unit of this name that somebody else has made stays as it is', async () => {
  const place = '/etc/systemd/system/gear-room-theirs.service';
  await writeDurably(place, unit('/bin/true'), 0o644);
  await expect(systemd.link(`${base}/units/gear-room-theirs.service`, true)).rejects.toThrow('has not made');
  await systemd.unlink('gear-room-theirs.service');
  expect(await readIfThere(place)).toBe(unit('/bin/true'));
  await ok('rm', place);
});

test('a port is reserved for one gear at a time; what a crash left over is taken over', async () => {
  const paths = hostPaths(base);
  const busy = new Set(['b']);
  const reservations = createReservations(paths, (resource) => busy.has(resource));
  expect(await Promise.all(['a', 'b', 'c'].map((r) => reservations.reserve(4000, r)))).toContain(true);
  await ok('rm', '-f', paths.port(4000));
  expect(await reservations.reserve(4000, 'b')).toBe(true);
  expect(await reservations.reserve(4000, 'b')).toBe(true);
  expect(await reservations.reserve(4000, 'c')).toBe(false);
  busy.clear();
  expect(await reservations.reserve(4000, 'c')).toBe(true);
  await reservations.release(4000, 'b');
  expect(await reservations.list('c')).toEqual([4000]);
});

test('a listening program is seen without being spoken to', async () => {
  const connections: unknown[] = [];
  const server = createServer((socket) => connections.push(socket)).listen(0);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  expect((await listeningPorts(process.pid)).has(port)).toBe(true);
  expect(await portIsFree(port)).toBe(false);
  server.close();
  await once(server, 'close');
  expect(await portIsFree(port)).toBe(true);
  expect(connections).toEqual([]);
});

test('a file is replaced as a whole', async () => {
  await writeDurably(`${base}/file`, 'one', 0o600);
  await writeDurably(`${base}/file`, 'two', 0o600);
  expect(await readIfThere(`${base}/file`)).toBe('two');
  expect(await readIfThere(`${base}/none`)).toBeNull();
});
