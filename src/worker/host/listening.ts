import { open } from 'node:fs/promises';
import { addressBytes } from './address-bytes.ts';

/** The state LISTEN in /proc/net/tcp (proc(5), include/net/tcp_states.h). */
const listen = '0A';

/**
 * Maximum number of bytes to read of a table. A program may have any number of connections, and the
 * kernel lists listeners first (tcp_get_idx in net/ipv4/tcp_ipv4.c).
 */
const mostBytes = 1024 * 1024;

interface Listener {
  port: number;
  /** Whether only the same network namespace reaches it. */
  isLoopback: boolean;
}

/**
 * The TCP ports with a listener in the network namespace of a process. Sends nothing: reading the
 * kernel's table does not disturb the program as a trial connection would. Empty when the process
 * is gone.
 */
export async function listeningPorts(pid: number): Promise<Set<number>> {
  return new Set((await listenersOf(pid)).map(({ port }) => port));
}

/**
 * The same without listeners on loopback: nobody reaches those of a container from outside, and the
 * engine's own name server is one.
 */
export async function reachablePorts(pid: number): Promise<Set<number>> {
  return new Set((await listenersOf(pid)).flatMap(({ port, isLoopback }) => (isLoopback ? [] : port)));
}

async function listenersOf(pid: number): Promise<Listener[]> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((table) => listeningIn(`/proc/${pid}/net/${table}`).catch(() => [])),
  );
  return tables.flat();
}

/** Listeners in /proc/net/tcp or tcp6. Reads up to the first socket that does not listen. */
export async function listeningIn(path: string): Promise<Listener[]> {
  const file = await open(path);
  try {
    const listeners: Listener[] = [];
    let read = 0;
    for await (const line of file.readLines()) {
      const [, local = '', , state] = line.trim().split(/\s+/);
      if (state === 'st') continue; // The head of the table.
      read += line.length;
      if (state !== listen || read > mostBytes) break;
      const [address = '', port = ''] = local.split(':');
      listeners.push({ port: Number.parseInt(port, 16), isLoopback: isLoopback(address) });
    }
    return listeners;
  } finally {
    await file.close();
  }
}

/** ::1, and the beginning of addresses that stand for IPv4 (::ffff:0:0/96), byte by byte. */
const loopback6 = `${'0'.repeat(31)}1`;
const mapped4 = `${'0'.repeat(20)}ffff`;

/** Whether an address in the kernel's table is in 127.0.0.0/8 or is ::1. */
function isLoopback(address: string): boolean {
  const text = addressBytes(address).toString('hex');
  if (text.length === 8) return text.startsWith('7f');
  return text === loopback6 || text.startsWith(`${mapped4}7f`);
}
