import { z } from 'zod';
import { wholeNumber } from '../../jobs/fields/schema.ts';

/**
 * One setting: a flag on the command line and an environment variable, which the flag overrides.
 */
export interface OptionDefinition {
  flag: string;
  env: string;
  help: string;
  /** The value that the flag takes; absent for a switch. */
  takes?: string;
  default?: string;
  /** Describes a default that differs from host to host. */
  defaultInWords?: string;
  schema: z.ZodType;
}

export function withDefault<S extends z.ZodType>(preset: string, takes: string, schema: S, help: string) {
  return { default: preset, takes, schema, help };
}

/** Defines an option that takes a whole number from 1 to `most`. */
export const count = (preset: string, takes: string, most: number, help: string) =>
  withDefault(preset, takes, wholeNumber(1, most), help);

export const megabytes = (preset: string, help: string) => count(preset, '<MiB>', 1_048_576, help);

export function optional<S extends z.ZodType>(takes: string, schema: S, help: string) {
  return { takes, schema, help };
}

const switchPosition = z
  .enum(['1', 'true', 'yes', '0', 'false', 'no', ''], 'must be 1 or 0')
  .transform((text) => ['1', 'true', 'yes'].includes(text));

/** Defines a switch: the flag takes no value, the variable 1 or 0. */
export const onOff = (help: string) => ({ schema: switchPosition, help });

type Unnamed = Omit<OptionDefinition, 'flag' | 'env'>;
type Named<T> = { [K in keyof T]: T[K] & Pick<OptionDefinition, 'flag' | 'env'> };

/**
 * Names the flag and the variable of each option after the option, unless it has its own.
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
