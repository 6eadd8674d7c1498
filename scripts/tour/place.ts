/** The machine on which the tour takes place. */
export interface Place {
  /** Runs a program on the host and returns what it printed, whatever its exit status. */
  run(program: string, ...args: string[]): Promise<{ status: number; output: string }>;
  /** What a person puts before a command to have it run on the host; empty where that is this machine. */
  prefix: string;
}

/** Runs a program on a place and returns its output; throws when it fails. */
export async function must(place: Place, program: string, ...args: string[]): Promise<string> {
  const { status, output } = await place.run(program, ...args);
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')} exited with ${status}:\n${output.trimEnd()}`);
  return output;
}
