import { type ChildProcess, spawn } from 'node:child_process';

export interface ExecOptions {
  /** Milliseconds until the program is killed. */
  deadline: number;
  signal?: AbortSignal;
  /** Bytes of stdout and of stderr that are kept each; what exceeds is dropped. Default 1 MiB. */
  maxOutput?: number;
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

/**
 * Runs a program without a shell and collects what it prints. Resolves whatever its exit status; rejects when it
 * cannot be started or is still running at the deadline.
 */
export async function exec(program: string, args: string[], options: ExecOptions): Promise<ExecResult> {
  const signals = [AbortSignal.timeout(options.deadline), ...(options.signal ? [options.signal] : [])];
  const child = spawn(program, args, {
    env: cleanEnvironment,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.any(signals),
    killSignal: 'SIGKILL',
  });
  const limit = options.maxOutput ?? 1024 * 1024;
  const [stdout, stderr, status] = await Promise.all([
    collect(child.stdout, limit),
    collect(child.stderr, limit),
    exited(child),
  ]);
  return { status, stdout, stderr };
}

/**
 * Starts a long-running program without a shell; what it prints goes to our stderr. It has a session of its own:
 * a Ctrl-C on our terminal is for us to pass on.
 */
export function start(program: string, args: string[]): ChildProcess {
  return spawn(program, args, { env: cleanEnvironment, stdio: ['ignore', 2, 2], detached: true });
}

function exited(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
}

async function collect(stream: NodeJS.ReadableStream, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    if (size < limit) chunks.push(bytes.subarray(0, limit - size));
    size += bytes.length;
  }
  return Buffer.concat(chunks).toString('utf8');
}
