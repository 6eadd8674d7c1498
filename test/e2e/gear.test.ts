import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jobDocument } from '../../src/jobs/job.ts';
import { type Daemon, openDaemon, sampleImage, startsOf } from '../support/daemon.ts';
import { freePort } from '../support/free-port.ts';
import { accepted, documentsIn, failed, ofHost } from '../support/json-commands.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
let directory: string;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon();
  directory = await mkdtemp(join(tmpdir(), 'geard-gear-'));
});
afterAll(async () => {
  await daemon.close();
  await rm(directory, { recursive: true });
});

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A command under way, with what it has written so far. */
interface Running {
  child: ChildProcess;
  written: Ended;
  end: Promise<Ended>;
}

/** Begins a command that is used as on a host whose daemon listens at the daemon's address. */
function begin(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const { origin } = new URL(daemon.url);
  const child = spawn(process.execPath, ['bin/gear', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, XDG_CONFIG_HOME: directory, GEARD_API: origin, ...env },
  });
  const written: Ended = { status: null, stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk) => {
      written[name] += chunk;
    });
  }
  const end = once(child, 'close').then(([status]) => Object.assign(written, { status }));
  return { child, written, end };
}

const gear = (...args: string[]): Promise<Ended> => begin(args).end;

/** What a command writes that must succeed. */
async function data(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await gear(...args);
  expect(status, `gear ${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}

const installed = (name: string, ...more: string[]) =>
  data('install', name, 'geard/sample', '-p', '8080', ...more);

test('a gear is installed, watched, changed and removed by commands alone', async () => {
  const env = join(directory, 'web.env');
  await writeFile(env, 'GREETING=from a file\nKEPT=1\n');
  expect(await installed('tour', '--env-file', env, '-e', 'GREETING=hello', '-m', '64m')).toMatch(
    /^tour runs on h1: 8080 is reached at \d+, in [\d.]+ s \(job [0-9a-f]+\)\n$/,
  );
  expect(await ok('docker', 'exec', 'gear-tour', 'sh', '-c', 'echo $GREETING $KEPT')).toBe('hello 1');
  expect(await data('ls', 'tou')).toMatch(/^NAME +STATE .*\ntour +active \(running\) .*geard\/sample +h1\n$/);
  expect(await data('ls', '--quiet')).toBe('tour\n');
  expect(await data('show', 'tour')).toMatch(/^Name +tour\n.*Memory +64 MiB\n.*Variables +GREETING, KEPT\n/s);
  expect(await data('show', 'tour', '--unit')).toContain('\nExecStart=');
  expect(await data('logs', 'tour')).toContain('serving on 8080\n');
  expect(await data('stop', 'tour')).toMatch(/^tour is stopped on h1, in [\d.]+ s\n$/);
  expect(await data('remove', 'tour')).toMatch(/^tour is removed on h1, in [\d.]+ s\n$/);
  expect(await data('ls', 'tour', '--quiet')).toBe('');
});

test('with --json every command writes the documents of the api, and nothing else', async () => {
  const tried = new Set<string>();
  /** The first document that a command writes; each is as its schema has it. */
  const document = async (command: string, args: string[] = [], schema = ofHost[command], status = 0) => {
    const { stdout, stderr, ...ended } = await gear(...command.split(' '), '--json', ...args);
    expect([ended.status, stderr !== ''], `${command}: ${stderr}`).toEqual([status, status !== 0]);
    tried.add(command);
    return documentsIn(stdout, schema, command)[0];
  };
  const { id } = jobDocument.parse(await document('install', ['json', 'geard/sample']));
  await document('stop', ['json']);
  await document('start', ['json']);
  await document('restart', ['json']);
  await document('ls');
  await document('show', ['json']);
  await document('logs', ['json']);
  await document('jobs');
  await document('job', [id]);
  await document('job', ['--follow', id]);
  await document('job log', [id]);
  await document('env replace', ['json', 'A=1', 'B=2']);
  await document('env set', ['json', 'B=a\nb']);
  await document('env unset', ['json', 'A']);
  expect(await document('env get', ['json'])).toBe('B="a\\nb"\n');
  await document('repo create', ['json']);
  await document('host list');
  await document('host drain', ['h1']);
  await document('host undrain', ['h1']);
  await document('host repair', ['h1']);
  await document('host drift');
  await document('whoami');
  await document('remove', ['json']);

  const sleeps = ['json-later', 'geard/sample', '-p', '8080', '--detach', '--', 'sh', '-c', 'sleep 60'];
  const later = jobDocument.parse(await document('install', sleeps, accepted('container.install')));
  expect(await document('job cancel', [later.id])).toMatchObject({ id: later.id, state: 'cancelled' });
  const exits = ['json-fails', 'geard/sample', '--', 'sh', '-c', 'exit 3'];
  expect(await document('install', exits, failed('container.install'), 1)).toMatchObject({
    error: { code: 'start_failed' },
  });
  expect([...tried].sort()).toEqual(Object.keys(ofHost).sort());
});

// From here to --detach they share no gear, and some of them mostly wait.
test.concurrent('several names are done side by side, and the exit code tells whether one of them failed', async () => {
  await Promise.all(['many-1', 'many-2'].map((name) => installed(name)));
  const { status, stdout, stderr } = await gear('restart', 'many-1', 'many-none', 'many-2');
  expect(stdout.split('\n').sort().slice(1)).toEqual([
    expect.stringMatching(/^many-1 is restarted/),
    expect.stringMatching(/^many-2 is restarted/),
  ]);
  expect(stderr).toContain('gear: many-none: No such gear (container_not_found)');
  expect(status).toBe(1);
  expect(await data('logs', 'many-1', 'many-2', '-n', '1')).toMatch(/^many-[12] \| .*\nmany-[12] \| .*\n$/);
});

test.concurrent('a change is carried out also where nobody reads what it prints', async () => {
  const names = ['unread-1', 'unread-2'];
  await Promise.all(names.map((name) => installed(name)));
  const before = await Promise.all(names.map(startsOf));
  const lines = `"$0" bin/gear restart ${names.join(' ')} 2>&1 | true; exit "\${PIPESTATUS[0]}"`;
  const { origin } = new URL(daemon.url);
  await ok('env', `GEARD_API=${origin}`, 'bash', '-c', lines, process.execPath);
  const after = await Promise.all(names.map(startsOf));
  expect(after).toEqual(before.map((starts) => starts + 1));
});

test.concurrent.each([
  ['no such command', 2, ['instal', 'x', 'y']],
  ['an argument that is missing', 2, ['install', 'x']],
  ['a port that is none', 2, ['install', 'x', 'geard/sample', '-p', 'http']],
  ['what the api does not take', 2, ['install', 'x', 'geard/sample', '-m', '1k']],
  ['a number that is none', 2, ['jobs', '-n', 'many']],
  ['a request that is not valid', 2, ['api', 'GET', '/containers?limit=many']],
  ['a gear that is not there', 1, ['stop', 'nobody']],
  ['no api', 1, ['ls', '--api', 'http://127.0.0.1:1']],
])('%s: the exit code is %i, and the reason is told', async (_, code, args) => {
  const { status, stdout, stderr } = await gear(...args);
  expect(status).toBe(code);
  // The answer to any request is data, whatever it says.
  expect(args[0] === 'api' ? stdout : stderr).toMatch(/^(?:gear: |error: |\{).+/m);
  expect(args[0] === 'api' ? stderr : stdout).toBe('');
});

test.concurrent('a gear that does not start is told with its last lines, and how to read on', async () => {
  const { status, stderr } = await gear(
    ...['install', 'fails', 'geard/sample', '--', 'sh', '-c', 'echo no database; exit 3'],
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/gear: fails: The gear did not start \(start_failed\): .*no database/s);
  expect(stderr).toContain('see: gear logs fails');
});

test.concurrent('Ctrl-C leaves the job, and the same command with the same key joins it: one effect', async () => {
  const slow = ['install', 'joined', 'geard/sample', '-p', '8080', '--key', 'once'];
  const command = ['--', 'sh', '-c', 'sleep 8; exec httpd -f -p 8080'];
  const before = await startsOf('joined');
  const first = begin([...slow, ...command]);
  await until('it starts', () => first.written.stderr.includes('start '));
  first.child.kill('SIGINT');
  const { status, stderr } = await first.end;
  expect(status).toBe(130);
  const [, id = ''] = /the job goes on: gear job ([0-9a-f]+) --follow/.exec(stderr) ?? [];
  expect(id).not.toBe('');
  expect(await data(...slow, ...command)).toMatch(new RegExp(`^joined runs on h1: .*\\(job ${id}\\)\n$`));
  expect(await data('job', id, '--follow')).toContain('succeeded');
  expect((await startsOf('joined')) - before).toBe(1);
});

test.concurrent('--detach prints the id of the job, which can be followed and cancelled', async () => {
  const command = ['--', 'sh', '-c', 'sleep 60'];
  const id = (await installed('later', '--detach', ...command)).trim();
  expect(id).toMatch(/^[0-9a-f]{1,32}$/);
  await until('it runs', async () => /^State +running$/m.test(await data('job', id)));
  expect(await data('job', 'cancel', id)).toBe('the job is cancelled\n');
  expect(await gear('job', id, '--follow')).toMatchObject({ status: 1 });
});

test('a followed log goes on over a restart of the daemon, with no line lost and none doubled', async () => {
  // The journal of the host may hold lines of an earlier run.
  const counts = `counts-${process.pid}`;
  const count = 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done';
  await data('install', counts, 'geard/sample', '--', 'sh', '-c', count);
  const follower = begin(['logs', counts, '-f', '-n', '1000000']);
  await until('lines come', () => follower.written.stdout.includes('line 10\n'));
  await daemon.stop();
  await daemon.start();
  const seen = () => follower.written.stdout.split('\n').filter((line) => line.startsWith('line '));
  const then = seen().length;
  await until('lines come again', () => seen().length > then + 40);
  follower.child.kill('SIGINT');
  expect((await follower.end).status).toBe(130);
  expect(seen()).toEqual(seen().map((_, i) => `line ${i + 1}`));
});

test('an archive is written whole, in the form that the name of its file says', async () => {
  await data('repo', 'create', 'site');
  const file = join(directory, 'site.tar.gz');
  expect(await gear('archive', 'site', '-o', file)).toMatchObject({ status: 1 });
  await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  const work = join(directory, 'work');
  await ok('git', 'init', '-q', '-b', 'main', work);
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example'];
  await ok('git', '-C', work, ...identity, 'commit', '-q', '--allow-empty', '-m', 'first');
  await ok('git', '-C', work, 'push', '-q', join(daemon.base, 'git/site'), 'main');
  await data('archive', 'site', 'main', '-o', file);
  expect((await readFile(file)).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
  await data('archive', 'site', 'main', '-o', '/dev/null');
  expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
});

test('a context names an api, in place of the variables', async () => {
  const { origin } = new URL(daemon.url);
  const elsewhere = { GEARD_API: `http://127.0.0.1:${await freePort()}` };
  await data('context', 'add', 'here', '--api', origin, '--user', 'ann');
  expect(await data('context', 'ls')).toMatch(/^ {2}NAME .*\n\* here +http.* +- +ann\n$/);
  const named = await begin(['whoami', '--context', 'here'], elsewhere).end;
  expect(named).toMatchObject({ status: 0, stderr: '' });
  expect(await begin(['whoami', '--context', 'nowhere']).end).toMatchObject({ status: 2 });
  await data('context', 'remove', 'here');
});

test('any request can be sent, with the answer as it is', async () => {
  expect(JSON.parse(await data('api', 'GET', '/hosts'))).toMatchObject({ hosts: [{ name: 'h1' }] });
  expect(JSON.parse(await data('api', 'PUT', '/environment?r=any', '-d', '{"env":[]}'))).toMatchObject({
    type: 'environment.replace',
  });
  const { status, stdout } = await gear('api', 'GET', '/container?r=nobody');
  expect([status, JSON.parse(stdout).code]).toEqual([1, 'container_not_found']);
});
