import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLocks } from '../../../../src/lib/async/locks.ts';
import { dockerCommands } from '../../../../src/worker/docker/commands.ts';
import { hostPaths } from '../../../../src/worker/domain/paths.ts';
import { type GearUnit, renderUnit } from '../../../../src/worker/domain/unit-file.ts';
import { readBefore, writeBefore } from '../../../../src/worker/gear/gear-files.ts';
import { merge, replace } from '../../../../src/worker/handlers/environment.ts';
import { makeDirectories } from '../../../../src/worker/host/files.ts';
import type { JobContext } from '../../../../src/worker/jobs/context.ts';
import { plainGear } from '../../../support/some-gear.ts';

/** The context of team-a's job, on a host with gears that use its environment. No image is there. */
async function onHost(...gears: string[]): Promise<JobContext> {
  const base = await mkdtemp(join(tmpdir(), 'geard-environment-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  const engine = {
    ...dockerCommands,
    image: async () => null,
    removeImages: async () => undefined,
  };
  for (const resource of gears) {
    const plain = plainGear(resource);
    const unit: GearUnit = {
      ...plain,
      spec: { ...plain.spec, image: `${resource}/image`, environment: 'team-a' },
    };
    await writeFile(paths.unit(resource), renderUnit(unit, { paths, engine }));
  }
  const systemd = { state: async () => ({ needsReload: false }) };
  return {
    job: 'a'.repeat(32),
    tenant: '0',
    sees: (resource: string) => resource.startsWith('team-a'),
    services: { host: 'h1', paths, engine, systemd, gearLocks: createLocks() },
    signal: new AbortController().signal,
    report: () => undefined,
    checkpoint: (look: () => Promise<string>) => look(),
  } as unknown as JobContext;
}

const variables = (prefix: string, count: number, value: string) =>
  Array.from({ length: count }, (_, n) => ({ name: `${prefix}${n}`, value }));

test('merges make an environment of no more than a mebibyte', async () => {
  const context = await onHost();
  const params = (prefix: string, count = 3) => ({
    resource: 'team-a',
    env: variables(prefix, count, 'x'.repeat(32_768)),
  });
  await replace.run({ resource: 'team-a', env: [] }, context);
  for (let n = 0; n < 10; n++) await merge.run(params(`V${n}_`), context);
  const tooMuch = { code: 'invalid_request', message: expect.stringContaining('1 MiB') };
  await expect(merge.run(params('W'), context)).rejects.toMatchObject(tooMuch);
  expect(await merge.run(params('W', 1), context)).toMatchObject({ variables: 31, changed: true });
});

test('the bytes of an environment count as in its answer, which escapes control characters', async () => {
  const context = await onHost();
  await replace.run({ resource: 'team-a', env: variables('V', 5, '\x01'.repeat(32_768)) }, context);
  const more = { resource: 'team-a', env: variables('W', 1, '\x01'.repeat(32_768)) };
  await expect(merge.run(more, context)).rejects.toMatchObject({ code: 'invalid_request' });
});

test('merges make an environment of no more than 512 variables', async () => {
  const context = await onHost();
  await replace.run({ resource: 'team-a', env: variables('V', 512, '') }, context);
  const more = { resource: 'team-a', env: variables('W', 1, '') };
  await expect(merge.run(more, context)).rejects.toMatchObject({ code: 'invalid_request' });
});

test('the result names the gears that the token allows, although others use the environment', async () => {
  const context = await onHost('team-a-web', 'team-b-web');
  expect(await replace.run({ resource: 'team-a', env: [] }, context)).toMatchObject({
    gears: ['team-a-web'],
  });
});

test('a gear whose update to another environment may still be undone counts as a user of its former one', async () => {
  const context = await onHost('team-a-web');
  const { paths, engine } = context.services;
  const text = await readFile(paths.unit('team-a-web'), 'utf8');
  const earlier = { job: context.job, text, enabled: true, active: true, replaced: null, volumes: [] };
  await writeBefore(paths, 'team-a-web', earlier);
  await writeFile(paths.unit('team-a-web'), renderUnit(plainGear('team-a-web'), { paths, engine }));
  expect(await replace.run({ resource: 'team-a', env: [] }, context)).toMatchObject({
    gears: ['team-a-web'],
  });
  expect(await readBefore(paths, 'team-a-web')).toMatchObject({ refresh: true });
});

test.each([
  ['team-a-web', 'the image team-a-web/image is no longer on the host'],
  ['team-b-web', 'the image of a gear that uses the environment is no longer on the host'],
])('where the image of %s is missing, the failure says: %s', async (gear, message) => {
  const context = await onHost(gear);
  const params = { resource: 'team-a', env: [{ name: 'A', value: 'a\nb' }] };
  await expect(replace.run(params, context)).rejects.toMatchObject({ code: 'image_not_found', message });
});
