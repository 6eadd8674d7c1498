import { afterAll, beforeAll, expect, test } from 'vitest';
import { type InstalledHost, issuer, openInstalledHost } from '../support/installed-host.ts';
import { until } from '../support/until.ts';

let host: InstalledHost;
beforeAll(async () => {
  host = await openInstalledHost('install');
  await host.ok(`${process.cwd()}/contrib/sample/image`);
});
afterAll(() => host.close());

const ready = () =>
  until(
    'the api answers',
    async () => (await host.try('curl', '-fsS', 'http://127.0.0.1:2223/readyz')).status === 0,
  );
const gearAnswers = async () =>
  expect(await host.ok('curl', '-fsS', '-m', '5', 'http://127.0.0.1:4343/')).toContain('gear');
const parts = ['geard-redis', 'geard-api', 'geard-worker'];
const mainPids = () => Promise.all(parts.map(mainPid));
const mainPid = (unit: string) => host.ok('systemctl', 'show', '--property=MainPID', '--value', unit);
const programs = async () => (await host.ok('ls', '/usr/local/lib/geard')).split('\n');

test('the tarball alone makes api, worker and Redis, without a network, and a gear by a real token', async () => {
  expect(await host.ok('ip', 'route', 'show', 'default')).toBe('');
  const installed = await host.install('--start');
  expect(installed, installed.stderr).toMatchObject({ status: 0 });
  await ready();
  const what = ['--action', 'container.install', '--r', 'web', '--t', 'geard/sample', '--once', '--url'];
  const url = await host.token(...what);
  const body = '{"ports":[{"external":4343,"internal":8080}]}';
  const job = JSON.parse(await host.ok('curl', '-sS', '-X', 'PUT', '-H', 'Prefer: wait=60', '-d', body, url));
  expect(job).toMatchObject({ state: 'succeeded' });
  await gearAnswers();
  expect(await host.ok('cat', '/usr/local/share/man/man1/gear.1')).toContain('.TH GEAR 1');
  for (const unit of parts) {
    expect((await host.try('systemctl', 'is-enabled', unit)).stdout.trim(), unit).toBe('enabled');
    expect(installed.stdout).toContain(`runs, now and after every boot: ${unit}.service`);
  }
  expect(installed.stdout).toMatch(
    new RegExp(`${issuer} makes tokens, .*: take it to [\\s\\S]*and remove it here`),
  );
});

test('what makes tokens is nowhere that a service could read, and nobody is root but who must be (security L13)', async () => {
  expect(await host.ok('find', '/etc/geard', '-name', '*.issuer.key')).toBe('');
  const files = (await host.ok('ls', issuer)).split('\n').map((name) => name.replace(/^[^.]+\./, ''));
  expect(files.sort()).toEqual(['daemon.pub', 'issuer.key', 'issuer.pub']);
  expect(await host.ok('stat', '-c', '%U %a', issuer)).toMatch(/^root 700$/);
  const users = parts.map(async (unit) => host.ok('ps', '-o', 'user=', '-p', await mainPid(unit)));
  expect(await Promise.all(users)).toEqual(['geard-redis', 'geard-api', 'root']);
  for (const unit of ['geard-api', 'geard-worker']) {
    const inUnit = ['nsenter', '--mount', `--target=${await mainPid(unit)}`, 'ls', issuer];
    expect((await host.try(...inUnit)).status, unit).not.toBe(0);
  }
});

test('the Redis of the host takes nobody without a password, and nobody else reaches its socket', async () => {
  const ping = ['redis-cli', '-s', '/run/geard-redis/redis.sock', 'ping'];
  expect((await host.try(...ping)).stdout).toContain('NOAUTH');
  const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  expect((await host.try(...asNobody, ...ping)).stderr).toContain('Permission denied');
  const flush = `redis-cli -s /run/geard-redis/redis.sock --user geard-api --pass "$(cat /etc/geard/api/redis.password)" flushall`;
  expect((await host.try('sh', '-c', flush)).stdout).toContain('NOPERM');
  expect(await host.ok('stat', '-c', '%U %a', '/etc/geard/api/redis.password')).toBe('geard-api 600');
  expect(await host.ok('stat', '-c', '%U %a', '/etc/geard/redis.password')).toBe('root 600');
});

test('repositories are made and copied where nobody prepared an image and no registry is reached', async () => {
  expect(await host.ok('docker', 'images', '--quiet', '--filter=reference=*/githost')).toBe('');
  expect(await host.change('PUT', 'repository', 'r=site')).toMatchObject({ state: 'succeeded' });
  expect(await host.ok('git', '-C', '/var/lib/gears/git/site', 'symbolic-ref', 'HEAD')).toBe(
    'refs/heads/main',
  );
  const copied = await host.change('PUT', 'repository', 'r=site-2&t=gear%3A%2F%2Fsite');
  expect(copied).toMatchObject({ state: 'succeeded' });
  const said = await host.ok('journalctl', '--unit=geard-*', '--output=cat');
  expect(said).not.toMatch(/"level":(?:40|50|60)|EPERM|EACCES|EROFS/);
});

