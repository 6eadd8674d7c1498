/**
 * Simulated hosts, many in one process: real workers from Redis to the journal, on a host that does nothing. It has neither
 * systemd nor Docker, and says of every gear that it is on its disk.
 *
 * Arguments: URL of Redis, a directory, the number of the first host, how many.
 */
import { join } from 'node:path';
import { jobs } from '../../src/jobs/registry.ts';
import { createClosers } from '../../src/lib/async/closers.ts';
import { Limiter, shared } from '../../src/lib/async/limiter.ts';
import { createLocks } from '../../src/lib/async/locks.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { openWorkerQueue } from '../../src/queue/worker-queue.ts';
import { noKeys } from '../../src/token/keyring.ts';
import { createSealer } from '../../src/token/seal.ts';
import { createVerifier } from '../../src/token/verifier.ts';
import { hostPaths } from '../../src/worker/domain/paths.ts';
import { createGearIndex } from '../../src/worker/gear/gear-index.ts';
import { makeDirectories } from '../../src/worker/host/files.ts';
import { createReservations } from '../../src/worker/host/ports.ts';
import type { HostServices } from '../../src/worker/host-services.ts';
import { createAnnouncer } from '../../src/worker/host-state/announcer.ts';
import { leaseHolder } from '../../src/worker/host-state/identity.ts';
import type { Handlers } from '../../src/worker/jobs/context.ts';
import { runHost } from '../../src/worker/run-host.ts';
import { hostLimits } from '../../test/support/limits.ts';

const [url = '', directory = '', first = '1', count = '1'] = process.argv.slice(2);
const log = await createLogger('warn');
const day = 24 * 60 * 60;

const nothing = {
  run: async ({ resource }: { resource: string }) => ({
    ...{ unit: `gear-${resource}.service`, container: null, ports: [] },
    ...{ image: 'geard/sample', changed: true },
  }),
};
const handlers = Object.fromEntries(Object.keys(jobs).map((type) => [type, nothing])) as unknown as Handlers;
const absent = undefined as never;
const lifetimes = { change: day, read: day };
const verifier = createVerifier({ keys: noKeys, fleet: 'geard', lifetimes, testToken: true });
const sealer = createSealer(noKeys, true);

async function openHost(host: string) {
  const paths = { ...hostPaths(join(directory, host)), unit: () => directory };
  await makeDirectories(paths.directories);
  const options = {
    ...{ host, verifier, sealer, log, redis: { url }, version: 'simulated', streamListen: null },
    ...{ keepSeconds: 7 * day, journalSeconds: 8 * day, limits: hostLimits() },
    onFatal: (error: Error) => log.fatal({ reason: error.message }, 'stopping'),
  };
  const closers = createClosers();
  const real = openWorkerQueue({ ...options, holder: await leaseHolder(paths) });
  closers.push(() => real.close());
  const queue = { ...real, announceHeld: async () => {} }; // What has been recorded is what there is.
  const reservations = createReservations(paths, () => false);
  const gears = { ...createGearIndex(paths), read: async () => {} }; // There are no units.
  const announcer = createAnnouncer({ ...options, queue, paths, gears });
  const services: HostServices = {
    ...{
      host,
      paths,
      log,
      systemd: absent,
      engine: absent,
      repositories: absent,
      registries: absent,
      networks: absent,
      journalFeed: absent,
    },
    ...{
      reservations,
      gears,
      gearLocks: createLocks(),
      busy: new Set<string>(),
      startSeconds: 60,
      hashKey: '',
    },
    ...{ limits: options.limits, pulls: new Limiter(shared(1)), starts: new Limiter(shared(1)) },
    directory: { held: queue.held, announce: announcer.everything },
  };
  return runHost(options, { queue, announcer, services, handlers, closers });
}

const hosts = await Promise.all(
  Array.from({ length: Number(count) }, (_, i) => openHost(`h${Number(first) + i}`)),
);
process.once('SIGTERM', () => {
  void Promise.allSettled(hosts.map((host) => host.close(0))).then(() => process.exit(0));
});
console.log('ready');
