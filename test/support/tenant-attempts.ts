/** What belongs to the tenant who is attacked, as the attacker could know or guess it. */
export interface Victim {
  user: string;
  gear: string;
  /** A gear whose installation is running. */
  slow: string;
  repository: string;
  environment: string;
  network: string;
  host: string;
  /** Ids of jobs. */
  finished: string;
  running: string;
  queued: string;
  /** The Idempotency-Key of a job. */
  key: string;
}

/** One request of the attacker's. */
export interface Attempt {
  what: string;
  method: string;
  /** Behind the token, as it goes over the wire. */
  target: string;
  /** Which of the attacker's tokens it takes. */
  token: TokenName;
  /** The token goes into a header and not into the path. */
  bearer?: true;
  headers?: Record<string, string>;
  body?: string;
  /** The answer tells that there is such a thing, as docs/security.md says: ids are one namespace. */
  tells?: true;
}

/** All that the attacker has: for the names of his team, for one of them, and with the user or the actions left open or not. */
export const attackersTokens = {
  team: { u: 'a', r: 'team-a-*' },
  anyUser: { r: 'team-a-*' },
  oneName: { u: 'a', r: 'team-a-web' },
  allActions: { u: 'a', r: 'team-a-*', a: ['*.*'] },
};
export type TokenName = keyof typeof attackersTokens;

let nextId = 0xa0000000;
const id = () => (nextId++).toString(16);
const seen = (method: string, target: string, more: Partial<Attempt> = {}): Attempt => ({
  ...{ what: `${method} ${target}`, method, target, token: 'team' },
  ...more,
});
const json = (value: unknown) => ({ body: JSON.stringify(value) });
const variables = json({ env: [{ name: 'SECRET', value: 'B-TAMPERED' }] });

/** Every route on what is the victim's, named outright. */
function routes(v: Victim): Attempt[] {
  const changes: [method: string, path: string, query: string, more?: Partial<Attempt>][] = [
    ['PUT', 'container', `r=${v.gear}&t=geard/sample`],
    ['PUT', 'container/started', `r=${v.gear}`],
    ['PUT', 'container/stopped', `r=${v.gear}`],
    ['PUT', 'container/restarted', `r=${v.gear}`],
    ['DELETE', 'container', `r=${v.gear}`],
    ['PUT', 'repository', `r=${v.repository}`],
    ['PUT', 'environment', `r=${v.environment}`, variables],
    ['PATCH', 'environment', `r=${v.environment}`, variables],
    ['PUT', 'host/draining', `h=${v.host}`],
    ['PUT', 'host/live', `h=${v.host}`],
    ['PUT', 'host/repaired', `h=${v.host}`],
  ];
  const reads: [method: string, path: string, query: string][] = [
    ['GET', 'container', `r=${v.gear}`],
    ['GET', 'containers', `r=${v.gear}`],
    ['GET', 'container/log', `r=${v.gear}&for=0`],
    ['PUT', 'container/log', `r=${v.gear}&for=0`],
    ['GET', 'content', `t=gitarchive&r=${v.repository}`],
    ['GET', 'content/main', `t=gitarchive&r=${v.repository}&format=tar.gz`],
    ['GET', 'content', `t=env&r=${v.environment}`],
    ['GET', 'jobs', `r=${v.gear}`],
    ['GET', `job/${v.finished}`, ''],
    ['GET', `job/${v.finished}/log`, ''],
    ['DELETE', `job/${v.running}`, ''],
    ['GET', 'drift', `h=${v.host}`],
    ['DELETE', 'host', `h=${v.host}`],
    ['GET', 'hosts', ''],
    ['GET', 'whoami', `r=${v.gear}`],
  ];
  const by = (token: TokenName, query: string, more: Partial<Attempt>) => [
    ...changes.map(([method, path, own, rest]) =>
      seen(method, `${path}?${own}&i=${id()}${query}`, { token, ...rest, ...more }),
    ),
    ...reads.map(([method, path, own]) => seen(method, `${path}?${own}${query}`, { token, ...more })),
  ];
  return [
    ...by('team', '&u=a', {}),
    ...by('anyUser', `&u=${v.user}`, { bearer: true }),
    ...by('oneName', '&u=a', { headers: { 'X-HTTP-Method-Override': 'DELETE' } }),
  ];
}

