/** Says of which gear a container or an image is. */
export const gearLabel = 'geard.gear';
/** Says of which job a container is. */
export const jobLabel = 'geard.job';
/** Says what an image was made from. */
export const madeFromLabel = 'geard.from';
/** On every network that geard has made; says which it is. */
export const networkLabel = 'geard.network';
