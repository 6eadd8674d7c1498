import { expect, onTestFinished, test } from 'vitest';
import { syncJournal } from '../../src/worker/journald/sync-journal.ts';
import { newId } from '../support/client.ts';
import { ok } from '../support/run.ts';

const journald = (signal: string) =>
  ok('systemctl', 'kill', '--kill-who=main', `--signal=${signal}`, 'systemd-journald');

test('the journal has what was logged before a sync, which waits for journald as long as it is told', async () => {
  onTestFinished(() => journald('CONT').then(() => undefined));
  await journald('STOP');
  const line = `before the sync ${newId()}`;
  await ok('logger', '--tag', 'sync-journal', line);
  const written = syncJournal();
  expect(await syncJournal(100)).toBe(false);
  await journald('CONT');
  expect(await written).toBe(true);
  const lines = await ok('journalctl', '--quiet', '--output=cat', '--identifier=sync-journal');
  expect(lines).toContain(line);
});
