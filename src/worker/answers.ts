import { z } from 'zod';
import { Failure } from '../jobs/errors.ts';
import { resourceName } from '../jobs/identifier.ts';
import type { Answers } from '../queue/open-worker-queue.ts';
import type { Room } from './room.ts';
import { showGear, showGears } from './gear/read-gear.ts';

const aboutGear = z.strictObject({ resource: resourceName });
const aboutJob = z.strictObject({ id: z.string().regex(/^[0-9a-f]{32}$/) });

/** What an api may ask this worker. Questions come through Redis: their arguments are checked here. */
export function createAnswers(room: Room, cancel: (id: string) => boolean): Answers {
  return {
    'container.read': (args) => showGear(room, checked(aboutGear, args).resource),
    'container.list': () => showGears(room),
    'job.cancel': async (args) => ({ aborting: cancel(checked(aboutJob, args).id) }),
  };
}

function checked<T extends z.ZodType>(schema: T, args: unknown): z.infer<T> {
  const parsed = schema.safeParse(args);
  if (!parsed.success) throw new Failure('invalid_request', 'the question is not valid');
  return parsed.data;
}
