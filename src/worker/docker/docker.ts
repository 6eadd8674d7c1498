import type { Logger } from 'pino';
import { imageName } from '../../jobs/fields/image-name.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import { effect } from '../../lib/effect.ts';
import { followErrors } from './attach.ts';
import { DockerClient } from './dockerode.ts';
import { type ContainerEvent, followEvents } from './events.ts';
import { asDockerFailure, hasStatus, orNull } from './failures.ts';
import { type DockerNetworks, dockerNetworks } from './networks.ts';
import { type PullProgress, pullImage } from './pull.ts';

export type { ContainerEvent } from './events.ts';

export interface ContainerState {
  id: string;
  running: boolean;
  /** Of its first process, in the host's own numbering; 0 when it does not run. */
  pid: number;
  /** The image it was made from. */
  imageId: string;
}

export interface DockerImage {
  id: string;
  env: EnvironmentVariable[];
  /** What it was made from, as its maker here has noted it; null for an image that was not made here. */
  madeFrom: string | null;
}

/** What we want of the Docker engine. Throws a transient `host_unavailable` while it is away. */
export interface Docker extends DockerNetworks {
  /** The image that a reference names, or null; an id, or the beginning of one, names none. */
  image(reference: string): Promise<DockerImage | null>;
  /** Makes an image that differs from another one in its environment only: NAME=value each; `by` a container of this name. */
  makeImage(wanted: { image: string; from: string; env: string[]; gear: string; by: string }): Promise<void>;
  /** References of the images that `makeImage` has made for a gear; the id of one that has lost its name. */
  imagesOfGear(resource: string): Promise<string[]>;
  /** Removes an image if it is there; one that a container uses stays. */
  removeImage(image: string): Promise<void>;
  /**
   * Pulls an image. Throws `image_not_found`, or `registry_failed`: for good where the registry does not allow it,
   * transient where it cannot be reached.
   */
  pull(reference: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void>;
  container(name: string): Promise<ContainerState | null>;
  /** All containers whose name begins so, running or not, and the gear that each is labelled with. */
  containersNamed(beginning: string): Promise<{ name: string; gear: string | null }[]>;
  /** Reads what a running container writes to stderr from now on, until it ends or the signal aborts. */
  followErrors(name: string, onText: (text: string) => void, signal: AbortSignal): Promise<void>;
  /** Removes a container, running or not, if it is there, with the volumes that nobody has named; it is gone then. */
  removeContainer(name: string): Promise<void>;
  hasVolume(name: string): Promise<boolean>;
  /** Removes a volume if it is there; one that a container uses stays. */
  removeVolume(name: string): Promise<void>;
  /** Listens for what happens to containers of gears. Returns how to stop. */
  onContainerEvent(listener: (event: ContainerEvent) => void): () => void;
  close(): void;
}

/** Says of which gear a container or an image is. */
const gearLabel = 'geard.gear';
const madeFromLabel = 'geard.from';

/** Milliseconds one call may take. */
const callDeadline = 15_000;

export function createDocker({ socketPath, log }: { socketPath: string; log: Logger }): Docker {
  const calls = new DockerClient({ socketPath, timeout: callDeadline });
  const streams = new DockerClient({ socketPath });
  const events = followEvents(streams, log);
  return {
    ...dockerNetworks(calls),

    async image(reference) {
      const wanted = imageName(reference);
      const found = await orNull('image', () => calls.getImage(wanted).inspect(), wanted);
      const names = [...(found?.RepoTags ?? []), ...(found?.RepoDigests ?? [])];
      if (!found || !names.some((name) => imageName(name) === wanted)) return null;
      const env = (found.Config.Env ?? []).map((entry) => {
        const [name = '', ...value] = entry.split('=');
        return { name, value: value.join('=') };
      });
      return { id: found.Id, env, madeFrom: found.Config.Labels?.[madeFromLabel] ?? null };
    },

    async makeImage({ image, from, env, gear, by: name }) {
      try {
        const { Cmd, Entrypoint } = (await effect('docker.image', () => calls.getImage(from).inspect(), from))
          .Config;
        // Docker makes no container without a command; a gear of such an image names one itself.
        const command = Cmd?.length || Entrypoint?.length ? {} : { Cmd: ['-'] };
        await orNull(
          'removeContainer',
          () => calls.getContainer(name).remove({ force: true, v: true }),
          name,
        );
        const container = await effect('docker.createContainer', () =>
          calls.createContainer({ name, Image: from, ...command }),
        );
        try {
          const [repo, tag] = image.split(':');
          const config = { Env: env, Labels: { [gearLabel]: gear, [madeFromLabel]: from } };
          // What this does not say is taken from the container, which has it from the image.
          const query = { container: container.id, repo, tag, pause: false };
          await effect(
            'docker.commit',
            () => container.commit({ _query: query, _body: config } as object),
            image,
          );
        } finally {
          await effect('docker.removeContainer', () => container.remove({ force: true, v: true }), name);
        }
      } catch (error) {
        throw asDockerFailure(error);
      }
    },

    async imagesOfGear(resource) {
      const filters = { label: [`${gearLabel}=${resource}`] };
      const found = await orNull('imagesOfGear', () =>
        calls.listImages({ filters: JSON.stringify(filters) }),
      );
      return (found ?? []).flatMap(({ Id, RepoTags, RepoDigests, Labels }) => {
        const named = (all: string[] | undefined) => (all ?? []).filter((name) => !name.startsWith('<none>'));
        if (named(RepoTags).length > 0 || named(RepoDigests).length > 0) return named(RepoTags);
        return Labels?.[madeFromLabel] ? [Id] : []; // Others may be of an operator's.
      });
    },

    removeImage: (image) => unlessInUse(orNull('removeImage', () => calls.getImage(image).remove(), image)),

    pull: (reference, onProgress, signal) =>
      effect(
        'docker.pull',
        () => pullImage({ docker: streams, log }, reference, onProgress, signal),
        reference,
      ),

    async container(name) {
      const found = await orNull('container', () => calls.getContainer(name).inspect(), name);
      return (
        found && { id: found.Id, running: found.State.Running, pid: found.State.Pid, imageId: found.Image }
      );
    },

    async containersNamed(beginning) {
      const filters = JSON.stringify({ name: [`^/?${beginning}`] });
      const found = await orNull('containersNamed', () => calls.listContainers({ all: true, filters }));
      return (found ?? []).map(({ Names, Labels }) => ({
        name: (Names[0] ?? '').replace(/^\//, ''),
        gear: Labels[gearLabel] ?? null,
      }));
    },

    followErrors: (name, onText, signal) => followErrors(streams, name, onText, signal),

    async removeContainer(name) {
      const container = calls.getContainer(name);
      try {
        await orNull('removeContainer', () => container.remove({ force: true, v: true }), name);
      } catch (error) {
        // Somebody else is at it already, which is just as well once it is done.
        if (!hasStatus((error as Error).cause, 409)) throw error;
        await orNull('waitRemoved', () => container.wait({ condition: 'removed' }), name);
      }
    },

    hasVolume: async (name) => (await orNull('volume', () => calls.getVolume(name).inspect(), name)) !== null,

    removeVolume: (name) => unlessInUse(orNull('removeVolume', () => calls.getVolume(name).remove(), name)),

    onContainerEvent: events.listen,
    close: events.close,
  };
}

async function unlessInUse(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!hasStatus((error as Error).cause, 409)) throw error;
  }
}
