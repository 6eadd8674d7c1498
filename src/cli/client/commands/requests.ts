import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { Option } from 'commander';
import { operations } from '../../../client/operations.ts';
import { withDeadline } from '../../../client/send.ts';
import { type Method, methods } from '../../../jobs/define.ts';
import { fetchOnce } from '../../../lib/http/fetch.ts';
import { BadConfig } from '../../options/config.ts';
import { type Call, type Row, tellError } from '../row.ts';
import { Interrupted, mayHaveArrived } from '../session.ts';
import { comeBack, pairs } from '../show.ts';

/** `gear whoami` */
export const whoami: Row = {
  sends: ['whoami'],
  async run(call) {
    const told = await call.client.whoami({}, { signal: call.signal });
    const { user, resource, host, actions, expires } = told;
    const all = pairs({
      Api: call.connection.api,
      User: user ?? 'any',
      Names: resource ?? 'any',
      Host: host ?? 'any',
      Actions: actions.join(' '),
      Expires: expires ?? 'never',
    });
    await call.print(told, all);
    return 0;
  },
};

interface ApiFlags {
  key?: string;
  data?: string;
}

/** `gear api METHOD PATH`: sends any request and prints its answer unchanged. */
const request = (method: Method): Row<ApiFlags> => ({
  sends: [],
  takes: '<path>',
  summary: `send a ${method} request, and print its answer as it is`,
  json: false,
  ...(method !== 'GET' && { changes: 'at once', options: [data, key] }),
  async run(call) {
    const ownKey = call.flags.key ?? `gear-${randomUUID()}`;
    const headers = new Headers({ Authorization: `Bearer ${call.connection.token}` });
    if (method !== 'GET') headers.set('Idempotency-Key', ownKey);
    const response = await send(call, method, headers).catch((error: Error) => {
      if (method !== 'GET' && (error instanceof Interrupted || mayHaveArrived(error)))
        return tellUnanswered(call, error, ownKey);
      throw error;
    });
    if (typeof response === 'number') return response;
    for await (const chunk of response.body ?? []) await call.write(chunk);
    if (response.ok) return 0;
    return response.status === 400 ? 2 : 1;
  },
});

/** Says how to send a change again whose answer is lost. Returns the exit code. */
function tellUnanswered(call: Call<ApiFlags>, error: Error, ownKey: string): number {
  const back = comeBack.request(call.flags, ownKey);
  if (error instanceof Interrupted) call.note(`gear: ${back}`);
  return tellError(call, error, undefined, back);
}

async function send(call: Call<ApiFlags>, method: Method, headers: Headers): Promise<Response> {
  const { flags, signal } = call;
  const body = flags.data === '-' ? await text(process.stdin) : flags.data;
  return withDeadline(signal, (either) =>
    fetchOnce(addressOf(call, method), {
      method,
      headers,
      ...(body !== undefined && { body }),
      signal: either,
    }),
  );
}

/** Returns the URL of the request. Adds the user to a change that becomes a job. */
function addressOf({ args, connection: { api, user } }: Call<ApiFlags>, method: Method): URL {
  const [path = ''] = args;
  const address = `${api}/${path.replace(/^\//, '')}`;
  if (!URL.canParse(address)) throw new BadConfig(`${path.slice(0, 70)} is not a path, such as /hosts`);
  const url = new URL(address);
  const makesJob = Object.values(operations).some(
    (one) => one.answer === 'job' && one.method === method && url.pathname.endsWith(one.path),
  );
  if (makesJob && user !== undefined && !url.searchParams.has('u')) url.searchParams.set('u', user);
  return url;
}

const data = new Option('-d, --data <json>', 'the body; - reads it from standard input');
const key = new Option('--key <key>', 'the Idempotency-Key; default: a random one');

export const anyRequest = Object.fromEntries(methods.map((method) => [method, request(method)]));
