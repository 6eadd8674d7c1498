import { readFile } from 'node:fs/promises';
import { text as readText } from 'node:stream/consumers';
import { Option } from 'commander';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import { BadConfig } from '../options/config.ts';
import { environment } from '../options/environment.ts';

/** An option that may be given several times. */
export const collect = (flags: string, help: string): Option =>
  new Option(flags, help).argParser((value: string, before: string[] = []) => [...before, value]);

export const hostOption = (help: string): Option => new Option('--host <name>', help);

/** Parses `NAME=value`. NAME alone takes its value from the environment of this process. */
export function variableOf(text: string): EnvironmentVariable {
  const equals = text.indexOf('=');
  if (equals > 0) return { name: text.slice(0, equals), value: text.slice(equals + 1) };
  const value = equals < 0 ? environment[text] : undefined;
  if (value !== undefined) return { name: text, value };
  throw new BadConfig(`${shown(text)}: a variable is NAME=value; NAME alone only where it is set here`);
}

/**
 * Reads lines of `NAME=value`, as in Docker's --env-file: no quotes, `#` begins a comment, and
 * white space at the beginning of a line does not count.
 */
export async function readVariables(file: string | undefined): Promise<EnvironmentVariable[]> {
  if (file === undefined) return [];
  const text = file === '-' ? await readText(process.stdin) : await readFile(file, 'utf8');
  const lines = text.split(/\r?\n/).map((line) => line.trimStart());
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => variableOf(line));
}

/**
 * Returns the variables of a file, if given, and those of the command line. The last variable of a
 * name wins, as with docker run.
 */
export async function variablesFrom(
  file: string | undefined,
  texts: readonly string[],
): Promise<EnvironmentVariable[]> {
  const all = [...(await readVariables(file)), ...texts.map((text) => variableOf(text))];
  return [...new Map(all.map((variable) => [variable.name, variable])).values()];
}

const port = /^(?:(\d{1,5}):)?(\d{1,5})$/;

/** Parses a port: `8080:80` is external and internal; for `80` the host chooses the external. */
export function portOf(text: string): { internal: number; external?: number } {
  const [, external, internal] = port.exec(text) ?? [];
  if (internal === undefined)
    throw new BadConfig(`${shown(text)}: a port is EXTERNAL:INTERNAL or INTERNAL, such as 8080:80`);
  return { internal: Number(internal), ...(external !== undefined && { external: Number(external) }) };
}

/** Parses `data:/var/lib/data`, or `data:/var/lib/data:web` for the volume of another gear. */
export function volumeOf(text: string): { name: string; path: string; of?: string } {
  const [name = '', path, of, ...more] = text.split(':');
  if (path === undefined || more.length > 0)
    throw new BadConfig(`${shown(text)}: a volume is NAME:PATH or NAME:PATH:GEAR, such as data:/data`);
  return { name, path, ...(of !== undefined && { of }) };
}

const shown = (text: string) => text.slice(0, 70);
