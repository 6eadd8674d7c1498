import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newId, type Send } from '../support/client.ts';
import { type Daemon, hostState, openDaemon, sampleImage } from '../support/daemon.ts';

let daemon: Daemon;
let before: string;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon();
  before = await hostState(daemon.base);
});
afterAll(() => daemon.close());

let good: Record<string, string>;
beforeEach(() => {
  good = { u: '0', d: '1', r: 'good', t: 'geard/sample', i: newId() };
});

async function refused(
  parameters: Record<string, string>,
  more: Send = {},
  status = 400,
  code = 'invalid_request',
) {
  const answer = await daemon.send('PUT', 'container', parameters, more);
  expect(answer).toMatchObject({ status, body: { code, status, type: `urn:geard:${code}` } });
  expect(answer.headers.get('Content-Type')).toContain('application/problem+json');
  expect(await hostState(daemon.base)).toBe(before);
}

describe('a request that is wrong is refused with a 4xx problem and changes nothing on the host:', () => {
  test.each([
    '..',
    'a..b',
    '../x',
    'a/b',
    '%2e',
    'a%',
    'a%n',
    'a\n',
    '\na',
    'a\r',
    'a b',
    'x'.repeat(64),
    '-a',
    '.a',
    '_a',
    'ä',
    '',
    'a.service',
    'a\0',
  ])('the name %j', async (r) => refused({ ...good, r }));

  test.each([
    'a b',
    "a'b",
    'a"b',
    'a\n',
    'a\nb',
    '$(id)',
    '`id`',
    '%n',
    'a%n',
    'A/UPPER',
    '-a',
    '--privileged',
    'a:b:c',
    'a@sha256:12',
    'a'.repeat(300),
    '/a',
    'a//b',
    '',
  ])('the image %j', async (t) => refused({ ...good, t }));

  test.each([
    [{ internal: 0 }],
    [{ internal: 65536 }],
    [{ internal: 70000 }],
    [{ internal: -1 }],
    [{ internal: '-1' }],
    [{ internal: 1.5 }],
    [{ internal: '0x50' }],
    [{ internal: '' }],
    [{ internal: null }],
    [{ internal: [80] }],
    [{ external: 80 }],
    [{ internal: 80, external: 65536 }],
    [{ internal: 80, external: 70000 }],
    [{ internal: 80, external: -1 }],
    [{ internal: 80, protocol: 'udp' }],
  ])('the port %j', async (port) => refused(good, { body: { ports: [port] } }));

  test.each([
    [
      'an external port',
      [
        { internal: 80, external: 4000 },
        { internal: 81, external: '4000' },
      ],
    ],
    [
      'an internal port',
      [
        { internal: 80, external: 4000 },
        { internal: '80', external: 4001 },
      ],
    ],
  ])('%s that is given twice', async (_, ports) => refused(good, { body: { ports } }));

  test.each([
    ['no JSON', 'ports'],
    ['an array', '[]'],
    ['a number', '1'],
    ['a string', '"x"'],
    ['null', 'null'],
    ['cut off', '{"ports":['],
    ['with __proto__', '{"__proto__":{"ports":[]}}'],
    ['with constructor', '{"constructor":{}}'],
    ['with a field named twice', '{"ports":[],"Ports":[]}'],
    ['with an unknown field', '{"prots":[]}'],
    ['nested deeply', `{"ports":${'['.repeat(40_000)}${']'.repeat(40_000)}}`],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['with a bad environment name', '{"env":[{"name":"A-B","value":""}]}'],
    ['with a NUL in a value', '{"env":[{"name":"A","value":"a\\u0000b"}]}'],
    ['with a volume that leaves its place', '{"volumes":[{"name":"v","path":"/a/../etc"}]}'],
    ['with a path as volume name', '{"volumes":[{"name":"/etc","path":"/a"}]}'],
    ['with a NUL in its command', '{"command":["a\\u0000b"]}'],
    ['with too little memory', '{"memory":"1m"}'],
    ['with no cpus', '{"cpus":0}'],
  ])('a body that is %s', async (_, raw) => refused(good, { raw }));

  test('a body of 101 KiB', () =>
    refused(good, { raw: JSON.stringify({ command: ['x'.repeat(101 * 1024)] }) }, 413, 'body_too_large'));

  test('no request id', async () => {
    const { i, ...rest } = good;
    await refused(rest);
  });
  test.each(['g', '0x1', '', ' 1', '1'.repeat(33), '-1', '1\n'])('the request id %j', async (i) =>
    refused({ ...good, i }));
  test('a request id and another Idempotency-Key', () =>
    refused(good, { headers: { 'Idempotency-Key': 'x' } }));
  test('no user', async () => {
    const { u, ...rest } = good;
    await refused(rest);
  });
  test('an unknown host', () => refused({ ...good, h: 'nowhere' }, {}, 404, 'host_not_found'));
  test('an unknown parameter', () => refused({ ...good, x: '1' }));
});

test('a refused request uses up no id: the same one, put right, is accepted', async () => {
  await refused(good, { body: { ports: [{ internal: 0 }] } });
  const right = await daemon.send('PUT', 'container', good, { headers: { Prefer: 'wait=30' } });
  expect(right).toMatchObject({ status: 200, body: { state: 'succeeded' } });
});
