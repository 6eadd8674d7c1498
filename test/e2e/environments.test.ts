import { stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Gear } from '../../src/jobs/types/container-reads.ts';
import { newId } from '../support/client.ts';
import { type Daemon, openDaemon, sampleImage } from '../support/daemon.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon();
});
afterAll(() => daemon.close());

type Variables = { name: string; value: string }[];

const put = (r: string, env: Variables) => daemon.change('PUT', 'environment', { r }, { env });
const patch = (r: string, env: Variables) => daemon.change('PATCH', 'environment', { r }, { env });
const install = (r: string, body: unknown) =>
  daemon.change('PUT', 'container', { r, t: 'geard/sample' }, body);
const gear = async (r: string) => (await daemon.send<Gear>('GET', 'container', { r })).body;

/** The variables of the gear's own process, as the kernel has them. */
async function environOf(r: string): Promise<Map<string, string>> {
  const environ = await ok('docker', 'exec', `gear-${r}`, '/bin/cat', '/proc/1/environ');
  const entries = environ.split('\0').map((entry) => /^([^=]*)=(.*)$/s.exec(entry));
  return new Map(entries.map((entry) => [entry?.[1] ?? '', entry?.[2] ?? '']));
}

const valueIn = async (r: string, name: string) => (await environOf(r)).get(name);

const values: [string, string][] = [
  ['quotes', `"double" 'single' \`back\``],
  ['a dollar', '$HOME $$ $(id) $' + '{PATH}'],
  ['a percent', '%n %% %H'],
  ['an equals sign', 'a=b==c'],
  ['spaces', '  before and after  '],
  ['a hash', '# no comment'],
  ['backslashes', '\\n \\x41 \\'],
  ['tabs and control characters', 'a\tb\x01\x1b[1m\x7f'],
  ['emoji', '🦊 é \u2028 \u00a0'],
  ['nothing', ''],
  ['8 KiB', 'x"$%='.repeat(1639)],
  ['a newline', 'first\nsecond\n\nfourth\n'],
  ['a carriage return', 'a\r\nb\r'],
  ['a key', '-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n'],
  ['70 KiB', `🦊${'y'.repeat(32_000)}`],
];

// Each has gears of its own.
test.concurrent('values of every kind arrive in the container byte for byte, inline and from an environment', async () => {
  const plain = values.filter(([, value]) => !/[\r\n]/.test(value));
  for (const [kind, some] of [
    ['plain', plain],
    ['all', values],
  ] as const) {
    const env = some.map(([, value], i) => ({ name: `VALUE_${i}`, value }));
    expect((await put(`env-${kind}`, env)).body).toMatchObject({ state: 'succeeded' });
    const gears = [
      [`inline-${kind}`, { env }],
      [`uses-${kind}`, { environment: `env-${kind}` }],
    ] as const;
    const all = await Promise.all(gears.map(async ([r, body]) => ({ r, ...(await install(r, body)) })));
    for (const { r, body } of all) {
      expect(body, JSON.stringify(body.error)).toMatchObject({ state: 'succeeded' });
      const inside = await environOf(r);
      for (const [i, [what, value]] of some.entries())
        expect(inside.get(`VALUE_${i}`), `${r}: ${what}`).toBe(value);
    }
  }
});

test.concurrent('the same installation with such values again changes nothing', async () => {
  const body = { env: [{ name: 'KEY', value: 'a\nb' }] };
  expect((await install('again', body)).body.result).toMatchObject({ changed: true });
  const first = await gear('again');
  expect((await install('again', body)).body.result).toMatchObject({ changed: false });
  expect((await gear('again')).container).toBe(first.container);
});

test.concurrent("a gear's own variables count over those of its environment, whatever is in them", async () => {
  await put('shared', [
    { name: 'A', value: 'shared' },
    { name: 'B', value: 'shared' },
    { name: 'C', value: 'line\nbreak' },
  ]);
  await install('own', {
    environment: 'shared',
    env: [
      { name: 'A', value: 'own\nlines' },
      { name: 'C', value: 'own' },
    ],
  });
  expect(await Promise.all(['A', 'B', 'C'].map((name) => valueIn('own', name)))).toEqual([
    'own\nlines',
    'shared',
    'own',
  ]);
});

test('a change is applied at the next restart, and the gear tells that it runs with an older one until then', async () => {
  await put('changing', [{ name: 'A', value: '1' }]);
  await install('changes', { environment: 'changing' });
  expect((await gear('changes')).environment).toMatchObject({ name: 'changing', outdated: false });
  const merged = await patch('changing', [
    { name: 'A', value: '2' },
    { name: 'B', value: '3' },
  ]);
  expect(merged.body.result).toEqual({
    environment: 'changing',
    variables: 2,
    changed: true,
    gears: ['changes'],
  });
  expect((await gear('changes')).environment).toMatchObject({ outdated: true });
  expect(await valueIn('changes', 'A')).toBe('1');
  await daemon.change('PUT', 'container/restarted', { r: 'changes' });
  expect((await gear('changes')).environment).toMatchObject({ outdated: false });
  expect([await valueIn('changes', 'A'), await valueIn('changes', 'B')]).toEqual(['2', '3']);
});

test('a value that comes to need another way is there after a restart by hand, and so is one that no longer does', async () => {
  await put('turning', [{ name: 'A', value: 'plain' }]);
  await install('turns', { environment: 'turning' });
  for (const value of ['now\nwith lines', 'plain again']) {
    await patch('turning', [{ name: 'A', value }]);
    await ok('systemctl', 'restart', 'gear-turns');
    await until(
      'its container is there',
      async () => (await valueIn('turns', 'A').catch(() => null)) === value,
    );
  }
  expect(await ok('docker', 'images', '--quiet', 'geard.invalid/environment')).not.toBe('');
  await daemon.change('DELETE', 'container', { r: 'turns' });
  expect(await ok('docker', 'images', '--format', '{{.Tag}}', 'geard.invalid/environment')).not.toContain(
    'gear-turns.',
  );
});

