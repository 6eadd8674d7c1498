import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { Limiter, type Release, shared } from '../../../../src/lib/async/limiter.ts';
import { settled } from '../../../support/settled.ts';

afterEach(() => void vi.useRealTimers());

const never = new AbortController().signal;

test('no more places are held than there are, and no more by one key than its share', () => {
  const limiter = new Limiter({ all: 3, perKey: 2 });
  const [first, second] = [limiter.take('a'), limiter.take('a')];
  expect(limiter.take('a')).toBeNull();
  expect(limiter.take('b')).not.toBeNull();
  expect(limiter.take('c')).toBeNull();
  first?.();
  first?.(); // Twice is once.
  expect(limiter.take('b')).not.toBeNull();
  expect(limiter.take('a')).toBeNull();
  second?.();
  expect(limiter.take('a')).not.toBeNull();
});

test('keys that wait get their places by turns, each in its own order of asking', async () => {
  const limiter = new Limiter({ all: 1, perKey: 1 });
  const order: string[] = [];
  const begin = (key: string, name: string) => limiter.run(key, async () => void order.push(name), never);
  const asked = ['a1', 'a2', 'a3', 'a4'].map((name) => begin('a', name));
  await Promise.all([...asked, begin('b', 'b1'), begin('b', 'b2'), begin('c', 'c1')]);
  expect(order).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
});

test('a key at its share waits for itself only, while others go past it', async () => {
  const limiter = new Limiter(shared(2));
  const held = limiter.take('a');
  let late: Release | null = null;
  void limiter.wait('a', never).then((release) => {
    late = release;
  });
  for (let i = 0; i < 5; i++) await limiter.run('b', settled, never);
  expect(late).toBeNull();
  held?.();
  await settled();
  expect(late).not.toBeNull();
});

test('who stops waiting gets no place, and stands in nobody’s way', async () => {
  const limiter = new Limiter({ all: 1, perKey: 1 });
  const held = limiter.take('a');
  const abort = new AbortController();
  const given = limiter.wait('b', abort.signal);
  const after = limiter.wait('c', never);
  abort.abort(new Error('too late'));
  await expect(given).rejects.toThrow('too late');
  await expect(limiter.wait('b', abort.signal)).rejects.toThrow('too late');
  held?.();
  expect(await after).toBeTypeOf('function');
});

test('work that fails gives its place back', async () => {
  const limiter = new Limiter({ all: 1, perKey: 1 });
  const fails = () => limiter.run('a', () => Promise.reject(new Error('no')), never);
  await expect(fails()).rejects.toThrow('no');
  await expect(fails()).rejects.toThrow('no');
  expect(limiter.take('b')).not.toBeNull();
});

