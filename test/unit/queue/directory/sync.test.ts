import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { openDirectorySync } from '../../../../src/queue/directory/sync.ts';
import { channels } from '../../../../src/queue/redis/keys.ts';
import { keepLog } from '../../../support/log-lines.ts';

/** A connection to a Redis with an epoch and no hosts. */
class FakeRedis extends EventEmitter {
  epoch: string | null = null;
  readonly published: string[] = [];
  readonly status = 'ready';

  async set(_key: string, epoch: string) {
    this.epoch ??= epoch;
  }
  async get() {
    return this.epoch;
  }
  async smembers() {
    return [];
  }
  async psubscribe() {
    return 1;
  }
  async publish(channel: string) {
    this.published.push(channel);
  }
}

test('the workers are asked for their names once at a start, a reconnect and a loss of Redis each', async () => {
  const fake = new FakeRedis();
  const [redis, subscriber] = [fake, new FakeRedis()] as unknown as [Redis, Redis];
  const { log } = keepLog();
  const sync = openDirectorySync({ redis, subscriber, clock: { now: Date.now }, expected: [], log });
  onTestFinished(sync.close);
  const askedAtReady = async () => {
    fake.published.length = 0;
    fake.emit('ready');
    await setImmediate(); // By then everything has been answered.
    return fake.published;
  };
  expect(await askedAtReady()).toEqual([channels.who]);
  expect(await askedAtReady()).toEqual([channels.who]);
  fake.epoch = null;
  expect(await askedAtReady()).toEqual([channels.who]);
});
