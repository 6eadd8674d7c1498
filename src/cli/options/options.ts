import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { z } from 'zod';
import { hostName, imageReference, userName } from '../../jobs/fields/identifier.ts';
import { transports } from '../../jobs/rpc/streams.ts';
import { maxStartSeconds } from '../../jobs/types/container.ts';
import { isRedisUrl } from '../../queue/redis/redis-url.ts';
import { fleetName } from '../../token/claims.ts';
import { parsePool } from '../../worker/domain/networks.ts';
import { limitOptions, ofApiLimits, ofHostLimits } from './limit-options.ts';
import { type OptionDefinition, wholeNumber } from './option-definition.ts';

export type { OptionDefinition } from './option-definition.ts';

const absolutePath = z
  .string()
  .regex(/^\/[^\0\r\n]*$/, 'must be an absolute path')
  .max(1024);

const onOff = z
  .enum(['1', 'true', 'yes', '0', 'false', 'no', ''], 'must be 1 or 0')
  .transform((text) => ['1', 'true', 'yes'].includes(text));

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

/** Addresses, networks and names, with commas between them. */
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

function isAllowable(part: string): boolean {
  const [network = '', prefix] = part.split('/');
  const family = isIP(network);
  if (family === 0) return prefix === undefined && /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/.test(part);
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

/** The host's own name, made to fit. */
function defaultHost(): string {
  const fitting = hostname()
    .toLowerCase()
    .split('.')[0]
    ?.replace(/[^a-z0-9-]/g, '-')
    .replace(/^-+/, '')
    .slice(0, 63);
  return fitting || 'localhost';
}

/** Every option there is, in the order in which help shows them. docs/operations.md is held against it by a test. */
export const optionTable = {
  listen: {
    flag: '--listen',
    env: 'GEARD_LISTEN',
    takes: '<address:port>',
    default: '127.0.0.1:2223',
    help: 'where the api listens',
    schema: address,
  },
  redis: {
    flag: '--redis',
    env: 'GEARD_REDIS_URL',
    takes: '<url>',
    help: 'the Redis of the fleet; the daemon runs one of its own without it',
    schema: redisUrl,
  },
  redisUser: {
    flag: '--redis-user',
    env: 'GEARD_REDIS_USER',
    takes: '<name>',
    help: 'the Redis user to log in as; see gear redis-acl',
    schema: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ and -'),
  },
  redisPasswordFile: {
    flag: '--redis-password-file',
    env: 'GEARD_REDIS_PASSWORD_FILE',
    takes: '<file>',
    help: 'file whose first line is the Redis password; no other user may read it',
    schema: absolutePath,
  },
  redisCa: {
    flag: '--redis-ca',
    env: 'GEARD_REDIS_CA',
    takes: '<file>',
    help: 'certificates (PEM) to trust when the URL is rediss://, instead of the default ones',
    schema: absolutePath,
  },
  redisCert: {
    flag: '--redis-cert',
    env: 'GEARD_REDIS_CERT',
    takes: '<file>',
    help: 'the client certificate (PEM) for that Redis',
    schema: absolutePath,
  },
  redisKey: {
    flag: '--redis-key',
    env: 'GEARD_REDIS_KEY',
    takes: '<file>',
    help: 'the key (PEM) of the client certificate; no other user may read it',
    schema: absolutePath,
  },
  insecureRedis: {
    flag: '--insecure-redis',
    env: 'GEARD_INSECURE_REDIS',
    help: 'accept a Redis beyond loopback without TLS or without a password',
    schema: onOff,
  },
  keys: {
    flag: '--keys',
    env: 'GEARD_KEYS',
    takes: '<directory>',
    help: 'the keys that verify tokens; gear token keygen creates them',
    schema: absolutePath,
  },
  fleet: {
    flag: '--fleet',
    env: 'GEARD_FLEET',
    takes: '<name>',
    default: 'geard',
    help: 'the name of the fleet; a token is valid for one fleet',
    schema: fleetName,
  },
  tokenHours: {
    flag: '--token-hours',
    env: 'GEARD_TOKEN_HOURS',
    takes: '<hours>',
    default: '24',
    help: 'maximum lifetime of a token that changes something',
    schema: wholeNumber(1, 8_760),
  },
  tokenReadHours: {
    flag: '--token-read-hours',
    env: 'GEARD_TOKEN_READ_HOURS',
    takes: '<hours>',
    default: '168',
    help: 'maximum lifetime of a token that only reads',
    schema: wholeNumber(1, 8_760),
  },
  base: {
    flag: '--base',
    env: 'GEARD_BASE',
    takes: '<directory>',
    default: '/var/lib/gears',
    help: 'where units, ports and the worker keep their files',
    schema: absolutePath,
  },
  host: {
    flag: '--host',
    env: 'GEARD_HOST',
    takes: '<name>',
    default: defaultHost(),
    help: 'the name of this host in the fleet',
    schema: hostName,
  },
  docker: {
    flag: '--docker',
    env: 'GEARD_DOCKER',
    takes: '<socket>',
    default: '/var/run/docker.sock',
    help: "the Docker engine's socket",
    schema: absolutePath,
  },
  stream: {
    flag: '--stream',
    env: 'GEARD_STREAM',
    takes: '<transport>',
    default: 'auto',
    help: 'transport of logs and archives from a worker: relay (through Redis), direct (from its own port) or auto',
    schema: z.enum(transports, 'must be relay, direct or auto'),
  },
  streamListen: {
    flag: '--stream-listen',
    env: 'GEARD_STREAM_LISTEN',
    takes: '<address:port>',
    help: "the worker's own port for streams, on an address that apis reach; the daemon's is on loopback",
    schema: address,
  },
  githostImage: {
    flag: '--githost-image',
    env: 'GEARD_GITHOST_IMAGE',
    takes: '<image>',
    help: 'the image with git that creates repositories; by default the host builds one from its own git',
    schema: imageReference,
  },
  cloneAllow: {
    flag: '--clone-allow',
    env: 'GEARD_CLONE_ALLOW',
    takes: '<list>',
    default: '',
    help: 'private addresses, networks (10.0.0.0/8) and host names from which clones are allowed, separated by commas',
    schema: addressAllowance,
  },
  registryAllow: {
    flag: '--registry-allow',
    env: 'GEARD_REGISTRY_ALLOW',
    takes: '<list>',
    default: '',
    help: 'private addresses, networks and host names of registries from which pulls are allowed, separated by commas',
    schema: addressAllowance,
  },
  cloneSeconds: {
    flag: '--clone-seconds',
    env: 'GEARD_CLONE_SECONDS',
    takes: '<seconds>',
    default: '900',
    help: 'how long a clone may take',
    schema: wholeNumber(1, 86_400),
  },
  cloneMegabytes: {
    flag: '--clone-megabytes',
    env: 'GEARD_CLONE_MEGABYTES',
    takes: '<MiB>',
    default: '4096',
    help: 'how large a cloned repository may be',
    schema: wholeNumber(1, 1_048_576),
  },
  cloneObjects: {
    flag: '--clone-objects',
    env: 'GEARD_CLONE_OBJECTS',
    takes: '<number>',
    default: '5000000',
    help: 'how many objects a cloned repository may hold',
    schema: wholeNumber(1, 1_000_000_000),
  },
  startSeconds: {
    flag: '--start-seconds',
    env: 'GEARD_START_SECONDS',
    takes: '<seconds>',
    default: '60',
    help: 'how long a gear may take until it listens on its ports, unless its spec says otherwise',
    schema: wholeNumber(1, maxStartSeconds),
  },
  networkPool: {
    flag: '--network-pool',
    env: 'GEARD_NETWORK_POOL',
    takes: '<network>',
    default: '10.128.0.0/12',
    help: 'unused private addresses; each gear network gets 64 of them',
    schema: networkPool,
  },
  ...limitOptions,
  testToken: {
    flag: '--test-token',
    env: 'GEARD_TEST_TOKEN',
    help: 'allow everything to the token __test__; on loopback only',
    schema: onOff,
  },
  insecureTestToken: {
    flag: '--insecure-test-token',
    env: 'GEARD_INSECURE_TEST_TOKEN',
    help: 'with --test-token: also listen beyond loopback',
    schema: onOff,
  },
  dedupeDays: {
    flag: '--dedupe-days',
    env: 'GEARD_DEDUPE_DAYS',
    takes: '<days>',
    default: '7',
    help: 'how long a finished job and its request id are remembered',
    schema: wholeNumber(1, 3650),
  },
  logLevel: {
    flag: '--log-level',
    env: 'GEARD_LOG_LEVEL',
    takes: '<level>',
    default: 'info',
    help: 'debug, info, warn, error or silent',
    schema: z.enum(
      ['debug', 'info', 'warn', 'error', 'silent'],
      'must be debug, info, warn, error or silent',
    ),
  },
  auditLog: {
    flag: '--audit-log',
    env: 'GEARD_AUDIT_LOG',
    takes: '<file>',
    help: 'file that also gets the audit lines, at most 64 MiB with its predecessor (<file>.1)',
    schema: absolutePath,
  },
  api: {
    flag: '--api',
    env: 'GEARD_API',
    takes: '<url>',
    default: 'http://127.0.0.1:2223',
    help: 'the address of the api',
    schema: apiUrl,
  },
  tokenFile: {
    flag: '--token-file',
    env: 'GEARD_TOKEN_FILE',
    takes: '<file>',
    help: 'file whose first line is the token; without it the test token is used',
    schema: z.string().regex(/^[^\0\r\n]+$/, 'must be a path'),
  },
  user: {
    flag: '--user',
    env: 'GEARD_USER',
    takes: '<name>',
    default: 'admin',
    help: 'the user of the jobs',
    schema: userName,
  },
} as const satisfies Record<string, OptionDefinition>;

export type OptionName = keyof typeof optionTable;
export type Settings = { [K in OptionName]: z.infer<(typeof optionTable)[K]['schema']> };

const ofRedis = [
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

/** Which options each role takes. */
export const roleOptions = {
  daemon: [...new Set([...ofApi, ...ofWorker, ...ofAll] as const)],
  api: [...ofApi, ...ofAll],
  worker: [...ofWorker, 'insecureTestToken', ...ofAll],
} as const satisfies Record<string, readonly OptionName[]>;

export type Role = keyof typeof roleOptions;