test('what is refused stands in a file of its own, which its service alone can read (security M2)', async () => {
  expect(await host.curl('GET', 'whoami', undefined, 'x')).toContain('token_invalid');
  const refused = (await host.ok('cat', '/var/log/geard-api/audit.log')).split('\n').at(-1) ?? '';
  expect(JSON.parse(refused)).toMatchObject({ audit: true, msg: 'refused', status: 401 });
  const modes = ['/var/log/geard-api', '/var/log/geard-api/audit.log', '/var/log/geard-worker/audit.log'];
  expect(await host.ok('stat', '-c', '%U %a', ...modes)).toBe('geard-api 700\ngeard-api 600\nroot 600');
});

test('installed again it changes nothing', async () => {
  const before = [await mainPids(), await programs()];
  const again = await host.install('--start');
  expect(again, again.stderr).toMatchObject({ status: 0 });
  expect(again.stdout).toContain('is there already');
  expect([await mainPids(), await programs()]).toEqual(before);
});

test('Redis alone leaves the keys as they are: tokens are accepted as before', async () => {
  const keys = () => host.ok('ls', '/etc/geard/keys', '/etc/geard/api/keys', issuer);
  const before = await keys();
  const again = await host.install('redis');
  expect(again, again.stderr).toMatchObject({ status: 0 });
  expect(await keys()).toBe(before);
  expect(JSON.parse(await host.curl('GET', 'container?r=web'))).toMatchObject({ resource: 'web' });
});

test('one run at a time: a second one changes nothing and says why; what it starts holds no lock', async () => {
  const lock = '/run/geard-install.lock';
  const meanwhile = (...args: string[]) =>
    host.try('flock', lock, '/root/release/package/contrib/install.sh', ...args);
  const before = await programs();
  for (const args of [['--start'], ['--uninstall']]) {
    const { status, stdout, stderr } = await meanwhile(...args);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain('another run');
  }
  expect(await programs()).toEqual(before);
  expect(await host.ok('stat', '-c', '%U %a', lock)).toBe('root 600');
  expect(await host.install('--start')).toMatchObject({ status: 0 });
  expect(await host.try('flock', '-n', lock, 'true')).toMatchObject({ status: 0 });
});

test('another version replaces the one before and restarts api and worker; gears and Redis notice nothing', async () => {
  const [[redis, api, worker], gear, before] = [
    await mainPids(),
    await mainPid('gear-web'),
    await programs(),
  ];
  await host.ok('sh', '-c', 'echo >>/root/release/package/docs/operations.md');
  const { status, stdout } = await host.install();
  expect(status).toBe(0);
  expect(stdout).toMatch(/restarted: geard-api.service\nrestarted: geard-worker.service/);
  expect(await programs()).toHaveLength(before.length);
  expect(await programs()).not.toEqual(before);
  expect(await mainPids()).toEqual([
    redis,
    expect.not.stringMatching(`^${api}$`),
    expect.not.stringMatching(`^${worker}$`),
  ]);
  expect(await mainPid('gear-web')).toBe(gear);
  await ready();
  expect(JSON.parse(await host.curl('GET', 'container?r=web'))).toMatchObject({ resource: 'web' });
});

test('an upgrade that was interrupted is finished by the next run', async () => {
  const [[redis, api, worker], before] = [await mainPids(), await programs()];
  await host.ok('sh', '-c', 'echo >>/root/release/package/docs/operations.md');
  const broken = '/usr/local/bin/systemd-tmpfiles';
  await host.write(broken, '#!/bin/sh\nexit 1\n', '755');
  expect((await host.install()).status).toBe(1);
  expect(await mainPids()).toEqual([redis, api, worker]);
  expect(await programs()).toEqual(expect.arrayContaining(before)); // What runs is still there.
  await host.ok('rm', broken);
  const { status, stdout } = await host.install();
  expect(status).toBe(0);
  expect(stdout).toMatch(/restarted: geard-api.service\nrestarted: geard-worker.service/);
  expect(await programs()).toHaveLength(before.length);
  await ready();
  expect((await host.install()).stdout).not.toContain('restarted');
});

test('it says what is wrong and how to mend it, and changes nothing', async () => {
  const before = await programs();
  expect(await host.install('--uninstall', 'daemon')).toMatchObject({ status: 2 });
  expect(await host.install('daemon', 'api')).toMatchObject({ status: 2 });
  for (const [args, mending] of [
    [['daemon'], 'systemctl disable --now geard-redis.service'],
    [['--node', '/bin/false'], 'or name another one with --node'],
    [['--node', '/nowhere'], '/nowhere is no program'],
  ] as const) {
    const { status, stderr } = await host.install(...args);
    expect(status, args.join(' ')).toBe(1);
    expect(stderr).toContain(mending);
  }
  const script = '/usr/local/lib/geard/current/contrib/install.sh';
  const { stderr } = await host.try('setpriv', '--reuid=65534', '--clear-groups', script);
  expect(stderr).toContain('this needs root');
  expect(await programs()).toEqual(before);
});

