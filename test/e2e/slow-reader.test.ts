import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Curl, curl } from '../support/curl.ts';
import { sampleImage } from '../support/daemon.ts';
import type { Fleet } from '../support/fleet.ts';
import { behindStreams } from '../support/leftovers.ts';
import {
  installLoudGear,
  isSequence,
  type LoudGear,
  numbersIn,
  openLoudFleet,
} from '../support/loud-gear.ts';
import { run } from '../support/run.ts';
import { until } from '../support/until.ts';

const transports = ['relay', 'direct'] as const;

/**
 * 186 MB, which a busy machine logs in a few seconds. Of these the buffers of the connections
 * between hold up to 60 MB, and the reader takes 56 MB until its time is up and the worker waits no
 * more for it to catch up; some more where the machine is so busy that a burst lasts.
 */
const [count, seconds, catchUp] = [60_000, 50, 6];

/** Seconds that the worker gives journald, which may still write then, after the time is up. */
const writing = 10;

/** Whether a worker follows the journal. */
const follows = async ({ worker }: Fleet) =>
  (await run('pgrep', '--parent', String(worker.pid), '--full', 'journalctl.*--follow')).status === 0;

interface Reading {
  loud: LoudGear;
  slow: Curl;
}

const fleets: Fleet[] = [];
const readings = new Map<string, Reading>();
/** When the last burst was over. */
let logged = Number.POSITIVE_INFINITY;

beforeAll(async () => {
  await sampleImage();
  await until('the tests before have left nothing', () => behindStreams().length === 0);
  for (const transport of transports) fleets.push(await openLoudFleet(transport));
  // One burst after the other; the readers, which mostly wait, at the same time.
  for (const [n, fleet] of fleets.entries()) {
    const transport = transports[n] ?? '';
    const loud = await installLoudGear(fleet, `slowly-${transport}`);
    const slow = curl(loud.log({ lines: '0', for: String(seconds) }));
    slow.done.catch(() => undefined); // Its test tells.
    readings.set(transport, { loud, slow });
    readSlowly(slow);
    await until('it follows', () => follows(fleet));
    await loud.burst(count, 3_050);
  }
  logged = Date.now();
});
afterAll(async () => {
  for (const { slow } of readings.values()) slow.child.kill('SIGKILL');
  for (const fleet of fleets) await fleet.close();
});

/** Takes 1 MB/s until the worker waits no more for it to catch up, then what is left at once. */
function readSlowly({ child: { stdout } }: Curl): void {
  const began = Date.now();
  const isWaitedFor = () =>
    Date.now() < Math.max(began + (seconds + catchUp) * 1_000, logged + (writing + catchUp) * 1_000);
  stdout?.on('data', (chunk: Buffer) => {
    if (!isWaitedFor()) return;
    stdout.pause();
    setTimeout(() => stdout.resume(), chunk.length / 1_000);
  });
}

test.each(
  transports,
)('a reader that is too slow for a burst gets the first lines and is told how many it has missed (%s)', async (transport) => {
  const { loud, slow } = readings.get(transport) as Reading;
  const { code, body } = await slow.done;
  const numbers = numbersIn(body);
  const missed = Number(
    /-- geard: (\d+) lines missed/.exec(body.toString('latin1', body.length - 300))?.[1] ?? 0,
  );
  expect(code, loud.said()).toBe(0);
  expect(isSequence(numbers)).toBe(true);
  expect(missed).toBeGreaterThan(0);
  // What the journal had when the time was up was either passed on or told.
  expect(numbers.length + missed).toBe(count);
});
