import type { Logger } from 'pino';
import type { ContainerEngine } from '../engine/engine.ts';
import { aboutDocker } from './about.ts';
import { dockerCommands } from './commands.ts';
import { dockerContainers } from './containers.ts';
import { createCallClient, DockerClient } from './dockerode.ts';
import { followEvents } from './events.ts';
import { orNull, unlessInUse } from './failures.ts';
import { dockerImages } from './images/images.ts';
import { dockerNetworks } from './networks.ts';

interface DockerOptions {
  socketPath: string;
  log: Logger;
  /** Timeout for one call without a stream, in milliseconds; see `longAttempt` in jobs/retry.ts. */
  callDeadline?: number;
}

export function createDocker({ socketPath, log, callDeadline = 15_000 }: DockerOptions): ContainerEngine {
  const calls = createCallClient(socketPath, callDeadline);
  // For the removal of a container, which takes as long as its layer is large.
  const removals = createCallClient(socketPath, 4 * callDeadline);
  const streams = new DockerClient({ socketPath });
  const events = followEvents(streams, log);
  const containers = dockerContainers(calls, streams, removals);
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
