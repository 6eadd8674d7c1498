import { expect, test } from 'vitest';
import { Failure } from '../../../../src/jobs/errors.ts';
import { faultsIn } from '../../../../src/queue/redis/preflight.ts';
import { asQueueFailure } from '../../../../src/queue/redis/queue-failure.ts';

test.each([
  'connect ECONNREFUSED 127.0.0.1:6379',
  'getaddrinfo EAI_AGAIN redis.example',
  'Connection is closed.',
  "Stream isn't writeable and enableOfflineQueue options is false",
  'Command timed out',
  'Command aborted due to connection close',
  "Socket timeout. Expecting data, but didn't receive any in 2000ms.",
  'Node is disconnected',
  'All sentinels are unreachable. Retrying from scratch after 50ms. Last error: Connection is closed.',
  'Failed to refresh slots cache.',
  'None of startup nodes is available',
  "Cluster isn't ready and enableOfflineQueue options is false",
  'Cluster is ended.',
  'Cluster is disconnected.',
  'No subscriber for the cluster',
  'Too many Cluster redirections. Last error: ReplyError: MOVED 5 127.0.0.1:7001',
  'CLUSTERDOWN The cluster is down',
  'MOVED 3999 127.0.0.1:6381',
  'TRYAGAIN Multiple keys request during rehashing of slot',
  "READONLY You can't write against a read only replica.",
  'NOREPLICAS Not enough good replicas to write.',
  'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
  'LOADING Redis is loading the dataset in memory',
  "OOM command not allowed when used memory > 'maxmemory'.",
  'MISCONF Errors writing to the AOF file: No space left on device',
])('%s: the queue is unavailable', (message) => {
  expect(asQueueFailure(new Error(message))?.code).toBe('queue_unavailable');
});

test('a transaction is discarded for the reason of its refused command', () => {
  const discarded = new Error('EXECABORT Transaction discarded because of previous errors.');
  const because = (message: string) => Object.assign(discarded, { previousErrors: [new Error(message)] });
  expect(asQueueFailure(because('READONLY You cannot write.'))?.code).toBe('queue_unavailable');
  expect(asQueueFailure(because('MISCONF Errors writing: No space left on device'))?.message).toContain(
    'disk',
  );
  expect(asQueueFailure(because('ERR unknown command'))).toBeNull();
});

test('faults of our own stay what they are', () => {
  expect(asQueueFailure(new Error('ERR wrong number of arguments'))).toBeNull();
  expect(asQueueFailure(new Error("CROSSSLOT Keys in request don't hash to the same slot"))).toBeNull();
  expect(asQueueFailure(new Failure('not_found', 'gone'))).toBeNull();
});

test('a file that is missing is no fault of the queue', () => {
  expect(asQueueFailure(new Error("ENOENT: no such file or directory, open '/x'"))).toBeNull();
  expect(asQueueFailure(new Error('connect ENOENT /run/redis.sock'))?.code).toBe('queue_unavailable');
});

test.each([
  ['redis_version:6.0.16', true],
  ['redis_version:5.0.7', true],
  ['redis_version:6.2.0', false],
  ['redis_version:8.0.2', false],
  ['redis_version:7.2.4\r\nvalkey_version:8.1.1', false],
])('%s is too old for us: %s', (info, tooOld) => {
  const faults = faultsIn(`${info}\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n`, 'this Redis');
  expect(faults.some((fault) => fault.includes('6.2 or later'))).toBe(tooOld);
  expect(faults.length).toBe(tooOld ? 1 : 0);
});
