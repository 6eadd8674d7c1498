import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { undefinedEnd } from '../../src/worker/jobs/execute.ts';
import { whole } from './ask.ts';
import { assertDocumented } from './documented.ts';

const output = new WeakMap<ChildProcess, string[]>();

/** Everything that a program started here has said so far. */
export const outputOf = (child: ChildProcess) => (output.get(child) ?? []).join('');

/** Starts a Node program and waits until it has said that it is ready. */
export async function startNode(args: string[], ready: RegExp): Promise<ChildProcess> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const all: string[] = [];
  output.set(child, all);
  await new Promise<void>((resolve, reject) => {
    const look = (chunk: Buffer) => {
      all.push(String(chunk));
      said = (said + String(chunk)).slice(-10_000);
      if (ready.test(said)) resolve();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} exited with ${code}: ${said}`)));
  });
  return child;
}

/** Throws where a job has ended with a result or an error that its definition does not have. */
export function assertEndsAreDefined(log: string): void {
  const line = log.split('\n').find((one) => one.includes(undefinedEnd));
  if (line !== undefined) throw new Error(line);
}

/** Whether the api at this port of loopback is ready: it listens before it is connected to Redis. */
export async function isReady(port: number): Promise<boolean> {
  const answered = await fetch(`http://127.0.0.1:${port}/readyz`)
    .then(whole)
    .catch(() => null);
  if (answered === null) return false;
  assertDocumented('GET', '/readyz', answered);
  return answered.status === 200;
}

/** Ends a program of ours, and looks whether its jobs have ended as they may. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
  assertEndsAreDefined(outputOf(child));
}

/** Resident memory of a process in MB (VmRSS of proc(5)). */
export function residentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
