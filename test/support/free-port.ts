import { once } from 'node:events';
import { createServer } from 'node:net';
import { succeeds } from '../../src/lib/async/succeeds.ts';

/**
 * Below the ports that the kernel gives to outgoing connections (ip(7), ip_local_port_range): one of those could be taken
 * between being found free and being listened on, by the very connections of a test.
 */
const [lowest, each, parts] = [20_000, 1_500, 8];
/** Test files that run side by side have a part of the ports each. */
const first = lowest + ((Number(process.env['VITEST_POOL_ID'] ?? 1) - 1) % parts) * each;
const last = first + each;
let next = first + Math.floor(Math.random() * (each / 2));

/** A port on loopback that nobody listens on; each is given out once. */
export async function freePort(): Promise<number> {
  for (; next < last; next++) {
    const server = createServer().listen(next, '127.0.0.1');
    if (!(await succeeds(once(server, 'listening')))) continue;
    server.close();
    await once(server, 'close');
    return next++;
  }
  throw new Error('no port is free');
}
