import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { environments } from '../../../../src/cli/client/commands/environments.ts';
import * as gears from '../../../../src/cli/client/commands/gears.ts';
import { install } from '../../../../src/cli/client/commands/install.ts';
import * as jobCommands from '../../../../src/cli/client/commands/jobs.ts';
import { logs, printable } from '../../../../src/cli/client/commands/logs.ts';
import * as repositories from '../../../../src/cli/client/commands/repositories.ts';
import { whoami } from '../../../../src/cli/client/commands/requests.ts';
import { readContexts, writeContexts } from '../../../../src/cli/client/contexts.ts';
import {
  portOf,
  readVariables,
  variableOf,
  variablesFrom,
  volumeOf,
} from '../../../../src/cli/client/fields.ts';
import { createOutput } from '../../../../src/cli/client/output.ts';
import { createProgress } from '../../../../src/cli/client/progress.ts';
import { fillRow, type Row } from '../../../../src/cli/client/row.ts';
import { describeError, openSession } from '../../../../src/cli/client/session.ts';
import { columns, comeBack, nextCommand, pairs, shortId } from '../../../../src/cli/client/show.ts';
import { commands } from '../../../../src/cli/commands.ts';
import { hosts } from '../../../../src/cli/host/command.ts';
import { createProgram } from '../../../../src/cli/program.ts';
import { GeardError, type OperationName } from '../../../../src/client/client.ts';
import { operations } from '../../../../src/client/operations.ts';
import { BrokenOff } from '../../../../src/lib/http/fetch.ts';

const rows: Row<never>[] = [
  install,
  ...Object.values(gears),
  logs,
  ...Object.values(jobCommands),
  ...Object.values(environments),
  ...Object.values(repositories),
  ...Object.values(hosts),
  whoami,
];

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.removeAllListeners('SIGINT');
});

test('every request that there is has a command', () => {
  const sent = new Set(rows.flatMap(({ sends }) => sends));
  expect((Object.keys(operations) as OperationName[]).filter((name) => !sent.has(name))).toEqual([]);
});

test('every command says what it is for, and so does each of its options', async () => {
  const all: Command[] = [];
  for (const [name, { fill, summary }] of Object.entries(commands)) {
    const command = new Command(name).description(summary);
    await fill(command);
    all.push(command, ...command.commands);
  }
  for (const command of all) {
    expect(command.description(), command.name()).not.toBe('');
    for (const { flags, description } of command.options) expect(description, flags).not.toBe('');
  }
});

test.each(
  rows.map((row, i) => [i, row] as const),
)('a command that changes something takes a user, others none (%i)', (_, row) => {
  const flags = fillRow(new Command('x'), row).options.map(({ long }) => long);
  const makesJob = row.sends.some((name) => operations[name].answer === 'job');
  expect(flags.includes('--key')).toBe(makesJob);
  expect(flags.includes('--user') || row === (jobCommands.list as unknown)).toBe(
    row.changes !== undefined || row === (jobCommands.list as unknown),
  );
  expect(flags.includes('--json')).toBe(row !== (repositories.archive as unknown));
});

test('a port is written as docker run has it, and the external one may be left out', () => {
  expect(portOf('8080:80')).toEqual({ internal: 80, external: 8080 });
  expect(portOf('80')).toEqual({ internal: 80 });
  for (const wrong of ['', 'a', '80:', ':80', '1:2:3', '80/tcp', '123456'])
    expect(() => portOf(wrong), wrong).toThrow('such as 8080:80');
});

test('a volume is a name and a path, and maybe the gear whose it is', () => {
  expect(volumeOf('data:/data')).toEqual({ name: 'data', path: '/data' });
  expect(volumeOf('data:/data:web')).toEqual({ name: 'data', path: '/data', of: 'web' });
  for (const wrong of ['data', 'a:/b:c:d']) expect(() => volumeOf(wrong)).toThrow('such as data:/data');
});

test('a variable is all behind the first =, and a name alone takes the value that it has here', async () => {
  expect(variableOf('A=b=c')).toEqual({ name: 'A', value: 'b=c' });
  expect(variableOf('A=')).toEqual({ name: 'A', value: '' });
  expect(variableOf('PATH')).toEqual({ name: 'PATH', value: process.env['PATH'] });
  for (const wrong of ['GEARD_NOT_SET', '=b']) expect(() => variableOf(wrong)).toThrow('NAME=value');
  const directory = temporary();
  const file = join(directory, 'env');
  writeFileSync(file, '# a comment\n\nA=1\r\nB="2"\n');
  expect(await readVariables(file)).toEqual([
    { name: 'A', value: '1' },
    { name: 'B', value: '"2"' },
  ]);
});

test('white space before a name or a comment in a file does not count, as with docker run', async () => {
  const file = join(temporary(), 'env');
  writeFileSync(file, '  # a comment\n\tA=1\n \t\n  B= 2 \n');
  expect(await readVariables(file)).toEqual([
    { name: 'A', value: '1' },
    { name: 'B', value: ' 2 ' },
  ]);
});

