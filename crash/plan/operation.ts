/** What a client can ask for. */
export type Operation = {
  /** The request id. */ id: string /** What it is about. */;
  name: string;
} /** `createOnly`: only where there is no such gear. */ & (
  | { kind: 'install'; spec: Spec; start: boolean; createOnly: boolean }
  /** `copy` makes a repository as a copy of `copied`. */
  | { kind: 'start' | 'stop' | 'restart' | 'remove' | 'repository' | 'copy' | 'log' }
  /** Their name is a host's. */
  | { kind: HostOperationKind }
  | { kind: 'replace' | 'merge'; env: Record<string, string> }
  /** `target` is the request id of an operation of the same round. */
  | { kind: 'cancel'; target: string }
);
export type OperationKind = Operation['kind'];
export type HostOperationKind = 'drain' | 'undrain' | 'repair';

/** What a gear is to be. */
export interface Spec {
  /** A value that no other installation has, in a variable of the gear's own environment. */
  mark: string;
  /** Asks for the external port; 0: any; null: none. */
  port: number | null;
  environment: string | null;
  /** The name of a Docker volume. */
  volume: string | null;
  /** Its process ends at once, so that the installation has to be taken back. */
  fails: boolean;
}

/** The repository that others are copied from; it has a commit. */
export const copied = 'calm-git';
/** What a copy is called, so that it can be told that it must have a commit. */
export const copyName = (name: string) => `${name}-copy`;
export const isCopy = (name: string) => name.endsWith('-copy');

export const image = 'geard/sample';
/** What the sample image listens on. */
const internalPort = 8080;

/** The operations that become a job; the others are answered at once. */
export const becomesJob = ({ kind }: Operation) => kind !== 'log' && kind !== 'cancel';

/** Whether it works on a host as a whole. */
export const isOnHost = ({ kind }: Operation) => kind === 'drain' || kind === 'undrain' || kind === 'repair';

/** What the line is on which an operation waits for others. */
export function resourceOf(operation: Operation): string {
  const { kind, name } = operation;
  if (isOnHost(operation)) return `host ${name}`;
  if (kind === 'repository' || kind === 'copy') return `repository ${name}`;
  return kind === 'replace' || kind === 'merge' ? `environment ${name}` : `gear ${name}`;
}

export interface HttpRequest {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
}

const query = (parameters: Record<string, string>) => `u=0&${new URLSearchParams(parameters)}`;

/** The request of an operation, always the same. */
export function requestOf(operation: Operation): HttpRequest {
  const { id, name } = operation;
  const send = (method: string, path: string, more: Record<string, string> = {}, body?: unknown) => ({
    ...{ method, path: `/token/__test__/${path}?${query({ r: name, i: id, ...more })}` },
    ...(body === undefined ? {} : { body }),
  });
  switch (operation.kind) {
    case 'install':
      return {
        ...send('PUT', 'container', { t: image }, bodyOf(operation.spec, operation.start)),
        ...(operation.createOnly ? { headers: { 'if-none-match': '*' } } : {}),
      };
    case 'start':
      return send('PUT', 'container/started');
    case 'stop':
      return send('PUT', 'container/stopped');
    case 'restart':
      return send('PUT', 'container/restarted');
    case 'remove':
      return send('DELETE', 'container');
    case 'repository':
      return send('PUT', 'repository');
    case 'copy':
      return send('PUT', 'repository', { t: `gear://${copied}` });
    case 'replace':
      return send('PUT', 'environment', {}, { env: variables(operation.env) });
    case 'merge':
      return send('PATCH', 'environment', {}, { env: variables(operation.env) });
    case 'drain':
      return toHost(id, 'host/draining', name);
    case 'undrain':
      return toHost(id, 'host/live', name);
    case 'repair':
      return toHost(id, 'host/repaired', name);
    case 'cancel':
      return { method: 'DELETE', path: `/token/__test__/job/${operation.target}` };
    case 'log':
      return send('GET', 'container/log', { for: '20' });
  }
}

const toHost = (i: string, path: string, h: string): HttpRequest => ({
  method: 'PUT',
  path: `/token/__test__/${path}?${query({ h, i })}`,
});

const variables = (env: Record<string, string>) =>
  Object.entries(env).map(([name, value]) => ({ name, value }));

function bodyOf({ mark, port, environment, volume, fails }: Spec, start: boolean) {
  return {
    ports: port === null ? [] : [{ internal: internalPort, ...(port > 0 ? { external: port } : {}) }],
    env: [{ name: 'MARK', value: mark }],
    ...(environment === null ? {} : { environment }),
    ...(volume === null ? {} : { volumes: [{ name: volume, path: '/data' }] }),
    ...(fails ? { command: ['false'] } : {}),
    start,
  };
}

/** One readable line. */
export function tell(operation: Operation): string {
  const { kind, name, id } = operation;
  const what = { ...operation, kind: undefined, name: undefined, id: undefined };
  const more = JSON.stringify(what);
  return `${kind} ${name} i=${id.slice(0, 8)}…${more === '{}' ? '' : ` ${more}`}`;
}
