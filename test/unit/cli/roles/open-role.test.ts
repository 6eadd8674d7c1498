import pino from 'pino';
import { expect, test, vi } from 'vitest';
import { readConfig } from '../../../../src/cli/options/config.ts';
import { openRole } from '../../../../src/cli/roles/open-role.ts';
import { type Closers, createClosers } from '../../../../src/lib/async/closers.ts';

vi.mock('../../../../src/cli/roles/token-services.ts', () => ({
  async openTokenParts(_config: unknown, _log: unknown, closers: Closers) {
    closers.push(() => Promise.reject(new Error('stuck')));
    throw new Error('the keys are gone');
  },
}));

test('a role that cannot start says why, even if what it has opened cannot be closed', async () => {
  const reasons: unknown[] = [];
  const log = pino(
    { level: 'error' },
    { write: (line: string) => void reasons.push(JSON.parse(line).reason) },
  );
  const config = readConfig('api', { redis: 'redis://127.0.0.1', testToken: true }, {});
  const opened = openRole('api', config, () => undefined, log, createClosers());
  await expect(opened).rejects.toThrow('the keys are gone');
  expect(reasons).toEqual(['not everything could be closed: stuck']);
});
