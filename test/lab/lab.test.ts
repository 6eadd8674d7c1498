import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

const lab = (...args: string[]) => run('contrib/lab', ...args);
const onHost = (host: string, ...command: string[]) => ok('contrib/lab', 'exec', host, '--', ...command);
const project = process.cwd();

/** What a lab could leave behind on this machine. */
async function traces(): Promise<string[]> {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes('geard-lab'));
  const spaces = (await ok('ip', 'netns', 'list'))
    .split('\n')
    .filter((line) => line.includes('geard-lab-own'));
  const processes = (await run('pgrep', '-f', 'geard-lab-own')).stdout.split('\n').filter(Boolean);
  const cgroups = (await ok('find', '/sys/fs/cgroup', '-ignore_readdir_race', '-name', 'geard-lab-own*'))
    .split('\n')
    .filter(Boolean);
  const files = (
    await run('find', '/run', '/var/lib/geard-lab', '-maxdepth', '1', '-name', 'geard-lab-own*')
  ).stdout
    .split('\n')
    .filter(Boolean);
  return [
    ...mounts.filter((line) => line.includes('geard-lab-own')),
    ...spaces,
    ...processes,
    ...cgroups,
    ...files,
  ];
}

beforeAll(async () => {
  process.env['GEARD_LAB_DIR'] = '/run/geard-lab-own';
  await lab('down');
  const up = await lab('up', '2', '--bare');
  expect(up, up.stderr).toMatchObject({ status: 0 });
});
afterAll(async () => {
  await lab('down');
});

test('hosts are real ones: systemd as PID 1, Docker, a network between them', async () => {
  for (const host of ['h1', 'h2']) {
    expect(await onHost(host, 'cat', '/proc/1/comm')).toBe('systemd');
    expect(await onHost(host, 'docker', 'info', '--format', '{{.Name}}')).toBe(host);
  }
  await ok('contrib/lab', 'exec', 'h1', '--', `${project}/contrib/sample/image`);
  await onHost('h1', 'docker', 'run', '-d', '--init', '-p', '8088:8080', 'geard/sample');
  await until('h2 reaches a port of h1', async () =>
    (await lab('exec', 'h2', '--', 'curl', '-fsS', '-m', '2', 'http://10.77.0.1:8088/')).stdout.includes(
      'gear',
    ),
  );
});

