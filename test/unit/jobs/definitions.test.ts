import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { actions } from '../../../src/jobs/actions.ts';
import { errorCodes } from '../../../src/jobs/errors.ts';
import { payloadVersion } from '../../../src/jobs/payload-version.ts';
import { jobs, reads } from '../../../src/jobs/registry.ts';
import { routes } from '../../../src/requests/routes.ts';

const definitions = { ...jobs, ...reads };

test('no request is of two kinds', () => {
  const ways = routes.map(({ method, path, t }) => `${method} ${path} ${t}`);
  expect(new Set(ways).size).toBe(ways.length);
  expect(new Set(routes.map(({ name }) => name))).toEqual(new Set(Object.keys(definitions)));
});

test('every kind of request is told in one line, which ends without a full stop', () => {
  for (const { summary } of Object.values(definitions)) expect(summary).toMatch(/^[A-Z][^\n]{8,90}[^.\n]$/);
});

test('no job is of a newer payload version than this build', () => {
  for (const { since } of Object.values(jobs)) expect(since).toBeLessThanOrEqual(payloadVersion);
});

test('every error that a job may end with is in the table of errors', () => {
  for (const { errors } of Object.values(jobs)) for (const code of errors) expect(errorCodes).toContain(code);
});

test('docs/api.md has every path, and docs/tokens.md every action', () => {
  const [api, tokens] = ['api', 'tokens'].map((page) => readFileSync(`docs/${page}.md`, 'utf8'));
  const rows = (api ?? '').split('\n').filter((line) => line.startsWith('| '));
  for (const { method, path } of Object.values(definitions)) {
    const words = path
      .slice(1)
      .replace(/\{.*?\}/g, '')
      .replace(/\/$/, '')
      .split('/')
      .filter(Boolean);
    const isTold = (row: string) => row.includes(method) && words.every((word) => row.includes(word));
    expect(rows.some(isTold), `${method} ${path}`).toBe(true);
  }
  const isNamed = (action: string) =>
    tokens?.includes(`\`${action}\``) || tokens?.includes(`\`.${action.split('.')[1]}\``);
  expect(actions.filter((action) => !isNamed(action))).toEqual([]);
});
