/* Labels say what is ours and whose it is; there is no other record of it on the machine. */

/** On every image of ours: its name as the platform has it. */
export const IMAGE_LABEL = 'avishkar.image';
/** On whatever a build of ours makes on its way, where we write the Dockerfile. */
export const BUILD_LABEL = 'avishkar.build';
/** On every container of ours: the replica's id. */
export const REPLICA_LABEL = 'avishkar.replica';
