import { expect, test } from 'vitest';
import { gearBody } from '../../../src/jobs/types/container.ts';
import { parseBody, textOf } from '../../../src/requests/body.ts';

const body = (text: string) => parseBody(text, gearBody);

test("names count without regard to case, numbers may be strings: the seed's clients do both", () => {
  expect(body('{"Ports":[{"External":"4343","INTERNAL":"8080"}]}')).toMatchObject({
    ports: [{ internal: 8080, external: 4343 }],
  });
});

test('an absent body is a gear with nothing but its image', () => {
  expect(body(textOf(undefined))).toEqual({ ports: [], env: [], command: [], volumes: [], start: true });
});

test('the first thing that is wrong is said with its place', () => {
  expect(() => body('{"ports":[{"internal":80},{"internal":0}]}')).toThrow(
    'body: ports[1].internal: internal must be a whole number from 1 to 65535',
  );
});

test('memory is read as Docker writes it', () => {
  expect(body('{"memory":"64m","cpus":"0.5"}')).toMatchObject({ memory: 64 * 1024 * 1024, cpus: 0.5 });
});

test('bytes that are no text are refused, and a byte order mark is not passed over', () => {
  expect(() => textOf(Buffer.from([0x7b, 0xff, 0x7d]))).toThrow('the body is not JSON');
  expect(() => body(textOf(Buffer.from('\ufeff{}')))).toThrow('the body is not JSON');
});

test.each([
  '{"memory":"64m","memory":"1g"}',
  '{"memory":"64m","Memory":"1g"}',
  String.raw`{"memory":"64m","\u006demory":"1g"}`,
  '{"memory":"64m", "command":["a"] ,\n"memory" :\t"64m"}',
  '{"ports":[{"internal":80},{"internal":81,"internal":82}]}',
  '{"env":[{"name":"A","value":"x","name":"B"}]}',
  '{"start":true,"startSeconds":1,"startseconds":2}',
  '{"constructor":1,"constructor":2}',
])('%s is refused: it names a field twice (security L14)', (text) => {
  expect(() => body(text)).toThrow('the body names a field twice');
});

test.each([
  '{"ports":[{"internal":80},{"internal":81}]}',
  '{"env":[{"name":"name","value":"name"},{"name":"value","value":"name"}]}',
  String.raw`{"env":[{"name":"A","value":"{\"name\":1,\"name\":2}\\"},{"name":"B","value":"\"}"}]}`,
  '{"command":["memory","memory:","{","{"],"memory":"64m"}',
])('%s is taken: it names each field once in each object', (text) => {
  expect(() => body(text)).not.toThrow();
});

test('names are looked at in a time that grows with the body only', () => {
  const value = '\\"{:'.repeat(20_000);
  const started = performance.now();
  expect(() => body(`{"command":["${value}"]}`)).toThrow('body: ');
  expect(() => body(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)).toThrow('nested too deeply');
  expect(performance.now() - started).toBeLessThan(1_000);
});

test('a word of command has no character that a unit cannot hold', () => {
  for (const word of ['\0', '\x1b', '\uffff', '\ufdd0', '\u{1fffe}'])
    expect(() => body(JSON.stringify({ command: [`a${word}`] })), JSON.stringify(word)).toThrow('command');
  for (const word of ['\ufffd', '\u{1f600}', 'ü', '\t'])
    expect(body(JSON.stringify({ command: [word] })).command).toEqual([word]);
});
