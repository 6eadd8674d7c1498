import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import pino from 'pino';
import { createDocker } from '../../src/worker/docker/docker.ts';
import { wantedBy } from '../../src/worker/domain/unit-file.ts';
import { openBus } from '../../src/worker/systemd/bus.ts';
import { createSystemd } from '../../src/worker/systemd/systemd.ts';
import { sampleImage } from '../support/daemon.ts';
import { describeEngine } from '../support/engine-suite.ts';
import { openRegistry } from '../support/registry.ts';
import { ok } from '../support/run.ts';

const log = pino({ level: 'silent' });

/** A registry that says no to everything; null: one that says nothing. */
async function openFake(status: number | null) {
  const server = createServer((_req, res) => {
    if (status !== null) res.writeHead(status, { 'WWW-Authenticate': 'Basic realm="r"' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { at: `127.0.0.1:${port}`, server };
}

describeEngine('Docker', async () => {
  await sampleImage();
  const directory = await mkdtemp('/tmp/geard-engine-');
  await chmod(directory, 0o755);
  const registry = await openRegistry(directory);
  const [forbidding, silent] = [await openFake(401), await openFake(null)];
  const remote = `${registry.at}/team/sample:1`;
  await ok('docker', 'tag', 'geard/sample', remote);
  await ok('docker', 'push', '--quiet', remote);
  const byDigest = await ok('docker', 'image', 'inspect', '--format', '{{index .RepoDigests 0}}', remote);
  await ok('docker', 'image', 'rm', remote);
  const engine = createDocker({ socketPath: '/var/run/docker.sock', log });
  const away = createDocker({ socketPath: join(directory, 'nobody'), log });
  const bus = await openBus({ log, deadlineMs: 25_000 });
  const systemd = await createSystemd(bus, wantedBy(engine), log);
  return {
    ...{ systemd, engine, away, directory, remote, byDigest, local: 'geard/sample' },
    missing: `${registry.at}/team/nothing:1`,
    forbidden: `${forbidding.at}/team/sample:1`,
    endless: `${silent.at}/team/sample:1`,
    async close() {
      engine.close();
      bus.close();
      away.close();
      registry.process.kill();
      for (const { server } of [forbidding, silent]) {
        server.close();
        server.closeAllConnections();
      }
      await ok('docker', 'image', 'rm', '--force', remote, byDigest);
      await rm(directory, { recursive: true });
    },
  };
});
