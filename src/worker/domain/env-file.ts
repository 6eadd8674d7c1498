import type { EnvironmentVariable } from '../../jobs/types/environment.ts';

/** Engines read a line of at most 64 KiB (Go's bufio.MaxScanTokenSize), its end mark included. */
const maxLine = 64 * 1024 - 2;
const comment = '# geard ';

/** A variable as the environment of a process has it (environ(7)). */
export const entryOf = ({ name, value }: EnvironmentVariable) => `${name}=${value}`;

/**
 * Whether an engine passes a value on as it is: it reads line by line and cuts off a line's last
 * CR.
 */
export function fitsEnvFile(variable: EnvironmentVariable): boolean {
  return !/[\r\n]/.test(variable.value) && Buffer.byteLength(entryOf(variable)) <= maxLine;
}

/**
 * The text of an env file for an engine: NAME=value a line, the value as it is to the end of the
 * line. A variable that does not fit stands in a comment, as JSON, for us to read: a gear that has
 * one gets its environment another way (environment/environment-image.ts).
 */
export function renderEnvFile(env: EnvironmentVariable[]): string {
  return env
    .map((variable) =>
      fitsEnvFile(variable) ? `${entryOf(variable)}\n` : `${comment}${JSON.stringify(variable)}\n`,
    )
    .join('');
}

/** Reads back what `renderEnvFile` has written. */
export function parseEnvFile(text: string): EnvironmentVariable[] {
  return text.split('\n').flatMap((line): EnvironmentVariable | EnvironmentVariable[] => {
    if (line.startsWith(comment)) return JSON.parse(line.slice(comment.length));
    const equals = line.indexOf('=');
    return equals > 0 ? [{ name: line.slice(0, equals), value: line.slice(equals + 1) }] : [];
  });
}

/**
 * The variables of both; of two with the same name the later one counts, in the earlier one's
 * place.
 */
export function mergeVariables(
  earlier: EnvironmentVariable[],
  later: EnvironmentVariable[],
): EnvironmentVariable[] {
  const merged = new Map([...earlier, ...later].map(({ name, value }) => [name, value]));
  return [...merged].map(([name, value]) => ({ name, value }));
}