/** Other ways to write the victim's name. */
function spellings(v: Victim): Attempt[] {
  const own = 'team-a-web';
  const queries = [
    `r=${own}&r=${v.gear}`,
    `r=${v.gear}&r=${own}`,
    `r=${own}&R=${v.gear}`,
    `r[]=${v.gear}`,
    `r[0]=${own}&r[1]=${v.gear}`,
    `r=${own}&%72=${v.gear}`,
    `r=${v.gear.replaceAll('-', '%2D')}`,
    `r=${own}%26r=${v.gear}`,
    `r=${own};r=${v.gear}`,
    `r=${own}%00${v.gear}`,
    `r=${own}%0a${v.gear}`,
    `r=${own},${v.gear}`,
    `r=${own}/../${v.gear}`,
    `r=${own}%2f..%2f${v.gear}`,
    `r=team-a-../${v.gear}`,
    `r=${v.gear.toUpperCase()}`,
    `r=${v.gear}.service`,
    `r=${v.gear}%20`,
    `r=%E2%80%8B${v.gear}`,
    `r=team-a-%2A${v.gear}`,
    'r=team-*',
    'r=*',
    'r=',
    `__proto__[r]=${v.gear}`,
  ];
  return queries.flatMap((query) => [
    seen('GET', `container?${query}`),
    seen('PUT', `container/stopped?${query}&u=a&i=${id()}`),
  ]);
}

/** Other ways to write a path or a method. */
function paths(v: Victim): Attempt[] {
  const gets = [
    `container/../container?r=${v.gear}`,
    `/container?r=${v.gear}`,
    `container/?r=${v.gear}`,
    `CONTAINER?r=${v.gear}`,
    `container%2flog?r=${v.gear}&for=0`,
    `container/${v.gear}`,
    `container?r=team-a-web/container?r=${v.gear}`,
    `content/..%2f${v.repository}%2fmain?t=gitarchive&r=team-a-git`,
    `content/../${v.repository}?t=gitarchive&r=team-a-git`,
    `content/%2e%2e?t=gitarchive&r=team-a-git`,
    `content/--remote=${v.repository}?t=gitarchive&r=team-a-git`,
    `content/--git-dir=${v.repository}?t=gitarchive&r=team-a-git`,
    `content/main:..%2f${v.repository}?t=gitarchive&r=team-a-git`,
    `content/refs%2fheads%2f..%2f..%2f..%2f${v.repository}?t=gitarchive&r=team-a-git`,
  ];
  const methods = ['HEAD', 'POST', 'OPTIONS', 'TRACE', 'PROPFIND'];
  return [
    ...gets.map((target) => seen('GET', target)),
    ...methods.map((method) => seen(method, `container?r=${v.gear}`)),
    seen('GET', 'container?r=team-a-web', { headers: { 'X-Original-URL': `/container?r=${v.gear}` } }),
    seen('GET', 'container?r=team-a-web', { headers: { 'X-Rewrite-URL': `/container?r=${v.gear}` } }),
    seen('PUT', `container/stopped?r=${v.gear}&u=a&i=${id()}`, {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: 'r=team-a-web',
    }),
  ];
}

