import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';

const require = createRequire(import.meta.url);

/** What `gear __complete` offers for words, the last of which is being written. */
async function offered(words: string[], env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const args = ['--import', 'tsx', 'src/cli/main.ts', '__complete', '--', ...words];
  const cache = temporary();
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, XDG_CACHE_HOME: cache, XDG_CONFIG_HOME: cache, ...env },
  });
  expect(stderr).toBe('');
  return stdout.split('\n').slice(0, -1);
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
])('for %j it offers %j', { timeout: 60_000 }, async (words, expected) => {
  expect(await offered(words)).toEqual(expected);
});

/** However long a test takes, what was kept just now is fresh. */
const soon = () => Date.now() / 1000 + 600;

test('names of gears come from the api, which is asked once in five seconds', {
  timeout: 120_000,
}, async () => {
  const { asked, GEARD_API } = await apiWith(['web', 'web-2', 'db']);
  const cache = temporary();
  const env = { GEARD_API, XDG_CACHE_HOME: cache };
  // On a busy machine an answer may come too late, and is not waited for.
  for (let tries = 0; tries < 10 && !existsSync(join(cache, 'geard')); tries++)
    await offered(['logs', ''], env);
  for (const file of readdirSync(join(cache, 'geard')))
    utimesSync(join(cache, 'geard', file), soon(), soon());
  const before = asked.length;
  expect(await offered(['logs', 'w'], env)).toEqual(['web', 'web-2']);
  expect(await offered(['stop', 'db', ''], env)).toEqual(['web', 'web-2', 'db']);
  expect(new Set(asked)).toEqual(new Set(['/containers?limit=1000']));
  expect(asked).toHaveLength(before);
  expect(await offered(['stop', '--api', 'http://127.0.0.1:1', ''], { XDG_CACHE_HOME: cache })).toEqual([]);
});

test('where no api answers nothing is offered, and nothing is said', { timeout: 60_000 }, async () => {
  expect(await offered(['logs', ''], { GEARD_API: 'http://127.0.0.1:1' })).toEqual([]);
});

/** A line that a shell completes, where `gear` is the program; what else it may offer are the files of a directory. */
async function completedBy(shell: string, args: string[]): Promise<string> {
  const bin = temporary();
  const cwd = temporary();
  const here = process.cwd();
  const program = `--import ${require.resolve('tsx')} ${join(here, 'src/cli/main.ts')}`;
  writeFileSync(join(bin, 'gear'), `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`, { mode: 0o755 });
  writeFileSync(join(cwd, 'a-file'), '');
  const env = {
    ...process.env,
    HOME: cwd,
    PATH: `${bin}:${process.env['PATH']}`,
    GEARD_API: 'http://127.0.0.1:1',
  };
  const { stdout, stderr } = await promisify(execFile)(shell, args, { cwd, env });
  expect(stderr).toBe('');
  return stdout;
}

/** What each shell is told to write a completed line by; zsh hands what it is offered to compadd and _files. */
const shells: [string, (words: string[]) => string[]][] = [
  [
    'bash',
    (words) => [
      '-c',
      `source <(gear completion bash); COMP_WORDS=(${words.map((word) => word || "''").join(' ')})
       COMP_CWORD=${words.length - 1}; _gear; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ],
  ],
  [
    'zsh',
    (words) => [
      '-fc',
      `compdef() { :; }; source <(gear completion zsh); words=(${words.map((word) => word || "''").join(' ')})
       CURRENT=${words.length}; compadd() { print -rl -- $found; }; _files() { print -rl -- *; }; _gear`,
    ],
  ],
  [
    'fish',
    (words) => ['--no-config', '-c', `gear completion fish | source; complete -C '${words.join(' ')}'`],
  ],
];

describe.each(shells)('%s completes by it', (shell, argsFor) => {
  test.each([
    [
      ['gear', 'host', 'd'],
      ['drain', 'drift'],
    ],
    [['gear', 'install', '--start'], ['--start-seconds']],
    // bash itself offers files where a function offers nothing: `complete -o default`.
    [['gear', 'archive', 'x', '-o', ''], shell === 'bash' ? [''] : ['a-file']],
  ])('%j as %j', { timeout: 60_000 }, async (words, expected) => {
    expect((await completedBy(shell, argsFor(words))).trim().split('\n')).toEqual(expected);
  });
});
