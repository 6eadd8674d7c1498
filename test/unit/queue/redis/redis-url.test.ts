import { expect, test } from 'vitest';
import { isRedisUrl, parseAddresses, speaksTls } from '../../../../src/queue/redis/redis-url.ts';

test.each([
  'redis://127.0.0.1',
  'redis://user:secret@redis.example:6379/3',
  'rediss://redis.example:6379',
  'unix:/run/redis/redis.sock',
  'redis+sentinel://10.0.0.1:26379,10.0.0.2:26379,sentinel.example:26379/fleet',
  'rediss+sentinel://[fd00::1]:26379/fleet/2',
  'redis+cluster://10.0.0.1:6379,10.0.0.2:6379',
  'rediss+cluster://user:secret@a.example:6379',
])('%s says where a Redis is', (url) => {
  expect(isRedisUrl(url)).toBe(true);
});

test.each([
  ['', 'nothing'],
  ['http://redis', 'another protocol'],
  ['redis+sentinel://10.0.0.1:26379', 'Sentinels without the name of a master'],
  ['redis+sentinel://10.0.0.1:26379/', 'Sentinels with an empty name'],
  ['redis+cluster://10.0.0.1:6379/0', 'a Cluster with a database, of which it has one'],
  ['redis+cluster://10.0.0.1', 'an address without a port'],
  ['redis+cluster://10.0.0.1:65536', 'a port that there is none of'],
  ['redis+cluster://10.0.0.1:6379,', 'an empty address'],
  ['redis+cluster://a:6379,b c:6379', 'a space'],
  ['redis+cluster://user:%zz@a:6379', 'a password that is not encoded'],
])('%s is refused: %s', (url) => {
  expect(isRedisUrl(url)).toBe(false);
});

test('addresses, user, password, master and database are what the URL says', () => {
  expect(parseAddresses('rediss+sentinel://me:p%40ss%2F@[::1]:1,b.example:2/the.master_1-x/3')).toEqual({
    kind: 'sentinel',
    tls: true,
    login: { username: 'me', password: 'p@ss/' },
    addresses: [
      { host: '::1', port: 1 },
      { host: 'b.example', port: 2 },
    ],
    master: 'the.master_1-x',
    database: 3,
  });
  expect(parseAddresses('redis+cluster://:secret@a:1')).toEqual({
    ...{ kind: 'cluster', tls: false, login: { password: 'secret' }, addresses: [{ host: 'a', port: 1 }] },
    ...{ master: '', database: 0 },
  });
});

test.each([
  ['redis://a', false],
  ['rediss://a', true],
  ['redis+cluster://a:1', false],
  ['rediss+sentinel://a:1/m', true],
  ['unix:/rediss', false],
])('%s speaks TLS: %s', (url, tls) => {
  expect(speaksTls(url)).toBe(tls);
});
