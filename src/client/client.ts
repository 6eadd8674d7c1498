import type { Job } from '../jobs/job.ts';
import { documentOf, failureOf } from './error.ts';
import { linesOf } from './lines.ts';
import { operations } from './operations.ts';
import { type Asked, type ClientOptions, requestOf } from './request.ts';
import { patiently, send } from './send.ts';
import type { CallOptions, Client, OperationName } from './types.ts';

export { GeardError } from './error.ts';
export type { ClientOptions } from './request.ts';
export type { AnswerTo, CallOptions, Change, Client, OperationName, RequestOf, Succeeded } from './types.ts';

/** Creates a client. Opens and sends nothing by itself. Throws when `api` is not a URL. */
export function createClient(options: ClientOptions): Client {
  new URL(options.api); // Throws when it is not a URL.
  const client: Record<string, unknown> = {};
  for (const name of Object.keys(operations) as OperationName[]) {
    const [kind = name, verb] = name.split('.');
    const made = (asked: Asked = {}, how: CallOptions = {}) => call(options, name, asked, how);
    client[kind] = verb === undefined ? made : { ...(client[kind] as object | undefined), [verb]: made };
  }
  return client as Client;
}

function call(options: ClientOptions, name: OperationName, asked: Asked, how: CallOptions): unknown {
  const { answer } = operations[name];
  if (answer === 'job') return change(options, name, asked, how);
  const request = requestOf(options, name, asked, how);
  switch (answer) {
    case 'lines':
      return linesOf(request);
    case 'document':
      return send(request, documentOf);
    case 'text':
      return send(request, (response) => response.text());
    case 'bytes':
      return send(request, (response) => response);
  }
}

/** Seconds for which the api holds one read of a job. */
const wait = 60;

const jobOf = documentOf<Job>;

/** Sends all attempts with one key: however many arrive, they are one request. */
function change(options: ClientOptions, name: OperationName, asked: Asked, how: CallOptions) {
  const { key = randomKey(), headers, signal } = how;
  const keyed = asked['i'] === undefined ? { 'Idempotency-Key': key } : {};
  const accepted = send(
    requestOf(options, name, asked, { ...how, headers: { ...keyed, ...headers } }),
    jobOf,
  );
  const about = ({ id }: Job, read: OperationName, more: Asked = {}) =>
    patiently(requestOf(options, read, { id, ...more }, signal ? { signal } : {}));
  return Object.assign(accepted, {
    async done() {
      for (let job = await accepted; ; job = await send(about(job, 'job.read', { wait }), jobOf)) {
        if (job.state === 'succeeded') return job;
        if (job.state === 'failed' || job.state === 'cancelled') throw failureOf(job);
      }
    },
    async *events() {
      yield* linesOf(about(await accepted, 'job.log'));
    },
  });
}

/** Also works on pages loaded over plain HTTP, where crypto.randomUUID() is missing. */
const randomKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
