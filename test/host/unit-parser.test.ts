import { mkdir, rm, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import pino from 'pino';
import { afterAll, expect, test } from 'vitest';
import { unitName } from '../../src/worker/domain/paths.ts';
import { renderUnit } from '../../src/worker/domain/unit-file.ts';
import { openBus } from '../../src/worker/systemd/bus.ts';
import { runCommand, someGear, unitHost } from '../support/some-gear.ts';

const directory = '/run/systemd/system';
const written: string[] = [];
afterAll(async () => {
  for (const path of written) await rm(path, { force: true });
});

const destination = 'org.freedesktop.systemd1';
const variant = (value: unknown) => (value as { value: unknown }).value;

test("systemd's own parser reads every command word as it was given", async () => {
  const host = unitHost();
  const gears = fc
    .sample(someGear, { numRuns: 400, seed: Number(process.env['FC_SEED'] ?? Date.now()) })
    .map((gear, i) => ({ ...gear, resource: `parsed-${i}` }));
  await mkdir(directory, { recursive: true });
  for (const gear of gears) {
    const path = `${directory}/${unitName(gear.resource)}`;
    written.push(path);
    await writeFile(path, renderUnit(gear, host));
  }
  const bus = await openBus({ log: pino({ level: 'silent' }), deadlineMs: 30_000 });
  const manager = { destination, path: '/org/freedesktop/systemd1', interface: `${destination}.Manager` };
  const properties = {
    destination,
    interface: 'org.freedesktop.DBus.Properties',
    member: 'Get',
    signature: 'ss',
  };
  for (const gear of gears) {
    const [path] = await bus.call({
      ...manager,
      member: 'LoadUnit',
      signature: 's',
      body: [unitName(gear.resource)],
    });
    const get = async (from: string, name: string) =>
      variant(
        (await bus.call({ ...properties, path: String(path), body: [`${destination}.${from}`, name] }))[0],
      );
    const [command] = (await get('Service', 'ExecStart')) as [[string, string[]]];
    expect(command[1], JSON.stringify(gear.spec.command)).toEqual(runCommand(gear, host));
    expect(await get('Unit', 'LoadState')).toBe('loaded');
    expect(await get('Service', 'Slice')).toBe('gear-small.slice');
    expect(await get('Service', 'Restart')).toBe('on-failure');
  }
  bus.close();
});
