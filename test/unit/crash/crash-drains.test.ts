import { expect, test } from 'vitest';
import { fold } from '../../../crash/check/fold.ts';
import type { Request } from '../../../crash/check/request.ts';
import type { Operation } from '../../../crash/plan/operation.ts';
import { emptyWorld } from '../../../crash/plan/world.ts';
import type { Problem } from '../../../src/jobs/errors.ts';
import type { Job } from '../../../src/jobs/job.ts';

const noon = Date.parse('2026-01-01T12:00:00Z');
const spec = { mark: 'm', port: null, environment: null, volume: null, fails: false };
const drain: Operation = { id: '1', name: 'h1', kind: 'drain' };
const undrain: Operation = { id: '2', name: 'h1', kind: 'undrain' };
const install: Operation = { id: '3', name: 'a', kind: 'install', spec, start: true, createOnly: false };
const refusal = { code: 'no_host', detail: 'the host h1 is draining' } as Problem;

/** What has become of a request; times are seconds after noon. */
function request(
  operation: Operation,
  from: number,
  to: number,
  error: Problem | null = null,
  host = 'h1',
): Request {
  const at = (seconds: number) => new Date(noon + seconds * 1_000).toISOString();
  const times = { createdAt: at(from), startedAt: at(from), finishedAt: at(to) };
  const end = { state: error ? 'failed' : 'succeeded', attempts: 1, result: null, error };
  const job = { ...times, ...end, host } as Job;
  const answered = { sentAt: noon + from * 1_000, answeredAt: noon + from * 1_000, sends: 1 };
  return { sent: { operation, ...answered, status: 202, code: null }, job };
}

function folded(...requests: Request[]) {
  const world = emptyWorld();
  const { violations } = fold(world, requests, () => false);
  return { world, broken: violations.map(({ promise, what }) => `${promise}: ${what}`) };
}

const drained = [request(drain, 1, 2), request(undrain, 9, 10)];

test('a host that was drained takes nothing new until that is taken back', () => {
  expect(folded(...drained, request(install, 4, 5)).broken).toEqual([
    expect.stringMatching(/^wrong: install a .* though its host was draining$/),
  ]);
  expect(folded(request(drain, 1, 2), request(install, 4, 5)).broken).toHaveLength(1);
  expect(folded(...drained, request(install, 11, 12)).broken).toEqual([]);
});

test('what was begun before goes on, and so does what another host has taken', () => {
  expect(folded(...drained, request(install, 0, 5)).broken).toEqual([]);
  expect(folded(...drained, request(install, 4, 5, null, 'h2')).broken).toEqual([]);
});

test('what is there can be changed while its host is draining', () => {
  const update: Operation = { ...install, id: '4', spec: { ...spec, mark: 'n' } };
  const { world, broken } = folded(...drained, request(install, 0, 1), request(update, 4, 5));
  expect(broken).toEqual([]);
  expect(world.gears.get('a')?.spec.mark).toBe('n');
});

test('what a draining host has refused has changed nothing, and nothing else may be refused for that', () => {
  const { world, broken } = folded(...drained, request(install, 4, 5, refusal));
  expect({ gears: [...world.gears.keys()], broken }).toEqual({ gears: [], broken: [] });
  expect(folded(...drained, request(install, 11, 12, refusal)).broken).toEqual([
    expect.stringMatching(/^failed: install a .* no_host/),
  ]);
  const update: Operation = { ...install, id: '4', spec: { ...spec, mark: 'n' } };
  expect(folded(...drained, request(install, 0, 1), request(update, 4, 5, refusal)).broken).toHaveLength(1);
});

test('a host is draining until that is taken back', () => {
  expect(folded(request(drain, 1, 2)).world.draining).toEqual(new Set(['h1']));
  expect(folded(...drained).world.draining).toEqual(new Set());
});
