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
