import { connect } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { shareCalls } from '../../lib/async/share-calls.ts';
import { timeoutSignal } from '../../lib/async/timeout-signal.ts';
import { traced } from '../../lib/effect.ts';
import { journalAway } from './journal.ts';

/** journald's Varlink socket. */
const varlink = '/run/systemd/journal/io.systemd.journal';

/** Timeout for journald's answer, in milliseconds. */
const deadline = 10_000;

/**
 * Makes journald write everything logged until now to the journal, as `journalctl --sync` does.
 * Returns whether that succeeded within `timeout` milliseconds (default: ten seconds): journald
 * answers only when no process logs any more, and a unit that logs without end can keep it busy.
 *
 * It starts no journalctl, because Node.js does nothing else until a process has started, which
 * takes up to 50 ms on a busy host.
 */
export function syncJournal(timeout = deadline): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, timeout, false).unref());
  return Promise.race([sharedCall(), late]);
}

const sharedCall = shareCalls(async () => {
  const inTime = timeoutSignal(deadline);
  try {
    await traced('journald.Synchronize', undefined, () => synchronize(inTime));
    return true;
  } catch (cause) {
    if (inTime.aborted) return false;
    throw journalAway(cause);
  }
}, 0);

/** One call of Varlink (varlink.org): JSON that ends with a NUL, and so does the reply. */
async function synchronize(signal: AbortSignal): Promise<void> {
  const connection = addAbortSignal(signal, connect(varlink));
  connection.write('{"method":"io.systemd.Journal.Synchronize"}\0');
  let reply = '';
  for await (const part of connection.setEncoding('utf8')) {
    reply += part;
    if (reply.endsWith('\0')) break; // Leaving the loop closes the connection.
  }
  if (/"error"/.test(reply) || !reply.endsWith('\0')) throw new Error(`journald answered ${reply}`);
}
