import type { Logger } from 'pino';
import type { ContainerEngine } from '../engine/engine.ts';
import { aboutDocker } from './about.ts';
import { dockerCommands } from './commands.ts';
import { dockerContainers } from './containers.ts';
import { DockerClient } from './dockerode.ts';
import { followEvents } from './events.ts';
import { orNull, unlessInUse } from './failures.ts';
import { dockerImages } from './images/images.ts';
import { dockerNetworks } from './networks.ts';

/** Timeout for one call, in milliseconds. */
const callDeadline = 15_000;

export function createDocker({ socketPath, log }: { socketPath: string; log: Logger }): ContainerEngine {
  const calls = new DockerClient({ socketPath, timeout: callDeadline });
  const streams = new DockerClient({ socketPath });
  const events = followEvents(streams, log);
  const containers = dockerContainers(calls, streams);
  return {
    ...dockerCommands,
    ...containers,
    ...dockerImages(calls, streams, containers.removeContainer),
    ...dockerNetworks(calls),
    clientEnv: { DOCKER_HOST: `unix://${socketPath}` },
    onContainerEvent: events.listen,
    about: () => aboutDocker(calls),
    close: events.close,

    hasVolume: async (name) => (await orNull('volume', () => calls.getVolume(name).inspect(), name)) !== null,
    removeVolume: (name) => unlessInUse(orNull('removeVolume', () => calls.getVolume(name).remove(), name)),
  };
}
