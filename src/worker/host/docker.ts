import Dockerode from 'dockerode';
import type { Logger } from 'pino';
import { type ContainerEvent, followEvents } from './docker-events.ts';
import { asDockerFailure, hasStatus } from './docker-failures.ts';
import { type PullProgress, pullImage } from './docker-pull.ts';

export type { ContainerEvent } from './docker-events.ts';

export interface ContainerState {
  id: string;
  running: boolean;
  /** Of its first process, in the host's own numbering; 0 when it does not run. */
  pid: number;
  /** The image it was made from. */
  imageId: string;
}

/** What we want of the Docker engine. Throws a transient `host_unavailable` while it is away. */
export interface Docker {
  /** The image with this reference on the host, or null. */
  image(reference: string): Promise<{ id: string } | null>;
  /**
   * Pulls an image. Throws `image_not_found`, or `registry_failed`: for good where the registry does not allow it,
   * transient where it cannot be reached.
   */
  pull(reference: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void>;
  container(name: string): Promise<ContainerState | null>;
  /** Removes a container, running or not, if it is there. */
  removeContainer(name: string): Promise<void>;
  /** Listens for what happens to containers of gears. Returns how to stop. */
  onContainerEvent(listener: (event: ContainerEvent) => void): () => void;
  close(): void;
}

/** Milliseconds one call may take. */
const callDeadline = 15_000;

export function createDocker({ socketPath, log }: { socketPath: string; log: Logger }): Docker {
  const calls = new Dockerode({ socketPath, timeout: callDeadline });
  const streams = new Dockerode({ socketPath });
  const events = followEvents(streams, log);
  return {
    async image(reference) {
      const found = await orNull(() => calls.getImage(reference).inspect());
      return found && { id: found.Id };
    },

    pull: (reference, onProgress, signal) => pullImage(streams, reference, onProgress, signal),

    async container(name) {
      const found = await orNull(() => calls.getContainer(name).inspect());
      return (
        found && { id: found.Id, running: found.State.Running, pid: found.State.Pid, imageId: found.Image }
      );
    },

    async removeContainer(name) {
      try {
        await orNull(() => calls.getContainer(name).remove({ force: true }));
      } catch (error) {
        // Somebody else is at it already, which is just as well.
        if (!hasStatus((error as Error).cause, 409)) throw error;
      }
    },

    onContainerEvent: events.listen,
    close: events.close,
  };
}

/** The answer, or null where Docker does not know the thing. */
async function orNull<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (hasStatus(error, 404)) return null;
    throw asDockerFailure(error);
  }
}
