import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Curl, curl } from '../support/curl.ts';
import { sampleImage } from '../support/daemon.ts';
import type { Fleet } from '../support/fleet.ts';
import { behindStreams } from '../support/leftovers.ts';
import { installLoudGear, type LoudGear, numbersIn, openLoudFleet } from '../support/loud-gear.ts';
import { until } from '../support/until.ts';

describe.each(['relay', 'direct'] as const)('bursts by %s', (transport) => {
  let fleet: Fleet;
  let loud: LoudGear;
  beforeAll(async () => {
    await sampleImage();
    fleet = await openLoudFleet(transport);
    loud = await installLoudGear(fleet, `bursts-${transport}`);
  });
  afterAll(() => fleet.close());

  const isSequence = (numbers: number[]) => numbers.every((number, i) => number === i + 1);

  test('a burst of a million lines comes through, every line once and in order', async () => {
    const following = curl(loud.log({ lines: '0', for: '200' }));
    onTestFinished(() => void following.child.kill('SIGKILL'));
    await until('it follows', () => behindStreams().length > 0);
    await loud.burst(1_000_000);
    const isOver = () =>
      following.child.exitCode !== null || /\n1000000 a line|\n-- geard:/.test(String(following.tail()));
    await until('the last line is there, or the stream has ended', isOver, 90_000);
    following.child.kill('SIGKILL');
    const { code, body } = await following.done;
    expect(code, loud.said()).toBe(null);
    expect(/-- geard: .*/.exec(body.toString('latin1'))?.[0]).toBeUndefined();
    const numbers = numbersIn(body);
    expect(numbers).toHaveLength(1_000_000);
    expect(isSequence(numbers)).toBe(true);
  });

  /** Takes 1 MB/s for so many milliseconds, then what is left at once. */
  const readSlowly = ({ child: { stdout } }: Curl, milliseconds: number) => {
    const end = Date.now() + milliseconds;
    stdout?.on('data', (chunk: Buffer) => {
      if (Date.now() > end) return;
      stdout.pause();
      setTimeout(() => stdout.resume(), chunk.length / 1_000);
    });
  };

  test('a reader that is too slow for a burst gets the first lines and is told how many it has missed', async () => {
    // 186 MB, which a busy machine logs in a few seconds. Of these the buffers of the connections between
    // hold up to 60 MB, and the reader takes 31 MB until its time is up and the worker waits no more for it to catch up.
    const [count, seconds, catchUp] = [60_000, 25, 6];
    await until('the test before has left nothing', () => behindStreams().length === 0);
    const slow = curl(loud.log({ lines: '0', for: String(seconds) }));
    readSlowly(slow, (seconds + catchUp) * 1_000);
    onTestFinished(() => void slow.child.kill('SIGKILL'));
    await until('it follows', () => behindStreams().some((line) => line.includes('--follow')));
    await loud.burst(count, 3_050);
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
});
