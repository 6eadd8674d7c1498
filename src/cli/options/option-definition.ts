import { z } from 'zod';

/** One setting: a flag on the command line and an environment variable, which the flag overrides. */
export interface OptionDefinition {
  flag: string;
  env: string;
  help: string;
  /** What the flag takes; none for a switch. */
  takes?: string;
  default?: string;
  schema: z.ZodType;
}

export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .max(10)
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be a whole number from ${min} to ${max}`);
