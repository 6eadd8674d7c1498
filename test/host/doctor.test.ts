import { once } from 'node:events';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { diagnosis, type Finding } from '../../src/cli/doctor/finding.ts';
import { makeKeys } from '../../src/token/key-files.ts';
import { hostState, makeBase } from '../support/daemon.ts';
import { freePort } from '../support/free-port.ts';
import { openTestRedis } from '../support/redis.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

const doctor = (...args: string[]) => run(process.execPath, 'bin/gear', 'doctor', ...args);

/** What it finds, by the names of the checks, and its exit code; on a busy machine a check may come too late at first. */
const examine = (...args: string[]) =>
  until('every check is in time', async () => {
    const { status, stdout } = await doctor('--json', ...args);
    if (stdout.includes('no answer within')) return null;
    const { checks } = diagnosis.parse(JSON.parse(stdout));
    const found = checks.map(({ name, ...finding }): [string, Finding] => [name, finding]);
    return { status, found: Object.fromEntries(found) };
  });

async function openBase(): Promise<string> {
  const base = await makeBase();
  onTestFinished(() => rm(base, { recursive: true }));
  return base;
}

/** A server that accepts connections, at a port or a socket, and says nothing. */
async function keepSilent(at: number | string): Promise<void> {
  const server = createServer(() => undefined);
  await once(server.listen(at), 'listening');
  onTestFinished(() => void server.close());
}

test('a host that has what geard needs gets no problem, and is left as it was', async () => {
  const base = await openBase();
  const redis = await openTestRedis();
  onTestFinished(redis.close);
  await makeKeys(join(base, 'keys'), ['issuer', 'daemon']);
  for (const name of await readdir(join(base, 'keys')))
    if (name.endsWith('.issuer.key')) await rm(join(base, 'keys', name));
  const before = await hostState(base);
  const address = `127.0.0.1:${await freePort()}`;
  const args = ['--base', base, '--keys', join(base, 'keys'), '--listen', address, '--redis', redis.url];
  const { status, found } = await examine(...args);
  expect(Object.values(found).filter(({ verdict }) => verdict === 'problem')).toEqual([]);
  expect(status).toBe(0);
  expect(found).toMatchObject({
    systemd: { verdict: 'ok', detail: expect.stringMatching(/^\d{3}$/) },
    docker: { verdict: 'ok', detail: expect.stringMatching(/ \(API \d.*\) at \/var\/run\/docker\.sock$/) },
    redis: { verdict: 'ok', detail: expect.stringMatching(/^\d+\..* at unix:/) },
    keys: { verdict: 'ok' },
    clock: { verdict: 'ok', detail: expect.stringContaining("from Redis's") },
    listen: { verdict: 'ok', detail: `${address} is free` },
    directories: { verdict: 'ok' },
  });
  expect(await hostState(base)).toBe(before);
});

test('who does not say with which keys a daemon runs is warned, and told of no problem', async () => {
  const at = ['--base', await openBase(), '--listen', `127.0.0.1:${await freePort()}`];
  const { status, found } = await examine(...at);
  expect(found['settings']).toMatchObject({
    verdict: 'warning',
    mend: expect.stringContaining('use --test-token'),
  });
  expect(Object.values(found).filter(({ verdict }) => verdict === 'problem')).toEqual([]);
  expect(status).toBe(0);
});

test('each thing that is wrong is a problem with what mends it, and none hides another', async () => {
  const base = await openBase();
  const redis = await openTestRedis(['--maxmemory-policy', 'allkeys-lru']);
  onTestFinished(redis.close);
  const [, daemon] = await makeKeys(join(base, 'keys'), ['issuer', 'daemon']);
  await chmod(join(base, 'keys', `${daemon?.kid}.daemon.key`), 0o640);
  await mkdir(join(base, 'units'));
  await ok('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=777', 'full-disk', join(base, 'units'));
  onTestFinished(async () => void (await run('umount', '--lazy', join(base, 'units'))));
  const port = await freePort();
  await keepSilent(port);
  const args = ['--base', base, '--keys', join(base, 'keys'), '--listen', `127.0.0.1:${port}`];
  const { status, found } = await examine(...args, '--redis', redis.url, '--docker', '/run/absent.sock');
  expect(status).toBe(1);
  const wrong = (detail: RegExp, mend: RegExp) => ({
    verdict: 'problem',
    detail: expect.stringMatching(detail),
    mend: expect.stringMatching(mend),
  });
  expect(found).toMatchObject({
    systemd: { verdict: 'ok' },
    docker: wrong(/absent\.sock/, /systemctl enable --now docker/),
    redis: wrong(/may lose jobs/, /CONFIG SET maxmemory-policy noeviction/),
    keys: wrong(/no role starts/, /daemon\.key can be read by others; chmod 600/),
    listen: wrong(/another program listens/, new RegExp(`sport = :${port}`)),
    disk: wrong(/^0 MiB and \d+ files free at .*units$/, /make room/),
    directories: wrong(/other users can read or change/, /units can be changed by others; chmod go-w/),
  });
});

test('a Docker that hangs holds nothing up, and its lines can be read', async () => {
  const socket = join(await openBase(), 'docker.sock');
  await keepSilent(socket);
  const { status, stdout } = await doctor('--test-token', '--docker', socket);
  expect(status).toBe(1);
  expect(stdout).toMatch(/^problem docker {6}no answer within 8 s\n {8}systemctl enable --now docker/m);
  expect(stdout).toMatch(/^\w+ +disk +\d+ MiB and \d+ files free at/m);
});

test('wrong use is told apart from a problem', async () => {
  const { status, stdout, stderr } = await doctor('--docker', 'here');
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toContain('--docker: must be an absolute path');
});
