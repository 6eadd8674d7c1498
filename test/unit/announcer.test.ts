import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createAnnouncer } from '../../src/worker/announcer.ts';
import { hostPaths } from '../../src/worker/domain/paths.ts';
import { makeDirectories } from '../../src/worker/host/files.ts';
import { hostLimits } from '../support/limits.ts';
import { until } from '../support/until.ts';

/** A point at which a call stops until it may go on. */
function barrier() {
  let reached = () => {};
  let goOn = () => {};
  const arrival = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const permission = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const pass = () => {
    reached();
    return permission;
  };
  return { pass, arrival, goOn };
}

/** An announcer that has announced its host, and what it has said. */
async function anAnnouncer() {
  const base = await mkdtemp(join(tmpdir(), 'geard-announcer-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  const said: string[] = [];
  const holdUp = { held: async () => {}, host: async () => {} };
  const queue = {
    announceHeld: () => holdUp.held(),
    async announceHost(_host: object, what: string) {
      await holdUp.host();
      said.push(what === '' ? 'beat' : what);
    },
    withdrawHost: async () => void said.push('left'),
    onAsked: () => undefined,
  };
  const log = pino({ level: 'silent' });
  const onFatal = () => undefined;
  const reservations = { all: async () => [] };
  const limits = hostLimits();
  const announcer = createAnnouncer({
    ...{ queue, paths, reservations, host: 'h1', version: '1', limits, onFatal, log },
  });
  const live = announcer.keep(null);
  await live.ready;
  expect(said).toEqual(['beat', 'held']);
  return { announcer, live, said, holdUp };
}

test('a host that has withdrawn is not announced again by what was about to be said', async () => {
  const { announcer, live, said, holdUp } = await anAnnouncer();
  const { pass, arrival, goOn } = barrier();
  holdUp.held = pass;
  const late = announcer.everything();
  await arrival;
  await live.stop();
  goOn();
  await late;
  expect(said).toEqual(['beat', 'held', 'left']);
});

test('what is being said of a host is said before it withdraws, however long that takes', async () => {
  const { announcer, live, said, holdUp } = await anAnnouncer();
  const { pass, arrival, goOn } = barrier();
  holdUp.host = pass;
  const running = announcer.everything();
  await arrival;
  await live.stop(); // Which does not wait for ever.
  goOn();
  await running;
  await until('the host has withdrawn', () => said.includes('left'));
  expect(said).toEqual(['beat', 'held', 'held', 'left']);
});
