import { afterEach, expect, test, vi } from 'vitest';
import { type ChangeFlags, change } from '../../../../src/cli/client/change.ts';
import { createOutput } from '../../../../src/cli/client/output.ts';
import type { Call } from '../../../../src/cli/client/row.ts';
import { Interrupted } from '../../../../src/cli/client/session.ts';
import type { CallOptions, Change } from '../../../../src/client/client.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const api = 'http://127.0.0.1:1';
type Send = (options: CallOptions) => Promise<never>;

/** Sends a change for each name by `send`; resolves with the exit code and the lines for the user. */
async function changed(names: string[], send: Send, { flags = {}, interrupt = new AbortController() } = {}) {
  let stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  const call: Call<ChangeFlags> = {
    ...createOutput(flags),
    client: {} as never, // `send` takes its place.
    ...{ flags, args: names, signal: interrupt.signal, connection: { api, token: '__test__' } },
  };
  const status = await change(call, {
    names,
    send: (_, options) => send(options) as unknown as Change<'container.restart'>,
    show: () => '',
  });
  return { status, lines: stderr.split('\n').slice(0, -1) };
}

/** Sends nothing for good; the user presses Ctrl-C when so many changes wait for an answer. */
function interruptedAfter(count: number) {
  const keys: (string | undefined)[] = [];
  const interrupt = new AbortController();
  const send: Send = ({ key, signal }) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      if (keys.push(key) === count) interrupt.abort(new Interrupted());
    });
  return { keys, interrupt, send };
}

test('after Ctrl-C every name tells the one key by which the same command joins all', async () => {
  const { keys, interrupt, send } = interruptedAfter(2);
  const { status, lines } = await changed(['a', 'b'], send, { interrupt });
  const [key = ''] = keys[0]?.split(/-a$/) ?? [];
  expect(key).toMatch(/^gear-/);
  expect(keys).toEqual([`${key}-a`, `${key}-b`]);
  expect(status).toBe(130);
  expect(lines).toEqual(
    ['a', 'b'].map(
      (name) => `gear: ${name}: the api may have accepted it; the same command with --key ${key} joins it`,
    ),
  );
});

test('a name whose turn had not come at Ctrl-C was not sent, and that is told', async () => {
  const names = [...'abcdefghij'];
  const { keys, interrupt, send } = interruptedAfter(8);
  const { status, lines } = await changed(names, send, { interrupt, flags: { quiet: true } });
  expect([status, keys.length]).toEqual([130, 8]);
  expect(lines.slice(-2)).toEqual(['gear: i: was not sent', 'gear: j: was not sent']);
});
