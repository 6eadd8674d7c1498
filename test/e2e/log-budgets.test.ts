import { mkdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { newId } from '../support/client.ts';
import { curl } from '../support/curl.ts';
import { sampleImage } from '../support/daemon.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

const dropIns = '/run/systemd/journald.conf.d';
const megabytes = 48;
let fleet: Fleet;

beforeAll(async () => {
  await sampleImage();
  // A small journal, so that it is full within the test.
  const services = ['System', 'Runtime'].map(
    (kind) => `${kind}MaxUse=${megabytes}M\n${kind}MaxFileSize=8M\n`,
  );
  await mkdir(dropIns, { recursive: true });
  await writeFile(`${dropIns}/small.conf`, `[Journal]\n${services.join('')}`);
  await ok('systemctl', 'restart', 'systemd-journald');
  // What was logged before stands in files that are larger, and go as a whole.
  await ok('journalctl', '--quiet', '--rotate');
  await ok('journalctl', '--quiet', '--vacuum-size=1M');
  fleet = await openFleet('direct');
});
afterAll(async () => {
  await fleet.close();
  await rm(`${dropIns}/small.conf`);
  await ok('systemctl', 'restart', 'systemd-journald');
});

const logOf = (unit: string) => ok('journalctl', '--quiet', '--output=cat', `--unit=${unit}`);

test('a gear that logs without end pushes no line of another gear or of the host out, and is told what was left out (security M2)', async () => {
  const [before, ofHost] = [`before ${newId()}`, `host ${newId()}`];
  const gear = (r: string, script: string) =>
    fleet.change(
      'PUT',
      'container',
      { r, t: 'geard/sample' },
      { command: ['/bin/sh', '-c', script], cpus: 0.3 },
    );
  await gear('quiet', `echo ${before}; exec sleep 100000`);
  await ok('systemd-run', '--quiet', '--wait', '--unit=said-by-host', 'echo', ofHost);
  expect((await gear('noisy', 'exec seq 1 9000000000')).body.state).toBe('succeeded');
  const following = curl(`${fleet.url}/container/log?u=0&r=noisy&for=100&lines=1`);
  onTestFinished(() => void following.child.kill('SIGKILL'));
  const isTold = () => /Suppressed \d+ messages from gear-noisy.service/.test(String(following.received()));
  const told = await until('the log tells what was left out', isTold, 60_000).catch((error: Error) => error);
  // Others read on: journald does not say any more that it has written everything down.
  const { code, body } = await curl(`${fleet.url}/container/log?u=0&r=quiet&for=0`).done;
  expect([code, String(body)]).toEqual([0, expect.stringContaining(before)]);
  expect(await logOf('gear-quiet')).toContain(before);
  expect(await logOf('said-by-host')).toContain(ofHost);
  expect(told).toBe(true);
  // A person sees who it was, and what it says now.
  expect(await ok('systemctl', 'status', 'gear-noisy')).toMatch(
    /active \(running\)[\s\S]*docker\[\d+\]: \d+/,
  );
  expect(await ok('journalctl', '--quiet', '--lines=50000', '--output=cat', '--unit=gear-noisy')).toContain(
    'Suppressed',
  );
});