test('a change is applied also where the clock was set back since the unit was written', async () => {
  await put('rewound', [{ name: 'A', value: 'first\nline' }]);
  await install('rewinds', { environment: 'rewound' });
  await ok('touch', '-d', '+1 hour', `${daemon.base}/units/gear-rewinds.service`);
  await ok('systemctl', 'daemon-reload');
  await patch('rewound', [{ name: 'A', value: 'second\nline' }]);
  await ok('systemctl', 'restart', 'gear-rewinds');
  const value = () => valueIn('rewinds', 'A').catch(() => null);
  await until('its container is there', async () => (await value()) === 'second\nline');
});

test('an image that Docker has lost the name of goes with the gear that it was made for, and no other does', async () => {
  await install('loses', { env: [{ name: 'A', value: 'two\nlines' }] });
  await install('plain', {});
  const commit = async (gear: string, ...labels: string[]) => {
    const changes = labels.flatMap((label) => ['--change', `LABEL ${label}`]);
    return (await ok('docker', 'commit', ...changes, `gear-${gear}`)).slice('sha256:'.length, 19);
  };
  const nameless = async () =>
    (await ok('docker', 'images', '--quiet', '--filter', 'dangling=true')).split('\n').sort();
  // What is left when dockerd is killed between making an image and naming it.
  const left = await commit('loses', 'geard.gear=loses', 'geard.from=sha256:1');
  // An operator's own, which has the label of a gear's container only.
  const operators = await commit('plain', 'geard.gear=loses');
  onTestFinished(async () => void (await ok('docker', 'image', 'rm', operators)));
  expect(await nameless()).toEqual([left, operators].sort());
  await daemon.change('DELETE', 'container', { r: 'loses' });
  expect(await nameless()).toEqual([operators]);
});

test('an environment is read as NAME="value" a line, and one that is not there is 404', async () => {
  await put('read', [
    { name: 'A', value: 'x "y" $z' },
    { name: 'B', value: 'a\nb' },
  ]);
  const { status, headers, body } = await daemon.send<string>('GET', 'content', { t: 'env', r: 'read' });
  expect(status).toBe(200);
  expect(headers.get('content-type')).toMatch(/^text\/plain/);
  expect(body).toBe('A="x \\"y\\" $z"\nB="a\\nb"\n');
  expect((await daemon.send('GET', 'content', { t: 'env', r: 'nobody' })).body.code).toBe(
    'environment_not_found',
  );
  expect((await patch('nobody', [])).body.code).toBe('environment_not_found');
  expect((await install('lost', { environment: 'nobody' })).body.code).toBe('environment_not_found');
});

test('the files are for root alone, and no value is in a log, a unit or a command line', async () => {
  const canary = 'c4n4ry-value';
  await put('secret', [
    { name: 'A', value: `${canary}-1` },
    { name: 'B', value: `${canary}-2\n` },
  ]);
  await install('keeps', { environment: 'secret', env: [{ name: 'C', value: `${canary}-3\n` }] });
  expect((await stat(`${daemon.base}/env/secret`)).mode & 0o777).toBe(0o600);
  const places = {
    'the log': daemon.log(),
    'the unit': await ok('cat', `${daemon.base}/units/gear-keeps.service`),
    'the command lines': await ok('ps', '-eo', 'args'),
    'the journal': (await run('journalctl', '--boot', '--quiet', '--output=cat', `--grep=${canary}`)).stdout,
  };
  for (const [place, text] of Object.entries(places)) expect(text.includes(canary), place).toBe(false);
});

test('names that are none, and the same name twice, are 400', async () => {
  for (const env of [
    [{ name: '1A', value: '' }],
    [{ name: 'A=B', value: '' }],
    [{ name: 'A', value: 'x\0' }],
    [
      { name: 'A', value: '1' },
      { name: 'A', value: '2' },
    ],
  ])
    expect((await put('bad', env)).body.code, JSON.stringify(env)).toBe('invalid_request');
  expect((await daemon.send('GET', 'content', { t: 'env', r: 'bad' })).status).toBe(404);
});

describe('the daemon killed between an environment and its gears', () => {
  const r = 'torn';
  beforeAll(async () => {
    await put(r, [{ name: 'A', value: 'a\nb' }]);
    await install(r, { environment: r });
  });

  test.each([
    ['redis.begin:after'],
    ['file.rename:after', 2],
    ['docker.commit:after'],
    ['dbus.Reload:before'],
    ['dbus.Reload:after'],
    ['redis.finish:before'],
  ])('at %s makes good on them', async (point, hits = 1) => {
    const value = `a\n${point}`; // Another one each time, so that there is something to do.
    const id = newId();
    const change = () =>
      daemon.send('PATCH', 'environment', { u: '0', r, i: id }, { body: { env: [{ name: 'A', value }] } });
    await daemon.killAt(point, change, hits);
    await daemon.start();
    expect([200, 202]).toContain((await change()).status);
    const { body: job } = await daemon.send('GET', `job/${id}`, { wait: '30' });
    expect(job, JSON.stringify(job.error)).toMatchObject({ state: 'succeeded' });
    const { body } = await daemon.send<string>('GET', 'content', { t: 'env', r });
    expect(body).toBe(`A="${value.replace('\n', '\\n')}"\n`);
    await daemon.change('PUT', 'container/restarted', { r });
    expect(await valueIn(r, 'A')).toBe(value);
  });
});
