export interface EnvironmentVariable {
  name: string;
  value: string;
}

/**
 * The text of a file for `docker run --env-file`: NAME=value a line, the value as it is to the end of the line
 * (docker-run(1)). Values hold no NUL and no line break; the contract's schema has refused them.
 */
export function renderEnvFile(env: EnvironmentVariable[]): string {
  return env.map(({ name, value }) => `${name}=${value}\n`).join('');
}

/** Reads back what `renderEnvFile` has written. */
export function parseEnvFile(text: string): EnvironmentVariable[] {
  return text.split('\n').flatMap((line) => {
    const equals = line.indexOf('=');
    return equals > 0 ? [{ name: line.slice(0, equals), value: line.slice(equals + 1) }] : [];
  });
}
