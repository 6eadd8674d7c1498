import { isIP } from 'node:net';
import {
  type OptionDefinition,
  type OptionName,
  optionTable,
  type Role,
  roleOptions,
  type Settings,
} from './options.ts';

/** The settings of a role; `redis` is there unless the daemon is to run its own. */
export type Config = Omit<Settings, 'redis' | 'streamListen'> & {
  redis: string | null;
  streamListen: Settings['streamListen'] | null;
};

/** Settings that cannot be used, one readable line for each. */
export class BadConfig extends Error {
  readonly lines: string[];

  constructor(lines: string[]) {
    super(lines.join('\n'));
    this.name = 'BadConfig';
    this.lines = lines;
  }
}

/**
 * The configuration of a role, from the command line and the environment: parsed once, here and nowhere else.
 * Throws `BadConfig` with everything that is wrong.
 */
export function readConfig(
  role: Role,
  flags: Record<string, string | boolean | undefined>,
  environment: NodeJS.ProcessEnv = process.env,
): Config {
  const wrong: string[] = [];
  const settings: Record<string, unknown> = {};
  const names: readonly OptionName[] = roleOptions[role];
  for (const name of names) {
    const option: OptionDefinition = optionTable[name];
    const { text, source } = given(option, flags[name], environment);
    if (text === undefined) continue;
    const parsed = option.schema.safeParse(text);
    if (parsed.success) settings[name] = parsed.data;
    else wrong.push(`${source}: ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
  }
  if (wrong.length === 0) wrong.push(...contradictions(role, settings as Partial<Settings>));
  if (wrong.length > 0) throw new BadConfig(wrong);
  return {
    redis: null,
    streamListen: null,
    testToken: false,
    insecureTestToken: false,
    ...settings,
  } as Config;
}

function given(option: OptionDefinition, flag: string | boolean | undefined, environment: NodeJS.ProcessEnv) {
  if (flag !== undefined) return { text: flag === true ? '1' : String(flag), source: option.flag };
  const variable = environment[option.env];
  if (variable !== undefined) return { text: variable, source: `${option.env} (${option.flag})` };
  return { text: option.default, source: option.flag };
}

function contradictions(
  role: Role,
  { redis, listen, stream, streamListen, testToken, insecureTestToken }: Partial<Settings>,
): string[] {
  const wrong: string[] = [];
  if (role !== 'daemon' && redis === undefined) {
    wrong.push('--redis is missing: api and worker meet in a Redis, such as --redis redis://127.0.0.1:6379');
  }
  if (!testToken) wrong.push('--test-token is missing: this version knows no other token yet');
  const places = { '--listen': listen, '--stream-listen': streamListen };
  for (const [flag, place] of Object.entries(places)) {
    if (!testToken || !place || isLoopback(place.host) || insecureTestToken) continue;
    wrong.push(
      `${flag}: ${place.host} is reachable for others and --test-token lets everybody do everything; ` +
        'listen on 127.0.0.1, or say --insecure-test-token if that is what you want',
    );
  }
  if (streamListen && ['0.0.0.0', '::'].includes(streamListen.host)) {
    wrong.push(
      `--stream-listen: ${streamListen.host} is no address that an api could reach; name one of the host's`,
    );
  }
  if (role === 'worker' && stream === 'direct' && !streamListen) {
    wrong.push(
      '--stream direct needs --stream-listen: the address and port from which apis are to fetch streams',
    );
  }
  return wrong;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
