import { readFile } from 'node:fs/promises';

/** The state LISTEN in /proc/net/tcp (proc(5), include/net/tcp_states.h). */
const listen = '0A';

/**
 * The TCP ports with a listener in the network namespace of a process. Sends nothing: reading the
 * kernel's table does not disturb the program as a trial connection would. Empty when the process
 * is gone.
 */
export async function listeningPorts(pid: number): Promise<Set<number>> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((table) => readFile(`/proc/${pid}/net/${table}`, 'utf8').catch(() => '')),
  );
  return new Set(tables.flatMap(parseSocketTable));
}

/** Listening ports in the text of /proc/net/tcp or tcp6. */
export function parseSocketTable(text: string): number[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      return state === listen && local ? [Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16)] : [];
    });
}
