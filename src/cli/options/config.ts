import { isIP } from 'node:net';
import { holdsPassword, hostsOf, speaksTls } from '../../queue/redis/redis-url.ts';
import type { Lifetimes } from '../../token/verifier.ts';
import { environment } from './environment.ts';
import type { OptionDefinition } from './option-definition.ts';
import {
  type OptionName,
  optionTable,
  type Role,
  roleOptions,
  type Settings,
  type WithDefault,
} from './options.ts';

type Switch = { [K in OptionName]: Settings[K] extends boolean ? K : never }[OptionName];
type AlwaysSet = WithDefault | Switch;

/** The settings of a role; `redis` is null only for a daemon that runs its own. */
export type Config = Pick<Settings, AlwaysSet> & {
  [K in Exclude<OptionName, AlwaysSet>]: Settings[K] | null;
};

/** Flags of a command by name, as commander passes them. */
export type Flags = Readonly<Record<string, unknown>>;

/** Invalid settings, or wrong usage: its message has a readable line for each fault. */
export class BadConfig extends Error {
  override readonly name = 'BadConfig';

  constructor(...faults: string[]) {
    super(faults.join('\n'));
  }

  get lines(): string[] {
    return this.message.split('\n');
  }
}

/** Returns the lines whose conditions hold. */
export const linesWhere = (rules: Readonly<Record<string, boolean>>): string[] =>
  Object.entries(rules).flatMap(([line, holds]) => (holds ? [line] : []));

/**
 * Reads the configuration of a role from the command line and the environment: parsed once, here
 * and nowhere else. Throws `BadConfig` with all problems.
 */
export function readConfig(role: Role, flags: Flags, variables: NodeJS.ProcessEnv = environment): Config {
  const settings = readSettings(roleOptions[role], flags, variables);
  const wrong = contradictions(role, settings);
  if (wrong.length > 0) throw new BadConfig(...wrong);
  return complete(settings);
}

/** Completes settings: null, or false for a switch, if they are not given and have no default. */
export function complete(settings: Partial<Settings>): Config {
  const unset = Object.entries<OptionDefinition>(optionTable).flatMap(([name, option]) =>
    option.default === undefined ? [[name, option.takes === undefined ? false : null]] : [],
  );
  return { ...Object.fromEntries(unset), ...settings } as Config;
}

const hour = 60 * 60;

/** Returns the maximum lifetimes of tokens, in seconds. */
export function lifetimesOf({
  tokenHours,
  tokenReadHours,
}: Pick<Config, 'tokenHours' | 'tokenReadHours'>): Lifetimes {
  return { change: tokenHours * hour, read: Math.max(tokenHours, tokenReadHours) * hour };
}

/**
 * Reads settings by name and checks each on its own; a setting without a default may be absent.
 * Throws `BadConfig`.
 */
