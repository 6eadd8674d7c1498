import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, createClient } from './client.ts';
import { armFailpoint, hasFired } from './failpoints.ts';
import { assertEndsAreDefined, isReady } from './processes.ts';
import { ok, run } from './run.ts';
import { until } from './until.ts';

/** A daemon as a process of its own on this host, with a base directory of its own. */
export interface Daemon extends Client {
  base: string;
  pid(): number;
  start(): Promise<void>;
  /** kill -9, of the daemon and of its Redis. */
  kill(): Promise<void>;
  /** kill -9 of both as soon as the daemon passes a failpoint; see src/cli/roles/failpoints.ts. */
  killAt(point: string, meanwhile: () => Promise<unknown>, hits?: number): Promise<void>;
  stop(): Promise<number>;
  log(): string;
  redisPid(): number;
  /** Ends it and takes away every gear it has made. */
  close(): Promise<void>;
}

let nextPort = 12_300;

/** A base directory of a test's own, as an administrator would make it. */
export async function makeBase(): Promise<string> {
  const base = await mkdtemp('/var/lib/gears-test-');
  await chmod(base, 0o755);
  return base;
}

export async function openDaemon(
  options: { base?: string; port?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<Daemon> {
  const base = options.base ?? (await makeBase());
  const port = options.port ?? nextPort++;
  const logFile = join(base, '..', `${base.split('/').pop()}.log`);
  const failpoints = join(base, 'failpoint');
  let child: ChildProcess | null = null;

  const client = createClient(`http://127.0.0.1:${port}/token/__test__`);
  const daemon: Daemon = {
    base,
    url: client.url,
    pid: () => child?.pid ?? 0,
    async start() {
      const log = createWriteStream(logFile, { flags: 'a' });
      const args = [
        'bin/gear',
        'daemon',
        '--test-token',
        '--base',
        base,
        '--listen',
        `127.0.0.1:${port}`,
        '--host',
        'h1',
      ];
      const env = { ...process.env, GEARD_FAILPOINTS: failpoints, ...options.env };
      child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
      child.stderr?.pipe(log);
      const exited = once(child, 'exit');
      const ready = until('the daemon answers', () => isReady(port));
      await Promise.race([
        ready,
        exited.then(([code]) => {
          throw new Error(`the daemon exited with ${code}:\n${daemon.log()}`);
        }),
      ]);
    },
    async kill() {
      const redis = daemon.redisPid();
      const was = child;
      if (!was || was.exitCode !== null || was.signalCode !== null) return;
      const exited = once(was, 'exit');
      was.kill('SIGKILL');
      if (redis) process.kill(redis, 'SIGKILL');
      await exited;
    },
    async killAt(point, meanwhile, hits = 1) {
      await armFailpoint(failpoints, `${point} ${hits} SIGSTOP`);
      const done = meanwhile().catch(() => undefined); // What it asks is not answered.
      await until(`the daemon passes ${point}`, () => hasFired(failpoints));
      await daemon.kill();
      await done;
    },
    async stop() {
      const was = child;
      if (!was || was.exitCode !== null || was.signalCode !== null) return 0;
      const exited = once(was, 'exit');
      was.kill('SIGTERM');
      const [code] = await exited;
      return code ?? 1;
    },
    log: () => readFileSync(logFile, 'utf8'),
    redisPid() {
      const children = readFileSync(`/proc/${child?.pid}/task/${child?.pid}/children`, 'utf8')
        .trim()
        .split(' ');
      return Number(
        children.find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('redis-server')) ?? 0,
      );
    },
    send: client.send,
    change: client.change,
    async close() {
      await daemon.stop();
      const said = daemon.log();
      await removeGearsOf(base);
      await rm(base, { recursive: true, force: true });
      await rm(logFile, { force: true });
      assertEndsAreDefined(said);
    },
  };
  await daemon.start();
  return daemon;
}

/** Units stay when the worker goes, as they should; the test takes its own away. */
export async function removeGearsOf(base: string): Promise<void> {
  const units = (await run('ls', join(base, 'units'))).stdout
    .split('\n')
    .filter((name) => name.endsWith('.service'));
  if (units.length === 0) return;
  await run('systemctl', 'stop', ...units);
  await run('systemctl', 'disable', '--quiet', ...units);
  await ok('systemctl', 'daemon-reload');
}

export const activeState = async (r: string) =>
  (await run('systemctl', 'is-active', `gear-${r}`)).stdout.trim();
/** Names of the containers of a gear, running or not. */
export async function containersOf(r: string): Promise<string[]> {
  const names = await ok(
    'docker',
    'ps',
    '--all',
    '--filter',
    `label=geard.gear=${r}`,
    '--format',
    '{{.Names}}',
  );
  return names.split('\n').filter(Boolean);
}

/** How often systemd has started the unit of a gear since the host booted. */
export async function startsOf(r: string): Promise<number> {
  await ok('journalctl', '--sync');
  const { stdout } = await run(
    'journalctl',
    '--quiet',
    '--boot',
    '--output=cat',
    '_PID=1',
    `UNIT=gear-${r}.service`,
  );
  return stdout.split('\n').filter((line) => line.startsWith('Started ')).length;
}

/** Everything on the host that a request could have changed. */
export async function hostState(base: string): Promise<string> {
  const files = await ok('find', base, '-path', `${base}/redis`, '-prune', '-o', '-printf', '%P %l %s\n');
  const links = await ok('find', '/etc/systemd/system', '-name', 'gear-*');
  const containers = await ok('docker', 'ps', '--all', '--quiet');
  return [...files.split('\n').sort(), ...links.split('\n').sort(), containers].join('\n');
}

/** The sample image under a name; made once. */
export async function sampleImage(name = 'geard/sample'): Promise<string> {
  if ((await run('docker', 'image', 'inspect', 'geard/sample')).status !== 0)
    await ok('contrib/sample/image');
  if (name !== 'geard/sample') await ok('docker', 'tag', 'geard/sample', name);
  return name;
}