test('a command on a host gets its input and gives its output and exit status', async () => {
  expect(await lab('exec', 'h2', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7')).toMatchObject({
    status: 7,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  const child = spawn('contrib/lab', ['exec', 'h2', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end('through');
  expect(String(await child.stdout.toArray())).toBe('through');
});

test('up again is told to be there already; what is wrong is said and ends with 2', async () => {
  expect((await lab('up', '2', '--bare')).stdout).toBe('h1: is up already\nh2: is up already\n');
  for (const wrong of [['up', '6'], ['up', 'x'], ['exec', 'h1'], ['exec', 'h9', 'true'], ['fly']]) {
    expect((await lab(...wrong)).status, wrong.join(' ')).toBe(2);
  }
  expect(await lab('exec', 'h5', 'true')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('contrib/lab up 5'),
  });
});

test('a lab whose name is the beginning of this one is another lab', async () => {
  expect(await run('env', 'GEARD_LAB_DIR=/run/geard', 'contrib/lab', 'down')).toMatchObject({
    status: 0,
    stderr: '',
  });
  expect((await lab('status')).stdout).toContain('h1: pid');
});

test('a port that a container publishes is reached from this machine, byte for byte', async () => {
  const forward = spawn('contrib/lab', ['forward', 'h1'], { stdio: ['ignore', 'ignore', 'inherit'] });
  await onHost('h1', 'docker', 'run', '-d', '--name=bytes', '--init', '-p', '8099:8080', 'geard/sample');
  await onHost('h1', 'docker', 'exec', 'bytes', 'sh', '-c', 'head -c 5000000 /dev/urandom > /www/bytes');
  const inside = (
    await onHost('h1', 'docker', 'exec', 'bytes', '/bin/busybox', 'sha256sum', '/www/bytes')
  ).split(' ')[0];
  await until(
    'the port answers here',
    async () => (await run('curl', '-fsS', '-m', '5', 'http://127.0.0.1:8099/')).status === 0,
  );
  const outside = (await ok('sh', '-c', 'curl -fsS http://127.0.0.1:8099/bytes | sha256sum')).split(' ')[0];
  expect(outside).toBe(inside);
  const exited = once(forward, 'exit');
  forward.kill('SIGTERM');
  await exited;
  expect((await run('curl', '-m', '2', 'http://127.0.0.1:8099/')).status).not.toBe(0);
});

const daemon = [
  'systemd-run',
  '--quiet',
  '--unit=geard',
  '--property=KillMode=mixed',
  process.execPath,
  `${project}/bin/gear`,
  'daemon',
  '--test-token',
];
const request = async (method: string, path: string, query: string, body = '{}') =>
  JSON.parse(
    await onHost(
      'h1',
      'curl',
      '-sS',
      '-X',
      method,
      '-H',
      'Prefer: wait=30',
      '-d',
      body,
      `http://127.0.0.1:2223/token/__test__/${path}?${query}`,
    ),
  );
const active = async (gear: string) =>
  (await lab('exec', 'h1', '--', 'systemctl', 'is-active', gear)).stdout.trim();

test('a gear is up after a reboot without anything of ours; one that was stopped is down', async () => {
  await onHost('h1', ...daemon);
  await until(
    'the daemon answers',
    async () => (await lab('exec', 'h1', '--', 'curl', '-fsS', 'http://127.0.0.1:2223/readyz')).status === 0,
  );
  for (const [i, r] of ['stays', 'stopped'].entries()) {
    const job = await request(
      'PUT',
      'container',
      `u=0&d=1&t=geard%2Fsample&r=${r}&i=a${i}`,
      '{"ports":[{"internal":8080}]}',
    );
    expect(job).toMatchObject({ state: 'succeeded' });
  }
  expect(await request('PUT', 'container/stopped', 'u=0&r=stopped&i=b')).toMatchObject({
    state: 'succeeded',
  });
  await onHost('h1', 'systemctl', 'stop', 'geard');
  for (const how of [[], ['--hard']]) {
    expect(await lab('reboot', 'h1', ...how)).toMatchObject({ status: 0 });
    await until('the gear is up again', async () => (await active('gear-stays')) === 'active');
    await until('its container runs', async () =>
      (await onHost('h1', 'docker', 'ps', '--format', '{{.Names}}')).includes('gear-stays'),
    );
    expect(await active('gear-stopped')).toBe('inactive');
    expect((await lab('exec', 'h1', '--', 'pgrep', '-f', 'bin/gear')).status).toBe(1);
  }
});

test('one Redis, one api and a worker on each host work together', async () => {
  const up = await lab('up', '2');
  expect(up, up.stdout + up.stderr).toMatchObject({ status: 0 });
  const get = async (path: string) =>
    JSON.parse(await ok('curl', '-sS', `http://127.0.0.1:2223/token/__test__/${path}`));
  const live = async () =>
    ((await get('hosts')).hosts ?? []).filter(({ state }: { state: string }) => state === 'live');
  await until('both workers have announced themselves', async () => (await live()).length === 2);
  await onHost('h2', `${project}/contrib/sample/image`);
  const args = [
    '-sS',
    '-X',
    'PUT',
    '-H',
    'Prefer: wait=30',
    'http://127.0.0.1:2223/token/__test__/container?u=0&t=geard%2Fsample&r=far&h=h2&i=c',
  ];
  expect(JSON.parse(await ok('curl', ...args))).toMatchObject({ state: 'succeeded', host: 'h2' });
  expect(await get('container?r=far')).toMatchObject({ host: 'h2', systemd: { active: 'active' } });
  expect((await lab('status')).stdout).toContain('api: up');
});

test('a host with cgroup v2 only boots and runs containers', async () => {
  await lab('down');
  process.env['GEARD_LAB_CGROUP'] = 'v2';
  try {
    const up = await lab('up', '1', '--bare');
    expect(up, up.stderr).toMatchObject({ status: 0 });
    expect(await onHost('h1', 'stat', '-f', '-c', '%T', '/sys/fs/cgroup')).toBe('cgroup2fs');
    await ok('contrib/lab', 'exec', 'h1', '--', `${project}/contrib/sample/image`);
    expect(await onHost('h1', 'docker', 'run', '--rm', 'geard/sample', 'echo', 'runs')).toBe('runs');
  } finally {
    delete process.env['GEARD_LAB_CGROUP'];
  }
});

/** The processes that are to hold the namespaces of a host. */
const begun = async (host: string) =>
  (await run('pgrep', '-f', `^unshare .*/run/geard-lab-own/${host} `)).stdout.split('\n').filter(Boolean);

/** Has `up` interrupted as Ctrl-C does, as soon as it has begun to boot a host. */
async function interruptUp(host: string): Promise<void> {
  const child = spawn('contrib/lab', ['up', host.slice(1), '--bare'], { detached: true, stdio: 'ignore' });
  const exited = once(child, 'exit');
  await until(`${host} is being booted`, async () => (await begun(host)).length > 0);
  process.kill(-(child.pid ?? 0), 'SIGINT');
  await exited;
}

test('what an up that was interrupted has begun is finished by the next one, and taken down', async () => {
  await interruptUp('h2');
  await interruptUp('h3'); // After it has booted h2.
  expect(await begun('h2')).toHaveLength(1);
  expect(await onHost('h2', 'ip', '-brief', 'address', 'show', 'eth0')).toContain('10.77.0.2/24');
  expect(await begun('h3')).toHaveLength(1);
});

test('down leaves nothing behind', async () => {
  expect((await traces()).length).toBeGreaterThan(0);
  expect(await lab('down')).toMatchObject({ status: 0 });
  await until('nothing is left', async () => (await traces()).length === 0).catch(async () =>
    expect(await traces()).toEqual([]),
  );
  expect(await lab('down')).toMatchObject({ status: 0 });
});