const cooling = { longestCooldown: 10_000 };
test.each([
  ['', {}],
  [', at the latest after a cooldown', cooling],
])('whatever is asked, given up and given back in whatever order: bounds hold and nobody waits beside a free place%s', async (_, more) => {
  if ('longestCooldown' in more) vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    what: fc.constantFrom('take', 'wait', 'give', 'leave'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const bounds = { all: 4, perKey: 2 };
      const limiter = new Limiter({ ...bounds, ...more });
      const held: { key: string; release: Release }[] = [];
      const waiting: { key: string; abort: AbortController; over: boolean }[] = [];
      for (const { key, what } of steps) {
        if (what === 'take') {
          const release = limiter.take(key);
          if (release) held.push({ key, release });
        } else if (what === 'wait') {
          const one = { key, abort: new AbortController(), over: false };
          waiting.push(one);
          limiter.wait(key, one.abort.signal).then(
            (release) => {
              one.over = true;
              held.push({ key, release });
            },
            () => {
              one.over = true;
            },
          );
        } else if (what === 'give') held.shift()?.release();
        else waiting.find(({ over }) => !over)?.abort.abort(new Error('left'));
        await settled();
        if (vi.isFakeTimers()) await vi.advanceTimersByTimeAsync(10_000);
        const by = (name: string) => held.filter(({ key: holder }) => holder === name).length;
        expect(held.length).toBeLessThanOrEqual(bounds.all);
        for (const name of ['a', 'b', 'c']) expect(by(name)).toBeLessThanOrEqual(bounds.perKey);
        for (const one of waiting)
          if (!one.over) expect(held.length === bounds.all || by(one.key) === bounds.perKey).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

/** Slots, half of them for each key, and who got one, in this order. */
function busySlots(all = 2) {
  vi.useFakeTimers();
  const limiter = new Limiter({ ...shared(all), longestCooldown: 10_000 });
  const given: string[] = [];
  const releases: Release[] = [];
  return {
    async ask(key: string, ...names: string[]) {
      for (const name of names)
        void limiter.wait(key, never).then((one) => given.push(name) && releases.push(one));
      await vi.advanceTimersByTimeAsync(0);
    },
    /** Gives back the slot that was given first, after some milliseconds. */
    async use(ms: number) {
      await vi.advanceTimersByTimeAsync(ms);
      releases.shift()?.();
      await vi.advanceTimersByTimeAsync(0);
    },
    after: (ms: number) => vi.advanceTimersByTimeAsync(ms),
    given,
  };
}

test('a busy key waits ten times as long as it worked while another one is active', async () => {
  const { ask, use, after, given } = busySlots();
  await ask('bob', 'b1');
  await use(5);
  await ask('alice', 'a1', 'a2');
  await use(100);
  await after(999);
  await ask('bob', 'b2'); // Who has only this one does not wait.
  expect(given).toEqual(['b1', 'a1', 'b2']);
  await after(1);
  expect(given.slice(3)).toEqual(['a2']);
});

test('a busy key waits ten seconds at most', async () => {
  const { ask, use, after, given } = busySlots();
  await ask('alice', 'a1', 'a2');
  await after(3_600_000);
  await ask('bob', 'b1');
  await use(0);
  await after(9_999);
  expect(given).toEqual(['a1', 'b1']);
  await after(1);
  expect(given.slice(2)).toEqual(['a2']);
});

test('a key that holds a slot is active for as long as that takes', async () => {
  const { ask, use, after, given } = busySlots();
  await ask('alice', 'a1', 'a2');
  await ask('bob', 'b1');
  await after(60_000);
  await use(0); // That of a1.
  await after(9_999);
  expect(given).toEqual(['a1', 'b1']);
  await after(1);
  expect(given.slice(2)).toEqual(['a2']);
});

test('a busy key with several slots waits as many times as long for each, so all together use a tenth', async () => {
  const { ask, use, after, given } = busySlots(6);
  await ask('bob', 'b1');
  await use(5);
  await ask('alice', 'a1', 'a2', 'a3', 'a4', 'a5');
  await use(100);
  await use(0);
  await after(2_999);
  expect(given).toEqual(['b1', 'a1', 'a2', 'a3']);
  await after(1);
  expect(given.slice(4)).toEqual(['a4', 'a5']);
});

test('a key is at its limit while it holds all of its slots, and another active one has enough', async () => {
  const limiter = new Limiter({ all: 4, perKey: 2 });
  const bob = limiter.take('bob');
  limiter.take('alice');
  expect(limiter.slotsAtLimit('alice')).toBe(0);
  limiter.take('alice');
  expect(limiter.slotsAtLimit('alice')).toBe(2);
  expect(limiter.slotsAtLimit('bob')).toBe(0);
  limiter.take('bob'); // Both hold all that they may.
  expect(limiter.slotsAtLimit('alice')).toBe(0);
  bob?.();
  limiter.take('carol');
  void limiter.wait('bob', never);
  expect(limiter.slotsAtLimit('alice')).toBe(2); // Carol has enough.
});

test('a key is not at its limit while others wait for a slot, or have been silent for ten seconds', () => {
  vi.useFakeTimers();
  const limiter = new Limiter({ all: 4, perKey: 2 });
  limiter.take('bob')?.();
  for (const key of ['alice', 'alice']) limiter.take(key);
  vi.advanceTimersByTime(9_999);
  expect(limiter.slotsAtLimit('alice')).toBe(2);
  vi.advanceTimersByTime(1);
  expect(limiter.slotsAtLimit('alice')).toBe(0);
  for (const key of ['carol', 'carol']) limiter.take(key);
  void limiter.wait('bob', never);
  expect(limiter.slotsAtLimit('alice')).toBe(0);
});

test('a key without others, with others that wait, too, or with nobody waiting does not cool down', async () => {
  const alone = busySlots();
  await alone.ask('bob', 'b1');
  await alone.use(1);
  await alone.after(10_000);
  await alone.ask('alice', 'a1', 'a2');
  await alone.use(100);
  expect(alone.given).toEqual(['b1', 'a1', 'a2']);

  const both = busySlots();
  await both.ask('alice', 'a1', 'a2');
  await both.ask('bob', 'b1', 'b2');
  await both.use(100);
  expect(both.given).toEqual(['a1', 'b1', 'a2']);

  const idle = busySlots();
  await idle.ask('bob', 'b1');
  await idle.ask('alice', 'a1');
  await idle.use(100);
  await idle.use(0);
  await idle.ask('alice', 'a2');
  expect(idle.given).toEqual(['b1', 'a1', 'a2']);
});
