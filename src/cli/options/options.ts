import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { Option } from 'commander';
import { z } from 'zod';
import { hostName, imageReference, userName } from '../../jobs/fields/identifier.ts';
import { transports } from '../../jobs/rpc/streams.ts';
import { maxStartSeconds } from '../../jobs/types/container.ts';
import { isRedisUrl } from '../../queue/redis/redis-url.ts';
import { fleetName } from '../../token/claims.ts';
import { parsePool } from '../../worker/domain/networks.ts';
import { limitOptions, ofApiLimits, ofHostLimits } from './limit-options.ts';
import {
  count,
  megabytes,
  namedOptions,
  type OptionDefinition,
  onOff,
  optional,
  withDefault,
} from './option-definition.ts';

const absolutePath = z
  .string()
  .regex(/^\/[^\0\r\n]*$/, 'must be an absolute path')
  .max(1024);

const file = (help: string) => optional('<file>', absolutePath, help);

const address = z
  .string()
  .transform((text) => /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text))
  .refine((parts) => parts !== null && isHost(parts[1] ?? parts[2] ?? '') && Number(parts[3]) <= 65535, {
    message: 'must be ADDRESS:PORT, such as 127.0.0.1:2223 or [::1]:2223',
    abort: true,
  })
  .transform((parts) => ({ host: parts?.[1] ?? parts?.[2] ?? '', port: Number(parts?.[3]) }));

const isHost = (text: string) => isIP(text) !== 0 || text === 'localhost';

const redisUrl = z
  .string()
  .max(2048)
  .refine(
    isRedisUrl,
    'must be redis://HOST:PORT, rediss://…, unix:/PATH, redis+sentinel://HOST:PORT,…/MASTER or redis+cluster://HOST:PORT,…',
  );

const apiUrl = z
  .string()
  .max(1024)
  .refine(
    (text) => /^https?:/i.test(text) && URL.canParse(text) && /^[\w.:[\]/-]+$/.test(text),
    'must be the URL of an api, such as https://geard.example.com',
  )
  .transform((text) => text.replace(/\/+$/, ''));

const networkPool = z
  .string()
  .max(18)
  .transform(parsePool)
  .refine((pool) => pool !== null, 'must be an IPv4 network of at least 64 addresses, such as 10.128.0.0/12');

/** Addresses, networks and host names, separated by commas. */
const addressAllowance = z
  .string()
  .max(4096)
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim().toLowerCase())
      .filter(Boolean),
  )
  .refine(
    (parts) => parts.every(isAllowable),
    'must be addresses, networks such as 10.0.0.0/8, or host names',
  );

const allowance = (help: string) => withDefault('', '<list>', addressAllowance, help);

