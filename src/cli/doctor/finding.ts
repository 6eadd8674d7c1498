import type { Logger } from 'pino';
import { z } from 'zod';
import type { Config } from '../options/config.ts';
import type { OptionName } from '../options/options.ts';

const found = z.strictObject({
  name: z.string(),
  verdict: z.enum(['ok', 'warning', 'problem']),
  detail: z.string(),
  /** In one line or several; there unless all is well. */
  mend: z.string().exactOptional(),
});
/** What `gear doctor --json` prints. */
export const diagnosis = z.strictObject({ checks: z.array(found) });
export type Diagnosis = z.infer<typeof diagnosis>;
export type Finding = Omit<z.infer<typeof found>, 'name'>;

/** The options of `gear doctor`: what it looks at is where they say. */
export const doctorOptions = [
  ...(['redis', 'redisUser', 'redisPasswordFile', 'redisCa', 'redisCert', 'redisKey'] as const),
  ...(['insecureRedis', 'keys', 'testToken', 'listen', 'api', 'base', 'docker'] as const),
] satisfies OptionName[];

export interface Situation extends Pick<Config, (typeof doctorOptions)[number]> {
  /** What would keep a daemon from starting with these settings. */
  contradictions: string[];
  log: Logger;
}

/** `How`: what it looks with, which tests replace where no machine of theirs has the fault. */
export interface Check<How = never> {
  /** What it looks at. */
  at: string;
  /** What to do where the look itself fails. */
  mend: string;
  look(situation: Situation, how?: How): Promise<Finding>;
}

export const ok = (detail: string): Finding => ({ verdict: 'ok', detail });
export const warning = (detail: string, mend: string): Finding => ({ verdict: 'warning', detail, mend });
export const problem = (detail: string, mend: string): Finding => ({ verdict: 'problem', detail, mend });
