import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCodes, problemOf } from '../../../src/jobs/errors.ts';

test('docs/errors.md has exactly the codes of the table, each with its status and title', () => {
  const page = readFileSync('docs/errors.md', 'utf8');
  const rows = [...page.matchAll(/^\| (\d{3}) \| `(\w+)` \| ([^|]+) \|/gm)].map(
    ([, status, code, title]) => ({ status: Number(status), code, title: title?.trim() }),
  );
  const table = errorCodes.map((code) => {
    const { status, title } = problemOf(code, '');
    return { status, code, title };
  });
  expect(rows).toEqual(table);
});

test('a problem document names its code, its status and where it happened', () => {
  expect(problemOf('port_taken', 'the external port 80 is taken', { job: 'a', host: 'h1' })).toEqual({
    type: 'urn:geard:port_taken',
    title: 'An external port is taken',
    status: 409,
    detail: 'the external port 80 is taken',
    code: 'port_taken',
    job: 'a',
    host: 'h1',
  });
});
