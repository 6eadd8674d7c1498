import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { okOn, tryOn } from '../support/lab-exec.ts';
import { run } from '../support/run.ts';
import { until } from '../support/until.ts';

const project = process.cwd();
/** A copy of the clone on the host, for the pages leave things in it. */
const clone = '/root/clone';
const lab = (...args: string[]) => run('contrib/lab', ...args);
const onHost = (...command: string[]) => okOn('h1', ...command);

beforeAll(async () => {
  process.env['GEARD_LAB_DIR'] = '/run/geard-lab-pages';
  await lab('down');
  const up = await lab('up', '1', '--bare');
  expect(up, up.stderr).toMatchObject({ status: 0 });
  await onHost(`${project}/contrib/sample/image`);
  await onHost('mkdir', clone);
  const copy = 'tar -C "$1" --exclude=./.git --exclude=./node_modules/.cache -cf - . | tar -C "$2" -xf -';
  await onHost('sh', '-c', copy, 'sh', project, clone);
});
afterAll(async () => {
  await lab('down');
});

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

/** The lines of a page that begin with `$`, with the version that somebody would write there. */
const linesOf = (page: string) =>
  readFileSync(page, 'utf8')
    .replaceAll('<version>', version)
    .split('\n')
    .flatMap((line) => /^\$ (.+)/.exec(line)?.[1] ?? []);

/** Runs the lines of a page one after the other in one shell, as somebody would who reads only that one. */
async function perform(page: string): Promise<string> {
  const script = linesOf(page).flatMap((line) => [`printf '\\n$ %s\\n' ${quoted(line)}`, line]);
  const { status, stdout, stderr } = await tryOn(
    'h1',
    ...['env', '-C', clone, `XDG_CONFIG_HOME=/root/settings/${page}`, 'bash', '-c'],
    ['set -euo pipefail', 'exec 2>&1', `gear() { ${clone}/bin/gear "$@"; }`, ...script].join('\n'),
  );
  expect(status, `${page}:${stdout.slice(-3_000)}${stderr}`).toBe(0);
  return stdout;
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** Has a daemon run as `npm start` runs it before it takes the tour. */
async function withDaemon(work: () => Promise<void>): Promise<void> {
  const daemon = [process.execPath, `${project}/bin/gear`, 'daemon', '--test-token'];
  await onHost('systemd-run', '--quiet', '--unit=geard-readme', '--property=KillMode=mixed', ...daemon);
  const ready = () => tryOn('h1', 'curl', '-fsS', 'http://127.0.0.1:2223/readyz');
  await until('the daemon answers', async () => (await ready()).status === 0);
  await work();
  await onHost('systemctl', 'stop', 'geard-readme');
}

test('every line of the README that begins with $ does what the page says', async () => {
  await withDaemon(async () => {
    expect(linesOf('README.md').length).toBeGreaterThan(10);
    const said = await perform('README.md');
    expect(said).not.toMatch(/urn:geard|"state":"failed"/);
    expect(said).toContain('active (running)');
    expect(said).toMatch(/web runs on h1: 8080 is reached at \d+/);
    expect(await onHost('unzip', '-p', `${clone}/git1.zip`, 'index.html')).toBe('hello');
    await onHost('systemctl', 'stop', 'gear-1');
  });
});

test('every line of docs/cli.md that begins with $ does what the page says', async () => {
  await withDaemon(async () => {
    expect(linesOf('docs/cli.md').length).toBeGreaterThan(10);
    const said = await perform('docs/cli.md');
    expect(said).toContain('shared has 2 variables on h1');
    expect(said).toContain('web is removed on h1');
    expect(said).toContain('* here');
  });
});

test('every line of docs/operations.md that begins with $ does what the page says', async () => {
  expect(linesOf('docs/operations.md').length).toBeGreaterThan(10);
  // What an earlier upgrade has left there.
  const stale = `${clone}/package/dist/stale.js`;
  await onHost(
    'sh',
    '-c',
    'mkdir -p "$2" && touch "$1" "$3"',
    'sh',
    stale,
    dirname(stale),
    `${clone}/geard-0.0.1.tgz`,
  );
  const said = await perform('docs/operations.md');
  expect((await tryOn('h1', 'test', '-e', stale)).status).toBe(1);
  expect(said).toMatch(/h1 +live/);
  expect(said).toContain('h1: is draining');
  expect(said).toContain('h1: nothing to repair');
  expect((await tryOn('h1', 'which', 'gear')).status).toBe(1);
});

test('every line of docs/reliability.md that begins with $ breaks geard and mends it as the page says', async () => {
  expect(linesOf('docs/reliability.md').length).toBeGreaterThan(20);
  const said = await perform('docs/reliability.md');
  expect(said).toContain('the queue cannot be reached; send the request again a little later');
  expect(said).toContain('redis-check-aof --fix');
  expect(await onHost('docker', 'ps', '--all', '--quiet')).toBe('');
});
