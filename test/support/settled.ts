/** Lets everything go on that waits for nothing from outside. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
