import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { redisOfMachine, removeData, type ServerProcess, startRedis, startServer } from './redis-server.ts';
import { until } from './until.ts';

export interface TestSentinels {
  url: string;
  /** Kills the master and resolves with it; the Sentinels then make its replica the master. */
  killMaster(): Promise<void>;
  /** The port of the master as the Sentinels know it. */
  masterPort(): Promise<number>;
  ports: { first: number; second: number };
  close(): Promise<void>;
}

/** A master, a replica and three Sentinels on loopback. */
export async function openTestSentinels(program = redisOfMachine): Promise<TestSentinels> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-sentinel-'));
  const [first, second] = [await freePort(), await freePort()];
  const serve = (port: number, more: string[]) =>
    startRedis(program, join(directory, String(port)), [
      '--bind',
      '127.0.0.1',
      '--port',
      String(port),
      ...more,
    ]);
  const master = await serve(first, []);
  const replica = await serve(second, ['--replicaof', '127.0.0.1', String(first)]);
  const sentinels: ServerProcess[] = [];
  const ports: number[] = [];
  for (let i = 0; i < 3; i++) {
    const port = await freePort();
    ports.push(port);
    sentinels.push(await startSentinel(program, join(directory, `sentinel-${i}`), port, first));
  }
  const watch = new Redis(ports[0] ?? 0, '127.0.0.1', { maxRetriesPerRequest: null });
  watch.on('error', () => undefined);
  const fields = async (...what: string[]) => (await watch.call('SENTINEL', what)) as string[];
  await until('the Sentinels know each other and the replica', async () => {
    const flat = await fields('MASTER', 'fleet').catch((): string[] => []);
    const says = (name: string) => flat[flat.indexOf(name) + 1];
    return says('num-other-sentinels') === '2' && says('num-slaves') === '1';
  });
  await until('the replica follows', async () => {
    const redis = new Redis(second, '127.0.0.1');
    const info = await redis.info('replication');
    redis.disconnect();
    return info.includes('master_link_status:up');
  });
  /** Replication is asynchronous: what is not yet there is lost with the master. */
  const hasReplicated = async () => {
    const redis = new Redis(await masterPort(), '127.0.0.1');
    const info = await redis.info('replication');
    redis.disconnect();
    return /^slave0:.*offset=(\d+)/m.exec(info)?.[1] === /^master_repl_offset:(\d+)/m.exec(info)?.[1];
  };
  const masterPort = async () => Number((await fields('GET-MASTER-ADDR-BY-NAME', 'fleet'))[1]);
  return {
    url: `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/fleet`,
    async killMaster() {
      await until('the replica has all that the master has', hasReplicated);
      return (await masterPort()) === first ? master.kill() : replica.kill();
    },
    masterPort,
    ports: { first, second },
    async close() {
      watch.disconnect();
      for (const server of [...sentinels, master, replica]) await server.kill();
      await removeData(directory);
    },
  };
}

/** A Sentinel rewrites its file, which is why it has one of its own. */
async function startSentinel(program: string, directory: string, port: number, master: number) {
  await mkdir(directory);
  const file = join(directory, 'sentinel.conf');
  const lines = [
    ...['bind 127.0.0.1', `port ${port}`, `dir ${directory}`],
    `sentinel monitor fleet 127.0.0.1 ${master} 2`,
    'sentinel down-after-milliseconds fleet 700',
    'sentinel failover-timeout fleet 5000',
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return startServer(program, directory, [file, '--sentinel']);
}
