const hour = 3_600_000;

/** When something happened, by our clock, of which the clock of a host may differ by whole hours. Times are milliseconds. */
export const realTime = (told: number): number => told - Math.round((told - Date.now()) / hour) * hour;
