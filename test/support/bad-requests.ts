import fc from 'fast-check';
import { hostileRefs, hostileUrls } from './hostile.ts';

/**
 * Requests that are wrong in one place, by the grammar of what would be right: each must be refused at the door. What is
 * right is said here a second time, from docs/api.md, so that a mistake of the product's is not repeated by its test.
 */
export interface BadRequest {
  /** Which part of it is wrong. */
  wrong: string;
  method: string;
  /** Behind the token, as it goes over the wire. */
  target: string;
  headers?: Record<string, string>;
  body?: Buffer;
  /** In place of the valid one. */
  token?: string;
}

/** What has broken programs before: empty, of control characters, quoting, other scripts, or of a meaning to some language. */
const naughty = [
  ...[
    '',
    ' ',
    '\0',
    '\n',
    '\r\nSet-Cookie: a=b',
    '\t',
    '\x1b[2J',
    '\x7f',
    '\u00a0',
    '\u200b',
    '\u202e',
    '\ufeff',
  ],
  ...[
    '../../etc/passwd',
    '/etc/passwd',
    '..\\..',
    'C:\\con',
    '~root',
    '-rf',
    '--help',
    '--privileged=true',
    '@-',
  ],
  ...[
    '$(reboot)',
    '`reboot`',
    ';reboot',
    '|reboot',
    '&&reboot',
    '$HOME',
    '$IFS$9',
    '%n%s',
    '%00',
    '%i',
    '%%',
    '{{.}}',
  ],
  ...[
    "'",
    '"',
    '\\',
    "' OR 1=1 --",
    '<script>alert(1)</script>',
    '<!--',
    ']]>',
    '*',
    '?',
    '[a]',
    '{a,b}',
    '#',
    '(',
    ';',
  ],
  ...[
    'FLUSHALL\r\n',
    '*1\r\n$8\r\nFLUSHALL\r\n',
    'ä',
    'ﷺ',
    '田中',
    '👩‍👩‍👧',
    'Ω≈ç',
    'i̇',
    '\ud800',
    '１２３',
    '…',
  ],
  ...[
    'a'.repeat(300),
    'a/b',
    'a b',
    'a\0b',
    'a\nb',
    '__proto__[x]',
    'constructor.prototype()',
    '=cmd()',
    '+1 2',
  ],
];

/** As it arrives: what is no Unicode cannot be sent. */
const wellFormed = (text: string) => Buffer.from(text).toString();

/** A text that a pattern does not take in: out of the list, of any characters, or a good one with something in it or too long. */
function not(isGood: (text: string) => boolean, good: string): fc.Arbitrary<string> {
  const inserted = fc
    .tuple(fc.constantFrom(...naughty, '/', '..', '%', ' ', ':', '~'), fc.nat(good.length))
    .map(([text, at]) => good.slice(0, at) + text + good.slice(at));
  return fc
    .oneof(
      fc.constantFrom(...naughty),
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.string({ unit: 'grapheme', maxLength: 80 }),
      inserted,
      fc.integer({ min: 10, max: 60 }).map((times) => good.repeat(times)),
    )
    .map(wellFormed)
    .filter((text) => !isGood(text));
}

const matches = (pattern: RegExp) => (text: string) => pattern.test(text) && !/[\r\n]/.test(text);
const isName = (text: string) =>
  matches(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/)(text) && !text.includes('..') && !text.endsWith('.service');
const isHost = matches(/^[a-z0-9][a-z0-9-]{0,62}$/);
const isUser = matches(/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$/);
const isId = matches(/^[0-9a-fA-F]{1,32}$/);
const isKey = matches(/^[!-~]([ -~]{0,253}[!-~])?$/);

const badName = not(isName, 'fuzz-name');
/** A good text with a character in it that none of its kind may have, wherever it stands. */
const spoilt = (good: string, characters: string) =>
  fc
    .tuple(fc.constantFrom(...characters), fc.nat(good.length))
    .map(([character, at]) => good.slice(0, at) + character + good.slice(at));

const badImage = fc.oneof(
  spoilt('registry.example:5000/team/app:1.0', ' "\'`$\\()<>|;&*?!{}[]^~\n\t\0%#,=+ä'),
  fc.constantFrom(
    '',
    '/a',
    'a//b',
    '-a',
    ':a',
    '@a',
    'a@sha256:12',
    'a:b:c',
    'geard.invalid/a',
    'A/B',
    'a/-b',
  ),
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 }),
  fc.integer({ min: 256, max: 3_000 }).map((length) => 'a'.repeat(length)),
);

