/** Names the gear of a container or an image. */
export const gearLabel = 'geard.gear';
/** Names the job of a container. */
export const jobLabel = 'geard.job';
/** Names the source of an image. */
export const madeFromLabel = 'geard.from';
/** Marks every network that geard has made, with its name. */
export const networkLabel = 'geard.network';
