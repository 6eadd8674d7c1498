import { z } from 'zod';
import { type Gear, type GearSummary, gearSummary } from '../types/container-reads.ts';
import type { EnvironmentVariable } from '../types/environment.ts';
import { type Drift, driftDocument } from './drift.ts';

/** Maximum number of gears in one query to a host. */
export const maxListed = 1_000;

/** An answer that may contain values, sealed for its request; see requests/envelope.ts. */
export type Sealed<T> = string & { readonly content?: T };

/**
 * Queries of an api to a worker without a job: reads and cancellations. Each comes with the
 * client's own request, which names the resource.
 */
export interface Queries {
  'container.read': { args: object; answer: Sealed<Gear> };
  /** The gears of the host among `names`. */
  'container.list': { args: { names: string[] }; answer: GearSummary[] };
  'environment.read': { args: object; answer: Sealed<EnvironmentVariable[]> };
  'drift.read': { args: object; answer: Drift };
  /** Makes the worker send a stream through Redis; it reports a failure before the first byte. */
  'stream.open': { args: { id: string; how: object }; answer: { head: unknown } };
  'job.cancel': { args: { id: string }; answer: { aborting: boolean } };
}
export type Query = keyof Queries;

const port = z.object({ internal: z.number(), external: z.number() });

/**
 * What an api takes for an answer: anything may be sent in its place. A worker of a later version
 * may add fields anywhere.
 */
export const answerSchemas: { [Q in Query]: z.ZodType<Queries[Q]['answer']> } = {
  'container.read': z.string(),
  'container.list': z.array(gearSummary.extend({ ports: z.array(port).nullable() })).max(maxListed),
  'environment.read': z.string(),
  'drift.read': driftDocument,
  'stream.open': z.object({ head: z.unknown() }),
  'job.cancel': z.object({ aborting: z.boolean() }),
};

/** The same for the content of a sealed answer. Another version may say more, or less. */
export const contentSchemas = {
  'container.read': z.custom<Gear>((said) => typeof said === 'object' && said !== null),
  'environment.read': z.array(z.object({ name: z.string(), value: z.string() })),
};
