import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { maxStreamSilence } from '../../src/queue/redis/connection.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { ask } from '../support/ask.ts';
import { createClient, newId } from '../support/client.ts';
import { type Curl, curl } from '../support/curl.ts';
import { makeBase, removeGearsOf, sampleImage } from '../support/daemon.ts';
import { assertDocumented } from '../support/documented.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { behindStreams, descriptors, nothingLeft } from '../support/leftovers.ts';
import { installLoudGear, type LoudGear, linesOf, numbersIn, openLoudFleet } from '../support/loud-gear.ts';
import { end, outputOf, residentMegabytes, startNode } from '../support/processes.ts';
import { fillRepository, pushFiles } from '../support/repository.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

beforeAll(async () => {
  await sampleImage();
});

// One suite for both ways of transport: nobody shall see a difference.
describe.each(['relay', 'direct'] as const)('streams by %s', (transport) => {
  let fleet: Fleet;
  let loud: LoudGear;
  const gear = `talks-${transport}`;
  /** Milliseconds in which a stream is gone whose api or worker dies: a relayed one is heard of by silence only. */
  const afterDeath = transport === 'relay' ? 15_000 : 5_000;
  const repository = `large-${transport}`;

  beforeAll(async () => {
    fleet = await openLoudFleet(transport);
    loud = await installLoudGear(fleet, gear);
    await fleet.change('PUT', 'repository', { r: repository });
    await fillRepository(`${fleet.base}/git/${repository}`, 100);
    // What is opened at the first stream and stays is part of being at rest.
    await curl(log({ for: '0' })).done;
  });
  afterAll(() => fleet.close());

  const log = (parameters?: Record<string, string>) => loud.log(parameters);
  const say = (script: string) => loud.say(script);
  const archive = (parameters: Record<string, string> = {}, ref = '') =>
    `${fleet.url}/content${ref}?${new URLSearchParams({ t: 'gitarchive', r: repository, ...parameters })}`;

  // These two mostly wait, each for a log of its own.
  test.concurrent('a log has its history, then what comes, and closes by itself when its time is up', async () => {
    await say('echo before');
    await ok('journalctl', '--sync');
    const started = Date.now();
    const following = curl(log({ lines: '1', for: '10' }));
    await until('the history is there', () => following.received().includes('before'));
    await say('echo while it runs');
    const { code, body } = await following.done;
    expect(code).toBe(0);
    expect(linesOf(body)).toEqual(['before', 'while it runs']);
    expect(Date.now() - started).toBeGreaterThan(9_900);
    expect(Date.now() - started).toBeLessThan(25_000); // Not the default of 30 seconds.
  });

  test.concurrent('what is logged until the very end of the time is in the log', async () => {
    const { log, say } = await installLoudGear(fleet, `ends-${transport}`);
    const mark = newId();
    const marked = (body: Buffer) => linesOf(body).filter((line) => line.startsWith(mark));
    const kept = async () => marked((await curl(log({ lines: '200', for: '0' })).done).body);
    const saying = say(`i=0; while [ $i -lt 100 ]; do echo ${mark} $i; i=$((i + 1)); sleep 0.09; done`);
    await until('it is saying', async () => (await kept()).length > 0);
    const seen = marked((await curl(log({ lines: '1', for: '2' })).done).body);
    await saying;
    const all = await kept();
    expect(all).toEqual(Array.from({ length: 100 }, (_, i) => `${mark} ${i}`));
    expect(seen.length).toBeGreaterThan(1);
    const first = all.indexOf(seen[0] ?? '');
    expect(seen).toEqual(all.slice(first, first + seen.length));
  });

  test('a line that begins with a priority is a line like any other, and reaches no terminal', async () => {
    await say("echo '<0>everybody'");
    const { body } = await curl(log({ lines: '1', for: '0' })).done;
    expect(linesOf(body)).toEqual(['<0>everybody']);
    const kept = await ok('journalctl', '--quiet', '--lines=1', '--output=json', `--unit=gear-${gear}`);
    expect(JSON.parse(kept)).toMatchObject({ MESSAGE: '<0>everybody', PRIORITY: '6' });
  });

  test('a log of a gear that is not there is 404 before the first byte, and bad parameters are 400', async () => {
    expect((await fleet.send('GET', 'container/log', { r: 'nobody' })).body.code).toBe('container_not_found');
    for (const wrong of [{ lines: '-1' }, { for: '3601' }, { lines: 'x' }, { lines: '99999999' }]) {
      const refused = await fleet.send('GET', 'container/log', { r: gear, ...wrong });
      expect(refused.body.code, JSON.stringify(wrong)).toBe('invalid_request');
    }
    const headers = { 'Last-Event-ID': '--output-fields=x' };
    expect((await fleet.send('GET', 'container/log', { r: gear }, { headers })).status).toBe(400);
  });

  test('bytes that are no text, ANSI codes, empty ends and a line of 1 MB come through as they are', async () => {
    await say(
      `printf 'a\\033[1mb\\377\\376c\\td\\n'; head -c 1000000 /dev/zero | tr '\\0' x; echo; printf '%s\\n' 'the end'`,
    );
    await ok('journalctl', '--sync');
    const { code, body } = await curl(log({ lines: '40', for: '0' })).done;
    const at = body.indexOf(Buffer.from('a\x1b[1mb\xff\xfec\td\n', 'latin1'));
    expect(code).toBe(0);
    expect(at).toBeGreaterThanOrEqual(0);
    expect(body.subarray(at).toString('latin1')).toBe(
      `a\x1b[1mb\xff\xfec\td\n${'x'.repeat(1_000_000)}\nthe end\n`,
    );
  });

  test('JSON lines and events carry the cursor, and an event stream tells its end', async () => {
    await say('printf "one\\377\\n"; echo two');
    await ok('journalctl', '--sync');
    const json = await curl('-H', 'Accept: application/x-ndjson', log({ lines: '2', for: '0' })).done;
    const records = linesOf(json.body).map((line) => JSON.parse(line));
    expect(records).toEqual([
      { cursor: expect.any(String), time: expect.any(String), message: 'b25l/w==', encoding: 'base64' },
      { cursor: expect.any(String), time: expect.any(String), message: 'two' },
      { event: 'end', reason: 'the history ends' },
    ]);
    const events = await curl('-H', 'Accept: text/event-stream', log({ lines: '1', for: '0' })).done;
    const after = ['-H', 'Accept: application/x-ndjson', '-H', `Last-Event-ID: ${records[0].cursor}`];
    const rest = await curl(...after, log({ for: '0' })).done;
    expect(linesOf(rest.body).map((line) => JSON.parse(line).message)).toEqual(['two', undefined]);
    expect(events.body.toString()).toBe(
      `id: ${records[1].cursor}\ndata: two\n\nevent: end\ndata: {"reason":"the history ends"}\n\n`,
    );
  });

  test('100,000 numbered lines, cut 20 times and resumed, arrive exactly once each and in order', async () => {
    const mark = newId();
    const numbers: number[] = [];
    let last = '';
    const readOn = async (bytes: number): Promise<boolean> => {
      const abort = new AbortController();
      const headers = { Accept: 'text/event-stream', ...(last ? { 'Last-Event-ID': last } : {}) };
      const response = await fetch(log({ lines: '0', for: '60' }), { headers, signal: abort.signal });
      const chunks: Buffer[] = [];
      let text = '';
      let got = 0;
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        got += chunk.length;
        chunks.push(Buffer.from(chunk));
        text += Buffer.from(chunk).toString('latin1');
        const whole = text.split('\n\n');
        text = whole.pop() ?? '';
        for (const event of whole) {
          const [, id, data] = /^id: (.+)\ndata: (.*)$/.exec(event) ?? [];
          if (!id) continue;
          last = id;
          if (/^\d+$/.test(data ?? '')) numbers.push(Number(data));
        }
        if (numbers.at(-1) === 100_000) break;
        if (got > bytes) break;
      }
      abort.abort();
      const told = { status: response.status, headers: response.headers, body: Buffer.concat(chunks) };
      assertDocumented('GET', '/container/log', { ...told, isPart: true });
      return numbers.at(-1) === 100_000;
    };
    // The first connection is there before anything is written; every later one begins after its last event.
    const first = curl('-H', 'Accept: text/event-stream', log({ lines: '0', for: '60' }));
    await until('it follows', () => behindStreams().some((line) => line.includes('--follow')));
    const writing = say(`echo ${mark}; seq 1 100000`);
    const found = await until(
      'the mark is there',
      () => new RegExp(`id: (.+)\ndata: ${mark}\n\n`).exec(first.received().toString('latin1'))?.[1],
    );
    first.child.kill('SIGKILL');
    last = found;
    for (let cuts = 0; cuts < 20; cuts++)
      expect(await readOn(1 + Math.random() * 600_000), 'cut before the end').toBe(false);
    expect(await readOn(Number.POSITIVE_INFINITY)).toBe(true);
    await writing;
    expect(numbers.length).toBe(100_000);
    expect(numbers.every((number, i) => number === i + 1)).toBe(true);
  });

  test('a record that the journal no longer has is told, not passed over', async () => {
    const gone = `s=${'a'.repeat(32)};i=1;b=${'b'.repeat(32)};m=1;t=1;x=1`;
    const headers = ['-H', 'Accept: text/event-stream', '-H', `Last-Event-ID: ${gone}`];
    const { body } = await curl(...headers, log({ for: '1' })).done;
    expect(body.toString()).toMatch(/^event: missed\ndata: \{"reason":"the record named by Last-Event-ID/);
  });

  test('lines that journald itself has suppressed are told in the stream', async () => {
    await until('the test before has left nothing', () => behindStreams().length === 0);
    const dropIn = `/run/systemd/system/gear-${gear}.service.d`;
    onTestFinished(async () => {
      await rm(dropIn, { recursive: true });
      await ok('systemctl', 'daemon-reload');
      await fleet.change('PUT', 'container/restarted', { r: gear });
    });
    await ok('mkdir', '-p', dropIn);
    await writeFile(`${dropIn}/limit.conf`, '[Service]\nLogRateLimitIntervalSec=2\nLogRateLimitBurst=50\n');
    await ok('systemctl', 'daemon-reload');
    await fleet.change('PUT', 'container/restarted', { r: gear });
    const following = curl(log({ lines: '0', for: '60' }));
    await until('it follows', () => behindStreams().some((line) => line.includes('--follow')));
    let sent = 0;
    const told = new RegExp(`Suppressed \\d+ messages from gear-${gear}.service`);
    await until('it is told', async () => {
      await loud.burst(2_000); // journald tells of what it has suppressed when it takes a line again.
      sent += 2_000;
      return told.test(following.received().toString());
    });
    following.child.kill('SIGKILL');
    const { body } = await following.done;
    expect(numbersIn(body).length).toBeLessThan(sent);
  });

  test('archives hold what git archive gives, by branch, tag and hash, as zip and as tar.gz', async () => {
    const git = `${fleet.base}/git/${repository}`;
    const hash = await ok('git', '--git-dir', git, 'rev-parse', 'side');
    const names = (text: string) => text.split('\n').filter(Boolean).sort();
    const expected = names(
      await ok('git', '-c', 'core.quotePath=false', '--git-dir', git, 'ls-tree', '-r', '--name-only', 'side'),
    );
    for (const ref of ['side', 'feature/deep', 'v1', hash, hash.slice(0, 10)]) {
      const { code, body } = await curl('-f', archive({ format: 'tar.gz' }, `/${ref}`)).done;
      expect(code, ref).toBe(0);
      const file = `/tmp/${newId()}.tar.gz`;
      await writeFile(file, body);
      expect(
        names(await ok('tar', '--quoting-style=literal', '-tzf', file)).filter((name) => !name.endsWith('/')),
      ).toEqual(expected);
      await rm(file);
    }
    const zip = `/tmp/${newId()}.zip`;
    expect((await curl('-f', '-o', zip, archive({}, '/side')).done).code).toBe(0);
    expect(await ok('unzip', '-tq', zip)).toContain('No errors detected');
    await ok('rm', zip);
  });

  test('an archive that the client has already is 304, and its name is told', async () => {
    const first = await ask(archive({}, '/side'));
    const etag = first.headers.get('etag') ?? '';
    const tree = await ok('git', '--git-dir', `${fleet.base}/git/${repository}`, 'rev-parse', 'side^{tree}');
    expect(etag).toBe(`W/"${tree}-zip"`);
    expect(first.headers.get('content-disposition')).toBe(`attachment; filename="${repository}-side.zip"`);
    expect(first.headers.get('content-type')).toBe('application/zip');
    const again = await ask(archive({}, '/side'), { headers: { 'If-None-Match': `"x", ${etag}` } });
    expect(again.status).toBe(304);
    expect(again.headers.get('etag')).toBe(etag);
    expect(
      (await ask(archive({ format: 'tar.gz' }, '/side'), { headers: { 'If-None-Match': etag } })).status,
    ).toBe(200);
  });

  test('a ref that is not there is 404, one that is none is 400, an empty repository 409', async () => {
    const code = async (r: string, ref: string) =>
      (await fleet.send('GET', `content${ref}`, { t: 'gitarchive', r })).body.code;
    expect(await code(repository, '/nosuch')).toBe('ref_not_found');
    expect(await code(repository, '/0123456789')).toBe('ref_not_found');
    for (const ref of ['-x', '--output=x', '..', 'a..b', '@%7bu%7d', 'HEAD~1', 'side%5e', '%2e%2e%2fx'])
      expect(await code(repository, `/${ref}`), ref).toMatch(/invalid_request|not_found/);
    await fleet.change('PUT', 'repository', { r: `empty-${transport}` });
    expect(await code(`empty-${transport}`, '')).toBe('repository_empty');
    expect(await code(`empty-${transport}`, '/main')).toBe('repository_empty');
    expect(await code('nobody', '')).toBe('repository_not_found');
  });

  test('HEAD tells the head and leaves nothing behind', async () => {
    const resting = descriptors(fleet);
    const head = await ask(log(), { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8']);
    await nothingLeft(fleet, { api: resting.api + 2, worker: resting.worker });
  });

  test('100 followers of one gear see the same', async () => {
    const mark = newId();
    const all = Array.from({ length: 100 }, () => curl(log({ lines: '1', for: '200' })));
    onTestFinished(() => all.forEach(({ child }) => void child.kill('SIGKILL')));
    await until('all are connected', () => all.every((one) => one.received().length > 0), 60_000);
    expect(behindStreams().filter((line) => line.includes('--follow'))).toHaveLength(1);
    await say(`echo ${mark}`);
    await until('all have seen it', () => all.every(({ received }) => linesOf(received()).includes(mark)));
    expect(all.filter(({ child }) => child.exitCode !== null)).toEqual([]);
  });

  const wanted = { log: () => log({ lines: '1', for: '60' }), archive: () => archive() };
  const streams = {
    log: () => curl(wanted.log()),
    archive: () => curl('--limit-rate', '1M', wanted.archive()),
  };
  /** What is behind each of them on the host. */
  const sources = { log: /^\S*journalctl .*--follow/, archive: /^\S*git .*archive/ };
  /** Begins a stream, and resolves when bytes of it have come. */
  const begin = async (kind: keyof typeof streams): Promise<Curl> => {
    const stream = streams[kind]();
    const isBehind = () => behindStreams().some((line) => sources[kind].test(line));
    await until('bytes have come', () => stream.received().length > 0 && isBehind());
    return stream;
  };
  const beginBoth = async () => ({ log: await begin('log'), archive: await begin('archive') });
  const areBroken = async (both: Record<keyof typeof streams, Curl>) => {
    for (const [kind, { done }] of Object.entries(both)) expect((await done).code, kind).not.toBe(0);
  };

  test.each([
    'log',
    'archive',
  ] as const)('a client that goes away in the middle of a %s leaves nothing', async (kind) => {
    const resting = descriptors(fleet);
    const stream = await begin(kind);
    stream.child.kill('SIGKILL');
    await nothingLeft(fleet, resting);
  });

  test.each([
    'log',
    'archive',
  ] as const)('a client that goes away before its %s has begun leaves nothing', async (kind) => {
    const resting = descriptors(fleet);
    const heard = outputOf(fleet.api).length;
    // The api waits for Redis, to know whom to ask, and sees its client leave meanwhile.
    process.kill(fleet.redis.pid, 'SIGSTOP');
    try {
      const { hostname, port, pathname, search } = new URL(wanted[kind]());
      const client = connect(Number(port), hostname);
      client.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`, () =>
        client.destroy(),
      );
      await until('the api has seen it leave', () =>
        outputOf(fleet.api).slice(heard).includes('"outcome":"client went away"'),
      );
    } finally {
      process.kill(fleet.redis.pid, 'SIGCONT');
    }
    // What comes after it is opened after it.
    expect(
      (await curl(kind === 'log' ? log({ lines: '1', for: '0' }) : archive({}, '/side')).done).code,
    ).toBe(0);
    await nothingLeft(fleet, resting);
  });

  test('an api that dies breaks a log and an archive, and leaves nothing', async () => {
    const resting = { ...descriptors(fleet), api: 0 };
    const both = await beginBoth();
    await fleet.kill('api');
    await nothingLeft(fleet, resting, afterDeath);
    await areBroken(both);
    await fleet.restart('api');
  });

  test('a worker that dies breaks a log and an archive, and leaves nothing', async () => {
    const resting = { ...descriptors(fleet), worker: 0 };
    const before = outputOf(fleet.api).length;
    const both = await beginBoth();
    await fleet.kill('worker');
    await nothingLeft(fleet, resting, afterDeath);
    // What is on its way to a slow client still arrives; it ends broken all the same.
    await areBroken(both);
    await fleet.restart('worker');
    const said = () => outputOf(fleet.api).slice(before);
    const broken = () => [...said().matchAll(/"type":"([\w.]+)"[^\n]*"outcome":"broken off"/g)];
    await until('the api has told of both', () => new Set(broken().map(([, type]) => type)).size === 2);
  });

  test('a Redis that is restarted never gives a log or an archive a clean end before its time', async () => {
    const resting = descriptors(fleet);
    const both = await beginBoth();
    await fleet.redis.restart();
    if (transport === 'relay') await areBroken(both);
    else {
      const before = { log: both.log.received().length, archive: both.archive.received().length };
      await say('echo what does not come through Redis goes on');
      await until('more of the log has come', () => both.log.received().length > before.log + 10);
      await until(
        'more of the archive has come',
        () => both.archive.received().length > before.archive + 1_000_000,
      );
      for (const { child } of Object.values(both)) {
        expect(child.exitCode).toBeNull();
        child.kill('SIGKILL');
      }
    }
    await nothingLeft(fleet, resting);
    await until('the worker has announced its gears again', async () => {
      const { status } = await fleet.send('GET', 'container', { r: gear });
      return status === 200;
    });
  });

  test('a worker that is stopped breaks a log that it has not finished, and says so', async () => {
    const stream = await begin('log');
    const since = performance.now();
    fleet.worker.kill('SIGTERM');
    expect((await stream.done).code).not.toBe(0);
    // Not only when it has been silent for too long.
    expect(performance.now() - since).toBeLessThan(maxStreamSilence);
    await until('it has ended', () => fleet.worker.exitCode !== null);
    await fleet.restart('worker');
  });

  test('a reader of 10 KiB/s on an archive of 100 MB does not grow anything', async () => {
    const pids = { api: fleet.api.pid, worker: fleet.worker.pid, redis: fleet.redis.pid };
    const memory = () => Object.values(pids).map((pid) => residentMegabytes(pid ?? 0));
    await curl('-o', '/dev/null', archive()).done; // What one archive takes is taken.
    const before = memory();
    const slow = curl('--limit-rate', '10K', '-o', '/dev/null', archive());
    const source = await until('it is made', async () => (await run('pgrep', '-f', '^git .*archive')).stdout);
    const peak = [...before];
    const watch = setInterval(() => {
      memory().forEach((value, i) => {
        peak[i] = Math.max(peak[i] as number, value);
      });
    }, 25);
    onTestFinished(() => clearInterval(watch));
    let [written, since] = ['', Date.now()];
    await until('the source has waited for a second', () => {
      const now = readFileSync(`/proc/${source.trim()}/io`, 'utf8');
      if (now !== written) [written, since] = [now, Date.now()];
      return Date.now() - since >= 1_000;
    });
    expect(slow.child.exitCode).toBeNull();
    slow.child.kill('SIGKILL');
    for (const [i, value] of peak.entries()) expect(value - (before[i] as number)).toBeLessThan(40);
  });
});

describe('streams by auto', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await openFleet('auto');
    await fleet.change('PUT', 'container', { r: 'either', t: 'geard/sample' });
  });
  afterAll(() => fleet.close());

  const history = () => curl(`${fleet.url}/container/log?r=either&for=0`).done;
  const framesMade = async () => {
    const { stdout } = await run(
      'redis-cli',
      '-s',
      fleet.redis.url.slice('unix:'.length),
      'info',
      'commandstats',
    );
    return Number(/cmdstat_xadd:calls=(\d+)/.exec(stdout)?.[1] ?? 0);
  };

  test('it comes directly where the worker answers at its address', async () => {
    const before = await framesMade();
    expect((await history()).body.toString()).toContain('serving on 8080');
    expect(await framesMade()).toBe(before);
  });

  test('it comes through Redis where nobody answers, and the client sees no difference', async () => {
    const { address } = JSON.parse((await fleet.redis.redis.get(keys.host('h1'))) ?? '{}');
    const port = new URL(`http://${address}`).port;
    // A heartbeat announces the address again at any moment, so the address itself has to refuse.
    const rule = ['INPUT', '-p', 'tcp', '--dport', port, '-j', 'REJECT', '--reject-with', 'tcp-reset'];
    await ok('iptables', '-w', '-I', ...rule);
    try {
      const before = await framesMade();
      const { code, body } = await history();
      expect(code).toBe(0);
      expect(body.toString()).toContain('serving on 8080');
      expect(await framesMade()).toBeGreaterThan(before);
    } finally {
      await ok('iptables', '-w', '-D', ...rule);
    }
  });

  test('any api finds the host that holds a repository or an environment', async () => {
    const base = await makeBase();
    const shared = ['--test-token', '--redis', fleet.redis.url];
    const second = await startNode(
      ['bin/gear', 'worker', ...shared, '--base', base, '--host', 'h2'],
      /worker is ready/,
    );
    const other = await startNode(
      ['bin/gear', 'api', ...shared, '--listen', '127.0.0.1:12590'],
      /api listens/,
    );
    const client = createClient('http://127.0.0.1:12590/token/__test__');
    try {
      await fleet.change('PUT', 'repository', { r: 'far', h: 'h2' });
      await fleet.change('PUT', 'environment', { r: 'far', h: 'h2' }, { env: [{ name: 'A', value: 'b' }] });
      await pushFiles(`${base}/git/far`, 'main', { a: 'b' });
      const { code, body } = await curl('-f', `${client.url}/content?t=gitarchive&r=far&format=tar.gz`).done;
      expect([code, body.length > 0]).toEqual([0, true]);
      expect((await client.send('GET', 'content', { t: 'env', r: 'far' })).body).toBe('A="b"\n');
      // A gear that uses an environment goes where that is; asked for on another host it is told.
      const placed = await client.change(
        'PUT',
        'container',
        { r: 'near', t: 'geard/sample' },
        { environment: 'far' },
      );
      expect(placed.body).toMatchObject({ state: 'succeeded', host: 'h2' });
      const conflict = await client.send('GET', 'content', { t: 'gitarchive', r: 'far', h: 'h1' });
      expect(conflict.body.code).toBe('host_conflict');
    } finally {
      await end(other);
      await end(second);
      await removeGearsOf(base);
      await rm(base, { recursive: true });
    }
  });
});
