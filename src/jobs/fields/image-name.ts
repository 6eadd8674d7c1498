/**
 * Images below this registry are made by geard on the host itself: nobody can name them, and none
 * is pulled (RFC 2606).
 */
export const ownRegistry = 'geard.invalid';

/**
 * An image as a reference names it: `docker.io/library/nginx:1.27`, or with a digest in place of
 * the tag.
 */
export type ImageName = string;

/**
 * What a valid reference names, spelled out as Docker's own parser does (distribution/reference,
 * ParseDockerRef). It holds a slash and a tag or digest, so that no engine takes it for an id or
 * the beginning of one.
 *
 * @example imageName('nginx') // docker.io/library/nginx:latest
 */
export function imageName(reference: string): ImageName {
  const [named = '', digest] = reference.split('@');
  const [, name = '', tag = 'latest'] = /^(.+?)(?::([^:/]*))?$/.exec(named) ?? [];
  return `${withRegistry(name)}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

function withRegistry(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const isRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost' || /[A-Z]/.test(first));
  const registry = !isRegistry || first === 'index.docker.io' ? 'docker.io' : first;
  const path = isRegistry ? rest.join('/') : name;
  return registry === 'docker.io' && !path.includes('/')
    ? `docker.io/library/${path}`
    : `${registry}/${path}`;
}
