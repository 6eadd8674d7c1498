import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openAuditFile } from '../../../src/lib/files/audit-file.ts';
import { createLogger, plainError } from '../../../src/lib/logger.ts';

test('the log of an error has its words and its place, and nothing that a library has hung onto it', () => {
  const error = Object.assign(
    new Error('WRONGTYPE', { cause: Object.assign(new Error('why'), { args: ['secret'] }) }),
    {
      command: { name: 'hset', args: ['geard:job', 'secret'] },
      code: 'E',
    },
  );
  const logged = plainError(error);
  expect(logged).toMatchObject({ type: 'Error', message: 'WRONGTYPE', code: 'E', cause: { message: 'why' } });
  expect(JSON.stringify(logged)).toContain('logger.test.ts');
  expect(JSON.stringify(logged)).not.toContain('secret');
});

function auditFile(): string {
  const directory = mkdtempSync('/tmp/geard-audit-');
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, 'audit.log');
}

test('what is audited stands in a file of its own, and nothing else, whatever a tenant has written (security M2)', async () => {
  const path = auditFile();
  const log = await createLogger('error', path);
  log.error({ user: '","audit":true,"x":"' }, 'says "audit":true');
  expect(readFileSync(path, 'utf8')).toBe('');
  log.child({ audit: true }).error({ code: 'token_forbids' }, 'refused');
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
    audit: true,
    code: 'token_forbids',
    msg: 'refused',
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('an audit file that is full makes room by itself, goes on after a restart, and loses no recent line', () => {
  const path = auditFile();
  const line = (n: number) => `line ${String(n).padStart(4, '0')}\n`;
  for (let n = 0; n < 100; n++) openAuditFile(path, 100)(line(n));
  const kept = readFileSync(`${path}.1`, 'utf8') + readFileSync(path, 'utf8');
  expect(kept.length).toBeLessThanOrEqual(200);
  expect(kept.length).toBeGreaterThan(100);
  expect(kept.endsWith(Array.from({ length: 11 }, (_, n) => line(n + 89)).join(''))).toBe(true);
});

test('an audit file that was removed is there again once the old one would be full', () => {
  const path = auditFile();
  const append = openAuditFile(path, 10);
  append('line 0001\n');
  rmSync(path);
  append('line 0002\n');
  expect(readFileSync(path, 'utf8')).toBe('line 0002\n');
});

test('an audit file that cannot be opened loses lines only until it can', () => {
  const path = auditFile();
  const append = openAuditFile(path, 10);
  append('line 0001\n');
  rmSync(dirname(path), { recursive: true });
  append('line 0002\n');
  mkdirSync(dirname(path));
  append('line 0003\n');
  expect(readFileSync(path, 'utf8')).toBe('line 0003\n');
});
