import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

/** The closing lines of a run, as vitest's JSON reporter has told it, with answers that were compared. */
function count(result: object, run = 'unit', answers = ''): Promise<{ status: number; stdout: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'geard-count-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, `${run}.json`), JSON.stringify(result));
  if (answers) writeFileSync(join(directory, `${run}.answers`), answers);
  return new Promise((resolve) => {
    execFile(process.execPath, ['scripts/lib/count-results.mjs', directory, run], (error, stdout) =>
      resolve({ status: Number(error?.code ?? 0), stdout }),
    );
  });
}

const results = {
  numPassedTests: 2,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [],
};
const file = {
  name: join(process.cwd(), 'test/unit/a.test.ts'),
  status: 'failed',
  message: '',
  startTime: 1_000,
  endTime: 3_600,
};

test('the slowest files come first, longest before shorter ones', async () => {
  const other = { ...file, name: join(process.cwd(), 'test/unit/b.test.ts'), endTime: 61_000 };
  const testResults = [file, other].map((one) => ({ ...one, status: 'passed', assertionResults: [] }));
  const { stdout } = await count({ ...results, testResults });
  expect(stdout).toMatch(/^unit: test\/unit\/b.test.ts took 60 s\nunit: test\/unit\/a.test.ts took 3 s\n/);
});

test('a run that has passed is counted and nothing else is said', async () => {
  expect(await count(results)).toEqual({ status: 0, stdout: '2 passed, 0 failed, 0 skipped\n' });
});

test('the answers that were compared with the document are counted, and the operations that gave them', async () => {
  const answers = ['GET jobs 200', 'GET jobs 401', 'PUT - 404', 'PUT jobs 405', 'GET /readyz 200'];
  const { stdout } = await count(results, 'e2e-1', `${answers.join('\n')}\n`);
  const line = '5 answers of 3 operations were compared with docs/openapi.json\n';
  expect(stdout).toBe(`${line}2 passed, 0 failed, 0 skipped\n`);
  expect((await count(results, 'e2e-1')).stdout).toMatch(/^0 answers of 0 operations /);
});

test('the closing lines name each failed test with its cause, without colours', async () => {
  const failed = {
    status: 'failed',
    fullName: 'it holds',
    failureMessages: ['\u001b[31mError: no\u001b[0m'],
  };
  const assertionResults = [{ status: 'passed', fullName: 'this too', failureMessages: [] }, failed];
  const { status, stdout } = await count({
    ...results,
    numFailedTests: 1,
    testResults: [{ ...file, assertionResults }],
  });
  expect(status).toBe(1);
  expect(stdout).toBe(
    'unit: test/unit/a.test.ts took 3 s\n' +
      'FAILED in unit: test/unit/a.test.ts > it holds\n    Error: no\n2 passed, 1 failed, 0 skipped\n',
  );
});

test('a file that cannot be loaded is named with its cause', async () => {
  const { stdout } = await count({
    ...results,
    testResults: [{ ...file, message: 'SyntaxError', assertionResults: [] }],
  });
  expect(stdout).toContain('FAILED in unit: test/unit/a.test.ts\n    SyntaxError\n');
});

test.each([
  ['a skipped test', { numPendingTests: 1 }],
  ['no passed test', { numPassedTests: 0 }],
])('%s fails the run', async (_, more) => {
  expect((await count({ ...results, ...more })).status).toBe(1);
});
