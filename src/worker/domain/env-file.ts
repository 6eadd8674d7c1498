import type { EnvironmentVariable } from '../../jobs/types/environment.ts';

/** Maximum line bytes: engines read at most 64 KiB with the end (Go's bufio.MaxScanTokenSize). */
const maxLine = 64 * 1024 - 2;
const comment = '# geard ';

/** A variable in the format of a process's environment (environ(7)). */
export const entryOf = ({ name, value }: EnvironmentVariable) => `${name}=${value}`;

/**
 * Whether an engine passes a value on unchanged: it reads line by line and strips a line's last CR.
 */
export function fitsEnvFile(variable: EnvironmentVariable): boolean {
  return !/[\r\n]/.test(variable.value) && Buffer.byteLength(entryOf(variable)) <= maxLine;
}

/**
 * The text of an env file for an engine: NAME=value, one per line, with the value verbatim to the
 * end of the line. A variable that does not fit becomes a comment, as JSON, for geard to read: its
 * gear gets the environment in another way (environment/environment-image.ts).
 */
export function renderEnvFile(env: EnvironmentVariable[]): string {
  const lines = env.map((one) => (fitsEnvFile(one) ? entryOf(one) : `${comment}${JSON.stringify(one)}`));
  return lines.map((line) => `${line}\n`).join('');
}

/** Parses the output of `renderEnvFile`. */
export function parseEnvFile(text: string): EnvironmentVariable[] {
  return text.split('\n').flatMap((line): EnvironmentVariable | EnvironmentVariable[] => {
    if (line.startsWith(comment)) return JSON.parse(line.slice(comment.length));
    const equals = line.indexOf('=');
    return equals > 0 ? [{ name: line.slice(0, equals), value: line.slice(equals + 1) }] : [];
  });
}

/** Merges variables; of two with the same name the later one counts, in the earlier one's place. */
export function mergeVariables(
  earlier: EnvironmentVariable[],
  later: EnvironmentVariable[],
): EnvironmentVariable[] {
  const merged = new Map([...earlier, ...later].map(({ name, value }) => [name, value]));
  return [...merged].map(([name, value]) => ({ name, value }));
}
