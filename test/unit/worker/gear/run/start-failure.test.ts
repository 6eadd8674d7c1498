import { expect, test, vi } from 'vitest';
import { dockerCommands } from '../../../../../src/worker/docker/commands.ts';
import { startFailure } from '../../../../../src/worker/gear/run/start-failure.ts';
import type { HostServices } from '../../../../../src/worker/host-services.ts';

const logged = [
  'docker: Error response from daemon: error mounting "/var/lib/docker/volumes/gear-a..d/_data" to rootfs: not a directory.',
  'docker: Error response from daemon: unable to start container process: exec: "/app/serve": not found.',
  'the program reads /etc/app/config',
];
vi.mock('../../../../../src/worker/journald/journal-tail.ts', () => ({ lastLines: async () => logged }));

test("a gear that does not start is told without the host's directories, and with its own", async () => {
  const unit = { active: 'failed', mainStatus: 127, invocation: '1'.repeat(32) };
  const services = {
    systemd: { state: async () => unit, activity: async () => ({ active: 'active', invocation: '2' }) },
    engine: dockerCommands,
    paths: { unitName: (resource: string) => `gear-${resource}.service` },
  } as unknown as HostServices;
  const { message } = await startFailure(services, 'a', '2', {});
  expect(message).toContain('error mounting "_data" to rootfs: not a directory.');
  expect(message).toContain('exec: "/app/serve"');
  expect(message).toContain('the program reads /etc/app/config');
  expect(message).not.toContain('/var/lib');
});
