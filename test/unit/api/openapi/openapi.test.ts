import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { referencePage } from '../../../../scripts/reference/page.ts';
import { openApiDocument } from '../../../../src/api/openapi/document.ts';
import { openPaths } from '../../../../src/api/openapi/open-paths.ts';
import { aliases, jobs, reads } from '../../../../src/jobs/registry.ts';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const text = `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
const document = JSON.parse(text);
type Described = { operationId: string; responses: Record<string, unknown> };
const paths: Record<string, Record<string, Described>> = document.paths;

test('docs/openapi.json and docs/reference.md are what the code says', () => {
  const how = 'npm run reference writes it again';
  expect(readFileSync('docs/openapi.json', 'utf8'), how).toBe(text);
  expect(readFileSync('docs/reference.md', 'utf8'), how).toBe(referencePage(document));
});

test('gear openapi prints the whole of it into a pipe', async () => {
  const piped = 'node --import tsx src/cli/main.ts openapi | cat';
  const { stdout } = await promisify(execFile)('sh', ['-c', piped], { maxBuffer: 1_000_000 });
  expect(stdout).toBe(text);
});

test('the document has every way to write every request, and nothing else', () => {
  const definitions = [...Object.values(jobs), ...Object.values(reads), ...aliases.map(([, one]) => one)];
  const expected = definitions.flatMap(({ method, path }) => {
    const [always = '', rest] = path.split(/\{\/(\w+)\*\}/); // A path that may go on is written as two.
    return [always, ...(rest ? [`${always}/{${rest}}`] : [])].map((one) => `${method} ${one}`);
  });
  for (const path of Object.keys(openPaths)) expected.push(`GET ${path}`);
  const ways = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(ways.sort()).toEqual([...new Set(expected)].sort());
  const names = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map((one) => one.operationId),
  );
  expect(new Set(names).size).toBe(names.length);
  // One path with one method is one operation of OpenAPI: t=env is told with t=gitarchive.
  const missing = Object.keys({ ...jobs, ...reads }).filter((name) => !names.includes(name));
  expect(missing).toEqual(['environment.read']);
});

test('every operation that needs a token says so, and what it may be refused with', () => {
  for (const [path, methods] of Object.entries(paths)) {
    if (Object.hasOwn(openPaths, path)) continue;
    for (const { responses } of Object.values(methods))
      expect(Object.keys(responses), path).toEqual(
        expect.arrayContaining(['400', '401', '403', '429', '500']),
      );
  }
});

test('every pattern of the document is a regular expression (ECMA-262)', () => {
  const patterns = [...text.matchAll(/"pattern": ("(?:[^"\\]|\\.)*")/g)].map(([, one]) =>
    JSON.parse(String(one)),
  );
  expect(patterns.length).toBeGreaterThan(30);
  for (const pattern of patterns) expect(() => new RegExp(pattern, 'u'), pattern).not.toThrow();
});

test('the document is made in 60 milliseconds', () => {
  const took = Array.from({ length: 10 }, () => {
    const started = performance.now();
    openApiDocument(version);
    return performance.now() - started;
  });
  expect(Math.min(...took)).toBeLessThan(60);
});

test('two validators find nothing in the document, not even a warning', async () => {
  expect(await new Validator().validate(document)).toEqual({ valid: true });
  const lint = ['run', '--silent', 'check:openapi', '--', '--format=json'];
  const { stdout } = await promisify(execFile)('npm', lint);
  expect(JSON.parse(stdout)).toMatchObject({ totals: { errors: 0, warnings: 0, ignored: 0 }, problems: [] });
});
