import { z } from 'zod';

/**
 * One setting: a flag on the command line and an environment variable, which the flag overrides.
 */
export interface OptionDefinition {
  flag: string;
  env: string;
  help: string;
  /** What the flag takes; none for a switch. */
  takes?: string;
  default?: string;
  /** What the default is where it differs from host to host, in words. */
  defaultInWords?: string;
  schema: z.ZodType;
}

/** An option with a value where none is given. */
export function withDefault<S extends z.ZodType>(preset: string, takes: string, schema: S, help: string) {
  return { default: preset, takes, schema, help };
}

/** An option without a value where none is given. */
export function optional<S extends z.ZodType>(takes: string, schema: S, help: string) {
  return { takes, schema, help };
}

const switchPosition = z
  .enum(['1', 'true', 'yes', '0', 'false', 'no', ''], 'must be 1 or 0')
  .transform((text) => ['1', 'true', 'yes'].includes(text));

/** An option that is on or off: the flag takes nothing, the variable 1 or 0. */
export const onOff = (help: string) => ({ schema: switchPosition, help });

type Unnamed = Omit<OptionDefinition, 'flag' | 'env'>;
type Named<T> = { [K in keyof T]: T[K] & Pick<OptionDefinition, 'flag' | 'env'> };

/**
 * Options with the flags and variables of their names, unless they have others.
 *
 * @example namedOptions({ logLevel }) // --log-level, GEARD_LOG_LEVEL
 */
export function namedOptions<T extends Record<string, Unnamed>>(options: T): Named<T> {
  const named = (name: string, between: string) => name.replace(/[A-Z]/g, (letter) => between + letter);
  const entries = Object.entries(options).map(([name, option]) => {
    const flag = `--${named(name, '-').toLowerCase()}`;
    const env = `GEARD_${named(name, '_').toUpperCase()}`;
    return [name, { flag, env, ...option }];
  });
  return Object.fromEntries(entries) as Named<T>;
}
