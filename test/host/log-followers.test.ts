import { rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { writeUnit } from '../../src/worker/gear/transaction.ts';
import { containerLog } from '../../src/worker/streams/container-log.ts';
import { type OpenHostServices, openHostServices } from '../support/host-services.ts';
import { behindStreams } from '../support/leftovers.ts';
import { ok, run } from '../support/run.ts';
import { storedGear } from '../support/some-gear.ts';
import { until } from '../support/until.ts';

// Gears as files and units only: what they log comes from a process that systemd runs under the name of their unit.
let open: OpenHostServices;
const gears = Array.from({ length: 50 }, (_, n) => `said-${n}`);
const pipe = (gear: string) => `${open.paths.base}/${gear}.fifo`;

beforeAll(async () => {
  open = await openHostServices();
  for (const resource of gears) {
    await writeUnit(open.services, storedGear(resource, open.services));
    await ok('mkfifo', pipe(resource));
    const talk = `exec cat <>${pipe(resource)}`;
    await ok('systemd-run', '--quiet', `--unit=gear-${resource}`, '/bin/sh', '-c', talk);
  }
});
afterAll(async () => {
  await run('systemctl', 'stop', ...gears.map((gear) => `gear-${gear}`));
  await open.close();
});

const say = (gear: string, text: string) => writeFile(pipe(gear), `${text}\n`, { flag: 'a' });
const feeds = () => behindStreams().filter((line) => line.includes('--follow'));

/** Follows a gear's log until the test is over. */
function follow(gear: string, seconds = 3_600) {
  const abort = new AbortController();
  const heard = { text: '', end: null as Error | 'whole' | null };
  const args = { resource: gear, lines: 1, seconds, format: 'text/plain', after: null } as const;
  const read = async () => {
    const { body } = await containerLog(open.services, args, abort.signal, 'alice');
    for await (const chunk of body) heard.text += chunk.toString();
    heard.end = 'whole';
  };
  const over = read().catch((error: Error) => {
    heard.end = error;
  });
  const close = () => {
    abort.abort(new Error('the test is over'));
    return over;
  };
  onTestFinished(close);
  return { gear, heard, close, over };
}

/** Has the last line of history be a known one, so that whoever has it follows. */
async function begun(...names: string[]): Promise<void> {
  for (const name of new Set(names)) await say(name, 'ready');
  await ok('journalctl', '--sync');
}
const have = (what: string, all: ReturnType<typeof follow>[], text: string) =>
  until(
    `all have ${what}`,
    () => {
      for (const { heard } of all) if (heard.end instanceof Error) throw heard.end;
      return all.every(({ heard }) => heard.text.includes(text));
    },
    60_000,
  );

test('500 who follow one gear and 50 others hear each line of theirs once, by one journalctl (security M1)', async () => {
  await begun(...gears);
  const all = Array.from({ length: 500 }, (_, n) => follow(gears[n < 250 ? 0 : n % 50] as string));
  await have('begun', all, 'ready');
  for (const line of ['first', 'second', 'third']) {
    for (const gear of gears) await say(gear, `${gear} ${line}`);
    await have(line, all, line);
    expect(feeds()).toHaveLength(1);
  }
  for (const { gear, heard } of all)
    expect(heard.text).toBe(['ready', `${gear} first`, `${gear} second`, `${gear} third`, ''].join('\n'));
  await Promise.all(all.map(({ close }) => close()));
  await until('nothing is left', () => behindStreams().length === 0);
});

test('a log whose journalctl was killed goes on with the next line, and none is lost (security M1)', async () => {
  const gear = gears[0] as string;
  await begun(gear);
  const one = follow(gear);
  await have('begun', [one], 'ready');
  const pidOf = async () => Number((await run('pgrep', '-f', 'journalctl.*--follow')).stdout);
  const first = await until('it is followed', pidOf);
  process.kill(first, 'SIGKILL');
  await say(gear, 'meanwhile');
  await have('the next', [one], 'meanwhile');
  await until('it is followed again', async () => ![0, first].includes(await pidOf()));
  await say(gear, 'afterwards');
  await have('the one after it', [one], 'afterwards');
  expect(one.heard).toEqual({ text: 'ready\nmeanwhile\nafterwards\n', end: null });
});

/** Comes first in the path of what a worker runs. */
const withoutInotify = '/usr/local/sbin/journalctl';
// Root's instances are those of the whole machine, also of hosts beside this one: only those of a namespace are taken
// (user_namespaces(7), namespaces(7)).
const inNamespaceWithoutInotify = `#!/bin/sh
exec unshare --user --map-root-user \\
  sh -c 'echo 0 >/proc/sys/user/max_inotify_instances && exec /usr/bin/journalctl "$@"' journalctl "$@"
`;

test('a host without a free inotify instance still has its logs followed, to the end (security M1)', async () => {
  const gear = gears[1] as string;
  await begun(gear);
  await writeFile(withoutInotify, inNamespaceWithoutInotify, { mode: 0o755 });
  onTestFinished(() => rm(withoutInotify));
  const { stderr } = await run(withoutInotify, '--follow', '--lines=1');
  expect(stderr).toContain('Insufficient watch descriptors');
  const one = follow(gear, 12);
  await have('begun', [one], 'ready');
  await say(gear, 'heard all the same');
  await have('the line', [one], 'heard all the same');
  expect(one.heard.end).toBeNull();
  await one.over;
  expect(one.heard).toEqual({ text: 'ready\nheard all the same\n', end: 'whole' });
});

test('a follower of a gear of which much more is said than is kept for it misses nothing (security M1)', async () => {
  const lines = Array.from({ length: 8_000 }, (_, n) => `${n} ${'-'.repeat(200)}`);
  const sayAll = async (gear: string, seconds: number) => {
    await begun(gear);
    const one = follow(gear, seconds);
    const since = performance.now();
    await have('begun', [one], 'ready');
    for (let at = 0; at < lines.length; at += 200) await say(gear, lines.slice(at, at + 200).join('\n'));
    return { one, took: (performance.now() - since) / 1_000 };
  };
  let { one, took } = await sayAll(gears[2] as string, 8);
  // Where the machine is so busy that the time was half up, the log of another gear is followed for longer.
  if (took > 4) {
    await one.close();
    ({ one } = await sayAll(gears[3] as string, Math.ceil(6 * took)));
  }
  await one.over;
  expect(one.heard.end).toBe('whole');
  expect(one.heard.text.split('\n').slice(1, -1)).toEqual(lines);
});
