import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../support/run.ts';

/** What the audit says and exits with where the registry answers its question so. */
async function auditWith(status: number, answer: unknown) {
  const registry = createServer((req, res) => {
    const isQuestion = req.url === '/-/npm/v1/security/advisories/bulk';
    res.writeHead(isQuestion ? status : 404, { 'Content-Type': 'application/json' });
    res.end(isQuestion ? JSON.stringify(answer) : '{}');
  });
  await once(registry.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void registry.close());
  const { port } = registry.address() as AddressInfo;
  const settings = [`npm_config_registry=http://127.0.0.1:${port}/`, 'npm_config_fetch_retries=0'];
  return run('env', ...settings, 'bash', 'scripts/audit.sh');
}

test('packages of which nothing is known pass', async () => {
  expect(await auditWith(200, {})).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/nothing is known of the \d+ packages/),
  });
});

test('a package with a known vulnerability fails, and is named', async () => {
  const advisory = { id: 1, url: 'https://example.org/1', title: 'It leaks', severity: 'high' };
  const known = { ...advisory, vulnerable_versions: '*', cwe: [], cvss: { score: 0, vectorString: null } };
  const { status, stdout } = await auditWith(200, { express: [known] });
  expect(status).toBe(1);
  expect(stdout).toMatch(/^express .*: high: It leaks \(https:\/\/example\.org\/1\)$/m);
});

test('what could not be checked does not pass for checked, nor for vulnerable', async () => {
  for (const status of [405, 500]) {
    const { status: exit, stderr } = await auditWith(status, {});
    expect(exit).toBe(75);
    expect(stderr).toContain('could not be checked');
  }
});