const badUrl = fc.oneof(
  fc.constantFrom(...hostileUrls),
  spoilt('https://example.org/team/site.git', ' \n\t\0\\#?ä').filter((url) => !url.startsWith('?')),
  badName.map((name) => `gear://${name}`).filter((url) => wellFormed(url) === url),
  fc
    .constantFrom('ext', 'file', 'ssh', 'ftp', 'data', 'blob', 'ws', 'x')
    .map((scheme) => `${scheme}://example.org/a`),
  fc.webUrl().map((url) => url.replace('://', '://user:password@')),
);

const badRef = fc.oneof(
  fc.constantFrom(...hostileRefs).filter((ref) => ref !== ''),
  spoilt('release/v1.0', ' ~^:?*[\\\0\n\x7f'),
  fc.constantFrom('..', '@{', '//', '/.').map((text) => `a${text}b`),
  fc.constantFrom('.lock', '/', '.').map((end) => `main${end}`),
);

type Json = unknown;
/** Anything that is no whole number in a range, nor one written as a text. */
const badInteger = (min: number, max: number): fc.Arbitrary<Json> =>
  fc
    .oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(min - 1, max + 1, 0.5, -0.1, 1e21, 2 ** 53),
      fc.constantFrom(...naughty),
      fc.constantFrom('0x50', '1e3', '-1', '+80', ' 80', '80 ', '8_0', '80.0', '٨٠'),
      fc.constantFrom(null, true, [], [80], {}, { value: 80 }),
    )
    .filter((value) => {
      const number = typeof value === 'string' && /^\d{1,20}$/.test(value) ? Number(value) : value;
      return !(Number.isInteger(number) && Number(number) >= min && Number(number) <= max);
    });

const noText: fc.Arbitrary<Json> = fc.constantFrom(null, 1, true, [], {}, ['a']);
const noList: fc.Arbitrary<Json> = fc.constantFrom(null, 1, 'a', true, {}, { 0: {} });
const badText = (isGood: (text: string) => boolean, good: string) => fc.oneof(not(isGood, good), noText);
const control = fc.constantFrom(...'\0\x01\x07\x08\x0b\x1b\x7f').map((character) => `a${character}b`);
const listOf = (item: fc.Arbitrary<Json>) =>
  fc.oneof(
    noList,
    item.map((one) => [one]),
  );

const badPort = fc.oneof(
  badInteger(1, 65_535).map((internal) => ({ internal })),
  badInteger(0, 65_535).map((external) => ({ internal: 80, external })),
  fc.integer({ min: 1, max: 1_023 }).map((external) => ({ internal: 80, external })),
  badName.filter((name) => !/^(internal|external)$/i.test(name)).map((name) => ({ internal: 80, [name]: 1 })),
  fc.constantFrom({}, { external: 8080 }, null, 80, '80'),
);
const isVariable = matches(/^[A-Za-z_][A-Za-z0-9_]{0,254}$/);
const badVariable = fc.oneof(
  badText(isVariable, 'NAME').map((name) => ({ name, value: '' })),
  noText.map((value) => ({ name: 'A', value })),
  fc.constantFrom({ name: 'A', value: 'a\0b' }, { name: 'A' }, { value: 'a' }, {}, null, 'A=b'),
);
const badPath = fc.oneof(
  not(matches(/^(\/[A-Za-z0-9_.@+-]+)+$/), '/data/x'),
  fc.constantFrom('/', '/.', '/..', '/a/../b', '/a/.', '/a/', 'a', '//a'),
  noText,
);
const badVolume = fc.oneof(
  badText(matches(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/), 'data').map((name) => ({ name, path: '/d' })),
  badPath.map((path) => ({ name: 'data', path })),
  badText(isName, 'gear').map((of) => ({ name: 'data', path: '/d', of })),
  fc.constantFrom({}, { name: 'a' }, { path: '/a' }, null, 'a:/a', { name: 'a', path: '/a', source: '/' }),
);
const known = [
  ...[
    'ports',
    'env',
    'environment',
    'command',
    'volumes',
    'memory',
    'cpus',
    'network',
    'startseconds',
    'start',
  ],
];

