import type { Failure } from '../../jobs/errors.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';

/**
 * geard's interface to a container engine. Each engine has a folder that implements it; no other
 * code knows the engine's commands, exit statuses, labels and messages. Calls throw a transient
 * `host_unavailable` while the engine is away.
 */
export interface ContainerEngine extends EngineCommands, EngineContainers, EngineImages, EngineNetworks {
  /** Variables that lead the engine's own client, run by our programs, to this engine. */
  readonly clientEnv: Record<string, string>;
  about(): Promise<EngineFacts>;
  /** Listens for events of gears' containers. Returns a function that stops it. */
  onContainerEvent(listener: (event: ContainerEvent) => void): () => void;
  hasVolume(name: string): Promise<boolean>;
  /** Removes a volume if it exists; a volume that a container uses stays. */
  removeVolume(name: string): Promise<void>;
  close(): void;
}

/** Facts that an engine reports about itself. */
export interface EngineFacts {
  version: string;
  /** Whether it supports everything that geard uses. */
  isNewEnough: boolean;
  /** The directory of its images and volumes. */
  root: string;
}

/**
 * The commands with which units of systemd run containers. All of them are constant: the text of a
 * gear's unit contains them, and a different text restarts the gear at its next installation.
 */
export interface EngineCommands {
  /** The engine's name, for people. */
  readonly name: string;
  /** The unit of the engine's daemon. Units of containers require it, and it starts gears. */
  readonly service: string;
  /** Runs a container in the foreground and ends with the exit status of its process. */
  runCommand(container: ContainerRun): string[];
  /** Ends a container's process with SIGTERM, or with SIGKILL after a timeout in seconds. */
  stopCommand(name: string, seconds: number): string[];
  /** Removes a container as `removeContainer` does. */
  removeCommand(name: string): string[];
  /**
   * Explains the end of `runCommand` by its exit status and last messages. Returns a failure if the
   * container is not the cause, a sentence if the container could not be run, and null if its own
   * process ended with this status.
   */
  explainExit(status: number, said: readonly string[]): Failure | string | null;
  /** Whether a message is by the client itself; the process in the container writes the others. */
  isByClient(line: string): boolean;
  /** A line of a gear that did not start, as its user sees it: without directories of the host. */
  shownLine(line: string): string;
}

/** A container for a unit to run. Its image must exist. The engine removes it at its end. */
export interface ContainerRun {
  name: string;
  /** The gear or the job that owns it. */
  owner: { gear: string } | { job: string };
  image: string;
  /** Replaces the image's own program. */
  entrypoint?: string;
  command: readonly string[];
  /** Capabilities (capabilities(7)) of root inside, without CAP_; it never gets any others. */
  capabilities?: readonly string[];
  user?: { uid: number; gid: number };
  /** Makes its files read-only, except volumes and a /tmp in memory of this size, such as 16m. */
  readOnlyExceptTmp?: string;
  /** Maximum number of processes and threads. */
  pids: number;
  /** Bytes. */
  memory?: number | undefined;
  /** Whether it may use swap space beyond its memory; default: yes. */
  swap?: boolean;
  cpus?: number | undefined;
  /** Maximum size of a file in bytes; also disables core dumps. */
  fileBytes?: number;
  /**
   * A network's name, `host`, `none` or `bridge`; default: `bridge`, the engine's default network.
   */
  network?: string | undefined;
  /** Another name for it, for the other containers in its network. */
  alias?: string | undefined;
  /** Names that it can resolve, with their addresses. If set, it queries no DNS server. */
  hosts?: readonly (readonly [name: string, address: string])[] | undefined;
  /** Published ports. `address`: where on the host; default: everywhere. */
  ports?: readonly { address?: string; external: number; internal: number }[];
  /** Paths of files from `renderEnvFile`; of two variables with one name the later counts. */
  envFiles?: readonly string[];
  /** Variables as NAME=value; anyone can see them. */
  env?: readonly string[];
  /** Named volumes, created if missing, or directories of the host. */
  volumes?: readonly { from: string; path: string }[];
  /** Its working directory. */
  directory?: string;
}

export interface EngineContainers {
  container(name: string): Promise<ContainerState | null>;
  /** All containers whose names begin with a prefix, running or not, and the gear of each. */
  containersNamed(beginning: string): Promise<{ name: string; gear: string | null }[]>;
  /** Reads the new stderr output of a running container until it ends or the signal aborts. */
  followErrors(name: string, onText: (text: string) => void, signal: AbortSignal): Promise<void>;
  /**
   * Removes a container, running or not, with its anonymous volumes, if it exists. It is gone when
   * this resolves.
   */
  removeContainer(name: string): Promise<void>;
}

export interface ContainerState {
  id: string;
  running: boolean;
  /** PID of its first process on the host; 0 when it does not run. */
  pid: number;
  /** The image that it was made from, and the name by which it was run. */
  imageId: string;
  image: string;
  /** The gear that it was made for; null: it is not of ours. */
  gear: string | null;
}

export interface ContainerEvent {
  id: string;
  /** The container's name. */
  name: string;
  action: 'start' | 'die' | 'destroy';
}

export interface EngineImages {
  /** The image of a reference, or null; an id, or the beginning of one, matches no image. */
  image(reference: string): Promise<EngineImage | null>;
  /**
   * Pulls an image. Throws `image_not_found`, or `registry_failed`: final if the registry does not
   * allow the pull, transient if it cannot be reached. Throws the signal's reason.
   */
  pull(reference: string, onProgress: (progress: PullProgress) => void, signal: AbortSignal): Promise<void>;
  /**
   * Makes an image for a gear that differs from another image only in its environment (NAME=value).
   */
  makeImage(wanted: { image: string; from: string; env: string[]; gear: string }): Promise<void>;
  /** Removes a gear's images from `makeImage`, except one; an image in use stays. */
  removeImages(gear: string, except: string | null): Promise<void>;
}

export interface EngineImage {
  id: string;
  env: EnvironmentVariable[];
  /** Its source, as geard noted it when it made the image; null when geard did not make it. */
  madeFrom: string | null;
}

export interface PullProgress {
  message: string;
  /** 0 to 100, never decreasing. */
  percent: number;
}

export interface EngineNetworks {
  networks(): Promise<EngineNetwork[]>;
  /**
   * Makes a network, with a bridge of this name; returns false when the engine has a network of
   * this name, or uses the addresses or the bridge's name for another one.
   */
  createNetwork(wanted: { name: string; bridge: string; subnet: string }): Promise<boolean>;
  /** Removes a network of ours if it exists; a network that a container uses stays. */
  removeNetwork(name: string): Promise<void>;
}

export interface EngineNetwork {
  name: string;
  /** In CIDR notation, IPv4 and IPv6. */
  subnets: string[];
  /** Whether geard has made it. */
  ours: boolean;
}
