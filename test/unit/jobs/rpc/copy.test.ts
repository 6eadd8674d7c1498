import { expect, test } from 'vitest';
import { copiedFrom, repositorySource } from '../../../../src/jobs/rpc/copy.ts';
import { hostileUrls } from '../../../support/hostile.ts';

test('a gear URL names a repository of the fleet, every other one does not', () => {
  expect(repositorySource.parse('gear://site')).toBe('gear://site');
  expect(copiedFrom('gear://site')).toBe('site');
  expect(repositorySource.parse('HTTPS://Example.org/a')).toBe('https://example.org/a');
  expect(copiedFrom('https://example.org/a')).toBe(null);
  expect(copiedFrom(null)).toBe(null);
});

test.each([
  'GEAR://site',
  'Gear://site',
  'gear:site',
  'gear:/site',
  'gear:///site',
  'gear://',
  'gear://.',
  'gear://..',
  'gear://a..b',
  'gear://a/b',
  'gear://a/',
  'gear://a/../b',
  'gear://u@site',
  'gear://u:p@site',
  'gear://site:1',
  'gear://site?x=1',
  'gear://site#x',
  'gear://si%74e',
  'gear://-site',
  'gear://a.service',
  'gear://site\n',
  'gear://site\0',
  ' gear://site',
  `gear://${'a'.repeat(64)}`,
  ...hostileUrls,
])('%j is nothing that a repository could come from', (url) => {
  expect(repositorySource.safeParse(url).success).toBe(false);
});
