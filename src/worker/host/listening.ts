import { open } from 'node:fs/promises';

/** The state LISTEN in /proc/net/tcp (proc(5), include/net/tcp_states.h). */
const listen = '0A';

/**
 * Maximum number of bytes to read of a table. A program may have any number of connections, and the
 * kernel lists listeners first (tcp_get_idx in net/ipv4/tcp_ipv4.c).
 */
const mostBytes = 1024 * 1024;

/**
 * The TCP ports with a listener in the network namespace of a process. Sends nothing: reading the
 * kernel's table does not disturb the program as a trial connection would. Empty when the process
 * is gone.
 */
export async function listeningPorts(pid: number): Promise<Set<number>> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((table) => listeningIn(`/proc/${pid}/net/${table}`).catch(() => [])),
  );
  return new Set(tables.flat());
}

/** Listening ports in /proc/net/tcp or tcp6. Reads up to the first socket that does not listen. */
export async function listeningIn(path: string): Promise<number[]> {
  const file = await open(path);
  try {
    const ports: number[] = [];
    let read = 0;
    for await (const line of file.readLines()) {
      const [, local = '', , state] = line.trim().split(/\s+/);
      if (state === 'st') continue; // The head of the table.
      read += line.length;
      if (state !== listen || read > mostBytes) break;
      ports.push(Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16));
    }
    return ports;
  } finally {
    await file.close();
  }
}
