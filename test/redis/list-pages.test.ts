import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { readPages } from '../../src/cli/client/pages.ts';
import { createClient as createGeard } from '../../src/client/client.ts';
import { type Client, createClient } from '../support/client.ts';
import { hostNamed } from '../support/queue.ts';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';

let opened: QueueApi;
let queue: QueueApi['queue'];
let client: Client;
const names = Array.from({ length: 20 }, (_, n) => `g${String(n).padStart(2, '0')}`);

beforeEach(async () => {
  opened = await openQueueApi();
  ({ queue } = opened);
  await queue.hold(...names);
  client = createClient(`${opened.api.url}/token/__test__`);
});
afterEach(() => opened.close());

test('a host is asked only for the gears on a page, and a page ends early where they are not there', async () => {
  // The worker has none of the gears that the directory has on its host.
  const { body } = await client.send('GET', 'containers', { limit: '3', after: 'g01' });
  expect(queue.asked.flat()).toEqual(names.slice(2, 17));
  expect(Math.max(...queue.asked.map(({ length }) => length))).toBe(3);
  expect(body).toEqual({ containers: [], next: 'g16' });
  expect((await client.send('GET', 'containers', { limit: '3', after: 'g16' })).body).toEqual({
    containers: [],
  });
});

test('a host is asked for nothing but the gear that is named', async () => {
  await client.send('GET', 'containers', { r: 'g07' });
  expect(queue.asked).toEqual([['g07']]);
});

test('pages of jobs go on after their next, or after a job, and nonsense is refused', async () => {
  const ids: string[] = [];
  for (const name of names.slice(0, 4)) ids.unshift(await queue.accepted(name));
  const page = async (query: Record<string, string>) => {
    const { status, body } = await client.send<{ jobs: { id: string }[]; next?: string }>(
      'GET',
      'jobs',
      query,
    );
    return { status, ids: body.jobs?.map(({ id }) => id), next: body.next };
  };
  const first = await page({ limit: '2' });
  expect(first.ids).toEqual(ids.slice(0, 2));
  expect(await page({ limit: '2', after: first.next ?? '' })).toEqual({ status: 200, ids: ids.slice(2) });
  expect((await page({ after: ids[2] ?? '' })).ids).toEqual(ids.slice(3));
  for (const after of ['-', 'x', '1-2', '12345678901234567-', ''])
    expect(await page({ after })).toMatchObject({ status: 400 });
});

test('hosts come in pages too, and who lists them all has them all', async () => {
  const all = Array.from({ length: 230 }, (_, n) => `h${String(n).padStart(3, '0')}`);
  const fleet = await openQueueApi(undefined, (of) => ({
    ...of,
    hosts: async () => all.map((name) => ({ ...hostNamed(name), state: 'live' as const })),
  }));
  onTestFinished(fleet.close);
  const hosts = createClient(`${fleet.api.url}/token/__test__`);
  type Page = { hosts: { name: string }[]; next?: string };
  const page = async (query: Record<string, string>) => {
    const { body } = await hosts.send<Page>('GET', 'hosts', query);
    return { names: body.hosts.map(({ name }) => name), next: body.next };
  };
  expect(await page({})).toEqual({ names: all.slice(0, 100), next: 'h099' });
  expect(await page({ after: 'h199' })).toEqual({ names: all.slice(200), next: undefined });
  expect(await page({ after: 'h199', limit: '30' })).toEqual({ names: all.slice(200), next: undefined });
  const pages = await readPages(
    (asked) => createGeard({ api: fleet.api.url, token: '__test__' }).host.list(asked),
    (one) => one.hosts,
  );
  expect(pages.map(({ name }) => name)).toEqual(all);
});
