import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type InstalledHost, issuer, openInstalledHost } from '../support/installed-host.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let host: InstalledHost;
beforeAll(async () => {
  host = await openInstalledHost('install-fleet');
  await host.ok(`${process.cwd()}/contrib/sample/image`);
});
afterAll(() => host.close());

/** A Redis with a user for each role, as an administrator makes it with the command of ours. */
async function startRedis(): Promise<void> {
  const passwords = { api: '/etc/geard/api/redis.password', worker: '/etc/geard/worker.password' };
  const acl: string[] = [];
  for (const [role, file] of Object.entries(passwords)) {
    await host.write(file, `${role}-${'0123456789abcdef'.repeat(2)}\n`);
    const whose = role === 'worker' ? ['--host', 'h1'] : [];
    acl.push(await host.ok('gear', 'redis-acl', role, ...whose, '--password-file', file));
  }
  await host.write('/root/users.acl', `user default off\n${acl.join('\n')}\n`);
  const redis = [
    'redis-server',
    '--aclfile',
    '/root/users.acl',
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
    '--appendonly',
    'yes',
    '--dir',
    '/root',
  ];
  await host.ok('systemd-run', '--quiet', '--unit=test-redis', ...redis);
  const settings = (user: string, file: string) =>
    `GEARD_REDIS_USER=${user}\nGEARD_REDIS_PASSWORD_FILE=${file}\n`;
  await host.write('/etc/geard/geard.env', 'GEARD_REDIS_URL=redis://127.0.0.1:6379\nGEARD_HOST=h1\n');
  await host.write('/etc/geard/api.env', settings('geard-api', passwords.api));
  await host.write(
    '/etc/geard/worker.env',
    `${settings('geard-h1', passwords.worker)}GEARD_CLONE_ALLOW=localhost\n`,
  );
}

/** Makes keys and hands out what api and worker need of them. */
async function makeKeys(): Promise<void> {
  await host.ok('gear', 'token', 'keygen', issuer);
  const copy = `cd ${issuer} && for to in keys api/keys; do cp *.daemon.key *.issuer.pub /etc/geard/$to/; done`;
  await host.ok('sh', '-c', copy);
}

test('api and worker are installed side by side, and start when they have keys', async () => {
  const first = await host.install('api', 'worker', '--start');
  expect(first).toMatchObject({ status: 1, stderr: expect.stringContaining('there are no keys') });
  await makeKeys();
  await startRedis();
  const second = await host.install('api', 'worker', '--start');
  expect(second, second.stderr).toMatchObject({ status: 0 });
  await until(
    'the api knows the worker',
    async () => JSON.parse(await host.curl('GET', 'hosts')).hosts?.[0]?.state === 'live',
  );
  const pid = await host.ok('systemctl', 'show', '--property=MainPID', '--value', 'geard-api');
  expect(await host.ok('ps', '-o', 'user=', '-p', pid)).toBe('geard-api');
});

test('a clone is installed as the same program as the tarball', async () => {
  const { status, stdout, stderr } = await host.try(`${process.cwd()}/contrib/install.sh`, 'api', 'worker');
  expect(status, stderr).toBe(0);
  expect(stdout).toContain('is there already');
});

test.each([
  ['geard-api.service', 1.2],
  ['geard-redis.service', 1.2],
  ['geard-worker.service', 2.5],
  ['geard.service', 2.5],
])('systemd finds %s exposed by %d at most, as it runs and as it is shipped', async (unit, most) => {
  for (const what of [[unit], ['--offline=true', `/usr/local/lib/systemd/system/${unit}`]]) {
    const said = await host.ok('systemd-analyze', 'security', '--no-pager', ...what);
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
    expect(exposure, what.join(' ')).toBeGreaterThan(0);
    expect(exposure, what.join(' ')).toBeLessThanOrEqual(most);
  }
});

test('at that level gears are installed, logged, changed, stopped and removed', async () => {
  const done = { state: 'succeeded' };
  expect(
    await host.change('PUT', 'environment', 'r=env1', { env: [{ name: 'A', value: '1' }] }),
  ).toMatchObject(done);
  const gear = { ports: [{ external: 4343, internal: 8080 }], environment: 'env1' };
  expect(await host.change('PUT', 'container', 'r=web&t=geard%2Fsample', gear)).toMatchObject(done);
  expect(await host.ok('curl', '-fsS', 'http://127.0.0.1:4343/')).toContain('gear');
  expect(await host.curl('GET', 'content?r=env1&t=env')).toContain('A');
  const log = await host.token('--action', 'container.log', '--r', 'web', '--url');
  const { stdout } = await host.try('curl', '-sSN', '-m', '2', log);
  expect(stdout).toContain('serving on 8080');
  expect(
    await host.change('PATCH', 'environment', 'r=env1', { env: [{ name: 'B', value: '2' }] }),
  ).toMatchObject(done);
  for (const state of ['stopped', 'started', 'restarted'])
    expect(await host.change('PUT', `container/${state}`, 'r=web'), state).toMatchObject(done);
  expect(await host.change('DELETE', 'container', 'r=web')).toMatchObject(done);
  const missing = await host.change('PUT', 'container', 'r=none&t=registry.invalid%2Fnone:1');
  expect(missing).toMatchObject({ code: 'registry_failed' });
});