/** Bodies of PUT container with one thing wrong in one field. */
const badSpec: fc.Arbitrary<Json> = fc.oneof(
  listOf(badPort).map((ports) => ({ ports })),
  fc.constantFrom({ ports: [{ internal: 80 }, { internal: '80' }] }).map((body) => body),
  fc.integer({ min: 65, max: 200 }).map((count) => ({
    ports: Array.from({ length: count }, (_, n) => ({ internal: n + 1 })),
  })),
  listOf(badVariable).map((env) => ({ env })),
  badText(isName, 'team').map((environment) => ({ environment })),
  badText(isName, 'team').map((network) => ({ network })),
  listOf(fc.oneof(control, noText, fc.constant('x'.repeat(5_000)))).map((command) => ({ command })),
  listOf(badVolume).map((volumes) => ({ volumes })),
  fc
    .constantFrom<Json>(
      0,
      -1,
      1,
      1.5,
      6 * 1024 * 1024 - 1,
      1e300,
      '',
      'm',
      '1m',
      '64x',
      ' 64m',
      '64 m',
      '-64m',
      null,
      [],
      {},
      true,
    )
    .map((memory) => ({ memory })),
  fc
    .constantFrom<Json>(0, -1, 0.001, 1_025, '', ' 1', '1e1', '1.234', '1,5', 'x', null, [], {}, true)
    .map((cpus) => ({ cpus })),
  badInteger(1, 3_600).map((startSeconds) => ({ startSeconds })),
  fc.constantFrom<Json>('true', 0, 1, null, [], {}, '').map((start) => ({ start })),
  fc
    .tuple(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.jsonValue())
    .filter(([name]) => !known.includes(name.toLowerCase()))
    .map(([name, value]) => Object.fromEntries([[name, value]])),
);

const right = '{"ports":[{"internal":8080}],"env":[{"name":"A","value":"b"}],"memory":"64m"}';
const bytes = (text: string) => Buffer.from(text);
/** Bodies that are no JSON, no object, or more than there may be. */
const badJson: fc.Arbitrary<Buffer> = fc.oneof(
  fc.integer({ min: 1, max: right.length - 1 }).map((length) => bytes(right.slice(0, length))),
  fc
    .uint8Array({ minLength: 1, maxLength: 200 })
    .map((array) => Buffer.from(array))
    .filter((body) => !isObject(body.toString())),
  fc
    .tuple(fc.integer({ min: 0x80, max: 0xff }), fc.nat(right.length))
    .map(([byte, at]) => Buffer.concat([bytes(right.slice(0, at)), Buffer.of(byte), bytes(right.slice(at))])),
  fc
    .jsonValue()
    .map((value) => bytes(JSON.stringify(value)))
    .filter((body) => !isObject(body.toString())),
  fc
    .constantFrom(...naughty)
    .filter((text) => text !== '')
    .map((text) => bytes(right + wellFormed(text)))
    .filter((body) => !isObject(body.toString())),
  fc.constantFrom(...known).map((name) => bytes(`{"${name}":[],"${name.toUpperCase()}":[]}`)),
  fc
    .integer({ min: 17, max: 5_000 })
    .map((depth) => bytes(`{"env":${'['.repeat(depth)}${']'.repeat(depth)}}`)),
  fc
    .integer({ min: 101, max: 300 })
    .map((kib) => bytes(JSON.stringify({ command: ['x'.repeat(kib * 1024)] }))),
);

function isObject(text: string): boolean {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

type Query = Record<string, string>;
const written = (path: string, query: Query) => {
  const parts = Object.entries(query).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
  );
  return parts.length === 0 ? path : `${path}?${parts.join('&')}`;
};

let ids = 0;
const change = () => ({ u: '0', i: (0xf0000000 + ids++).toString(16), r: 'fuzz-name' });
const install = () => ({ ...change(), t: 'geard/sample' });
const of = (
  wrong: string,
  method: string,
  path: string,
  query: Query,
  more: Partial<BadRequest> = {},
): BadRequest => ({
  ...{ wrong, method, target: written(path, query) },
  ...more,
});

const onGear: [string, string][] = [
  ...(['container/started', 'container/stopped', 'container/restarted'] as const).map(
    (path): [string, string] => ['PUT', path],
  ),
  ...([
    ['DELETE', 'container'],
    ['GET', 'container'],
    ['GET', 'container/log'],
    ['PUT', 'container/log'],
  ] as [string, string][]),
  ...([
    ['PUT', 'environment'],
    ['PATCH', 'environment'],
    ['PUT', 'repository'],
    ['GET', 'jobs'],
    ['GET', 'containers'],
  ] as [string, string][]),
];
const numbers: [name: string, path: string, min: number, max: number][] = [
  ['wait', 'job/1', 0, 60],
  ['limit', 'jobs', 1, 1_000],
  ['limit', 'containers', 1, 1_000],
  ['lines', 'container/log', 0, 9_999_999],
  ['for', 'container/log', 0, 3_600],
];
const parameterNames = [
  'u',
  'd',
  'i',
  'r',
  't',
  'h',
  'wait',
  'limit',
  'after',
  'lines',
  'for',
  'format',
  'expires',
  'state',
];

/** Paths below which there is something. */
const paths =
  /^\/(container|containers|jobs?|hosts?|content|environment|repository|drift|healthz|readyz)(\/|$)/i;

