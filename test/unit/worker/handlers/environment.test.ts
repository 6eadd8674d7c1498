import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hostPaths } from '../../../../src/worker/domain/paths.ts';
import { merge, replace } from '../../../../src/worker/handlers/environment.ts';
import { makeDirectories } from '../../../../src/worker/host/files.ts';
import type { JobContext } from '../../../../src/worker/jobs/context.ts';

/** The context of a job on a host with these files and without a gear. */
async function onHost(): Promise<JobContext> {
  const base = await mkdtemp(join(tmpdir(), 'geard-environment-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  return {
    job: 'a'.repeat(32),
    tenant: '0',
    services: { host: 'h1', paths },
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
