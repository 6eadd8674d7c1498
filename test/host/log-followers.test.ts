import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { jobs } from '../../src/jobs/registry.ts';
import { pause } from '../../src/lib/pause.ts';
import { handlers } from '../../src/worker/handlers/handlers.ts';
import { createJournalWatch } from '../../src/worker/host/journal-watch.ts';
import { containerLog } from '../../src/worker/streams/container-log.ts';
import { sampleImage } from '../support/daemon.ts';
import { behindStreams } from '../support/leftovers.ts';
import { type OpenRoom, openRoom } from '../support/room.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let open: OpenRoom;
beforeAll(async () => {
  await sampleImage();
  open = await openRoom();
  const spec = { image: 'geard/sample', command: ['/bin/sh', '-c', 'exec sleep 100000'] };
  const params = jobs['container.install'].params.parse({
    resource: 'said',
    spec,
    start: true,
    createOnly: false,
  });
  const signal = new AbortController().signal;
  const nothing = { report: () => undefined, checkpoint: (look: () => Promise<string>) => look() };
  await handlers['container.install'].run(params, {
    job: 'a'.repeat(32),
    tenant: '0',
    room: open.room,
    signal,
    ...nothing,
    log: open.room.log,
  });
});
afterAll(() => open.close());

const say = (text: string) =>
  ok('docker', 'exec', 'gear-said', '/bin/sh', '-c', `echo ${text} >/proc/1/fd/1`);
const followers = () => behindStreams().filter((line) => line.includes('--follow'));

/** Says a line now and then until all have heard one: a log begins when it is asked for, and nobody is told when that is. */
const begun = (all: ReturnType<typeof follow>[]) =>
  until(
    'all follow',
    async () => {
      await say('ready');
      await pause(2_000);
      for (const { heard } of all) if (heard.end) throw heard.end;
      return all.every(({ heard }) => heard.text.includes('ready'));
    },
    90_000,
  );

/** Follows the gear's log until the test is over. */
function follow(room = open.room) {
  const abort = new AbortController();
  const heard = { text: '', end: null as Error | null };
  const args = { resource: 'said', lines: 0, seconds: 3_600, format: 'text/plain', after: null } as const;
  const read = async () => {
    const { body } = await containerLog(room, args, abort.signal);
    for await (const chunk of body) heard.text += chunk.toString();
  };
  const over = read().catch((error: Error) => {
    heard.end = error;
  });
  const close = () => {
    abort.abort(new Error('the test is over'));
    return over;
  };
  onTestFinished(close);
  return { heard, close };
}

test('500 who follow one gear hear each of its lines once, by way of one journalctl (security M1)', {
  timeout: 240_000,
}, async () => {
  const all = Array.from({ length: 500 }, () => follow());
  await begun(all);
  for (const line of ['first', 'second']) {
    await say(line);
    await until(`all hear the ${line}`, () => all.every(({ heard }) => heard.text.includes(line)), 60_000);
    expect(followers()).toHaveLength(1);
  }
  const heardBy = all.map(({ heard }) => heard.text.replaceAll('ready\n', ''));
  expect(new Set(heardBy)).toEqual(new Set(['first\nsecond\n']));
  await Promise.all(all.map(({ close }) => close()));
  await until('nothing is left', () => behindStreams().length === 0);
});

test('a log whose journalctl was ended goes on with the next line, and none is lost (security M1)', async () => {
  const one = follow();
  const pidOf = async () => Number((await run('pgrep', '-f', 'journalctl.*--follow')).stdout);
  await begun([one]);
  const first = await until('it is followed', pidOf);
  process.kill(first, 'SIGKILL');
  await say('meanwhile');
  await until('it is heard', () => one.heard.text.includes('meanwhile'));
  await until('it is followed again', async () => ![0, first].includes(await pidOf()));
  await say('afterwards');
  await until('it is heard', () => one.heard.text.includes('afterwards'));
  expect(one.heard.text.replaceAll('ready\n', '')).toBe('meanwhile\nafterwards\n');
});

test('a log that nothing can follow, for want of inotify instances, is looked at every two seconds (security M1)', async () => {
  const one = follow({ ...open.room, journalWatch: createJournalWatch(0) });
  await begun([one]);
  await say('unheard-of');
  await until('it is heard', () => one.heard.text.endsWith('unheard-of\n'));
  expect(followers()).toEqual([]);
  expect(one.heard.end).toBeNull();
});