test('the last variable of a name counts, and the command line comes after the file', async () => {
  const file = join(temporary(), 'env');
  writeFileSync(file, 'A=1\nB=2\nA=3\n');
  expect(await variablesFrom(file, ['B=4'])).toEqual([
    { name: 'A', value: '3' },
    { name: 'B', value: '4' },
  ]);
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'geard-gear-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('contexts are kept in a file that nobody else reads', async () => {
  const path = join(temporary(), 'geard/contexts.json');
  expect(await readContexts(path)).toEqual({ current: null, contexts: {} });
  const contexts = { current: 'a', contexts: { a: { api: 'https://a.example', user: 'ann' } } };
  await writeContexts(contexts, path);
  expect(await readContexts(path)).toEqual(contexts);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  writeFileSync(path, '{"current":1}');
  await expect(readContexts(path)).rejects.toThrow('fix or remove it');
});

test('there are colours on a terminal, and none where its user wants none (no-color.org)', () => {
  vi.stubEnv('TERM', 'xterm');
  vi.stubEnv('NO_COLOR', '');
  const isTTY = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
  onTestFinished(() => void Object.defineProperty(process.stderr, 'isTTY', isTTY ?? { value: undefined }));
  const painted = (flags: Record<string, unknown>, terminal = true) => {
    Object.defineProperty(process.stderr, 'isTTY', { value: terminal, configurable: true });
    return createOutput(flags).paint('red', 'text') !== 'text';
  };
  expect([painted({}), painted({ color: false }), painted({}, false)]).toEqual([true, false, false]);
  vi.stubEnv('NO_COLOR', '1');
  expect(painted({})).toBe(false);
});

test('columns are as wide as their widest cell, and pairs leave out what has no value', () => {
  expect(columns(['A', 'B'], [['xyz', 'b']])).toBe('A    B\nxyz  b\n');
  expect(pairs({ Name: 'web', Ports: null, 'After a reboot': 'runs' })).toBe(
    'Name            web\nAfter a reboot  runs\n',
  );
});

test('a hint repeats how the api was named, in words that a shell takes, and nothing else', () => {
  expect(nextCommand({ api: 'https://a.example', tokenFile: "ann's", user: 'ann' }, 'ls')).toBe(
    "gear ls --api https://a.example --token-file 'ann'\\''s'",
  );
  expect(comeBack.job({ context: 'prod' }, '2a')).toBe(
    'the job goes on: gear job 2a --follow --context prod',
  );
  expect(comeBack.cancellation({ context: 'prod' }, '2a', true)).toBe(
    'the cancellation goes on: gear job 2a --context prod',
  );
  expect(nextCommand({}, 'ls')).toBe('gear ls');
});

test('a gear with an outdated environment is shown with the command that restarts it', async () => {
  const gear = {
    ...{
      resource: 'web',
      host: 'h1',
      systemd: {},
      ports: [],
      environment: { name: 'shared', outdated: true },
    },
    spec: { command: [], volumes: [], env: [] },
  };
  const written = vi.spyOn(process.stdout, 'write').mockImplementation((_, done?: unknown) => {
    if (typeof done === 'function') done();
    return true;
  });
  const client = { container: { read: async () => gear } };
  const call = { ...createOutput({}), args: ['web'], flags: { context: 'prod' }, client };
  await gears.show.run(call as never);
  expect(written.mock.calls[0]?.[0]).toMatch(/, changed since .*: gear restart web --context prod$/m);
});

test('an id is written without the zeros at its beginning', () => {
  expect([shortId('0000002a'), shortId('00000000')]).toEqual(['2a', '0']);
});

/** What is written to standard error meanwhile. */
function errorOutput(): { text(): string } {
  let text = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  return { text: () => text };
}

const at = { id: '1', time: '2026-01-01T00:00:00.000Z' };

test('away from a terminal there is a line for each step, and for each ten percent of it', () => {
  const written = errorOutput();
  const progress = createProgress(createOutput({}), ['web', 'worker']);
  progress.begin('web');
  progress.step('web', { ...at, step: 'pull', message: '7 layers', percent: 1 });
  progress.step('web', { ...at, step: 'pull', message: '7 layers', percent: 9 });
  progress.step('web', { ...at, step: 'pull', message: '7 layers', percent: 42.5 });
  progress.step('web', { ...at, step: 'start', message: 'waiting for port 80' });
  progress.step('web', { ...at, step: 'start', message: 'waiting for port 80' });
  progress.end('web', 'succeeded');
  expect(written.text().split('\n')).toEqual([
    'web     pull     7 layers  0 %',
    'web     pull     7 layers  40 %',
    'web     start    waiting for port 80',
    '',
  ]);
});

test.each([['json'], ['quiet']])('with --%s no progress is shown', (flag) => {
  const written = errorOutput();
  const output = createOutput({ [flag]: true });
  createProgress(output, ['web']).step('web', { ...at, step: 'pull', message: '7 layers' });
  expect(written.text()).toBe('');
});

