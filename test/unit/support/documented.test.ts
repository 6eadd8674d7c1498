import { expect, test } from 'vitest';
import { problemOf } from '../../../src/jobs/errors.ts';
import { createLogWriter } from '../../../src/worker/domain/log-format.ts';
import { assertDocumented } from '../../support/documented.ts';

/** Compares an answer with the document. */
const told = (
  method: string,
  target: string,
  status: number,
  type: string,
  body: string | Buffer | null,
  isPart = false,
) => {
  const headers = new Headers(type === '' ? {} : { 'Content-Type': `${type}; charset=utf-8` });
  const kept = body === null ? null : Buffer.from(body);
  return () => assertDocumented(method, target, { status, headers, body: kept, isPart });
};

const [json, text, lines, events] = [
  'application/json',
  'text/plain',
  'application/x-ndjson',
  'text/event-stream',
];
const absent = problemOf('container_not_found', 'there is no gear x (y): z');
const absentInWords = `No such gear (container_not_found): ${absent.detail}\n`;
const log = '/token/abc/container/log?r=x';
const written = (format: 'text/event-stream' | 'application/x-ndjson') => {
  const writer = createLogWriter(format);
  const record = { cursor: 's=1;i=2', time: '1700000000000000', pid: '1', units: [], continues: false };
  return Buffer.concat([
    writer.records([
      { ...record, message: Buffer.from('one\rtwo'), continues: true },
      { ...record, message: Buffer.from('three\xff', 'latin1') },
    ]),
    writer.notice({ event: 'missed', reason: 'too slow', lines: 3 }),
    writer.notice({ event: 'end', reason: 'the history ends' }),
  ]);
};

test.each([
  [
    'a document',
    told(
      'GET',
      '/whoami',
      200,
      json,
      JSON.stringify({ user: null, resource: null, host: null, actions: [], expires: null }),
    ),
  ],
  [
    'a problem',
    told('GET', '/token/abc/container?r=x', 404, 'application/problem+json', JSON.stringify(absent)),
  ],
  ['a problem in words', told('GET', '/container', 404, text, absentInWords)],
  ['a refusal of what is no path', told('PUT', '/..//%', 404, text, 'No such path (not_found): \n')],
  ['the head of an answer to HEAD', told('HEAD', log, 200, text, '')],
  ['JSON lines', told('GET', log, 200, lines, written('application/x-ndjson'))],
  ['events', told('PUT', log, 200, events, written('text/event-stream'))],
  [
    'events that were cut off',
    told('GET', log, 200, events, written('text/event-stream').subarray(0, -9), true),
  ],
  ['a stream of which nothing was kept', told('GET', log, 200, events, null)],
  ['an archive', told('GET', '/content/a/b?t=gitarchive', 200, 'application/zip', 'PK')],
  ['variables', told('GET', '/content?t=env', 200, text, 'A="b"\n')],
  ['what a probe is told', told('GET', '/readyz', 200, json, '{"status":"ready"}')],
  ['metrics', told('GET', '/metrics', 200, text, 'a 1\n')],
  ['what a client has already', told('GET', '/openapi.json', 304, '', '')],
])('%s as the document has it passes', (_, compare) => {
  expect(compare).not.toThrow();
});

test.each([
  ['a status', told('GET', '/whoami', 202, json, '{}')],
  ['a content type', told('GET', '/container/log', 200, 'text/html', '')],
  ['a field', told('GET', '/jobs', 200, json, '{"jobs":[],"more":1}')],
  ['a document that is cut and says that it is whole', told('GET', '/jobs', 200, json, '{"jobs":')],
  ['the code of a problem', told('GET', '/jobs', 404, 'application/problem+json', JSON.stringify(absent))],
  ['the code of a problem in words', told('GET', '/jobs', 404, text, absentInWords)],
  [
    'the title of a problem in words',
    told('GET', '/container', 404, text, absentInWords.replace('gear', 'x')),
  ],
  ['a code in words that is none', told('GET', '/container', 404, text, 'No such gear (none): x\n')],
  ['the content type of a refusal', told('GET', '/container', 404, 'text/html', '<html>')],
  ['a JSON line', told('GET', log, 200, lines, '{"cursor":"a","time":"now","message":"b"}\n')],
  ['the end of JSON lines', told('GET', log, 200, lines, '{"event":"end","reason":"x"}')],
  ['an event without an id', told('GET', log, 200, events, 'data: a\n\n')],
  ['the name of an event', told('GET', log, 200, events, 'event: over\ndata: {"reason":"x"}\n\n')],
  ['the data of an event', told('GET', log, 200, events, 'event: end\ndata: {"reason":1}\n\n')],
  ['a field of an event', told('GET', log, 200, events, 'id: 1\nretry: 1\ndata: a\n\n')],
  ['the time of a step', told('GET', '/job/1/log', 200, events, 'id: 1-0\ndata: now image: x\n\n')],
  ['variables in place of an archive', told('GET', '/content?t=gitarchive', 200, text, 'A="b"\n')],
  ['what a probe is told', told('GET', '/readyz', 200, json, '{"status":"asleep"}')],
  ['the content type of metrics', told('GET', '/metrics', 200, json, '{}')],
  ['the status of a probe', told('GET', '/healthz', 204, '', '')],
])('%s that the document does not have is an error', (_, compare) => {
  expect(compare).toThrow();
});