function isAllowable(part: string): boolean {
  const [network = '', prefix] = part.split('/');
  const family = isIP(network);
  if (family === 0) return prefix === undefined && /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/.test(part);
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

/** The host's own name, converted to a valid host name. */
function defaultHost(): string {
  const fitting = hostname()
    .toLowerCase()
    .split('.')[0]
    ?.replace(/[^a-z0-9-]/g, '-')
    .replace(/^-+/, '')
    .slice(0, 63);
  return fitting || 'localhost';
}

/** All options, in the order of the help. A test compares docs/operations.md with them. */
export const optionTable = namedOptions({
  listen: withDefault('127.0.0.1:2223', '<address:port>', address, 'where the api listens'),
  redis: {
    ...optional('<url>', redisUrl, 'the Redis of the fleet; the daemon runs one of its own without it'),
    env: 'GEARD_REDIS_URL',
  },
  redisUser: optional(
    '<name>',
    z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, 'must be 1 to 128 letters, digits, _ and -'),
    'the Redis user to log in as; see gear redis-acl',
  ),
  redisPasswordFile: file('file whose first line is the Redis password; no other user may read it'),
  redisCa: file('certificates (PEM) to trust when the URL is rediss://, instead of the default ones'),
  redisCert: file('the client certificate (PEM) for that Redis'),
  redisKey: file('the key (PEM) of the client certificate; no other user may read it'),
  insecureRedis: onOff('accept a Redis beyond loopback without TLS or without a password'),
  keys: optional('<directory>', absolutePath, 'the keys that verify tokens; gear token keygen creates them'),
  fleet: withDefault('geard', '<name>', fleetName, 'the name of the fleet; a token is valid for one fleet'),
  tokenHours: count('24', '<hours>', 8_760, 'maximum lifetime of a token that changes something'),
  tokenReadHours: count('168', '<hours>', 8_760, 'maximum lifetime of a token that only reads'),
  base: withDefault('/var/lib/gears', '<directory>', absolutePath, "directory for the host's files"),
  host: {
    ...withDefault(defaultHost(), '<name>', hostName, 'the name of this host in the fleet'),
    defaultInWords: "the host's name",
  },
  docker: withDefault('/var/run/docker.sock', '<socket>', absolutePath, "the Docker engine's socket"),
  stream: withDefault(
    'auto',
    '<transport>',
    z.enum(transports, 'must be relay, direct or auto'),
    'transport of logs and archives from a worker: relay (through Redis), direct (from its own port) or auto',
  ),
  streamListen: optional(
    '<address:port>',
    address,
    "the worker's own port for streams, on an address that apis reach; the daemon's is on loopback",
  ),
  metricsListen: optional(
    '<address:port>',
    address,
    'where the worker serves /metrics, such as 127.0.0.1:9464; the daemon has them at its api',
  ),
  githostImage: optional(
    '<image>',
    imageReference,
    'the image with git that creates repositories; by default the host builds one from its own git',
  ),
  cloneAllow: allowance(
    'private addresses, networks (10.0.0.0/8) and host names from which clones are allowed, separated by commas',
  ),
  registryAllow: allowance(
    'private addresses, networks and host names of registries from which pulls are allowed, separated by commas',
  ),
  cloneSeconds: count('900', '<seconds>', 86_400, 'how long each step of a clone or a copy may take'),
  cloneMegabytes: megabytes('4096', 'how large a cloned repository may be'),
  cloneObjects: count('5000000', '<number>', 1_000_000_000, 'how many objects a cloned repository may hold'),
  startSeconds: count(
    '60',
    '<seconds>',
    maxStartSeconds,
    'how long a gear may take until it listens on its ports, unless its spec says otherwise',
  ),
  networkPool: withDefault(
    '10.128.0.0/12',
    '<network>',
    networkPool,
    'unused private addresses; each gear network gets 64 of them',
  ),
  ...limitOptions,
  testToken: onOff('accept the token __test__, which allows everything; on loopback only'),
  insecureTestToken: onOff('with --test-token: also listen beyond loopback'),
  dedupeDays: count('7', '<days>', 3650, 'how long a finished job and its request id are remembered'),
  logLevel: withDefault(
    'info',
    '<level>',
    z.enum(['debug', 'info', 'warn', 'error', 'silent'], 'must be debug, info, warn, error or silent'),
    'debug, info, warn, error or silent',
  ),
  auditLog: file('file that also gets the audit lines, at most 64 MiB with its predecessor (<file>.1)'),
  api: withDefault('http://127.0.0.1:2223', '<url>', apiUrl, 'the address of the api'),
  tokenFile: optional(
    '<file>',
    z.string().regex(/^[^\0\r\n]+$/, 'must be a path'),
    'file whose first line is the token; without it the test token is used',
  ),
  user: optional('<name>', userName, 'the user of the jobs; default: the one of the token, else admin'),
});

/** Creates an option of commander, with the default and the variable in its help. */
export function optionFor(name: OptionName): Option {
  const option: OptionDefinition = optionTable[name];
  const text = option.default === undefined ? option.help : `${option.help} (default: ${option.default})`;
  const flags = option.takes ? `${option.flag} ${option.takes}` : option.flag;
  return new Option(flags, `${text} [${option.env}]`);
}

export type OptionName = keyof typeof optionTable;
export type WithDefault = {
  [K in OptionName]: (typeof optionTable)[K] extends { default: string } ? K : never;
}[OptionName];
export type Settings = { [K in OptionName]: z.infer<(typeof optionTable)[K]['schema']> };

export const ofRedis = [
  'redis',
  'redisUser',
  'redisPasswordFile',
  'redisCa',
  'redisCert',
  'redisKey',
  'insecureRedis',
] as const;
const ofTokens = ['keys', 'fleet', 'tokenHours', 'tokenReadHours', 'testToken'] as const;
const ofAll = [...ofRedis, ...ofTokens, 'stream', 'dedupeDays', 'logLevel', 'auditLog'] as const;
const ofApi = ['listen', 'insecureTestToken', ...ofApiLimits] as const;
const ofClones = ['cloneAllow', 'cloneSeconds', 'cloneMegabytes', 'cloneObjects'] as const;
const ofJobs = ['startSeconds', 'registryAllow', 'networkPool', ...ofHostLimits, ...ofClones] as const;
const ofWorker = ['base', 'host', 'docker', 'streamListen', 'githostImage', ...ofJobs] as const;

export const roleOptions = {
  daemon: [...ofApi, ...ofWorker, ...ofAll],
  api: [...ofApi, ...ofAll],
  worker: [...ofWorker, 'metricsListen', 'insecureTestToken', ...ofAll],
} as const satisfies Record<string, readonly OptionName[]>;

export type Role = keyof typeof roleOptions;
