import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { curl } from '../support/curl.ts';
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
});
