import { z } from 'zod';
import { problemDocument } from '../../jobs/errors.ts';
import { jobDocument } from '../../jobs/job.ts';
import { driftDocument } from '../../jobs/rpc/drift.ts';
import { gearDocument, gearSummary } from '../../jobs/types/container-reads.ts';
import type { Operation } from './operations.ts';

/** JSON Schema (2020-12), the dialect of OpenAPI 3.1. */
export type JsonSchema = { [keyword: string]: unknown };

export const refTo = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` });
export const schemaRef = (name: string) => refTo('schemas', name);

/** The name of a schema of an operation, such as `ContainerInstallBody`. */
export const schemaName = (operation: string, part: 'Body' | 'Result' | 'Job' | 'Answer' | 'Line') =>
  `${operation.replace(/(?:^|\.)(\w)/g, (_, letter: string) => letter.toUpperCase())}${part}`;

/** Documents that several operations answer with, or that other documents contain. */
const shared = [
  ['Problem', problemDocument],
  ['Job', jobDocument],
  ['Gear', gearDocument],
  ['GearSummary', gearSummary],
  ['Drift', driftDocument],
] as const;

/** Returns the schema name of an operation's answer, or null if the answer is not JSON. */
export function answerName({ name, answer, result, media }: Operation): string | null {
  if (result) return schemaName(name, 'Job');
  if (!media.some((type) => type.includes('json'))) return null;
  const known = shared.find(([, schema]) => schema === answer);
  return known?.[0] ?? schemaName(name, media.length > 1 ? 'Line' : 'Answer');
}

/** Returns the schemas of all bodies and answers by name. */
export function componentSchemas(operations: readonly Operation[]): Record<string, JsonSchema> {
  const [bodies, answers] = [z.registry<{ id: string }>(), z.registry<{ id: string }>()];
  const jobs: Record<string, JsonSchema> = {};
  for (const [id, schema] of shared) answers.add(schema, { id });
  for (const operation of operations) {
    const { name, body, result, answer, deprecated } = operation;
    if (deprecated) continue; // It shares the schemas of another operation.
    if (body) bodies.add(body, { id: schemaName(name, 'Body') });
    const id = answerName(operation);
    if (id !== null && !answers.has(answer)) answers.add(answer, { id });
    if (id === null || !result) continue;
    answers.add(result, { id: schemaName(name, 'Result') });
    jobs[id] = jobWith(schemaRef(schemaName(name, 'Result')));
  }
  return { ...schemasOf(answers, 'output'), ...jobs, ...schemasOf(bodies, 'input') };
}

/** Describes a job whose `result` is this one, the id of the job that superseded it, or null. */
function jobWith(result: JsonSchema): JsonSchema {
  const superseded = {
    type: 'object',
    properties: { supersededBy: { type: 'string' } },
    required: ['supersededBy'],
  };
  const properties = { result: { anyOf: [result, superseded, { type: 'null' }] } };
  return { allOf: [schemaRef('Job'), { properties }] };
}

function schemasOf(registry: z.core.$ZodRegistry<{ id: string }>, io: 'input' | 'output') {
  const { schemas } = z.toJSONSchema(registry, { ...howOf(io), uri: (id) => schemaRef(id).$ref });
  for (const schema of Object.values(schemas)) {
    delete schema.$schema;
    delete schema.$id;
  }
  return schemas as Record<string, JsonSchema>;
}

/** Converts one schema of client input. */
export function schemaOf(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, howOf('input'));
  return json;
}

const howOf = (io: 'input' | 'output') =>
  ({
    io,
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      const { plain, ...said } = z.globalRegistry.get(zodSchema) ?? {};
      if (plain) {
        for (const keyword of Object.keys(jsonSchema)) delete jsonSchema[keyword];
        Object.assign(jsonSchema, plain, said);
      }
      // The format is enough: the pattern of a time is longer than everything else.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
      // Clients must accept answers with unknown fields.
      if (io === 'output' && jsonSchema.additionalProperties === false)
        delete jsonSchema.additionalProperties;
    },
  }) satisfies z.core.ToJSONSchemaParams;