/** What tells of jobs, ends them, or comes in their place. */
function jobs(v: Victim): Attempt[] {
  const events = { Accept: 'text/event-stream', 'Last-Event-ID': '0' };
  const each = [v.finished, v.running, v.queued].flatMap((job) => [
    seen('GET', `job/${job}`, { token: 'anyUser' }),
    seen('GET', `job/${job.toUpperCase()}?u=${v.user}`, { token: 'anyUser' }),
    seen('GET', `job/${job}?wait=5`, { token: 'allActions' }),
    seen('GET', `job/${job}`, { headers: { Prefer: 'wait=5' } }),
    seen('GET', `job/${job}/log`, { token: 'allActions', headers: events }),
    seen('DELETE', `job/${job}`),
    seen('DELETE', `job/${job}?u=${v.user}`, { token: 'anyUser', headers: { Prefer: 'wait=5' } }),
    seen('GET', `jobs?after=${job}`, { token: 'anyUser' }),
    seen('PUT', `container/stopped?r=${v.gear}&u=a&i=${job}`),
  ]);
  const lists = [
    '',
    `u=${v.user}`,
    'h=h1',
    'limit=1000',
    'state=running',
    'state=queued',
    `r=${v.slow}`,
    'r=team-a-web&after=0-',
    `after=9999999999999999-${v.finished}`,
  ].map((query) => seen('GET', `jobs?${query}`, { token: 'anyUser' }));
  const again = (more: Partial<Attempt>, i = '') =>
    seen('PUT', `container/stopped?r=team-a-web&u=a${i}`, { ...more, tells: true });
  return [
    ...each,
    ...lists,
    seen('PUT', `container?r=${v.slow}&t=geard/sample&u=${v.user}&i=${v.running}`, { token: 'anyUser' }),
    again({ what: 'the id of a finished job' }, `&i=${v.finished}`),
    again({ what: 'the id of a running job' }, `&i=${v.running}`),
    again({ what: 'the id of a queued job', headers: { Prefer: 'wait=5' } }, `&i=${v.queued}`),
    again({ what: 'an Idempotency-Key', headers: { 'Idempotency-Key': v.key } }),
  ];
}

/** Lists of gears, asked for in all ways. */
function lists(v: Victim): Attempt[] {
  const queries = ['', 'limit=1000', 'after=team-a-z', `after=${v.gear}`, `u=${v.user}`, 'r=team-a-web'];
  return queries.map((query) => seen('GET', `containers?${query}`, { token: 'anyUser' }));
}

/** Bodies that refer to what is the victim's. */
function references(v: Victim): Attempt[] {
  const volume = { name: 'data', path: '/data' };
  const escaped = (name: string) => `\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}`;
  const bodies = [
    { environment: v.environment },
    { Environment: v.environment },
    { ENVIRONMENT: v.environment, start: false },
    { network: v.network },
    { Network: v.network },
    { network: v.gear },
    { network: `gear-${v.gear}` },
    { network: `geard-network-${v.network}` },
    { volumes: [{ ...volume, of: v.gear }] },
    { volumes: [{ ...volume, OF: v.gear }] },
    { volumes: [volume, { name: 'data', path: '/more', of: v.gear }], start: false },
    { volumes: [{ ...volume, of: 'team-a-web' }], environment: v.environment },
  ].map((body) => JSON.stringify(body));
  bodies.push(`{"${escaped('environment')}":"${v.environment}"}`, `{"network":"${escaped(v.network)}"}`);
  const names = [
    `../${v.environment}`,
    `team-a-../${v.environment}`,
    `team-a-web/../${v.environment}`,
    `${v.environment}\n`,
    ` ${v.environment}`,
    `team-a-web\0${v.environment}`,
    `%n${v.environment}`,
    [v.environment],
    { name: v.environment },
  ];
  for (const name of names) {
    bodies.push(JSON.stringify({ environment: name }));
    bodies.push(JSON.stringify({ volumes: [{ ...volume, of: name }] }));
  }
  for (const network of ['host', 'none', 'bridge', 'default', `container:gear-${v.gear}`, 'team-a-*', '*'])
    bodies.push(JSON.stringify({ network }));
  bodies.push(`{"environment":"team-a-env","environment":"${v.environment}"}`);
  bodies.push(`{"environment":"team-a-env","Environment":"${v.environment}"}`);
  bodies.push(`{"__proto__":{"environment":"${v.environment}"}}`);
  bodies.push(`{"constructor":{"prototype":{"environment":"${v.environment}"}}}`);
  return bodies.map((body) => ({
    ...seen('PUT', `container?r=team-a-spy&t=geard/sample&u=a&i=${id()}`, { body }),
    what: body,
  }));
}

