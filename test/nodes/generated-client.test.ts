import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import '../../docs/openapi.json'; // So that npm test -- --changed runs this when it has changed.
import { complaints } from '../support/compile.ts';
import { ok } from '../support/run.ts';

/** Installed by ensure_generator of scripts/lib/prepare.sh. */
const packages = 'test/generated-client/node_modules';
const generator = join(packages, 'openapi-typescript/bin/cli.js');

const directory = mkdtempSync(join(tmpdir(), 'geard-generated-'));
const types = join(directory, 'schema.ts');
const links = { 'schema.ts': types, 'node_modules/openapi-fetch': join(packages, 'openapi-fetch') };

beforeAll(async () => {
  // A field with a default may be left out of a request.
  await ok(process.execPath, generator, 'docs/openapi.json', '--default-non-nullable=false', '-o', types);
}, 300_000);

afterAll(() => rmSync(directory, { recursive: true }));

/** What follows `@ts-expect-error` must not compile; where it does, the compiler says so. */
const program = `
import createClient from 'openapi-fetch';
import type { paths } from './schema';

const geard = createClient<paths>({ baseUrl: 'http://127.0.0.1:2223/token/__test__' });

const { data: installed, error } = await geard.PUT('/container', {
  params: { query: { u: '0', i: '1', r: 'web', t: 'nginx:1.27' }, header: { Prefer: 'wait=30' } },
  body: { ports: [{ internal: 80 }], env: [{ name: 'GREETING', value: 'hello' }] },
});
if (!installed) throw new Error(typeof error === 'object' ? error.code : error);
const { result } = installed;
export const port: number | undefined = result && 'ports' in result ? result.ports[0]?.external : undefined;

const { data: job } = await geard.GET('/job/{id}', {
  params: { path: { id: installed.id }, query: { wait: 30 } },
});
export const state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | undefined = job?.state;

const { data: page } = await geard.GET('/containers', { params: { query: { limit: 10 } } });
export const gears: string[] | undefined = page?.containers.map(({ resource }) => resource);

// @ts-expect-error: there is no such method
geard.PUT('/containers', {});
// @ts-expect-error: there is no such parameter
geard.PUT('/container', { params: { query: { image: 'nginx:1.27' } } });
// @ts-expect-error: a port is a number
geard.PUT('/container', { body: { ports: [{ internal: '80' }] } });
// @ts-expect-error: the job is missing
geard.GET('/job/{id}', { params: {} });
// @ts-expect-error: the answer has no such field
page?.gears;
`;

test('a client that openapi-typescript makes of the document compiles where it is right, and only there', async () => {
  expect(await complaints(program, links)).toBe('');
});
