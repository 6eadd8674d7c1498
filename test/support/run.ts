import { execFile } from 'node:child_process';

export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a program and returns what it did, whatever its exit status. */
export function run(program: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const status = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
      resolve({ status, stdout, stderr });
    });
  });
}

/** Runs a program that must succeed and returns its output. */
export async function ok(program: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(program, ...args);
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')} exited with ${status}: ${stderr || stdout}`);
  return stdout.trim();
}
