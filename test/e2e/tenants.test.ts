import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Gear } from '../../src/jobs/gear.ts';
import type { Job } from '../../src/jobs/job.ts';
import type { Answer, Client } from '../support/client.ts';
import { sampleImage } from '../support/daemon.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

/**
 * Two teams that distrust each other on one host: A has a token for everything on `team-a-*`, B one for `team-b-*`. What
 * belongs to B holds the words below, and A tries to read or change it.
 */

let fleet: KeyedFleet;
let [a, b] = [] as unknown as [Client, Client];
const secrets = ['B-ENVIRONMENT', 'B-INLINE', 'B-VOLUME', 'B-IMAGE'];

beforeAll(async () => {
  await sampleImage();
  fleet = await openKeyedFleet();
  [a, b] = [await fleet.as({ u: 'a', r: 'team-a-*' }), await fleet.as({ u: 'b', r: 'team-b-*' })];
  await b.change('PUT', 'environment', { u: 'b', r: 'team-b-env' }, variables('SECRET', 'B-ENVIRONMENT'));
  const body = {
    ...variables('INLINE', 'B-INLINE\nB-IMAGE'),
    environment: 'team-b-env',
    volumes: [{ name: 'data', path: '/data' }],
    command: ['/bin/sh', '-c', 'echo B-VOLUME > /data/secret; exec sleep 100000'],
  };
  expect(
    await b.change('PUT', 'container', { u: 'b', r: 'team-b-db', t: 'geard/sample' }, body),
  ).toMatchObject({
    status: 200,
  });
});
afterAll(async () => {
  await fleet.close();
  const volumes = await ok('docker', 'volume', 'ls', '--quiet', '--filter', 'name=gear-team-');
  if (volumes) await ok('docker', 'volume', 'rm', ...volumes.split('\n'));
});

const variables = (name: string, value: string) => ({ env: [{ name, value }] });

/** All that a gear can see: its variables, and what its mounts hold. It tries to change that, too. */
const look = [
  '/bin/sh',
  '-c',
  'env; cat /data/* 2>/dev/null; echo B-TAMPERED > /data/secret; echo looked; exec sleep 100000',
];

/** What the container of a gear has told once it has looked. */
async function toldBy(r: string): Promise<string> {
  const told = () => ok('journalctl', '--quiet', '--output=cat', '--identifier=docker', `--unit=gear-${r}`);
  await until('it has looked', async () => (await told()).includes('looked'));
  return told();
}

let gears = 0;

/** Installs a gear of A's that looks around. */
async function spy(t: string, body: object): Promise<{ answer: Answer; seen: string }> {
  const r = `team-a-spy-${gears++}`;
  const answer = await a.change('PUT', 'container', { u: 'a', r, t }, { command: look, ...body });
  const seen = answer.status === 200 ? await toldBy(r) : '';
  await a.change('DELETE', 'container', { u: 'a', r });
  return { answer, seen };
}

const expectNothing = ({ answer, seen }: { answer: Answer; seen: string }) => {
  for (const secret of secrets) expect(seen + JSON.stringify(answer.body)).not.toContain(secret);
};

test('a gear of A that names an environment of B is refused and reads nothing (security H1)', async () => {
  const tried = await spy('geard/sample', { environment: 'team-b-env' });
  expect(tried.answer).toMatchObject({ status: 403, body: { code: 'token_forbids' } });
  expectNothing(tried);
});

test('who may read gears and no environments sees names and hashes in place of values (security M9)', async () => {
  const read = async (actions: string[]) => {
    const reader = await fleet.as({ r: 'team-b-*', a: actions });
    return (await reader.send<Gear>('GET', 'container', { r: 'team-b-db' })).body;
  };
  const hidden = await read(['container.read']);
  expect(hidden.spec.env).toEqual([{ name: 'INLINE', hash: expect.stringMatching(/^[\w-]{43}$/) }]);
  for (const secret of secrets.slice(0, 2)) expect(JSON.stringify(hidden)).not.toContain(secret);
  expect((await read(['*.read'])).spec.env).toEqual([{ name: 'INLINE', value: 'B-INLINE\nB-IMAGE' }]);
  expect((await read(['container.read'])).spec.env).toEqual(hidden.spec.env);
});

describe('an image of B is run by nobody else, whatever it is called (security H2)', () => {
  test('by its id, the beginning of that, or the name that geard has given it', async () => {
    const [image] = (
      await ok('docker', 'images', '--format', '{{.Repository}}:{{.Tag}}', 'geard.invalid/environment')
    ).split('\n');
    const id = await ok('docker', 'images', '--quiet', '--no-trunc', String(image));
    const hex = id.replace('sha256:', '');
    expect(hex).toMatch(/^[0-9a-f]{64}$/);
    const beginnings = [1, 2, 4, 8, 12, 16, 32, 63].map((length) => hex.slice(0, length));
    const names = [...beginnings, hex, id, String(image), `${hex.slice(0, 12)}:latest`];
    const tries = names.map(async (t) => {
      const tried = await spy(t, {});
      expect(tried.answer.status, `${t} ${JSON.stringify(tried.answer.body)}`).toBeGreaterThanOrEqual(400);
      expectNothing(tried);
    });
    await Promise.all(tries);
  }, 180_000);
});

describe('volumes of B (security H3)', () => {
  test.each([
    'data',
    'gear-team-b-db..data',
    'team-b-db..data',
    'b-db..data',
  ])('named %s are an own, empty one', async (name) => {
    const tried = await spy('geard/sample', { volumes: [{ name, path: '/data' }] });
    expect(tried.answer).toMatchObject({ status: 200 });
    expectNothing(tried);
  });

  test('are shared with no gear of A', async () => {
    const tried = await spy('geard/sample', { volumes: [{ name: 'data', path: '/data', of: 'team-b-db' }] });
    expect(tried.answer).toMatchObject({ status: 403, body: { code: 'token_forbids' } });
    expectNothing(tried);
  });

  test('are shared with a gear of B that names the other one, and stay as they were', async () => {
    const shared = { volumes: [{ name: 'data', path: '/data', of: 'team-b-db' }] };
    const command = ['/bin/sh', '-c', 'cat /data/secret; echo looked; exec sleep 100000'];
    const answer = await b.change(
      'PUT',
      'container',
      { u: 'b', r: 'team-b-reader', t: 'geard/sample' },
      { ...shared, command },
    );
    expect((answer.body as Job).state).toBe('succeeded');
    expect(await toldBy('team-b-reader')).toContain('B-VOLUME\nlooked');
  });

  test('of a gear that is not there are not made', async () => {
    const shared = { volumes: [{ name: 'data', path: '/data', of: 'team-b-none' }] };
    const answer = await b.change(
      'PUT',
      'container',
      { u: 'b', r: 'team-b-lone', t: 'geard/sample' },
      shared,
    );
    expect(answer).toMatchObject({ status: 404, body: { code: 'container_not_found' } });
    expect(await ok('docker', 'volume', 'ls', '--quiet', '--filter', 'name=gear-team-b-none')).toBe('');
  });
});
