import { exec } from '../../lib/exec.ts';

/** Timeout for prlimit, in milliseconds. */
const deadline = 5_000;

/**
 * Prevents core files of this process and of its children (prlimit(1), core(5)): their memory holds
 * keys and tokens. Returns false on failure.
 */
export async function leaveNoCoreFile(): Promise<boolean> {
  const args = ['--core=0:0', '--pid', String(process.pid)];
  const { status } = await exec('prlimit', args, { deadline }).catch(() => ({ status: null }));
  return status === 0;
}

/** Hides the arguments from ps: the title overwrites the memory from which Linux reads them. */
export function hideArguments(title: string): void {
  process.title = title;
}
