import { type ExecFileOptions, execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { complete } from '../../../../src/cli/completion/complete.ts';
import { scripts } from '../../../../src/cli/completion/scripts.ts';

afterEach(() => void vi.unstubAllEnvs());

const require = createRequire(import.meta.url);

/** What a program prints, which says nothing on stderr. */
async function outputOf(program: string, args: string[], options: ExecFileOptions): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, args, { ...options, encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout;
}

/** The arguments of Node.js that make it gear. */
const program = ['--import', require.resolve('tsx'), resolve('src/cli/main.ts')];

/** What gear prints for a user who has no settings. */
function gear(args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const settings = temporary();
  return outputOf(process.execPath, [...program, ...args], {
    env: { ...process.env, XDG_CACHE_HOME: settings, XDG_CONFIG_HOME: settings, ...env },
  });
}

/** What is offered for words, the last of which is being written, to a user who has these settings only. */
function offered(words: string[], env: Record<string, string> = {}): Promise<string[]> {
  const settings = temporary();
  for (const [name, value] of Object.entries({ XDG_CACHE_HOME: settings, XDG_CONFIG_HOME: settings, ...env }))
    vi.stubEnv(name, value);
  return complete(words);
}

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'geard-completion-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** An api that has these gears, and counts how often it is asked. */
async function apiWith(names: string[]) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end(JSON.stringify({ containers: names.map((resource) => ({ resource })) }));
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { asked, GEARD_API: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test.each([
  [['ins'], ['install']],
  [['__'], []],
  [
    ['host', 'dr'],
    ['drain', 'drift'],
  ],
  [['install', '--start'], ['--start-seconds']],
  [['jobs', '--state', 'c'], ['cancelled']],
  [['token', 'create', '--exp'], ['--expires']],
  [
    ['api', 'P'],
    ['PUT', 'PATCH'],
  ],
])('for %j it offers %j', async (words, expected) => {
  expect(await offered(words)).toEqual(expected);
});

/** Asks for names until this holds: on a busy machine an answer may come too late, and is not kept. */
async function askUntil(holds: () => boolean, env: Record<string, string>): Promise<void> {
  for (let tries = 0; tries < 10 && !holds(); tries++)
    await offered(['logs', ''], env).catch(() => undefined);
}

/** Makes what was kept just now fresh, however long a test takes. */
function keepFresh(cache: string): void {
  const soon = Date.now() / 1000 + 600;
  for (const file of readdirSync(join(cache, 'geard'))) utimesSync(join(cache, 'geard', file), soon, soon);
}

test('names of gears come from the api, which is asked once in five seconds', async () => {
  const { asked, GEARD_API } = await apiWith(['web', 'web-2', 'db']);
  const cache = temporary();
  const env = { GEARD_API, XDG_CACHE_HOME: cache };
  await askUntil(() => existsSync(join(cache, 'geard')), env);
  keepFresh(cache);
  const before = asked.length;
  expect(await offered(['logs', 'w'], env)).toEqual(['web', 'web-2']);
  expect(await offered(['stop', 'db', ''], env)).toEqual(['web', 'web-2', 'db']);
  expect(new Set(asked)).toEqual(new Set(['/containers?limit=1000']));
  expect(asked).toHaveLength(before);
  await expect(
    offered(['stop', '--api', 'http://127.0.0.1:1', ''], { XDG_CACHE_HOME: cache }),
  ).rejects.toThrow();
});

test('names that are kept for one token are not those of another one in the same file', async () => {
  const { GEARD_API } = await apiWith(['web']);
  const [cache, token] = [temporary(), join(temporary(), 'token')];
  const env = { GEARD_API, GEARD_TOKEN_FILE: token, XDG_CACHE_HOME: cache };
  const kept = () => (existsSync(join(cache, 'geard')) ? readdirSync(join(cache, 'geard')).length : 0);
  for (const [before, text] of ['one', 'another'].entries()) {
    writeFileSync(token, text, { mode: 0o600 });
    await askUntil(() => kept() !== before, env);
  }
  expect(kept()).toBe(2);
});

test('a file named undefined in the working directory holds no token', async () => {
  const { asked, GEARD_API } = await apiWith(['web']);
  const [cache, before] = [temporary(), process.cwd()];
  const env = { GEARD_API, XDG_CACHE_HOME: cache };
  process.chdir(temporary());
  onTestFinished(() => process.chdir(before));
  await askUntil(() => existsSync(join(cache, 'geard')), env);
  keepFresh(cache);
  const count = asked.length;
  writeFileSync('undefined', 'text');
  expect(await offered(['logs', 'w'], env)).toEqual(['web']);
  expect(asked).toHaveLength(count);
});

test('names that were kept more than a day ago are removed when others are kept', async () => {
  const { GEARD_API } = await apiWith(['web']);
  const cache = temporary();
  const kept = (name: string, hoursAgo: number) => {
    const file = join(cache, 'geard', name);
    const at = Date.now() / 1000 - hoursAgo * 3_600;
    writeFileSync(file, '[]');
    utimesSync(file, at, at);
    return file;
  };
  mkdirSync(join(cache, 'geard'));
  const [recent, old] = [kept('recent.json', 23), kept('old.json', 25)];
  await askUntil(() => !existsSync(old), { GEARD_API, XDG_CACHE_HOME: cache });
  expect([existsSync(recent), existsSync(old)]).toEqual([true, false]);
});

test('where no api answers nothing is offered, and nothing is said', async () => {
  expect(await gear(['__complete', '--', 'logs', ''], { GEARD_API: 'http://127.0.0.1:1' })).toBe('');
});

/** Runs a script of a shell in a directory with one file, where the completion for that shell is, and `gear` is the program. */
function shell(name: keyof typeof scripts, args: string[]): Promise<string> {
  const bin = temporary();
  const cwd = temporary();
  const command = [process.execPath, ...program].join(' ');
  writeFileSync(join(bin, 'gear'), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  writeFileSync(join(bin, 'completion'), scripts[name]);
  writeFileSync(join(cwd, 'a-file'), '');
  const env = {
    ...process.env,
    HOME: cwd,
    PATH: `${bin}:${process.env['PATH']}`,
    GEARD_API: 'http://127.0.0.1:1',
  };
  return outputOf(name, args, { cwd, env });
}

test('gear completion prints the script of a shell', async () => {
  expect(await gear(['completion', 'fish'])).toBe(scripts.fish);
});

test('bash completes by it', async () => {
  const script = `source \${PATH%%:*}/completion; COMP_WORDS=(gear host d); COMP_CWORD=2; _gear; echo "\${COMPREPLY[*]}"`;
  expect(await shell('bash', ['-c', script])).toBe('drain drift\n');
});

test('zsh completes by it, and offers files where nothing else fits', async () => {
  // zsh hands what it is offered to compadd and _files.
  const script = `compdef() { :; }; source $path[1]/completion
    compadd() { print -r -- $found; }; _files() { print -r -- *; }
    words=(gear host d) CURRENT=3; _gear; words=(gear archive x -o '') CURRENT=5; _gear`;
  expect(await shell('zsh', ['-fc', script])).toBe('drain drift\na-file\n');
});

test('fish completes by it, and offers files where nothing else fits', async () => {
  const script = `source $PATH[1]/completion; complete -C 'gear host d'; complete -C 'gear archive x -o '`;
  expect(await shell('fish', ['--no-config', '-c', script])).toBe('drain\ndrift\na-file\n');
});