export function badRequests(token: string): fc.Arbitrary<BadRequest> {
  const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const badToken = fc.oneof(
    fc
      .tuple(fc.nat(token.length - 1), fc.constantFrom(...base64url))
      .filter(([at, character]) => token[at] !== character)
      .map(([at, character]) => token.slice(0, at) + character + token.slice(at + 1)),
    fc.nat(token.length - 1).map((length) => token.slice(0, length)),
    fc.string({ unit: fc.constantFrom(...base64url, '.'), minLength: 1, maxLength: 3_000 }),
    fc
      .nat(token.length)
      .map((at) => `${token.slice(at)}${token.slice(0, at)}`)
      .filter((one) => one !== token),
    fc.constantFrom(...naughty, '__test__', 'null').map((text) => encodeURIComponent(wellFormed(text))),
  );
  const json = (body: Json) => ({ body: bytes(JSON.stringify(body)) });
  return fc.oneof(
    fc
      .tuple(fc.constantFrom(...onGear), badName)
      .map(([[method, path], r]) => of('name', method, path, { ...(method === 'GET' ? {} : change()), r })),
    badName.map((r) => of('name', 'GET', 'content', { t: 'gitarchive', r })),
    not(isUser, 'somebody').map((u) => of('user', 'PUT', 'container', { ...install(), u })),
    not(isHost, 'host-1').map((h) => of('host', 'PUT', 'container', { ...install(), h })),
    not(isId, '2a').map((i) => of('id', 'PUT', 'container', { ...install(), i })),
    not(isId, '2a')
      .filter((i) => i !== '')
      .map((i) => of('id', 'GET', `job/${encodeURIComponent(i)}`, {})),
    fc
      .constantFrom('u', 'i', 'r', 't')
      .map((name) =>
        of(
          'missing',
          'PUT',
          'container',
          Object.fromEntries(Object.entries(install()).filter(([one]) => one !== name)),
        ),
      ),
    badImage.map((t) => of('image', 'PUT', 'container', { ...install(), t: wellFormed(t) })),
    badUrl.map((t) => of('url', 'PUT', 'repository', { ...change(), t: wellFormed(t) })),
    badRef.map((ref) =>
      of('ref', 'GET', `content/${encodeURIComponent(ref)}`, { t: 'gitarchive', r: 'fuzz-name' }),
    ),
    badSpec.map((body) => of('field', 'PUT', 'container', install(), json(body))),
    badSpec.map((body) => of('field', 'PUT', 'container', install(), json(body))),
    badPort.map((port) => of('port', 'PUT', 'container', install(), json({ ports: [port] }))),
    badVariable.map((one) => of('variable', 'PUT', 'environment', change(), json({ env: [one] }))),
    badJson.map((body) => of('body', 'PUT', 'container', install(), { body })),
    badJson.map((body) => of('body', 'PATCH', 'environment', change(), { body })),
    fc
      .tuple(
        fc.constantFrom(...numbers),
        fc.oneof(fc.constantFrom(...naughty).map(wellFormed), fc.integer().map(String)),
      )
      .filter(
        ([[, , min, max], text]) => !(/^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max),
      )
      .map(([[name, path], text]) => of('number', 'GET', path, { r: 'fuzz-name', [name]: text })),
    fc
      .tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), fc.constantFrom(...naughty))
      .map(([name, value]) => [wellFormed(name), wellFormed(value)] as const)
      .filter(([name]) => !parameterNames.includes(name))
      .map(([name, value]) => of('parameter', 'PUT', 'container', { ...install(), [name]: value })),
    fc.constantFrom(...Object.keys(install())).map((name) => {
      const { target, ...rest } = of('twice', 'PUT', 'container', install());
      return { ...rest, target: `${target}&${name}=2` };
    }),
    not(isKey, 'deploy-1')
      .filter((key) => /^[\t -~\u0080-\u00ff]*$/.test(key) && !isKey(key.trim()))
      .map((key) => {
        const { i: _, ...query } = install();
        return of('key', 'PUT', 'container', query, { headers: { 'Idempotency-Key': key } });
      }),
    fc
      .constantFrom('"a"', 'W/"a"', '**', '', 'x')
      .map((value) =>
        of('precondition', 'PUT', 'container', install(), { headers: { 'If-None-Match': value } }),
      ),
    fc
      .tuple(
        fc.constantFrom('GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'),
        not(() => false, 'container'),
      )
      .map(([method, path]) => [method, `/${encodeURIComponent(path)}`] as const)
      .filter(
        ([, path]) => path !== '/' && !paths.test(decodeURIComponent(path)) && !/^\/\.{1,2}$/.test(path),
      )
      .map(([method, path]) => of('path', method, path.slice(1), {})),
    badToken.map((bad) => of('token', 'PUT', 'container', install(), { token: bad })),
  );
}
