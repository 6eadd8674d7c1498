import type { Logger } from 'pino';
import { z } from 'zod';
import type { Config } from '../options/config.ts';
import { type OptionName, ofRedis } from '../options/options.ts';

const found = z.strictObject({
  name: z.string(),
  verdict: z.enum(['ok', 'warning', 'problem']),
  detail: z.string(),
  /** How to fix it, in one line or several; absent only if the verdict is ok. */
  mend: z.string().exactOptional(),
});
/** The output of `gear doctor --json`. */
export const diagnosis = z.strictObject({ checks: z.array(found) });
export type Diagnosis = z.infer<typeof diagnosis>;
export type Finding = Omit<z.infer<typeof found>, 'name'>;

/** The options of `gear doctor`: they name the places to check. */
export const doctorOptions = [
  ...ofRedis,
  ...(['keys', 'testToken', 'insecureTestToken', 'listen', 'api', 'base', 'docker'] as const),
] satisfies OptionName[];

export interface Situation extends Pick<Config, (typeof doctorOptions)[number]> {
  /** Reasons that keep a daemon from starting with these settings. */
  contradictions: string[];
  log: Logger;
}

/** `How`: the probe, which tests replace when no test machine has the fault. */
export interface Check<How = never> {
  /** The subject of the check. */
  at: string;
  /** How to fix a failure of the check itself. */
  mend: string;
  look(situation: Situation, how?: How): Promise<Finding>;
}

export const ok = (detail: string): Finding => ({ verdict: 'ok', detail });
export const warning = (detail: string, mend: string): Finding => ({ verdict: 'warning', detail, mend });
export const problem = (detail: string, mend: string): Finding => ({ verdict: 'problem', detail, mend });
