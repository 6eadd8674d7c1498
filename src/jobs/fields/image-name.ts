/**
 * The registry of images that geard makes on the host itself: no client can name them, and geard
 * pulls none of them (RFC 2606).
 */
export const ownRegistry = 'geard.invalid';

/**
 * The full name of the image in a valid reference, as Docker's own parser spells it out
 * (distribution/reference, ParseDockerRef). It contains a slash and a tag or digest, so that no
 * engine takes it for an id or the beginning of one.
 *
 * @example imageName('nginx') // docker.io/library/nginx:latest
 */
export function imageName(reference: string): string {
  const [named = '', digest] = reference.split('@');
  const [, name = '', tag = 'latest'] = /^(.+?)(?::([^:/]*))?$/.exec(named) ?? [];
  return `${withRegistry(name)}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

/** Whether the first of several parts of a reference names a registry (distribution/reference). */
export const isRegistryHost = (first: string) => /[.:A-Z]/.test(first) || first === 'localhost';

function withRegistry(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const isRegistry = rest.length > 0 && isRegistryHost(first);
  const registry = !isRegistry || first === 'index.docker.io' ? 'docker.io' : first;
  const path = isRegistry ? rest.join('/') : name;
  return registry === 'docker.io' && !path.includes('/')
    ? `docker.io/library/${path}`
    : `${registry}/${path}`;
}
