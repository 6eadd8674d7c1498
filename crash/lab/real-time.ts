const hour = 3_600_000;

/** When something happened, by our clock, of which the clock of a host may differ by whole hours. Times are milliseconds. */
export const realTime = (told: number): number => told - Math.round((told - Date.now()) / hour) * hour;

/** The same of an ISO 8601 text. */
export const parseTime = (told: string): number => realTime(Date.parse(told));
