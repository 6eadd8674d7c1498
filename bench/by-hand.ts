import { rm, writeFile } from 'node:fs/promises';
import { gearSpec } from '../src/jobs/types/container.ts';
import { renderUnit } from '../src/worker/domain/unit-file.ts';
import { listeningPorts } from '../src/worker/host/listening.ts';
import { ok } from '../test/support/run.ts';
import { unitHost } from '../test/support/some-gear.ts';

// The client that the units use; another one in PATH may be faster or slower.
const docker = '/usr/bin/docker';

/** Whoever does it by hand has to see it run, too: the container is there and listens. */
async function untilItListens(container: string): Promise<void> {
  for (;;) {
    const pid = await ok(docker, 'inspect', '--format', '{{.State.Pid}}', container).catch(() => '0');
    if (pid !== '0' && (await listeningPorts(Number(pid))).has(8080)) return;
  }
}

export async function dockerRun(name: string, port: number): Promise<void> {
  await ok(docker, 'run', '-d', '--init', '--name', name, '-p', `${port}:8080`, 'geard/sample');
}

export async function dockerRunAndSee(name: string, port: number): Promise<void> {
  await dockerRun(name, port);
  await untilItListens(name);
}

/** The very unit geard would write, written and started by hand. */
export async function unitByHand(resource: string, port: number): Promise<void> {
  const spec = gearSpec.parse({ image: 'geard/sample', ports: [{ internal: 8080, external: port }] });
  const unit = {
    ...{ resource, spec, ports: [{ internal: 8080, external: port }] },
    ...{ envTag: null, imageTag: null, pids: 1_024, logLines: 10_000, addresses: [], network: null },
  };
  await writeFile(unitPath(resource), renderUnit(unit, unitHost()));
  await ok('systemctl', 'start', `gear-${resource}`);
  await untilItListens(`gear-${resource}`);
}

export async function removeByHand(...resources: string[]): Promise<void> {
  await ok('systemctl', 'stop', ...resources.map((resource) => `gear-${resource}`));
  for (const resource of resources) await rm(unitPath(resource));
}

export const removeContainers = (...names: string[]) => ok(docker, 'rm', '--force', ...names);

const unitPath = (resource: string) => `/etc/systemd/system/gear-${resource}.service`;
