import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { logs } from '../../../../src/cli/client/commands/logs.ts';
import { createOutput } from '../../../../src/cli/client/output.ts';

/** What is written, in its order, with the stream where it is not standard output. */
let written: string;
beforeEach(() => {
  written = '';
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((text, done?: unknown) => {
      written += `${name === 'stderr' ? '2>' : ''}${text}`;
      if (typeof done === 'function') done();
      return true;
    });
});
afterEach(() => {
  vi.restoreAllMocks();
});

type Line = { cursor: string; message: string; continues?: true } | { event: string; reason: string };
const record = (message: string): Line => ({ cursor: `s=${message}`, message });
const part = (message: string): Line => ({ ...record(message), continues: true }) as Line;
const timeIsUp: Line = { event: 'end', reason: 'the time is up' };
const ended: Line = { event: 'end', reason: 'the gear was removed' };

/** Runs `gear logs NAME…` with a client whose logs come from `log`. */
function run(names: string[], flags: object, log: (name: string) => AsyncIterable<Line>) {
  const client = { container: { log: ({ r }: { r: string }) => log(r) } };
  const { signal } = new AbortController();
  return logs.run({ ...createOutput({}), client, signal, args: names, flags } as never);
}

test.each([
  ['0', [], 'gear: the log was reopened before its first line: lines in between may be missing\n'],
  ['0', [record('one')], ''],
  ['5', [], ''],
])('a followed log that begins again tells what may be missing: -n %s, after %j', async (number, lines, told) => {
  const answers = [
    [...lines, timeIsUp],
    [record('two'), ended],
  ];
  const status = await run(['web'], { follow: true, number }, async function* () {
    yield* answers.shift() ?? [];
  });
  expect(status).toBe(0);
  expect(written).toBe(`${lines.length > 0 ? 'one\n' : ''}${told && `2>${told}`}two\n`);
});

/** Runs `gear logs a bb` with lines that come in this order; an error ends the log of its gear. */
async function inOrder(...lines: ['a' | 'bb', Line | Error][]) {
  let next = 0;
  return run(['a', 'bb'], {}, async function* (name) {
    while (next < lines.length) {
      const [of, line] = lines[next] ?? [];
      if (of !== name) {
        await setImmediate();
        continue;
      }
      next++;
      if (line instanceof Error) throw line;
      if (line) yield line;
    }
  });
}

test('an unfinished line of one gear never runs into a line of another', async () => {
  await inOrder(['a', part('bb | ')], ['bb', record('of bb')], ['a', part('x')], ['a', record('y')]);
  expect(written).toBe('a  | bb | \nbb | of bb\na  | xy\n');
});

test('a part of a line that follows a line of another gear names its gear', async () => {
  await inOrder(['bb', part('1')], ['a', part('2')], ['bb', record('bb | 3')], ['a', record('a  | 4')]);
  expect(written).toBe('bb | 1\na  | 2\nbb | bb | 3\na  | a  | 4\n');
});

test('a notice and an error end an unfinished line', async () => {
  const missed: Line = { event: 'missed', reason: 'too slow' };
  await inOrder(['a', part('x')], ['bb', missed], ['a', part('y')], ['a', missed], ['a', part('z')]);
  expect(written).toBe('a  | x\n2>gear: bb | too slow\na  | y\n2>gear: a  | too slow\na  | z');
  written = '';
  expect(await inOrder(['a', part('x')], ['bb', new Error('no')], ['a', record('y')])).toBe(1);
  expect(written).toMatch(/^a {2}\| x\n2>gear: bb: .*no.*\na {2}\| y\n$/);
});
