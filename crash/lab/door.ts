import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';

/** Reaches an api that listens on the loopback of another network namespace. */
export interface Door {
  /** Rejects where nobody answers; `stay`: the body is left to the caller. */
  ask(ask: Ask): Promise<Answer>;
  open(ask: Ask): Promise<IncomingMessage>;
  close(): void;
}

export interface Ask {
  method: string;
  /** With the query. */
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
  /** Milliseconds until nobody is said to answer. */
  patience: number;
}

export interface Answer {
  status: number;
  replayed: boolean;
  body: unknown;
}

/** `pid` is a process in that namespace. The door opens when the first request has come. */
export async function openDoor(pid: number, socket: string, port: number): Promise<Door> {
  const forward = join(import.meta.dirname, '../../contrib/lab.d/forward.mjs');
  const helper: ChildProcess = spawn(
    'nsenter',
    ['-t', String(pid), '-n', process.execPath, forward, '--inside', socket],
    { stdio: ['pipe', 'pipe', 'inherit'], detached: true },
  );
  await Promise.race([
    once(helper.stdout as NodeJS.ReadableStream, 'data'),
    once(helper, 'exit').then(() => Promise.reject(new Error(`no way into the network of process ${pid}`))),
  ]);

  const open = ({ method, path, headers, body, patience }: Ask) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const createConnection = () => {
        const connection = connect(socket);
        connection.write(String(port).padStart(5, '0')); // What forward.mjs wants to know first.
        return connection;
      };
      const sent = request({ method, path, headers, createConnection, timeout: patience }, resolve);
      sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });

  return {
    open,
    async ask(ask) {
      const answer = await open(ask);
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString('utf8');
      return {
        status: answer.statusCode ?? 0,
        replayed: answer.headers['idempotent-replayed'] === 'true',
        body: parse(text),
      };
    },
    close: () => void helper.stdin?.end(),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
