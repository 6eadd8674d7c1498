import assert from 'node:assert/strict';
import type { Command } from 'commander';
import { z } from 'zod';
import { contextsFile } from '../../src/cli/client/contexts.ts';
import { diagnosis } from '../../src/cli/doctor/finding.ts';
import { createProgram } from '../../src/cli/program.ts';
import { problemDocument } from '../../src/jobs/errors.ts';
import { jobDocument } from '../../src/jobs/job.ts';
import { type JobType, jobs, type ReadName, reads } from '../../src/jobs/registry.ts';
import { exactly } from './documented.ts';

type Schemas = Record<string, z.ZodType>;

/** The type of the job that a command makes. */
export const changes: Record<string, JobType> = {
  install: 'container.install',
  start: 'container.start',
  stop: 'container.stop',
  restart: 'container.restart',
  remove: 'container.remove',
  'env set': 'environment.merge',
  'env replace': 'environment.replace',
  'env unset': 'environment.replace',
  'repo create': 'repository.create',
  'host drain': 'host.drain',
  'host undrain': 'host.undrain',
  'host repair': 'host.repair',
};

const answered: Record<string, ReadName> = {
  ls: 'container.list',
  show: 'container.read',
  logs: 'container.log',
  jobs: 'job.list',
  job: 'job.read',
  'job cancel': 'job.cancel',
  'job log': 'job.log',
  'env get': 'environment.read',
  'host list': 'host.list',
  'host drift': 'drift.read',
  whoami: 'whoami',
};

const jobOf = (type: JobType) =>
  jobDocument.extend({ type: z.literal(type), error: z.null(), result: z.null() });
/** What a command prints with --detach. */
export const accepted = (type: JobType) => jobOf(type).extend({ state: z.enum(['queued', 'running']) });
/** What a command prints whose job fails. */
export const failed = (type: JobType) =>
  jobOf(type).extend({ state: z.literal('failed'), error: problemDocument });
const succeeded = (type: JobType) =>
  jobOf(type).extend({ state: z.literal('succeeded'), result: jobs[type].result });

const schemasOf = <T>(commands: Record<string, T>, schemaOf: (one: T) => z.ZodType): Schemas =>
  Object.fromEntries(Object.entries(commands).map(([command, one]) => [command, schemaOf(one)]));

/**
 * The schema of each document that a command prints with --json, of a change that of a success.
 * test/e2e/gear.test.ts tries them all.
 */
export const ofHost: Schemas = {
  ...schemasOf(changes, succeeded),
  ...schemasOf(answered, (name) => reads[name].answer),
};

/**
 * The same of commands that need no host, or one that is gone. test/unit/cli/client/json.test.ts
 * tries them all.
 */
export const withoutHost = {
  'host remove': reads['host.remove'].answer,
  'context ls': contextsFile,
  doctor: diagnosis,
} as const satisfies Schemas;

/** Every command that takes an option, by its words behind `gear`. */
export async function commandsWith(option: `--${string}`): Promise<string[]> {
  const below = ({ commands, options }: Command, words: string[]): string[] => [
    ...(options.some(({ long }) => long === option) ? [words.join(' ')] : []),
    ...commands.flatMap((child) => below(child, [...words, child.name()])),
  ];
  return below(await createProgram(), []);
}

/** The documents that a command has printed, one in a line; no field is missing, or one too many. */
export function documentsIn(printed: string, schema: z.ZodType | undefined, what: string): unknown[] {
  assert.ok(schema, `there is no schema for ${what}`);
  assert.match(printed, /^(?:[^\n]+\n)+$/, what);
  return printed
    .trimEnd()
    .split('\n')
    .map((line) => exactly(schema, JSON.parse(line), what));
}
