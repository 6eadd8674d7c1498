import { Failure } from '../../jobs/errors.ts';
import type { PublishedPort } from '../../jobs/types/container.ts';

/** The range of external ports to allocate when none is requested. */
export const allocated = { first: 4000, last: 60_000 } as const;

/**
 * Chooses the external port for each internal one: the requested one, else its current one, else
 * the lowest usable one. No port takes the current one of another. Throws `ports_exhausted`.
 */
export function choosePorts(
  wanted: { internal: number; external?: number | undefined }[],
  current: PublishedPort[],
  unusable: (external: number) => boolean,
): PublishedPort[] {
  const used = new Set(wanted.flatMap(({ external }) => external || []));
  const take = (port: number) => {
    if (used.has(port) || unusable(port)) return null;
    used.add(port);
    return port;
  };
  const keep = (internal: number) => {
    const kept = current.find((port) => port.internal === internal);
    return kept === undefined ? null : take(kept.external);
  };
  const allocate = () => {
    for (let port = allocated.first; port <= allocated.last; port++) if (take(port) !== null) return port;
    throw new Failure(
      'ports_exhausted',
      `no external port from ${allocated.first} to ${allocated.last} that the host may publish is free; remove a gear, name another host, or allow more ports with --publish-ports`,
    );
  };
  const first = wanted.map(({ internal, external }) => external || keep(internal));
  return wanted.map(({ internal }, i) => ({ internal, external: first[i] ?? allocate() }));
}
