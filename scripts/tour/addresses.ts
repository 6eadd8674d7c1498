export const apiPort = 2223;
export const samplePort = 4343;
export const sampleImage = 'geard/sample';

/** The project, on this machine and on a host in namespaces, and the program in it. */
export const project = process.cwd();
export const gear = [process.execPath, `${project}/bin/gear`] as const;

/** The directory of the host's files. */
export const base = '/var/lib/gears';
/** The directory of the keys of tokens. It goes with the machine's memory. */
export const keys = '/run/geard-tour-keys';

export const apiUrl = `http://localhost:${apiPort}`;
/** Where requests with the test token go. */
export const tokenUrl = `${apiUrl}/token/__test__`;
