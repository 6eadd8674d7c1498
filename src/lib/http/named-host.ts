/** The name or address in a Host header, without the port and in lower case. */
export const namedHost = (header = '') => header.replace(/:\d*$/, '').toLowerCase();
