import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, openDaemon, sampleImage } from '../support/daemon.ts';
import { openRegistry } from '../support/registry.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

/*
 * What a person sees: commands that run in a terminal of their own, which script(1) makes and records. The recordings stay where
 * GEARD_RECORDING names a directory for them; CONTRIBUTING.md says how to play one.
 */

let daemon: Daemon;
let directory: string;
let recordings: string;
let registry: ChildProcess;
let slow: Server;
let image: string;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon({ env: { GEARD_REGISTRY_ALLOW: '127.0.0.0/8' } });
  directory = await mkdtemp('/tmp/geard-terminal-');
  await chmod(directory, 0o755);
  recordings = process.env['GEARD_RECORDING'] ?? directory;
  await mkdir(recordings, { recursive: true });
  const { at, process: served } = await openRegistry(directory);
  registry = served;
  slow = openSlowProxy(at).listen(0, '127.0.0.1');
  await once(slow, 'listening');
  const address = slow.address();
  image = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}/team/big:1`;
  await pushBigImage(`${at}/team/big:1`);
});
afterAll(async () => {
  await daemon.close();
  registry.kill();
  slow.close();
  await rm(directory, { recursive: true });
});

/** The sample with 24 MiB that cannot be compressed. */
async function pushBigImage(name: string): Promise<void> {
  const file = join(directory, 'Dockerfile');
  await ok('dd', 'if=/dev/urandom', `of=${directory}/random`, 'bs=1M', 'count=24');
  await writeFile(file, 'FROM geard/sample\nCOPY random /random\n');
  await writeFile(join(directory, '.dockerignore'), '*\n!random\n');
  await ok('docker', 'build', '--quiet', '--tag', name, directory);
  await ok('docker', 'push', '--quiet', name);
  await ok('docker', 'image', 'rm', name);
}

/** A registry as over a line of 8 MiB a second. */
const openSlowProxy = (at: string): Server =>
  createServer((req, res) => {
    const { method, url, headers } = req;
    const asked = request(`http://${at}${url}`, { method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 500, answer.headers);
      const throttle = new Transform({
        transform: (chunk: Buffer, _, done) => void setTimeout(done, chunk.length / (8 * 1024), null, chunk),
      });
      answer.pipe(throttle).pipe(res);
    });
    req.pipe(asked);
  });

interface Recording {
  child: ChildProcess;
  /** What the terminal was sent so far. */
  text(): Promise<string>;
}

/** Runs lines of bash in a terminal of 100 columns, and records them under a name: what it was sent, and when. */
function record(name: string, ...lines: string[]): Recording {
  const file = join(recordings, `${name}.terminal`);
  rmSync(file, { force: true }); // What an earlier run has left is not to be read as this one's.
  const gear = `gear() { "${process.execPath}" "${process.cwd()}/bin/gear" "$@"; }`;
  const shown = lines.flatMap((line) => [`printf '$ %s\\n' '${line.replaceAll("'", "'\\''")}'`, line]);
  const command = ['stty cols 100', gear, ...shown].join('\n');
  const timing = join(recordings, `${name}.timing`);
  const options = ['--quiet', '--flush', '--return', '--log-timing', timing, '--log-out', file];
  const child = spawn('script', [...options, '--command', 'bash -c "$GEARD_LINES"'], {
    stdio: 'ignore',
    env: {
      ...process.env,
      TERM: 'xterm',
      GEARD_LINES: command,
      GEARD_API: new URL(daemon.url).origin,
      XDG_CONFIG_HOME: directory,
    },
  });
  return { child, text: () => readFile(file, 'utf8').catch(() => '') };
}

test('a pull is shown with rising percent, and its step stays when it is over', async () => {
  const { child, text } = record('pull', `gear install pulled ${image} -p 8080`);
  const [status] = await once(child, 'exit');
  const seen = await text();
  expect(status, seen).toBe(0);
  const percents = [...seen.matchAll(/ pull .*?(\d+) %/g)].map(([, percent]) => Number(percent));
  expect(new Set(percents).size).toBeGreaterThan(3);
  expect(percents).toEqual(percents.toSorted((one, other) => one - other));
  expect(seen).toMatch(/pulled {2}\S*✓\S* pull .* \d+\.\d s\r\n/);
  expect(seen).toMatch(/\r\n?pulled runs on h1: 8080 is reached at \d+, in [\d.]+ s/);
});

test('a failed install shows the last lines of the gear', async () => {
  const { child, text } = record(
    'failed-install',
    `gear install fails geard/sample -- sh -c 'echo no database; exit 3'`,
  );
  const [status] = await once(child, 'exit');
  const seen = await text();
  expect(status, seen).toBe(1);
  expect(seen).toMatch(/fails {2}\S*✗\S* start /);
  expect(seen).toMatch(/\(start_failed\).*no database/s);
});

test('a followed log goes on in the terminal while the daemon is restarted', async () => {
  // The journal of the host may hold lines of an earlier run.
  const ticks = `ticks-${process.pid}`;
  const count = 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done';
  const { child, text } = record(
    'followed-log',
    `gear install ${ticks} geard/sample -- sh -c '${count}'`,
    `gear logs ${ticks} -f -n 1000000`,
  );
  const lines = async () => [...(await text()).matchAll(/^line (\d+)\r?$/gm)].map(([, n]) => Number(n));
  await until('lines come', async () => (await lines()).length > 10, 60_000);
  await daemon.stop();
  await daemon.start();
  const then = (await lines()).length;
  await until('lines come again', async () => (await lines()).length > then + 40, 60_000);
  child.kill();
  await once(child, 'exit');
  expect(await lines()).toEqual((await lines()).map((_, i) => i + 1));
});
