import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { succeeds } from './async/succeeds.ts';
import { timeoutSignal } from './async/timeout-signal.ts';
import { traced } from './effect.ts';

export interface ProgramOptions {
  /** Variables besides PATH and LC_ALL. */
  env?: Record<string, string>;
  /** Runs as this user and group, with no other groups. */
  user?: { uid: number; gid: number };
}

export interface ExecOptions extends ProgramOptions {
  /** Milliseconds until the program is killed. */
  deadline: number;
  signal?: AbortSignal;
  /** Maximum bytes kept of stdout and of stderr each; drops the rest. Default: 1 MiB. */
  maxOutput?: number;
  /** An open file that the program gets as its descriptor 3. */
  descriptor?: number;
}

export interface ExecResult {
  /** The exit status, or null when a signal ended it. */
  status: number | null;
  stdout: string;
  stderr: string;
}

// A child never sees our environment: it may hold credentials.
const cleanEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
};

/** Returns the path of a program that these functions would run; null if it is not installed. */
export async function whereIs(program: string): Promise<string | null> {
  for (const place of cleanEnvironment.PATH.split(':')) {
    const path = join(place, program);
    if (await succeeds(access(path, constants.X_OK))) return path;
  }
  return null;
}

function options({ env, user }: ProgramOptions): Omit<SpawnOptions, 'stdio'> {
  return { cwd: '/', env: { ...cleanEnvironment, ...env }, ...user };
}

/**
 * Runs a program without a shell and collects its output. Resolves with any exit status. Rejects
 * when the program cannot be started, times out or is aborted.
 */
export function exec(program: string, args: string[], wanted: ExecOptions): Promise<ExecResult> {
  return traced('exec', program, async () => {
    const child = spawn(program, args, {
      ...options(wanted),
      signal: timeoutSignal(wanted.deadline, wanted.signal),
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'pipe', ...(wanted.descriptor === undefined ? [] : [wanted.descriptor])],
    });
    const limit = wanted.maxOutput ?? 1024 * 1024;
    const [stdout, stderr, [status]] = await Promise.all([
      collect(child.stdout, limit),
      collect(child.stderr, limit),
      once(child, 'close'),
    ]);
    return { status, stdout, stderr };
  });
}

/** A program whose output is read while it runs. */
export interface Program {
  /** The program's output. The program waits while nothing reads it. */
  stdout: Readable;
  /**
   * Resolves with the exit status and stderr when all output has been read. Rejects when the
   * program cannot be started.
   */
  ended: Promise<{ status: number | null; stderr: string }>;
  /** Kills the program and resolves when it has ended. Discards unread output. */
  kill(): Promise<void>;
}

/**
 * Runs a program without a shell and streams its output. `kill` also kills all processes that it
 * has started.
 */
export function openProgram(program: string, args: string[], wanted: ProgramOptions = {}): Program {
  const child = spawn(program, args, {
    ...options(wanted),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const { stdout } = child;
  const ended = Promise.all([collect(child.stderr, 64 * 1024), once(child, 'close')]).then(
    ([stderr, [status]]) => ({ status, stderr }),
  );
  ended.catch(() => undefined); // The caller handles the error if it waits for the end.
  return {
    stdout,
    ended,
    async kill() {
      killGroup(child);
      stdout.destroy();
      await ended.catch(() => undefined);
    },
  };
}

/**
 * Kills a program that leads a process group, and the whole group. Until the program is reaped, no
 * other process gets its number.
 */
function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Starts a long-running program without a shell. Copies its output to our stderr and passes each
 * line to `hear`. The program has its own session, so we must pass on a Ctrl-C on our terminal.
 */
export function start(program: string, args: string[], hear: (line: string) => void): ChildProcess {
  const child = spawn(program, args, {
    env: cleanEnvironment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      process.stderr.write(`${line}\n`);
      hear(line);
    });
  }
  return child;
}

async function collect(stream: Readable | null, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    const bytes = Buffer.from(chunk);
    if (size < limit) chunks.push(bytes.subarray(0, limit - size));
    size += bytes.length;
  }
  return Buffer.concat(chunks).toString('utf8');
}
