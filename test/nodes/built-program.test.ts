import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { commands } from '../../src/cli/commands.ts';
import { ok, run } from '../support/run.ts';

const manifest = z.object({ version: z.string() }).parse(JSON.parse(readFileSync('package.json', 'utf8')));

/** The words that lead to a command and to each one below it: host, host list, … */
function wordsTo(command: Command): string[][] {
  return [[], ...command.commands.flatMap(wordsTo)].map((words) => [command.name(), ...words]);
}

/** Every command. */
async function allCommands(): Promise<string[][]> {
  const filled = Object.entries(commands).map(async ([name, { fill }]) => {
    const command = new Command(name);
    await fill(command);
    return wordsTo(command);
  });
  return (await Promise.all(filled)).flat();
}

function temporaryDirectory(): string {
  const directory = mkdtempSync('/tmp/geard-nodes-');
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

const coverage = z.object({ result: z.array(z.object({ url: z.string() })) });

/** The packages of which a program loads a module. V8's coverage names every script that was loaded. */
async function packagesLoadedBy(node: string, ...args: string[]): Promise<string[]> {
  const directory = temporaryDirectory();
  await ok('env', `NODE_V8_COVERAGE=${directory}`, node, ...args);
  const urls = readdirSync(directory)
    .map((file) => coverage.parse(JSON.parse(readFileSync(join(directory, file), 'utf8'))))
    .flatMap(({ result }) => result.map(({ url }) => url));
  const names = urls.map((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? '');
  return [...new Set(names)].filter((name) => name !== '').sort();
}

const script = (text: string) => ['--input-type=module', '-e', text];

const builtFiles = () =>
  readdirSync('dist', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js') && file !== 'cli/main.js') // That one runs the program.
    .map((file) => `./dist/${file}`);
const loadAll = () => `for (const file of ${JSON.stringify(builtFiles())}) await import(file);`;

/**
 * Has a program of its own, made as src/cli/main.ts makes it, tell the help of each command, and
 * how it would end then.
 */
const askForHelps = (all: string[][]) => `const { createProgram } = await import('./dist/cli/program.js');
  const { exit, stdout } = process;
  const { write } = stdout;
  const helps = [];
  process.exit = (status) => { throw status; };
  for (const words of ${JSON.stringify(all)}) {
    let said = '';
    stdout.write = (text) => { said += text; return true; };
    const asked = [...words, '--help'];
    const parsed = (await createProgram(asked)).parseAsync(asked, { from: 'user' });
    helps.push({ words, status: await parsed.then(() => 'goes on', (thrown) => thrown), said });
  }
  Object.assign(stdout, { write });
  Object.assign(process, { exit });
  console.log(JSON.stringify(helps));`;

describe.each(['20', '22', '24'])('on Node %s', (major) => {
  const node = join(process.cwd(), 'node_modules/.cache/nodes', major);
  const gear = (...args: string[]) => ok(node, 'bin/gear', ...args);

  test('the program that runs is that Node', async () => {
    expect(await ok(node, '--version')).toMatch(new RegExp(`^v${major}\\.`));
  });

  test('gear tells its version, and nothing on stderr', async () => {
    const said = await run(node, 'bin/gear', '--version');
    expect(said).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  test('every command shows its help', async () => {
    const all = await allCommands();
    expect(all).toContainEqual(['host', 'list']);
    const helps: unknown[] = JSON.parse(await ok(node, ...script(askForHelps(all))));
    const usage = (words: string[]) => expect.stringContaining(`Usage: gear ${words.join(' ')}`);
    expect(helps).toEqual(all.map((words) => ({ words, status: 0, said: usage(words) })));
  });

  test('every file that is built can be loaded', async () => {
    expect(builtFiles().length).toBeGreaterThan(100);
    expect(await ok(node, ...script(`${loadAll()} console.log('loaded');`))).toBe('loaded');
  });

  test('a token is made, accepted and refused', async () => {
    const keys = join(temporaryDirectory(), 'keys');
    await gear('token', 'keygen', keys);
    const token = await gear('token', 'create', '--keys', keys, '--action', 'container.read', '--r', 'web');
    expect(await gear('token', 'inspect', '--keys', keys, token)).toContain('accepted now: yes');
    expect(await run(node, 'bin/gear', 'token', 'inspect', '--keys', keys, `${token}x`)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('accepted now: no'),
    });
  });

  test('a wrong use ends with 2 and says what is missing', async () => {
    expect(await run(node, 'bin/gear', 'api')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--redis is missing'),
    });
  });

  test('gear --version loads no package, and says what commander says', async () => {
    expect(await packagesLoadedBy(node, 'bin/gear', '--version')).toEqual([]);
    expect(await ok(node, 'bin/gear', '--version')).toBe(await ok(node, 'bin/gear', '-V'));
  });

  test('gear --help loads commander and no other package', async () => {
    expect(await packagesLoadedBy(node, 'bin/gear', '--help')).toEqual(['commander']);
  });

  test('gear __complete loads no package, and knows every command and option', async () => {
    const asked = ['bin/gear', '__complete', '--', 'env', 'set', '--k'];
    expect(await packagesLoadedBy(node, ...asked)).toEqual([]);
    expect(await ok(node, ...asked)).toBe('--key');
    const collect = `const { collectWords } = await import('./dist/cli/completion/collect-words.js');
      const { createProgram } = await import('./dist/cli/program.js');
      console.log(JSON.stringify(collectWords(await createProgram())));`;
    expect(await ok(node, ...script(collect))).toBe(readFileSync('dist/cli/completion/words.json', 'utf8'));
  });

  test('gear host list loads no client of Redis, and no tokens', async () => {
    const loaded = await packagesLoadedBy(node, 'bin/gear', 'host', 'list', '--help');
    expect(loaded).toEqual(['commander', 'zod']);
  });

  test('geard/client loads no package, and reports an api that cannot be reached', async () => {
    const unreachable = "{ api: 'http://127.0.0.1:1', token: 'x', retries: 0 }";
    const call = `const { createClient } = await import('geard/client');
      await createClient(${unreachable}).whoami().catch((error) => console.log(error.name));`;
    expect(await packagesLoadedBy(node, ...script(call))).toEqual([]);
    expect(await ok(node, ...script(call))).toBe('TypeError');
  });

  test('a logger that does not write to a terminal loads no pino-pretty', async () => {
    const open = "import { createLogger } from './dist/lib/logger.js'; await createLogger('info');";
    const loaded = await packagesLoadedBy(node, ...script(open));
    expect(loaded).toContain('pino');
    expect(loaded).not.toContain('pino-pretty');
  });

  test('the program traces nothing and loads nothing for it where @opentelemetry/api is not installed', async () => {
    const directory = temporaryDirectory(); // No packages are above it.
    cpSync('dist', join(directory, 'dist'), { recursive: true });
    cpSync('package.json', join(directory, 'package.json'));
    const start = (from: string) => `const { startTracing } = await import('${from}/dist/lib/tracing.js');
      console.log(await startTracing('1'));`;
    expect(await ok(node, ...script(start(directory)))).toBe('false');
    expect(await packagesLoadedBy(node, ...script(start(directory)))).toEqual([]);
    // Installed, but without an SDK: it is looked at, and no more.
    expect(await ok(node, ...script(start('.')))).toBe('false');
    expect(await packagesLoadedBy(node, ...script(start('.')))).toEqual(['@opentelemetry/api']);
  });

  test('no file that is built loads @opentelemetry/api by itself', async () => {
    const loaded = await packagesLoadedBy(node, ...script(loadAll()));
    expect(loaded).toContain('express');
    expect(loaded).not.toContain('@opentelemetry/api');
  });

  test('the client of Docker loads neither gRPC nor SSH', async () => {
    const loaded = await packagesLoadedBy(node, ...script("await import('./dist/worker/docker/docker.js');"));
    expect(loaded).toContain('dockerode');
    expect(loaded.filter((name) => /grpc|protobuf|ssh/.test(name))).toEqual([]);
  });
});
