import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { redisOfMachine, removeData, type ServerProcess, startRedis } from './redis-server.ts';
import { until } from './until.ts';

export interface TestCluster {
  url: string;
  /** One connection for each node, for looking at what is in it. */
  nodes: Redis[];
  servers: ServerProcess[];
  close(): Promise<void>;
}

const slots = 16_384;
const size = 3;

/** A Redis Cluster of three masters on loopback. */
export async function openTestCluster(program = redisOfMachine): Promise<TestCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-cluster-'));
  const places: { port: number; bus: number }[] = [];
  const servers: ServerProcess[] = [];
  for (let i = 0; i < size; i++) {
    const place = { port: await freePort(), bus: await freePort() };
    const settings = `--bind 127.0.0.1 --port ${place.port} --cluster-port ${place.bus} --cluster-enabled yes`;
    // A node that is killed keeps all it has acknowledged, also where the disk is slow.
    const args = `${settings} --cluster-node-timeout 1000 --appendfsync always`.split(' ');
    servers.push(await startRedis(program, join(directory, String(i)), args));
    places.push(place);
  }
  const nodes = places.map(({ port }) => connect(port));
  const border = (i: number) => Math.floor((i * slots) / size);
  for (const [i, node] of nodes.entries()) {
    await node.call('CLUSTER', ['ADDSLOTSRANGE', String(border(i)), String(border(i + 1) - 1)]);
    const { port, bus } = places[i] ?? {};
    if (i > 0) await nodes[0]?.call('CLUSTER', ['MEET', '127.0.0.1', String(port), String(bus)]);
  }
  await until('the nodes have become a cluster', async () => {
    const infos = await Promise.all(nodes.map((node) => node.call('CLUSTER', ['INFO'])));
    return infos.every(
      (info) => /cluster_state:ok/.test(String(info)) && /cluster_size:3/.test(String(info)),
    );
  });
  return {
    url: `redis+cluster://${places.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    servers,
    async close() {
      for (const node of nodes) node.disconnect();
      for (const server of servers) await server.kill();
      await removeData(directory);
    },
  };
}

function connect(port: number): Redis {
  const redis = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  redis.on('error', () => undefined);
  return redis;
}