test('on a terminal steps that are over stay, and the last line shows the percent', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const written = errorOutput();
  const terminal = Object.assign(createOutput({}), { live: true });
  const kept: string[][] = [];
  terminal.keep = (lines) => kept.push([...lines]);
  const progress = createProgress(terminal, ['web']);
  progress.begin('web');
  progress.step('web', { ...at, step: 'pull', message: '7 layers', percent: 50 });
  expect(kept.at(-1)?.[0]).toMatch(/^web {2}. pull {5}7 layers {2}0\.0 s {2}█████░░░░░ 50 %$/);
  progress.step('web', { ...at, step: 'start', message: 'waiting for port 80' });
  expect(written.text()).toMatch(/^web {2}✓ pull {5}7 layers {2}0\.0 s\n$/);
  progress.end('web', 'failed');
  expect(written.text()).toMatch(/web {2}✗ start {4}waiting for port 80 {2}0\.0 s\n$/);
  expect([kept.at(-1), vi.getTimerCount()]).toEqual([[], 0]);
});

const connection = { api: 'http://127.0.0.1:1', token: '__test__' };

test('an api that cannot be reached is named with the reason, and with the option that names another', () => {
  const refused = new TypeError('fetch failed', {
    cause: Object.assign(new Error('no'), { code: 'ECONNREFUSED' }),
  });
  expect(describeError(refused, connection)).toBe(
    'the api at http://127.0.0.1:1 cannot be reached (ECONNREFUSED); is gear daemon running there? --api names another address',
  );
});

test('a refused token is told with the way to another one', () => {
  const refused = new GeardError('token_invalid', 'refused', { status: 401 });
  expect(describeError(refused, connection)).toContain('--token-file, see docs/tokens.md');
  expect(describeError(refused, { ...connection, token: 'x' })).toContain('gear token inspect');
  vi.stubEnv('GEARD_TOKEN_FILE', '/root/token');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(describeError(refused, connection)).toContain(
    'GEARD_TOKEN_FILE is not read beside a context in use',
  );
  const foreign = new GeardError(undefined, 'the answer is 502', { status: 502 });
  expect(describeError(foreign, connection)).toContain('--api names another address');
});

test('an option behind the name of a command is that command’s, also where the one above has it too', async () => {
  const program = await createProgram(['job']);
  const job = program.commands.find((command) => command.name() === 'job');
  const log = job?.commands.find((command) => command.name() === 'log');
  const seen: unknown[] = [];
  log?.action((_id, flags) => void seen.push(flags));
  await program.parseAsync(['job', 'log', '2a', '--json'], { from: 'user' });
  expect(seen).toMatchObject([{ json: true }]);
});

/** A file with a token, as `gear token create` would have made it. */
function tokenFile(token: string): string {
  const file = join(temporary(), 'token');
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  return file;
}

test('a token of the variables goes to the api of the variables only', async () => {
  vi.stubEnv('XDG_CONFIG_HOME', temporary());
  vi.stubEnv('GEARD_TOKEN_FILE', tokenFile('mine'));
  expect((await openSession({ api: 'http://a.example' })).connection.token).toBe('mine');
  vi.stubEnv('GEARD_API', 'http://b.example');
  expect((await openSession({})).connection).toMatchObject({ api: 'http://b.example', token: 'mine' });
  expect((await openSession({ api: 'http://a.example' })).connection.token).toBe('__test__');
});

test('a context counts as a whole, and with --api none can be named', async () => {
  vi.stubEnv('XDG_CONFIG_HOME', temporary());
  vi.stubEnv('GEARD_TOKEN_FILE', tokenFile('of the variables'));
  await writeContexts({ current: null, contexts: { a: { api: 'http://a.example' } } });
  expect((await openSession({ context: 'a' })).connection).toMatchObject({
    api: 'http://a.example',
    token: '__test__',
  });
  await expect(openSession({ context: 'a', api: 'http://b.example' })).rejects.toThrow('leave out --api');
});

test('a context keeps what its command says, and nothing of the variables', async () => {
  vi.stubEnv('XDG_CONFIG_HOME', temporary());
  vi.stubEnv('GEARD_TOKEN_FILE', tokenFile('of another api'));
  const program = await createProgram(['context']);
  await program.parseAsync(['context', 'add', 'a', '--api', 'http://a.example'], { from: 'user' });
  await program.parseAsync(['context', 'add', 'b', '--api', 'http://b.example', '--token-file', 'b.token'], {
    from: 'user',
  });
  expect((await readContexts()).contexts).toEqual({
    a: { api: 'http://a.example' },
    b: { api: 'http://b.example', tokenFile: join(process.cwd(), 'b.token') },
  });
});

test('nothing that a gear prints moves the cursor of a terminal or sets its title', () => {
  expect(printable('\u001b[31mred\u001b[0m\tand\u001b]0;title\u0007 \rback\u009b2J')).toBe('red\tand �back');
});

test('an answer that breaks off is not told as an api that cannot be reached', () => {
  const cause = Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
  expect(describeError(new BrokenOff('lost', { cause }), connection)).toBe(
    'the api at http://127.0.0.1:1 has broken off its answer (ECONNRESET); run the command again',
  );
});
