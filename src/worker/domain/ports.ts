import { Failure } from '../../jobs/errors.ts';
import type { PublishedPort } from '../../jobs/types/container.ts';

/** The range of external ports to allocate when none is requested. */
export const allocated = { first: 4000, last: 60_000 } as const;

/**
 * Chooses the external port for each internal one: the requested one, else its current one, else
 * the lowest usable one. Throws `ports_exhausted`.
 */
export function choosePorts(
  wanted: { internal: number; external?: number | undefined }[],
  current: PublishedPort[],
  unusable: (external: number) => boolean,
): PublishedPort[] {
  const asked = new Set(wanted.map(({ external }) => external || null));
  const used = new Set<number>();
  const isFree = (port: number) => !asked.has(port) && !used.has(port) && !unusable(port);
  const allocate = (internal: number) => {
    const kept = current.find((port) => port.internal === internal)?.external;
    if (kept !== undefined && isFree(kept)) return kept;
    for (let port = allocated.first; port <= allocated.last; port++) if (isFree(port)) return port;
    throw new Failure(
      'ports_exhausted',
      `no external port from ${allocated.first} to ${allocated.last} that the host may publish is free; remove a gear, name another host, or allow more ports with --publish-ports`,
    );
  };
  return wanted.map(({ internal, external }) => {
    const port = external || allocate(internal);
    used.add(port);
    return { internal, external: port };
  });
}
