import type Dockerode from 'dockerode';
import { z } from 'zod';
import type { EngineFacts } from '../engine/engine.ts';
import { orNull } from './failures.ts';

const info = z.object({ DockerRootDir: z.string() });
const versions = z.object({ Version: z.string(), ApiVersion: z.string() });

/** The API version of Docker 20.10, whose `docker run` is the first to support --pull. */
const [major, minor] = [1, 41];

export async function aboutDocker(calls: Dockerode): Promise<EngineFacts> {
  const { DockerRootDir: root } = info.parse(await orNull('info', () => calls.info()));
  const { Version, ApiVersion } = versions.parse(await orNull('version', () => calls.version()));
  const [first = 0, second = 0] = ApiVersion.split('.').map(Number);
  const isNewEnough = first > major || (first === major && second >= minor);
  return { version: `${Version} (API ${ApiVersion})`, isNewEnough, root };
}
