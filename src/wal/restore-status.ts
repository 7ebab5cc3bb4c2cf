/**
 * PostgreSQL's reading of the exit status of a restore_command (docs/reference/clients.md section 7.1): from 1 up to this one the file is taken for
 * missing, and recovery ends; above it the server stops with an error.
 */
export const mostTakenForMissing = 125;

/** Exit status of a command that must not be taken for the end of the archive. */
export const recoveryMustStop = 200;