test('at that level repositories are made and archived', async () => {
  expect(await host.change('PUT', 'repository', 'r=git1')).toMatchObject({ state: 'succeeded' });
  const push = `set -e; rm -rf /root/work; git clone --quiet /var/lib/gears/git/git1 /root/work; cd /root/work
    echo hello >readme; git add .; git -c user.name=S -c user.email=s@example.org commit --quiet -m Files
    git push --quiet origin HEAD:refs/heads/main`;
  await host.ok('sh', '-c', push);
  const url = await host.token('--action', 'content.read', '--r', 'git1', '--url');
  await host.ok('curl', '-fsS', '-o', '/root/git1.zip', url);
  expect(await host.ok('unzip', '-p', '/root/git1.zip')).toBe('hello');
});

test('at that level a repository is cloned, from a host whose name has to be looked up', async () => {
  const publish = `set -e; git clone --quiet --bare /var/lib/gears/git/git1 /root/public/git1
    git -C /root/public/git1 update-server-info; chmod -R go+rX /root/public`;
  await host.ok('sh', '-c', publish);
  const server = ['busybox', 'httpd', '-f', '-p', '127.0.0.1:8099', '-h', '/root/public'];
  await host.ok('systemd-run', '--quiet', '--unit=test-httpd', ...server);
  const source = encodeURIComponent('http://localhost:8099/git1');
  const cloned = await host.change('PUT', 'repository', `r=git2&t=${source}`);
  expect(cloned).toMatchObject({ state: 'succeeded' });
});

test('nothing that the sandboxes forbid was missed', async () => {
  for (const unit of ['geard-api', 'geard-worker']) {
    const said = await host.ok('journalctl', `--unit=${unit}`, '--output=cat');
    const missed = said.split('\n').filter((line) => /"level":(?:40|50|60)|EPERM|EACCES|EROFS/.test(line));
    expect(missed, unit).toEqual([]);
  }
});

/** Whether what a unit has said last of its keys names each that is there; it may have looked while they were copied. */
async function usesAllKeys(unit: string): Promise<boolean> {
  const files = (await host.ok('ls', '/etc/geard/keys')).split('\n');
  const said = (await host.ok('journalctl', `--unit=${unit}`, '--output=cat')).split('\n');
  const last = said.findLast((line) => line.includes('keys have changed'));
  if (last === undefined) return false;
  const { issuers, daemons }: Record<string, string[]> = JSON.parse(last);
  const used = [
    ...(issuers ?? []).map((id) => `${id}.issuer.pub`),
    ...(daemons ?? []).map((id) => `${id}.daemon.key`),
  ];
  const there = files.filter((file) => /\.(?:issuer\.pub|daemon\.key)$/.test(file));
  return isDeepStrictEqual(used.sort(), there.sort());
}

test('a key copied to the api counts after a reload, without a restart', async () => {
  const pid = () => host.ok('systemctl', 'show', '--property=MainPID', '--value', 'geard-api');
  const before = await pid();
  await makeKeys();
  host.renewToken();
  await host.ok('systemctl', 'reload', 'geard-api');
  for (const unit of ['geard-api', 'geard-worker'])
    await until(`${unit} uses the new keys`, () => usesAllKeys(unit));
  expect(await host.curl('GET', 'hosts')).toContain('"live"');
  expect(await pid()).toBe(before);
});

test('gear.target stops and starts what runs, and no gear; a boot starts both', async () => {
  expect(await host.change('PUT', 'container', 'r=stays&t=geard%2Fsample')).toMatchObject({
    state: 'succeeded',
  });
  const active = async (unit: string) => (await host.try('systemctl', 'is-active', unit)).stdout.trim();
  // systemctl waits for the target; api and worker end and start beside it (systemd.unit(5), PartOf=).
  const become = async (what: string, ...states: string[]) => {
    const units = ['geard-api', 'geard-worker', 'gear-stays'];
    await until(what, async () => isDeepStrictEqual(await Promise.all(units.map(active)), states));
  };
  await host.ok('systemctl', 'stop', 'gear.target');
  await become('api and worker have stopped, the gear runs', 'inactive', 'inactive', 'active');
  await host.ok('systemctl', 'start', 'gear.target');
  await become('all run', 'active', 'active', 'active');
  await ok('contrib/lab', 'reboot', 'h1');
  await become('all run after a reboot', 'active', 'active', 'active');
});

test('a host that has joined has its worker after every boot', async () => {
  await host.ok('systemctl', 'disable', '--now', 'gear.target', 'geard-worker');
  await host.ok('sed', '-i', '/^GEARD_HOST=/d', '/etc/geard/geard.env'); // It was h1 until here.
  const add =
    'gear host add h2 --redis redis://127.0.0.1:6379 --keys /etc/geard/keys --acl-file /root/users.acl';
  const joined = await host.try('sh', '-c', `${add} | sed '1d;/^END$/d' | gear host join`);
  expect(joined, joined.stderr).toMatchObject({ status: 0 });
  expect(joined.stdout).toContain('geard-worker is started, now and after every boot');
  await ok('contrib/lab', 'reboot', 'h1');
  const isActive = async () =>
    (await host.try('systemctl', 'is-active', '--quiet', 'geard-worker')).status === 0;
  await until('it runs after a reboot', isActive);
});

test('where a Redis is named none is made, and nothing is installed', async () => {
  await host.ok('sh', '-c', 'rm /etc/geard/api.env; echo >>/root/release/package/docs/operations.md');
  const before = await host.ok('readlink', '/usr/local/lib/geard/current');
  const { status, stderr } = await host.install('redis', 'api', 'worker');
  expect([status, stderr]).toEqual([1, expect.stringContaining('name a Redis already')]);
  expect(await host.ok('readlink', '/usr/local/lib/geard/current')).toBe(before);
});