test('settings that are wrong are told by --start', async () => {
  await host.write('/etc/geard/geard.env', 'GEARD_LISTEN=nowhere\n');
  await host.ok('systemctl', 'stop', 'geard-api');
  const { status, stderr } = await host.install('--start');
  expect(status).toBe(1);
  expect(stderr).toMatch(/GEARD_LISTEN \(--listen\)[\s\S]*mend what it says above/);
  await host.write('/etc/geard/geard.env', '');
  expect(await host.install('--start')).toMatchObject({ status: 0 });
});

test('uninstalled, nothing of ours is left but what was made with it, and the gear still answers', async () => {
  const { status, stdout } = await host.try('/usr/local/lib/geard/current/contrib/install.sh', '--uninstall');
  expect(status).toBe(0);
  expect(stdout).toMatch(/kept: \/var\/lib\/gears .*\/etc\/geard/);
  const left = await host.ok(
    'find',
    '/etc',
    '/usr',
    '-xdev',
    '-name',
    'gear*',
    '-not',
    '-path',
    `${process.cwd()}/*`,
  );
  const ours = left.split('\n').filter((path) => !path.startsWith('/etc/geard/'));
  expect(ours.sort()).toEqual([
    '/etc/geard',
    '/etc/systemd/system/docker.service.wants/gear-web.service',
    '/etc/systemd/system/docker.service.wants/geard-network.service',
    '/etc/systemd/system/gear-web.service',
    '/etc/systemd/system/multi-user.target.wants/gear-web.service',
    '/etc/systemd/system/multi-user.target.wants/geard-network.service',
    '/usr/local/lib/geard-network',
    '/usr/local/lib/systemd/system/geard-network.service',
  ]);
  expect(stdout).toContain('kept: geard-network.service, as long as there are gears');
  for (const user of ['geard-api', 'geard-redis'])
    expect(await host.try('id', user)).toMatchObject({ status: 1 });
  expect(await host.ok('docker', 'images', '--quiet', '--filter=reference=*/githost')).toBe('');
  expect((await host.try('pgrep', '-f', 'gear api|gear worker|geard-redis')).status).toBe(1);
  expect(await host.ok('ls', '/etc/geard/keys')).toContain('.daemon.key');
  await gearAnswers();
  expect(await host.install('--uninstall')).toMatchObject({ status: 0 });
  await host.ok('systemctl', 'restart', 'gear-web');
  await until('the gear answers again', async () =>
    (await host.try('curl', '-fsS', '-m', '2', 'http://127.0.0.1:4343/')).stdout.includes('gear'),
  );
});

test('installed once more it goes on with what there was, with the same keys and jobs', async () => {
  const keys = await host.ok('ls', '/etc/geard/keys', issuer);
  const again = await host.install('--start');
  expect(again, again.stderr).toMatchObject({ status: 0 });
  await ready();
  expect(await host.ok('ls', '/etc/geard/keys', issuer)).toBe(keys);
  expect(JSON.parse(await host.curl('GET', 'container?r=web'))).toMatchObject({ resource: 'web' });
  expect(await host.curl('GET', 'jobs?limit=1')).toContain('"succeeded"');
  expect(await host.install('--uninstall')).toMatchObject({ status: 0 });
});

test('all of it in one process is still to be had by name', async () => {
  const installed = await host.install('daemon', '--start');
  expect(installed, installed.stderr).toMatchObject({ status: 0 });
  await ready();
  expect(JSON.parse(await host.curl('GET', 'container?r=web'))).toMatchObject({ resource: 'web' });
  const refused = await host.install('worker');
  expect(refused).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('systemctl disable --now geard.service'),
  });
  expect(await host.install('--uninstall')).toMatchObject({ status: 0 });
});

test('uninstalled when there are no gears any more, the rules of the network are gone', async () => {
  expect(await host.ok('nft', 'list', 'tables')).toContain('inet geard');
  await host.ok('systemctl', 'disable', '--now', 'gear-web');
  await host.ok('rm', '-f', '/etc/systemd/system/gear-web.service');
  expect(await host.install('--uninstall')).toMatchObject({ status: 0 });
  expect(await host.ok('nft', 'list', 'tables')).not.toContain('geard');
  expect(await host.ok('find', '/etc', '/usr/local', '-xdev', '-name', 'geard-network*')).toBe('');
});

test('npm installs the tarball without a network and without a cache', async () => {
  const npm = ['npm', 'install', '--global', '--offline', '--prefix=/root/npm', '--cache=/root/npm-cache'];
  await host.ok(...npm, host.tarball);
  expect(await host.ok('/root/npm/bin/gear', '--version')).toMatch(/^\d+\.\d+\.\d+$/);
});
