import type { Failure } from '../../jobs/errors.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';

/**
 * What geard wants of a container engine. The folder of an engine implements it, and nothing
 * else knows that engine's commands, exit statuses, labels and messages. Calls throw a transient
 * `host_unavailable` while the engine is away.
 */
export interface ContainerEngine
  extends EngineCommands,
    EngineContainers,
    EngineImages,
    EngineNetworks,
    EngineVolumes {
  /** Variables with which the engine's own client, run by a program of ours, finds this engine. */
  readonly clientEnv: Record<string, string>;
  about(): Promise<EngineFacts>;
  close(): void;
}

/** What an engine says of itself. */
export interface EngineFacts {
  version: string;
  /** Whether it has all that geard uses of it. */
  isNewEnough: boolean;
  /** The directory of its images and volumes. */
  root: string;
}

/**
 * How units of systemd run containers. All of it is constant: the text of a gear's unit is made
 * of it, and another text restarts the gear at its next installation.
 */
export interface EngineCommands {
  /** What people call the engine. */
  readonly name: string;
  /** The unit of the engine's daemon. Units of containers require it, and it starts gears. */
  readonly service: string;
  /** Runs a container in the foreground and ends with the exit status of its process. */
  runCommand(container: ContainerRun): string[];
  /** Ends a container's process by SIGTERM, or by SIGKILL after so many seconds. */
  stopCommand(name: string, seconds: number): string[];
  /** Removes a container as `removeContainer` does. */
  removeCommand(name: string): string[];
  /**
   * Why `runCommand` has ended, by its exit status and what it said last: a failure where that has
   * nothing to do with the container, or a sentence where it could not be run. Null where its own
   * process has ended so.
   */
  explainExit(status: number, said: readonly string[]): Failure | string | null;
}

/** A container that a unit runs. Its image must be there. It is removed when it has ended. */
export interface ContainerRun {
  name: string;
  /** The gear or the job that it belongs to. */
  owner: { gear: string } | { job: string };
  image: string;
  /** Instead of the program that the image names. */
  entrypoint?: string;
  command: readonly string[];
  /** Capabilities (capabilities(7)) of root inside, without CAP_; it gets no others, ever. */
  capabilities?: readonly string[];
  user?: { uid: number; gid: number };
  /**
   * Its files cannot be changed, but for volumes and a /tmp in memory of this size, such as 16m.
   */
  readOnlyExceptTmp?: string;
  /** Processes and threads that it may have. */
  pids: number;
  /** Bytes. */
  memory?: number | undefined;
  /** Whether it may use swap space beyond its memory; default: yes. */
  swap?: boolean;
  cpus?: number | undefined;
  /** Bytes that one file may have; there are no core dumps then. */
  fileBytes?: number;
  /**
   * A network's name, `host`, `none`, or `bridge`: the engine's default, as where none is named.
   */
  network?: string | undefined;
  /** Another name that it has for the others in its network. */
  alias?: string | undefined;
  /** Names that it can resolve, and their addresses. It asks no DNS server where this is set. */
  hosts?: readonly (readonly [name: string, address: string])[] | undefined;
  /** `address`: where it is published on the host; default: everywhere. */
  ports?: readonly { address?: string; external: number; internal: number }[];
  /** Paths of files as `renderEnvFile` writes them; of two with the same name the later counts. */
  envFiles?: readonly string[];
  /** NAME=value each; anyone can see them. */
  env?: readonly string[];
  /** Named volumes, which are made where they are not there, or directories of the host. */
  volumes?: readonly { from: string; path: string }[];
  /** Its working directory. */
  directory?: string;
}

export interface EngineContainers {
  container(name: string): Promise<ContainerState | null>;
  /** All containers whose name begins so, running or not, and the gear that each belongs to. */
  containersNamed(beginning: string): Promise<{ name: string; gear: string | null }[]>;
  /** Reads what a running container writes to stderr from now on, until it ends or is aborted. */
  followErrors(name: string, onText: (text: string) => void, signal: AbortSignal): Promise<void>;
  /**
   * Removes a container, running or not, if it is there, with the volumes that nobody has named.
   * It is gone then.
   */
  removeContainer(name: string): Promise<void>;
  /** Listens for what happens to containers of gears. Returns how to stop. */
  onContainerEvent(listener: (event: ContainerEvent) => void): () => void;
}

export interface ContainerState {
  id: string;
  running: boolean;
  /** Of its first process, in the host's own numbering; 0 when it does not run. */
  pid: number;
  /** The image that it was made from. */
  imageId: string;
}

export interface ContainerEvent {
  id: string;
  /** The container's name. */
  name: string;
  action: 'start' | 'die' | 'destroy';
}

export interface EngineImages {
  /** The image that a reference names, or null; an id, or the beginning of one, names none. */
  image(reference: string): Promise<EngineImage | null>;
  /**
   * Pulls an image. Throws `image_not_found`, or `registry_failed`: for good where the registry
   * does not allow it, transient where it cannot be reached. Throws the signal's reason.
   */
  pull(reference: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void>;
  /**
   * Makes an image for a gear that differs from another one in its environment only: NAME=value
   * each.
   */
  makeImage(wanted: { image: string; from: string; env: string[]; gear: string }): Promise<void>;
  /** Removes what `makeImage` has made for a gear, but for one image; one that is used stays. */
  removeImages(gear: string, except: string | null): Promise<void>;
}

export interface EngineImage {
  id: string;
  env: EnvironmentVariable[];
  /** What it was made from, as its maker here has noted it; null where it was not made here. */
  madeFrom: string | null;
}

export interface PullProgress {
  message: string;
  /** 0 to 100, never falling. */
  percent: number;
}

export interface EngineNetworks {
  networks(): Promise<EngineNetwork[]>;
  /**
   * Makes a network, and a bridge of this name for it; false where the engine has given the
   * addresses or the name to another one.
   */
  createNetwork(wanted: { name: string; bridge: string; subnet: string }): Promise<boolean>;
  /** Removes a network of ours if it is there; one that a container uses stays. */
  removeNetwork(name: string): Promise<void>;
}

export interface EngineNetwork {
  name: string;
  /** In CIDR notation, of both families. */
  subnets: string[];
  /** Whether geard has made it. */
  ours: boolean;
}

export interface EngineVolumes {
  hasVolume(name: string): Promise<boolean>;
  /** Removes a volume if it is there; one that a container uses stays. */
  removeVolume(name: string): Promise<void>;
}
