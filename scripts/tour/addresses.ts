export const apiPort = 2223;
export const samplePort = 4343;
export const sampleImage = 'geard/sample';

/** Gone with the machine's memory. */
export const tourKeys = '/run/geard-tour-keys';

export const apiUrl = `http://localhost:${apiPort}`;
/** Where requests with the test token go. */
export const tokenUrl = `${apiUrl}/token/__test__`;
