import { hash } from 'node:crypto';
import { channels, deliveryId, keys, queueName } from './keys.ts';

/**
 * The permissions of each role in Redis, as lines of an ACL file
 * (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/). Redis checks every
 * command inside a script again, so permission to run scripts on a key grants nothing by itself.
 * Needs Redis 7 or Valkey: read-only rules (`%R~`) and several sets of rules for one user.
 */

/** The wildcard in a pattern of keys or channels. */
const any = '*';

/** Commands that every connection needs; none of them names a key. */
const always = words`
  ping info time multi exec discard select hello client|setname script|load script|exists
  cluster|slots cluster|info asking readonly readwrite`;
const scripts = words`eval evalsha`;
const reading = words`
  get mget exists type hget hmget hgetall hscan hexists smembers sismember zcard zrange zrevrangebyscore zrangebyscore zscore
  zrangebylex zrandmember smismember xrange xread xlen llen lrange lindex pttl ttl`;

/** All commands on permitted keys, and none that reveals other keys. */
const dataCommands = words`@read @write -@admin -@dangerous -@scripting -scan -randomkey -dbsize`;

/**
 * The line for an api: it adds requests, reads everything of geard, and changes nothing that
 * belongs to a worker.
 */
export function apiAcl(password: string): string {
  const queue = (part: string) => `${keys.queuePrefix(any)}:${queueName}:${part}`;
  return line('geard-api', password, [
    rules(always),
    rules(reading, { read: ['geard:*'] }),
    rules(scripts, { write: ['geard:*'] }),
    rules(words`set`, { write: [keys.id(any)] }),
    rules(words`set`, { write: [keys.epoch, keys.sequence(any)] }),
    rules(words`hset hdel hincrby`, { write: [keys.holders(any), keys.spread] }),
    rules(words`zadd zrem`, { write: [keys.names(any)] }),
    rules(words`hset hdel hincrby`, { write: [keys.charges(any), keys.charged(any)] }),
    rules(words`sadd srem`, { write: [keys.hosts] }),
    rules(words`zadd zrem expire`, {
      write: [keys.jobs(any), keys.jobsBy(any, any, any), keys.resources(any)],
    }),
    rules(words`zadd zrem`, { write: [keys.open(any), keys.line(any, any, any)] }),
    rules(words`hset hsetnx hdel expire`, { write: [keys.job(any, any)] }),
    rules(words`lpush ltrim expire`, { write: [keys.asks(any)] }),
    rules(words`xadd xtrim pexpire del`, { write: [keys.frames(any, any)] }),
    // For BullMQ to add a job: its hash, the list it waits in, the marker that wakes the worker.
    rules(words`hmset hset`, { write: [queue(deliveryId(any)), queue('meta')] }),
    rules(words`lpush rpush`, { write: [queue('wait'), queue('paused')] }),
    rules(words`zadd`, { write: [queue('marker')] }),
    rules(words`incr`, { write: [queue('id')] }),
    rules(words`xadd`, { write: [queue('events')] }),
    rules(words`publish`, { channels: [channels.who, channels.news(any)] }),
    rules(words`subscribe unsubscribe psubscribe punsubscribe`, {
      channels: [channels.news(any), channels.here(any), channels.fetch(any), channels.replies(any, any)],
    }),
  ]);
}

/** The user of the worker of a host; a host that is named api does not get the user of apis. */
export const workerUser = (host: string) => (host === 'api' ? 'geard-api_worker' : `geard-${host}`);

/** The line for the worker of a host: everything of that host, and nothing else. */
export function workerAcl(password: string, host: string): string {
  const own = `geard:{${host}}:*`;
  return line(workerUser(host), password, [
    rules([...dataCommands, ...always, ...scripts], { write: [own] }),
    rules(words`publish subscribe unsubscribe`, { channels: [own] }),
    rules(words`subscribe unsubscribe`, { channels: [channels.who] }),
  ]);
}

/**
 * The line that reserves the user `default`, which is every unauthenticated client, for
 * administrators.
 */
export function adminAcl(password: string): string {
  return line('default', password, ['~* &* +@all']);
}

function line(name: string, password: string, [first = '', ...others]: string[]): string {
  const user = `user ${name} on sanitize-payload #${hash('sha256', password, 'hex')} resetchannels -@all`;
  return [user, first, ...others.map((set) => `(${set})`)].join(' ');
}

interface On {
  read?: string[];
  write?: string[];
  channels?: string[];
}

function rules(commands: string[], { read = [], write = [], channels: heard = [] }: On = {}): string {
  return [
    ...read.map((key) => `%R~${key}`),
    ...write.map((key) => `~${key}`),
    ...heard.map((channel) => `&${channel}`),
    ...commands.map((command) => (command.startsWith('-') ? command : `+${command}`)),
  ].join(' ');
}

function words([text = '']: TemplateStringsArray): string[] {
  return text.trim().split(/\s+/);
}