export function readSettings<N extends OptionName>(
  names: readonly N[],
  flags: Flags,
  variables: NodeJS.ProcessEnv = environment,
): Pick<Settings, N & WithDefault> & Partial<Pick<Settings, N>> {
  const wrong: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const name of names) {
    const option: OptionDefinition = optionTable[name];
    const { text, source } = given(option, flags[name], variables);
    if (text === undefined) continue;
    const parsed = option.schema.safeParse(text);
    if (parsed.success) settings[name] = parsed.data;
    else wrong.push(`${source}: ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
  }
  if (wrong.length > 0) throw new BadConfig(...wrong);
  return settings as never;
}

function given(option: OptionDefinition, flag: unknown, variables: NodeJS.ProcessEnv) {
  if (flag !== undefined) return { text: flag === true ? '1' : String(flag), source: option.flag };
  const variable = variables[option.env];
  if (variable !== undefined) return { text: variable, source: `${option.env} (${option.flag})` };
  return { text: option.default, source: option.flag };
}

/** Returns one readable line for each contradiction that keeps a role from starting. */
export function contradictions(role: Role, settings: Partial<Settings>): string[] {
  return [
    ...wrongWithRedis(role, settings),
    ...insecureWithRedis(settings),
    ...wrongWithTokens(settings),
    ...wrongWithStreams(role, settings),
    ...wrongWithLimits(settings),
  ];
}

function wrongWithRedis(role: Role, settings: Partial<Settings>): string[] {
  const { redis, redisUser, redisPasswordFile, redisCa, redisCert, redisKey } = settings;
  const isGiven = (...values: unknown[]) => values.some((value) => value !== undefined);
  const needsTls = isGiven(redisCa, redisCert, redisKey);
  return linesWhere({
    '--redis is missing: api and worker share a Redis, such as --redis redis://127.0.0.1:6379':
      role !== 'daemon' && redis === undefined,
    '--redis-… is for the Redis that --redis names; the daemon needs none of it for its own':
      redis === undefined && (needsTls || isGiven(redisUser, redisPasswordFile)),
    '--redis-ca, --redis-cert and --redis-key are for TLS: use --redis rediss://HOST:PORT, or rediss+…':
      redis !== undefined && !speaksTls(redis) && needsTls,
    '--redis-cert and --redis-key belong together: give both': isGiven(redisCert) !== isGiven(redisKey),
  });
}

/** Anyone with access to Redis learns of every job, and can lose or delay jobs. */
function insecureWithRedis({ redis, redisPasswordFile, insecureRedis }: Partial<Settings>): string[] {
  if (redis === undefined || insecureRedis || hostsOf(redis).every(isLoopback)) return [];
  const allTheSame = 'or use --insecure-redis if its network is closed to others';
  const withTls = 'use rediss://… or rediss+…';
  const withUsers = 'make users with "gear redis-acl" and use --redis-user and --redis-password-file';
  return linesWhere({
    [`--redis: beyond loopback others can read and change data sent without TLS: ${withTls}, ${allTheSame}`]:
      !speaksTls(redis),
    [`--redis: beyond loopback others can use a Redis without a password: ${withUsers}, ${allTheSame}`]:
      redisPasswordFile === undefined && !holdsPassword(redis),
  });
}

function wrongWithTokens({ keys, listen, streamListen, testToken, insecureTestToken }: Partial<Settings>) {
  const wrong: string[] = [];
  if (keys === undefined && !testToken) {
    wrong.push(
      '--keys is missing: without keys no token can be verified. Make some with "gear token keygen /etc/geard/keys" ' +
        'and use --keys /etc/geard/keys; or, to try geard out on this machine alone, use --test-token',
    );
  }
  const places = { '--listen': listen, '--stream-listen': streamListen };
  for (const [flag, place] of Object.entries(places)) {
    if (!testToken || !place || isLoopback(place.host) || insecureTestToken) continue;
    wrong.push(
      `${flag}: ${place.host} can be reached by others, and --test-token lets everybody do everything; ` +
        'listen on 127.0.0.1, or use --insecure-test-token if that is what you want',
    );
  }
  return wrong;
}

function wrongWithStreams(role: Role, { stream, streamListen }: Partial<Settings>): string[] {
  return linesWhere({
    [`--stream-listen: ${streamListen?.host} is not an address that an api can reach; name one of the host's`]:
      streamListen !== undefined && ['0.0.0.0', '::'].includes(streamListen.host),
    '--stream direct needs --stream-listen: the address and port from which apis fetch streams':
      role === 'worker' && stream === 'direct' && !streamListen,
  });
}

function wrongWithLimits({ gearMemory, maxGearMemory, gearCpus, maxGearCpus }: Partial<Settings>): string[] {
  const isMore = (usual = 0, most = usual) => usual > most;
  const moreMemory = isMore(gearMemory, maxGearMemory);
  const moreCpus = isMore(gearCpus, maxGearCpus);
  return linesWhere({
    '--gear-memory is more than --max-gear-memory; lower the first or raise the second': moreMemory,
    '--gear-cpus is more than --max-gear-cpus; lower the first or raise the second': moreCpus,
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