/** Bodies that would break out of what a gear may have. */
function fields(v: Victim): Attempt[] {
  const docker = `gear-${v.gear}..data`;
  const volumes = [
    { name: `/var/lib/docker/volumes/${docker}/_data`, path: '/d' },
    { name: `../${docker}`, path: '/d' },
    { name: `${docker}:ro`, path: '/d' },
    { name: `x,source=${docker}`, path: '/d' },
    { name: 'x', path: `/d,source=${docker}` },
    { name: 'x', path: `/d:rw,src=${docker}` },
    { name: 'x', path: '/d/../../proc' },
    { name: 'x', path: '/d', source: docker },
    { name: 'x', path: '/d', type: 'bind', source: '/' },
  ];
  const unknown = [
    { privileged: true },
    { binds: ['/:/host'] },
    { mounts: [{ source: docker, target: '/d' }] },
    { volumesFrom: [`gear-${v.gear}`] },
    { networkMode: `container:gear-${v.gear}` },
    { pid: 'host' },
    { ipc: `container:gear-${v.gear}` },
    { userns: 'host' },
    { devices: ['/dev/sda'] },
    { capAdd: ['SYS_ADMIN'] },
    { securityOpt: ['seccomp=unconfined'] },
    { extraHosts: ['x:127.0.0.1'] },
    { hostname: v.gear },
    { name: `gear-${v.gear}` },
    { aliases: [v.gear] },
    { links: [{ port: 1, to: v.gear, toPort: 7777 }] },
    { slice: 'system.slice' },
    { user: 'root' },
    { resource: v.gear },
    { r: v.gear },
    { h: v.host },
  ];
  const more = [
    { ports: [{ internal: 8080, external: 22 }] },
    {
      ports: [
        { internal: 8080, external: 2375 },
        { internal: 8081, external: 2375 },
      ],
    },
    { ports: [{ internal: 8080, address: '127.0.0.1' }] },
    { memory: '900g' },
    { cpus: 512 },
    { cpus: -1 },
    { env: [{ name: 'A\nB', value: '' }] },
    { env: [{ name: '--volume', value: `${docker}:/d` }] },
  ];
  return [...volumes.map((volume) => ({ volumes: [volume] })), ...unknown, ...more].map((body) => ({
    ...seen('PUT', `container?r=team-a-spy&t=geard/sample&u=a&i=${id()}`, json(body)),
    what: JSON.stringify(body),
  }));
}

/** Repositories that would be made of the victim's. */
function copies(v: Victim): Attempt[] {
  const sources = [
    `gear://${v.repository}`,
    `GEAR://${v.repository}`,
    `gear://${v.repository}/`,
    `gear:///${v.repository}`,
    `gear://${v.repository}.git`,
    `gear://team-a-git/../${v.repository}`,
    `gear://team-a-git@${v.repository}`,
    `gear:${v.repository}`,
    `gear://team-a-*`,
    `file:///var/lib/gears/git/${v.repository}`,
    `/var/lib/gears/git/${v.repository}`,
    `../${v.repository}`,
    `ext::git-upload-pack ${v.repository}`,
    `ssh://localhost/${v.repository}`,
  ];
  return sources.flatMap((source) =>
    (['team', 'oneName'] as const).map((token) =>
      seen('PUT', `repository?r=team-a-web&u=a&t=${encodeURIComponent(source)}&i=${id()}`, { token }),
    ),
  );
}

export const attempts: Record<string, (victim: Victim) => Attempt[]> = {
  'every route on what is B’s': routes,
  'another spelling of a name of B’s': spellings,
  'another spelling of a path or a method': paths,
  'a job of B’s, by its id or in a list': jobs,
  'a list of gears': lists,
  'a body that refers to what is B’s': references,
  'a body that would break out': fields,
  'a copy of a repository of B’s': copies,
};
